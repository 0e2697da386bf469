"""How a command fails: which exit code an error has, and how it is told to people and, with --json, to programs.

Imported when there is an error: a command that succeeds does not wait for it.
"""

from __future__ import annotations

import os
import sys

import click

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.json_output import print_json
from gate_controller.cli.socket_option import one_line
from gate_controller.control.client import DaemonUnreachableError, NotPermittedError, RequestRefusedError
from gate_controller.ports.errors import ConfigurationError, DeviceAbsentError, DevicePermissionError, GateError, RefusedByStateError, StoreError

EXIT_CODES: tuple[tuple[type[GateError], ExitCode], ...] = (
    (ConfigurationError, ExitCode.CONFIGURATION),
    (StoreError, ExitCode.CONFIGURATION),
    (RefusedByStateError, ExitCode.REFUSED_BY_STATE),
    (DevicePermissionError, ExitCode.NOT_PERMITTED),
    (DeviceAbsentError, ExitCode.DEVICE_ABSENT),
    (DaemonUnreachableError, ExitCode.DAEMON_UNREACHABLE),
    (NotPermittedError, ExitCode.NOT_PERMITTED),
    (RequestRefusedError, ExitCode.USAGE),
)
"""The first that fits; any other error means that what was asked for failed."""
BUG_REMEDY = "report it with the lines on standard error"


class CommandFailedError(GateError):
    """A command's own word on how it ends, where the kind of an error alone does not say it.

    Args:
        what: As GateError's.
        remedy: As GateError's.
        exit_code: How gatectl ends.
        before: Stands before what is wrong, for people.
        after: A last line for people.
        more: Further fields of the object that --json ends in.
    """

    def __init__(self, what: str, remedy: str, exit_code: ExitCode, *, before: str = "", after: str = "", more: dict[str, object] | None = None) -> None:
        super().__init__(what, remedy)
        self.exit_code = exit_code
        self.before = before
        self.after = after
        self.more = more or {}


def exit_code_of(error: GateError) -> ExitCode:
    """The exit code of an error that a command lets through."""
    if isinstance(error, CommandFailedError):
        return error.exit_code
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), ExitCode.CHECK_FAILED)


def lines_of(error: GateError) -> list[str]:
    """What is wrong and what helps, a line each, without what a terminal might take for a command: some of it a device or another program has said."""
    before, after = (error.before, error.after) if isinstance(error, CommandFailedError) else ("", "")
    return [one_line(line) for line in (*f"{before}{error.what}".splitlines(), f"remedy: {error.remedy}" if error.remedy else "", after) if line]


def failed(error: GateError, as_json: bool) -> int:
    """Tell an error; its exit code."""
    code = exit_code_of(error)
    for line in lines_of(error):
        click.echo(f"gatectl: {line}", err=True)
    if as_json:
        print_failure(code, error.what, error.remedy, error.more if isinstance(error, CommandFailedError) else {})
    return code


def misused(error: click.ClickException, as_json: bool) -> int:
    """Tell a mistake of usage, or another error of click's; its exit code."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if context is not None:
        click.echo(context.get_usage(), err=True, color=context.color)
    remedy = f"see {context.command_path} --help" if context is not None else ""
    code = ExitCode(error.exit_code)
    wrong = CommandFailedError(error.format_message(), remedy, code, more={"reason": "usage"} if code is ExitCode.USAGE else None)
    return failed(wrong, as_json)


def print_failure(code: ExitCode | int, what: str, remedy: str, more: dict[str, object]) -> None:
    """The object that --json ends in when something is wrong. Where it cannot be written, the lines for people and the exit code must do."""
    told = {"what": "\n".join(map(one_line, what.splitlines())), "remedy": one_line(remedy)}
    try:
        print_json({"ok": False, "exit_code": int(code), **told, **more})
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
