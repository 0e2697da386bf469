"""A dozen of the faults, in this process; the rest is `make doctor-faults`."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.main import main
from gate_controller.diagnostics import Site, all_groups, stores
from gate_controller.diagnostics.catalogue import CHECKS
from tests.doctor.inject import INJECT
from tests.doctor.looking import doctor_main, findings
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


class Clock:
    """A clock that is somewhere else."""

    def __init__(self, wall):
        self._wall = wall

    def wall(self):
        return self._wall

    def monotonic(self):
        return 0.0


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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do anything")
def test_a_store_that_is_not_the_gates(gate):
    try:
        Path(gate.directory / "journal.db").chmod(0)
        found = findings(Site(gate.config), "permissions", "journal")
    finally:
        gate.mend()
    assert found["permissions.stores"].result == "fail"
