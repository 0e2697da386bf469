"""`gatectl install`: looks at an installation, switches versions, goes back to the one before. See docs/installing.md.

Does not unpack versions (`make install`, the Debian package) and never overwrites a configuration.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.failures import CommandFailedError
from gate_controller.cli.install_check import Finding, check
from gate_controller.cli.install_devices import rule_of, rules, usb_devices
from gate_controller.cli.install_layout import Layout
from gate_controller.cli.install_switch import Switch, ThisMachine
from gate_controller.cli.json_output import print_json

root_option = click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
    default=Path("/"),
    show_default=True,
    help="Directory that stands for /.",
)
json_option = click.option("as_json", "--json", is_flag=True, help="Print one JSON object; the steps go to standard error.")


@click.group(name="install", invoke_without_command=True)
@click.option("--check", "wants_check", is_flag=True, help="Look at everything that belongs to an installation; exit code 1 when something is missing.")
@click.option("--json", "as_json", is_flag=True, help="With --check: print JSON.")
@root_option
@click.pass_context
def install_group(ctx: click.Context, wants_check: bool, as_json: bool, root: Path) -> None:
    """Look at the installation of this gate PC, and switch versions."""
    if ctx.invoked_subcommand is None:
        if not wants_check:
            raise click.UsageError("say what: --check, or one of the commands (gatectl install --help)")
        ctx.exit(_check(Layout(root), as_json))


@install_group.command("versions")
@click.option("as_json", "--json", is_flag=True, help="Print one JSON object.")
@root_option
def versions_command(as_json: bool, root: Path) -> None:
    """The versions that are there, and which one is in force.

    Exit code: 0 there is one, 3 there is none.
    """
    layout = Layout(root)
    marks = {layout.previous(): "before it", layout.current(): "in force"}
    found = layout.versions()
    if as_json:
        _print_versions(layout)
    else:
        for version in found:
            click.echo(f"{version}  {marks.get(version, '')}".rstrip())
        if not found:
            click.echo("no version is installed")
    if not found:
        click.get_current_context().exit(ExitCode.NOTHING_TO_DO)


@install_group.command("activate")
@click.argument("version")
@click.option("--start/--no-start", "start", default=None, help="Whether the lane is to run afterwards; default: as now.")
@json_option
@root_option
def activate_command(version: str, start: bool | None, as_json: bool, root: Path) -> None:
    """Put VERSION in force; the one before it again when the lane does not come up.

    A crossing that is open ends first; an officer's call or an emergency is waited for. Needs root.
    """
    _require_root()
    _switch(root, as_json).activate(version, start=start)
    if as_json:
        _print_versions(Layout(root))


@install_group.command("rollback")
@json_option
@root_option
def rollback_command(as_json: bool, root: Path) -> None:
    """Put the version before in force again. Needs root."""
    _require_root()
    version = _switch(root, as_json).rollback()
    if as_json:
        _print_versions(Layout(root))
    else:
        click.echo(f"version {version} is in force again")


@install_group.command("devices")
@click.option("as_json", "--json", is_flag=True, help="Print one JSON object, which has the rule of each device to be completed.")
def devices_command(as_json: bool) -> None:
    """Serial lines and cameras on the USB, as udev rules to be completed."""
    found = usb_devices()
    if as_json:
        print_json({"devices": [{**asdict(each), "rule": rule_of(each, found)} for each in found]})
    else:
        click.echo(rules(found), nl=False)


def _switch(root: Path, as_json: bool) -> Switch:
    return Switch(Layout(root), ThisMachine(root), partial(click.echo, err=as_json))


def _print_versions(layout: Layout) -> None:
    """{"versions": [oldest first], "in_force": version or null, "before": version or null}."""
    print_json({"versions": layout.versions(), "in_force": layout.current(), "before": layout.previous()})


def _check(layout: Layout, as_json: bool) -> ExitCode:
    findings = list(check(layout, ThisMachine(layout.root)))
    if as_json:
        print_json({"checks": [asdict(each) for each in findings]})
    else:
        for each in findings:
            click.echo(_line(each))
        bad = sum(each.result == "fail" for each in findings)
        click.echo("nothing is missing" if not bad else f"{bad} missing or wrong")
    return ExitCode.CHECK_FAILED if any(each.result == "fail" for each in findings) else ExitCode.OK


def _line(finding: Finding) -> str:
    first = f"{finding.result:<4} {finding.id:<13} {finding.found}"
    return f"{first}\n     remedy: {finding.remedy}" if finding.remedy else first


def _require_root() -> None:
    if os.geteuid() != 0:
        raise CommandFailedError("switching versions needs root", "sudo gatectl install ...", ExitCode.NOT_PERMITTED)
