"""What `make pad` calls wrong: a live sequence that did not pass, an attack that was not flagged, unless it is known."""

from __future__ import annotations

import pytest

from drivers.pad.fusion import load
from gate_controller.ports.pad import PadDecision
from tests.bench import pad_accuracy
from tests.bench.pad_accuracy import Case, Seen

LIVE = {"shake": -2.0, "together": 0.1, "depth": 3.0, "still": 0.6, "grid": 2.2, "blink": 1.0}
ATTACK = {"shake": 3.0, "together": 1.0, "depth": 0.9, "still": 0.0, "grid": 4.0, "blink": 0.0}
DOUBTFUL = LIVE | {"depth": 0.1}


def seen(values: dict[str, float | None]) -> Seen:
    return Seen([(26, 1.6, values), (40, 2.5, values)], 1.0, 1.0, 40)


@pytest.mark.parametrize(
    ("kind", "values", "found"),
    [
        ("live", LIVE, None),
        ("live", DOUBTFUL, PadDecision.UNDETERMINED),
        ("live", ATTACK, PadDecision.ATTACK),
        ("print", ATTACK, None),
        ("print", DOUBTFUL, PadDecision.UNDETERMINED),
        ("print", LIVE, PadDecision.LIVE),
    ],
)
def test_an_attack_that_is_not_flagged_fails_like_a_live_face_that_does_not_pass(
    kind: str, values: dict[str, float | None], found: PadDecision | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(kind, 7, 0, "" if kind == "live" else "propped")
    wrong = pad_accuracy.wrong(load()[0], {case: seen(values)})
    assert {each: decision for each, (decision, _) in wrong.items()} == ({} if found is None else {case: found})
    assert pad_accuracy._tell_wrong(wrong) is (found is not None)
    if found is not None:
        monkeypatch.setitem(pad_accuracy.KNOWN, (kind, 7, 0, case.hand), found)
        assert not pad_accuracy._tell_wrong(wrong)
        told = capsys.readouterr().out.splitlines()
        assert [line.split(":")[0] for line in told] == ["NOT KNOWN", "known"]
        other = {case: (PadDecision.LIVE if found is not PadDecision.LIVE else PadDecision.UNDETERMINED, 0.5)}
        assert pad_accuracy._tell_wrong(other), "known for another decision is not known"


def test_every_kind_of_attack_meets_every_hand_with_several_seeds() -> None:
    cases = pad_accuracy.cases(pad_accuracy.REPORTED_ON, range(6), ["outstretched", "propped"])
    hands = {(case.kind, case.hand) for case in cases if not case.live}
    assert hands == {(kind, hand) for kind in pad_accuracy.ATTACKS for hand in ("outstretched", "propped")}
    assert sum(case.live for case in cases) == sum(not case.live for case in cases) == 288
