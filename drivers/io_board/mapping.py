"""From contacts and registers to what the core may know. Pure; holds the tri-state rules and nothing else.

| input | contact as wired | not as wired | not reported |
|---|---|---|---|
| beam clear level | INACTIVE | ACTIVE: interrupted, or its wire is cut | UNKNOWN |
| emergency loop closed | INACTIVE | ACTIVE: the board reports the loop open | UNKNOWN |
| tamper loop closed | INACTIVE | ACTIVE | UNKNOWN; "not_wired" in the configuration: INACTIVE |

| door: closed contact | open contact | position |
|---|---|---|
| made | not made | CLOSED |
| not made | made | OPEN |
| not made | not made | MOVING |
| made | made | UNKNOWN: the contacts disagree |
| made / not made | not wired | CLOSED / OPEN |
| not wired | not wired | CLOSED: there is no such door |

People: exactly one of the three contacts, or a register within range from a counter that is alive and well; anything
else is UNKNOWN. A silent board never gets here: its call raises.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivers.io_board.options import ContactCounter, InputPin, Inputs, IoBoardOptions, NotWired, RegisterCounter
from gate_controller.core.values import DoorPosition, LaneInputs, Occupancy, TriState

Bits = Mapping[int, bool]
"""Levels of discrete inputs by channel; a channel that is missing was not reported."""
Registers = Mapping[int, int]
"""Values of input registers by address; an address that is missing was not reported."""


def lane_inputs(options: IoBoardOptions, bits: Bits, registers: Registers, heartbeat_fresh: bool) -> LaneInputs:
    """What the lane's inputs say.

    Args:
        options: The wiring.
        bits: Discrete inputs.
        registers: Input registers.
        heartbeat_fresh: Whether the counter's heartbeat was seen to change lately; of no effect without one.
    """
    wiring: Inputs = options.inputs
    return LaneInputs(
        entry_door=door_position(_optional(wiring.entry_door_closed, bits), _optional(wiring.entry_door_open, bits)),
        exit_door=door_position(_level(wiring.exit_door_closed, bits), _optional(wiring.exit_door_open, bits)),
        entry_beam=active_unless(_level(wiring.entry_beam_clear, bits)),
        exit_beam=active_unless(_level(wiring.exit_beam_clear, bits)),
        emergency=active_unless(_level(wiring.emergency_loop_closed, bits)),
        tamper=TriState.INACTIVE if wiring.tamper_loop_closed == "not_wired" else active_unless(_level(wiring.tamper_loop_closed, bits)),
        occupancy=_by_contacts(options.occupancy, bits)
        if isinstance(options.occupancy, ContactCounter)
        else _by_register(options.occupancy, registers, heartbeat_fresh),
    )


def door_position(closed: bool | NotWired | None, opened: bool | NotWired | None) -> DoorPosition:
    """Position of a door from its contacts; None stands for a contact that was not reported."""
    if closed == "not_wired":
        return DoorPosition.CLOSED  # nothing there that could be open: the other door has nothing to be interlocked with
    if closed is None or opened is None:
        return DoorPosition.UNKNOWN
    if opened == "not_wired":
        return DoorPosition.CLOSED if closed else DoorPosition.OPEN
    match closed, opened:
        case True, False:
            return DoorPosition.CLOSED
        case False, True:
            return DoorPosition.OPEN
        case False, False:
            return DoorPosition.MOVING
        case _:
            return DoorPosition.UNKNOWN


def active_unless(level: bool | None) -> TriState:
    """A normally closed loop: present is INACTIVE, absent is ACTIVE, not reported is UNKNOWN."""
    if level is None:
        return TriState.UNKNOWN
    return TriState.INACTIVE if level else TriState.ACTIVE


def _by_contacts(counter: ContactCounter, bits: Bits) -> Occupancy:
    levels = {Occupancy.ZERO: _level(counter.zero, bits), Occupancy.ONE: _level(counter.one, bits), Occupancy.MANY: _level(counter.many, bits)}
    made = [occupancy for occupancy, level in levels.items() if level]
    if len(made) != 1 or None in levels.values():
        return Occupancy.UNKNOWN
    return made[0]


def _by_register(counter: RegisterCounter, registers: Registers, heartbeat_fresh: bool) -> Occupancy:
    if counter.heartbeat is not None and not heartbeat_fresh:
        return Occupancy.UNKNOWN
    if counter.status is not None and registers.get(counter.status.address) != counter.status.healthy:
        return Occupancy.UNKNOWN
    people = registers.get(counter.address)
    if people is None or people > counter.most:
        return Occupancy.UNKNOWN
    return {0: Occupancy.ZERO, 1: Occupancy.ONE}.get(people, Occupancy.MANY)


def _level(pin: InputPin, bits: Bits) -> bool | None:
    bit = bits.get(pin.channel)
    return None if bit is None else bit == (pin.active == "high")


def _optional(pin: InputPin | NotWired, bits: Bits) -> bool | NotWired | None:
    return "not_wired" if pin == "not_wired" else _level(pin, bits)
