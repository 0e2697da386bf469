"""A desk in virtual time: a camera of tagged pictures, the real fingerprint driver on a simulated module, and a person who does as told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from drivers.fingerprint import EnrollingReader, FingerprintOptions
from gate_controller.core.values import Region
from gate_controller.enrolment.desk import Applicant, DeskSession, DeskTerms, Said
from gate_controller.enrolment.desk.face import FaceDemands
from gate_controller.enrolment.desk.fingers import FingerDemands
from gate_controller.enrolment.desk.liveness import Judgement
from gate_controller.ports.devices import Family, Frame
from gate_controller.ports.errors import DeviceAbsentError
from gate_controller.ports.pad import PadAssessment, PadLimits
from simulators.enrolment_desk import ObedientHand
from simulators.face_memory import MemoryFaceMatcher, SeenFace, tagged_image
from simulators.fingerprint.loopback import LoopbackPort, VirtualClock
from simulators.fingerprint.module import Module

TODAY = date(2026, 11, 22)
REFERENCE = bytes(range(16))
THRESHOLD = 0.8
LIMITS = PadLimits(live_at=0.3, attack_at=0.7, least_frames=3, least_span_s=0.1)


class TaggedCamera:
    """Shows whoever `people` names at the moment; 15 frames a second of virtual time."""

    def __init__(self, clock: VirtualClock, people: Callable[[int], Sequence[SeenFace]]) -> None:
        self._clock = clock
        self.people = people
        self.frames = 0
        self.is_open = False

    def open(self, deadline: float) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def describe(self) -> dict[str, str]:
        return {}

    def frame(self, newer_than: int, deadline: float) -> Frame:
        if not self.is_open:
            raise DeviceAbsentError("the camera is not open")
        self._clock.advance(1 / 15)
        self.frames += 1
        return Frame(tagged_image(self.people(self.frames), self.frames), self._clock.monotonic(), self.frames)


class ScriptedJudge:
    """Says what `score` gives for the number of frames seen."""

    name = "scripted 1"

    def __init__(self, score: Callable[[int], float | None], restarts: Callable[[int], int] = lambda _frames: 0) -> None:
        self._score = score
        self._restarts = restarts
        self.frames = 0
        self.ended = 0

    def begin(self) -> None:
        self.frames = 0

    def observe(self, frame: Frame, face: object) -> None:
        self.frames += face is not None

    def assess(self) -> PadAssessment:
        return PadAssessment(self._score(self.frames), self.frames, self.frames / 15, self._restarts(self.frames))

    def end(self) -> None:
        self.ended += 1


@dataclass
class Desk:
    """One desk and the person before it."""

    family: Family = Family.R503
    name: str = "mei"
    people: Callable[[int], Sequence[SeenFace]] = field(default=lambda _frame: [SeenFace("mei")])
    minimum_age: int = 11
    judge: Any = None
    positions: tuple[int, ...] = (2, 7, 1)
    within_s: float = 8.0
    second: Any = None

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.module = Module(self.family)
        self.camera = TaggedCamera(self.clock, self.people)
        self.matcher = MemoryFaceMatcher()
        self.reader = EnrollingReader(FingerprintOptions(port="/dev/none", family=self.family), self.clock, self._open_port, lambda _line: None)
        self.hand = ObedientHand(self.name, self.module.place, self.module.remove)
        self.said: list[Said] = []
        self.hear: Callable[[Said], None] = lambda said: self.hand.hear(said.instruction.value, said.finger)

    def _open_port(self, baud: int) -> LoopbackPort:
        self.port = LoopbackPort(self.module, self.clock, baud)
        return self.port

    def fault(self, name: str, **parameters: float) -> None:
        self.port.inject(self.module.fault(name, parameters, self.clock.monotonic()))

    def _show(self, said: Said) -> None:
        self.said.append(said)
        self.hear(said)

    @property
    def heard(self) -> list[str]:
        """Every instruction given, in order."""
        return [said.instruction.value for said in self.said]

    def session(self) -> DeskSession:
        terms = DeskTerms(self.minimum_age, FaceDemands(THRESHOLD, within_s=self.within_s), FingerDemands(touch_within_s=5.0), self.positions)
        judgement = Judgement(self.judge, LIMITS, decide_within_s=2.0) if self.judge is not None else None
        return DeskSession(self.camera, self.matcher, self.reader, terms, self.clock, self.clock.advance, self._show, lambda: TODAY, judgement, self.second)


def applicant(born: date = date(1990, 5, 17)) -> Applicant:
    return Applicant(REFERENCE, 1, born, frozenset(Region))
