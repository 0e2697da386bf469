"""Log lines with their fields for systemd's journal, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram an entry.

Fields are MESSAGE, PRIORITY, SYSLOG_IDENTIFIER and each of the event's own as GATE_<NAME>, so that
`journalctl GATE_DEVICE=io_board` finds what `journalctl -u gate-controller` shows. Does not decide what may be logged. Sending waits while the
journal is busy: it is for a thread that may (background_log.py).
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping, MutableMapping
from typing import Any

ADDRESS = "/run/systemd/journal/socket"
FIELD_BYTES = 32 * 1024
"""Longest value: an entry must fit into one datagram. Only a traceback comes near it; its end is what is cut off."""
PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9_]")


def is_ours(descriptor: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written to the descriptor goes to the journal: $JOURNAL_STREAM names its device and inode (systemd.exec(5))."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def entry(identifier: str, event: MutableMapping[str, Any]) -> bytes:
    """One entry, as the journal takes it.

    Args:
        identifier: Name of the program.
        event: The event's fields: "event", "level", and its own.
    """
    fields = dict(event)
    message, level = str(fields.pop("event", "")), str(fields.pop("level", "info"))
    own = {name: value for name, value in fields.items() if value is not None}
    told = " ".join(f"{name}={_shown(value)}" for name, value in own.items() if name != "exception")
    data = {
        "MESSAGE": "\n".join(filter(None, (f"{message} {told}".strip(), str(own.get("exception", ""))))),
        "PRIORITY": str(PRIORITIES.get(level, 6)),
        "SYSLOG_IDENTIFIER": identifier,
        **{f"GATE_{_NOT_IN_NAMES.sub('_', name.upper())}"[:64]: str(value) for name, value in own.items()},
    }
    return b"".join(_field(name, value) for name, value in data.items())


class JournalSocket:
    """Sends entries; for one thread."""

    def __init__(self, address: str = ADDRESS) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def send(self, data: bytes) -> None:
        """Send one entry; waits while the journal is busy.

        Raises:
            OSError: The journal is not there, or does not take it.
        """
        self._socket.sendto(data, self._address)


def _shown(value: object) -> str:
    text = str(value)
    return text if text and " " not in text and "=" not in text and '"' not in text else '"' + text.replace('"', '\\"') + '"'


def _field(name: str, value: str) -> bytes:
    """NAME=value, or, for a value of several lines, its length in 64 bits, little-endian, before it."""
    data = value.encode(errors="backslashreplace")[:FIELD_BYTES]
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
