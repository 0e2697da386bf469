"""What gatectl keys says: each report as JSON values and as lines for people. Reads verified trust; prints and decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from gate_controller.composition.trust import TrustInForce, TrustParts, trust_in_force
from gate_controller.core.values import Region
from gate_controller.ports.errors import GateError
from gate_controller.ports.services import VerifyingKey
from gate_controller.ports.spans import duration
from gate_controller.ports.trust import Freshness, TrustView
from gate_controller.trust.floor import Floor
from gate_controller.trust.freshness import freshness_json, freshness_text
from gate_controller.trust.importing import ImportReport
from gate_controller.trust.roles import RoleSummary, role_summaries
from gate_controller.trust.status_list import StatusList
from gate_controller.trust.view import NoTrust, time_text

Report = tuple[dict[str, object], list[str]]
"""JSON values, and lines for people."""

_DAY = 10
"""Characters of a time's text that are its day."""
_NO_END = 1 << 33


def init_report(floor: Path, root: RoleSummary) -> Report:
    """After the floor was made."""
    fields: dict[str, object] = {"floor": str(floor), "pinned_root": _role_json(root)}
    return fields, [
        f"pinned root: version {root.version}, {root.signers} keys sign, expires {time_text(root.expires)}",
        f"floor made: {floor}; it belongs into the backup, and is never made anew while it can be restored",
        "next: gatectl keys import DIRECTORY",
    ]


def import_report(report: ImportReport, generation: str, now: float) -> Report:
    """What an import did."""
    fields: dict[str, object] = {
        "changed": report.changed,
        "generation": generation,
        "versions_before": dict(report.versions_before),
        "versions": dict(report.versions_after),
        "freshness": {region.value: freshness_json(each, now) for region, each in report.freshness.items()},
    }
    before, after = report.versions_before, report.versions_after
    changes = ", ".join(
        f"{role} {before[role]} -> {version}" if before.get(role, version) != version else f"{role} {version}" for role, version in after.items()
    )
    lines = [f"installed {generation}: {changes}" if report.changed else f"nothing new: {generation} is this very state: {roles_line(after)}"]
    for each in report.freshness.values():
        lines.append(freshness_text(each, now))
        if each.cause.remedy:
            lines.append(f"remedy: {each.cause.remedy}")
    return fields, lines


def listed(in_force: TrustInForce, pinned_root: bytes, now: float) -> Report:
    """Roles, keys and status lists."""
    view = in_force.view
    roles = role_summaries(in_force.repository, pinned_root)
    keys, enrolment_keys = (
        sorted(each.items(), key=lambda entry: (entry[1].region.value, entry[1].not_before, entry[0])) for each in (view.keys, view.enrolment_keys)
    )
    lists = sorted(view.status_lists.values(), key=lambda listed: listed.uri)
    fields: dict[str, object] = {
        "roles": [_role_json(role) for role in roles],
        "keys": [_key_json(kid, key, now) for kid, key in keys],
        "enrolment_keys": [_key_json(kid, key, now) for kid, key in enrolment_keys],
        "status_lists": [
            {
                "region": each.region.value,
                "uri": each.uri,
                "passes": _passes(each),
                "bits": each.bits,
                "bytes": len(in_force.repository.targets[each.uri].content),
                "issued_at": each.issued_at,
                "expires_at": each.expires_at,
                "age_s": int(now - each.issued_at),
            }
            for each in lists
        ],
    }
    list_rows = [
        (each.region.value, each.uri, str(_passes(each)), str(each.bits), str(len(in_force.repository.targets[each.uri].content)), _age(each.issued_at, now))
        for each in lists
    ]
    lines = ["roles", *_table(("role", "version", "signed by", "expires", "left"), [_role_row(role, now) for role in roles])]
    for title, shown in (("pass keys", keys), ("enrolment keys", enrolment_keys)):
        if shown or shown is keys:
            lines += ["", title, *_table(("region", "kid", "first day", "last day", "now"), [_key_row(kid, key, now) for kid, key in shown])]
    lines += ["", "status lists", *_table(("region", "uri", "passes", "bits", "bytes", "age"), list_rows)]
    return fields, lines


def _key_json(kid: bytes, key: VerifyingKey, now: float) -> dict[str, object]:
    validity = {"not_before": key.not_before, "not_after": key.not_after, "valid": key.not_before <= now < key.not_after}
    return {"region": key.region.value, "kid": kid.hex(), **validity}


def _key_row(kid: bytes, key: VerifyingKey, now: float) -> tuple[str, ...]:
    validity = _validity(key.not_before, key.not_after, now)
    return key.region.value, kid.hex(), _first_day(key.not_before), _last_day(key.not_after), validity


def status_report(parts: TrustParts, floor: Floor, admitted: Collection[Region], now: float) -> tuple[dict[str, object], list[str], bool]:
    """Freshness of each region; the third value tells whether every admitted one is at full service.

    Raises:
        StoreError: The floor cannot be read.
    """
    view: TrustView = NoTrust()
    problem: GateError | None = None
    generation: Path | None = None
    latest_seen, floor_versions = floor.latest_seen(), floor.versions()
    try:
        generation = parts.cache.current()
        in_force = trust_in_force(parts, floor, now)
        view, latest_seen = in_force.view, in_force.latest_seen
    except GateError as error:
        problem = error
    found = [view.freshness(region, now) for region in Region]
    fields: dict[str, object] = {
        "generation": generation.name if generation else None,
        "versions": dict(view.versions),
        "floor": floor_versions,
        "latest_seen": latest_seen,
        "freshness": {each.region.value: freshness_json(each, now) for each in found},
        "admitted": sorted(region.value for region in admitted),
        "problem": None if problem is None else {"what": problem.what, "remedy": problem.remedy},
    }
    rows = [
        ("generation", str(generation) if generation else "none"),
        ("versions", roles_line(view.versions) or "none"),
        ("floor", roles_line(floor_versions) or "nothing imported yet"),
        ("latest time", time_text(latest_seen) + (f", {duration(latest_seen - now)} ahead of the clock" if latest_seen >= now + 1 else "")),
    ]
    for each in found:
        rows.append(("trust", freshness_text(each, now) + ("" if each.region in admitted else " - not admitted in this lane")))
        rows += [("", f"remedy: {each.cause.remedy}")] if each.cause.remedy else []
    if problem is not None:
        rows += [("problem", problem.what), ("", f"remedy: {problem.remedy}")]
    good = all(each.state.rank < Freshness.DEGRADED.rank for each in found if each.region in admitted)
    return fields, [f"{name:<12} {value}" for name, value in rows], good


def roles_line(versions: Mapping[str, int]) -> str:
    """Versions by role in one line: "root 1, timestamp 7"."""
    return ", ".join(f"{role} {version}" for role, version in versions.items())


def _role_json(role: RoleSummary) -> dict[str, Any]:
    return {"role": role.role, "version": role.version, "expires": role.expires, "threshold": role.threshold, "keys": list(role.key_ids)}


def _role_row(role: RoleSummary, now: float) -> tuple[str, ...]:
    left = duration(role.expires - now) if role.expires > now else "EXPIRED"
    return (role.role, str(role.version), role.signers, time_text(role.expires), left)


def _passes(listed: StatusList) -> int:
    return len(listed.content) * 8 // listed.bits


def _first_day(at: int) -> str:
    return time_text(at)[:_DAY] if at else "always"


def _last_day(not_after: int) -> str:
    return time_text(not_after - 1)[:_DAY] if not_after < _NO_END else "no end"


def _validity(not_before: int, not_after: int, now: float) -> str:
    if now < not_before:
        return f"valid in {duration(not_before - now)}"
    return "valid" if now < not_after else "ENDED"


def _age(issued_at: float, now: float) -> str:
    return duration(now - issued_at) if issued_at <= now else f"signed {duration(issued_at - now)} ahead of the clock"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return ["  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in (header, *rows)]
