"""gatectl door cycle: opens one door once and sees it open and close, for whoever has just wired or adjusted it.

Only where no gate controller runs: the core alone orders the doors of a lane in service. The interlock is this command's own: the other door
confirmed closed, nobody counted in the chamber, both loops whole, all of it known, looked at again right before the door is opened (INV-1, INV-3).
"""

from __future__ import annotations

from collections.abc import Callable

import click

from gate_controller.cli.asking import CALL_S, daemon, opened, settings_of, site_options
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.json_output import print_json
from gate_controller.core.values import Door, DoorPosition, LaneInputs, Occupancy, TriState
from gate_controller.diagnostics.site import Site
from gate_controller.ports.devices import IoBoard
from gate_controller.ports.errors import GateError, RefusedByStateError

DOORS = {"entry": Door.ENTRY, "exit": Door.EXIT}
MOVE_S = 8.0
_STOP = "stop it first: sudo systemctl stop gate-controller (the lane closes); afterwards start it again"


@click.group("door")
def door_group() -> None:
    """Open and close a door once, where no gate controller runs."""


@door_group.command("cycle")
@site_options
@click.argument("door", type=click.Choice(list(DOORS)))
@click.option("--open-s", type=click.FloatRange(0.5, 10.0), default=3.0, show_default=True, help="How long it is commanded open; the board times it.")
@click.option("--yes", is_flag=True, help="Do not ask whether the lane is closed off.")
def cycle_command(site: Site, as_json: bool, door: str, open_s: float, yes: bool) -> int:
    """Open DOOR once and see it open and close again. A door of the border opens: stand beside it.

    Refused while a gate controller runs, and unless the other door is confirmed closed, the chamber is counted empty and the emergency and tamper loops
    are whole.

    Exit code: 0 it opened and closed, 1 it did not, 7 refused.
    """
    if daemon(site) is not None:
        raise RefusedByStateError("a gate controller runs, and it alone orders the doors", _STOP)
    chosen = DOORS[door]
    if chosen not in settings_of(site).crossing_policy().doors:
        what = f"this lane has no {door} door"
        raise RefusedByStateError(what, "see [gate] lane")
    if not yes:
        click.confirm(f"This opens the {door} door of the border. Is the lane closed off, and does somebody stand at the door?", abort=True, err=True)
    with opened(site, "io_board") as board:
        result = cycle(board, chosen, open_s, site.clock.monotonic)
    if as_json:
        print_json(result)
    else:
        click.echo("\n".join(f"{name:<10} {'-' if value in {None, ''} else value}" for name, value in result.items()))
    return ExitCode.OK if result["result"] == "pass" else ExitCode.CHECK_FAILED


def cycle(board: IoBoard, door: Door, open_s: float, now: Callable[[], float]) -> dict[str, object]:
    """Open the door once and watch it.

    Args:
        board: The board, open.
        door: Which door.
        open_s: How long it is commanded open.
        now: Monotonic seconds.

    Returns:
        {"door", "result": "pass" | "fail", "opened_s", "closed_s", "finding"}; times since the command, null where it was not seen.

    Raises:
        RefusedByStateError: The lane is not as the interlock demands; nothing was opened.
        GateError: The other door did not stay closed; the door is released.
        DeviceError: The board failed; the door is released.
    """
    refusal = interlock(board.read(now() + CALL_S), door)
    if refusal:
        raise RefusedByStateError(refusal, "gatectl io show tells every input; mend that first, or clear the lane")
    began = now()
    times: dict[DoorPosition, float] = {}
    try:
        board.hold_open(door, open_s, began + CALL_S)
        while now() < began + open_s + MOVE_S and DoorPosition.CLOSED not in times:
            inputs = board.read(now() + CALL_S)
            position = inputs.door(door)
            if position is DoorPosition.OPEN or (position is DoorPosition.CLOSED and DoorPosition.OPEN in times):
                times.setdefault(position, now() - began)
            other = _other(door)
            if inputs.door(other) is not DoorPosition.CLOSED:
                what = f"the {other.value} did not stay closed while the {door.value} was open"
                raise GateError(what, "the door was released; look at the other door's lock and contacts")
    finally:
        board.release(door, now() + CALL_S)
    opened_s, closed_s = times.get(DoorPosition.OPEN), times.get(DoorPosition.CLOSED)
    finding = "" if closed_s is not None else "it was not seen to close" if opened_s is not None else "it was not seen to open"
    return {
        "door": door.value,
        "result": "fail" if finding else "pass",
        "opened_s": None if opened_s is None else round(opened_s, 2),
        "closed_s": None if closed_s is None else round(closed_s, 2),
        "finding": finding,
    }


def interlock(inputs: LaneInputs, door: Door) -> str:
    """Why the door must not be opened; "" when it may. Unknown is never clear (INV-3)."""
    other = _other(door)
    demands = (
        (inputs.door(other) is DoorPosition.CLOSED, f"the {other.value} is {inputs.door(other).value}, not confirmed closed"),
        (inputs.door(door) is DoorPosition.CLOSED, f"the {door.value} is {inputs.door(door).value} already"),
        (inputs.occupancy is Occupancy.ZERO, f"the counter says {inputs.occupancy.value}, not zero"),
        (inputs.emergency is TriState.INACTIVE, f"the emergency loop is {_loop(inputs.emergency)}"),
        (inputs.tamper is TriState.INACTIVE, f"the tamper loop is {_loop(inputs.tamper)}"),
    )
    return "; ".join(why for met, why in demands if not met)


def _loop(state: TriState) -> str:
    return "open" if state is TriState.ACTIVE else "unknown"


def _other(door: Door) -> Door:
    return Door.EXIT if door is Door.ENTRY else Door.ENTRY
