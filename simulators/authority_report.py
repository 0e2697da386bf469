"""What gate-authority tells about a repository: who signed what, until when, and what each region publishes. Changes nothing."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import cbor2

from gate_controller.core.values import Region
from gate_controller.ports.errors import StoreError
from simulators.authority_options import written
from simulators.authority_state import Headquarters
from simulators.repository import THRESHOLDS, TOP_ROLES, TrustRepository, region_role

_RENEWED_BY = {"root": "renew DIR root", "targets": "renew DIR targets"}
_SOON = 0.25
"""A role is due when less than this share of its life is left."""


def versions(repository: TrustRepository) -> dict[str, int]:
    """Version of each role's newest metadata."""
    return {role: repository.metadata[role].signed.version for role in THRESHOLDS}


def signature_lines(repository: TrustRepository, before: dict[str, int]) -> list[str]:
    """One line for each role that was published since `before`: version, who signed, how many must."""
    return [_line(repository, role) for role in THRESHOLDS if before.get(role) != repository.metadata[role].signed.version]


def _line(repository: TrustRepository, role: str) -> str:
    metadata = repository.metadata[role].signed
    needed, of = THRESHOLDS[role]
    return f"  {role:<10}version {metadata.version:<5} signed by {_signers(repository, role)} ({needed} of {of} must), until {written(metadata.expires.timestamp())}"


def _signers(repository: TrustRepository, role: str) -> str:
    who: dict[int, list[str]] = {}
    for generation, number in repository.signed_by(role):
        who.setdefault(generation, []).append(str(number))
    names = [f"{', '.join(numbers)}{'' if generation == repository.generations[role] else ' (old keys)'}" for generation, numbers in who.items()]
    return " and ".join(names) or "nobody"


def threshold_met(repository: TrustRepository, role: str) -> bool:
    """Whether the published metadata of a role has the signatures that its delegator asks for."""
    delegator = repository.metadata["root" if role in TOP_ROLES else "targets"].signed
    metadata = repository.metadata[role]
    return bool(delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures))


def _as_dict(headquarters: Headquarters, now: float) -> dict[str, Any]:
    repository = headquarters.repository
    path, digest = headquarters.pinned_root
    files = [file for file in repository.directory.rglob("*") if file.is_file()]
    return {
        "seed": repository.authorities.seed,
        "pinned_root": str(path),
        "pinned_root_sha256": digest,
        "files": len(files),
        "content_bytes": sum(file.stat().st_size for file in files),
        "roles": {role: _role(repository, role, now) for role in THRESHOLDS},
        "regions": {region_role(region): _region(repository, region) for region in repository.regions},
    }


def _role(repository: TrustRepository, role: str, now: float) -> dict[str, Any]:
    signed = repository.metadata[role].signed
    expires = signed.expires.timestamp()
    return {
        "version": signed.version,
        "generation": repository.generations[role],
        "signed_by": repository.signed_by(role),
        "threshold": THRESHOLDS[role][0],
        "threshold_met": threshold_met(repository, role),
        "expires": int(expires),
        "due": expires - now < _SOON * repository.lifetimes_s[role],
    }


def _region(repository: TrustRepository, region: Region) -> dict[str, Any]:
    state = repository.regions[region]
    lists = {}
    for uri, statuses in state.statuses.items():
        bits, size = state.shape(uri)
        counts = Counter(status.name.lower() for status in statuses.values())
        lists[uri] = {"bits": bits, "size": size, "statuses": dict(counts), "issued_at": _issued_at(repository, region, uri)}
    keys = [{"name": key.name, "kid": key.kid.hex(), "not_before": begin, "not_after": end} for key, begin, end in state.keys]
    return {"keys": keys, "status_lists": lists}


def _issued_at(repository: TrustRepository, region: Region, uri: str) -> int | None:
    """When the published list was made; None: it is not published yet."""
    if uri not in repository.metadata[region_role(region)].signed.targets:
        return None
    path = repository.directory / repository.target_file(region, uri)
    try:
        return int(cbor2.loads(cbor2.loads(path.read_bytes()).value[2])[6])
    except (OSError, cbor2.CBORDecodeError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise StoreError(f"{path}: not a status list: {error}", "publish again: gate-authority publish DIR") from error  # noqa: EM102


def as_json(headquarters: Headquarters, now: float) -> str:
    """The whole state as one JSON object; times in seconds since the epoch. Raises as as_text."""
    return json.dumps(_as_dict(headquarters, now), indent=2)


def as_text(headquarters: Headquarters, now: float) -> str:
    """The whole state for a terminal.

    Raises:
        StoreError: A published status list is missing or unreadable.
    """
    told = _as_dict(headquarters, now)
    lines = [f"{told['files']} files, {told['content_bytes']:,} bytes; pinned root {told['pinned_root']}", f"  SHA-256 {told['pinned_root_sha256']}", "roles:"]
    for name, role in told["roles"].items():
        lines.append(f"  {name:<10}version {role['version']:<5} generation {role['generation']:<3} {_remaining(role['expires'] - now)}{_remark(name, role)}")
    for name, region in told["regions"].items():
        lines.append(f"{name}:")
        lines += [f"  key {key['kid']} {key['name']:<12} {written(key['not_before'])} to {written(key['not_after'])}" for key in region["keys"]]
        for uri, listed in region["status_lists"].items():
            counts = ", ".join(f"{count} {status}" for status, count in sorted(listed["statuses"].items())) or "all valid"
            age = "not published yet" if listed["issued_at"] is None else f"made {_length(now - listed['issued_at'])} ago"
            lines.append(f"  list {uri}: {listed['size']:,} passes, {listed['bits']} bit{'s' if listed['bits'] > 1 else ''} each, {counts}, {age}")
    return "\n".join(lines)


def _remark(name: str, role: dict[str, Any]) -> str:
    if not role["threshold_met"]:
        return f"; TOO FEW SIGNATURES: gate-authority {_RENEWED_BY.get(name, 'publish DIR')}"
    return f"; due: gate-authority {_RENEWED_BY.get(name, 'publish DIR')}" if role["due"] else ""


def _remaining(seconds: float) -> str:
    return f"expires in {_length(seconds)}" if seconds > 0 else f"EXPIRED {_length(-seconds)} ago"


def _length(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
