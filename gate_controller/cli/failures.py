"""Which exit code an error has, and how it is told. Imported when there is an error: a command that succeeds does not wait for it."""

from __future__ import annotations

from gate_controller.cli.exit_codes import ExitCode
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


def exit_code_of(error: GateError) -> ExitCode:
    """The exit code of an error that a command lets through."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), ExitCode.CHECK_FAILED)


def lines_of(error: GateError) -> list[str]:
    """What is wrong and what helps, a line each, without what a terminal might take for a command: some of it a device or another program has said."""
    return [one_line(line) for line in (*error.what.splitlines(), f"remedy: {error.remedy}" if error.remedy else "") if line]
