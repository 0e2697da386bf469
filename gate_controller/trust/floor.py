"""The floor: what this gate has seen and will not go back behind. One SQLite file of its own, outside the cache.

    versions   the highest version of each role's metadata that was ever in force
    time       the latest time seen on the wall clock, and the latest time that a region has signed (the iat of a status list)

The cache can be wiped, and the clock put back, by whoever has the gate to themselves for a minute. Without a memory an old stick would
then bring withdrawn keys back. Everything here only grows, with one exception: forget_time(), for a clock that was wrong and ahead.

A missing, damaged or foreign file is a StoreError and never replaced; it is made once, when the gate is installed. Several processes may
write at the same time: each write is a maximum taken by SQLite itself. Rollback journal, as the replay memory has it and for its reasons.

Does not verify anything, does not read the clock.
"""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

from gate_controller.ports.errors import StoreError
from gate_controller.ports.sqlite import connect, created, store_error, store_errors, transaction
from gate_controller.trust.errors import TrustError
from gate_controller.trust.names import metadata_name
from gate_controller.trust.owner import refuse_root_at

MAX_VERSION = (1 << 31) - 1
"""One publish a second for 68 years. A version beyond it would leave no room for a next one."""
MAX_TIME = 1 << 33

_APPLICATION_ID = 0x45434654
_SCHEMA_VERSION = 1
_WHAT = "trust floor"
_SCHEMA = (
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_SCHEMA_VERSION}",
    f"CREATE TABLE versions (role TEXT PRIMARY KEY, version INTEGER NOT NULL CHECK (version BETWEEN 1 AND {MAX_VERSION})) STRICT",
    f"""CREATE TABLE time (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        observed REAL NOT NULL CHECK (observed BETWEEN 0 AND {MAX_TIME}),
        signed REAL NOT NULL CHECK (signed BETWEEN 0 AND {MAX_TIME})
    ) STRICT""",
)
_MAKE_IT = "was trust ever installed here? then restore the file; else make it once: gatectl keys init"
_DAMAGED = "restore it from a backup, or put it aside and make a new one: gatectl keys init; then import current trust before anything else"
_OLDER = "import current trust: this gate never goes back to an older state"
_SET_CLOCK = "set the gate's clock"


class Floor:
    """One floor file. May be used from several threads and processes. Made by open() or create()."""

    def __init__(self, path: Path, mode: Literal["write", "read"] = "write") -> None:
        """Open the file; open() says the same in better words."""
        self._path = path
        self._mode = mode
        self._lock = threading.Lock()
        with self._faults():
            self._identity = self._look()
            self._db = connect(path, _WHAT, mode, "truncate")
        try:
            with self._faults():
                self._check()
        except StoreError:
            self._db.close()
            raise

    @classmethod
    def create(cls, path: Path, now: float) -> Self:
        """Make the file, with `now` (seconds since the epoch) as the latest time seen, and open it.

        Raises:
            StoreError: There is one already, the directory is missing, may not be written or is not this user's, or `now` is no time.
        """
        if path.exists() or path.is_symlink():
            raise store_error(path, _WHAT, "is there already", "keep it: a new one would forget what this gate must never take again")
        _require_time(path, now)
        refuse_root_at(path.parent, f"{_WHAT} {path}")
        with store_errors(path, _WHAT), created(path, _WHAT) as draft, contextlib.closing(connect(draft, _WHAT, "write", "truncate")) as db, transaction(db):
            for statement in _SCHEMA:
                db.execute(statement)
            db.execute("INSERT INTO time VALUES (1, ?, 0)", (now,))
        return cls(path)

    @classmethod
    def open(cls, path: Path, mode: Literal["write", "read"] = "write") -> Self:
        """Open an existing file.

        Args:
            path: The file.
            mode: "read" for whoever only looks, and may have no right to do more.

        Raises:
            StoreError: It is missing, not permitted, damaged, or not a floor file of this version.
        """
        return cls(path, mode)

    def versions(self) -> dict[str, int]:
        """Highest version ever in force, by role; empty before the first import.

        Raises:
            StoreError: The file cannot be read.
        """
        with self._lock, self._faults():
            return dict(self._db.execute("SELECT role, version FROM versions").fetchall())

    def require(self, versions: Mapping[str, int], source: str) -> None:
        """Refuse metadata that is older than what was in force before.

        Args:
            versions: Version by role.
            source: Where they were read, as messages call it.

        Raises:
            TrustError: A role is older, or gone; the message names it.
            StoreError: The file cannot be read.
        """
        require_not_older(versions, self.versions(), source)

    def raise_versions(self, versions: Mapping[str, int]) -> None:
        """Durably remember that these versions (by role) are in force; lower ones change nothing.

        Raises:
            StoreError: They cannot be remembered.
        """
        known = self.versions()
        higher = [(role, version) for role, version in versions.items() if version > known.get(role, 0)]
        self._write("INSERT INTO versions VALUES (?, ?) ON CONFLICT (role) DO UPDATE SET version = max(version, excluded.version)", *higher)

    def latest_seen(self) -> float:
        """The latest time, observed or signed, in seconds since the epoch.

        Raises:
            StoreError: The file cannot be read.
        """
        with self._lock, self._faults():
            return self._time("max(observed, signed)")

    def saw(self, wall: float) -> None:
        """Durably remember a time on the wall clock (seconds since the epoch); an earlier one changes nothing.

        Raises:
            StoreError: It cannot be remembered, or is no time.
        """
        self._saw("observed", wall)

    def saw_signed(self, at: float) -> None:
        """Durably remember a time that a region has signed (seconds since the epoch): it is later than that now, whatever the clock says.

        Raises:
            StoreError: It cannot be remembered, or is no time.
        """
        self._saw("signed", at)

    def forget_time(self, now: float) -> float:
        """Take `now` (seconds since the epoch) for the latest time seen, because the clock was ahead; what was signed stays.

        Returns:
            latest_seen() from now on.

        Raises:
            StoreError: It cannot be changed, or `now` is no time.
        """
        _require_time(self._path, now)
        self._write("UPDATE time SET observed = ?", (now,))
        return self.latest_seen()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _saw(self, column: Literal["observed", "signed"], at: float) -> None:
        _require_time(self._path, at)
        with self._lock, self._faults():
            known = self._time(column)
        if at > known:
            self._write(f"UPDATE time SET {column} = max({column}, ?)", (at,))  # noqa: S608 - one of two literals

    def _write(self, statement: str, *rows: tuple[object, ...]) -> None:
        with self._lock, self._faults():
            if self._look() != self._identity:
                raise self._fault("was replaced while in use", "restart the controller")
            with transaction(self._db, self._path):
                self._db.executemany(statement, rows)

    def _time(self, which: Literal["observed", "signed", "max(observed, signed)"]) -> float:
        row = self._db.execute(f"SELECT {which} FROM time").fetchone()  # noqa: S608 - one of three literals
        if row is None:
            raise self._fault("has lost the time", _DAMAGED)
        at: float = row[0]
        return at

    def _look(self) -> tuple[int, int]:
        """Device and inode of the file; refuses what SQLite would take for a new database."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            raise self._fault("is missing", _MAKE_IT) from None
        if not stat.S_ISREG(status.st_mode):
            raise self._fault("is not a regular file", "name a file in the configuration")
        if status.st_size == 0:
            raise self._fault("is empty: it was truncated", _DAMAGED)
        return status.st_dev, status.st_ino

    def _check(self) -> None:
        """Refuse what is not a sound floor; if it is to be written, write once, so that a file one can only read is found out now."""
        if (self._pragma("application_id"), self._pragma("user_version")) != (_APPLICATION_ID, _SCHEMA_VERSION):
            raise self._fault("is not a trust floor of this version", "is the path in [keys] right?")
        if self._pragma("integrity_check(1)") != "ok":
            raise self._fault("fails SQLite's integrity check", _DAMAGED)
        self._time("observed")
        if self._mode == "write":
            with transaction(self._db, self._path):
                self._db.execute("UPDATE time SET observed = observed")

    def _pragma(self, name: str) -> object:
        value: object = self._db.execute(f"PRAGMA {name}").fetchone()[0]
        return value

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            with store_errors(self._path, _WHAT):
                yield
        except StoreError as error:
            if getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise self._fault("the file is damaged", _DAMAGED) from error
            raise
        except OSError as error:
            raise self._fault(error.strerror or type(error).__name__, "check the path, its permissions and the disk") from error

    def _fault(self, how: str, remedy: str) -> StoreError:
        return store_error(self._path, _WHAT, how, remedy)


def require_not_older(versions: Mapping[str, int], lowest: Mapping[str, int], source: str) -> None:
    """Refuse metadata of an older version than the lowest that is taken.

    Args:
        versions: Version by role.
        lowest: Lowest version by role.
        source: Where the versions were read, as messages call it.

    Raises:
        TrustError: A role is older, or gone; the message names source and file.
    """
    for role, least in sorted(lowest.items()):
        version = versions.get(role, 0)
        if version < least:
            file = f"{metadata_name(role, version)}: " if version else ""
            msg = f"{source}: {file}{role} has version {version}, older than {least}, which this gate has had in force"
            raise TrustError(msg, _OLDER)


def _require_time(path: Path, at: float) -> None:
    if not 0 <= at <= MAX_TIME:  # also what is not a number
        raise store_error(path, _WHAT, f"{at!r} is no time that a clock may show", _SET_CLOCK)
