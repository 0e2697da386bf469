"""Configurations of the I/O board that must be refused, and what the rest means."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from drivers.io_board import DRIVER
from drivers.io_board.options import IoBoardOptions
from simulators.wiring import modbus_options


def options(**changes: Any) -> IoBoardOptions:
    return IoBoardOptions.model_validate(modbus_options("/dev/gate-io", **changes))


def without(section: str, name: str) -> dict[str, Any]:
    return {section: {key: value for key, value in modbus_options("/dev/gate-io")[section].items() if key != name}}


@pytest.mark.parametrize("name", list(modbus_options("/dev/gate-io")["inputs"]))
def test_no_input_has_a_silent_default(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        options(**without("inputs", name))


@pytest.mark.parametrize("name", ["entry_door_closed", "exit_door_closed", "entry_beam_clear", "exit_beam_clear", "emergency_loop_closed"])
def test_what_safety_rests_on_cannot_be_left_out(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        options(inputs=modbus_options("/dev/gate-io")["inputs"] | {name: "not_wired"})


@pytest.mark.parametrize("name", ["entry_door", "exit_door"])
def test_doors_are_wired(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        options(**without("outputs", name))


def test_holding_a_coil_on_is_refused_without_a_watchdog() -> None:
    with pytest.raises(ValidationError, match="open for ever if this controller died"):
        options(pulse="held")
    held = options(pulse="held", watchdog={"register_address": 9, "timeout_s": 1.0})
    assert held.watchdog is not None
    assert held.watchdog.counts == 1000


def test_a_pulse_is_never_written_where_a_plain_coil_is() -> None:
    with pytest.raises(ValidationError, match="lies among the coils"):
        options(flash_on_base=5)
    assert options(flash_on_base=6).flash_on_base == 6


def test_a_watchdog_that_does_not_fit_its_register_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"outside 1\.\.65535"):
        options(watchdog={"register_address": 9, "timeout_s": 0.4, "unit_ms": 1000})
    with pytest.raises(ValidationError, match="less than or equal to 30"):
        options(watchdog={"register_address": 9, "timeout_s": 3600})


def test_one_channel_has_one_meaning() -> None:
    with pytest.raises(ValidationError, match="channel 0 is given to entry_door, exit_door"):
        options(outputs={"entry_door": 0, "exit_door": 0})
    inputs = modbus_options("/dev/gate-io")["inputs"]
    with pytest.raises(ValidationError, match="channel 6 is given to emergency_loop_closed, tamper_loop_closed"):
        options(inputs=inputs | {"tamper_loop_closed": {"channel": 6}})
    with pytest.raises(ValidationError, match="entry_door_closed, occupancy_one"):
        options(occupancy={"by": "contacts", "zero": {"channel": 8}, "one": {"channel": 0}, "many": {"channel": 10}})


def test_a_timeout_shorter_than_the_line_is_refused() -> None:
    with pytest.raises(ValidationError, match="request and reply alone take"):
        options(reply_timeout_s=0.02, baud=9600, inputs=modbus_options("/dev/x")["inputs"] | {"tamper_loop_closed": {"channel": 200}})


@pytest.mark.parametrize(
    "changes",
    [
        {"port": "socket://10.0.0.1:502"},
        {"port": ""},
        {"unit": 0},
        {"unit": 248},
        {"baud": 9601},
        {"reply_timeout_s": float("nan")},
        {"quarantine_s": 0},
        {"occupancy": {"by": "beams"}},
        {"occupancy": {"by": "register"}},
        {"surprise": 1},
    ],
)
def test_nonsense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        options(**changes)


def test_driver_names_its_endpoint() -> None:
    assert DRIVER.endpoint(options()) == "/dev/gate-io"
    assert DRIVER.options is IoBoardOptions


def test_every_option_says_what_it_is() -> None:
    def undescribed(schema: dict[str, Any]) -> list[str]:
        return [name for name, field in schema.get("properties", {}).items() if "description" not in field]

    schema = IoBoardOptions.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        assert undescribed(part) == []


NO_ENTRY_DOOR = {"entry_door_closed": "not_wired", "entry_door_open": "not_wired"}


def test_a_lane_without_an_entry_door_says_so_in_every_place() -> None:
    wiring = modbus_options("/dev/gate-io")
    doorless = options(inputs=wiring["inputs"] | NO_ENTRY_DOOR, outputs=wiring["outputs"] | {"entry_door": "not_wired"})
    assert (doorless.has_entry_door, options().has_entry_door) == (False, True)
    assert "entry_door" not in doorless.coils
    for changes in (
        {"outputs": wiring["outputs"] | {"entry_door": "not_wired"}},
        {"inputs": wiring["inputs"] | NO_ENTRY_DOOR},
        {"inputs": wiring["inputs"] | {"entry_door_closed": "not_wired"}, "outputs": wiring["outputs"] | {"entry_door": "not_wired"}},
    ):
        with pytest.raises(ValidationError, match="wired in part"):
            options(**changes)


def test_the_entry_is_fail_safe_and_the_border_fail_secure_unless_said_otherwise() -> None:
    wiring = modbus_options("/dev/gate-io")
    del wiring["locks"]
    assert IoBoardOptions.model_validate(wiring).locks.model_dump() == {
        "entry_door": "fail_safe",
        "exit_door": "fail_secure",
        "accept_open_border_without_power": False,
    }


@pytest.mark.invariant("INV-1")
@pytest.mark.parametrize("pulse", ["flash_on", "held"])
@pytest.mark.parametrize("locks", [{}, {"entry_door": "fail_secure", "exit_door": "fail_safe"}])
def test_a_watchdog_may_open_no_door(locks: dict[str, Any], pulse: str) -> None:
    """Not the entry either, which stands beside the exit: a controller that dies while somebody leaves must not open a corridor."""
    with pytest.raises(ValidationError, match="fail-safe with a watchdog: the board would open it"):
        options(locks=locks, pulse=pulse, watchdog={"register_address": 9, "timeout_s": 5.0})


def test_a_watchdog_outlasts_a_lost_reply() -> None:
    with pytest.raises(ValidationError, match=r"one lost reply would let it act. Make it at least 0.8: "):
        options(watchdog={"register_address": 9, "timeout_s": 0.7})
    assert options(watchdog={"register_address": 9, "timeout_s": 0.8}).watchdog is not None
    with pytest.raises(ValidationError, match=r"at least 1\.6"):
        options(reply_timeout_s=1.0, watchdog={"register_address": 9, "timeout_s": 1.5})


@pytest.mark.invariant("INV-2")
def test_a_power_cut_that_opens_the_border_must_be_accepted_in_so_many_words() -> None:
    both = {"entry_door": "fail_safe", "exit_door": "fail_safe"}
    wiring = modbus_options("/dev/gate-io")
    single_door = {"inputs": wiring["inputs"] | NO_ENTRY_DOOR, "outputs": wiring["outputs"] | {"entry_door": "not_wired"}}
    for locks, lane in ((both, {}), ({"exit_door": "fail_safe"}, single_door)):
        with pytest.raises(ValidationError, match="whoever cuts the power of the board has an open border"):
            options(locks=locks, **lane)
        assert options(locks=locks | {"accept_open_border_without_power": True}, **lane).locks.exit_door == "fail_safe"
    assert options(locks={}, **single_door).locks.entry_door == "fail_safe", "a door that is not there opens nothing"
    assert options(locks={"entry_door": "fail_secure", "exit_door": "fail_safe"}).locks.exit_door == "fail_safe"


def test_pulses_do_not_overlap() -> None:
    with pytest.raises(ValidationError, match="overlaps the pulses of flash_on_base"):
        options(flash_off_base=0x0205)
    with pytest.raises(ValidationError, match="flash_off_base = 0x0005 lies among the coils"):
        options(flash_off_base=5)


REGISTER = {"by": "register", "address": 40}


@pytest.mark.parametrize(
    ("changes", "doors", "ms"),
    [
        ({}, 1, 70),
        ({}, 2, 94),
        ({"occupancy": REGISTER}, 1, 94),
        ({"occupancy": REGISTER | {"heartbeat": {"address": 41, "stale_after_s": 1}}}, 1, 94),
        ({"occupancy": REGISTER | {"heartbeat": {"address": 50, "stale_after_s": 1}}}, 2, 142),
        ({"parity": "E"}, 1, 77),
        ({"baud": 19200}, 2, 47),
        ({"inputs": modbus_options("/dev/x")["inputs"] | {"tamper_loop_closed": {"channel": 159}}}, 1, 107),
    ],
)
def test_what_an_emergency_takes_on_the_line(changes: dict[str, Any], doors: int, ms: int) -> None:
    """The table of docs/plug.md."""
    assert round(1000 * options(**changes).emergency_line_s(doors)) == ms
