"""Which call an officer's act answers: what is shown, asked and sent, and what is told where it was for another."""

from __future__ import annotations

import io
import sys

import pytest

from gate_controller.cli import officer
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.main import main
from tests.cli.stub_daemon import StubDaemon

CALL = {"number": 81234, "reason": "face_mismatch", "since_s": 12, "acknowledged": None, "escalations": 0, "state": "officer_referral", "prompt": None}
OFFICER = ("--identity", "officer 7", "--reason", "seen")


@pytest.fixture
def stub(open_directory):
    with StubDaemon(open_directory / "c.sock").served() as served:
        yield served


@pytest.fixture
def officer_says(capsys, stub, monkeypatch):
    """Run an act with these calls pending; on a terminal where an answer is given. Exit code, what was sent, what was said on standard error."""

    def act(action, *options, calls=(), types=None):
        stub.answers["GET /v1/officer/calls"] = (200, {"calls": list(calls)})
        typed = io.StringIO(types or "")
        typed.isatty = lambda: types is not None
        monkeypatch.setattr(sys, "stdin", typed)
        capsys.readouterr()
        code = main(["officer", action, *OFFICER, *options, "--socket", str(stub.path)])
        return code, [body.get("call") for asked, body in stub.asked if asked == "POST /v1/officer"], capsys.readouterr().err

    return act


@pytest.mark.parametrize("action", ["acknowledge", "assist", "release", "return", "rearm"])
def test_an_officers_act_names_the_call_that_it_is_told(officer_says, action):
    assert officer_says(action, "--call", "81234", calls=[{**CALL, "number": 81235}])[:2] == (0, [81234])


@pytest.mark.parametrize("action", ["acknowledge", "assist", "rearm"])
def test_an_act_that_moves_nobody_names_the_call_that_it_shows(officer_says, action):
    code, sent, said = officer_says(action, calls=[CALL])
    assert (code, sent) == (0, [81234])
    assert "call 81234: face_mismatch" in said


@pytest.mark.parametrize("action", ["release", "return"])
def test_a_script_that_moves_somebody_says_which_call_it_means(officer_says, action):
    code, sent, said = officer_says(action, calls=[CALL])
    assert (code, sent) == (ExitCode.USAGE, [])
    assert "call 81234: face_mismatch" in said
    assert "--call NUMBER" in said


@pytest.mark.parametrize(("answer", "code", "sent"), [("y\n", 0, [81234]), ("n\n", 130, []), ("\n", 130, []), ("", 130, [])])
def test_on_a_terminal_the_call_is_shown_and_asked_about(officer_says, answer, code, sent):
    assert officer_says("release", calls=[CALL], types=answer)[:2] == (code, sent)


@pytest.mark.parametrize("action", ["acknowledge", "release"])
def test_with_several_calls_none_is_chosen(officer_says, action):
    assert officer_says(action, calls=[CALL, {**CALL, "number": 5}], types="y\n")[:2] == (ExitCode.USAGE, [])


def test_without_a_call_the_act_is_for_whoever_is_inside_and_says_so(officer_says):
    """0 means that nobody is called: a call that comes meanwhile is not answered by it."""
    code, sent, said = officer_says("return", types="y\n")
    assert (code, sent) == (0, [0])
    assert "no officer is called" in said


@pytest.mark.parametrize("action", ["acknowledge", "assist", "rearm"])
def test_an_act_that_moves_nobody_is_not_for_a_call_that_comes_meanwhile(officer_says, action):
    assert officer_says(action)[:2] == (0, [0])


@pytest.mark.parametrize("action", ["release", "return"])
def test_a_script_that_moves_somebody_uncalled_says_that_it_means_that(officer_says, action):
    code, sent, said = officer_says(action)
    assert (code, sent) == (ExitCode.USAGE, [])
    assert "--call none" in said
    assert officer_says(action, "--call", "none")[:2] == (0, [0])


@pytest.mark.parametrize("number", ["0", "-1", "x", ""])
def test_a_calls_number_is_a_number_from_1_or_none(officer_says, number):
    assert officer_says("release", "--call", number)[:2] == (ExitCode.USAGE, [])


@pytest.mark.parametrize(
    ("meant", "calls", "said"),
    [
        ("7", [CALL], "nothing was done; call 7 is not pending, but call 81234 (face_mismatch)"),
        ("7", [], "nothing was done; call 7 is not pending, and nobody is called"),
        ("none", [CALL], "nothing was done; an officer has been called since: call 81234 (face_mismatch)"),
    ],
)
def test_an_act_for_another_call_tells_which_is_pending(officer_says, stub, meant, calls, said):
    stub.answers["POST /v1/officer"] = (409, {"error": "release is not possible in state officer_referral; nothing was done", "remedy": "see `gatectl status`"})
    code, _, err = officer_says("release", "--call", meant, calls=calls)
    assert code == ExitCode.REFUSED_BY_STATE
    assert said in err
    assert "remedy: see `gatectl status`" in err


@pytest.mark.parametrize("action", ["release", "return"])
def test_a_call_without_a_number_moves_nobody(officer_says, action):
    """Of another version: the act would go out without the call, and be for whoever is inside by then."""
    unnumbered = {name: value for name, value in CALL.items() if name != "number"}
    code, sent, said = officer_says(action, calls=[unnumbered], types="y\n")
    assert (code, sent) == (ExitCode.DAEMON_UNREACHABLE, [])
    assert "nothing was done" in said


def test_an_act_that_may_have_been_carried_out_is_not_called_undone(officer_says, stub):
    stub.answers["POST /v1/officer"] = (503, {"error": "the gate did not answer; the act may have been carried out", "remedy": "look at the lane"})
    code, _, err = officer_says("release", "--call", "7", calls=[])
    assert code == ExitCode.DAEMON_UNREACHABLE
    assert "may have been carried out" in err
    assert "nothing was done" not in err


def test_a_call_that_comes_while_the_officer_thinks_is_not_answered_unseen(officer_says, stub, monkeypatch):
    monkeypatch.setattr(officer.click, "confirm", lambda *_, **__: stub.answers.update({"GET /v1/officer/calls": (200, {"calls": [CALL]})}))
    assert officer_says("release", types="y\n")[:2] == (ExitCode.REFUSED_BY_STATE, [])
