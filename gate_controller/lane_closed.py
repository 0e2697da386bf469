"""What is done once when the controller keeps failing: `python -m gate_controller.lane_closed --config FILE`, by gate-lane-closed.service.

The lamps go red, an officer is called, and one line of priority "alert" says LANE CLOSED and why. The doors have closed by the board's own timers;
opening the board tells them so once more, as every start of the controller does. Releases nothing, with one exception: a reported emergency opens
the policy's doors, until the controller's next try (INV-5).

Does not watch the lane: fire release is hard-wired, and the controller is tried again each minute. Exit codes: 0 done, 1 the board was not
reached, 2 usage, 8 configuration. The line is written in every case.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from gate_controller.composition.registry import load_drivers
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.values import Lamp, TriState
from gate_controller.ports.clock import Clock, SystemClock
from gate_controller.ports.devices import IoBoard
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import ConfigurationError, DeviceError, GateError
from gate_controller.settings.load import Settings, load

EXIT_OK, EXIT_NOT_REACHED, EXIT_CONFIGURATION = 0, 1, 8
OPEN_WITHIN_S = 4.0
CALL_WITHIN_S = 2.0
TRIES = 3
HOLD_S = 90.0
"""Length of an emergency's opening: beyond the controller's next try (gate-controller-retry.timer, 60 s)."""
ALERT = "<1>"
"""Priority of a line on standard error, as systemd reads it (sd-daemon(3))."""


def main(arguments: list[str] | None = None, environment: Mapping[str, str] = os.environ, out: TextIO = sys.stderr) -> int:
    """Put the lane into its closed state; returns the exit code."""
    parser = argparse.ArgumentParser(prog="gate_controller.lane_closed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="configuration file (gate.toml)")
    options = parser.parse_args(arguments)
    out.write(f"{ALERT}LANE CLOSED: the gate controller {why(environment)}\n")
    try:
        settings = load(options.config, load_drivers())
        clock = SystemClock()
        board: IoBoard = _board(settings, clock)
        done = _persistently(lambda: close_lane(board, settings.crossing_policy(), clock))
    except GateError as error:
        line = " ".join(str(error.what).split())
        out.write(f"{ALERT}lamps and officer's call were not set: {line}; remedy: {error.remedy}\n")
        return EXIT_CONFIGURATION if isinstance(error, ConfigurationError) else EXIT_NOT_REACHED
    out.write(f"{ALERT}{done}; it is tried again each minute\n")
    return EXIT_OK


def close_lane(board: IoBoard, policy: CrossingPolicy, clock: Clock) -> str:
    """Lamps red and the officer called; in an emergency the policy's doors open first.

    Returns:
        What was done, in one line.

    Raises:
        DeviceError: The board is not there or does not answer.
    """
    try:
        board.open(clock.monotonic() + OPEN_WITHIN_S)
        emergency = board.read(clock.monotonic() + CALL_WITHIN_S).emergency is TriState.ACTIVE
        doors = [door for door in policy.doors if emergency and policy.emergency_opens(door)]
        for door in doors:
            with contextlib.suppress(DeviceError):  # the other one, and the call, all the same
                board.hold_open(door, HOLD_S, clock.monotonic() + CALL_WITHIN_S)
        board.set_officer_call(True, clock.monotonic() + CALL_WITHIN_S)
        for lamp in Lamp:
            board.set_lamp(lamp, lamp is Lamp.ENTRY_RED, clock.monotonic() + CALL_WITHIN_S)
    finally:
        board.close()
    opened = f"EMERGENCY: open for {HOLD_S:g} s: {', '.join(door.value for door in doors) or 'no door, by the policy'}; " if emergency else ""
    return f"{opened}lamps red, officer called"


def _persistently(act: Callable[[], str]) -> str:
    """One lost reply is no reason to leave a green lamp on."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(DeviceError):
            return act()
    return act()


def why(environment: Mapping[str, str]) -> str:
    """What systemd tells of the end of the unit that failed (MONITOR_*, systemd.exec(5)), and the first command to give."""
    status = environment.get("MONITOR_EXIT_STATUS", "")
    if environment.get("MONITOR_SERVICE_RESULT") == "watchdog":
        return "hung and was ended by the watchdog; see: journalctl -u gate-controller"
    if status == "8":
        return "cannot use its configuration; see: gatectl config check"
    if status == "70":
        return "ended by a bug; see: journalctl -u gate-controller, and keep a gatectl bundle"
    how = f" (status {status})" if status else ""
    return f"keeps failing{how}; see: gatectl doctor, journalctl -u gate-controller"


def _board(settings: Settings, clock: Clock) -> IoBoard:
    configured = settings.equipment["io_board"]
    context = DriverContext(clock=clock, models=settings.models.directory, warn=lambda _line: None)
    board: IoBoard = configured.driver.build(configured.options, context)
    return board


if __name__ == "__main__":
    sys.exit(main())
