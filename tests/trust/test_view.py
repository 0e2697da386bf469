"""What a verified state of trust answers: keys by header, status by list and region, freshness by region."""

from __future__ import annotations

import hashlib
from typing import Any

import cbor2
import pytest

from gate_controller.core.values import Region
from gate_controller.ports.services import KeyTable
from gate_controller.ports.trust import Cause, Freshness, PassStatus, TrustView
from gate_controller.trust.keys import parse_key, protected_headers
from gate_controller.trust.repository import Target, VerifiedRepository, verify_repository
from gate_controller.trust.sources import MemorySource
from gate_controller.trust.view import LatestTime, VerifiedTrust, build_view
from simulators import status_list
from simulators.authority import Authority

NOW = 1_800_000_000
DAY_S = 86_400


def view_of(gate: Any, now: float | None = None) -> VerifiedTrust:
    repository = verify_repository(gate.pinned, MemorySource(gate.keepers.files, "stick"), at=None)
    return build_view(repository, gate.budget, LatestTime(gate.now if now is None else now))


def test_keys_by_their_protected_headers(story: Any) -> None:
    view = view_of(story)
    table: KeyTable = view
    for authority in story.keepers.authorities.issuers.values():
        for algorithm in (-8, -19):
            key = table.lookup(authority.protected_header(algorithm))
            assert key is not None
            assert (key.key, key.region, key.not_before, key.not_after) == (authority.public_key, authority.region, 0, 1 << 33)
    assert table.lookup(story.keepers.authorities.forger.protected_header()) is None
    assert table.lookup(b"") is None
    assert len(view.keys) == 2


def test_headers_are_what_a_cose_library_would_write() -> None:
    kid = bytes(range(8))
    assert protected_headers(kid) == tuple(cbor2.dumps({1: algorithm, 4: kid, 16: 65001}, canonical=True) for algorithm in (-8, -19))


def test_kid_is_the_key_s_thumbprint() -> None:
    """RFC 9679: SHA-256 over the required members in deterministic encoding; the first 8 bytes."""
    authority = Authority(Region.MO, "trust")
    thumbprint = hashlib.sha256(cbor2.dumps({1: 1, -1: 6, -2: authority.public_key}, canonical=True)).digest()
    kid, key = parse_key(f"{thumbprint[:8].hex()}.cbor", authority.cose_key, {"not_before": 1, "not_after": 2}, Region.MO)
    assert kid == thumbprint[:8]
    assert key.key == authority.public_key


def test_the_region_is_the_folder_s(story: Any) -> None:
    """Hong Kong lists a key that calls itself Macao's: it is Hong Kong's, and what it signs as Macao's is refused by the pass check."""
    authority = Authority(Region.MO, "trust", name="second")
    story.list_key("hk", authority.cose_key)
    key = view_of(story).lookup(authority.protected_header())
    assert key is not None
    assert key.region is Region.HK


def test_status_by_region_list_and_index(story: Any) -> None:
    story.keepers.revoke(Region.HK, 5)
    story.keepers.revoke(Region.HK, 6, PassStatus.SUSPENDED)
    story.keepers.publish(story.real)
    view: TrustView = view_of(story)
    assert [view.status(Region.HK, "hk/status/1", index) for index in (4, 5, 6)] == [PassStatus.VALID, PassStatus.INVALID, PassStatus.SUSPENDED]
    assert view.status(Region.HK, "hk/status/1", 1024) is None
    assert view.status(Region.HK, "hk/status/1", -1) is None
    assert view.status(Region.HK, "hk/status/2", 5) is None
    assert view.status(Region.MO, "hk/status/1", 5) is None
    assert view.status(Region.MO, "mo/status/1", 5) is PassStatus.VALID


def test_the_oldest_list_of_a_region_counts(story: Any) -> None:
    old = status_list.claims("hk/status/2", bytes(16), NOW - 27 * 3600)
    story.list_target("hk", "hk/status/2", status_list.token(story.keepers.authorities.issuers[Region.HK], old))
    view = view_of(story)
    assert view.freshness(Region.HK, NOW).state is Freshness.DEGRADED
    assert view.freshness(Region.MO, NOW).state is Freshness.FRESH
    assert view.newest_signed_at == NOW


def test_the_earliest_expiry_of_a_list_counts(story: Any) -> None:
    for name, expires_at in (("2", NOW + 60), ("3", NOW + 90)):
        listed = status_list.claims(f"mo/status/{name}", bytes(16), NOW, expires_at=expires_at)
        story.list_target("mo", f"mo/status/{name}", status_list.token(story.keepers.authorities.issuers[Region.MO], listed))
    assert view_of(story).freshness(Region.MO, NOW + 60).cause is Cause.STATUS_LIST_EXPIRED


def test_keys_that_end(story: Any) -> None:
    state = story.keepers.regions[Region.HK]
    state.keys = [(state.keys[0][0], 0, NOW + 100)]
    story.keepers.publish(story.real)
    view = view_of(story)
    assert view.freshness(Region.HK, NOW + 99).state is Freshness.STALE
    assert view.freshness(Region.HK, NOW + 100).cause is Cause.REGION_KEYS
    assert view.freshness(Region.MO, NOW + 100).state is Freshness.FRESH


def test_never_judged_by_an_earlier_time_than_the_latest_seen(story: Any) -> None:
    repository = verify_repository(story.pinned, MemorySource(story.keepers.files), at=None)
    latest = LatestTime(NOW)
    view = build_view(repository, story.budget, latest)
    assert view.freshness(Region.HK, NOW).state is Freshness.FRESH
    latest.value = NOW + 3 * DAY_S
    tolerance = story.budget.clock_tolerance_s
    assert view.freshness(Region.HK, NOW).cause is Cause.CLOCK_BEHIND
    assert view.freshness(Region.HK, latest.value - tolerance).state is Freshness.CLOSED
    assert view.freshness(Region.HK, latest.value - tolerance).cause is Cause.STATUS_LIST_AGE


def test_a_key_for_enrolments_verifies_no_pass(story: Any) -> None:
    authority = Authority(Region.HK, "enrolments", "enrolment")
    story.keepers.add_enrolment_key(authority, 5, 1 << 33)
    story.keepers.publish(story.now)
    view = view_of(story)
    assert (view.enrolment_keys[authority.kid].key, view.enrolment_keys[authority.kid].not_before) == (authority.public_key, 5)
    assert authority.kid not in view.keys
    assert view.lookup(authority.protected_header()) is None
    story.keepers.withdraw_pass_key(authority)
    story.keepers.publish(story.now)
    assert not view_of(story).enrolment_keys


def test_custom_data_of_a_status_list_does_not_matter(story: Any) -> None:
    token = status_list.token(story.keepers.authorities.issuers[Region.HK], status_list.claims("hk/status/2", bytes(16), NOW))
    story.list_target("hk", "hk/status/2", token, {"anything": [1]})
    assert view_of(story).status(Region.HK, "hk/status/2", 0) is PassStatus.VALID


def test_expired_is_built_and_judged_by_its_freshness(story: Any) -> None:
    assert view_of(story, NOW + 400 * DAY_S).freshness(Region.HK, NOW + 400 * DAY_S).state is Freshness.CLOSED


def test_a_repository_is_what_it_says(story: Any) -> None:
    repository = verify_repository(story.pinned, MemorySource(story.keepers.files, "stick"), at=NOW)
    assert isinstance(repository, VerifiedRepository)
    assert repository.source == "stick"
    assert repository.files == {name: content for name, content in story.keepers.current().items() if name != "metadata/1.root.json"}
    assert {
        name: NOW + DAY_S * days for name, days in {"root": 365, "timestamp": 3, "snapshot": 14, "targets": 60, "hk": 60, "mo": 60}.items()
    } == repository.expires
    hk = story.keepers.authorities.issuers[Region.HK]
    assert repository.targets[f"hk/{hk.kid.hex()}.cbor"] == Target(hk.cose_key, {"not_before": 0, "not_after": 1 << 33})
    assert len(repository.targets) == 4


@pytest.mark.parametrize("at", [NOW, None])
def test_what_was_verified_is_a_repository_again(story: Any, at: float | None) -> None:
    once = verify_repository(story.pinned, MemorySource(story.keepers.files, "stick"), at=at)
    assert verify_repository(story.pinned, MemorySource(once.files, "stick"), at=at) == once
