"""The two regions' trust repository (The Update Framework), as its keepers and the regions' authorities would run it.

    metadata/<n>.root.json           root: threshold 2 of 3 keepers
    metadata/timestamp.json          signed anew by every publish()
    metadata/<n>.{snapshot,targets}.json
    metadata/<n>.{hk,mo}.json        the regions' own roles, each threshold 2 of 3 of the region's officers; paths hk/* and hk/status/*
    targets/hk/<hash>.<kid>.cbor     COSE_Key of a pass key; its validity stands in the role's metadata as custom data
    targets/hk/status/<hash>.<n>     status list token

The same tree is a mirror's document root and a USB stick's content. All keys follow from the seed. Never for production: anyone who knows
the seed knows the private keys. Does not serve anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from gate_controller.core.values import Region
from gate_controller.ports.trust import PassStatus
from simulators import status_list
from simulators.authority import STATUS_LIST_SIZE, Authorities, Authority, private_key

DAY_S = 86_400
LIFETIMES_S = {"root": 365 * DAY_S, "timestamp": 3 * DAY_S, "snapshot": 14 * DAY_S, "targets": 60 * DAY_S, "hk": 60 * DAY_S, "mo": 60 * DAY_S}
TOP_ROLES = ("root", "timestamp", "snapshot", "targets")
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
        issued_at: When each list was last made; publish() makes them anew.
        extra: Further targets, name to content: a test's.
    """

    keys: list[tuple[Authority, int, int]] = field(default_factory=list)
    statuses: dict[str, dict[int, PassStatus]] = field(default_factory=dict)
    status_bits: int = 2
    status_size: int = STATUS_LIST_SIZE
    extra: dict[str, bytes] = field(default_factory=dict)


class TrustRepository:
    """A repository on disk, with all its keys in hand.

    Args:
        directory: Where it is published; made if missing.
        authorities: Whose pass keys it publishes; their seed is the keys' seed.
        now: When it is made, seconds since the epoch.
        lifetimes_s: Other lifetimes for some roles.
    """

    def __init__(self, directory: Path, authorities: Authorities, now: float, *, lifetimes_s: Mapping[str, int] | None = None) -> None:
        self.directory = directory
        self.authorities = authorities
        self.lifetimes_s = {**LIFETIMES_S, **(lifetimes_s or {})}
        self.regions = {region: RegionState([(issuer, 0, 1 << 33)], {f"{region_role(region)}/status/1": {}}) for region, issuer in authorities.issuers.items()}
        self._generations = dict.fromkeys(THRESHOLDS, 0)
        self.signers = {role: self.make_signers(role, 0) for role in THRESHOLDS}
        self.metadata: dict[str, Metadata[Any]] = {}
        self._make_root(now)
        self._make_targets(now)
        self.publish(now)

    @property
    def first_root(self) -> bytes:
        """The root metadata that a gate pins at installation."""
        return (self.directory / "metadata" / "1.root.json").read_bytes()

    def make_signers(self, role: str, generation: int) -> list[Signer]:
        """The role's signers of a generation; more than the threshold needs."""
        return [CryptoSigner(private_key(self.authorities.seed, "tuf", role, generation, number)) for number in range(THRESHOLDS[role][1])]

    # -- what authorities do ---------------------------------------------------------------------------------------------

    def revoke(self, region: Region, index: int, status: PassStatus = PassStatus.INVALID, uri: str | None = None) -> None:
        """Set the status of one pass, by its index; published with the next publish()."""
        self.regions[region].statuses[uri or f"{region_role(region)}/status/1"][index] = status

    def add_pass_key(self, authority: Authority, not_before: int = 0, not_after: int = 1 << 33) -> None:
        """Have a further pass key of the authority's region published."""
        self.regions[authority.region].keys.append((authority, not_before, not_after))

    def withdraw_pass_key(self, authority: Authority) -> None:
        """Take a pass key back."""
        state = self.regions[authority.region]
        state.keys = [entry for entry in state.keys if entry[0].kid != authority.kid]

    def rotate(self, role: str, now: float, *, signers: Iterable[Signer] | None = None) -> None:
        """New keys for a role. A new root is signed by the old threshold and the new; the change is published at once."""
        self._generations[role] += 1
        old, self.signers[role] = self.signers[role], self.make_signers(role, self._generations[role])
        if role in TOP_ROLES:
            self._make_root(now, [*old, *self.signers["root"]] if role == "root" else None, signers)
        else:
            self._make_targets(now)
        self.publish(now)

    def publish(self, now: float, *, status_lists: bool = True) -> None:
        """Publish everything anew: the regions' targets, snapshot, timestamp. One such call an hour is the intended use."""
        for region in self.regions:
            self._make_region(region, now, status_lists)
        meta = {f"{role}.json": MetaFile(self.metadata[role].signed.version) for role in ("targets", *map(region_role, self.regions))}
        self.write("snapshot", Snapshot(version=self.next_version("snapshot"), expires=self._expires("snapshot", now), meta=meta))
        snapshot = MetaFile(self.metadata["snapshot"].signed.version)
        self.write("timestamp", Timestamp(version=self.next_version("timestamp"), expires=self._expires("timestamp", now), snapshot_meta=snapshot))

    def touch(self, now: float) -> None:
        """Sign the timestamp anew, nothing else."""
        old: Timestamp = self.metadata["timestamp"].signed
        self.write("timestamp", Timestamp(version=old.version + 1, expires=self._expires("timestamp", now), snapshot_meta=old.snapshot_meta))

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
        folder, _, base = name.rpartition("/")
        self._put(f"targets/{folder}/{hashlib.sha256(content).hexdigest()}.{base}", content)
        return target

    def _make_root(self, now: float, previous: Iterable[Signer] | None = None, signers: Iterable[Signer] | None = None) -> None:
        root = Root(version=self.next_version("root"), expires=self._expires("root", now), consistent_snapshot=True)
        for role in TOP_ROLES:
            for signer in self.signers[role]:
                root.add_key(signer.public_key, role)
            root.roles[role].threshold = THRESHOLDS[role][0]
        self.write("root", root, signers if signers is not None else previous)

    def _make_targets(self, now: float) -> None:
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
        self.write("targets", targets)

    def _make_region(self, region: Region, now: float, status_lists: bool) -> None:
        role, state = region_role(region), self.regions[region]
        targets: dict[str, TargetFile] = {}
        for authority, not_before, not_after in state.keys:
            name = f"{role}/{authority.kid.hex()}.cbor"
            targets[name] = self.write_target(name, authority.cose_key)
            targets[name].unrecognized_fields["custom"] = {"not_before": not_before, "not_after": not_after}
        if status_lists and state.keys:
            for uri, statuses in state.statuses.items():
                content = status_list.packed(statuses, state.status_size, state.status_bits)
                listed = status_list.claims(uri, content, int(now), bits=state.status_bits)
                targets[uri] = self.write_target(uri, status_list.token(state.keys[-1][0], listed))
        elif role in self.metadata:
            targets.update({name: target for name, target in self.metadata[role].signed.targets.items() if name in state.statuses})
        for name, content in state.extra.items():
            targets[name] = self.write_target(name, content)
        self.write(role, Targets(version=self.next_version(role), expires=self._expires(role, now), targets=targets))

    def _expires(self, role: str, now: float) -> datetime:
        return datetime.fromtimestamp(int(now), UTC) + timedelta(seconds=self.lifetimes_s[role])

    def _put(self, name: str, content: bytes) -> None:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
