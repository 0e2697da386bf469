"""What the gate will not go back behind: the newest snapshot and delta of each region that were ever in force.

A file of its own beside the stores, so that a store that is replaced by an older one, or removed, does not take the memory along. It only
grows. Holds no secret. Whoever puts the whole directory back to an older state puts this file back, too: nothing on the same disk can
show that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gate_controller.core.values import Region
from gate_controller.enrolment.schema import Description
from gate_controller.ports.errors import StoreError

WHAT = "enrolment floor"
_FORMAT = 1
_MAX_BYTES = 4096
_REMEDY = "restore it; else put the whole directory aside and import the regions' newest snapshots and deltas"

State = tuple[int, int, int]
"""Snapshot, delta, and when the region issued it, seconds since the epoch."""


class Floor:
    """The file. Whoever writes holds the directory's lock.

    Args:
        path: The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[Region, State]:
        """The newest state of each region; empty when there is no file.

        Raises:
            StoreError: It cannot be read, or is no floor.
        """
        try:
            with self._path.open("rb") as file:
                content = json.loads(file.read(_MAX_BYTES))
            return _states(content)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._fault(error.strerror or type(error).__name__, "check the path, its permissions and the disk") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._fault("is damaged", _REMEDY) from error

    def raise_to(self, description: Description) -> None:
        """Durably remember that this state is in force; an older one changes nothing.

        Raises:
            StoreError: It cannot be remembered.
        """
        known = self.read()
        state = (*description.state, description.issued_at)
        if known.get(description.region, (0, 0, 0)) >= state:
            return
        known[description.region] = state
        content = {"format": _FORMAT, **{region.value: list(value) for region, value in known.items()}}
        draft = self._path.with_name(f"{self._path.name}.new")
        try:
            with draft.open("wb") as file:
                file.write(json.dumps(content).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            sync_directory(self._path.parent)
        except OSError as error:
            raise self._fault(error.strerror or type(error).__name__, "check the path, its permissions and the disk") from error

    def _fault(self, how: str, remedy: str) -> StoreError:
        return StoreError(f"{WHAT} {self._path}: {how}", remedy)


def require_not_older(newest: Mapping[Region, State], description: Description, path: Path) -> None:
    """Refuse a store that is older than what was in force before.

    Args:
        newest: What Floor.read() gave.
        description: What the store says of itself.
        path: The store.

    Raises:
        StoreError: It is older.
    """
    snapshot, delta, _ = newest.get(description.region, (0, 0, 0))
    if description.state < (snapshot, delta):
        region = description.region.value
        have = f"snapshot {description.snapshot} with delta {description.delta}"
        what = f"enrolment store {path}: holds {region}'s {have}, older than {snapshot} with delta {delta}, which this gate has had in force"
        raise StoreError(what, f"import {region}'s newest snapshot and deltas: gatectl enrolment import FILE...")


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut.

    Raises:
        OSError: It cannot be synced.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _states(content: dict[str, Any]) -> dict[Region, State]:
    if content.pop("format") != _FORMAT:
        raise ValueError("format")
    return {Region(name): _state(value) for name, value in content.items()}


def _state(value: list[int]) -> State:
    if [type(number) for number in value] != [int] * 3 or min(value) < 0:
        raise ValueError("state")
    snapshot, delta, issued_at = value
    return snapshot, delta, issued_at
