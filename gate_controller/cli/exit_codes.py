"""Exit codes of gatectl. Does not decide when to use them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What gatectl's exit status means."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2
    NOTHING_TO_DO = 3
    DAEMON_UNREACHABLE = 4
    NOT_PERMITTED = 5
    DEVICE_ABSENT = 6
    REFUSED_BY_STATE = 7
    CONFIGURATION = 8
    BUG = 70
