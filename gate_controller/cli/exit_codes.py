"""Exit codes of gatectl. Does not decide when to use them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What gatectl's exit status means."""

    OK = 0
    """Done; for a check: nothing fails."""
    CHECK_FAILED = 1
    """A check failed, or a device or the gate could not do what was asked."""
    USAGE = 2
    """A mistake in the command line; nothing was done."""
    NOTHING_TO_DO = 3
    """There was nothing to do, or what was asked for is not there."""
    DAEMON_UNREACHABLE = 4
    """No gate controller answers, or one of another version."""
    NOT_PERMITTED = 5
    """This user may not: no role in the gate, or no right to the device."""
    DEVICE_ABSENT = 6
    """The device is not there."""
    REFUSED_BY_STATE = 7
    """The lane's state does not allow it; nothing was done."""
    CONFIGURATION = 8
    """The configuration, or a store that it names, cannot be used."""
    BUG = 70
    """A bug; the only case with a traceback."""
