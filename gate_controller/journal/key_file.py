"""Making a journal's private key, as a file. Does not read one: notes.py does; does not make systemd credentials."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gate_controller.journal.notes import WHAT, Signer
from gate_controller.ports.durable import sync, write_new
from gate_controller.ports.errors import StoreError
from gate_controller.ports.secret_file import SECRET_BYTES

UNNAMED = "e-channel/unnamed/journal"


def origin_of(gate_id: str) -> str:
    """The origin of a gate's journal: one name, no spaces, unique as the gate's id is."""
    return f"e-channel/{gate_id}/journal"


def make_key(path: Path) -> None:
    """Make a new private key, readable by its owner alone. Never replaces one. It is whole or not there, also after a power cut; on return it is there.

    Raises:
        StoreError: There is such a file already, or it cannot be written.
    """
    draft = path.with_name(f"{path.name}.new")
    try:
        draft.unlink(missing_ok=True)  # left by one that was killed
        try:
            write_new(draft, f"{secrets.token_hex(SECRET_BYTES)}\n".encode(), 0o600)
            os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        sync(path.parent)
    except FileExistsError as error:
        raise StoreError(f"{WHAT} {path}: there is one already", "a journal keeps its key: go on with it") from error  # noqa: EM102
    except OSError as error:
        raise StoreError(f"{WHAT} {path}: {error.strerror}", "the directory must exist and be writable") from error  # noqa: EM102


def key_beside(path: Path) -> Path:
    """Where the key of a journal lies that has one beside it."""
    return path.with_name(f"{path.name}.key")


def signer_beside(path: Path, origin: str = UNNAMED) -> Signer:
    """The signer of a journal whose key lies beside it, made when it is missing: for simulations and tests.

    Raises:
        StoreError: The key cannot be made or used.
    """
    key = key_beside(path)
    if not os.path.lexists(key):
        make_key(key)
    return Signer.from_file(origin, key)
