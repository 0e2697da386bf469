"""From the trail of a whole run: the points to kill at. Nothing is left out but what is the same instant, or the same story so far, as another point.

Between `after X` and the `before Y` that follows it in the same turn of the decision thread nothing happens, so one kill stands for both; likewise `enter S` and what
comes before its first command. Of a scenario that begins as an earlier one did, only what comes after they part is played.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
    last: dict[str, Any] = {}
    for passed in trail[_parting(trail, earlier) :]:
        in_turn = passed["batch"] is not None
        if in_turn and last and last["batch"] == passed["batch"] and " before " in f" {passed['point']}":
            at = next(number for number, point in enumerate(points) if last["point"] in {point.name, *point.also})
            points[at] = Point(points[at].name, (*points[at].also, passed["point"]))
        else:
            points.append(Point(passed["point"]))
        last = passed if in_turn else last
    return points


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
