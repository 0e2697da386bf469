"""What scenes of a lane leave out: an emergency and a stop in every state, lamps, what commands and records carry, what a bug leaves behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Device, Direction, Door, DoorPosition, Lamp, Modality, Outcome, Region, TriState
from tests.core.conftest import ADULT, PASS
from tests.core.scenes import (
    AFTER,
    BEFORE,
    EMERGENCY,
    ENGINEER,
    ENGINEER_GONE,
    HELP,
    INSIDE,
    LOOP_WHOLE,
    NOBODY,
    ONE,
    PLACES,
    QR_BACK,
    QR_LOST,
    REARMED,
    RELEASED,
    RETURNED,
    STOP_AT_ONCE,
    TAKEN,
    answers,
    clearing,
    emergency,
    ends,
    exit_open,
    half_open,
    identity,
    late_released,
    nobody_came,
    occupancy,
    out_of_service,
    ready,
    sees,
    single_closed,
    single_leaving,
    started,
    steadily,
    waits,
    walk_in,
    word,
)

OPENED = "exit shuts, entry opens at once, notes emergency, {}calls emergency, says emergency_exit -> emergency emergency"
ORDERED = {
    **dict.fromkeys(BEFORE, ""),
    **dict.fromkeys(AFTER, "records emergency emergency, "),
    **dict.fromkeys(INSIDE, "forgets, records emergency emergency, "),
}
ORDERED |= {"pass_check": "records emergency emergency, ", "exit_open": "records emergency emergency, "}
"""What ends with the emergency: biometrics that run, a crossing that is open."""

CALLED = "calls stopping, records aborted stopping, says lane_closed -> out_of_service stopping"
STOPPED = {
    "out_of_service": "exit shuts, entry shuts, ends the call -> out_of_service stopping",
    "ready": "exit shuts, entry shuts, says lane_closed -> out_of_service stopping",
    "maintenance": "exit shuts, entry shuts -> out_of_service stopping",
    "pass_check": "exit shuts, entry shuts, records aborted stopping, says lane_closed -> out_of_service stopping",
    # Whoever came in with a pass is let out by the way they came, while the exit is known to be closed and was not opened for them.
    **dict.fromkeys(("entry_open", "occupancy_check", "identity_check"), f"exit shuts, entry shuts, entry opens, forgets, {CALLED}"),
    **dict.fromkeys(("return_path", "officer_referral"), f"exit shuts, entry shuts, entry opens, {CALLED}"),
    **dict.fromkeys(("exit_open", "clearing"), f"exit shuts, entry shuts, {CALLED}"),
}
LIT = {"ready": {Lamp.ENTRY_GREEN}, "entry_open": {Lamp.ENTRY_GREEN}, "exit_open": {Lamp.EXIT_GREEN}}


@pytest.mark.invariant("INV-5")
@pytest.mark.parametrize("place", PLACES)
def test_an_emergency_in_every_state(new_lane, place):
    assert answers(PLACES[place](new_lane), [EMERGENCY]) == OPENED.format(ORDERED[place])


@pytest.mark.parametrize("place", PLACES)
def test_a_stop_at_once_in_every_state(new_lane, place):
    assert answers(PLACES[place](new_lane), [STOP_AT_ONCE]) == STOPPED[place]


@pytest.mark.parametrize("place", PLACES)
def test_the_lamps_in_every_state(new_lane, place):
    lit = set()
    for command in PLACES[place](new_lane).ordered(c.SetLamp):
        lit = lit | {command.lamp} if command.on else lit - {command.lamp}
    assert lit == LIT.get(place, {Lamp.ENTRY_RED})


def test_a_lamp_is_switched_only_when_it_changes(new_lane):
    lane = ready(new_lane)
    lane.out.clear()
    lane.tell(e.PassRead("x", "ECH1:..."))
    assert [(command.lamp, command.on) for command in lane.ordered(c.SetLamp)] == [(Lamp.ENTRY_GREEN, False), (Lamp.ENTRY_RED, True)]


def test_what_the_commands_of_a_crossing_carry(new_lane):
    lane = ready(new_lane)
    lane.out.clear()
    lane.admit().enter().verify().leave()
    carried = [command for command in lane.out if not isinstance(command, (c.SetLamp, c.ShowPrompt, c.RecordCrossing))]
    assert carried == [
        c.VerifyPass("x", "ECH1:..."),
        c.FindEnrolment("x", PASS.issuer, PASS.enrolment_reference),
        c.RecordAdmission("x", PASS.pass_id, PASS.issued_at, PASS.pass_expires_at, Region.HK, Direction.HK_TO_MO),
        c.OpenDoor(Door.ENTRY, lane.policy.return_path_s + 1.0),
        c.PrepareBiometrics("x"),
        c.GatherPadEvidence("x"),
        c.CloseDoor(Door.ENTRY),
        c.StartCheck("x", Modality.FINGERPRINT, lane.policy.identity_s),
        c.StartCheck("x", Modality.FACE, lane.policy.identity_s),
        c.StartCheck("x", Modality.PAD, lane.policy.identity_s),
        c.OpenDoor(Door.EXIT, lane.policy.exit_open_s + 1.0),
        c.EndBiometrics("x"),
        c.CloseDoor(Door.EXIT),
    ]


def test_the_record_of_a_completed_crossing(new_lane):
    lane = ready(new_lane).admit().enter().verify().leave()
    record = lane.record()
    assert [step.name for step in record.steps] == [
        "pass_read",
        "pass_verified",
        "authorised",
        "admitted",
        "entered",
        "pad_successful",
        "fingerprint_successful",
        "face_successful",
        "verified",
        "exit_commanded",
        "exited",
        "chamber_empty",
    ]
    times = [step.at_s for step in record.steps]
    assert times == sorted(times)
    assert times[0] == 0.0
    assert 0.0 < times[4] < times[-1] < 2.0, "seconds since the pass was read"
    assert (record.outcome, record.reason, record.issuer, record.direction) == (Outcome.COMPLETED, None, Region.HK, Direction.HK_TO_MO)
    assert (record.admitted, record.authorised, record.entered, record.verified, record.exited, record.chamber_empty) == (True,) * 6
    assert record.checks == dict.fromkeys(Modality, CheckOutcome.SUCCESSFUL)
    assert (record.officer, record.officer_reason, record.degraded) == (None, None, False)


def test_the_record_of_an_officers_release(new_lane):
    lane = late_released(new_lane)
    lane.see(occupancy=NOBODY)
    lane.wait(0.5)
    record = lane.record()
    assert (record.outcome, record.reason, record.officer, record.officer_reason) == (Outcome.RELEASED_BY_OFFICER, Reason.OFFICER_RELEASED, "officer 7", "seen")
    assert (record.entered, record.verified, record.exited, record.chamber_empty) == (True, False, True, True)
    assert record.checks == {Modality.PAD: CheckOutcome.SUCCESSFUL}
    assert [step.name for step in record.steps][-3:] == ["exit_commanded", "exited", "chamber_empty"]


def test_the_record_of_a_traveller_behind_whom_somebody_stepped_in(new_lane):
    lane = single_leaving(new_lane)
    lane.see(occupancy=NOBODY)
    lane.see(entry_beam=TriState.ACTIVE)
    lane.see(entry_beam=TriState.INACTIVE, exit_door=DoorPosition.CLOSED)
    lane.wait(0.5)
    record = lane.record()
    assert (record.outcome, record.exited) == (Outcome.ABORTED, False)
    assert [step.name for step in record.steps][-2:] == ["exit_commanded", "chamber_empty"]


def test_the_record_of_a_lane_that_is_clear_and_may_not_open(new_lane):
    lane = clearing(new_lane)
    QR_LOST(lane)
    lane.see(exit_door=DoorPosition.CLOSED)
    assert [step.name for step in lane.record().steps][-2:] == ["exited", "chamber_empty"]


def test_the_record_of_a_lane_that_could_not_be_seen_empty(new_lane):
    lane = identity(new_lane)
    STOP_AT_ONCE(lane)
    assert not lane.record().chamber_empty


@pytest.mark.parametrize(
    ("steps", "noted"),
    [
        ([ENGINEER], {"maintenance_on": {"identity": "engineer 3"}, "latched": {"reason": "maintenance"}}),
        (
            [ENGINEER, EMERGENCY, LOOP_WHOLE, waits(0.4), REARMED],
            {
                "maintenance_on": {"identity": "engineer 3"},
                "emergency": {},
                "rearmed": {"identity": "officer 7"},
                "latched": {"reason": "maintenance"},
            },
        ),
        (
            [ENGINEER, ENGINEER_GONE],
            {"maintenance_on": {"identity": "engineer 3"}, "latched": {"reason": "maintenance"}, "maintenance_off": {"identity": "engineer 3"}},
        ),
        ([ENGINEER_GONE], {"act_refused": {"act": "maintenance_switched", "identity": "engineer 3", "state": "ready"}}),
        ([RELEASED], {"act_refused": {"act": "officer_released", "identity": "officer 7", "state": "ready"}}),
        ([EMERGENCY, TAKEN], {"emergency": {}, "officer_acknowledged": {"identity": "officer 7"}}),
        ([EMERGENCY, REARMED], {"emergency": {}, "rearm_refused": {"identity": "officer 7"}}),
        ([EMERGENCY, LOOP_WHOLE, REARMED], {"emergency": {}, "rearmed": {"identity": "officer 7"}}),
        ([lambda lane: lane.admit().enter(), HELP], {"assistance_requested": {"identity": "officer 7"}}),
        (
            [lambda lane: lane.admit().enter(), HELP, RELEASED],
            {"assistance_requested": {"identity": "officer 7"}, "officer_released": {"crossing_id": "x", "identity": "officer 7", "reason": "seen"}},
        ),
        (
            [lambda lane: lane.see(tamper=TriState.ACTIVE), RELEASED],
            {"act_refused": {"act": "officer_released", "identity": "officer 7", "state": "out_of_service"}},
        ),
    ],
)
def test_what_notes_carry(new_lane, steps, noted):
    lane = ready(new_lane)
    for step in steps:
        step(lane)
    assert {command.kind: dict(command.fields) for command in lane.ordered(c.NoteEvent)} == noted


def test_who_took_the_call_is_shown_until_it_goes_on_unanswered(new_lane):
    lane = emergency(new_lane)
    assert lane.controller.officer_call == (Reason.EMERGENCY, 0, None)
    TAKEN(lane)
    assert lane.controller.officer_call == (Reason.EMERGENCY, 0, "officer 7")
    lane.wait(lane.policy.officer_attend_s + 1)
    assert lane.controller.officer_call == (Reason.EMERGENCY, 1, None)
    LOOP_WHOLE(lane)
    REARMED(lane)
    assert lane.controller.officer_call is None


CALLS = {
    "another call begins with the patience of a new one": (
        out_of_service,
        [waits(50), steadily(occupancy=ONE), waits(15)],
        "exit shuts, entry shuts, calls reverse_entry, says wait_for_officer -> officer_referral reverse_entry",
    ),
    "a call that is over does not count for the next": (
        out_of_service,
        [waits(61), QR_BACK, QR_LOST],
        "calls qr_camera_lost 1; ends the call, says show_code; exit shuts, entry shuts, calls qr_camera_lost, says lane_closed -> out_of_service qr_camera_lost",
    ),
    "the exit beam gives no answer while a lane would open": (
        out_of_service,
        [sees(exit_beam=TriState.UNKNOWN), QR_BACK],
        "exit shuts, entry shuts, ends the call, says starting -> out_of_service starting",
    ),
    "somebody came in after all, and the entry is not known when the chamber should be clear": (
        nobody_came,
        [sees(entry_door=DoorPosition.UNKNOWN, occupancy=ONE), waits(5.1)],
        "exit shuts, entry shuts, calls stayed_inside, says wait_for_officer -> officer_referral stayed_inside",
    ),
    "whoever an officer sent back from a closed lane, and who stays, gets no way back by itself": (
        out_of_service,
        [RETURNED, sees(entry_door=DoorPosition.OPEN, occupancy=ONE), waits(16), sees(entry_door=DoorPosition.CLOSED), waits(61)],
        (
            "notes officer_returned, entry opens, says go_back; exit shuts, entry shuts, calls stayed_inside, says wait_for_officer; calls stayed_inside 1"
            " -> officer_referral stayed_inside"
        ),
    ),
    "whoever came in went back while the officer was called, and the entry shut at once": (
        occupancy,
        [HELP, sees(entry_door=DoorPosition.CLOSED), steadily(occupancy=NOBODY)],
        (
            "notes assistance_requested, exit shuts, entry shuts, forgets, calls assistance_requested, says wait_for_officer; "
            "records abandoned backed_out, ends the call, says show_code -> ready -"
        ),
    ),
    "a check ends when no crossing is open": (ready, [ends(Modality.FACE)], " -> ready -"),
    "somebody walked in and the exit is not known when the chamber should be clear": (
        single_closed,
        [walk_in, sees(exit_beam=TriState.ACTIVE), steadily(occupancy=NOBODY), sees(exit_door=DoorPosition.UNKNOWN, occupancy=ONE), waits(5.1)],
        "says go_back; exit shuts, calls stayed_inside, says wait_for_officer -> officer_referral stayed_inside",
    ),
}


@pytest.mark.parametrize("scene", CALLS)
def test_a_scene(new_lane, scene):
    place, steps, answered = CALLS[scene]
    assert answers(place(new_lane), steps) == answered


@pytest.mark.parametrize(
    ("ajar", "reason"),
    [
        ({"entry_door"}, Reason.ENTRY_DOOR_DID_NOT_CLOSE),
        ({"exit_door"}, Reason.EXIT_DOOR_DID_NOT_CLOSE),
        ({"entry_door", "exit_door"}, Reason.BOTH_DOORS_OPEN),
    ],
)
def test_a_lane_that_starts_with_a_door_open_names_it(new_lane, ajar, reason):
    lane = started(new_lane)
    lane.see(**dict.fromkeys(ajar, DoorPosition.OPEN))
    for device in Device:
        lane.tell(e.DeviceReady(device))
    assert lane.controller.reason is reason


def test_who_acknowledged_nothing_has_not_taken_the_next_call(new_lane):
    lane = ready(new_lane)
    lane.tell(e.StopRequested())
    TAKEN(lane)
    steadily(occupancy=ONE)(lane)
    assert lane.controller.officer_call == (Reason.STOPPING, 0, None)


@pytest.mark.parametrize("place", PLACES)
def test_a_lane_is_idle_where_no_traveller_is_dealt_with(new_lane, place):
    assert PLACES[place](new_lane).controller.idle == (place in {"out_of_service", "ready", "maintenance"})


def test_a_bug_after_the_release_completes_nothing(new_lane):
    lane = exit_open(new_lane)

    def boom(*_):
        raise ZeroDivisionError

    lane.controller._lane.many_inside = boom
    out = lane.controller.handle(e.InputsRead(lane.inputs), lane.now)
    assert "records aborted internal_error" in [word(command) for command in out]


@pytest.fixture
def broken(new_lane):
    """A lane with somebody inside, and a bug that the next reading meets."""

    def boom(*_):
        raise ZeroDivisionError

    lane = identity(new_lane)
    lane.controller._lane.tampered = boom
    return lane


def test_what_a_bug_leaves_behind(broken):
    out = broken.controller.handle(e.InputsRead(broken.inputs), broken.now)
    assert [word(command) for command in out] == [
        "exit shuts",
        "entry shuts",
        "notes latched",
        "forgets",
        "records aborted internal_error",
        "lights entry_green False",
        "lights entry_red True",
        "lights exit_green False",
        "calls internal_error",
        "says lane_closed",
        "notes internal_error",
    ]
    assert dict(out[-1].fields) == {"type": "ZeroDivisionError"}
    controller = broken.controller
    assert (controller.next_deadline(), controller.idle, controller.reason) == (None, True, Reason.INTERNAL_ERROR)


def test_after_a_bug_an_emergency_is_still_answered_once(broken):
    broken.controller.handle(e.InputsRead(broken.inputs), broken.now)
    assert broken.controller.handle(e.PassRead("y", "T"), broken.now) == []
    assert broken.controller.handle(e.EnrolmentFound("x", ADULT), broken.now) == []
    loop_open = [word(command) for command in _reads(broken, TriState.ACTIVE)]
    assert loop_open == ["exit shuts", "entry opens at once", "notes emergency"]
    assert _reads(broken, TriState.ACTIVE) == []
    assert _reads(broken, TriState.INACTIVE) == []
    assert [word(command) for command in _reads(broken, TriState.ACTIVE)] == loop_open[:2]


def _reads(lane, loop):
    lane.inputs = replace(lane.inputs, emergency=loop)
    return lane.controller.handle(e.InputsRead(lane.inputs), lane.now)


def test_a_bug_before_anybody_was_admitted_leaves_what_was_noted(new_lane):
    lane = half_open(new_lane)
    actions = lane.controller._lane

    def boom():
        actions._note("kept")
        actions.close_entry()
        raise ZeroDivisionError

    actions.many_inside = boom
    out = lane.controller.handle(e.InputsRead(lane.inputs), lane.now)
    assert [word(command) for command in out][:4] == ["exit shuts", "entry shuts", "notes kept", "notes latched"]
