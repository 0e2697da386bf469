"""What the gate will not go back behind: the newest snapshot and delta of each region that were ever in force.

A file of its own beside the stores, so that a store that is replaced by an older one, or removed, does not take the memory along. It only
grows. Holds no secret, but a proof by the master key: it cannot be made up, and one that is not there although a store is in force has been
removed. Whoever has an older copy of the store and of this file puts both back: nothing on the same disk can show that.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gate_controller.core.values import Region
from gate_controller.enrolment.keys import MasterKey, derive
from gate_controller.enrolment.schema import Description
from gate_controller.ports.durable import sync
from gate_controller.ports.errors import StoreError

WHAT = "enrolment floor"
_FORMAT = 2
_MAX_BYTES = 4096
_ANEW = "put the whole directory aside and import the regions' newest snapshots and deltas"
_REMEDY = f"restore it; else {_ANEW}"

State = tuple[int, int, int]
"""Snapshot, delta, and when the region issued it, seconds since the epoch."""
NEVER: State = (0, 0, 0)
"""Of a region whose first store is about to be put into force: it is known, and nothing is asked of it."""


class Floor:
    """The file. Whoever writes holds the directory's lock.

    Args:
        path: The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, master: MasterKey) -> dict[Region, State]:
        """The newest state of each region; empty when there is no file.

        Raises:
            StoreError: It cannot be read, is no floor, or was not written with this master key.
        """
        try:
            with self._path.open("rb") as file:
                content = json.loads(file.read(_MAX_BYTES))
            key_id, proof = content.pop("key"), bytes.fromhex(content.pop("proof"))
            states = _states(content)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._fault(error.strerror or type(error).__name__, "check the path, its permissions and the disk") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._fault("is damaged", _REMEDY) from error
        if key_id != master.key_id.hex():
            how = f"was written with another master key than {master.source}"
            raise self._fault(how, f"give the gate the key it had; else {_ANEW}")
        if not hmac.compare_digest(proof, _proof(states, master)):
            raise self._fault("is damaged or tampered with", _REMEDY)
        return states

    def know(self, region: Region, master: MasterKey) -> None:
        """Durably remember that the region has a store, before its first is put into force: from then on a floor without it was tampered with.

        Raises:
            StoreError: It cannot be remembered.
        """
        known = self.read(master)
        if region not in known:
            self._write({**known, region: NEVER}, master)

    def raise_to(self, description: Description, master: MasterKey) -> None:
        """Durably remember that this state is in force; an older one changes nothing.

        Raises:
            StoreError: It cannot be remembered.
        """
        known = self.read(master)
        state = (*description.state, description.issued_at)
        if known.get(description.region, NEVER) < state:
            self._write({**known, description.region: state}, master)

    def _write(self, states: Mapping[Region, State], master: MasterKey) -> None:
        content = {"format": _FORMAT, **_listed(states), "key": master.key_id.hex(), "proof": _proof(states, master).hex()}
        draft = self._path.with_name(f"{self._path.name}.new")
        try:
            with draft.open("wb") as file:
                file.write(json.dumps(content).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            sync(self._path.parent)
        except OSError as error:
            raise self._fault(error.strerror or type(error).__name__, "check the path, its permissions and the disk") from error

    def _fault(self, how: str, remedy: str) -> StoreError:
        return StoreError(f"{WHAT} {self._path}: {how}", remedy)


def require_not_older(newest: Mapping[Region, State], description: Description, path: Path) -> None:
    """Refuse a store that is older than what was in force before, or that the floor does not know.

    Args:
        newest: What Floor.read() gave.
        description: What the store says of itself.
        path: The store.

    Raises:
        StoreError: It is older, or the floor was removed or replaced.
    """
    if description.region not in newest:
        what = f"{WHAT} {path.parent / 'floor'}: does not know the enrolments of {description.region.value}, which are in force: it was removed or replaced"
        raise StoreError(what, "import the region's newest snapshot and deltas, also if they are in force: gatectl enrolment import FILE...")
    snapshot, delta, _ = newest[description.region]
    if description.state < (snapshot, delta):
        region = description.region.value
        have = f"snapshot {description.snapshot} with delta {description.delta}"
        what = f"enrolment store {path}: holds {region}'s {have}, older than {snapshot} with delta {delta}, which this gate has had in force"
        raise StoreError(what, f"import {region}'s newest snapshot and deltas: gatectl enrolment import FILE...")


def _listed(states: Mapping[Region, State]) -> dict[str, list[int]]:
    return {region.value: list(state) for region, state in states.items()}


def _proof(states: Mapping[Region, State], master: MasterKey) -> bytes:
    """BLAKE2b-256, keyed, over what is remembered."""
    text = json.dumps(_listed(states), sort_keys=True).encode()
    return hashlib.blake2b(text, key=derive(master.secret, "enrolment/floor/1"), digest_size=32).digest()


def _states(content: dict[str, Any]) -> dict[Region, State]:
    if content.pop("format") != _FORMAT:
        raise ValueError("format")
    return {Region(name): _state(value) for name, value in content.items()}


def _state(value: list[int]) -> State:
    if [type(number) for number in value] != [int] * 3 or min(value) < 0:
        raise ValueError("state")
    snapshot, delta, issued_at = value
    return snapshot, delta, issued_at
