"""How the simulated lane is wired to its I/O board: channel numbers of contacts, coils and registers.

Shared by every simulator of the lane. Not used in production: a real lane's wiring is configuration.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Input(IntEnum):
    """Discrete inputs. True means: contact closed, or level present."""

    ENTRY_DOOR_CLOSED = 0
    ENTRY_DOOR_OPEN = 1
    EXIT_DOOR_CLOSED = 2
    EXIT_DOOR_OPEN = 3
    ENTRY_BEAM_CLEAR = 4
    EXIT_BEAM_CLEAR = 5
    EMERGENCY_LOOP_CLOSED = 6
    TAMPER_LOOP_CLOSED = 7
    OCCUPANCY_ZERO = 8
    OCCUPANCY_ONE = 9
    OCCUPANCY_MANY = 10


class Coil(IntEnum):
    """Outputs. A door opens while its coil is on and closes when it goes off; one with a fail-safe lock the other way round."""

    ENTRY_DOOR = 0
    EXIT_DOOR = 1
    ENTRY_GREEN = 2
    ENTRY_RED = 3
    EXIT_GREEN = 4
    OFFICER_CALL = 5


OCCUPANCY_REGISTER = 0
"""Input register with the number of people, for a counter that reports through a register."""

HEARTBEAT_REGISTER = 1
"""Input register that such a counter keeps changing while it is alive."""

IDLE_INPUTS = frozenset(
    {
        Input.ENTRY_DOOR_CLOSED,
        Input.EXIT_DOOR_CLOSED,
        Input.ENTRY_BEAM_CLEAR,
        Input.EXIT_BEAM_CLEAR,
        Input.EMERGENCY_LOOP_CLOSED,
        Input.TAMPER_LOOP_CLOSED,
        Input.OCCUPANCY_ZERO,
    },
)
"""Inputs that are true in an empty lane with both doors closed."""


def channel_of(name: str) -> int:
    """Channel of a discrete input given by name ("entry_door_closed") or by number ("0").

    Raises:
        ValueError: No such input.
    """
    if name.isdecimal():
        return int(name)
    try:
        return Input[name.upper()].value
    except KeyError:
        names = ", ".join(each.name.lower() for each in Input)
        msg = f"no input {name!r}; inputs are channel numbers or: {names}"
        raise ValueError(msg) from None


def modbus_options(port: str, /, **changes: Any) -> dict[str, Any]:
    """The configuration of driver io_board.modbus for this lane (two doors, both fail-secure), on the board at `port`; `changes` replace whole keys."""

    def pin(channel: IntEnum) -> dict[str, int]:
        return {"channel": channel.value}

    loops_and_doors = [each for each in Input if not each.name.startswith("OCCUPANCY")]
    return {
        "port": port,
        "inputs": {each.name.lower(): pin(each) for each in loops_and_doors},
        "outputs": {each.name.lower(): each.value for each in Coil},
        "locks": {Coil.ENTRY_DOOR.name.lower(): "fail_secure", Coil.EXIT_DOOR.name.lower(): "fail_secure"},
        "occupancy": {"by": "contacts", "zero": pin(Input.OCCUPANCY_ZERO), "one": pin(Input.OCCUPANCY_ONE), "many": pin(Input.OCCUPANCY_MANY)},
    } | changes
