"""What a journal's gate signed last, in a small file of its own beside the database: `PATH.last-signed`.

    {"checkpoint": the signed note, "signed_ms": time of the last row under it}

The database alone cannot tell that its end was cut off together with the checkpoints there; compared with this file, it can. Written after the
checkpoint is durable in the database, so never ahead of it, and replaced whole. Whoever can write both files gets around it: checkpoints kept
elsewhere are for that. Does not verify the note; store.py and verify.py do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gate_controller.journal.notes import MAX_NOTE, checkpoint_size
from gate_controller.ports.durable import sync, write_new
from gate_controller.ports.errors import StoreError

_WHAT = "journal's last checkpoint"
_REMEDY = "restore it, or put it aside: the journal is then compared with its own checkpoints alone, so compare it with one kept elsewhere"
_MODE = 0o640


@dataclass(frozen=True, slots=True)
class LastSigned:
    """The last checkpoint.

    Attributes:
        note: The signed note.
        size: Rows under it.
        signed_ms: Time of the last of them, milliseconds since the epoch.
    """

    note: str
    size: int
    signed_ms: int

    def at(self) -> str:
        """The time as messages have it."""
        return datetime.fromtimestamp(self.signed_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def last_signed_beside(path: Path) -> Path:
    """Where the last checkpoint of a journal lies."""
    return path.with_name(f"{path.name}.last-signed")


def read_last_signed(path: Path) -> LastSigned | None:
    """The last checkpoint of the journal at `path`; None when nothing was signed yet, or the file is a copy without it. The signature is not looked at.

    Raises:
        StoreError: It cannot be read, or is not such a file.
    """
    place = last_signed_beside(path)
    try:
        with place.open("rb") as file:
            content = file.read(2 * MAX_NOTE)
        fields = json.loads(content)
        note, at = fields["checkpoint"], int(fields["signed_ms"])
        found = LastSigned(note, checkpoint_size(note), at)
        found.at()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{_WHAT} {place}: {error.strerror}", "give the gate's user access to it; check the disk") from error  # noqa: EM102
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise StoreError(f"{_WHAT} {place}: it is damaged", _REMEDY) from error  # noqa: EM102
    return found


def write_last_signed(path: Path, last: LastSigned) -> None:
    """Replace the last checkpoint of the journal at `path`; the old one or the new one is there whenever the power fails.

    Raises:
        StoreError: It cannot be written.
    """
    place = last_signed_beside(path)
    draft = place.with_name(f"{place.name}.new")
    content = json.dumps({"checkpoint": last.note, "signed_ms": last.signed_ms}, ensure_ascii=False)
    try:
        draft.unlink(missing_ok=True)  # left by one that was killed
        write_new(draft, f"{content}\n".encode(), _MODE)
        draft.replace(place)
        sync(place.parent)
    except OSError as error:
        raise StoreError(f"{_WHAT} {place}: {error.strerror}", "free space on its file system; the gate's user must be able to write its directory") from error  # noqa: EM102
