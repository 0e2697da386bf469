"""Tri-state rules of the I/O board, over every combination of contacts."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.io_board.mapping import lane_inputs
from drivers.io_board.options import IoBoardOptions
from gate_controller.core.values import UNKNOWN_INPUTS, DoorPosition, LaneInputs, Occupancy, TriState
from simulators.wiring import HEARTBEAT_REGISTER, IDLE_INPUTS, OCCUPANCY_REGISTER, Input, modbus_options

LEVELS = (True, False, None)
COUNTER: dict[str, Any] = {"by": "register", "address": OCCUPANCY_REGISTER}


def options(**changes: Any) -> IoBoardOptions:
    return IoBoardOptions.model_validate(modbus_options("/dev/ttyUSB0", **changes))


def read(wiring: IoBoardOptions, bits: dict[int, bool | None], registers: dict[int, int] | None = None, *, alive: bool = True) -> LaneInputs:
    reported = {channel: bit for channel, bit in bits.items() if bit is not None}
    return lane_inputs(wiring, reported, registers or {}, heartbeat_fresh=alive)


bits_of_all_inputs = st.fixed_dictionaries({channel.value: st.sampled_from(LEVELS) for channel in Input})
polarities = st.fixed_dictionaries({channel: st.sampled_from(["high", "low"]) for channel in Input})


@given(bits=bits_of_all_inputs, active=polarities)
@pytest.mark.invariant("INV-3")
def test_unknown_is_never_clear_whatever_the_contacts_and_their_polarity(bits: dict[int, bool | None], active: dict[Input, str]) -> None:
    base = modbus_options("/dev/ttyUSB0")
    pins = {channel: {"channel": channel.value, "active": active[channel]} for channel in Input}
    counter = {"by": "contacts", "zero": pins[Input.OCCUPANCY_ZERO], "one": pins[Input.OCCUPANCY_ONE], "many": pins[Input.OCCUPANCY_MANY]}
    wiring = IoBoardOptions.model_validate(base | {"inputs": {name: pins[Input[name.upper()]] for name in base["inputs"]}, "occupancy": counter})
    seen = read(wiring, bits)

    def level(channel: Input) -> bool | None:
        bit = bits[channel]
        return None if bit is None else bit == (active[channel] == "high")

    for position, closed, opened in (
        (seen.entry_door, Input.ENTRY_DOOR_CLOSED, Input.ENTRY_DOOR_OPEN),
        (seen.exit_door, Input.EXIT_DOOR_CLOSED, Input.EXIT_DOOR_OPEN),
    ):
        assert (position is DoorPosition.CLOSED) == (level(closed) is True and level(opened) is False)
        assert (position is DoorPosition.OPEN) == (level(closed) is False and level(opened) is True)
        assert (position is DoorPosition.UNKNOWN) == (None in (level(closed), level(opened)) or level(closed) is level(opened) is True)
    for state, channel in (
        (seen.entry_beam, Input.ENTRY_BEAM_CLEAR),
        (seen.exit_beam, Input.EXIT_BEAM_CLEAR),
        (seen.emergency, Input.EMERGENCY_LOOP_CLOSED),
        (seen.tamper, Input.TAMPER_LOOP_CLOSED),
    ):
        assert (state is TriState.INACTIVE) == (level(channel) is True)
        assert (state is TriState.ACTIVE) == (level(channel) is False), "only an open circuit that was reported is an emergency"
    counted = [level(channel) for channel in (Input.OCCUPANCY_ZERO, Input.OCCUPANCY_ONE, Input.OCCUPANCY_MANY)]
    expected = {(True, False, False): Occupancy.ZERO, (False, True, False): Occupancy.ONE, (False, False, True): Occupancy.MANY}
    assert seen.occupancy is expected.get(tuple(counted), Occupancy.UNKNOWN)  # type: ignore[arg-type]


def test_nothing_reported_is_all_unknown() -> None:
    assert read(options(), {}) == UNKNOWN_INPUTS


def test_an_idle_lane() -> None:
    assert read(options(), {channel.value: channel in IDLE_INPUTS for channel in Input}) == LaneInputs(
        entry_door=DoorPosition.CLOSED,
        exit_door=DoorPosition.CLOSED,
        entry_beam=TriState.INACTIVE,
        exit_beam=TriState.INACTIVE,
        emergency=TriState.INACTIVE,
        tamper=TriState.INACTIVE,
        occupancy=Occupancy.ZERO,
    )


@pytest.mark.parametrize(("closed", "opened"), list(product(LEVELS, LEVELS)))
def test_a_door_without_open_contact_is_open_unless_closed(closed: bool | None, opened: bool | None) -> None:
    inputs = modbus_options("/dev/x")["inputs"] | {"entry_door_open": "not_wired"}
    position = read(options(inputs=inputs), {Input.ENTRY_DOOR_CLOSED: closed, Input.ENTRY_DOOR_OPEN: opened}).entry_door
    assert position is {True: DoorPosition.CLOSED, False: DoorPosition.OPEN, None: DoorPosition.UNKNOWN}[closed]


def test_tamper_that_is_stated_as_not_wired_is_inactive() -> None:
    inputs = modbus_options("/dev/x")["inputs"] | {"tamper_loop_closed": "not_wired"}
    assert read(options(inputs=inputs), {Input.TAMPER_LOOP_CLOSED: False}).tamper is TriState.INACTIVE


@given(people=st.one_of(st.none(), st.integers(0, 0xFFFF)), most=st.integers(2, 100))
def test_a_counting_register_is_believed_only_within_its_range(people: int | None, most: int) -> None:
    registers = {} if people is None else {OCCUPANCY_REGISTER: people}
    seen = read(options(occupancy=COUNTER | {"most": most}), {}, registers).occupancy
    if people is None or people > most:
        assert seen is Occupancy.UNKNOWN
    else:
        assert seen is (Occupancy.ZERO, Occupancy.ONE, Occupancy.MANY)[min(people, 2)]


@pytest.mark.parametrize("people", [0, 1, 2])
def test_a_counter_that_is_not_alive_or_not_well_is_not_believed(people: int) -> None:
    beating = options(occupancy=COUNTER | {"heartbeat": {"address": HEARTBEAT_REGISTER, "stale_after_s": 1.0}})
    assert read(beating, {}, {OCCUPANCY_REGISTER: people}, alive=False).occupancy is Occupancy.UNKNOWN
    assert read(beating, {}, {OCCUPANCY_REGISTER: people}, alive=True).occupancy is not Occupancy.UNKNOWN
    stated = options(occupancy=COUNTER | {"status": {"address": 2, "healthy": 7}})
    assert read(stated, {}, {OCCUPANCY_REGISTER: people, 2: 7}).occupancy is not Occupancy.UNKNOWN
    assert read(stated, {}, {OCCUPANCY_REGISTER: people, 2: 0}).occupancy is Occupancy.UNKNOWN
    assert read(stated, {}, {OCCUPANCY_REGISTER: people}).occupancy is Occupancy.UNKNOWN
