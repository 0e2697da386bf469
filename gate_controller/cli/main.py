"""gatectl: the list of commands. Each group lives in a module of its own; library code never imports click.

Exit codes: 0 ok, 1 a check failed, 2 usage, 3 nothing to do, 4 daemon unreachable, 5 not permitted, 6 device absent,
7 refused by the gate's state, 8 configuration, 70 a bug. A traceback is printed for a bug only.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module

import click

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.ports.errors import (
    ConfigurationError,
    DeviceAbsentError,
    DevicePermissionError,
    GateError,
    RefusedByStateError,
    StoreError,
)

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("gate_controller.cli.run", "run_command"),
    "simulate": ("gate_controller.cli.simulate", "simulate_command"),
    "config": ("gate_controller.cli.config", "config_group"),
    "pass": ("gate_controller.cli.passes", "pass_group"),
    "keys": ("gate_controller.cli.keys", "keys_group"),
    "enrol": ("gate_controller.cli.enrol", "enrol_command"),
    "enrolment": ("gate_controller.cli.enrolment", "enrolment_group"),
    "journal": ("gate_controller.cli.journal", "journal_group"),
    "replay": ("gate_controller.cli.replay", "replay_command"),
    "status": ("gate_controller.cli.status", "status_command"),
    "events": ("gate_controller.cli.status", "events_command"),
    "doctor": ("gate_controller.cli.doctor", "doctor_command"),
    "officer": ("gate_controller.cli.officer", "officer_group"),
    "install": ("gate_controller.cli.install", "install_group"),
    "diagram": ("gate_controller.cli.diagram", "diagram_command"),
}
"""Name of the command: module and object. Imported when used, so that a status does not wait for the vision libraries."""

EXIT_CODES: tuple[tuple[type[GateError], ExitCode], ...] = (
    (ConfigurationError, ExitCode.CONFIGURATION),
    (StoreError, ExitCode.CONFIGURATION),
    (RefusedByStateError, ExitCode.REFUSED_BY_STATE),
    (DevicePermissionError, ExitCode.NOT_PERMITTED),
    (DeviceAbsentError, ExitCode.DEVICE_ABSENT),
)
"""Exit codes of errors that a command lets through; the first that fits."""


class Commands(click.Group):
    """Loads a command's module only when the command is used."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All names, in the order above."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name]
        command = getattr(import_module(module), attribute)
        return command if isinstance(command, click.Command) else None


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gate-controller")
def gatectl() -> None:
    """Run, simulate and look after one e-channel gate."""


def main(arguments: list[str] | None = None, run: Callable[..., object] = gatectl) -> int:
    """Entry point of `gatectl`; the exit code is documented in the module."""
    try:
        result = run(args=arguments, prog_name="gatectl", standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        code = 130
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except GateError as error:
        for line in (error.what, f"remedy: {error.remedy}" if error.remedy else ""):
            if line:
                click.echo(f"gatectl: {line}", err=True)
        code = next((code for kind, code in EXIT_CODES if isinstance(error, kind)), ExitCode.CHECK_FAILED)
    except BrokenPipeError:
        # Whoever read our output (head, a pager) has gone; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.OK
    except Exception:  # noqa: BLE001 - the one place where a bug becomes an exit code
        traceback.print_exc()
        click.echo("gatectl: this is a bug; please report it with the lines above", err=True)
        code = ExitCode.BUG
    return code


def script() -> None:
    """Console script."""
    sys.exit(main())


if __name__ == "__main__":
    script()
