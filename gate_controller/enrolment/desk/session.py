"""One person at the desk: who may be enrolled and how attended, then face, then fingers, then the record.

Does not sign and does not write: record_file does.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from gate_controller.core.values import Region
from gate_controller.enrolment.desk.face import FaceDemands, FaceTaker, SecondModel
from gate_controller.enrolment.desk.fingers import OPEN_WITHIN_S, FingerDemands, FingerTaker
from gate_controller.enrolment.desk.instructions import EnrolmentRefusedError, Guide, Refusal, Said
from gate_controller.enrolment.desk.liveness import Judgement
from gate_controller.enrolment.records import check
from gate_controller.ports.clock import Clock
from gate_controller.ports.devices import Camera, FaceMatcher, FaceTemplate, FingerprintLight, FingerprintTemplate
from gate_controller.ports.enroller import FingerprintEnroller
from gate_controller.ports.errors import DeviceError
from gate_controller.ports.pad import PadDecision
from gate_controller.ports.services import EnrolmentRecord

ALONE_FROM_YEARS = 18
LEAST_FINGERS = 2
POSITIONS = (2, 7, 1, 6, 3, 8)
"""Index fingers, thumbs, middle fingers; the right hand's first (ISO/IEC 19794-2)."""
OFFICER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who is to be enrolled, as the identity document said.

    Attributes:
        reference: Enrolment reference, 16 bytes, new or the one the person has.
        version: 1, or more than the version that the region has of this person.
        birth_date: Date of birth.
        registered_with: Regions the person registers with.
    """

    reference: bytes = field(repr=False)
    version: int
    birth_date: date = field(repr=False)
    registered_with: frozenset[Region]


@dataclass(frozen=True, slots=True)
class Attendance:
    """Who stands by.

    Attributes:
        officer: Identity of the officer, or None.
        fewer_fingers: The officer accepts fewer fingers than are needed: the person cannot give them.

    Raises:
        ValueError: No identity of an officer, or fewer fingers without one.
    """

    officer: str | None = None
    fewer_fingers: bool = False

    def __post_init__(self) -> None:
        if self.officer is not None and not OFFICER.fullmatch(self.officer):
            raise ValueError("an officer's identity is 1 to 64 letters, digits, dots, hyphens and underscores")
        if self.fewer_fingers and self.officer is None:
            raise ValueError("only an officer can accept fewer fingers")


@dataclass(frozen=True, slots=True)
class DeskTerms:
    """What the desk asks for.

    Attributes:
        minimum_age: Completed years; 11, or 7 by the lanes' policy. Younger people are refused.
        face: Of the face.
        fingers: Of the fingers.
        positions: Which fingers, in this order.
        simulated: The desk is a simulation; the evidence says so.
    """

    minimum_age: int
    face: FaceDemands
    fingers: FingerDemands = field(default_factory=FingerDemands)
    positions: tuple[int, ...] = POSITIONS
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """How a record came about; sealed with it.

    Attributes:
        officer: Who stood by, or None.
        fewer_fingers: The officer accepted fewer.
        face_score: Quality of the face, 0..1.
        face_farthest: Largest distance of a fresh frame from the template.
        pad: What presentation attack detection said.
        judge: Name of the judge; "" when there is none.
        fingers: Position and match score of each finger, best first.
        simulated: Nobody was there: the desk is a simulation.
    """

    officer: str | None
    fewer_fingers: bool
    face_score: float
    face_farthest: float
    pad: PadDecision
    judge: str
    fingers: tuple[tuple[int, int], ...]
    simulated: bool = False


class DeskSession:
    """The desk's devices, put to use for one person after the other.

    Args:
        camera: Of the face; opened and closed here.
        matcher: The model whose template is made.
        reader: Of the fingers; opened and closed here.
        terms: What is asked for.
        clock: Time.
        pause: Lets time pass, in seconds.
        show: Shows one instruction to the person.
        today: The date by which age counts.
        judgement: Presentation attack detection; None: not performed.
        second: A second model that makes a template of the face, too, or None.
    """

    def __init__(
        self,
        camera: Camera,
        matcher: FaceMatcher,
        reader: FingerprintEnroller,
        terms: DeskTerms,
        clock: Clock,
        pause: Callable[[float], None],
        show: Callable[[Said], None],
        today: Callable[[], date],
        judgement: Judgement | None = None,
        second: SecondModel | None = None,
    ) -> None:
        self._camera = camera
        self._reader = reader
        self._terms = terms
        self._clock = clock
        self._pause = pause
        self._guide = Guide(show)
        self._today = today
        self._judge_name = judgement.judge.name if judgement is not None else ""
        self._face = FaceTaker(camera, matcher, terms.face, clock, self._guide, judgement, second)

    def enrol(self, applicant: Applicant, attendance: Attendance) -> tuple[EnrolmentRecord, Evidence]:
        """Take face and fingers.

        Raises:
            EnrolmentRefusedError: Too young, no officer, or what was taken is not good enough.
            DeviceError: A device failed.
            ValueError: The applicant's data cannot stand in a record; the message names the field, never the value.
        """
        self._require_age(applicant, attendance)
        check(self._record(applicant))
        try:
            self._camera.open(self._clock.monotonic() + OPEN_WITHIN_S)
            self._reader.open(self._clock.monotonic() + OPEN_WITHIN_S)
            face = self._face.take()
            taker = FingerTaker(self._reader, self._terms.fingers, self._clock, self._pause, self._guide, lambda: self._face.same_person(face.template))
            fingers = taker.take(self._terms.positions, 0 if attendance.fewer_fingers else LEAST_FINGERS)
            self._face.confirm(face.template)
        finally:
            self._let_go()
        record = self._record(applicant, (face.template, *face.others), tuple(finger.template for finger in fingers))
        check(record)
        scores = tuple((finger.template.position, finger.score) for finger in fingers)
        fewer = attendance.fewer_fingers and len(fingers) < LEAST_FINGERS
        return record, Evidence(attendance.officer, fewer, face.score, face.farthest, face.pad, self._judge_name, scores, self._terms.simulated)

    def _require_age(self, applicant: Applicant, attendance: Attendance) -> None:
        age = years_between(applicant.birth_date, self._today())
        if age < self._terms.minimum_age:
            raise EnrolmentRefusedError(
                Refusal.TOO_YOUNG, f"the person is under {self._terms.minimum_age}", "nobody younger can use the lanes: the counter is open"
            )
        if age < ALONE_FROM_YEARS and attendance.officer is None:
            what = f"a person under {ALONE_FROM_YEARS} is enrolled only with an officer standing by"
            raise EnrolmentRefusedError(Refusal.OFFICER_NEEDED, what, "ask an officer to come and begin again (--officer IDENTITY)")

    def _record(self, applicant: Applicant, faces: tuple[FaceTemplate, ...] = (), fingers: tuple[FingerprintTemplate, ...] = ()) -> EnrolmentRecord:
        return EnrolmentRecord(
            reference=applicant.reference,
            version=applicant.version,
            birth_date=applicant.birth_date,
            registered_with=applicant.registered_with,
            registered_at=int(self._clock.wall()),
            suspended=False,
            faces=faces,
            fingers=fingers,
        )

    def _let_go(self) -> None:
        """Leave no light on and no device open, whatever happened."""
        try:
            with contextlib.suppress(DeviceError):
                self._reader.light(FingerprintLight.OFF, self._clock.monotonic() + 1.0)
        finally:
            self._reader.close()
            self._camera.close()


def years_between(born: date, today: date) -> int:
    """Completed years; somebody born on 29 February completes one on 1 March of other years."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
