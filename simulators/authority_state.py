"""What the simulated authorities keep between two commands.

    DIR/authority.json    seed, generations of the keys, pass keys, status lists; mode 0600
    DIR/authority.lock    held while a command works
    DIR/root.json         the root metadata that gates pin
    DIR/repository/       what is published: a mirror's document root

Private keys are nowhere: they follow from the seed. Does not publish by itself, does not print.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gate_controller.core.values import Region
from gate_controller.ports.errors import RefusedByStateError, StoreError
from gate_controller.ports.trust import PassStatus
from simulators.authority import Authorities, Authority
from simulators.repository import NEVER_FOR_PRODUCTION, THRESHOLDS, RegionState, Remembered, TrustRepository

STATE, LOCK, PINNED, PUBLISHED = "authority.json", "authority.lock", "root.json", "repository"
SIMULATED = f"simulated: {NEVER_FOR_PRODUCTION}"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
"""Names of keys and lists: they become file names, on FAT too."""

Second = Annotated[int, Field(ge=0, le=1 << 33)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Key(_Strict):
    name: str
    not_before: Second
    not_after: Second


class _StatusList(_Strict):
    bits: Literal[1, 2, 4, 8]
    size: Annotated[int, Field(ge=1, le=1 << 24)]
    statuses: dict[str, Literal["INVALID", "SUSPENDED", "APPLICATION_SPECIFIC"]]


class _Region(_Strict):
    keys: list[_Key]
    enrolment_keys: list[_Key] = []
    lists: dict[str, _StatusList]


class _State(_Strict):
    note: str
    format: Literal[1]
    seed: str
    generations: dict[str, Annotated[int, Field(ge=0, le=10_000)]]
    regions: dict[Literal["HK", "MO"], _Region]


class Headquarters:
    """The authorities' directory while one command has it, with the repository open."""

    def __init__(self, directory: Path, repository: TrustRepository) -> None:
        self.directory = directory
        self.repository = repository

    @property
    def pinned_root(self) -> tuple[Path, str]:
        """The root metadata for a gate to pin, and its SHA-256."""
        path = self.directory / PINNED
        return path.resolve(), hashlib.sha256(path.read_bytes()).hexdigest()

    def save(self) -> None:
        """Write the state, durably and at once."""
        repository = self.repository
        regions = {region.value: _remembered(state) for region, state in repository.regions.items()}
        state = _State.model_validate(
            {"note": SIMULATED, "format": 1, "seed": repository.authorities.seed, "generations": repository.generations, "regions": regions}
        )
        new = self.directory / (STATE + ".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(state.model_dump_json(indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.directory / STATE)

    def key(self, region: Region, name: str) -> Authority:
        """The region's pass key of that name, published or not."""
        return Authority(region, self.repository.authorities.seed, name)


def create(directory: Path, seed: str, now: float) -> Headquarters:
    """Make two new authorities and publish their first repository.

    Raises:
        RefusedByStateError: The directory has something in it.
    """
    if directory.is_dir() and any(directory.iterdir()):
        raise RefusedByStateError(f"{directory} is not empty", "name a new directory, or remove that one")  # noqa: EM102
    directory.mkdir(parents=True, exist_ok=True)
    headquarters = Headquarters(directory, TrustRepository(directory / PUBLISHED, Authorities(seed), now))
    (directory / PINNED).write_bytes(headquarters.repository.first_root)
    headquarters.save()
    return headquarters


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[Headquarters]:
    """Work on authorities made before; waits for another command to end. What they have become is saved at the end, unless there was an error.

    Raises:
        StoreError: There are none, or their files are damaged.
    """
    path = directory / STATE
    if not path.is_file():
        raise StoreError(f"{directory} has no {STATE}", f"gate-authority create {directory}")  # noqa: EM102
    with (directory / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        headquarters = Headquarters(directory, _load(path))
        yield headquarters
        headquarters.save()


def _load(path: Path) -> TrustRepository:
    try:
        state = _State.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        what = f"{path} is damaged: {where + ': ' if where else ''}{first['msg']}"
        raise StoreError(what, "restore it, or make new authorities in an empty directory") from None
    if set(state.generations) != set(THRESHOLDS) or len(state.regions) != len(Region):
        raise StoreError(f"{path} is damaged: a role or a region is missing", "restore it, or make new authorities in an empty directory")  # noqa: EM102
    regions = {Region(name): _region_state(Region(name), state.seed, region) for name, region in state.regions.items()}
    remembered = Remembered(regions, dict(state.generations))
    return TrustRepository(path.parent / PUBLISHED, Authorities(state.seed), 0, remembered=remembered)


def _region_state(region: Region, seed: str, remembered: _Region) -> RegionState:
    return RegionState(
        keys=[(Authority(region, seed, key.name), key.not_before, key.not_after) for key in remembered.keys],
        enrolment_keys=[(Authority(region, seed, key.name), key.not_before, key.not_after) for key in remembered.enrolment_keys],
        statuses={uri: {int(index): PassStatus[status] for index, status in listed.statuses.items()} for uri, listed in remembered.lists.items()},
        shapes={uri: (listed.bits, listed.size) for uri, listed in remembered.lists.items()},
    )


def _remembered(state: RegionState) -> dict[str, object]:
    lists = {}
    for uri, statuses in state.statuses.items():
        bits, size = state.shape(uri)
        told = {str(index): status.name for index, status in sorted(statuses.items()) if status is not PassStatus.VALID}
        lists[uri] = {"bits": bits, "size": size, "statuses": told}
    keys, enrolment_keys = (
        [{"name": key.name, "not_before": begin, "not_after": end} for key, begin, end in published] for published in (state.keys, state.enrolment_keys)
    )
    return {"keys": keys, "enrolment_keys": enrolment_keys, "lists": lists}
