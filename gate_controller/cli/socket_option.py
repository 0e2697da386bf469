"""What the commands that talk to the daemon share: the --socket option, and errors as exit codes.

Does not import aiohttp, directly or indirectly: these commands must start fast.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.control.client import DEFAULT_SOCKET, DaemonUnreachableError, NotPermittedError, RequestRefusedError
from gate_controller.ports.errors import GateError, RefusedByStateError

_EXIT_CODES: dict[type[GateError], ExitCode] = {
    RequestRefusedError: ExitCode.USAGE,
    DaemonUnreachableError: ExitCode.DAEMON_UNREACHABLE,
    NotPermittedError: ExitCode.NOT_PERMITTED,
    RefusedByStateError: ExitCode.REFUSED_BY_STATE,
}


def socket_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --socket to a command, as parameter `socket_path`."""
    return click.option(
        "--socket",
        "socket_path",
        type=click.Path(path_type=Path),
        default=DEFAULT_SOCKET,
        envvar="GATECTL_SOCKET",
        show_default=True,
        show_envvar=True,
        help="Control socket of the daemon.",
    )(command)


@contextlib.contextmanager
def failures_as_exit_codes() -> Iterator[None]:
    """Print the client's errors, one line what and one line remedy, and exit with their code."""
    try:
        yield
    except GateError as error:
        click.echo(f"Error: {one_line(error.what)}", err=True)
        if error.remedy:
            click.echo(f"Remedy: {one_line(error.remedy)}", err=True)
        raise click.exceptions.Exit(_EXIT_CODES.get(type(error), ExitCode.CHECK_FAILED)) from error


def one_line(text: object) -> str:
    """`text` without what a terminal might take for a command."""
    return "".join(character if character.isprintable() else "?" for character in str(text))
