"""A 32-byte secret from outside: a file that only its owner may read, or a systemd credential.

Does not make secrets (`systemd-creds`, `openssl rand` do) and does not know what they are for.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gate_controller.ports.errors import StoreError

SECRET_BYTES = 32
_MAX_FILE_BYTES = 256
_REMEDY = "32 random bytes, raw or as 64 hexadecimal digits, e.g. openssl rand -hex 32"


def read_secret_file(path: Path, what: str) -> bytes:
    """The secret in a file of mode 0600 or 0400.

    Args:
        path: The file.
        what: Its name in messages, e.g. "master key".

    Raises:
        StoreError: Missing, not a regular file, open to others, or not 32 bytes.
    """
    return _read(path, what, allowed=stat.S_IRUSR | stat.S_IWUSR, why="only its owner may read it: chmod 600")


def read_credential(name: str, what: str, section: str) -> bytes:
    """The secret in a systemd credential (LoadCredentialEncrypted= in the unit).

    systemd gives a service with User= access by an ACL, which shows as the group's read bit, so 0440 is accepted
    here; nobody else can enter the directory.

    Args:
        name: The credential's name.
        what: As in read_secret_file().
        section: The configuration's table that may name a file instead, for the remedy.

    Raises:
        StoreError: Not started with credentials, or no such credential, or not 32 bytes.
    """
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        how = "not among the credentials: $CREDENTIALS_DIRECTORY is not set"
        raise _unusable(name, what, how, f"start the gate as its systemd unit, or name a key file in [{section}]")
    if not name or "/" in name or name.startswith("."):
        raise _unusable(name, what, "not the name of a credential", "a plain name as in LoadCredentialEncrypted=NAME")
    allowed = stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP
    return _read(Path(directory, name), what, allowed=allowed, why="systemd makes it 0400 or 0440")


def _read(path: Path, what: str, *, allowed: int, why: str) -> bytes:
    try:
        # O_NONBLOCK: a FIFO put in its place must not stop the gate.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            content = os.read(descriptor, _MAX_FILE_BYTES) if stat.S_ISREG(found.st_mode) else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        remedy = "is the path right, and may the gate's user read it?"
        raise _unusable(path, what, error.strerror or "cannot be read", remedy) from error
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(path, what, "not a regular file", _REMEDY)
    mode = stat.S_IMODE(found.st_mode)
    if mode & ~allowed:
        raise _unusable(path, what, f"mode {mode:04o} lets others at it", why)
    if found.st_uid not in {0, os.geteuid()}:
        raise _unusable(path, what, "belongs to another user", "it must belong to the gate's user or to root")
    return _parse(content, path, what)


def _parse(content: bytes, path: Path, what: str) -> bytes:
    try:
        secret = bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        # 32 hexadecimal digits, which are half a key, never get here: they would pass for 32 raw bytes.
        secret = content
    if len(secret) != SECRET_BYTES or not any(secret):
        raise _unusable(path, what, "not a key of 32 bytes", _REMEDY)
    return secret


def _unusable(source: Path | str, what: str, how: str, remedy: str) -> StoreError:
    return StoreError(f"{what} {source}: {how}", remedy)
