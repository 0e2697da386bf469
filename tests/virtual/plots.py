"""Draws docs/simulation-*.png from simulated crossings: one crossing step by step, how long crossings last, how many an hour.

python -m tests.virtual.plots [DIRECTORY]
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from gate_controller.core.commands import CrossingRecord
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.values import Direction, DoorPosition, LaneInputs, Occupancy, Outcome, Region, TriState
from simulators.virtual.batch import Run, play
from simulators.virtual.episode import Episode
from simulators.virtual.profile import PROFILES

# Paul Tol's muted colours: told apart by the colour-blind, and by their lightness in print.
BLUE, TEAL, SAND, ROSE, GREY = "#332288", "#44aa99", "#ddcc77", "#cc6677", "#bbbbbb"
POLICY = CrossingPolicy(Region.MO, Direction.HK_TO_MO)
CHECKS = {"face_successful", "fingerprint_successful"}
BODILY = {"entered", "exited", "chamber_empty"}
STEPS = {
    "pass_read": "code read",
    "pass_verified": "pass verified",
    "authorised": "enrolment found",
    "admitted": "admission on the disk",
    "entered": "one inside, entry closed",
    "face_successful": "face matches",
    "fingerprint_successful": "finger matches",
    "verified": "rule met",
    "exit_commanded": "exit commanded",
    "exited": "seen leaving",
    "chamber_empty": "empty and shut",
}


def waterfall(path: Path) -> None:
    """One crossing of an honest traveller: the steps of the record, and under them what the wires showed meanwhile."""
    episode = Episode(PROFILES["none"], 4, 0, 2, policy=POLICY)
    seen: list[tuple[float, LaneInputs]] = [(0.0, episode.lane.reading())]
    touch = episode.lane.on_wires

    def look() -> None:
        seen.append((episode.agenda.now, episode.lane.reading()))
        touch()

    episode.lane.on_wires = look
    began: list[float] = []
    episode.host.on_state = lambda state: began.append(episode.agenda.now) if state.value == "pass_check" else None
    record = episode.run().crossings[0]
    figure, (above, below) = plt.subplots(2, figsize=(10, 6.4), layout="constrained", sharex=True, height_ratios=(11, 5))
    times = [step.at_s for step in record.steps]
    entered = next(step.at_s for step in record.steps if step.name == "entered")
    for row, (step, at, before) in enumerate(zip(record.steps, times, [0.0, *times], strict=False)):
        begun = entered if step.name in CHECKS else before  # both checks begin together
        above.barh(row, at - begun, left=begun, color=BLUE if step.name in BODILY else TEAL, height=0.7)
        above.text(at + 0.06, row, f"{at:.3f} s" if at < 0.1 else f"{at:.2f} s", va="center", fontsize=8)
    above.legend(handles=[Patch(color=BLUE, label="the traveller walks, doors move"), Patch(color=TEAL, label="the gate and its devices")], frameon=False)
    above.set_yticks(range(len(times)), [STEPS.get(step.name, step.name) for step in record.steps])
    above.invert_yaxis()
    above.set_title(f"One crossing: {times[-1]:.1f} s from the code to the empty chamber", loc="left")
    _tracks(below, seen, began[0], times[-1])
    below.set_xlim(-0.1, times[-1] + 0.6)
    below.set_xlabel("seconds after the code was read")
    _save(figure, path)


def _tracks(axes: Axes, seen: list[tuple[float, LaneInputs]], began: float, lasts: float) -> None:
    colours: dict[object, str] = {
        DoorPosition.OPEN: TEAL, DoorPosition.MOVING: SAND, DoorPosition.CLOSED: GREY,
        TriState.ACTIVE: ROSE, TriState.INACTIVE: GREY, Occupancy.ZERO: GREY, Occupancy.ONE: BLUE,
    }  # fmt: skip
    names = ("entry_door", "exit_door", "entry_beam", "exit_beam", "occupancy")
    for row, name in enumerate(names):
        moments = [(at - began, getattr(reading, name)) for at, reading in seen]
        for (at, value), (until, _) in zip(moments, [*moments[1:], (lasts, None)], strict=True):
            if until > 0 and at < lasts and until > at:
                axes.barh(row, min(until, lasts) - max(at, 0.0), left=max(at, 0.0), color=colours.get(value, "black"), height=0.6)
    axes.set_yticks(range(len(names)), ["entry door", "exit door", "entry beam", "exit beam", "counter"])
    axes.invert_yaxis()
    named = ((GREY, "closed, clear, nobody"), (SAND, "moving"), (TEAL, "open"), (ROSE, "interrupted"), (BLUE, "one inside"))
    axes.legend(handles=[Patch(color=colour, label=label) for colour, label in named], frameon=False, ncols=len(named), loc="lower left", bbox_to_anchor=(0, 1))


def durations(path: Path) -> None:
    """How long completed crossings last, without faults and with the harshest."""
    figure, axes = plt.subplots(figsize=(10, 4.4), layout="constrained")
    for faults, colour in (("none", TEAL), ("harsh", ROSE)):
        result = play(Run(faults, 2, 4000, records=True), 0, 160)
        lasted = sorted(_lasted(record) for record in result.crossings if record.outcome is Outcome.COMPLETED)
        tail = lasted[int(0.95 * len(lasted))]
        label = f"faults {faults}: {len(lasted)} completed, median {median(lasted):.1f} s, 95 % within {tail:.1f} s"
        axes.hist(lasted, bins=[each / 4 for each in range(12, 81)], color=colour, alpha=0.6, label=label, density=True)
        axes.axvline(median(lasted), color=colour, linewidth=1.5)
    axes.set_xlabel("seconds from the code to the empty chamber (longer than 20 s not shown)")
    axes.set_ylabel("share a second")
    axes.set_title("Completed crossings, by how long they take", loc="left")
    axes.legend(frameon=False)
    _save(figure, path)


def _lasted(record: CrossingRecord) -> float:
    return record.steps[-1].at_s


def throughput(path: Path) -> None:
    """Crossings completed an hour against travellers arriving an hour, one lane."""
    figure, axes = plt.subplots(figsize=(10, 4.8), layout="constrained")
    offered = range(75, 901, 75)
    for faults, colour in (("none", TEAL), ("mild", BLUE), ("harsh", ROSE)):
        completed = []
        for rate in offered:
            result = Episode(PROFILES[faults], 6, rate, 600 if faults == "harsh" else 1200, policy=POLICY, arrivals_s=3600 / rate).run()
            completed.append(3600 * result.outcomes["completed"] / result.seconds)
        axes.plot(offered, completed, "o-", color=colour, label=f"faults {faults}: {max(completed):.0f} an hour at most")
    axes.plot(offered, offered, color=GREY, linestyle=":", label="everybody who comes")
    axes.set_ylim(0, 800)
    axes.set_xlabel("travellers arriving an hour (at random, one lane)")
    axes.set_ylabel("crossings completed an hour")
    axes.set_title("Throughput of one lane against the rate of arrivals", loc="left")
    axes.legend(frameon=False, loc="upper left")
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"wrote {path}")


def main(directory: Path) -> None:
    """Write all three."""
    waterfall(directory / "simulation-crossing.png")
    durations(directory / "simulation-durations.png")
    throughput(directory / "simulation-throughput.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
