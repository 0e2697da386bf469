import pytest

from gate_controller.ports.errors import DeviceTimeoutError, DeviceUntrustedError
from simulators.camera.memory import MemoryCamera


class VirtualClock:
    def __init__(self):
        self.now = 50.0

    def monotonic(self):
        return self.now

    def wall(self):
        return self.now

    def advance_to(self, when):
        assert when > self.now, "waiting lets time pass"
        self.now = when


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def camera(clock):
    camera = MemoryCamera(clock, clock.advance_to, fps=10, width=160, height=120)
    camera.open(clock.now + 1)
    return camera


def test_frames_lie_on_the_grid(camera, clock):
    first = camera.frame(0, clock.now + 1)
    second = camera.frame(first.sequence, clock.now + 1)
    assert (first.stamp, second.stamp) == (50.0, pytest.approx(50.1))
    assert clock.now == pytest.approx(50.1), "no more time passes than it takes"
    clock.advance_to(50.45)
    assert camera.frame(second.sequence, clock.now).stamp == pytest.approx(50.4), "the newest, not the next"


def test_without_wait_time_stands_still(clock):
    camera = MemoryCamera(clock, fps=10, width=160, height=120)
    camera.open(clock.now)
    newest = camera.frame(0, clock.now + 5).sequence
    with pytest.raises(DeviceTimeoutError):
        camera.frame(newest, clock.now + 5)
    assert clock.now == 50.0
    clock.advance_to(50.1)
    assert camera.frame(newest, clock.now + 5).sequence == newest + 1


def test_two_cameras_of_one_seed_see_the_same():
    pictures = []
    for _ in range(2):
        clock = VirtualClock()
        camera = MemoryCamera(clock, clock.advance_to, width=160, height=120, seed=7)
        camera.open(clock.now)
        camera.scene(kind="face", person="person03")
        pictures.append([camera.frame(number, clock.now + 1).image for number in range(5)])
    assert all((one == other).all() for one, other in zip(*pictures, strict=True))


def test_a_frozen_camera_is_untrusted_exactly_after_its_limit(camera, clock):
    newest = camera.frame(0, clock.now + 1).sequence
    camera.fault("freeze")
    with pytest.raises(DeviceUntrustedError, match="again and again"):
        camera.frame(newest, 51.99)
    with pytest.raises(DeviceUntrustedError, match="for 2 s"):
        camera.frame(newest, 52.5)
    assert clock.now == pytest.approx(52.0), "known as soon as it can be known"


def test_a_frozen_picture_stays_whatever_happens_before_the_camera(camera, clock):
    before = camera.frame(0, clock.now + 1)
    camera.fault("freeze")
    camera.scene(kind="phone", text="A", px_per_module=3)
    after = camera.frame(0, clock.now + 1)
    assert (after.sequence, (after.image == before.image).all()) == (before.sequence, True)


def test_the_last_frame_goes_stale_when_frames_stall(camera, clock):
    camera.frame(0, clock.now + 1)
    camera.fault("stall")
    assert camera.frame(0, clock.now).sequence == 1, "still fresh"
    clock.advance_to(50.51)
    with pytest.raises(DeviceTimeoutError):
        camera.frame(0, clock.now)


def test_state_names_scene_and_faults(camera):
    camera.scene(kind="face", person="person02", picture="print")
    camera.fault("black")
    state = camera.state()
    assert state["faults"] == ["black"]
    assert state["scene"]["picture"] == "print"


def test_unknown_faults_and_scenes_are_refused(camera):
    with pytest.raises(ValueError):
        camera.fault("fire")
    with pytest.raises(ValueError):
        camera.scene(kind="crowd")
