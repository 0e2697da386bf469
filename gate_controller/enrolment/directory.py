"""Where the enrolments lie, and how one store is swapped for the next.

    <directory>/hk.current            symbolic link to the store in force: renamed over, so it is the old one or the new one
    <directory>/hk-12-<tag>.db        one region's store: snapshot 12 and its deltas (with SQLite's -wal and -shm beside it)
    <directory>/mo.current, mo-...
    <directory>/floor                 the newest states that were ever in force
    <directory>/lock                  held while anything is changed

A store being built has its final name from the beginning and is not in force until the link names it. Each store has a name of its own,
because SQLite would apply a log that the old one left behind to a new one of the same name. Does not look into stores.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from gate_controller.core.values import Region
from gate_controller.enrolment.floor import Floor
from gate_controller.ports.durable import sync
from gate_controller.ports.errors import StoreError

WHAT = "enrolment directory"
SUFFIXES = ("", "-wal", "-shm", "-journal")
_STORE = re.compile(r"(hk|mo)-[1-9][0-9]{0,9}-[0-9a-f]{16}\.db")


class EnrolmentDirectory:
    """The directory. Making one of these touches nothing.

    Args:
        path: The directory.

    Attributes:
        floor: What the gate will not go back behind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._links = {region: str(path / f"{_prefix(region)}.current") for region in Region}
        self.floor = Floor(path / "floor")

    def link(self, region: Region) -> str | None:
        """What the region's link says, unchecked: a file name that is another as soon as another store is in force; None: there is no link.

        Raises:
            StoreError: It cannot be read.
        """
        try:
            return os.readlink(self._links[region])  # noqa: PTH115 - a fifth of the time, at each look-up
        except FileNotFoundError:
            return None
        except OSError as error:
            self.require()
            raise (self._unnamed(region) if error.errno == errno.EINVAL else self._fault(error)) from error

    def identity(self, region: Region) -> tuple[str, int, int] | None:
        """What the link says and which file that is (device, inode; zeros: none): a directory may be put aside, and another have files of the same names.

        Raises:
            StoreError: It cannot be read.
        """
        name = self.link(region)
        if name is None:
            return None
        try:
            found = os.stat(self._links[region])  # noqa: PTH116 - as above
        except OSError:
            return name, 0, 0
        return name, found.st_dev, found.st_ino

    def current(self, region: Region) -> Path | None:
        """The region's store in force, whether it is sound or not; None: there is none.

        Raises:
            StoreError: The directory is missing or no directory, or its link is not one of this program's.
        """
        name = self.link(region)
        if name is None:
            self.require()
            return None
        match = _STORE.fullmatch(name)
        if match is None or match[1] != _prefix(region):
            raise self._unnamed(region)
        return self.path / name

    def require(self) -> None:
        """Raise StoreError unless the directory is there."""
        if not self.path.is_dir():
            how = "is not a directory" if self.path.exists() else "is missing"
            msg = f"{WHAT} {self.path}: {how}"
            raise StoreError(msg, "is the path in [enrolment] right? else import: gatectl enrolment import FILE...")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from changing anything meanwhile. Makes the directory.

        Raises:
            StoreError: Another process holds it, or the directory cannot be written, or is another user's.
        """
        with self._faults():
            owner = (self.path if self.path.exists() else self.path.parent).stat().st_uid
            if os.geteuid() == 0 and owner != 0:
                # What root wrote, the gate could not change.
                msg = f"{WHAT} {self.path}: belongs to the user {owner}, and this is root"
                raise StoreError(msg, f"run this as that user: sudo -u '#{owner}' gatectl ...")
            if not self.path.exists():
                self.path.mkdir(mode=0o700)
                sync(self.path.parent)
            self.require()
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with self._faults():
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    msg = f"{WHAT} {self.path}: is being changed by another process"
                    raise StoreError(msg, "wait for it to end, then try again") from None
            yield
        finally:
            os.close(descriptor)  # and with it the lock

    def store(self, region: Region, snapshot: int, tag: bytes) -> Path:
        """The name of a store: the same snapshot and tag (8 bytes) always have the same."""
        return self.path / f"{_prefix(region)}-{snapshot}-{tag.hex()}.db"

    def swap(self, region: Region, store: Path) -> None:
        """Put a finished store into force, durably. Stores that are not in force are left to clean().

        Raises:
            StoreError: The directory cannot be written.
        """
        link = Path(self._links[region])
        draft = link.with_name(f"{link.name}.new")
        with self._faults():
            sync(self.path)  # the store's own name first
            draft.unlink(missing_ok=True)
            draft.symlink_to(store.name)
            draft.replace(link)
            sync(self.path)

    def clean(self, region: Region, keep: Path | None = None) -> None:
        """Remove the region's stores that are not in force, but for `keep`: older ones, and what killed imports left. What cannot be removed stays.

        Removes nothing while it cannot be told which is in force: the next snapshot, which mends the link, must not be refused for that.
        """
        try:
            current = self.current(region)
        except StoreError:
            return
        kept = {store.name for store in (current, keep) if store is not None}
        for path in self.path.glob(f"{_prefix(region)}-*.db*"):
            name = path.name.partition(".db")[0] + ".db"
            if name not in kept:
                with contextlib.suppress(OSError):
                    path.unlink()

    def stores(self, region: Region) -> list[Path]:
        """Every store of a region, in force or not."""
        return sorted(path for path in self.path.glob(f"{_prefix(region)}-*.db") if _STORE.fullmatch(path.name))

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._fault(error) from error

    def _unnamed(self, region: Region) -> StoreError:
        what = f"{WHAT} {self.path}: {_prefix(region)}.current does not name a store"
        return StoreError(what, "import the region's newest snapshot, also if it was in force: gatectl enrolment import FILE...")

    def _fault(self, error: OSError) -> StoreError:
        if not self.path.parent.is_dir():
            return StoreError(f"{WHAT} {self.path}: {self.path.parent} is missing", "is the path in [enrolment] right, and its disk mounted?")
        return StoreError(f"{WHAT} {self.path}: {error.strerror or type(error).__name__}", "check the path, its permissions and the disk")


def _prefix(region: Region) -> str:
    return region.value.lower()
