"""The two regions' trust repository (The Update Framework), as its keepers and the regions' authorities would run it.

    metadata/<n>.root.json           root: threshold 2 of 3 keepers
    metadata/timestamp.json          signed anew by every publish()
    metadata/<n>.{snapshot,targets}.json
    metadata/<n>.{hk,mo}.json        the regions' own roles, each threshold 2 of 3 of the region's officers; paths hk/* and hk/status/*
    targets/hk/<hash>.<kid>.cbor     COSE_Key of a pass key; its validity stands in the role's metadata as custom data
    targets/hk/status/<hash>.<n>     status list token

The same tree is a mirror's document root and a USB stick's content. All keys follow from the seed. Never for production: anyone who knows
the seed knows the private keys. Does not serve anything, does not remember anything but what it published: simulators.authority_state does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.exceptions import RepositoryError, StorageError
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError
from tuf.api.serialization.json import JSONSerializer

from gate_controller.core.values import Region
from gate_controller.ports.errors import StoreError
from gate_controller.ports.trust import PassStatus
from simulators import status_list
from simulators.authority import STATUS_LIST_SIZE, Authorities, Authority, private_key

DAY_S = 86_400
LIFETIMES_S = {"root": 365 * DAY_S, "timestamp": 3 * DAY_S, "snapshot": 14 * DAY_S, "targets": 60 * DAY_S, "hk": 60 * DAY_S, "mo": 60 * DAY_S}
TOP_ROLES = ("root", "timestamp", "snapshot", "targets")
NEVER_FOR_PRODUCTION = "anyone who knows the seed knows every private key; never for production"
"""Stands in every root under the name "x-simulated", so that whoever pins one by mistake can be told."""
THRESHOLDS = {"root": (2, 3), "timestamp": (1, 1), "snapshot": (1, 1), "targets": (2, 3), "hk": (2, 3), "mo": (2, 3)}
"""Signatures needed, of how many keys."""


def region_role(region: Region) -> str:
    """Name of the region's role, and its folder: "hk" or "mo"."""
    return region.value.lower()


@dataclass(slots=True)
class RegionState:
    """What one region publishes next time.

    Attributes:
        keys: Its pass keys: (authority, not_before, not_after).
        statuses: Status by list uri and index; everything else is valid.
        status_bits: Bits for each pass in its lists, unless `shapes` says otherwise.
        status_size: Passes in each of its lists, unless `shapes` says otherwise.
        shapes: Lists that differ: uri to (bits, size).
        extra: Further targets, name to content: a test's.
        enrolment_keys: The keys that sign its enrolments, like `keys`.
    """

    keys: list[tuple[Authority, int, int]] = field(default_factory=list)
    statuses: dict[str, dict[int, PassStatus]] = field(default_factory=dict)
    status_bits: int = 2
    status_size: int = STATUS_LIST_SIZE
    shapes: dict[str, tuple[int, int]] = field(default_factory=dict)
    extra: dict[str, bytes] = field(default_factory=dict)
    enrolment_keys: list[tuple[Authority, int, int]] = field(default_factory=list)

    def shape(self, uri: str) -> tuple[int, int]:
        """Bits for each pass, and number of passes, of a list."""
        return self.shapes.get(uri, (self.status_bits, self.status_size))

    def list_signer(self, now: float) -> Authority:
        """Whose key signs the status lists: the newest that is valid now, else the newest."""
        valid = [authority for authority, not_before, not_after in self.keys if not_before <= now < not_after]
        return valid[-1] if valid else self.keys[-1][0]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a repository's metadata does not tell, for going on with it later.

    Attributes:
        regions: What each region publishes.
        generations: Generation of each role's keys, from 0. One rotation more than that is recognised by the metadata.
    """

    regions: dict[Region, RegionState]
    generations: dict[str, int]


class TrustRepository:
    """A repository on disk, with all its keys in hand.

    Args:
        directory: Where it is published; made if missing.
        authorities: Whose pass keys it publishes; their seed is the keys' seed.
        now: When it is made, seconds since the epoch.
        lifetimes_s: Other lifetimes for some roles.
        remembered: Go on with what lies in `directory` instead of making a new one.

    Raises:
        StoreError: What lies there is missing, unreadable, or signed by other keys than this seed's.
    """

    def __init__(
        self, directory: Path, authorities: Authorities, now: float, *, lifetimes_s: Mapping[str, int] | None = None, remembered: Remembered | None = None
    ) -> None:
        self.directory = directory
        self.authorities = authorities
        self.lifetimes_s = {**LIFETIMES_S, **(lifetimes_s or {})}
        self.generations = dict.fromkeys(THRESHOLDS, 0) if remembered is None else dict(remembered.generations)
        self.signers = {role: self.make_signers(role, generation) for role, generation in self.generations.items()}
        self.metadata: dict[str, Metadata[Any]] = {}
        if remembered is not None:
            self.regions = remembered.regions
            self._load()
            return
        self.regions = {region: RegionState([(issuer, 0, 1 << 33)], {f"{region_role(region)}/status/1": {}}) for region, issuer in authorities.issuers.items()}
        self._make_root(now)
        self._make_targets(now)
        self.publish(now)

    @property
    def first_root(self) -> bytes:
        """The root metadata that a gate pins at installation."""
        return (self.directory / "metadata" / "1.root.json").read_bytes()

    def make_signers(self, role: str, generation: int) -> list[Signer]:
        """The role's signers of a generation; more than the threshold needs."""
        return [_signer(self.authorities.seed, role, generation, number) for number in range(THRESHOLDS[role][1])]

    # -- what authorities do ---------------------------------------------------------------------------------------------

    def revoke(self, region: Region, index: int, status: PassStatus = PassStatus.INVALID, uri: str | None = None) -> None:
        """Set the status of one pass, by its index; published with the next publish()."""
        self.regions[region].statuses[uri or f"{region_role(region)}/status/1"][index] = status

    def add_status_list(self, region: Region, name: str, *, bits: int = 2, size: int = STATUS_LIST_SIZE) -> str:
        """Have a further, empty status list of the region published; returns its uri."""
        uri = f"{region_role(region)}/status/{name}"
        self.regions[region].statuses[uri] = {}
        self.regions[region].shapes[uri] = (bits, size)
        return uri

    def add_pass_key(self, authority: Authority, not_before: int = 0, not_after: int = 1 << 33) -> None:
        """Have a further pass key of the authority's region published."""
        self.regions[authority.region].keys.append((authority, not_before, not_after))

    def add_enrolment_key(self, authority: Authority, not_before: int = 0, not_after: int = 1 << 33) -> None:
        """Have a further key published that signs the enrolments of the authority's region."""
        self.regions[authority.region].enrolment_keys.append((authority, not_before, not_after))

    def withdraw_pass_key(self, authority: Authority) -> None:
        """Take a pass key, or one for enrolments, back."""
        state = self.regions[authority.region]
        state.keys = [entry for entry in state.keys if entry[0].kid != authority.kid]
        state.enrolment_keys = [entry for entry in state.enrolment_keys if entry[0].kid != authority.kid]

    def rotate(self, role: str, now: float, *, signers: Iterable[Signer] | None = None) -> None:
        """New keys for a role, published at once together with all that the new keys must sign.

        Args:
            role: Any role. A new root is signed by the old keepers and the new; new keys of a region are named by a new top-level targets.
            now: Seconds since the epoch.
            signers: Who signs the root (for a region: the targets) that names the new keys, instead of all who may.
        """
        self.generations[role] += 1
        old, self.signers[role] = self.signers[role], self.make_signers(role, self.generations[role])
        if role in TOP_ROLES:
            self._make_root(now, signers if signers is not None or role != "root" else [*old, *self.signers["root"]])
        if role not in TOP_ROLES:
            self._make_targets(now, signers)
        elif role == "targets":
            self._make_targets(now)
        self.publish(now)

    def renew(self, role: str, now: float, *, signers: Iterable[Signer] | None = None) -> None:
        """Sign the root or the top-level targets anew with the same keys, for a later expiry; publish() does all the others."""
        {"root": self._make_root, "targets": self._make_targets}[role](now, signers)
        self.publish(now)

    def publish(self, now: float, *, status_lists: bool = True, regions: Iterable[Region] = tuple(Region)) -> None:
        """Publish everything anew: the regions' targets, snapshot, timestamp. One such call an hour is the intended use.

        Args:
            now: Seconds since the epoch.
            status_lists: Make the status lists anew as well; else the published ones stay. A region without a key publishes none: nobody could verify it.
            regions: Those that take part; what another published before stays as it is.
        """
        for region in regions:
            self._make_region(region, now, status_lists)
        meta = {f"{role}.json": MetaFile(self.metadata[role].signed.version) for role in ("targets", *map(region_role, self.regions))}
        self.write("snapshot", Snapshot(version=self.next_version("snapshot"), expires=self._expires("snapshot", now), meta=meta))
        snapshot = MetaFile(self.metadata["snapshot"].signed.version)
        self.write("timestamp", Timestamp(version=self.next_version("timestamp"), expires=self._expires("timestamp", now), snapshot_meta=snapshot))

    def touch(self, now: float) -> None:
        """Sign the timestamp anew, nothing else."""
        old: Timestamp = self.metadata["timestamp"].signed
        self.write("timestamp", Timestamp(version=old.version + 1, expires=self._expires("timestamp", now), snapshot_meta=old.snapshot_meta))

    # -- files ------------------------------------------------------------------------------------------------------------

    def current_files(self) -> list[str]:
        """Names of the files that a gate needs, in the order in which to copy them: what names others comes after them.

        Every root is one of them: a gate that pinned an old one follows them one by one.
        """
        roots = [f"metadata/{number}.root.json" for number in range(1, self.metadata["root"].signed.version + 1)]
        roles = [f"metadata/{self.metadata[role].signed.version}.{role}.json" for role in (*map(region_role, self.regions), "targets", "snapshot")]
        targets = {name for region in self.regions for name in self._target_files(self.metadata[region_role(region)].signed)}
        return [*sorted(targets), *roots, *roles, "metadata/timestamp.json"]

    def target_file(self, region: Region, name: str) -> str:
        """Where the region's target of that name lies, by what is published.

        Raises:
            KeyError: The region has published no such target.
        """
        return _consistent(self.metadata[region_role(region)].signed.targets[name])

    def prune(self, keep: int = 3) -> int:
        """Remove what the last `keep` snapshots do not name, but never a root; returns the number of files removed.

        More than one is kept so that a download from a mirror that began before a publication can end after it.
        """
        newest = self.metadata["snapshot"].signed.version
        kept = set(self.current_files())
        for version in range(max(1, newest - keep + 1), newest):
            name = f"metadata/{version}.snapshot.json"
            if not (self.directory / name).exists():
                continue
            kept.add(name)
            for role, meta in self._read(name, Snapshot).signed.meta.items():
                kept.add(f"metadata/{meta.version}.{role}")
                kept.update(self._target_files(self._read(f"metadata/{meta.version}.{role}", Targets).signed))
        files = {str(path.relative_to(self.directory)) for folder in ("metadata", "targets") for path in (self.directory / folder).rglob("*") if path.is_file()}
        for name in files - kept:
            (self.directory / name).unlink()
        return len(files - kept)

    def signed_by(self, role: str) -> list[tuple[int, int]]:
        """Who signed the role's newest metadata: (generation of the key, number of the signer from 1), of this and the last generation."""
        generations = range(max(0, self.generations[role] - 1), self.generations[role] + 1)
        known = {key: who for generation in generations for key, who in self._numbered(role, generation).items()}
        return sorted(known[key] for key in self.metadata[role].signatures if key in known)

    # -- metadata ---------------------------------------------------------------------------------------------------------

    def next_version(self, role: str) -> int:
        """Version of the role's next metadata."""
        return self.metadata[role].signed.version + 1 if role in self.metadata else 1

    def write(self, role: str, signed: Any, signers: Iterable[Signer] | None = None) -> bytes:
        """Sign with the role's (or other) signers and publish; a test gives signers of its own to break a rule."""
        metadata = Metadata(signed)
        for signer in self.signers[role] if signers is None else signers:
            metadata.sign(signer, append=True)
        content = metadata.to_bytes(JSONSerializer(compact=False))
        self.metadata[role] = metadata
        name = "timestamp.json" if role == "timestamp" else f"{signed.version}.{role}.json"
        self._put(f"metadata/{name}", content)
        return content

    def write_target(self, name: str, content: bytes) -> TargetFile:
        """Publish a target's content under its consistent name."""
        target: TargetFile = TargetFile.from_data(name, content, ["sha256"])
        self._put(_consistent(target), content)
        return target

    def _make_root(self, now: float, signers: Iterable[Signer] | None = None) -> None:
        root = Root(version=self.next_version("root"), expires=self._expires("root", now), consistent_snapshot=True)
        for role in TOP_ROLES:
            for signer in self.signers[role]:
                root.add_key(signer.public_key, role)
            root.roles[role].threshold = THRESHOLDS[role][0]
        root.unrecognized_fields["x-simulated"] = NEVER_FOR_PRODUCTION
        self.write("root", root, signers)

    def _make_targets(self, now: float, signers: Iterable[Signer] | None = None) -> None:
        delegations = Delegations({}, {})
        assert delegations.roles is not None
        for region in self.regions:
            role = region_role(region)
            paths = [f"{role}/*", f"{role}/status/*"]
            delegations.roles[role] = DelegatedRole(role, [], THRESHOLDS[role][0], terminating=True, paths=paths)
        targets = Targets(version=self.next_version("targets"), expires=self._expires("targets", now), delegations=delegations)
        for role in delegations.roles:
            for signer in self.signers[role]:
                targets.add_key(signer.public_key, role)
        self.write("targets", targets, signers)

    def _make_region(self, region: Region, now: float, status_lists: bool) -> None:
        role, state = region_role(region), self.regions[region]
        targets: dict[str, TargetFile] = {}
        for keys, use in ((state.keys, {}), (state.enrolment_keys, {"use": "enrolment"})):
            for authority, not_before, not_after in keys:
                name = f"{role}/{authority.kid.hex()}.cbor"
                targets[name] = self.write_target(name, authority.cose_key)
                targets[name].unrecognized_fields["custom"] = {"not_before": not_before, "not_after": not_after, **use}
        if status_lists and state.keys:
            for uri, statuses in state.statuses.items():
                bits, size = state.shape(uri)
                listed = status_list.claims(uri, status_list.packed(statuses, size, bits), int(now), bits=bits)
                targets[uri] = self.write_target(uri, status_list.token(state.list_signer(now), listed))
        elif role in self.metadata and state.keys:
            targets.update({name: target for name, target in self.metadata[role].signed.targets.items() if name in state.statuses})
        for name, content in state.extra.items():
            targets[name] = self.write_target(name, content)
        self.write(role, Targets(version=self.next_version(role), expires=self._expires(role, now), targets=targets))

    def _expires(self, role: str, now: float) -> datetime:
        return datetime.fromtimestamp(int(now), UTC) + timedelta(seconds=self.lifetimes_s[role])

    # -- disk -------------------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Read the newest metadata of each role and find the generation of its keys."""
        kinds: dict[str, type[Any]] = {"root": Root, "timestamp": Timestamp, "snapshot": Snapshot}
        for role in THRESHOLDS:
            name = "metadata/timestamp.json" if role == "timestamp" else f"metadata/{self._newest(role)}.{role}.json"
            self.metadata[role] = self._read(name, kinds.get(role, Targets))
        for role in THRESHOLDS:
            delegator = self.metadata["root" if role in TOP_ROLES else "targets"].signed
            published = set(delegator.get_delegated_role(role).keyids)
            # One more: a rotation that was stopped after publishing and before it was remembered.
            for generation in (self.generations[role], self.generations[role] + 1):
                if published == set(self._numbered(role, generation)):
                    self.generations[role], self.signers[role] = generation, self.make_signers(role, generation)
                    break
            else:
                raise StoreError(f"{self.directory}: the keys of {role} are not those of this seed", "make a new one in an empty directory")  # noqa: EM102

    def _newest(self, role: str) -> int:
        numbers = [path.name.split(".")[0] for path in (self.directory / "metadata").glob(f"*.{role}.json")]
        return max((int(number) for number in numbers if number.isdecimal()), default=1)

    def _read(self, name: str, kind: type[Any]) -> Metadata[Any]:
        try:
            metadata: Metadata[Any] = Metadata.from_file(str(self.directory / name))
        except (StorageError, DeserializationError, RepositoryError) as error:
            what = f"{self.directory / name} cannot be read: {error.__cause__ or error}"
            raise StoreError(what.splitlines()[0], "restore the file, or make a new repository in an empty directory") from error
        if not isinstance(metadata.signed, kind):
            raise StoreError(f"{self.directory / name} is metadata of another role", "restore the file, or make a new repository in an empty directory")  # noqa: EM102
        return metadata

    def _numbered(self, role: str, generation: int) -> dict[str, tuple[int, int]]:
        return {signer.public_key.keyid: (generation, number) for number, signer in enumerate(self.make_signers(role, generation), 1)}

    @staticmethod
    def _target_files(signed: Targets) -> set[str]:
        return {_consistent(target) for target in signed.targets.values()}

    def _put(self, name: str, content: bytes) -> None:
        path = self.directory / name
        if path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whoever downloads sees the old file or the new one, never half of one.
        new = path.with_name(path.name + ".new")
        new.write_bytes(content)
        new.replace(path)


@lru_cache(maxsize=512)
def _signer(seed: str, role: str, generation: int, number: int) -> Signer:
    return CryptoSigner(private_key(seed, "tuf", role, generation, number))


def _consistent(target: TargetFile) -> str:
    """Where a target lies: its hash stands before the last part of its name (consistent snapshots)."""
    folder, _, base = target.path.rpartition("/")
    return f"targets/{folder}/{target.hashes['sha256']}.{base}"
