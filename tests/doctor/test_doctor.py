"""A dozen of the faults, in this process; the rest is `make doctor-faults`."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from gate_controller.cli.doctor import doctor_command
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.main import main
from gate_controller.diagnostics import Site, all_groups, examine, stores
from gate_controller.diagnostics.catalogue import CHECKS
from gate_controller.journal import SqliteJournal
from gate_controller.journal.key_file import make_key, origin_of, signer_beside
from tests.doctor.gate import BrokenGate
from tests.doctor.inject import INJECT
from tests.doctor.run import faults

FAULTS = {each.cause: each for each in faults()}
HERE = [
    "configuration missing",
    "key misspelt",
    "floor damaged",
    "imported keys altered",
    "another master key",
    "journal damaged",
    "another program's file",
    "model damaged",
    "controller of another version",
    "fingerprint module unplugged",
    "I/O board unplugged",
    "fingerprint line held by another program",
    "emergency loop cut",
    "people counter without power",
]
SKIPPED_HERE = ("face_camera", "qr_camera", "models.work")


class Clock:
    """A clock that is somewhere else."""

    def __init__(self, wall):
        self._wall = wall

    def wall(self):
        return self._wall

    def monotonic(self):
        return 0.0


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    made = BrokenGate(tmp_path_factory.mktemp("g"))
    made.mend()
    yield made
    made.close()


def findings(site, *prefixes):
    groups = [each for each in all_groups(site) if not prefixes or any(check.startswith(prefixes) for check in each.ids)]
    return {each.id: each for each in examine([each for each in groups if not each.ids[0].startswith(SKIPPED_HERE)])}


def test_the_table_is_as_it_must_be():
    listed = faults()
    assert len(listed) == 96
    assert max(Counter(each.cause for each in listed).values()) <= 2
    assert len({each.cause for each in listed}) >= 30
    assert all(each.check in CHECKS or each.check == "configuration" for each in listed)
    assert all(each.inject in INJECT for each in listed)
    assert set(HERE) <= {each.cause for each in listed}


@pytest.mark.wire
def test_a_healthy_gate_shows_no_fail(gate):
    found = findings(Site(gate.config))
    assert [each for each in found.values() if each.result == "fail" and not each.id.endswith((".speed", "memory.free"))] == []
    assert {"fingerprint.settings", "lane.counter", "journal.store", "trust.fresh"} <= {check for check, each in found.items() if each.result == "pass"}


@pytest.mark.wire
@pytest.mark.parametrize("cause", HERE)
def test_the_cause_is_named(gate, cause):
    fault = FAULTS[cause]
    try:
        INJECT[fault.inject](gate, **fault.fields)
        found = findings(Site(gate.config), fault.check.partition(".")[0], "configuration", "lane")
    finally:
        gate.mend()
    blamed = found[fault.check]
    assert blamed.result == "fail"
    assert fault.words in blamed.value
    assert blamed.remedy


@pytest.mark.wire
def test_one_cause_makes_no_others(gate):
    """Whoever reads the first line must not be sent elsewhere."""
    try:
        INJECT["contacts"](gate, emergency_loop_closed=False)
        found = findings(Site(gate.config))
    finally:
        gate.mend()
    assert [each.id for each in found.values() if each.result == "fail" and not each.id.endswith((".speed", "memory.free"))] == ["lane.emergency"]


@pytest.mark.parametrize(("wall", "check"), [(60.0, "clock.time"), (3e9, "clock.time"), (1e18, "clock.time"), (1_777_000_000.0, "clock.behind")])
def test_a_wrong_clock_is_named(gate, wall, check):
    assert findings(Site(gate.config, clock=Clock(wall)), "clock")[check].result == "fail"


def test_a_journal_in_a_directory_that_may_not_be_looked_into_is_not_taken_for_one_that_is_missing(monkeypatch, tmp_path):
    def refuse(_path):
        raise PermissionError

    assert stores._is_missing(tmp_path / "journal.db")
    monkeypatch.setattr(Path, "exists", refuse)
    assert not stores._is_missing(tmp_path / "journal.db")


@pytest.mark.parametrize("changed", ["id", "key"])
def test_another_gates_journal_is_named_as_the_gate_does_that_refuses_it(gate, changed):
    try:
        if changed == "id":
            gate.change("gate", id="MO-SIM-9")
        else:
            make_key(gate.directory / "other.key")
            gate.change("journal", signing_key_file=str(gate.directory / "other.key"))
        found = findings(Site(gate.config), "journal")["journal.store"]
    finally:
        gate.mend()
    assert found.result == "fail"
    assert {"id": "it is the journal of e-channel/MO-SIM-1/journal", "key": "it belongs to"}[changed] in found.value


def test_an_older_journal_put_back_is_named(gate):
    journal, kept = gate.directory / "journal.db", gate.directory / "journal.db.last-signed"
    try:
        before = journal.read_bytes()
        written = SqliteJournal(journal, signer_beside(journal, origin_of("MO-SIM-1")))
        for _ in range(150):
            written.event("device_lost", {"device": "qr_camera"}, time.time())
        written.tend(time.time() + 400)
        written.close()
        newer = kept.read_bytes()
        journal.write_bytes(before)
        kept.write_bytes(newer)
        found = findings(Site(gate.config), "journal")["journal.store"]
    finally:
        gate.mend()
    assert (found.result, "not those that journal.db.last-signed says were signed" in found.value) == ("fail", True)


def test_what_is_no_socket_where_the_socket_belongs_is_named(gate):
    try:
        (gate.directory / "control.sock").write_text("")
        found = findings(Site(gate.config), "service")["service.socket"]
    finally:
        gate.mend()
    assert (found.result, "is no socket" in found.value) == ("fail", True)


@pytest.mark.parametrize("beside", ["journal.db.lock", "replay.db-wal", "journal.db.last-signed"])
def test_what_a_gate_run_by_hand_as_root_left_beside_a_store_is_named(gate, beside, monkeypatch):
    looks = os.access
    monkeypatch.setattr(os, "access", lambda path, *args, **named: Path(path).name != beside and looks(path, *args, **named))
    try:
        (gate.directory / beside).touch()
        found = findings(Site(gate.config), "permissions")["permissions.stores"]
    finally:
        gate.mend()
    assert (found.result, beside in found.value) == ("fail", True)


def test_two_names_of_one_line_are_named(gate):
    line = gate.directory / "line"
    try:
        line.symlink_to(gate.files.changes["devices"]["io_board"]["port"])
        gate.change("devices.fingerprint", port=str(line))
        found = findings(Site(gate.config), "udev")["udev.names"]
    finally:
        gate.mend()
    assert (found.result, "same device" in found.value) == ("fail", True)


@pytest.mark.wire
def test_a_module_whose_power_fails_now_and_then_is_no_pass(gate):
    ends = threading.Event()

    def fail():
        while not ends.wait(0.5):
            gate.lane.ask("fingerprint", "fault", name="power_cycle")

    failing = threading.Thread(target=fail)
    failing.start()
    try:
        found = findings(Site(gate.config), "fingerprint")
    finally:
        ends.set()
        failing.join()
        gate.mend()
    assert "fail" in {each.result for each in found.values()}


@pytest.mark.wire
def test_lines_that_were_swapped_are_thought_of(gate):
    devices = gate.files.changes["devices"]
    board, module = devices["io_board"]["port"], devices["fingerprint"]["port"]
    try:
        gate.change("devices.io_board", port=module)
        gate.change("devices.fingerprint", port=board)
        found = findings(Site(gate.config), "io_board")["io_board.answer"]
    finally:
        gate.mend()
    assert (found.result, "swapped" in found.remedy) == ("fail", True)


def test_a_configuration_that_may_not_be_read_is_a_finding_and_no_mistake_of_usage(gate, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda *_args, **_named: False)  # as it is for anybody but root
    real = Path.read_text
    denied = OSError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(Path, "read_text", lambda self, *a, **k: (_ for _ in ()).throw(denied) if self == gate.config else real(self, *a, **k))
    code = main(["doctor", "--config", str(gate.config), "--json"], doctor_main)
    report = json.loads(capsys.readouterr().out)
    first = report["checks"][0]
    assert (code, first["id"], first["result"]) == (ExitCode.CHECK_FAILED, "configuration.file", "fail")
    assert "Permission denied" in first["value"]
    assert "read it" in first["remedy"] or "sudo" in first["remedy"]


def running(gate, **status):
    """The site beside a gate controller that says this."""
    site = Site(gate.config)
    site.answer = {"uptime_s": 60.0, "devices": {}, **status}
    return site


def test_a_configuration_that_was_changed_since_the_start_is_told(gate):
    os.utime(gate.config, (time.time() - 3600,) * 2)
    os.utime(gate.directory / "policy.toml", (time.time() - 3600,) * 2)
    assert findings(running(gate), "configuration")["configuration.valid"].result == "pass"
    os.utime(gate.directory / "policy.toml")
    try:
        found = findings(running(gate), "configuration")["configuration.valid"]
    finally:
        gate.mend()
    assert (found.result, "policy.toml: changed since" in found.value, "restart" in found.remedy) == ("warn", True, True)


@pytest.mark.parametrize(
    ("device", "check"), [("journal", "journal.store"), ("pass_verifier", "replay.store"), ("enrolment", "enrolment.store"), ("trust", "trust.fresh")]
)
def test_what_the_gate_controller_has_lost_is_no_pass_because_the_files_are_whole(gate, device, check):
    lost = {device: {"state": "lost", "code": "store", "detail": "moved while in use", "remedy": "put it back"}}
    found = findings(running(gate, devices=lost), check.partition(".")[0])[check]
    assert (found.result, found.value, found.remedy) == ("fail", "the gate controller says: moved while in use", "put it back")
    assert findings(running(gate, devices={device: {"state": "ready"}}), check.partition(".")[0])[check].result == "pass"


def test_the_page_of_a_gate_controller_that_hangs_is_not_called_another_programs(gate):
    try:
        INJECT["hold_port"](gate)
        INJECT["hold_journal"](gate)
        found = findings(Site(gate.config), "service")
    finally:
        gate.mend()
    assert (found["service.socket"].result, found["kiosk.port"].result) == ("fail", "skip")


def test_a_journal_without_what_was_signed_last_is_told(gate):
    try:
        (gate.directory / "journal.db.last-signed").unlink()
        found = findings(Site(gate.config), "journal")["journal.store"]
    finally:
        gate.mend()
    assert (found.result, "last-signed" in found.value) == ("warn", True)


def test_a_directory_for_the_socket_that_is_not_there_is_told(gate):
    try:
        gate.change("control", socket=str(gate.directory / "none/control.sock"))
        found = findings(Site(gate.config), "service")["service.socket"]
    finally:
        gate.mend()
    assert (found.result, "none for its socket is not there" in found.value) == ("warn", True)


@pytest.mark.parametrize(
    ("there", "age_s", "daemon", "result"),
    [
        (True, 20.0, True, "pass"),
        (True, 300.0, True, "fail"),
        (True, 20.0, False, "warn"),
        (False, 0.0, True, "fail"),
        (False, 0.0, False, "pass"),
        (None, 0.0, False, "fail"),
    ],
)
def test_an_old_metrics_file_is_not_taken_for_the_truth(gate, there, age_s, daemon, result):
    file = gate.directory / "collector/gate.prom"
    try:
        gate.change("metrics", textfile=str(file))
        if there is not None:
            file.parent.mkdir()
        if there:
            file.write_text("gate_up 1.0\n")
            os.utime(file, (time.time() - age_s,) * 2)
        found = findings(running(gate) if daemon else Site(gate.config), "metrics")["metrics.textfile"]
    finally:
        gate.mend()
    assert found.result == result


@pytest.mark.wire
def test_devices_are_left_alone_beside_a_daemon(gate):
    """Never both: with a daemon there, no device is opened."""
    try:
        INJECT["daemon"](gate)
        INJECT["hold_device"](gate, device="fingerprint")
        found = findings(Site(gate.config), "service", "fingerprint", "io_board")
    finally:
        gate.mend()
    assert found["service.socket"].result == "pass"
    assert found["fingerprint.held"].value == "the gate controller works with it"
    assert found["lane.emergency"].result == "pass"


def test_a_daemon_that_may_be_running_keeps_its_devices(gate):
    try:
        INJECT["hold_journal"](gate)
        found = findings(Site(gate.config), "service", "fingerprint", "io_board")
    finally:
        gate.mend()
    assert found["service.socket"].result == "fail"
    assert {found[check].result for check in CHECKS if check.startswith(("fingerprint", "io_board", "lane"))} == {"skip"}


def test_the_report_without_any_configuration(tmp_path, capsys):
    code = main(["doctor", "--config", str(tmp_path / "none.toml"), "--json"], doctor_main)
    report = json.loads(capsys.readouterr().out)
    assert code == ExitCode.CHECK_FAILED
    assert report.keys() == {"schema", "gate", "version", "asked", "at", "seconds", "ok", "checks"}
    assert (report["schema"], report["ok"], report["asked"]) == (1, False, "files")
    assert [each["id"] for each in report["checks"]] == [check for group in all_groups(Site(tmp_path)) for check in group.ids]
    assert all(each.keys() == {"id", "result", "value", "meaning", "remedy"} for each in report["checks"])
    assert {each["result"] for each in report["checks"]} <= {"pass", "warn", "fail", "skip"}
    assert next(each for each in report["checks"] if each["id"] == "clock.time")["result"] == "pass"


@pytest.mark.parametrize("columns", ["60", "20", "0"])
def test_people_are_told_in_lines_that_fit(tmp_path, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    main(["doctor", "--config", str(tmp_path / ("x" * 90)), "--all"], doctor_main)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].endswith("begin with configuration.file")
    assert any("     means: " in line for line in lines)
    assert any("     do: " in line for line in lines)
    if columns == "60":
        assert max(map(len, lines[:-1])) <= 60


def doctor_main(args=None, **options):
    """gatectl doctor without becoming the gate's user for good: this process runs other tests, too."""
    return doctor_command.main(args=args[1:], standalone_mode=False, prog_name="doctor")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do anything")
def test_a_store_that_is_not_the_gates(gate):
    try:
        Path(gate.directory / "journal.db").chmod(0)
        found = findings(Site(gate.config), "permissions", "journal")
    finally:
        gate.mend()
    assert found["permissions.stores"].result == "fail"
