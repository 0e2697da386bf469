"""Faults that doctor had missed or named badly when they were tried first."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.main import main
from gate_controller.diagnostics import Site, service
from gate_controller.journal.key_file import make_key
from tests.doctor.inject import INJECT
from tests.doctor.looking import doctor_main, findings, running


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
    try:
        INJECT["older_journal"](gate)
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


@pytest.mark.parametrize("beside", ["journal.db.lock", "replay.db-wal", "journal.db.last-signed", "enrolment/lock"])
def test_what_a_gate_run_by_hand_as_root_left_beside_a_store_is_named(gate, beside, monkeypatch):
    looks = os.access
    monkeypatch.setattr(os, "access", lambda path, *args, **named: Path(path) != gate.directory / beside and looks(path, *args, **named))
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


def test_a_configuration_of_another_gate_than_the_controllers_is_told_and_its_journal_left_alone(gate):
    found = findings(running(gate, gate="MO-SIM-61"), "configuration", "journal")
    assert (found["configuration.valid"].result, "MO-SIM-61" in found["configuration.valid"].value) == ("fail", True)
    assert found["journal.store"].result == "skip"


@pytest.mark.parametrize(("active", "result"), [(0, "pass"), (3, "fail")])
def test_a_port_under_systemd_is_the_gates_only_if_its_unit_holds_it(gate, active, result, monkeypatch):
    monkeypatch.setattr(service.shutil, "which", lambda _name: "/bin/systemctl")
    real = Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda self: str(self) == "/run/systemd/system" or real(self))
    monkeypatch.setattr(service.subprocess, "run", lambda *_args, **_named: SimpleNamespace(returncode=active, stdout="LoadState=not-found"))
    try:
        INJECT["hold_port"](gate)
        found = findings(Site(gate.config), "service")["kiosk.port"]
    finally:
        gate.mend()
    assert found.result == result


def test_a_store_that_leads_to_a_disk_that_is_not_mounted_is_not_called_missing(gate):
    journal = gate.directory / "journal.db"
    try:
        journal.unlink()
        journal.symlink_to("/mnt/gone/journal.db")
        found = findings(Site(gate.config), "journal")["journal.store"]
    finally:
        gate.mend()
    assert (found.result, "leads to /mnt/gone/journal.db" in found.value) == ("fail", True)


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
