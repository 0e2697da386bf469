"""Checks of what the I/O board says of the lane. An empty lane at rest has both doors closed, beams clear, loops whole, nobody counted."""

from __future__ import annotations

from collections.abc import Iterator

from gate_controller.core.values import DoorPosition, LaneInputs, Occupancy, TriState
from gate_controller.diagnostics.answers import failed, passed, skipped, warned
from gate_controller.diagnostics.findings import Finding
from gate_controller.ports.control import JsonObject

IDS = ("lane.emergency", "lane.tamper", "lane.doors", "lane.beams", "lane.counter")
_WIRING = "compare its wiring with [devices.io_board.inputs]: gatectl io watch shows each contact as it changes"
_REMEDIES = {
    "emergency": "is there an alarm, is a handle pulled? reset it; else look for a cut wire or a loose clamp in the loop",
    "tamper": "close the housings; else look for a cut wire in the loop",
}
_STILL = frozenset({"ready", "out_of_service"})


def at_rest(inputs: LaneInputs) -> Iterator[Finding]:
    """An empty lane that is not in use."""
    told = {name: getattr(inputs, name).value for name in ("entry_door", "exit_door", "entry_beam", "exit_beam", "emergency", "tamper", "occupancy")}
    yield from _judged(told, still=True)


def told_by_daemon(status: JsonObject, inputs: JsonObject) -> Iterator[Finding]:
    """What a running gate controller says of the lane; while somebody is in it, an open door is no fault.

    Args:
        status: GateControl.status().
        inputs: "inputs" of GateControl.diagnostics(); empty when this user may not ask.
    """
    doors = status.get("doors")
    told = {**(doors if isinstance(doors, dict) else {}), "occupancy": status.get("occupancy"), **inputs}
    words = {"active": TriState.ACTIVE.value, "clear": TriState.INACTIVE.value}
    yield from _judged({name: words.get(str(value), str(value)) for name, value in told.items()}, still=status.get("state") in _STILL)


def _judged(told: dict[str, str], *, still: bool) -> Iterator[Finding]:
    for name in ("emergency", "tamper"):
        value = told.get(name)
        if value is None:
            yield skipped(f"lane.{name}", "told to an engineer only", "ask as a member of gate-engineer, or: sudo gatectl doctor")
        elif value == TriState.INACTIVE.value:
            yield passed(f"lane.{name}", "the loop is closed")
        else:
            how = "the loop is open" if value == TriState.ACTIVE.value else "the loop is unknown"
            yield failed(f"lane.{name}", how, _REMEDIES[name])
    bad = failed if still else warned
    positions = {name: told[name] for name in ("entry_door", "exit_door") if name in told}
    odd = [f"{name} {value}" for name, value in positions.items() if value != DoorPosition.CLOSED.value]
    if not odd:
        yield passed("lane.doors", "both are closed")
    else:
        contradicting = any(value == DoorPosition.UNKNOWN.value for value in positions.values())
        remedy = (
            f"its contacts contradict each other or a wire is cut: {_WIRING}" if contradicting else f"clear the doorway, let the door close; else {_WIRING}"
        )
        yield bad("lane.doors", ", ".join(odd), remedy)
    beams = {name: told[name] for name in ("entry_beam", "exit_beam") if name in told}
    broken = [f"{name} {'interrupted' if value == TriState.ACTIVE.value else 'unknown'}" for name, value in beams.items() if value != TriState.INACTIVE.value]
    if not beams:
        yield skipped("lane.beams", "told to an engineer only", "ask as a member of gate-engineer, or: sudo gatectl doctor")
    elif broken:
        yield bad("lane.beams", ", ".join(broken), f"take away what stands there, clean the lenses; else {_WIRING}")
    else:
        yield passed("lane.beams", "both are clear")
    count = told.get("occupancy", Occupancy.UNKNOWN.value)
    if count == Occupancy.ZERO.value:
        yield passed("lane.counter", "zero")
    elif count == Occupancy.UNKNOWN.value:
        yield failed("lane.counter", "unknown", f"the counter gives no number or contradicts itself: power, cable, lens; {_WIRING}")
    else:
        yield bad(
            "lane.counter",
            count,
            "look into the chamber: is it empty? then clean and set up the counter anew; left luggage counts as somebody; at an installation: its wiring",
        )
