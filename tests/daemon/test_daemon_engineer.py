"""An engineer at a daemon whose devices are all absent: what ails it is told, tried, and on record."""

import pytest

from gate_controller.control.client import DaemonUnreachableError, GateClient
from gate_controller.journal.reader import JournalReader
from gate_controller.ports.errors import RefusedByStateError
from tests.daemon.conftest import GENEROUS_S


def patiently(ask):
    """Ask until the gate answers: on a machine that is too busy it refuses to wait for itself."""
    while True:
        try:
            return ask()
        except RefusedByStateError as error:
            if "did not answer" not in error.what:
                raise


def test_an_engineer_finds_the_fault_over_the_socket(site, run_daemon):
    daemon = run_daemon()
    daemon.wait_status(lambda status: all(device["state"] != "starting" for device in status["devices"].values()))
    client = GateClient(site.apart / "c.sock", timeout_s=GENEROUS_S)
    assert client.whoami()["roles"] == ["read", "operator", "officer", "engineer"]

    found = client.diagnostics()
    devices = {device["device"]: device for device in found["devices"]}
    assert (devices["io_board"]["driver"], devices["io_board"]["state"], devices["io_board"]["reason"]) == ("io_board.modbus", "lost", "absent")
    assert devices["io_board"]["remedy"]
    assert found["pid"] == daemon.process.pid
    assert found["configuration"] == str(site.apart / "gate.toml")
    assert found["inputs"]["emergency"] == "unknown"
    assert found["stores"]["disks"]["journal"]["free_bytes"] > 0

    with pytest.raises(RefusedByStateError):
        client.device_test("io", "no answer")
    patiently(lambda: client.maintenance(True, "n-7", "board absent"))
    tested = client.device_test("io", "board absent")
    assert (tested["result"], tested["values"]) == ("fail", {"code": "absent"})
    with pytest.raises(RefusedByStateError, match="not known to be empty"):
        client.snapshot("face")
    patiently(lambda: client.maintenance(False, "n-7", "done"))
    with pytest.raises(DaemonUnreachableError, match="does not know this call"):
        client._ask("GET", "/v1/nothing")
    assert "gate_device_ready" in client.metrics()

    code, log = daemon.stop()
    assert code == 0
    assert "n-7" not in log
    assert "board absent" not in log
    with JournalReader(site.directory / "journal.db") as journal:
        notes = [entry.body["fields"] for entry in journal.entries() if entry.label == "control_act"]
    told = [(note["act"], note["outcome"]) for note in notes]
    assert [act for act in told if act not in {("maintenance.on", "refused"), ("maintenance.off", "refused")}] == [
        ("test_device.io", "refused"),
        ("maintenance.on", "done"),
        ("test_device.io", "done"),
        ("snapshot.face", "refused"),
        ("maintenance.off", "done"),
    ]
    assert {note["reason"] for note in notes} == {"no answer", "board absent", "", "done"}
