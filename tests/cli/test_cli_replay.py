"""gatectl replay: the same decision, the first difference, or why there is nothing to derive from."""

from __future__ import annotations

import contextlib
import json

import pytest

from gate_controller.cli.main import main
from gate_controller.core import events as e
from gate_controller.core.values import CheckOutcome, Direction, Region
from gate_controller.journal import SqliteJournal
from gate_controller.runtime import trace as traces
from tests.journal.conftest import KEY
from tests.runtime.test_trace import Recorded


@pytest.fixture
def gatectl(tmp_path, capsys):
    def run(*arguments):
        code = main(["replay", *arguments, "--journal", str(tmp_path / "journal.db")])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def journal(tmp_path):
    with contextlib.closing(SqliteJournal(tmp_path / "journal.db", KEY)) as opened:
        yield opened


def keep(journal, lane, name, trace=None):
    journal.admit(name, Region.HK, Direction.HK_TO_MO, 1.0)
    journal.record(lane.records[name], 2.0)
    journal.trace(name, lane.traces[name] if trace is None else trace, 2.0)


def test_a_completed_crossing_is_the_same(journal, gatectl):
    keep(journal, Recorded().start().admit().verify().leave(), "x")
    code, out, _ = gatectl("x")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split()[:4] == ["1", "0.000", "s", "PassRead"]
    assert "InputsRead entry_beam=active" in out
    assert "OpenDoor exit_door 9" in out
    assert lines[-1] == "same: completed, 17 events"


def test_a_referred_crossing_is_the_same_as_json(journal, gatectl):
    lane = Recorded().start().admit().verify(outcome=CheckOutcome.FAILED)
    lane.tell(e.OfficerReleased("y", "officer 7", "looked at the papers"))
    lane.leave()
    keep(journal, lane, "x")
    code, out, _ = gatectl("x", "--json")
    found = json.loads(out)
    assert (code, found["same"], found["difference"], found["same_program"]) == (0, True, None, True)
    assert found["steps"][-1]["commands"][0] == "RecordCrossing"
    assert "OfficerReleased officer 7 looked at the papers" in [step["event"] for step in found["steps"]]


def test_a_changed_trace_is_different_and_the_place_is_named(journal, gatectl):
    lane = Recorded().start().admit().verify().leave()
    trace = lane.traces["x"]
    trace["events"][10][1]["CheckEnded"] |= {"outcome": {"CheckOutcome": "FAILED"}, "reason": {"Reason": "FACE_MISMATCH"}}
    keep(journal, lane, "x", trace)
    code, out, _ = gatectl("x")
    assert code == 1
    assert "<- differs" in out.splitlines()[-2]
    assert out.splitlines()[-1].startswith("different: step 11, CheckEnded face failed face_mismatch at 1.991 s, led to another state or other commands")
    assert json.loads(gatectl("x", "--json")[1])["difference"]


def test_a_record_that_says_another_thing_is_different(journal, gatectl):
    lane = Recorded().start().admit().verify().leave()
    other = Recorded().start().admit().verify(outcome=CheckOutcome.FAILED)
    other.tell(e.OfficerReleased("y", "officer 7", "looked at the papers"))
    other.leave()
    keep(journal, lane, "x", other.traces["x"])
    code, out, _ = gatectl("x")
    assert code == 1
    assert "different: row 2: " in out


def test_a_trace_that_cannot_be_used_is_different_in_one_line(journal, gatectl):
    lane = Recorded().start().admit().verify().leave()
    del lane.traces["x"]["situation"]["latched"]
    keep(journal, lane, "x")
    code, out, _ = gatectl("x")
    assert code == 1
    assert out == "different: row 3: the trace cannot be used: ValueError: it was recorded by a core that remembered other things: latched\n"


def test_another_version_of_the_core_is_said(journal, gatectl, monkeypatch):
    lane = Recorded().start().admit().verify().leave()
    lane.traces["x"]["program"] = "0" * 64
    keep(journal, lane, "x")
    code, out, _ = gatectl("x")
    assert code == 0
    assert "decided by another version of the core; derived by this one" in out
    assert len(traces.program_digest()) == 64


def test_why_there_is_nothing_to_derive_from(journal, gatectl, tmp_path):
    lane = Recorded().start().admit().verify().leave()
    journal.admit("open", Region.HK, Direction.HK_TO_MO, 1.0)
    journal.record(lane.records["x"], 1.0)
    for name, why in (("nobody", "no such crossing"), ("open", "the crossing has not ended"), ("x", "the crossing left no trace")):
        code, out, err = gatectl(name)
        assert (code, out) == (3, "")
        assert why in err
    journal.close()
    with contextlib.closing(SqliteJournal(tmp_path / "journal.db", KEY, retention_days=1)) as again:
        again.close_open(2.0, Direction.HK_TO_MO)  # what is under way would be kept, and all after it
        again.trace("x", lane.traces["x"], 2.0)
        again.tend(1_000_000.0)
    code, _, err = gatectl("x")
    assert code == 3
    assert "its trace is deleted" in err


def test_values_of_other_types_make_no_traceback(journal, gatectl):
    lane = Recorded().start().admit().verify().leave()
    trace = lane.traces["x"]
    read = next(event["InputsRead"] for _, event, _ in trace["events"] if event.get("InputsRead"))
    read[next(iter(read))] = None
    keep(journal, lane, "x", trace)
    code, out, _ = gatectl("x")
    assert (code, out.splitlines()) == (1, [out.strip()])
    assert "the trace cannot be used: AttributeError: a value in it is not what belongs there" in out
    code, out, _ = gatectl("x", "--json")
    assert (code, json.loads(out)["same"]) == (1, False)


@pytest.mark.parametrize("where", ["identity", "cut", "outcome"])
def test_what_a_terminal_would_take_for_a_command_is_not_printed(journal, gatectl, where):
    lane = Recorded().start().admit().verify(outcome=CheckOutcome.FAILED)
    lane.tell(e.OfficerReleased("y", "officer 7", "looked at the papers"))
    lane.leave()
    trace = lane.traces["x"]
    if where == "cut":
        trace["cut"] = "\x1b[2J"
    elif where == "identity":
        trace["events"] = json.loads(json.dumps(trace["events"]).replace("officer 7", "\\u001b]0;all is well\\u0007"))
    else:
        trace["situation"] = {"\x1b[2J": 1}
    keep(journal, lane, "x", trace)
    for extra in ((), ("--json",)):
        code, out, err = gatectl("x", *extra)
        assert code == 1
        assert "\x1b" not in out + err
        assert "\x07" not in out + err
