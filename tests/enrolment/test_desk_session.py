"""The desk, for one person after the other: who may be enrolled, what is taken, what is refused, and that nothing stays behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from drivers.fingerprint import FingerprintOptions, ZhianTecReader
from gate_controller.enrolment.desk import Attendance, EnrolmentRefusedError, Instruction, Refusal, Said
from gate_controller.enrolment.desk.face import FaceDemands
from gate_controller.ports.devices import FaceAnalysis, FaceProbe, FaceQuality, Family, FingerprintOutcome
from gate_controller.ports.errors import DeviceAbsentError, DeviceError
from gate_controller.ports.pad import PadDecision
from gate_controller.ports.services import EnrolmentRecord
from simulators.face_memory import MODEL, SeenFace, image_of
from tests.enrolment.desk_rig import REFERENCE, THRESHOLD, Desk, ScriptedJudge, applicant

ALONE = Attendance()
MEI, BAO = SeenFace("mei"), SeenFace("bao")
GOOD = FaceQuality(95, 800, 120, 0.01, 2, 1.0, turn=0.02, eyes=0.2, share=0.4)


def refused(desk: Desk, reason: Refusal, attendance: Attendance = ALONE, born: date = date(1990, 5, 17)) -> EnrolmentRefusedError:
    with pytest.raises(EnrolmentRefusedError) as raised:
        desk.session().enrol(applicant(born), attendance)
    assert raised.value.reason is reason
    assert "\n" not in raised.value.what
    assert not desk.camera.is_open
    return raised.value


def verifies(desk: Desk, record: EnrolmentRecord) -> None:
    """A lane's reader of the same family takes each template and matches its own finger only."""
    reader = ZhianTecReader(FingerprintOptions(port="/dev/none", family=desk.family), desk.clock, desk._open_port, lambda _line: None)
    reader.open(desk.clock.monotonic() + 5)
    names = {2: "right-index", 7: "left-index", 1: "right-thumb"}
    for finger in record.fingers:
        for other in record.fingers:
            desk.module.remove()
            reader.load_reference(finger, desk.clock.monotonic() + 5)
            reader.finger_present(desk.clock.monotonic() + 5)
            desk.module.place(f"mei/{names[other.position]}")
            outcome = reader.verify(desk.clock.monotonic() + 5).outcome
            assert outcome is (FingerprintOutcome.MATCH if finger == other else FingerprintOutcome.NO_MATCH)


@pytest.mark.parametrize("family", list(Family))
def test_a_grown_up_alone_is_enrolled_with_face_and_two_fingers(family: Family) -> None:
    desk = Desk(family)
    record, evidence = desk.session().enrol(applicant(), ALONE)
    assert (record.reference, record.version, record.suspended) == (REFERENCE, 1, False)
    assert abs(record.registered_at - desk.clock.wall()) < 60
    assert desk.matcher.compare(desk.matcher.analyse(image_of(["mei"])).probe, record.faces[0]) < THRESHOLD  # type: ignore[arg-type]
    assert {finger.position for finger in record.fingers} == {2, 7}
    assert [score for _, score in evidence.fingers] == sorted((score for _, score in evidence.fingers), reverse=True), "best first"
    assert [position for position, _ in evidence.fingers] == [finger.position for finger in record.fingers]
    assert evidence.pad is PadDecision.NOT_PERFORMED
    assert (evidence.officer, evidence.judge) == (None, "")
    assert evidence.face_farthest <= 0.9 * THRESHOLD
    assert not desk.camera.is_open
    assert "off" in desk.module.state()["light"] or family is not Family.R503
    verifies(desk, record)


@pytest.mark.parametrize(
    ("born", "minimum", "officer", "reason"),
    [
        (date(2015, 11, 23), 11, "o.chan", Refusal.TOO_YOUNG),  # 11 tomorrow
        (date(2015, 11, 22), 11, "o.chan", None),  # 11 today
        (date(2015, 11, 22), 11, None, Refusal.OFFICER_NEEDED),
        (date(2008, 11, 23), 11, None, Refusal.OFFICER_NEEDED),  # 18 tomorrow
        (date(2008, 11, 22), 11, None, None),  # 18 today
        (date(2019, 11, 22), 7, "o.chan", None),
        (date(2019, 11, 23), 7, "o.chan", Refusal.TOO_YOUNG),
        (date(2019, 11, 22), 7, None, Refusal.OFFICER_NEEDED),
    ],
)
def test_ages(born: date, minimum: int, officer: str | None, reason: Refusal | None) -> None:
    desk = Desk(minimum_age=minimum)
    if reason is None:
        _, evidence = desk.session().enrol(applicant(born), Attendance(officer))
        assert evidence.officer == officer
    else:
        refused(desk, reason, Attendance(officer), born)
        assert desk.camera.frames == 0, "nobody is looked at who may not be enrolled"


@pytest.mark.parametrize("officer", ["", " ", "a b", "x" * 65, "o\nchan", "../x"])
def test_an_officer_has_an_identity(officer: str) -> None:
    with pytest.raises(ValueError, match="identity"):
        Attendance(officer)


def test_only_an_officer_accepts_fewer_fingers() -> None:
    with pytest.raises(ValueError, match="officer"):
        Attendance(fewer_fingers=True)


# -- the face ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "instruction"),
    [
        ({}, None),
        ({"eye_distance_px": 59.0}, Instruction.COME_CLOSER),
        ({"share": 0.19}, Instruction.COME_CLOSER),
        ({"share": 0.8}, Instruction.STEP_BACK),
        ({"off_centre": 0.2}, Instruction.STAND_IN_THE_MIDDLE),
        ({"brightness": 30.0}, Instruction.MORE_LIGHT),
        ({"brightness": 230.0}, Instruction.LESS_LIGHT),
        ({"turn": 0.3}, Instruction.FACE_FORWARD),
        ({"roll_deg": 9.0}, Instruction.HEAD_UPRIGHT),
        ({"eyes": 0.02}, Instruction.SHOW_EYES),
        ({"mouth": 0.04}, Instruction.SHOW_MOUTH),
        ({"sharpness": 50.0}, Instruction.HOLD_STILL),
        ({"score": 0.5}, Instruction.HOLD_STILL),
    ],
)
def test_what_a_face_is_wanting(change: dict[str, float], instruction: Instruction | None) -> None:
    quality = replace(GOOD, **change)
    probe = FaceProbe(MODEL, None, quality)  # type: ignore[arg-type]
    assert FaceDemands(THRESHOLD).wanting(FaceAnalysis(1, probe, None, quality)) is instruction


def test_what_a_frame_without_a_good_face_is_wanting() -> None:
    demands = FaceDemands(THRESHOLD)
    assert demands.wanting(FaceAnalysis(0, None)) is Instruction.LOOK_HERE
    assert demands.wanting(FaceAnalysis(1, None, distant=True)) is Instruction.COME_CLOSER
    assert demands.wanting(FaceAnalysis(2, FaceProbe(MODEL, None, GOOD))) is Instruction.ALONE_PLEASE  # type: ignore[arg-type]


def test_a_face_too_far_away_is_asked_closer_and_then_taken() -> None:
    desk = Desk(people=lambda frame: [SeenFace("mei", width_px=100)] if frame < 20 else [MEI])
    desk.session().enrol(applicant(), ALONE)
    assert desk.heard[:2] == ["look_here", "come_closer"]
    assert "face_taken" in desk.heard


def test_nobody_is_refused_in_time() -> None:
    refused(Desk(people=lambda _frame: []), Refusal.NOBODY_THERE)


def test_a_poor_face_is_refused_in_time() -> None:
    refusal = refused(Desk(people=lambda _frame: [SeenFace("mei", quality=0.4)]), Refusal.FACE_NOT_GOOD_ENOUGH)
    assert "hold still" in refusal.what


def test_a_second_face_stops_everything_until_it_has_gone() -> None:
    desk = Desk(people=lambda frame: [MEI, BAO] if 5 < frame < 30 else [MEI])
    desk.session().enrol(applicant(), ALONE)
    assert "alone_please" in desk.heard


def test_a_second_face_that_stays_is_refused() -> None:
    refused(Desk(people=lambda _frame: [MEI, BAO]), Refusal.NOT_ALONE)


def test_frames_of_two_people_never_make_one_template() -> None:
    desk = Desk(people=lambda frame: [MEI] if frame <= 9 else [BAO])
    record, _ = desk.session().enrol(applicant(), ALONE)
    assert desk.matcher.compare(desk.matcher.analyse(image_of(["bao"])).probe, record.faces[0]) < THRESHOLD  # type: ignore[arg-type]
    assert desk.matcher.compare(desk.matcher.analyse(image_of(["mei"])).probe, record.faces[0]) > THRESHOLD  # type: ignore[arg-type]


# -- the fingers ---------------------------------------------------------------------------------------------------------------------


def lays(desk: Desk, finger: str, *, when: Sequence[str] = ("place_finger", "place_finger_again", "place_finger_to_check")) -> None:
    """The person lays another finger down than asked for."""
    hear = desk.hear

    def disobey(said: Said) -> None:
        hear(said)
        if said.instruction.value in when and said.finger == 7:
            desk.module.place(finger)

    desk.hear = disobey


def test_the_same_finger_twice_is_refused_at_its_first_touch() -> None:
    desk = Desk(positions=(2, 7))
    lays(desk, "mei/right-index")
    refused(desk, Refusal.TOO_FEW_FINGERS)
    assert desk.heard.count("another_finger_please") == 3
    assert desk.heard.count("place_finger_again") == 3, "only the first finger's"


def test_a_finger_changed_after_the_first_touch_does_not_get_through() -> None:
    desk = Desk(positions=(2, 7))
    lays(desk, "mei/right-index", when=("place_finger_again", "place_finger_to_check"))
    refused(desk, Refusal.TOO_FEW_FINGERS)
    assert "same_finger_please" in desk.heard


def test_the_touch_that_checks_a_finger_must_be_that_finger() -> None:
    desk = Desk(positions=(2, 7))
    lays(desk, "mei/left-thumb", when=("place_finger_to_check",))
    refused(desk, Refusal.TOO_FEW_FINGERS)
    assert "same_finger_please" in desk.heard


def test_another_finger_stands_in_for_one_that_cannot_be_given() -> None:
    desk = Desk(positions=(2, 7, 1))
    lays(desk, "mei/left-index#dry")
    record, _ = desk.session().enrol(applicant(), ALONE)
    assert {finger.position for finger in record.fingers} == {2, 1}
    assert "finger_given_up" in desk.heard


@pytest.mark.parametrize(("condition", "advice"), [("dry", "finger_too_dry"), ("smudged", "wipe_finger"), ("moving", "finger_still")])
def test_advice_by_cause_and_then_a_good_touch(condition: str, advice: str) -> None:
    desk = Desk()
    hear, spoilt = desk.hear, []

    def clumsy(said: Said) -> None:
        hear(said)
        if said.instruction is Instruction.PLACE_FINGER_AGAIN and len(spoilt) < 2:
            spoilt.append(said)
            desk.module.place(f"mei/right-index#{condition}")

    desk.hear = clumsy
    record, _ = desk.session().enrol(applicant(), ALONE)
    assert len(record.fingers) == 2
    assert advice in desk.heard


def test_a_person_without_hands_on_the_reader_is_refused_and_an_officer_may_accept_it() -> None:
    desk = Desk()
    desk.hear = lambda _said: None
    refused(desk, Refusal.TOO_FEW_FINGERS)
    desk = Desk()
    desk.hear = lambda _said: None
    record, evidence = desk.session().enrol(applicant(), Attendance("o.chan", fewer_fingers=True))
    assert (record.fingers, evidence.fewer_fingers, evidence.officer) == ((), True, "o.chan")


def test_an_officer_who_would_accept_fewer_is_not_recorded_as_having_done_so_when_all_were_given() -> None:
    _, evidence = Desk().session().enrol(applicant(), Attendance("o.chan", fewer_fingers=True))
    assert not evidence.fewer_fingers


def test_another_person_gives_the_fingers() -> None:
    desk = Desk(people=lambda frame: [MEI] if frame <= 11 else [BAO])
    refused(desk, Refusal.ANOTHER_PERSON)
    assert "stay_in_view" in desk.heard


def test_one_frame_of_five_is_not_enough_while_the_fingers_are_given() -> None:
    desk = Desk(people=lambda frame: [MEI] if frame <= 11 or frame % 5 == 0 else [BAO])
    refused(desk, Refusal.ANOTHER_PERSON)


def test_somebody_who_blinks_is_not_sent_away() -> None:
    desk = Desk(people=lambda frame: [MEI] if frame <= 11 or frame % 3 else [])
    desk.session().enrol(applicant(), ALONE)


def test_somebody_who_comes_beside_while_the_fingers_are_taken() -> None:
    desk = Desk(people=lambda frame: [MEI] if frame <= 11 else [MEI, BAO])
    refused(desk, Refusal.ANOTHER_PERSON)
    assert "alone_please" in desk.heard


# -- faults --------------------------------------------------------------------------------------------------------------------------


def faulty(desk: Desk, name: str, **parameters: float) -> None:
    """A fault of the module at the second touch, once."""
    hear, struck = desk.hear, []

    def strike(said: Said) -> None:
        hear(said)
        if said.instruction is Instruction.PLACE_FINGER_AGAIN and not struck:
            struck.append(said)
            desk.fault(name, **parameters)

    desk.hear = strike


@pytest.mark.parametrize(("fault", "parameters"), [("power_cycle", {}), ("silent", {"times": 1}), ("garbled", {"times": 1}), ("level_lowered", {})])
def test_a_fault_of_the_reader_begins_the_finger_anew(fault: str, parameters: dict[str, float]) -> None:
    desk = Desk()
    faulty(desk, fault, **parameters)
    record, _ = desk.session().enrol(applicant(), ALONE)
    assert "reader_tried_again" in desk.heard
    assert len(record.fingers) == 2
    verifies(desk, record)


def test_a_reader_that_stays_silent_ends_it() -> None:
    desk = Desk()
    faulty(desk, "silent")
    with pytest.raises(DeviceError):
        desk.session().enrol(applicant(), ALONE)
    assert not desk.camera.is_open


def test_a_template_that_does_not_come_out_whole_is_not_taken() -> None:
    desk = Desk()
    faulty(desk, "upchar_short")
    with pytest.raises(DeviceError):
        desk.session().enrol(applicant(), ALONE)


def test_a_camera_that_is_not_there_ends_it() -> None:
    desk = Desk()
    desk.camera.frame = lambda *_: (_ for _ in ()).throw(DeviceAbsentError("gone"))  # type: ignore[method-assign]
    with pytest.raises(DeviceAbsentError):
        desk.session().enrol(applicant(), ALONE)


@pytest.mark.parametrize("at", ["look_here", "face_taken", "place_finger_again", "finger_taken"])
def test_an_interruption_leaves_no_device_open_and_no_light_on(at: str) -> None:
    desk = Desk(judge=ScriptedJudge(lambda _frames: 0.1))
    hear = desk.hear

    def interrupt(said: Said) -> None:
        hear(said)
        if said.instruction.value == at:
            raise KeyboardInterrupt

    desk.hear = interrupt
    with pytest.raises(KeyboardInterrupt):
        desk.session().enrol(applicant(), ALONE)
    assert not desk.camera.is_open
    with pytest.raises(DeviceAbsentError):
        desk.reader.finger_present(desk.clock.monotonic() + 1)
    assert desk.judge.ended == 1


def test_the_next_person_begins_with_nothing_of_the_one_before() -> None:
    desk = Desk()
    session = desk.session()
    session.enrol(applicant(), ALONE)
    desk.camera.people = lambda _frame: [BAO]
    record, _ = session.enrol(applicant(), ALONE)
    assert desk.matcher.compare(desk.matcher.analyse(image_of(["bao"])).probe, record.faces[0]) < THRESHOLD  # type: ignore[arg-type]
    assert len(record.fingers) == 2, "the same hand again is no duplicate of another person's"
