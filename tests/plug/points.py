"""From the trail of a whole run: the points to kill at. Nothing is left out but what is the same instant, or the same story so far, as another point.

Between `after X` and the `before Y` that follows it in the same turn of the decision thread nothing happens, so one kill stands for both; likewise `enter S` and what
comes before its first command, and what a worker carries out right after something else. In a turn, a lamp or a prompt that is handed on changes nothing that
outlives the process: the moments before and after it are one. (The lamp's own switching is a point of the I/O worker.)

Of a scenario that begins as an earlier one did, only what comes after they part is played.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

AT_ONCE_S = 0.005


@dataclass(frozen=True)
class Point:
    """One kill.

    Attributes:
        name: As the launcher knows it.
        also: Names of the same instant.
    """

    name: str
    also: tuple[str, ...] = ()


def to_kill_at(trail: list[dict[str, Any]], earlier: list[list[dict[str, Any]]]) -> list[Point]:
    """The points of one whole run.

    Args:
        trail: Its points, in their order.
        earlier: The trails of scenarios that were played before.
    """
    points: list[Point] = []
    last: dict[str, dict[str, Any]] = {}
    for passed in trail[_parting(trail, earlier) :]:
        thread = "" if passed["batch"] is not None else passed["point"].split()[0]
        before = last.get(thread)
        if before is not None and _same_instant(before, passed):
            at = next(number for number, point in enumerate(points) if before["point"] in {point.name, *point.also})
            points[at] = Point(points[at].name, (*points[at].also, passed["point"]))
        else:
            points.append(Point(passed["point"]))
        last[thread] = passed
    return points


def _same_instant(before: dict[str, Any], passed: dict[str, Any]) -> bool:
    """Both of one thread, one right after the other, with nothing between them that could make a difference."""
    if passed["batch"] is not None:
        only_shown = passed["point"].startswith(("after ShowPrompt", "after SetLamp"))
        return bool(before["batch"] == passed["batch"]) and (only_shown or passed["point"].startswith("before "))
    follows = " after " in before["point"] and " before " in passed["point"]
    return bool(follows and passed["at"] - before["at"] < AT_ONCE_S)


def _parting(trail: list[dict[str, Any]], earlier: list[list[dict[str, Any]]]) -> int:
    """Index of the first decision that no earlier scenario took at this place."""
    decided = [passed["point"] for passed in trail if passed["batch"] is not None]
    common = 0
    for other in earlier:
        others = [passed["point"] for passed in other if passed["batch"] is not None]
        same = next((number for number, (ours, theirs) in enumerate(zip(decided, others, strict=False)) if ours != theirs), min(len(decided), len(others)))
        common = max(common, same)
    if common == 0:
        return 0
    return next((number for number, passed in enumerate(trail) if common < len(decided) and passed["point"] == decided[common]), len(trail))
