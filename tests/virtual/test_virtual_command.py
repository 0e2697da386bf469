"""gatectl simulate --virtual: what it prints, and its exit codes."""

from __future__ import annotations

import json

import pytest

from gate_controller.cli.main import main
from gate_controller.core.table import EVALUATE, TABLE
from simulators.virtual import episode


def test_a_run_without_violations_ends_with_0_and_tells_what_happened(capsys: pytest.CaptureFixture[str]):
    assert main(["simulate", "--virtual", "--travellers", "60", "--faults", "harsh", "--seed", "2"]) == 0
    printed = capsys.readouterr().out
    assert "reached identity_check" in printed
    assert "each with exactly one outcome" in printed
    assert "process killed, no process (there is none to kill)" in printed
    assert "0 violations" in printed


def test_the_report_as_json(capsys: pytest.CaptureFixture[str]):
    assert main(["simulate", "--virtual", "--travellers", "30", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outcomes"] == {"completed": 30}
    assert told["violations"] == []


def test_a_violation_ends_with_1_and_says_how_to_see_it_again(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    broken = tuple(row for row in TABLE if row.trigger != EVALUATE or "release_allowed" not in row.when)
    broken = tuple(row for row in broken if not {"expired_identity", "check_failed"} & set(row.when))
    monkeypatch.setattr(episode.Episode.__init__, "__kwdefaults__", {**episode.Episode.__init__.__kwdefaults__, "table": broken})
    assert main(["simulate", "--virtual", "--travellers", "25", "--seed", "5"]) == 1
    assert "gatectl simulate --virtual --faults none --seed 5 --only 0" in capsys.readouterr().out
    assert main(["simulate", "--virtual", "--seed", "5", "--only", "0"]) == 1
    replayed = capsys.readouterr().out
    assert "PassRead" in replayed
    assert "violation: INV-4" in replayed


def test_what_is_exempt_too_often_ends_with_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("simulators.virtual.result.FEW", 0)
    monkeypatch.setattr("simulators.virtual.result.MOST_EXEMPT", 0.0)
    assert main(["simulate", "--virtual", "--travellers", "250", "--faults", "harsh", "--seed", "1"]) == 1
    printed = capsys.readouterr().out
    assert "of the crossings: INV-" in printed


def test_options_of_the_virtual_lane_are_refused_without_it(capsys: pytest.CaptureFixture[str]):
    assert main(["simulate", "--faults", "harsh"]) == 2
    assert "belong to --virtual" in capsys.readouterr().err
