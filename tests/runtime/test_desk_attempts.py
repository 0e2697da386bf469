from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Outcome, PassFacts, Region
from gate_controller.ports.services import PassAccepted
from gate_controller.runtime import attempts as attempts_module
from gate_controller.runtime.attempts import Attempts
from gate_controller.runtime.desk import Desk, Stores

FACTS = PassFacts(b"p" * 16, b"r" * 16, Region.HK, 1, 5, 4, 9)
OTHER = replace(FACTS, pass_id=b"q" * 16)


@pytest.fixture
def desk(stores, trust, session, around, sink, matcher):
    desk = Desk(Stores(stores, stores, stores, stores, trust), session, around, sink, lambda: "", (matcher.model,), Direction.HK_TO_MO)
    desk._recover()
    return desk


@pytest.fixture
def cross(desk, stores, inbox):
    """Present a pass; if it is accepted, end its crossing so. Whether it was accepted."""
    numbers = iter(range(1000))

    def cross(facts=FACTS, reason=Reason.FACE_MISMATCH, outcome=Outcome.RETURNED):
        name = f"x{next(numbers)}"
        stores.decision = PassAccepted(facts)
        inbox.events.clear()
        desk._obey(c.VerifyPass(name, "T"))
        if inbox.of(e.PassRefused):
            assert inbox.of(e.PassRefused) == [e.PassRefused(name, Reason.REPEATED_ATTEMPTS)]
            assert inbox.of(e.PassVerified) == []
        accepted = bool(inbox.of(e.PassVerified))
        desk._obey(c.RecordCrossing(c.CrossingRecord(name, outcome, reason, admitted=accepted, issuer=Region.HK, direction=Direction.HK_TO_MO)))
        return accepted

    return cross


def test_a_pass_that_failed_too_often_is_sent_to_the_counter(cross, clock):
    assert [cross() for _ in range(5)] == [True, True, True, False, False]
    assert cross(OTHER), "another's pass is not touched"
    clock.now += 899.0
    assert not cross()
    clock.now += 1.0
    assert cross(), "what failed long ago is forgotten"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.REFUSED, Reason.PRESENTATION_REPLAYED),
        (Outcome.RETURNED, Reason.FINGERPRINT_LOST),
        (Outcome.RETURNED, Reason.PAD_UNDETERMINED),
        (Outcome.RETURNED, Reason.PAD_NOT_PERFORMED),
        (Outcome.ABORTED, Reason.EXIT_DOOR_DID_NOT_OPEN),
        (Outcome.COMPLETED, None),
        (Outcome.ABANDONED, Reason.BACKED_OUT),
    ],
)
def test_what_is_not_the_travellers_is_not_held_against_them(cross, outcome, reason):
    assert all(cross(outcome=outcome, reason=reason) for _ in range(9))


@pytest.mark.parametrize("reason", [Reason.PAD_ALARM, Reason.SEVERAL_FACES, Reason.IDENTITY_TIMED_OUT])
def test_what_is_the_travellers_is(cross, reason):
    assert [cross(reason=reason) for _ in range(4)] == [True, True, True, False]


def test_an_undetermined_judgement_neither_counts_nor_excuses_what_did(cross):
    reasons = (Reason.FACE_MISMATCH, Reason.PAD_UNDETERMINED, Reason.PAD_ALARM, Reason.PAD_UNDETERMINED, Reason.FACE_MISMATCH)
    assert all(cross(reason=reason) for reason in reasons)
    assert not cross()


def test_a_crossing_is_counted_once_and_only_as_its_own():
    attempts = Attempts(limit=1, within_s=10.0)
    record = c.CrossingRecord("x", Outcome.RETURNED, Reason.TAILGATING, admitted=True, issuer=Region.HK, direction=Direction.HK_TO_MO)
    attempts.end(record, 0.0)
    attempts.begin("y", b"p")
    attempts.end(record, 0.0)
    assert not attempts.too_many(b"p", 0.0)
    attempts.end(replace(record, crossing_id="y"), 0.0)
    assert attempts.too_many(b"p", 0.0)


def test_memory_is_bounded_and_keeps_no_pass(monkeypatch):
    monkeypatch.setattr(attempts_module, "MOST", 2)
    attempts = Attempts(limit=1, within_s=10.0)
    for name in (b"a" * 16, b"b" * 16, b"a" * 16, b"c" * 16):
        attempts.begin("x", name)
        attempts.end(c.CrossingRecord("x", Outcome.RETURNED, Reason.TAILGATING, admitted=True, issuer=Region.HK, direction=Direction.HK_TO_MO), 0.0)
    assert [attempts.too_many(name * 16, 0.0) for name in (b"a", b"b", b"c")] == [True, False, True]
    assert b"aaaa" not in b"".join(attempts._failed)
