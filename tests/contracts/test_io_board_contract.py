"""One suite for the IoBoard port: the real driver over the wire simulator, and the in-memory simulator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from drivers.io_board import DRIVER
from gate_controller.core.values import Door, DoorPosition, Lamp, LaneInputs, Occupancy, TriState
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import IoBoard
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import DeviceAbsentError, DeviceError, DeviceProtocolError, DeviceRejectedError, DeviceTimeoutError, DeviceUntrustedError
from simulators.io_board.memory import MemoryIoBoard
from simulators.io_board.process import LIMIT_S, IoBoardProcess
from simulators.wiring import IDLE_INPUTS, Input, modbus_options

QUARANTINE_S = 0.3
REPLY_TIMEOUT_S = 5.0
NOT_ANSWERED_S = 0.25

IDLE = LaneInputs(
    entry_door=DoorPosition.CLOSED,
    exit_door=DoorPosition.CLOSED,
    entry_beam=TriState.INACTIVE,
    exit_beam=TriState.INACTIVE,
    emergency=TriState.INACTIVE,
    tamper=TriState.INACTIVE,
    occupancy=Occupancy.ZERO,
)


class VirtualClock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


class SkippingClock(SystemClock):
    """The system's clock, that can be put forward."""

    def __init__(self) -> None:
        self.skipped_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.skipped_s


class Rig(Protocol):
    """A board under test and what a test may do to it from outside."""

    board: IoBoard

    def now(self) -> float: ...
    def skip(self, seconds: float) -> None: ...
    def set(self, **inputs: bool) -> None: ...
    def fault(self, name: str, **fields: Any) -> None: ...
    def clear(self) -> None: ...
    def coil(self, name: str) -> bool: ...
    def until_off(self, name: str, pulse_s: float) -> None: ...


class MemoryRig:
    """The in-memory simulator in virtual time."""

    def __init__(self) -> None:
        self._clock = VirtualClock()
        self.board = self.simulator = MemoryIoBoard(self._clock, quarantine_s=QUARANTINE_S)
        self.now = self._clock.monotonic
        self.clear = self.simulator.clear
        self.fault = self.simulator.fault

    def skip(self, seconds: float) -> None:
        self._clock.now += seconds

    def set(self, **inputs: bool) -> None:
        self.simulator.set(inputs)

    def coil(self, name: str) -> bool:
        return bool(self.simulator.state()["coils"][name])

    def until_off(self, name: str, pulse_s: float) -> None:
        assert self.simulator.next_change() == pytest.approx(self.now() + pulse_s)
        self.skip(pulse_s - 0.001)
        assert self.coil(name)
        self.skip(0.002)
        assert not self.coil(name)


class WireRig:
    """The real driver on a pseudo-terminal."""

    def __init__(self, process: IoBoardProcess) -> None:
        self._process = process
        self._clock = SkippingClock()
        options = modbus_options(str(process.link), reply_timeout_s=REPLY_TIMEOUT_S, quarantine_s=QUARANTINE_S)
        self.board = DRIVER.build(DRIVER.options.model_validate(options), DriverContext(self._clock, Path("/nonexistent"), pytest.fail))
        self.now = self._clock.monotonic

    def skip(self, seconds: float) -> None:
        self._clock.skipped_s += seconds

    def set(self, **inputs: bool) -> None:
        self._process.ask("set", inputs=inputs)

    def fault(self, name: str, **fields: Any) -> None:
        self._process.ask("fault", name=name, **fields)

    def clear(self) -> None:
        self._process.ask("clear")

    def coil(self, name: str) -> bool:
        return bool(self._process.ask("state")["coils"][name])

    def until_off(self, name: str, pulse_s: float) -> None:
        del pulse_s
        self._process.until(lambda state: not state["coils"][name])


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IoBoardProcess]:
    with IoBoardProcess(tmp_path_factory.mktemp("io_board")) as board:
        yield board


@pytest.fixture(params=["memory", pytest.param("wire", marks=pytest.mark.wire)])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    if request.param == "memory":
        yield MemoryRig()
        return
    process: IoBoardProcess = request.getfixturevalue("process")
    process.ask("clear")
    process.ask("power_cycle")
    process.ask("set", inputs={each.name.lower(): each in IDLE_INPUTS for each in Input})
    rig = WireRig(process)
    yield rig
    rig.board.close()


@pytest.fixture
def opened(rig: Rig) -> Rig:
    rig.board.open(soon(rig))
    return rig


def soon(rig: Rig) -> float:
    return rig.now() + LIMIT_S


def shortly(rig: Rig) -> float:
    return rig.now() + NOT_ANSWERED_S


def outlast_quarantine(rig: Rig) -> None:
    rig.skip(REPLY_TIMEOUT_S + QUARANTINE_S)


def test_an_idle_lane_reads_idle(opened: Rig) -> None:
    assert opened.board.read(soon(opened)) == IDLE


@pytest.mark.parametrize(
    ("inputs", "field", "value"),
    [
        ({"entry_door_closed": False}, "entry_door", DoorPosition.MOVING),
        ({"entry_door_closed": False, "entry_door_open": True}, "entry_door", DoorPosition.OPEN),
        ({"entry_door_open": True}, "entry_door", DoorPosition.UNKNOWN),
        ({"exit_door_closed": False}, "exit_door", DoorPosition.MOVING),
        ({"exit_door_closed": False, "exit_door_open": True}, "exit_door", DoorPosition.OPEN),
        ({"exit_door_open": True}, "exit_door", DoorPosition.UNKNOWN),
        ({"entry_beam_clear": False}, "entry_beam", TriState.ACTIVE),
        ({"exit_beam_clear": False}, "exit_beam", TriState.ACTIVE),
        ({"emergency_loop_closed": False}, "emergency", TriState.ACTIVE),
        ({"tamper_loop_closed": False}, "tamper", TriState.ACTIVE),
        ({"occupancy_zero": False, "occupancy_one": True}, "occupancy", Occupancy.ONE),
        ({"occupancy_zero": False, "occupancy_many": True}, "occupancy", Occupancy.MANY),
        ({"occupancy_one": True}, "occupancy", Occupancy.UNKNOWN),
        ({"occupancy_zero": False}, "occupancy", Occupancy.UNKNOWN),
    ],
)
def test_each_contact_changes_its_own_field_only(opened: Rig, inputs: dict[str, bool], field: str, value: object) -> None:
    opened.set(**inputs)
    seen = opened.board.read(soon(opened))
    assert getattr(seen, field) is value
    others = [name for name in LaneInputs.__slots__ if name != field]
    assert [getattr(seen, name) for name in others] == [getattr(IDLE, name) for name in others]


@pytest.mark.parametrize(("door", "coil"), [(Door.ENTRY, "entry_door"), (Door.EXIT, "exit_door")])
def test_the_board_ends_a_pulse_by_itself(opened: Rig, door: Door, coil: str) -> None:
    opened.board.hold_open(door, 0.5, soon(opened))
    opened.until_off(coil, 0.5)


def test_a_pulse_is_rounded_down_never_up() -> None:
    rig = MemoryRig()
    rig.board.open(soon(rig))
    for asked_s, held_s in ((0.1, 0.1), (0.3, 0.3), (0.69999, 0.6), (1.05, 1.0), (7.0, 7.0)):
        rig.board.hold_open(Door.ENTRY, asked_s, soon(rig))
        rig.until_off("entry_door", held_s)


def test_release_ends_one_door_and_leaves_the_other(opened: Rig) -> None:
    for door in Door:
        opened.board.hold_open(door, 3000, soon(opened))
    opened.board.release(Door.ENTRY, soon(opened))
    assert not opened.coil("entry_door")
    assert opened.coil("exit_door")


def test_lamps_and_call_have_coils_of_their_own(opened: Rig) -> None:
    for lamp in Lamp:
        opened.board.set_lamp(lamp, True, soon(opened))
        assert opened.coil(lamp.value)
        opened.board.set_lamp(lamp, False, soon(opened))
        assert not opened.coil(lamp.value)
    opened.board.set_officer_call(True, soon(opened))
    while opened.board.refresh_outputs(soon(opened)):
        pass
    assert opened.coil("officer_call")
    opened.board.set_officer_call(False, soon(opened))
    assert not opened.coil("officer_call")
    assert not opened.coil("entry_door")
    assert not opened.coil("exit_door")


@pytest.mark.parametrize("duration_s", [0.0, 0.09, -1.0, 4000.0, float("nan")])
def test_a_duration_no_board_can_time_is_refused(opened: Rig, duration_s: float) -> None:
    with pytest.raises(DeviceRejectedError):
        opened.board.hold_open(Door.EXIT, duration_s, soon(opened))
    assert not opened.coil("exit_door")


@pytest.mark.invariant("INV-3")
def test_a_silent_board_raises_then_is_in_quarantine_then_returns(opened: Rig) -> None:
    opened.fault("silent")
    with pytest.raises(DeviceTimeoutError):
        opened.board.read(shortly(opened))
    opened.clear()
    with pytest.raises(DeviceUntrustedError):
        opened.board.read(soon(opened))
    outlast_quarantine(opened)
    assert opened.board.read(soon(opened)) == IDLE


@pytest.mark.parametrize("fault", ["crc", "wrong_unit", "noise"])
def test_a_garbled_line_raises_then_is_in_quarantine(opened: Rig, fault: str) -> None:
    opened.fault(fault, **({"hex": "ff"} if fault == "noise" else {}))
    with pytest.raises(DeviceProtocolError):
        opened.board.read(soon(opened))
    opened.clear()
    with pytest.raises(DeviceUntrustedError):
        opened.board.read(soon(opened))


def test_a_refusal_is_raised_and_changes_nothing(opened: Rig) -> None:
    opened.fault("exception", times=1)
    with pytest.raises(DeviceRejectedError):
        opened.board.hold_open(Door.EXIT, 1.0, soon(opened))
    assert not opened.coil("exit_door")
    assert opened.board.read(soon(opened)) == IDLE


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_release_is_never_lost(opened: Rig, lost: str) -> None:
    opened.board.hold_open(Door.EXIT, 3000, soon(opened))
    opened.fault("silent" if lost == "request" else "drop_one", **({"times": 1} if lost == "request" else {}))
    with pytest.raises(DeviceTimeoutError):
        opened.board.release(Door.EXIT, shortly(opened))
    outlast_quarantine(opened)
    opened.board.read(soon(opened))
    assert not opened.coil("exit_door")


def test_a_release_in_quarantine_raises_and_is_kept_but_an_opening_is_not(opened: Rig) -> None:
    opened.board.hold_open(Door.ENTRY, 3000, soon(opened))
    opened.fault("silent", times=1)
    with pytest.raises(DeviceTimeoutError):
        opened.board.read(shortly(opened))
    with pytest.raises(DeviceUntrustedError):
        opened.board.release(Door.ENTRY, soon(opened))
    with pytest.raises(DeviceUntrustedError):
        opened.board.hold_open(Door.EXIT, 3000, soon(opened))
    assert opened.coil("entry_door"), "nothing is sent in quarantine"
    outlast_quarantine(opened)
    opened.board.read(soon(opened))
    assert not opened.coil("entry_door")
    assert not opened.coil("exit_door")


def test_an_opening_whose_reply_was_lost_is_undone_unless_it_is_ordered_again(opened: Rig) -> None:
    opened.fault("drop_one")
    with pytest.raises(DeviceTimeoutError):
        opened.board.hold_open(Door.EXIT, 3000, shortly(opened))
    assert opened.coil("exit_door")
    outlast_quarantine(opened)
    opened.board.hold_open(Door.EXIT, 3000, soon(opened))
    opened.board.read(soon(opened))
    assert opened.coil("exit_door")
    opened.fault("drop_one")
    with pytest.raises(DeviceTimeoutError):
        opened.board.hold_open(Door.EXIT, 3000, shortly(opened))
    outlast_quarantine(opened)
    opened.board.read(soon(opened))
    assert not opened.coil("exit_door")


def test_a_stuck_input_is_read_as_it_reports(opened: Rig) -> None:
    opened.fault("stuck_input", channel="exit_door_closed")
    opened.set(exit_door_closed=False, exit_door_open=True)
    assert opened.board.read(soon(opened)).exit_door is DoorPosition.UNKNOWN, "closed and open at once"
    opened.clear()
    assert opened.board.read(soon(opened)).exit_door is DoorPosition.OPEN


def test_a_passed_deadline_is_a_timeout(opened: Rig) -> None:
    for call in every_call(opened, opened.now()):
        with pytest.raises(DeviceTimeoutError):
            call()
    assert opened.board.read(soon(opened)) == IDLE
    assert not opened.coil("exit_door")


def test_an_unplugged_board_is_absent_until_it_is_opened_again(opened: Rig) -> None:
    opened.fault("unplugged")
    for call in every_call(opened, soon(opened)):
        with pytest.raises(DeviceAbsentError):
            call()
    outlast_quarantine(opened)
    with pytest.raises(DeviceAbsentError):
        opened.board.open(soon(opened))
    opened.clear()
    opened.board.open(soon(opened))
    assert opened.board.read(soon(opened)) == IDLE


def test_a_board_that_was_not_opened_or_was_closed_is_absent(rig: Rig) -> None:
    for call in every_call(rig, soon(rig)):
        with pytest.raises(DeviceAbsentError):
            call()
    rig.board.open(soon(rig))
    rig.board.close()
    rig.board.close()
    with pytest.raises(DeviceAbsentError):
        rig.board.read(soon(rig))
    rig.board.open(soon(rig))
    assert rig.board.read(soon(rig)) == IDLE


def test_opening_releases_the_doors_and_leaves_the_lamps(opened: Rig) -> None:
    opened.board.hold_open(Door.ENTRY, 3000, soon(opened))
    opened.board.set_officer_call(True, soon(opened))
    opened.board.close()
    assert opened.coil("entry_door")
    opened.board.open(soon(opened))
    assert not opened.coil("entry_door")
    assert opened.coil("officer_call"), "a pending call must not end because a program restarts"


def test_opening_to_look_changes_no_output(opened: Rig) -> None:
    opened.board.set_lamp(Lamp.ENTRY_GREEN, True, soon(opened))
    opened.board.hold_open(Door.EXIT, 3000, soon(opened))
    opened.board.close()
    opened.board.open_to_look(soon(opened))
    assert opened.board.read(soon(opened)) == IDLE
    opened.board.close()
    assert (opened.coil("exit_door"), opened.coil("entry_door"), opened.coil("entry_green")) == (True, False, True)


def test_opening_to_look_sends_no_release_that_is_due(opened: Rig) -> None:
    opened.board.hold_open(Door.EXIT, 3000, soon(opened))
    opened.fault("silent", times=1)
    with pytest.raises(DeviceTimeoutError):
        opened.board.release(Door.EXIT, shortly(opened))
    outlast_quarantine(opened)
    opened.board.open_to_look(soon(opened))
    opened.board.read(soon(opened))
    assert opened.coil("exit_door")


def test_opening_a_silent_board_to_look_fails_and_leaves_it_closed(rig: Rig) -> None:
    rig.fault("silent")
    with pytest.raises(DeviceTimeoutError):
        rig.board.open_to_look(shortly(rig))
    rig.clear()
    with pytest.raises(DeviceAbsentError):
        rig.board.read(soon(rig))


def test_opening_a_silent_board_fails_and_leaves_it_closed(rig: Rig) -> None:
    rig.fault("silent")
    with pytest.raises(DeviceTimeoutError):
        rig.board.open(shortly(rig))
    rig.clear()
    outlast_quarantine(rig)
    with pytest.raises(DeviceAbsentError):
        rig.board.read(soon(rig))


def test_every_error_says_what_and_what_to_do(opened: Rig) -> None:
    seen: list[DeviceError] = []
    for fault in ("exception", "silent", "unplugged"):
        opened.fault(fault)
        with pytest.raises(DeviceError) as raised:
            opened.board.read(shortly(opened))
        seen.append(raised.value)
        opened.clear()
        outlast_quarantine(opened)
    for error in seen:
        assert error.what
        assert error.remedy
        assert "\n" not in str(error)
    assert [error.code for error in seen] == ["rejected", "timeout", "absent"]


def test_describes_itself(rig: Rig) -> None:
    described = rig.board.describe()
    assert described["model"]
    assert all(isinstance(value, str) for value in described.values())


def every_call(rig: Rig, deadline: float) -> list[Any]:
    board = rig.board
    return [
        lambda: board.read(deadline),
        lambda: board.hold_open(Door.EXIT, 1.0, deadline),
        lambda: board.release(Door.EXIT, deadline),
        lambda: board.set_lamp(Lamp.ENTRY_RED, True, deadline),
        lambda: board.set_officer_call(True, deadline),
        lambda: board.refresh_outputs(deadline),
    ]
