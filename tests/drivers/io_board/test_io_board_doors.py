"""Door commands: pulses the board times itself, releases that are never lost, boards with a watchdog instead of pulses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from gate_controller.core.values import Door, Lamp
from gate_controller.ports.errors import (
    DeviceRejectedError,
    DeviceTimeoutError,
    DeviceUntrustedError,
)
from simulators.wiring import Coil, modbus_options

pytestmark = pytest.mark.wire

PULSE = (5, 0x0200 + Coil.ENTRY_DOOR)
RELEASE_ENTRY = (5, Coil.ENTRY_DOOR)
RELEASE_EXIT = (5, Coil.EXIT_DOOR)
READ_COILS = (1, 0)
READ_INPUTS = (2, 0)


def test_opening_releases_both_doors_and_reads_them_back(bench) -> None:
    driver = bench.opened()
    driver.hold_open(Door.ENTRY, 3000, bench.soon())
    driver.hold_open(Door.EXIT, 3000, bench.soon())
    driver.close()
    assert bench.coil("entry_door")
    bench.opened()
    assert not bench.coil("entry_door")
    assert not bench.coil("exit_door")
    assert bench.recent()[-4:] == [RELEASE_ENTRY, RELEASE_EXIT, READ_COILS, READ_INPUTS]


@pytest.mark.parametrize("duration_s", [0.0, 0.099, -1.0, 3276.8, float("nan"), float("inf")])
def test_a_duration_the_board_cannot_time_is_refused(bench, duration_s: float) -> None:
    driver = bench.opened()
    with pytest.raises(DeviceRejectedError):
        driver.hold_open(Door.ENTRY, duration_s, bench.soon())
    assert not bench.coil("entry_door")


def test_a_release_that_was_lost_is_sent_before_anything_else(bench) -> None:
    driver = bench.opened()
    driver.hold_open(Door.ENTRY, 3000, bench.soon())
    bench.board.ask("fault", name="silent", times=1)
    with pytest.raises(DeviceTimeoutError):
        driver.release(Door.ENTRY, bench.shortly())
    assert bench.coil("entry_door")
    bench.outlast_quarantine()
    driver.read(bench.soon())
    assert not bench.coil("entry_door")
    assert bench.recent()[-3:] == [RELEASE_ENTRY, READ_COILS, READ_INPUTS]


def test_a_release_asked_for_in_quarantine_is_sent_before_anything_else(bench) -> None:
    driver = bench.opened()
    driver.hold_open(Door.EXIT, 3000, bench.soon())
    bench.board.ask("fault", name="silent", times=1)
    with pytest.raises(DeviceTimeoutError):
        driver.read(bench.shortly())
    with pytest.raises(DeviceUntrustedError):
        driver.release(Door.EXIT, bench.soon())
    assert bench.coil("exit_door")
    bench.outlast_quarantine()
    driver.set_lamp(Lamp.ENTRY_RED, True, bench.soon())
    assert not bench.coil("exit_door")
    assert bench.recent()[-3:] == [RELEASE_EXIT, READ_COILS, (5, Coil.ENTRY_RED)]


def test_an_opening_that_may_have_been_carried_out_is_undone(bench) -> None:
    driver = bench.opened()
    bench.board.ask("fault", name="drop_one")
    with pytest.raises(DeviceTimeoutError):
        driver.hold_open(Door.EXIT, 3000, bench.shortly())
    assert bench.coil("exit_door")
    bench.outlast_quarantine()
    driver.read(bench.soon())
    assert not bench.coil("exit_door")


def test_an_opening_asked_for_in_quarantine_is_not_made_up_for(bench) -> None:
    driver = bench.opened()
    bench.board.ask("fault", name="silent", times=1)
    with pytest.raises(DeviceTimeoutError):
        driver.read(bench.shortly())
    with pytest.raises(DeviceUntrustedError):
        driver.hold_open(Door.EXIT, 3000, bench.soon())
    bench.outlast_quarantine()
    driver.read(bench.soon())
    assert PULSE not in bench.recent()
    assert not bench.coil("exit_door")


def test_the_newer_command_for_a_door_wins_but_the_other_door_is_released_first(bench) -> None:
    driver = bench.opened()
    driver.hold_open(Door.EXIT, 3000, bench.soon())
    bench.board.ask("fault", name="silent", times=1)
    with pytest.raises(DeviceTimeoutError):
        driver.read(bench.shortly())
    for door in Door:
        with pytest.raises(DeviceUntrustedError):
            driver.release(door, bench.soon())
    bench.outlast_quarantine()
    driver.hold_open(Door.ENTRY, 3000, bench.soon())
    driver.read(bench.soon())
    assert bench.recent()[-4:] == [RELEASE_EXIT, READ_COILS, PULSE, READ_INPUTS]
    assert bench.coil("entry_door")
    assert not bench.coil("exit_door")


def test_a_refused_opening_keeps_an_older_release(bench) -> None:
    driver = bench.opened()
    driver.hold_open(Door.ENTRY, 3000, bench.soon())
    bench.board.ask("fault", name="exception", times=1)
    with pytest.raises(DeviceRejectedError):
        driver.release(Door.ENTRY, bench.soon())
    bench.board.ask("fault", name="exception", times=1)
    with pytest.raises(DeviceRejectedError):
        driver.hold_open(Door.ENTRY, 3000, bench.soon())
    driver.read(bench.soon())
    assert not bench.coil("entry_door")


CONTROLLER = """
import json, sys, time
from pathlib import Path
from drivers.io_board import DRIVER
from gate_controller.core.values import Door
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.drivers import DriverContext
driver = DRIVER.build(DRIVER.options.model_validate(json.loads(sys.argv[1])), DriverContext(SystemClock(), Path("/"), print))
deadline = time.monotonic() + 30
driver.open(deadline)
driver.hold_open(Door.ENTRY, float(sys.argv[2]), deadline)
print("held", flush=True)
time.sleep(60)
"""


def kill_a_controller_that_holds_the_entry_open(bench, hold_s: float, **changes: Any) -> None:
    options = json.dumps(modbus_options(str(bench.board.link), reply_timeout_s=5) | changes)
    with subprocess.Popen([sys.executable, "-c", CONTROLLER, options, str(hold_s)], stdout=subprocess.PIPE) as controller:
        assert controller.stdout is not None
        assert controller.stdout.readline() == b"held\n"
        controller.kill()
        assert controller.wait() == -signal.SIGKILL


@pytest.mark.invariant("INV-4")
def test_the_board_closes_a_door_whose_controller_was_killed(bench) -> None:
    kill_a_controller_that_holds_the_entry_open(bench, 0.5)
    state = bench.board.until(lambda state: not state["coils"]["entry_door"])
    assert tuple(state["recent"][-1]) == PULSE, "nobody but the board ended the pulse"


WATCHDOG = {"pulse": "held", "reply_timeout_s": 2.0, "quarantine_s": 0.02, "watchdog": {"register_address": 9, "timeout_s": 2.5}}


@pytest.mark.invariant("INV-4")
def test_the_watchdog_closes_a_held_door_whose_controller_was_killed(start) -> None:
    bench = start("--watchdog-register", "9")
    kill_a_controller_that_holds_the_entry_open(bench, 3000, **WATCHDOG)
    state = bench.board.until(lambda state: not state["coils"]["entry_door"])
    assert tuple(state["recent"][-1]) == RELEASE_ENTRY, "the last request was the one that switched the coil on"


def test_a_held_door_is_released_by_the_first_call_after_its_time(start) -> None:
    bench = start("--watchdog-register", "9")
    driver = bench.opened(**WATCHDOG | {"watchdog": {"register_address": 9, "timeout_s": 30}})
    assert bench.board.ask("state")["watchdog_ms"] == 30000
    driver.hold_open(Door.ENTRY, 100, bench.soon())
    assert bench.recent()[-2:] == [(6, 9), RELEASE_ENTRY], "the watchdog is set anew before the coil goes on"
    driver.read(bench.soon())
    assert bench.coil("entry_door")
    bench.clock.skip(100)
    driver.read(bench.soon())
    assert not bench.coil("entry_door")


def test_a_board_without_the_configured_watchdog_is_refused(bench) -> None:
    driver = bench.driver(**WATCHDOG)
    with pytest.raises(DeviceRejectedError, match="function 06 at address 9: exception 1"):
        driver.open(bench.soon())


def test_a_board_without_pulses_refuses_one(start) -> None:
    bench = start("--watchdog-register", "9")
    driver = bench.opened()
    with pytest.raises(DeviceRejectedError, match="function 05 at address 512: exception 2"):
        driver.hold_open(Door.ENTRY, 1.0, bench.soon())
