"""What every camera does: the OpenCV driver on the wire simulator, and the in-memory one in virtual time."""

import itertools
import statistics

import pytest

from drivers.camera import CameraOptions
from drivers.camera.opencv import OpenCvCamera
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import DeviceAbsentError, DeviceError, DeviceProtocolError, DeviceTimeoutError, DeviceUntrustedError
from simulators.camera.memory import MemoryCamera
from simulators.camera.server import FAULTS, MjpegCamera

WIDTH, HEIGHT, FPS = 320, 240, 30.0
STALE_S, FROZEN_S, DARK_S = 0.6, 0.4, 0.4
PATIENCE_S = 20.0


class VirtualClock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def wall(self):
        return 1_800_000_000.0 + self.now

    def advance_to(self, when):
        assert when > self.now
        self.now = when


class OnTheWire:
    def __init__(self, frozen_s=FROZEN_S):
        self.clock = SystemClock()
        self.simulator = MjpegCamera(fps=FPS, width=WIDTH, height=HEIGHT)
        options = CameraOptions(
            source=self.simulator.url,
            width=WIDTH,
            height=HEIGHT,
            open_timeout_s=1.0,
            read_timeout_s=0.5,
            stale_after_s=STALE_S,
            frozen_after_s=frozen_s,
            dark_after_s=DARK_S,
            reopen_min_s=0.02,
            reopen_max_s=0.1,
        )
        self.camera = OpenCvCamera(options, self.clock)

    def scene(self, **fields):
        self.simulator.handle("scene", {"do": "scene", **fields})

    def fault(self, name):
        self.simulator.handle("fault", {"do": "fault", "name": name})

    def clear(self):
        self.simulator.handle("clear", {"do": "clear"})

    def close(self):
        self.camera.close()
        self.simulator.close()


class InMemory:
    def __init__(self, frozen_s=FROZEN_S):
        self.clock = VirtualClock()
        self.camera = MemoryCamera(
            self.clock,
            self.clock.advance_to,
            fps=FPS,
            width=WIDTH,
            height=HEIGHT,
            stale_after_s=STALE_S,
            frozen_after_s=frozen_s,
            dark_after_s=DARK_S,
        )
        self.scene, self.fault, self.clear = self.camera.scene, self.camera.fault, self.camera.clear

    def close(self):
        self.camera.close()


RIGS = [pytest.param(OnTheWire, marks=pytest.mark.wire), InMemory]


@pytest.fixture(params=RIGS, ids=["wire", "memory"])
def rig(request):
    rig = request.param()
    yield rig
    rig.close()


@pytest.fixture(params=RIGS, ids=["wire", "memory"])
def frozen_late_rig(request):
    """As `rig`, with the limit of a frozen picture far behind any deadline."""
    rig = request.param(frozen_s=60.0)
    yield rig
    rig.close()


def within(rig, seconds):
    return rig.clock.monotonic() + seconds


def opened(rig):
    rig.camera.open(within(rig, PATIENCE_S))
    return rig.camera


def until_raised(rig, expected):
    """Ask for frames until the expected error comes; then it has to stay."""
    newest, seen, limit = 0, [], within(rig, PATIENCE_S)
    while within(rig, 0) < limit:
        try:
            newest = rig.camera.frame(newest, within(rig, 0.1)).sequence
        except expected:
            for _ in range(3):
                with pytest.raises(expected):
                    rig.camera.frame(newest, within(rig, 0.1))
            return newest
        except DeviceError as error:
            seen.append(type(error).__name__)
    return pytest.fail(f"{expected.__name__} never came; {sorted(set(seen))} did")


def until_frame(rig, newest):
    """Ask for frames until one newer than `newest` comes."""
    limit = within(rig, PATIENCE_S)
    while within(rig, 0) < limit:
        try:
            return rig.camera.frame(newest, within(rig, 0.1))
        except DeviceError:
            continue
    return pytest.fail("no frame came")


def test_the_first_frame_is_there_after_open(rig):
    frame = opened(rig).frame(0, within(rig, PATIENCE_S))
    assert frame.image.shape == (HEIGHT, WIDTH, 3)
    assert frame.image.dtype == "uint8"
    assert frame.sequence >= 1
    assert 0 <= within(rig, 0) - frame.stamp <= PATIENCE_S


def test_frames_are_newer_than_asked_and_differ(rig):
    camera = opened(rig)
    frames = [camera.frame(0, within(rig, PATIENCE_S))]
    for _ in range(10):
        frames.append(camera.frame(frames[-1].sequence, within(rig, PATIENCE_S)))
    pairs = list(itertools.pairwise(frames))
    assert all(later.sequence > earlier.sequence and later.stamp > earlier.stamp for earlier, later in pairs)
    assert all((later.image != earlier.image).any() for earlier, later in pairs)


def test_a_frame_belongs_to_its_taker(rig):
    camera = opened(rig)
    frame = camera.frame(0, within(rig, PATIENCE_S))
    frame.image[:] = 0
    assert camera.frame(frame.sequence, within(rig, PATIENCE_S)).image.mean() > 50


def test_a_deadline_without_a_newer_frame_is_a_time_out(rig):
    camera = opened(rig)
    deadline = within(rig, 0.2)
    with pytest.raises(DeviceTimeoutError):
        camera.frame(10**9, deadline)
    assert within(rig, 0) >= deadline


def test_a_deadline_in_the_past_is_a_time_out_at_once(rig):
    camera = opened(rig)
    with pytest.raises(DeviceTimeoutError):
        camera.frame(10**9, within(rig, -1))


def test_what_is_before_the_camera_is_seen(rig):
    camera = opened(rig)
    wall = camera.frame(0, within(rig, PATIENCE_S))
    rig.scene(kind="phone", text="ECH1:ABC", px_per_module=6)
    limit, newest = within(rig, PATIENCE_S), wall.sequence
    while within(rig, 0) < limit:
        frame = camera.frame(newest, within(rig, PATIENCE_S))
        newest = frame.sequence
        if frame.image.max() > 200:
            return
    pytest.fail("the phone was never seen")


def test_an_unopened_camera_is_absent(rig):
    with pytest.raises(DeviceAbsentError):
        rig.camera.frame(0, within(rig, PATIENCE_S))


def test_closing_twice_is_harmless_and_the_sequence_goes_on_after_reopening(rig):
    camera = opened(rig)
    before = camera.frame(0, within(rig, PATIENCE_S)).sequence
    camera.close()
    camera.close()
    with pytest.raises(DeviceAbsentError):
        camera.frame(0, within(rig, PATIENCE_S))
    opened(rig)
    assert camera.frame(before, within(rig, PATIENCE_S)).sequence > before


def test_what_is_known_is_described(rig):
    camera = opened(rig)
    facts = camera.describe()
    assert facts["size"] == f"{WIDTH}x{HEIGHT}"
    assert all(isinstance(key, str) and isinstance(value, str) for key, value in facts.items())


RAISED = {
    "black": DeviceUntrustedError,
    "freeze": DeviceUntrustedError,
    "stall": DeviceTimeoutError,
    "drop": DeviceAbsentError,
    "refuse": DeviceAbsentError,
    "corrupt": DeviceProtocolError,
}


def test_every_fault_of_the_simulator_is_tested_or_harmless():
    assert set(FAULTS) - set(RAISED) == {"damage", "slow"}


@pytest.mark.parametrize(("fault", "error"), RAISED.items())
def test_a_fault_is_raised_and_its_end_brings_frames_back(rig, fault, error):
    opened(rig)
    rig.fault(fault)
    newest = until_raised(rig, error)
    rig.clear()
    frame = until_frame(rig, newest)
    assert frame.sequence > newest
    assert frame.image.mean() > 50


@pytest.mark.parametrize(("fault", "error"), [(fault, error) for fault, error in RAISED.items() if fault not in {"black", "freeze"}])
def test_a_fault_at_opening_is_raised_and_opening_again_helps(rig, fault, error):
    rig.fault(fault)
    with pytest.raises(error) as raised:
        rig.camera.open(within(rig, PATIENCE_S))
    assert raised.value.remedy
    with pytest.raises(DeviceAbsentError):
        rig.camera.frame(0, within(rig, 0.1))
    rig.clear()
    assert opened(rig).frame(0, within(rig, PATIENCE_S)).sequence >= 1


@pytest.mark.parametrize(("fault", "word"), [("black", "dark"), ("freeze", "frozen")])
def test_opening_again_does_not_wash_a_camera_clean(rig, fault, word):
    opened(rig)
    rig.fault(fault)
    newest = until_raised(rig, DeviceUntrustedError)
    for _ in range(3):
        rig.camera.close()
        with pytest.raises(DeviceUntrustedError, match=word):
            rig.camera.open(within(rig, PATIENCE_S))
    rig.clear()
    assert opened(rig).frame(-1, within(rig, PATIENCE_S)).sequence > newest


def test_a_stream_of_repeats_is_untrusted_before_its_limit(frozen_late_rig):
    rig = frozen_late_rig
    opened(rig)
    rig.fault("freeze")
    newest, limit, raised = 0, within(rig, PATIENCE_S), None
    while raised is None and within(rig, 0) < limit:
        try:
            newest = rig.camera.frame(newest, within(rig, 1.0)).sequence
        except DeviceError as error:
            raised = error
    assert isinstance(raised, DeviceUntrustedError)
    assert "frozen" in raised.what


def test_damaged_frames_never_raise_anything_foreign(rig):
    # OpenCV says nothing about a JPEG that decodes in part: such frames come, and no code is in them.
    camera = opened(rig)
    newest = camera.frame(0, within(rig, PATIENCE_S)).sequence
    rig.fault("damage")
    for _ in range(20):
        newest = until_frame(rig, newest).sequence


def test_a_slow_camera_gives_frames_as_they_come(rig):
    camera = opened(rig)
    rig.fault("slow")
    newest = camera.frame(0, within(rig, PATIENCE_S))
    stamps = [newest.stamp]
    for _ in range(5):
        newest = until_frame(rig, newest.sequence)
        stamps.append(newest.stamp)
    gaps = [after - before for before, after in itertools.pairwise(stamps[1:])]
    assert statistics.median(gaps) > 2 / 15, "not each frame of a camera that has 15 a second; one that came late leaves a short gap behind it"


def test_a_lit_phone_at_night_is_not_dark(rig):
    rig.scene(kind="phone", text="ECH1:ABC", px_per_module=4, dim=0.1)
    camera = opened(rig)
    first = frame = camera.frame(0, within(rig, PATIENCE_S))
    while frame.stamp < first.stamp + 2 * DARK_S:
        frame = camera.frame(frame.sequence, within(rig, PATIENCE_S))


def test_an_unlit_scene_is_dark(rig):
    opened(rig)
    rig.scene(kind="empty", dim=0)
    until_raised(rig, DeviceUntrustedError)
