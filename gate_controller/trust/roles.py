"""Who signs what in a trust repository: each role's version, expiry, threshold and keys, for people to look at.

Reads metadata that was verified already (repository.py), or the pinned root. Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tuf.api.metadata import Metadata, Role, Root, Targets
from tuf.api.serialization import DeserializationError

from gate_controller.trust.errors import TrustError, quoted
from gate_controller.trust.repository import REGION_ROLES, TOP_ROLES, VerifiedRepository


@dataclass(frozen=True, slots=True)
class RoleSummary:
    """One role.

    Attributes:
        role: root, timestamp, snapshot, targets, hk or mo.
        version: Version of its metadata.
        expires: When that expires, seconds since the epoch.
        threshold: How many of its keys must sign.
        key_ids: Its keys' ids, as TUF has them.
    """

    role: str
    version: int
    expires: float
    threshold: int
    key_ids: tuple[str, ...]

    @property
    def signers(self) -> str:
        """How many of how many must sign: "2 of 3"."""
        return f"{self.threshold} of {len(self.key_ids)}"


def role_summaries(repository: VerifiedRepository, pinned_root: bytes) -> tuple[RoleSummary, ...]:
    """Every role of a verified repository.

    Args:
        repository: What was verified.
        pinned_root: What it was verified from; its root, while there is no newer one.
    """
    root: Root = Metadata[Root].from_bytes(repository.files.get(f"metadata/{repository.versions['root']}.root.json", pinned_root)).signed
    targets: Targets = Metadata[Targets].from_bytes(repository.files[f"metadata/{repository.versions['targets']}.targets.json"]).signed
    delegations = targets.delegations
    assert delegations is not None
    assert delegations.roles is not None
    roles: dict[str, Role] = {**{role: root.roles[role] for role in TOP_ROLES}, **{role: delegations.roles[role] for role in REGION_ROLES}}
    return tuple(RoleSummary(name, repository.versions[name], repository.expires[name], role.threshold, tuple(role.keyids)) for name, role in roles.items())


def root_summary(pinned_root: bytes) -> RoleSummary:
    """The pinned root by itself.

    Raises:
        TrustError: It is no root metadata, or its own keys have not signed it.
    """
    try:
        metadata: Metadata[Any] = Metadata.from_bytes(pinned_root)
        root = metadata.signed
        signed = isinstance(root, Root) and root.get_verification_result("root", metadata.signed_bytes, metadata.signatures).verified
    except (DeserializationError, ValueError) as error:
        msg = f"the pinned root is not TUF metadata: {quoted(error)}"
        raise TrustError(msg, "install the root metadata that came with the contract") from None
    if not signed:
        raise TrustError("the pinned root is not root metadata that its own keys have signed", "install the root metadata that came with the contract")
    role = root.roles["root"]
    return RoleSummary("root", root.version, root.expires.timestamp(), role.threshold, tuple(role.keyids))
