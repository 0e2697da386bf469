"""What the commands of gatectl enrolment share: options, the gate's own keys and directory, errors as lines or JSON, the system log.

Does not import, show or change anything.
"""

from __future__ import annotations

import contextlib
import os
import syslog
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.failures import CommandFailedError
from gate_controller.cli.run import DEFAULT_CONFIG
from gate_controller.composition.enrolment import master_key
from gate_controller.enrolment.directory import EnrolmentDirectory
from gate_controller.enrolment.keys import MasterKey
from gate_controller.enrolment.publication import PublicationError
from gate_controller.ports.clock import Clock, SystemClock
from gate_controller.ports.errors import ConfigurationError, GateError, StoreError
from gate_controller.settings import Settings
from gate_controller.trust.errors import TrustError


class CheckFailedError(StoreError):
    """The stores work, and the answer is no."""


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of each: --config and --json, and the context."""
    config = click.option(
        "--config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG, show_default=True, help="Configuration of the gate."
    )
    return config(click.option("as_json", "--json", is_flag=True, help="Print one JSON object.")(click.pass_context(command)))


def parts(settings: Settings) -> tuple[MasterKey, EnrolmentDirectory]:
    """The gate's master key, and where its enrolments are.

    Raises:
        StoreError: The key cannot be used.
    """
    return master_key(settings), EnrolmentDirectory(settings.enrolment.store)


def log(act: str, reason: str = "") -> None:
    """Say in the system log (facility auth) what was done, by whom and why."""
    line = f"gatectl enrolment {act}, by uid {os.getuid()}{': ' if reason else ''}{reason}"
    syslog.syslog(syslog.LOG_AUTH | syslog.LOG_NOTICE, "".join(letter if letter.isprintable() else "?" for letter in line))


def why(error: StoreError) -> dict[str, str]:
    """Why something was refused, as --json has it."""
    reason = {"reason": error.reason.value} if isinstance(error, PublicationError) else {}
    return {**reason, "what": error.what, "remedy": error.remedy}


def tell(error: GateError) -> None:
    """Say on standard error what is wrong, and the remedy."""
    click.echo(f"gatectl: {_before(error)}{error.what}", err=True)
    if error.remedy:
        click.echo(f"gatectl: remedy: {error.remedy}", err=True)


def _before(error: GateError) -> str:
    return f"not imported ({error.reason.value}): " if isinstance(error, PublicationError) else ""


@contextlib.contextmanager
def failures(more: Callable[[], dict[str, object]] = dict) -> Iterator[None]:
    """Exit codes of these commands, and what --json has beside the error."""
    try:
        yield
    except GateError as error:
        refused = isinstance(error, CheckFailedError | TrustError) or not isinstance(error, StoreError | ConfigurationError)
        code = ExitCode.CHECK_FAILED if refused else ExitCode.CONFIGURATION
        raise CommandFailedError(error.what, error.remedy, code, before=_before(error), more=more()) from error


def clock_of(context: click.Context) -> Clock:
    """The clock that a test hands in, or the system's."""
    return context.obj if context.obj is not None else SystemClock()
