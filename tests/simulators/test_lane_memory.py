"""The lane in memory: a traveller crosses in virtual time before a scripted gate that knows the lane through the four ports only."""

import threading

import pytest

from drivers.qr import DRIVER as QR
from gate_controller.core.values import Door, DoorPosition, Lamp, Occupancy, Outcome, Region, TriState
from gate_controller.ports.devices import FingerprintLight, FingerprintOutcome, FingerprintTemplate
from gate_controller.ports.drivers import DriverContext
from simulators.fingerprint import enrolment_template
from simulators.lane.memory import MemoryLane
from simulators.lane.simulation import LaneSimulation, LaneThread
from simulators.travellers.behaviours import cross
from simulators.travellers.cast import CastMember, Expected, Kind
from simulators.travellers.perception import ReaderLight

FINGER = "somebody/right-index"


class VirtualClock:
    now = 50.0

    def monotonic(self):
        return self.now

    def wall(self):
        return 1.8e9 + self.now


class Phone:
    def text_at(self, _now):
        return "ECH1:A TEXT OF SOME LENGTH"


class Watcher:
    def __init__(self):
        self.truths, self.violations = [], []

    def traveller_started(self, name):
        """Not of interest here."""

    def traveller_left(self, _name, truth):
        self.truths.append(truth)

    def invariant_violated(self, violation):
        self.violations.append(violation)


class Script:
    """A gate of one good traveller: every step waits for what the ports report."""

    def __init__(self, lane, clock, context):
        self.lane, self.clock = lane, clock
        self.decoder = QR.build(QR.options(), context)
        self.sequence = 0
        self.read = []
        self.run = self.crossing()

    @property
    def soon(self):
        return self.clock.now + 1.0

    def crossing(self):
        lane = self.lane
        for device in (lane.io_board, lane.fingerprint, lane.qr_camera, lane.face_camera):
            device.open(self.soon)
        lane.io_board.set_lamp(Lamp.ENTRY_GREEN, True, self.soon)
        while not self.read:
            frame = lane.qr_camera.frame(0, self.soon)
            self.read = self.decoder.decode(frame.image)
            yield
        template = enrolment_template(FINGER, lane.fingerprint._profile.family)
        lane.fingerprint.load_reference(FingerprintTemplate(lane.fingerprint.template_format, 2, template), self.soon)
        lane.io_board.hold_open(Door.ENTRY, 10.0, self.soon)
        while lane.io_board.read(self.soon).occupancy is not Occupancy.ONE or lane.io_board.read(self.soon).entry_beam is not TriState.INACTIVE:
            yield
        lane.io_board.release(Door.ENTRY, self.soon)
        while lane.io_board.read(self.soon).entry_door is not DoorPosition.CLOSED:
            yield
        while lane.fingerprint.verify(self.soon).outcome is not FingerprintOutcome.MATCH:
            yield
        lane.fingerprint.light(FingerprintLight.GOOD, self.soon)
        assert lane.face_camera.state()["scene"]["person"] == "person04"
        lane.io_board.hold_open(Door.EXIT, 2.5, self.soon)  # ends by the board's own timer
        while True:
            yield


@pytest.fixture
def lane_and_clock():
    clock = VirtualClock()
    return MemoryLane(clock), clock


@pytest.fixture
def member():
    return CastMember(
        name="t",
        kind=Kind.GOOD,
        region=Region.HK,
        behaviour=cross,
        phone=Phone(),
        face="person04",
        finger=FINGER,
        companion=None,
        speed=1.0,
        expected=Expected(Outcome.COMPLETED),
    )


def test_a_traveller_crosses_in_virtual_time_through_the_four_ports(lane_and_clock, member, tmp_path):
    lane, clock = lane_and_clock
    events = Watcher()
    simulation = LaneSimulation(hardware=lane, clock=clock, cast=[member], events=events)
    script = Script(lane, clock, DriverContext(clock, tmp_path, lambda _line: None))
    simulation.open_queue()
    while not simulation.finished:
        assert clock.now < 150.0
        clock.now += 0.05
        simulation.step()
        next(script.run)
    assert script.read == ["ECH1:A TEXT OF SOME LENGTH"]
    assert [truth.left_by for truth in events.truths] == [Door.EXIT]
    assert lane.reader_light() is ReaderLight.GOOD
    assert events.violations == []
    clock.now += 5.0
    simulation.step()
    assert not simulation.world.coil("exit_door")


def test_the_second_face_reaches_the_camera_and_all_goes_away(lane_and_clock):
    lane, _ = lane_and_clock
    lane.show_faces(["person01", "person02", "person03"])
    assert lane.face_camera.state()["scene"]["second"] == "person02"
    assert lane.face_camera.state()["scene"]["picture"] == "live"
    lane.show_faces(["person04/print"])
    assert (lane.face_camera.state()["scene"]["person"], lane.face_camera.state()["scene"]["picture"]) == ("person04", "print")
    lane.show_faces([])
    lane.show_phone("T")
    lane.set_finger(FINGER)
    lane.show_phone(None)
    lane.set_finger(None)
    assert lane.face_camera.state()["scene"]["kind"] == "empty"
    assert lane.qr_camera.state()["scene"]["kind"] == "empty"
    assert lane.fingerprint.state()["finger"] is None


def test_the_thread_runs_a_simulation_to_its_end_and_stops(lane_and_clock):
    lane, clock = lane_and_clock
    simulation = LaneSimulation(hardware=lane, clock=clock, cast=[], events=Watcher())
    thread = LaneThread(simulation, pytest.fail)
    thread.start()
    assert not simulation.finished
    simulation.open_queue()
    assert thread.wait_finished(60.0)
    thread.stop()
    assert simulation.finished
    thread.stop()


def test_a_bug_in_the_simulation_is_heard_of_and_ends_the_thread(lane_and_clock):
    lane, clock = lane_and_clock
    errors = []

    def broken():
        raise RuntimeError("pictures lost")
        yield

    simulation = LaneSimulation(hardware=lane, clock=clock, cast=broken(), events=Watcher())
    simulation.open_queue()
    thread = LaneThread(simulation, errors.append)
    before = threading.active_count()
    thread.start()
    assert thread.wait_finished(60.0)
    thread.stop()
    assert [str(error) for error in errors] == ["pictures lost"]
    assert threading.active_count() == before
