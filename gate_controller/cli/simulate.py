"""`gatectl simulate`: travellers before real drivers on simulated hardware, one after another, or as a person sends them from the panel."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.json_output import print_json
from gate_controller.cli.simulation import Plan, SimulatedGate, Visit
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Door, Region
from gate_controller.ports.control import JsonObject
from gate_controller.ports.devices import Family
from gate_controller.ports.errors import GateError
from simulators.control import ControlError
from simulators.world import BOTH_DOORS, Lock, Violation

ENDLESS = 500
"""Without --travellers this many come: more than half an hour; Ctrl-C ends it."""
BUSY = 0.75
"""Load, a core, from which on a simulated camera's frames come too irregularly for attack detection."""
COLOURS = {"completed": "green", "refused": "yellow", "returned": "yellow", "abandoned": "yellow", "aborted": "red", "emergency": "red"}


@click.command(name="simulate")
@click.option(
    "--travellers",
    type=click.IntRange(1),
    default=None,
    help=f"How many come, by themselves. Without it a panel opens on a terminal; elsewhere they come until Ctrl-C, {ENDLESS} at most.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Decides who comes, in which order, and how.")
@click.option("--lane", type=click.Choice(["mo", "hk"]), default="mo", show_default=True, help="Region of the lane.")
@click.option("--family", type=click.Choice([family.value for family in Family]), default="r503", show_default=True, help="Fingerprint module.")
@click.option("--single-door", is_flag=True, help="A lane without an entry door; with --virtual all are, else one in twenty where anything goes wrong.")
@click.option(
    "--pad/--no-pad",
    default=None,
    help="Presentation attack detection, or not: then a picture before the face camera passes for the face. By default it is left out where the machine is busy.",
)
@click.option("--panel/--no-panel", default=None, help="A page on which you send travellers and play tricks yourself; --no-panel has them come by themselves.")
@click.option("--panel-port", type=click.IntRange(0, 65535), default=8788, show_default=True, help="The panel on 127.0.0.1; 0 takes a free one.")
@click.option("--kiosk-port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="Kiosk page on 127.0.0.1; 0 takes a free port.")
@click.option("--models", type=click.Path(path_type=Path, file_okay=False), default=Path("var/models"), show_default=True, help="Model files.")
@click.option(
    "--log", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default=None, help="Write the daemon's log there; - is standard error."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a crossing on standard output, nothing else; with --virtual one for the whole run.")
@click.option("--virtual", is_flag=True, help="In virtual time: the core alone against a simulated lane, thousands of travellers, judged by a monitor.")
@click.option("--faults", type=click.Choice(["none", "mild", "harsh"]), default="none", show_default=True, help="With --virtual: what goes wrong.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="With --virtual: processes. The result does not depend on it.")
@click.option("--only", type=click.IntRange(0), default=None, help="With --virtual: play this one episode, with a trace.")
def simulate_command(
    travellers: int | None,
    seed: int,
    lane: str,
    family: str,
    single_door: bool,
    pad: bool | None,
    panel: bool | None,
    panel_port: int,
    kiosk_port: int,
    models: Path,
    log: Path | None,
    as_json: bool,
    virtual: bool,
    faults: str,
    jobs: int,
    only: int | None,
) -> int:
    """Simulate a lane: real drivers, simulated devices, travellers one after another.

    On a terminal, without --travellers, a page opens on which you choose who comes and with which trick; Ctrl-C ends it.

    Exit code 0 when every crossing ended as it must and no invariant was violated, 1 otherwise.
    """
    if not virtual and (faults != "none" or jobs != 1 or only is not None):
        raise click.UsageError("--faults, --jobs and --only belong to --virtual")
    if panel and (travellers is not None or as_json or virtual):
        raise click.UsageError("--panel has no --travellers, --json or --virtual: you send the travellers yourself")
    if virtual:
        from gate_controller.cli.virtual import DEFAULT_TRAVELLERS, replay, simulate_virtually
        from simulators.virtual.batch import Run

        run = Run(faults, seed, travellers or DEFAULT_TRAVELLERS, single_door=single_door)
        return replay(run, only, as_json=as_json) if only is not None else simulate_virtually(run, jobs, as_json=as_json)
    doors = {Door.EXIT: Lock.FAIL_SECURE} if single_door else BOTH_DOORS
    plan = Plan(
        Region(lane.upper()), travellers or ENDLESS, seed, Family(family), kiosk_port, models, log=log, doors=doors, pad=_may_judge() if pad is None else pad
    )
    screen = Console(stderr=True) if as_json else Console()
    if pad is None and not plan.pad:
        screen.print(
            f"this machine is busy (load {os.getloadavg()[0]:.1f}): attack detection is left out, a picture would pass for a face; --pad asks for it",
            highlight=False,
        )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_interrupt)
    visits: list[Visit] = []
    violations: list[Violation] = []
    if panel or (panel is None and travellers is None and not as_json and sys.stdout.isatty()):
        return _play(plan, panel_port, screen)
    try:
        with SimulatedGate(plan, lambda line: screen.print(f"[dim]- {line}[/dim]", highlight=False)) as gate:
            if kiosk_port:
                screen.print(f"kiosk page: [bold]http://127.0.0.1:{kiosk_port}/[/bold]", highlight=False, soft_wrap=True)
            screen.print(f"control socket: gatectl status --socket {gate.control_socket}", highlight=False, soft_wrap=True)
            screen.print("the gate is ready; Ctrl-C stops", highlight=False)
            for visit in gate.visits():
                visits.append(visit)
                if as_json:
                    print_json(visit.as_json())
                else:
                    screen.print(_line(visit), highlight=False, soft_wrap=True)
                violations = list(gate.violations)
    except KeyboardInterrupt:
        screen.print("\nstopped; nothing is left running", highlight=False)
        return ExitCode.OK if not violations and all(visit.as_expected for visit in visits) else ExitCode.CHECK_FAILED
    except ControlError as error:
        raise _not_started(error) from error
    if not as_json:
        screen.print(_summary(visits))
    if any(not visit.as_expected and visit.as_json()["reason"] == Reason.PAD_UNDETERMINED.code for visit in visits):
        screen.print(
            "attack detection could not judge a face in time: it needs 11 frames a second, and this machine is too busy; --no-pad runs without it",
            highlight=False,
        )
    for violation in violations:
        screen.print(f"[red]invariant violated:[/red] {violation}", highlight=False)
    return ExitCode.OK if not violations and all(visit.as_expected for visit in visits) else ExitCode.CHECK_FAILED


def _play(plan: Plan, port: int, screen: Console) -> int:
    """The gate with its panel, until Ctrl-C."""
    from gate_controller.cli import simulation_panel as panels

    violations: list[Violation] = []
    try:
        with SimulatedGate(panels.playable(plan), lambda line: screen.print(f"[dim]- {line}[/dim]", highlight=False)) as gate:
            violations = gate.violations
            with panels.panel(gate, port) as site:
                opened = panels.show(site.url)
                screen.print(f"panel: [bold]{site.url}[/bold]" + (" (opened)" if opened else ": open it in a browser"), highlight=False, soft_wrap=True)
                screen.print(f"control socket: gatectl status --socket {gate.control_socket}", highlight=False, soft_wrap=True)
                screen.print("the gate is ready; Ctrl-C stops", highlight=False)
                panels.play(gate, site, lambda crossing: screen.print(_played(crossing), highlight=False, soft_wrap=True))
    except KeyboardInterrupt:
        screen.print("\nstopped; nothing is left running", highlight=False)
    except ControlError as error:
        raise _not_started(error) from error
    for violation in violations:
        screen.print(f"[red]invariant violated:[/red] {violation}", highlight=False)
    return ExitCode.CHECK_FAILED if violations else ExitCode.OK


def _played(crossing: JsonObject) -> Text:
    text = Text(f"{crossing['name']:<22}")
    text.append(f"{crossing['outcome']:<11}", COLOURS.get(crossing["outcome"], "red"))
    text.append(crossing["reason"] or "")
    return text


def _not_started(error: ControlError) -> GateError:
    return GateError(f"a wire simulator could not be started: {error}", "a shorter TMPDIR, or more memory and processes, may help")


def _may_judge() -> bool:
    """Whether this machine has the time for 11 frames a second, each drawn, sent, and stamped when it arrives."""
    return os.getloadavg()[0] < BUSY * (os.cpu_count() or 1)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _line(visit: Visit) -> Text:
    facts = visit.as_json()
    steps = [(name, round(at_s * 1000)) for name, at_s in facts["steps"] or []]
    text = Text(f"{facts['number']:>4}  {facts['traveller']:<19}{facts['issuer']:<4}")
    text.append(f"{facts['outcome'] or 'no crossing':<11}", COLOURS.get(facts["outcome"] or "", "red"))
    text.append(f"{facts['reason'] or '':<24}")
    text.append("  ".join(f"{name} {at_ms}" for name, at_ms in steps[1:]) + (" ms" if steps[1:] else ""), "dim")
    if not visit.as_expected:
        text.append(f"   expected {facts['expected']['outcome']} {facts['expected']['reason'] or ''}", "bold red")
    return text


def _summary(visits: list[Visit]) -> Table:
    table = Table(title="summary", title_justify="left")
    for name in ("outcome", "reason"):
        table.add_column(name)
    for name in ("crossings", "as expected", "seconds (median)"):
        table.add_column(name, justify="right")
    groups: dict[tuple[str, str], list[Visit]] = {}
    for visit in visits:
        facts = visit.as_json()
        groups.setdefault((facts["outcome"] or "no crossing", facts["reason"] or ""), []).append(visit)
    for (outcome, reason), group in sorted(groups.items()):
        lasted = sorted((visit.as_json()["steps"] or [["", 0.0]])[-1][1] for visit in group)
        table.add_row(outcome, reason, str(len(group)), str(sum(visit.as_expected for visit in group)), f"{lasted[len(lasted) // 2]:.2f}")
    return table


if __name__ == "__main__":
    sys.exit(simulate_command(standalone_mode=False))
