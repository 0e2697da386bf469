"""gatectl doctor: looks at everything a gate needs and says what is wrong, what it means and what to do. Mends nothing."""

from __future__ import annotations

import shutil
import textwrap
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import structlog

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.json_output import print_json
from gate_controller.cli.run import DEFAULT_CONFIG
from gate_controller.diagnostics import Finding, Report, Site, all_groups, examine
from gate_controller.diagnostics.site import become_gate_user

COLOURS = {"pass": "green", "warn": "yellow", "fail": "red", "skip": "bright_black"}
_INDENT = " " * 5
_WIDEST = 120


@click.command("doctor")
@click.option("--config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG, show_default=True, help="Configuration of the gate.")
@click.option(
    "--socket",
    "socket_path",
    type=click.Path(path_type=Path, readable=False),
    default=None,
    envvar="GATECTL_SOCKET",
    show_envvar=True,
    help="Control socket of the daemon; default: the configuration's.",
)
@click.option("--simulated", is_flag=True, help="Look at a simulated gate of its own, made for this and taken away again: whether the programs work here.")
@click.option("--all", "show_all", is_flag=True, help="Tell the meaning of every check, also of those that pass.")
@click.option("as_json", "--json", is_flag=True, help='One JSON object: {"schema", "ok", "checks": [{"id", "result", "value", "meaning", "remedy"}], ...}.')
def doctor_command(config: Path, socket_path: Path | None, simulated: bool, show_all: bool, as_json: bool) -> int:
    """Find out what is wrong with this gate: each cause with what it means and what to do.

    Asks the gate controller where it runs, else the devices themselves. Root looks with the rights of the gate's own user.

    Exit code: 0 when no check fails, 1 when one does.
    """
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # what the parts log is for the daemon's log; the findings say it
    if simulated:
        from gate_controller.cli.simulated_site import simulated_gate  # the simulators are of no use to anybody else

        with simulated_gate() as (files, _lane):
            return _report(Site(files.config, simulated=True), "simulated", show_all, as_json)
    become_gate_user()
    return _report(Site(config, socket_path), "", show_all, as_json)


def _report(site: Site, asked: str, show_all: bool, as_json: bool) -> int:
    began = time.monotonic()
    findings: list[Finding] = []
    for finding in examine(all_groups(site)):
        findings.append(finding)
        if not as_json:
            for line in _lines(finding, show_all):
                click.echo(line)
    gate = site.settings.gate.id if site.settings is not None else ""
    report = Report(gate, version("gate-controller"), asked or site.mode.value, site.clock.wall(), tuple(findings), time.monotonic() - began)
    if as_json:
        print_json(report.as_json())
    else:
        click.echo(_summary(report.findings, gate or "this gate"))
    return ExitCode.OK if report.ok else ExitCode.CHECK_FAILED


def _lines(finding: Finding, show_all: bool) -> Iterator[str]:
    width = min(_WIDEST, max(40, shutil.get_terminal_size((80, 24)).columns)) - 1
    first = textwrap.wrap(f"{finding.id}: {finding.value}", width, initial_indent=f"{finding.result} ", subsequent_indent=_INDENT)
    yield click.style(finding.result, fg=COLOURS[finding.result]) + first[0].removeprefix(finding.result)
    yield from first[1:]
    if show_all or finding.result in {"warn", "fail"}:
        yield from textwrap.wrap(f"means: {finding.meaning}", width, initial_indent=_INDENT, subsequent_indent=_INDENT)
    if finding.remedy:
        yield from textwrap.wrap(f"do: {finding.remedy}", width, initial_indent=_INDENT, subsequent_indent=_INDENT, break_long_words=False)


def _summary(findings: tuple[Finding, ...], gate: str) -> str:
    counts = {result: sum(each.result == result for each in findings) for result in COLOURS}
    found = ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    first = next((each.id for each in findings if each.result == "fail"), "")
    return f"{gate}: {found}{f'; begin with {first}' if first else ''}"
