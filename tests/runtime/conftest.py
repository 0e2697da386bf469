"""Fakes of the ports, written by hand: each does what its script says and refuses what the real one refuses."""

from __future__ import annotations

from collections import deque
from datetime import date

import numpy as np
import pytest

from gate_controller.core.values import LaneInputs, Region
from gate_controller.ports.devices import (
    FaceAnalysis,
    FaceModel,
    FaceProbe,
    FaceQuality,
    FaceTemplate,
    FingerprintOutcome,
    FingerprintResult,
    FingerprintTemplate,
    Frame,
)
from gate_controller.ports.errors import DeviceRejectedError, DeviceTimeoutError, StoreError
from gate_controller.ports.services import EnrolmentRecord
from gate_controller.ports.trust import TrustClosed, TrustNotice
from gate_controller.runtime.options import RuntimeOptions
from gate_controller.runtime.session import Session
from gate_controller.runtime.worker import Surroundings

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

    def script(self, *outcomes: FingerprintOutcome) -> None:
        self.results.extend(FingerprintResult(outcome, 50) for outcome in outcomes)

    def load_reference(self, template, deadline) -> None:
        if template.data in self.refuses:
            raise DeviceRejectedError("fingerprint: bad template", "enrol again")
        self.reference = template
        self.loaded.append(template)

    def clear_reference(self) -> None:
        self.reference = None

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
    def __init__(self) -> None:
        super().__init__()
        self.sequence = 0
        self.broken = False

    def frame(self, newer_than: int, deadline: float) -> Frame:
        if self.broken:
            raise DeviceTimeoutError("face_camera: no frame", "check the cable")
        self.sequence += 1
        return Frame(np.zeros((4, 4, 3), np.uint8), 0.0, self.sequence)


class FakeMatcher:
    """Sees the scripted (faces, distance, quality) in turn; nobody when the script is over."""

    model = MODEL

    def __init__(self) -> None:
        self.script: deque[tuple[int, float, float]] = deque()

    def analyse(self, image) -> FaceAnalysis:
        if not self.script:
            return FaceAnalysis(0, None)
        faces, distance, score = self.script.popleft()
        quality = FaceQuality(60, 100, 128, 0, 0, score)
        return FaceAnalysis(faces, FaceProbe(MODEL, np.array([distance], np.float32), quality))

    def compare(self, probe, reference) -> float:
        if reference.data == b"broken":
            raise ValueError("broken template")
        return float(probe.embedding[0])


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
        self.records: dict[bytes, EnrolmentRecord] = {}
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

    def find(self, reference):
        self._may("enrolment")
        return self.records.get(reference)

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


@pytest.fixture
def make_record():
    return enrolled


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def around(clock, inbox) -> Surroundings:
    return Surroundings(clock, inbox, RuntimeOptions("gate-test", face_threshold=1.0, poll_s=0.0, idle_poll_s=0.0, retry_s=(0.0, 0.0)))


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@pytest.fixture
def camera() -> FakeCamera:
    return FakeCamera()


@pytest.fixture
def matcher() -> FakeMatcher:
    return FakeMatcher()


@pytest.fixture
def stores() -> FakeStores:
    return FakeStores()


@pytest.fixture
def trust() -> FakeTrust:
    return FakeTrust()


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
def make_board():
    return FakeBoard
