"""gatectl: the list of commands. Each group lives in a module of its own; library code never imports click.

Exit codes: 0 ok, 1 a check failed, 2 usage, 3 nothing to do, 4 daemon unreachable, 5 not permitted, 6 device absent,
7 refused by the gate's state, 8 configuration, 70 a bug. A traceback is printed for a bug only.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import fcntl
import io
import os
import resource
import sys
import traceback
from collections.abc import Callable
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.json_output import asks_for_json
from gate_controller.cli.width import fitted
from gate_controller.ports.errors import GateError

_CLI = "gate_controller.cli"
_OUTPUT_FAILS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A file that output is sent to can take no more. Of a command's own files, the command says so itself, with their names."""
COMMANDS: dict[str, tuple[str, str, str]] = {
    "status": (f"{_CLI}.status", "status_command", "What the lane does, its doors and devices, and how fresh its trust is."),
    "events": (f"{_CLI}.status", "events_command", "What has happened, and what happens."),
    "doctor": (f"{_CLI}.doctor", "doctor_command", "Find out what is wrong with this gate, and what to do."),
    "officer": (f"{_CLI}.officer", "officer_group", "Answer an officer call, or act on the lane."),
    "lanes": (f"{_CLI}.lanes", "lanes_command", "Many gates at a glance: who calls, what is in trouble."),
    "whoami": (f"{_CLI}.whoami", "whoami_command", "Your roles on this gate, and what they allow."),
    "maintenance": (f"{_CLI}.maintenance", "maintenance_group", "Take the lane for maintenance, or give it back."),
    "camera": (f"{_CLI}.camera", "camera_group", "Look through a camera, in maintenance with an empty chamber."),
    "qr": (f"{_CLI}.device_tests", "qr_group", "Try the QR camera and the decoder."),
    "fingerprint": (f"{_CLI}.device_tests", "fingerprint_group", "Look at the fingerprint module, and try it."),
    "face": (f"{_CLI}.device_tests", "face_group", "Try the face camera and the face matcher."),
    "io": (f"{_CLI}.contacts", "io_group", "What the I/O board reports: doors, beams, loops, people counter."),
    "door": (f"{_CLI}.door", "door_group", "Open and close a door once, where no gate controller runs."),
    "keys": (f"{_CLI}.keys", "keys_group", "The regions' keys and status lists on this gate."),
    "enrolment": (f"{_CLI}.enrolment", "enrolment_group", "The enrolments on this gate."),
    "enrol": (f"{_CLI}.enrol", "enrol_command", "The self-service desk: enrol one person."),
    "pass": (f"{_CLI}.passes", "pass_group", "Look into QR passes, and verify them as this gate would."),
    "journal": (f"{_CLI}.journal", "journal_group", "Look at the journal, verify it, hand parts of it on."),
    "replay": (f"{_CLI}.replay", "replay_command", "Derive a recorded decision again."),
    "config": (f"{_CLI}.config", "config_group", "Check, explain and compare the configuration."),
    "install": (f"{_CLI}.install", "install_group", "Look at the installation of this gate PC, and switch versions."),
    "bundle": (f"{_CLI}.bundle", "bundle_command", "Pack what support needs, without personal data."),
    "run": (f"{_CLI}.run", "run_command", "Run the gate controller."),
    "simulate": (f"{_CLI}.simulate", "simulate_command", "Simulate a lane with travellers."),
    "diagram": (f"{_CLI}.diagram", "diagram_command", "The crossing as a state diagram."),
    "completion": (f"{_CLI}.completion", "completion_command", "Completion for bash, zsh or fish."),
}
"""Name of the command: module, object, and what the list of commands says of it, so that neither a status nor the list waits for the vision libraries."""


class Commands(click.Group):
    """Loads a command's module only when the command is used."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All names, in the order above."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        command = getattr(import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, _, what) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands, without loading any: somebody waits for the answer to a key."""
        names = [CompletionItem(name, help=what) for name, (_, _, what) in COMMANDS.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest names for one that does not exist."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            message = f"no such command: {args[0]}{f'; did you mean {near[0]}?' if near else ''}"
            raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gate-controller")
def gatectl() -> None:
    """Run, simulate and look after one e-channel gate."""


def main(arguments: list[str] | None = None, run: Callable[..., object] = gatectl) -> int:
    """Entry point of `gatectl`; the exit code is documented in the module."""
    stdout = sys.stdout
    as_json = asks_for_json(sys.argv[1:] if arguments is None else arguments)
    try:
        result = run(args=arguments, prog_name="gatectl", standalone_mode=False, **_colour())
        code = result if isinstance(result, int) else 0
    except click.ClickException as error:
        from gate_controller.cli.failures import misused

        code = misused(error, as_json)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        code = 130
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except GateError as error:
        from gate_controller.cli.failures import failed

        code = failed(error, as_json)
    except BrokenPipeError:
        # Whoever read our output (head, a pager) has gone; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.OK
    except OSError as error:
        if not _of_the_output(error):
            return _bug(error, as_json)
        code = _unwritten(error)
    except SystemExit:
        if sys.stdout is stdout:
            raise
        # click has put another in its place, as it does when the reader has gone, and would end with 1.
        code = ExitCode.OK
    except Exception as error:  # noqa: BLE001 - the one place where a bug becomes an exit code
        return _bug(error, as_json)
    return code


def _bug(error: Exception, as_json: bool) -> ExitCode:
    """To be called where an exception is handled. What the exception says stays on standard error: it may quote what was worked on."""
    traceback.print_exc()
    click.echo("gatectl: this is a bug; please report it with the lines above", err=True)
    if as_json:
        from gate_controller.cli.failures import BUG_REMEDY, print_failure

        print_failure(ExitCode.BUG, type(error).__name__, BUG_REMEDY, {"reason": "bug"})
    return ExitCode.BUG


def _of_the_output(error: OSError) -> bool:
    """Whether the error is of standard output, not of a file that a command works on, nor a bug."""
    if error.filename is not None:
        return False
    if error.errno == errno.EBADF:  # it was closed, or opened for reading
        with contextlib.suppress(OSError):  # what stands for it has no descriptor
            return fcntl.fcntl(sys.stdout.fileno(), fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    return error.errno in _OUTPUT_FAILS


def _unwritten(error: OSError) -> ExitCode:
    """What was to be told could not be written: nothing of the kind is a success in a script. What is still kept must not be tried once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    click.echo(f"gatectl: the output cannot be written: {error.strerror}", err=True)
    click.echo("gatectl: remedy: make room where it goes, or send it elsewhere", err=True)
    return ExitCode.CHECK_FAILED


def _colour() -> dict[str, bool]:
    """No colour where the terminal or its user wants none (no-color.org); else click decides by whether it is a terminal."""
    return {"color": False} if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else {}


def script() -> None:
    """Console script. What a terminal without UTF-8 cannot show is shown as an escape, not as a crash.

    A crash of a library leaves no memory on the disk: keys, templates and pictures may be in it (the units have LimitCORE=0).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    closed = sys.stdout is None
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:  # it was closed before we were started
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))
    if closed:  # what is told there must fail, or it would seem done; the descriptor itself takes anything, for programs that are started from here
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = fitted(sys.stdout, sys.argv[1:]), fitted(sys.stderr, sys.argv[1:], told=False)
    code = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        code = _unwritten(error)
    sys.exit(code)


if __name__ == "__main__":
    script()
