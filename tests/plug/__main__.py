"""Pull the plug at every point of every scenario, and print what became of it. `make plug`; exit code 1 when a rule was broken or a point was never reached.

ARGS="--only 'emergency'"       scenarios whose name contains it
ARGS="--at 'io sent'"           points whose name contains it
ARGS="--list"                   the points, without killing anybody
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.plug.judge import judge
from tests.plug.play import Play, Story
from tests.plug.points import Point, to_kill_at
from tests.plug.scenarios import SCENARIOS, Scenario
from tests.plug.site import Site

TRIES = 3
"""A point that two threads race for is not passed in every run; it is tried so often."""


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    scenario: str
    point: str
    also: tuple[str, ...]
    state: str
    coils: tuple[str, ...]
    inside: int
    call_s: float | None
    outcome: str
    again: str
    broken: tuple[str, ...]

    def __str__(self) -> str:
        inside = f"{self.inside} inside" if self.inside else "empty"
        verdict = "ok" if not self.broken else "BROKEN: " + "; ".join(self.broken)
        return f"  {self.point:<44}{self.state:<17}{'+'.join(self.coils) or '-':<22}{inside:<9}{self.outcome:<48}{self.again:<34}{verdict}"


def whole_run(site: Site, scenario: Scenario) -> list[dict[str, Any]]:
    """The trail of a run in which nobody pulls the plug.

    Raises:
        SystemExit: It did not end as it should.
    """
    for last in (False, True):
        story = Play(site, scenario).run()
        judged = judge(story)
        if not judged.broken:
            return story.points
        if last:
            sys.exit(f"{scenario.name}: a whole run is not in order: {'; '.join(judged.broken)}")
    raise AssertionError


def kill_at(site: Site, scenario: Scenario, point: Point) -> Line | None:
    """Kill there; None when the point was not reached in any try."""
    for _ in range(TRIES):
        story = Play(site, scenario, point.name, linger=_lingers(point)).run()
        if story.died_at is not None:
            judged = judge(story)
            return Line(
                scenario.name,
                point.name,
                point.also,
                story.state,
                tuple(name for name, on in story.coils.items() if on and name.endswith("_door")),
                story.inside_at_death,
                _after_restart(story),
                judged.outcome,
                judged.again,
                judged.broken,
            )
        if story.problems:
            return Line(scenario.name, point.name, point.also, story.state, (), 0, None, "?", "?", tuple(story.problems))
    return None


def _lingers(point: Point) -> bool:
    """After a door was switched, the board is left alone until its own timer has closed it; else the restart comes at once."""
    return point.name.startswith("io after OpenDoor")


def _after_restart(story: Story) -> float | None:
    return round(story.called_at - story.restarted_at, 2) if story.called_at and story.restarted_at else None


def main() -> int:
    """Play, kill, judge, print."""
    parser = argparse.ArgumentParser(prog="make plug", description="Kill the controller at every point of a crossing.")
    parser.add_argument("--only", default="", help="scenarios whose name contains this, or one of these with | between them")
    parser.add_argument("--at", default="", help="points whose name contains this")
    parser.add_argument("--list", action="store_true", help="print the points and stop")
    parser.add_argument("--json", type=Path, help="also write every line here")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # in good order: nothing is left running
    began, lines, missed, earlier, names = time.monotonic(), [], [], [], 0
    with Site() as site:
        for scenario in SCENARIOS:
            trail = whole_run(site, scenario)
            points = to_kill_at(trail, earlier)
            earlier.append(trail)
            if not any(name in scenario.name for name in given.only.split("|")):
                continue
            points = [point for point in points if any(given.at in name for name in (point.name, *point.also))]
            names += sum(1 + len(point.also) for point in points)
            print(f"{scenario.name}: {len(trail)} points passed, {len(points)} kills", flush=True)
            for point in points:
                if given.list:
                    print("  " + " = ".join([point.name, *point.also]))
                    continue
                line = kill_at(site, scenario, point)
                if line is None:
                    missed.append(f"{scenario.name}: {point.name}")
                else:
                    lines.append(line)
                    print(line, flush=True)
    if given.list:
        return 0
    if given.json:
        given.json.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n")
    summarise(lines, missed, names, time.monotonic() - began)
    return 1 if missed or any(line.broken for line in lines) else 0


def summarise(lines: list[Line], missed: list[str], names: int, seconds: float) -> None:
    """Numbers under the table."""
    calls = sorted(line.call_s for line in lines if line.call_s is not None)
    print(f"\n{len(lines)} kills at {names} named points in {seconds / 60:.0f} min; {sum(bool(line.broken) for line in lines)} with a rule broken")
    for title, counts in (
        ("state", Counter(line.state for line in lines)),
        ("outcome", Counter(line.outcome for line in lines)),
        ("shown again", Counter(line.again for line in lines)),
    ):
        print(f"{title}: " + ", ".join(f"{what} {count}" for what, count in counts.most_common()))
    print(f"a door's relay on at the kill: {sum(bool(line.coils) for line in lines)}; somebody inside: {sum(bool(line.inside) for line in lines)}")
    if calls:
        print(f"officer called {calls[0]:.2f} to {calls[-1]:.2f} s after the restart (median {calls[len(calls) // 2]:.2f} s, {len(calls)} times)")
    for what in missed:
        print(f"never reached: {what}")


if __name__ == "__main__":
    sys.exit(main())
