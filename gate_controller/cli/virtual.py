"""`gatectl simulate --virtual`: crossings in virtual time against the core, with a monitor; reports what happened and what must not. Computes nothing itself."""

from __future__ import annotations

import shlex
import time

import click
from rich.console import Console
from rich.table import Table

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.json_output import print_json
from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from simulators.virtual.batch import TRAVELLERS, Run, play_all
from simulators.virtual.episode import Episode
from simulators.virtual.faults import KINDS, NO_PROCESS, UNREACHABLE
from simulators.virtual.result import MOST_EXEMPT, Result

DEFAULT_TRAVELLERS = 1000
ENOUGH = 100
"""Each fault is to be injected in each state so many times in a million crossings."""
MOST_SHOWN = 20


def simulate_virtually(run: Run, jobs: int, *, as_json: bool = False) -> int:
    """Play the whole run, print the report; 0 only with no violation, every admitted traveller accounted for, and nothing exempt too often.

    Raises:
        click.Abort: Ctrl-C; what came in until then was reported.
    """
    began, total, whole = time.monotonic(), Result(), True
    screen = Console(stderr=True)
    try:
        for number, result in enumerate(play_all(run, jobs)):
            total.add(result)
            for episode, violation in result.violations:
                screen.print(f"[red]violation[/red] {violation}\n  {replay_command(run, episode)}", highlight=False, soft_wrap=True)
            if number % 25 == 24 and not as_json:
                taken = time.monotonic() - began
                screen.print(f"[dim]{total.crossed} crossings, {total.crossed / taken:.0f} a second, {len(total.violations)} violations[/dim]", highlight=False)
    except KeyboardInterrupt:
        whole = False
    taken = time.monotonic() - began
    if as_json:
        print_json(as_object(run, total, taken, jobs))
    else:
        report(Console(width=200) if not Console().is_terminal else Console(), run, total, taken, jobs)
    if not whole:
        raise click.Abort
    return ExitCode.CHECK_FAILED if total.violations or total.unaccounted or total.exempt_too_often else ExitCode.OK


def replay(run: Run, number: int, *, as_json: bool = False) -> int:
    """Play one episode with a trace of every event and what the core answered; as JSON without the trace."""
    result = Episode(run.profile, run.seed, number, TRAVELLERS).run(None if as_json else click.echo)
    violations = [str(violation) for _, violation in result.violations]
    if as_json:
        told = {"crossings": result.crossed, "virtual_seconds": round(result.seconds, 1), "digest": result.digest, "violations": violations}
        print_json({"episode": number, "seed": run.seed, **told})
    else:
        click.echo(f"episode {number} of seed {run.seed}: {result.crossed} crossings in {result.seconds:.1f} virtual seconds, digest {result.digest[:16]}")
        for violation in violations:
            click.echo(f"violation: {violation}")
    return ExitCode.CHECK_FAILED if result.violations else ExitCode.OK


def replay_command(run: Run, number: int) -> str:
    """The command that plays that episode again."""
    lane = ["--single-door"] if run.single_door else []
    return shlex.join(["gatectl", "simulate", "--virtual", "--faults", run.faults, *lane, "--seed", str(run.seed), "--only", str(number)])


def as_object(run: Run, total: Result, taken_s: float, jobs: int) -> dict[str, object]:
    """The report as one JSON object."""
    return {
        "faults": run.faults,
        "single_door": run.single_door,
        "seed": run.seed,
        "travellers": total.travellers,
        "crossings": total.crossed,
        "seconds": round(taken_s, 1),
        "jobs": jobs,
        "cpu_seconds": round(total.cpu_s, 1),
        "crossings_per_cpu_second": round(_rate(total), 1),
        "virtual_hours": round(total.seconds / 3600, 1),
        "identity_check_share": round(total.identity_share, 4),
        "digest": total.digest,
        "admitted": {"travellers": total.admissions, "outcomes": dict(total.admitted.most_common()), "unaccounted": total.unaccounted},
        "lanes": dict(total.lanes.most_common()),
        "outcomes": dict(total.outcomes.most_common()),
        "reasons": dict(total.reasons.most_common()),
        "never_given": [reason.code for reason in total.never_given],
        "states": dict(total.visits.most_common()),
        "travellers_by_habit": dict(total.habits.most_common()),
        "exempt": dict(total.exempt.most_common()),
        "exempt_too_often": total.exempt_too_often,
        "others": {name: count for name, count in total.others.items() if count},
        "unreachable": {f"{kind} / {state}": why for (kind, state), why in UNREACHABLE.items()},
        "faults_by_state": {f"{kind} / {state}": count for (kind, state), count in sorted(total.faults.items())},
        "violations": [{"episode": number, "what": str(violation), "replay": replay_command(run, number)} for number, violation in total.violations],
    }


def report(screen: Console, run: Run, total: Result, taken_s: float, jobs: int) -> None:
    """The report for people."""
    screen.print(
        f"{total.crossed} crossings of {total.travellers} travellers, faults {run.faults}, {'single-door lanes, ' if run.single_door else ''}seed {run.seed}:"
        f" {taken_s:.0f} s with {jobs} jobs,"
        f" {_rate(total):.0f} a second of processor time, {total.seconds / 3600:.0f} virtual hours, {total.events} events",
        highlight=False,
    )
    screen.print(f"{total.identity_share:.1%} of the crossings reached identity_check; digest {total.digest[:16]}", highlight=False)
    ends = " + ".join(f"{count} {name}" for name, count in total.admitted.most_common())
    missing = f"[red]{total.unaccounted} unaccounted for[/red]" if total.unaccounted else "each with exactly one outcome"
    screen.print(f"{total.admissions} travellers admitted = {ends}; {missing}", highlight=False)
    screen.print(_counts("lanes", total.lanes), _counts("outcome", total.outcomes), _counts("reason code", total.reasons))
    given = sum(total.reasons[reason.code] > 0 for reason in Reason)
    screen.print(f"{given} of {len(Reason)} reason codes given", highlight=False)
    for reason in total.never_given:
        screen.print(f"reason never given: {reason.code}", highlight=False)
    if total.faults:
        _report_faults(screen, total)
    if total.exempt:
        screen.print(_counts("seen, and not to be known by any controller", total.exempt, of=total.crossed))
    for kind in total.exempt_too_often:
        screen.print(f"[red]in more than {MOST_EXEMPT:.0%} of the crossings[/red]: {kind}", highlight=False)
    for name, count in total.others.items():
        if count:
            screen.print(f"{name}: {count}", highlight=False)
    for number, violation in total.violations[:MOST_SHOWN]:
        screen.print(f"[red]violation[/red] {violation}\n  {replay_command(run, number)}", highlight=False, soft_wrap=True)
    screen.print(f"{len(total.violations)} violations", highlight=False, style="red" if total.violations else "green")


def _report_faults(screen: Console, total: Result) -> None:
    states = [*(state.value for state in State), NO_PROCESS]
    table = Table(title=f"faults by the state in which they were injected ({total.faults.total()} in all; - cannot be)", title_justify="left")
    table.add_column("fault")
    for state in states:
        table.add_column(state.replace("_", "\n"), justify="right")
    for kind in KINDS:
        table.add_row(kind, *("-" if (kind, state) in UNREACHABLE else str(total.faults[kind, state]) for state in states))
    screen.print(table)
    pairs = {(kind, state): total.faults[kind, state] for kind in KINDS for state in states if (kind, state) not in UNREACHABLE}
    few = [(count, *pair) for pair, count in pairs.items() if count < ENOUGH]
    screen.print(f"{len(pairs) - len(few)} of {len(pairs)} pairs that can be at least {ENOUGH} times; fewest {min(pairs.values())}", highlight=False)
    for (kind, state), why in UNREACHABLE.items():
        screen.print(f"[dim]pair that cannot be: {kind}, {state} ({why})[/dim]", highlight=False)
    if total.crossed >= 1_000_000:
        for count, kind, state in sorted(few):
            screen.print(f"below {ENOUGH}: {kind} in {state}: {count}", highlight=False)


def _rate(total: Result) -> float:
    return total.crossed / total.cpu_s if total.cpu_s else 0.0


def _counts(title: str, counts: dict[str, int], of: int = 0) -> Table:
    """A table of counts, the most frequent first; with `of` also how many in a thousand of so many."""
    table = Table()
    table.add_column(title)
    table.add_column("times", justify="right")
    if of:
        table.add_column("in 1000 crossings", justify="right")
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        table.add_row(name, str(count), *([f"{1000 * count / of:.3f}"] if of else []))
    return table
