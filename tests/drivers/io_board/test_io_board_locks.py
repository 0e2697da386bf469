"""What a door does without power: fail-safe (coil on keeps it shut) and fail-secure (coil on opens it), a case each; and a lane without an entry door."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from gate_controller.core.values import Door, DoorPosition, Lamp
from gate_controller.ports.errors import DeviceRejectedError, DeviceTimeoutError, DeviceUntrustedError
from simulators.wiring import Coil, modbus_options
from tests.drivers.io_board.test_io_board_doors import CONTROLLER, READ_COILS, READ_INPUTS

pytestmark = pytest.mark.wire

FAIL_SAFE_ENTRY = {"locks": {"entry_door": "fail_safe", "exit_door": "fail_secure"}}
OFF_PULSE = (5, 0x0400 + Coil.ENTRY_DOOR)
WRITE_ENTRY, WRITE_EXIT = (5, Coil.ENTRY_DOOR), (5, Coil.EXIT_DOOR)
DAY_S = 3000


def shut(bench) -> tuple[bool, bool]:
    """Whether entry (fail-safe) and exit (fail-secure) are kept shut by their coils."""
    return bench.coil("entry_door"), not bench.coil("exit_door")


def test_opening_the_board_shuts_both_doors_and_reads_them_back(bench) -> None:
    assert shut(bench) == (False, True), "without a controller the fail-safe door is open"
    bench.opened(**FAIL_SAFE_ENTRY)
    assert shut(bench) == (True, True)
    assert bench.recent()[:3] == [WRITE_ENTRY, WRITE_EXIT, READ_COILS]


def test_the_board_times_the_opening_of_a_fail_safe_door(bench) -> None:
    driver = bench.opened(**FAIL_SAFE_ENTRY)
    driver.hold_open(Door.ENTRY, DAY_S, bench.soon())
    assert shut(bench) == (False, True)
    assert bench.recent()[-1] == OFF_PULSE
    driver.release(Door.ENTRY, bench.soon())
    assert shut(bench) == (True, True)


@pytest.mark.invariant("INV-4")
@pytest.mark.parametrize("locks", [FAIL_SAFE_ENTRY, {}])
def test_the_board_shuts_either_kind_of_door_whose_controller_was_killed(bench, locks: dict[str, Any]) -> None:
    options = json.dumps(modbus_options(str(bench.board.link), reply_timeout_s=5) | locks)
    with subprocess.Popen([sys.executable, "-c", CONTROLLER, options, "0.5"], stdout=subprocess.PIPE) as controller:
        assert controller.stdout is not None
        assert controller.stdout.readline() == b"held\n"
        controller.kill()
        assert controller.wait() == -signal.SIGKILL
    bench.board.until(lambda state: state["coils"]["entry_door"] is bool(locks))


def test_a_power_cut_opens_a_fail_safe_door_and_the_driver_shuts_it_again(bench) -> None:
    driver = bench.opened(**FAIL_SAFE_ENTRY)
    bench.board.ask("power_cycle")
    assert shut(bench) == (False, True)
    bench.clock.skip(1)
    assert driver.refresh_outputs(bench.soon())
    assert shut(bench) == (False, True), "one exchange a call"
    assert driver.refresh_outputs(bench.soon())
    assert shut(bench) == (True, True)
    assert bench.recent()[-2:] == [READ_COILS, WRITE_ENTRY]
    assert not driver.refresh_outputs(bench.soon()), "nothing to do until the next second"


@pytest.mark.invariant("INV-5")
def test_a_reading_is_the_inputs_and_nothing_before_them(bench) -> None:
    driver = bench.opened(**FAIL_SAFE_ENTRY)
    bench.clock.skip(1)
    driver.read(bench.soon())
    assert bench.recent()[-2:] == [READ_INPUTS, READ_INPUTS], "the first is that of opening the board"


@pytest.mark.invariant("INV-4")
def test_the_call_and_the_lamps_that_a_board_forgot_come_back(bench) -> None:
    driver = bench.opened()
    driver.set_officer_call(True, bench.soon())
    driver.set_lamp(Lamp.ENTRY_RED, True, bench.soon())
    bench.board.ask("power_cycle")
    bench.clock.skip(1)
    while driver.refresh_outputs(bench.soon()):
        pass
    assert bench.coil("officer_call")
    assert bench.coil("entry_red")


@pytest.mark.invariant("INV-4")
def test_the_call_that_a_board_forgot_while_it_was_silent_comes_back_without_waiting_for_the_next_look(bench) -> None:
    driver = bench.opened()
    driver.set_officer_call(True, bench.soon())
    bench.board.ask("fault", name="silent", times=1)
    with pytest.raises(DeviceTimeoutError):
        driver.read(bench.shortly())
    bench.board.ask("power_cycle")
    bench.outlast_quarantine()
    driver.read(bench.soon())
    driver.refresh_outputs(bench.soon())
    assert bench.coil("officer_call")


def test_a_door_that_was_opened_by_command_is_not_taken_for_fallen(bench) -> None:
    driver = bench.opened(**FAIL_SAFE_ENTRY)
    driver.hold_open(Door.ENTRY, DAY_S, bench.soon())
    for _ in range(3):
        bench.clock.skip(1)
        driver.refresh_outputs(bench.soon())
    assert shut(bench) == (False, True)


@pytest.mark.invariant("INV-5")
def test_a_silent_board_is_never_told_to_open_and_is_told_to_shut_first(bench) -> None:
    driver = bench.opened(**FAIL_SAFE_ENTRY)
    driver.hold_open(Door.ENTRY, DAY_S, bench.soon())
    bench.board.ask("fault", name="silent", times=1)
    with pytest.raises(DeviceTimeoutError):
        driver.read(bench.shortly())
    for door in Door:
        with pytest.raises(DeviceUntrustedError):
            driver.hold_open(door, DAY_S, bench.soon())
    with pytest.raises(DeviceUntrustedError):
        driver.release(Door.ENTRY, bench.soon())
    bench.outlast_quarantine()
    driver.read(bench.soon())
    assert shut(bench) == (True, True)
    assert bench.recent()[-4:] == [OFF_PULSE, WRITE_ENTRY, READ_COILS, READ_INPUTS], "opened before, and never again"


def test_an_opening_that_may_have_been_carried_out_is_undone(bench) -> None:
    driver = bench.opened(**FAIL_SAFE_ENTRY)
    bench.board.ask("fault", name="drop_one")
    with pytest.raises(DeviceTimeoutError):
        driver.hold_open(Door.ENTRY, DAY_S, bench.shortly())
    assert shut(bench) == (False, True)
    bench.outlast_quarantine()
    driver.read(bench.soon())
    assert shut(bench) == (True, True)


def test_a_fail_safe_exit_is_opened_by_its_coil_off(bench) -> None:
    driver = bench.opened(locks={"entry_door": "fail_secure", "exit_door": "fail_safe"})
    assert (bench.coil("entry_door"), bench.coil("exit_door")) == (False, True)
    driver.hold_open(Door.EXIT, DAY_S, bench.soon())
    assert not bench.coil("exit_door")


def test_a_lane_without_an_entry_door_reads_closed_and_is_never_written_to(bench) -> None:
    wiring = modbus_options("/dev/gate-io")
    bench.board.ask("set", inputs={"entry_door_closed": False})
    driver = bench.opened(
        inputs=wiring["inputs"] | {"entry_door_closed": "not_wired", "entry_door_open": "not_wired"},
        outputs=wiring["outputs"] | {"entry_door": "not_wired"},
    )
    assert driver.read(bench.soon()).entry_door is DoorPosition.CLOSED
    driver.release(Door.ENTRY, bench.soon())
    with pytest.raises(DeviceRejectedError, match="entry_door is not wired"):
        driver.hold_open(Door.ENTRY, 5, bench.soon())
    assert not {WRITE_ENTRY, OFF_PULSE} & set(bench.recent())
    assert driver.describe()["locks"] == "exit_door fail_secure"
