"""SQLite as the stores use it: opened by one rule, each of its errors turned into a StoreError.

Does not know any schema, and never repeats SQLite's own text: it can quote a row.

Rules: WAL with synchronous FULL, or a rollback journal with EXTRA (a commit that returned survives a power cut), no memory mapping (an I/O error
would be a SIGBUS instead of an error), a damaged page is an error rather than a guess (cell_size_check), and
nothing in the schema may call what the file's author chose (trusted_schema off). What cannot be set is an error.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from gate_controller.ports.durable import sync
from gate_controller.ports.errors import StoreError, StoreRefusedError

BUSY_TIMEOUT_S = 1.0
"""How long a statement waits for another process's lock before it is an error."""

Journal = Literal["wal", "truncate"]
SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What the module raises; the second when SQLite's message quotes a damaged schema."""

_SYNCHRONOUS: dict[Journal, int] = {"wal": 2, "truncate": 3}
"""FULL; and EXTRA, by which a rollback journal's own end survives a power cut, too."""

_ADVICE: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free space on its file system; nothing of this write was kept"),
    sqlite3.SQLITE_READONLY: ("it can only be read", "give the gate's user write access to the file and its directory; is the disk mounted read-only?"),
    sqlite3.SQLITE_PERM: ("access is not permitted", "give the gate's user access to the file and its directory"),
    sqlite3.SQLITE_AUTH: ("access is not permitted", "give the gate's user access to the file and its directory"),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", "put it aside and restore it from its source or a backup; check the disk"),
    sqlite3.SQLITE_NOTADB: ("the file is not a database", "is the path right? else put it aside and restore it from its source or a backup"),
    sqlite3.SQLITE_BUSY: ("another program holds it locked", "find the other program (fuser FILE) and end it"),
    sqlite3.SQLITE_LOCKED: ("another program holds it locked", "find the other program (fuser FILE) and end it"),
    sqlite3.SQLITE_IOERR: ("reading or writing it failed", "check the disk (dmesg, smartctl) and its free space"),
    sqlite3.SQLITE_CONSTRAINT: ("an entry breaks a rule of the file", "a bug, or somebody else wrote into the file"),
    sqlite3.SQLITE_TOOBIG: ("an entry is too large", "a bug, or the file is damaged"),
}


def connect(path: Path, what: str, mode: Literal["write", "read"], journal: Journal = "wal") -> sqlite3.Connection:
    """Open an existing database, in autocommit; the caller closes it and holds a lock if several threads use it.

    Args:
        path: The file.
        what: Its name in messages, e.g. "journal".
        mode: Also "read" needs write access to the directory, unless another process has the file open: WAL shares its
            index through a file.
        journal: How commits are made: a write-ahead log, or a rollback journal that is truncated at each commit.

    Raises:
        StoreError: It is missing, not permitted, damaged, or a setting does not read back.
    """
    with _file_errors(path, what):
        if path.is_symlink() and not path.exists():
            raise store_error(path, what, f"leads to {path.readlink()}, which is not there", "is that disk mounted? nothing is to be made in its place")
        if path.exists() and not path.is_file():
            raise store_error(path, what, "is not a regular file", "is the path in the configuration right?")
        if not path.is_file():
            raise store_error(path, what, "is missing", "is the path in the configuration right? else create or import it")
    with store_errors(path, what):
        uri = f"{path.absolute().as_uri()}?mode={'ro' if mode == 'read' else 'rw'}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
        try:
            _set_up(connection, path, what, journal)
        except BaseException:
            connection.close()
            raise
        return connection


@contextlib.contextmanager
def created(path: Path, what: str) -> Iterator[Path]:
    """Make a new database under another name and link it into place when it is complete: no half-made one is ever found.

    Yields the draft's path, an empty file that its owner may write and its group as the umask lets it (usually: read); every connection to it must be
    closed inside.

    Raises:
        StoreError: The directory is missing or not permitted, there is such a file already, or a write-ahead log of a lost
            one, which SQLite would apply to the new one.
    """
    draft = path.with_name(f"{path.name}.new")
    log = path.with_name(f"{path.name}-wal")
    with _file_errors(path, what):
        if log.exists() and log.stat().st_size:
            raise store_error(path, what, f"is gone, but its {log.name} is there", f"restore it, or move {log.name} aside")
        _remove(draft)  # left by a start that was killed
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o660))
    try:
        yield draft
        with _file_errors(path, what):
            os.link(draft, path)
            sync(path.parent)  # the name must survive a power cut, too
    finally:
        with contextlib.suppress(OSError):
            _remove(draft)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, truncated: Path | None = None) -> Iterator[None]:
    """Everything inside becomes durable together, or nothing does.

    Args:
        connection: In autocommit.
        truncated: The database's file, if its rollback journal is truncated at each commit.

    Raises:
        OSError: That journal cannot be synced.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        if truncated is not None:
            _settle(truncated.with_name(f"{truncated.name}-journal"))
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def _settle(rollback_journal: Path) -> None:
    """Make durable that the last commit ended, in case its process was killed between truncating the journal and syncing it.

    SQLite would write the next journal over the old one, whose end is still on the disk; a power cut in that moment leaves a mixture of the two, of
    which SQLite rolls back the part that fits: half a transaction. When nothing is owed, the sync costs next to nothing.
    """
    with contextlib.suppress(FileNotFoundError):
        sync(rollback_journal)


def settle_log(path: Path, what: str) -> None:
    """Make durable what a process that was killed may have left in the write-ahead log of `path` without syncing it. Call before it is opened.

    Those commits are seen from now on, so they must last. A sync needs no room on the disk, where writing the log back would.

    Raises:
        StoreError: The log cannot be synced.
    """
    with _file_errors(path, what), contextlib.suppress(FileNotFoundError):
        sync(path.with_name(f"{path.name}-wal"))
        sync(path.parent)  # the log's name


@contextlib.contextmanager
def store_errors(path: Path, what: str) -> Iterator[None]:
    """Turn sqlite3's errors into a StoreError about `what` at `path`."""
    try:
        yield
    except SQLITE_ERRORS as error:
        raise translated(error, path, what) from error


@contextlib.contextmanager
def _file_errors(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = "check the path, its permissions and the disk; the directory must exist"
        raise store_error(path, what, error.strerror or type(error).__name__, remedy) from error


def store_error(path: Path, what: str, how: str, remedy: str) -> StoreError:
    """A StoreError about `what` at `path`: one line how it failed, one line of remedy."""
    return StoreError(f"{what} {path}: {how}", remedy)


def translated(error: Exception, path: Path, what: str) -> StoreError:
    """An error of sqlite3 as a StoreError about `what` at `path`, for who cannot afford store_errors()."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # raised by the Python module: a closed connection, a column that is not UTF-8
        return store_error(
            path,
            what,
            f"unusable ({type(error).__name__})",
            "a bug (used after it was closed), or the file is damaged: restore it from its source or a backup",
        )
    primary = code & 0xFF
    name = getattr(error, "sqlite_errorname", str(code))
    if primary == sqlite3.SQLITE_CANTOPEN:
        return store_error(path, what, f"cannot be opened ({name})", _why_not_opened(path))
    if primary in _ADVICE:
        text, remedy = _ADVICE[primary]
        return store_error(path, what, f"{text} ({name})", remedy)
    if primary in _FOR_WHAT_IT_IS:
        return StoreRefusedError(f"{what} {path}: the row is refused by SQLite ({name})", "a bug: send a support bundle")
    return store_error(path, what, f"refused by SQLite ({name})", "not made by this program, by another version of it, or damaged")


_FOR_WHAT_IT_IS = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH}
"""Errors that a row meets for what it is, in a database that works."""


def _why_not_opened(path: Path) -> str:
    if not path.parent.is_dir():
        return f"make the directory {path.parent}"
    if not path.exists():
        return "is the path in the configuration right? else create or import it"
    return "give the gate's user write access to the file and its directory"


def _remove(draft: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)


def _set_up(connection: sqlite3.Connection, path: Path, what: str, journal: Journal) -> None:
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", f"synchronous={_SYNCHRONOUS[journal]}", "wal_autocheckpoint=1000"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    # On a connection that may only read, this reports the mode it finds.
    mode = connection.execute(f"PRAGMA journal_mode={journal}").fetchone()[0]
    synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    if (mode, synchronous) != (journal, _SYNCHRONOUS[journal]):
        how = f"journal mode {journal} or full synchronisation cannot be switched on"
        raise store_error(path, what, how, "put it on a local disk, network file systems cannot do it; end any other program that holds it")
