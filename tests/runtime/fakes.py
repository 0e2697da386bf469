"""Fakes of the ports, written by hand: each does what its script says and refuses what the real one refuses."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from gate_controller.core.values import LaneInputs, Region
from gate_controller.ports.devices import (
    FaceAnalysis,
    FaceModel,
    FacePlace,
    FaceProbe,
    FaceQuality,
    FaceTemplate,
    FingerprintOutcome,
    FingerprintResult,
    FingerprintTemplate,
    Frame,
)
from gate_controller.ports.errors import DeviceRejectedError, DeviceTimeoutError, DeviceUntrustedError, StoreError
from gate_controller.ports.pad import Cue, PadAssessment
from gate_controller.ports.services import EnrolmentRecord, EnrolmentState
from gate_controller.ports.trust import TrustClosed, TrustNotice

MODEL = FaceModel("fake-face", "00" * 32)
FORMAT = "zhiantec/r503/1536"


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_800_000_000.0 + self.now


class Inbox:
    def __init__(self) -> None:
        self.events: list[object] = []
        self.reports: list[object] = []

    def __call__(self, event, report=None) -> None:
        self.events.append(event)
        if report is not None:
            self.reports.append(report)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


class FakeDevice:
    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0

    def open(self, deadline: float) -> None:
        self.opened += 1

    def close(self) -> None:
        self.closed += 1

    def describe(self) -> dict[str, str]:
        return {}


class FakeReader(FakeDevice):
    """Gives the scripted results; NO_FINGER when the script is over."""

    template_format = FORMAT

    def __init__(self) -> None:
        super().__init__()
        self.results: deque[FingerprintResult | Exception] = deque()
        self.loaded: list[FingerprintTemplate] = []
        self.reference: FingerprintTemplate | None = None
        self.refuses: set[bytes] = set()
        self.lights: list[object] = []
        self.takes_none = False
        self.tells = True
        self.print: FingerprintOutcome | None = None
        self.left = 0
        """Steps of overwriting that are left."""

    def script(self, *outcomes: FingerprintOutcome) -> None:
        self.results.extend(FingerprintResult(outcome, 50) for outcome in outcomes)

    def load_reference(self, template, deadline) -> None:
        if template.data in self.refuses:
            raise DeviceRejectedError("fingerprint: bad template", "enrol again")
        self.reference = template
        self.loaded.append(template)
        self.left = 2

    def clear_reference(self) -> None:
        self.reference = None

    def wipe(self, deadline) -> bool:
        self.reference = None
        self.left = max(0, self.left - 1)
        return self.left == 0

    def check_transfer(self, deadline) -> bool:
        self.reference = None
        if self.takes_none:
            raise DeviceUntrustedError("fingerprint: takes no template", "fit another")
        return self.tells

    def check_image(self, deadline) -> FingerprintOutcome | None:
        return self.print

    def finger_present(self, deadline) -> bool:
        return False

    def verify(self, deadline) -> FingerprintResult:
        if self.reference is None:
            raise DeviceRejectedError("fingerprint: no reference loaded", "")
        result = self.results.popleft() if self.results else FingerprintResult(FingerprintOutcome.NO_FINGER)
        if isinstance(result, Exception):
            raise result
        return result

    def light(self, light, deadline) -> None:
        self.lights.append(light)


class FakeCamera(FakeDevice):
    """A frame every 1/15 s of the clock that `advances`; stamps grow anyway."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.sequence = 0
        self.broken = False
        self.advances = 0.0
        self.image = np.zeros((480, 640, 3), np.uint8)

    def frame(self, newer_than: int, deadline: float) -> Frame:
        if self.broken:
            raise DeviceTimeoutError("face_camera: no frame", "check the cable")
        self.sequence += 1
        self.clock.now += self.advances
        return Frame(self.image, self.clock.now + 1e-6 * self.sequence, self.sequence)


@dataclass(frozen=True)
class Face:
    """One frame of a FakeMatcher's script: how many faces, and the traveller's: distance to the reference, score, whose it is."""

    faces: int = 1
    distance: float = 0.4
    score: float = 0.9
    person: int = 1
    distant: bool = False
    share: float = 0.35


class FakeMatcher:
    """Sees the scripted faces, or (faces, distance, quality), in turn; `always` when the script is over; nobody without one.

    Probes of one person lie 0 apart, of two persons 9. `encoded` counts what was encoded, `located` what was only looked for.
    """

    def __init__(self, model: FaceModel = MODEL) -> None:
        self.model = model
        self.script: deque[Face | tuple[int, float, float]] = deque()
        self.always: Face | None = None
        self.encoded = self.located = 0
        self.raises: Exception | None = None

    def _next(self) -> FaceAnalysis:
        if self.raises is not None:
            raise self.raises
        face = self.script.popleft() if self.script else self.always
        if face is None:
            return FaceAnalysis(0, None)
        face = face if isinstance(face, Face) else Face(*face)
        if face.distant:
            return FaceAnalysis(0, None, distant=True)
        quality = FaceQuality(60, 100, 128, 0, 0, face.score, share=face.share)
        probe = FaceProbe(self.model, np.array([face.distance, face.person], np.float32), quality)
        return FaceAnalysis(face.faces, probe, FacePlace((200, 120, 200, 240), np.zeros((5, 2), np.float32)), quality)

    def locate(self, image) -> FaceAnalysis:
        self.located += 1
        return replace(self._next(), probe=None)

    def analyse(self, image) -> FaceAnalysis:
        self.encoded += 1
        return self._next()

    def template(self, probe) -> FaceTemplate:
        return FaceTemplate(self.model, b"probe %d" % int(probe.embedding[1]))

    def compare(self, probe, reference) -> float:
        if reference.data == b"broken":
            raise ValueError("broken template")
        if reference.data.startswith(b"probe"):
            return 0.0 if self.template(probe).data == reference.data else 9.0
        return float(probe.embedding[0]) + (1.0 if reference.data == b"old face" else 0.0)


class FakeJudge:
    """Gives `score` for whatever it is shown; `shown` are the places, `jump()` makes it begin anew."""

    name = "fake judge"

    def __init__(self) -> None:
        self.score: float | None = 0.1
        self.shown: list[object] = []
        self.raises: Exception | None = None
        self.begun = self.ended = 0
        self._jumps = False
        self.begin()

    def begin(self) -> None:
        self.begun += 1
        self._frames, self._first, self._last, self._restarts = 0, None, 0.0, 0

    def jump(self) -> None:
        self._jumps = True

    def observe(self, frame, face) -> None:
        if self.raises is not None:
            raise self.raises
        self.shown.append(face)
        if face is None:
            return
        if self._jumps:
            self._jumps = False
            self._frames, self._first, self._restarts = 0, None, self._restarts + 1
        self._first = frame.stamp if self._first is None else self._first
        self._frames, self._last = self._frames + 1, frame.stamp

    def assess(self) -> PadAssessment:
        return PadAssessment(self.score, self._frames, self._last - (self._first or self._last), self._restarts, (Cue("shake", 1.5, 2.0),))

    def end(self) -> None:
        self.ended += 1
        self.begin()


class FakeBoard(FakeDevice):
    """A board that notes what it is told. `fail` raises on the next calls."""

    def __init__(self, inputs: LaneInputs) -> None:
        super().__init__()
        self.inputs = inputs
        self.fail: deque[Exception | None] = deque()
        self.log: list[tuple[object, ...]] = []
        self.looks = False

    def _do(self, *entry) -> None:
        error = self.fail.popleft() if self.fail else None
        if error is not None:
            raise error
        self.log.append(entry)

    def read(self, deadline) -> LaneInputs:
        self._do("read")
        return self.inputs

    def hold_open(self, door, duration_s, deadline) -> None:
        self._do("open", door)

    def release(self, door, deadline) -> None:
        self._do("close", door)

    def set_lamp(self, lamp, on, deadline) -> None:
        self._do("lamp", lamp, on)

    def set_officer_call(self, on, deadline) -> None:
        self._do("call", on)

    def refresh_outputs(self, deadline) -> bool:
        if self.looks:
            self._do("look")
        return self.looks


class FakeStores:
    """Verifier, replay memory, enrolment store and journal in one; each can be broken by name."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.decision: object = None
        self.enrolments: dict[Region, EnrolmentState] = {}
        self.records: dict[tuple[Region, bytes], EnrolmentRecord] = {}
        self.claimed: list[bytes] = []
        self.claim_answer = True
        self.written: list[tuple[str, object]] = []
        self.degraded: set[str] = set()
        self.fields: dict[str, dict[str, str]] = {}

    def _may(self, store: str) -> None:
        if store in self.broken:
            what = f"{store}: disk full"
            raise StoreError(what, "make room")

    def verify(self, text, now):
        self._may("verifier")
        return self.decision

    def last_presented(self, pass_id):
        self._may("replay")

    def claim(self, pass_id, issued_at, expires_at) -> bool:
        self._may("replay")
        self.claimed.append(pass_id)
        return self.claim_answer

    def find(self, issuer, reference):
        self._may("enrolment")
        return self.records.get((issuer, reference))

    def in_force(self):
        self._may("enrolment")
        return self.enrolments

    def admit(self, crossing_id, issuer, direction, wall, *, degraded=False) -> None:
        self._may("journal")
        self.written.append(("admit", crossing_id))
        self.degraded |= {crossing_id} if degraded else set()

    def record(self, record, wall) -> None:
        self._may("journal")
        self.written.append(("record", record.crossing_id))

    def event(self, kind, fields, wall) -> None:
        self._may("journal")
        self.written.append(("event", kind))
        self.fields[kind] = fields

    def trace(self, crossing_id, what, wall) -> None:
        self._may("journal")
        self.written.append(("trace", crossing_id))

    def close_open(self, wall, direction):
        self._may("journal")
        return []

    def tend(self, wall) -> None:
        self._may("journal")

    def close(self) -> None:
        pass


class FakeTrust:
    """Tells the scripted notices once, and `closed` for as long as it stands."""

    def __init__(self) -> None:
        self.notices: list[TrustNotice] = []
        self.closed: TrustClosed | None = None
        self.broken = ""
        self.observed: list[float] = []

    def observe(self, wall) -> None:
        if self.broken:
            raise StoreError(self.broken, "make room")
        self.observed.append(wall)

    def look(self, wall):
        notices, self.notices = self.notices, []
        return tuple(notices), self.closed

    def status(self, wall):
        return {"trust": {"HK": {"state": "fresh" if self.closed is None else "closed"}}, "trust_store": {"versions": {}, "problem": None, "failures": 0}}


class FakeSink:
    """Keeps what is published; raises on the kinds in `broken`."""

    def __init__(self) -> None:
        self.published: list[tuple[str, dict[str, object]]] = []
        self.broken: set[str] = set()

    def publish(self, kind, fields) -> None:
        if kind in self.broken:
            raise ZeroDivisionError
        self.published.append((kind, fields))


def enrolled(*fingers: bytes, face: bytes = b"face", born: date = date(1990, 5, 17)) -> EnrolmentRecord:
    return EnrolmentRecord(
        reference=b"r" * 16,
        version=1,
        birth_date=born,
        registered_with=frozenset({Region.MO}),
        registered_at=1_700_000_000,
        suspended=False,
        faces=(FaceTemplate(FaceModel("other", "11" * 32), b"x"), FaceTemplate(MODEL, face)),
        fingers=tuple(FingerprintTemplate(FORMAT, 2, data) for data in fingers),
    )
