"""What a gate takes: the keepers' and the regions' ordinary work, however long the gate was away, and repairs.

The table of docs/trust.md names these tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile

from gate_controller.core.values import Region
from gate_controller.ports.errors import StoreError
from gate_controller.ports.trust import Cause, Freshness, PassStatus
from gate_controller.trust import importing
from gate_controller.trust.errors import InstalledError, TrustError
from gate_controller.trust.sources import DirectorySource
from simulators.authority import Authority

HOUR_S = 3600
DAY_S = 86_400


def states(gate: Any) -> set[Freshness]:
    view = gate.store.current()
    return {view.freshness(region, gate.now).state for region in Region}


def taken(gate: Any, source: Any = None) -> Any:
    """Import, have the running gate notice, and see that exactly what is published is in force."""
    if gate.store is None:
        gate.store = gate.start()
    report = gate.take(source)
    assert gate.store.refresh(gate.now) is report.changed
    assert gate.store.problem is None
    view = gate.store.current()
    assert view.versions == report.versions_after == {role: metadata.signed.version for role, metadata in gate.keepers.metadata.items()}
    assert gate.floor.versions() == view.versions
    for region, state in gate.keepers.regions.items():
        assert {kid for kid, key in view.keys.items() if key.region is region} == {authority.kid for authority, _, _ in state.keys}
    return report


def test_first_import(new_gate: Any) -> None:
    report = taken(new_gate)
    assert (report.changed, report.versions_before, report.warnings) == (True, {}, ())
    assert set(report.versions_after) == {"root", "timestamp", "snapshot", "targets", "hk", "mo"}
    assert {each.state for each in report.freshness.values()} == states(new_gate) == {Freshness.FRESH}


def test_newer_publication(gate: Any) -> None:
    gate.pass_time(HOUR_S)
    gate.keepers.revoke(Region.HK, 7)
    gate.keepers.publish(gate.real)
    before = gate.floor.versions()
    report = taken(gate)
    assert (report.changed, report.versions_before) == (True, before)
    assert gate.store.current().status(Region.HK, "hk/status/1", 7) is PassStatus.INVALID
    assert gate.floor.latest_seen() == gate.real


def test_same_publication_again(gate: Any) -> None:
    token = gate.cache.token()
    gate.pass_time(HOUR_S)
    report = gate.take()
    assert (report.changed, report.versions_before) == (False, report.versions_after)
    assert gate.cache.token() == token
    assert gate.floor.latest_seen() == gate.now


def test_what_was_signed_is_remembered_by_the_import(gate: Any) -> None:
    gate.pass_time(HOUR_S)
    gate.keepers.publish(gate.real)
    gate.take()
    assert gate.floor.forget_time(0) == gate.real


def test_timestamp_alone_signed_anew(gate: Any) -> None:
    gate.pass_time(HOUR_S)
    gate.keepers.touch(gate.real)
    assert taken(gate).changed


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "hk", "mo"])
def test_keys_of_a_role_rotated(gate: Any, role: str) -> None:
    gate.keepers.rotate(role, gate.real)
    assert taken(gate).changed


def test_keepers_with_keys_of_another_kind(gate: Any) -> None:
    """As their hardware has them: ECDSA beside Ed25519."""
    gate.keepers.signers["hk"][:2] = [CryptoSigner.generate_ecdsa(), CryptoSigner.generate_ecdsa()]
    gate.keepers.renew("targets", gate.real)
    assert taken(gate).changed


def test_root_rotated_many_times_while_the_gate_was_away(gate: Any) -> None:
    for _ in range(4):
        gate.pass_time(10 * DAY_S)
        gate.keepers.rotate("root", gate.real)
    assert taken(gate).versions_after["root"] == 5


def test_root_in_the_middle_of_the_chain_expired(gate: Any) -> None:
    gate.keepers.lifetimes_s["root"] = HOUR_S
    gate.keepers.rotate("root", gate.real)
    gate.keepers.lifetimes_s["root"] = 365 * DAY_S
    gate.pass_time(DAY_S)
    gate.keepers.rotate("root", gate.real)
    assert taken(gate).versions_after["root"] == 3


def test_pinned_root_long_expired(new_gate: Any) -> None:
    """It only begins the chain."""
    new_gate.pass_time(300 * DAY_S)
    new_gate.keepers.renew("root", new_gate.real)
    new_gate.pass_time(200 * DAY_S)
    new_gate.keepers.renew("targets", new_gate.real)
    assert taken(new_gate).changed


def test_pinned_root_that_is_newer_than_the_first(gate: Any) -> None:
    """A gate installed later pins a later root; the older ones on the stick do not matter."""
    gate.keepers.rotate("root", gate.real)
    gate.pinned = gate.keepers.files["metadata/2.root.json"]
    gate.keepers.rotate("root", gate.real)
    assert taken(gate).versions_after["root"] == 3


def test_after_months_with_a_current_stick(gate: Any) -> None:
    gate.store = gate.start()
    gate.pass_time(150 * DAY_S)
    gate.store.observe(gate.now)
    assert states(gate) == {Freshness.CLOSED}
    for role in ("root", "targets", "hk", "mo", "timestamp"):
        gate.keepers.rotate(role, gate.real)
    gate.keepers.renew("targets", gate.real)
    assert taken(gate).warnings == ()
    assert states(gate) == {Freshness.FRESH}


def test_pass_key_added_and_withdrawn(gate: Any) -> None:
    old, new = gate.keepers.authorities.issuers[Region.MO], Authority(Region.MO, "trust", "second")
    gate.keepers.add_pass_key(new, 100, 200)
    gate.keepers.publish(gate.real)
    taken(gate)
    key = gate.store.current().lookup(new.protected_header())
    assert (key.key, key.region, key.not_before, key.not_after) == (new.public_key, Region.MO, 100, 200)
    gate.keepers.regions[Region.MO].keys.pop()
    gate.keepers.add_pass_key(new)
    gate.keepers.withdraw_pass_key(old)
    gate.keepers.publish(gate.real)
    taken(gate)
    assert gate.store.current().lookup(old.protected_header()) is None
    assert gate.store.current().lookup(new.protected_header()).region is Region.MO


def test_one_region_publishes_alone(gate: Any) -> None:
    gate.pass_time(13 * HOUR_S)
    gate.keepers.publish(gate.real, regions=[Region.HK])
    report = taken(gate)
    assert {region: each.state for region, each in report.freshness.items()} == {Region.HK: Freshness.FRESH, Region.MO: Freshness.STALE}
    assert [warning[:10] for warning in report.warnings] == ["MO: stale "]


def test_region_without_keys_is_closed_and_the_other_open(gate: Any) -> None:
    gate.keepers.withdraw_pass_key(gate.keepers.authorities.issuers[Region.HK])
    gate.keepers.regions[Region.HK].statuses.clear()
    gate.keepers.publish(gate.real)
    report = taken(gate)
    assert {region: each.state for region, each in report.freshness.items()} == {Region.HK: Freshness.CLOSED, Region.MO: Freshness.FRESH}


def test_status_list_as_old_as_the_stick_allows(gate: Any) -> None:
    """A stick that is nearly expired is taken, with a warning."""
    gate.keepers.publish(gate.real)
    gate.pass_time(3 * DAY_S - 1)
    report = taken(gate)
    assert report.changed
    assert {each.cause for each in report.freshness.values()} == {Cause.STATUS_LIST_AGE}
    assert len(report.warnings) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "metadata" / "1.hk.json").write_bytes(b""),
        lambda path: (path / "metadata" / "timestamp.json").unlink(),
        lambda path: next((path / "targets" / "mo").glob("*.cbor")).write_bytes(bytes(40)),
        lambda path: (path.parent / "current").write_text("generation-9\n"),
        lambda path: (path.parent / "current").write_bytes(b"\0" * 13),
    ],
    ids=["truncated metadata", "lost metadata", "damaged target", "current names nothing", "current is zeros"],
)
def test_damaged_cache_repaired_by_importing_again(gate: Any, damage: Any) -> None:
    """Even from the same stick: what lies in the cache is not the newest state any more."""
    damage(gate.cache.path / "generation-1")
    broken = gate.start()
    assert broken.problem is not None
    assert broken.current().freshness(Region.HK, gate.now).cause is Cause.NO_TRUST
    gate.store = broken
    report = taken(gate)
    assert (report.changed, report.versions_before) == (True, {})
    assert states(gate) == {Freshness.FRESH}


def test_wiped_cache_repaired_by_a_current_stick(gate: Any) -> None:
    gate.wipe_cache()
    assert taken(gate).changed


def test_cache_put_back_to_an_older_state_is_not_loaded_and_is_repaired(gate: Any) -> None:
    old = {path.relative_to(gate.cache.path): path.read_bytes() for path in gate.cache.path.rglob("*") if path.is_file()}
    gate.keepers.publish(gate.real)
    gate.take()
    gate.wipe_cache()
    for name, content in old.items():
        (gate.cache.path / name).parent.mkdir(parents=True, exist_ok=True)
        (gate.cache.path / name).write_bytes(content)
    gate.store = gate.start()
    assert "older than 2" in gate.store.problem.what
    assert states(gate) == {Freshness.CLOSED}
    assert taken(gate).changed


def test_unknown_files_on_the_stick(gate: Any) -> None:
    gate.keepers.publish(gate.real)
    stick = gate.stick()
    for name in (".Trashes", "metadata/.~lock", "metadata/notes.txt", "targets/hk/x.exe", "System Volume Information"):
        (stick / name).write_bytes(b"x")
    assert taken(gate, DirectorySource(stick)).changed


def test_another_gate_s_cache_as_a_stick(gate: Any, new_gate: Any) -> None:
    """A generation is a repository."""
    assert taken(new_gate, DirectorySource(gate.cache.current())).changed


def test_metadata_with_hashes_and_lengths(gate: Any) -> None:
    """Snapshot and timestamp may name them; then they are compared."""
    gate.keepers.publish(gate.real)
    snapshot = gate.files["metadata/2.snapshot.json"]
    gate.sign_anew("timestamp", lambda signed: setattr(signed, "snapshot_meta", MetaFile.from_data(2, snapshot, ["sha256", "sha512"])))
    assert taken(gate).changed


def test_clock_a_little_behind(gate: Any) -> None:
    gate.real += 100
    gate.keepers.publish(gate.real)
    assert taken(gate).warnings == ()


def test_import_while_the_clock_is_behind_what_was_seen(gate: Any) -> None:
    """Taken, as it is judged by the latest time seen; and it says what closes the lane."""
    gate.floor.saw(gate.now + DAY_S)
    gate.keepers.publish(gate.real)
    report = taken(gate)
    assert {each.cause for each in report.freshness.values()} == {Cause.CLOCK_BEHIND}
    assert len(report.warnings) == 2


def test_fast_forward_recovered_by_a_higher_version(gate: Any) -> None:
    """A stolen timestamp key has signed a huge version; the keepers change the key and go on above it."""
    gate.sign_anew("timestamp", lambda signed: setattr(signed, "version", 1_000_000_000))
    taken(gate)
    gate.keepers.rotate("timestamp", gate.real)
    assert taken(gate).versions_after["timestamp"] > 1_000_000_000


# -- the ends of an import -----------------------------------------------------------------------------------------------


def test_floor_not_written_after_the_install(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in force then, and the message says so; the next import writes what this one could not."""
    gate.pass_time(HOUR_S)
    gate.keepers.publish(gate.real)

    def full(*_: object) -> None:
        raise StoreError("trust floor: the disk is full", "free space")

    with monkeypatch.context() as patch:
        patch.setattr(gate.floor, "saw", full)
        with pytest.raises(InstalledError) as caught:
            gate.take()
        assert caught.value.what == "generation-2 is installed and in force, but the floor does not know it: trust floor: the disk is full"
        assert caught.value.remedy == "free space; then import again"
        with pytest.raises(StoreError) as caught_again:
            gate.take()
        assert not isinstance(caught_again.value, InstalledError)
    assert not gate.take().changed
    assert gate.floor.latest_seen() == gate.real


@pytest.mark.parametrize("loaded", [True, False])
def test_import_killed_after_the_install(gate: Any, monkeypatch: pytest.MonkeyPatch, loaded: bool) -> None:
    """What it did not get to remember, the gate's next load does, or the next import: the old stick is refused."""
    old = gate.keepers.copy()
    gate.pass_time(HOUR_S)
    gate.keepers.publish(gate.real)
    install = type(gate.cache).install

    def killed(*given: Any) -> None:
        install(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(gate.cache), "install", killed)
    with pytest.raises(KeyboardInterrupt):
        gate.take()
    monkeypatch.undo()
    assert gate.floor.versions()["hk"] == 1
    if loaded:
        assert gate.start().problem is None
        assert gate.floor.forget_time(0) == gate.real  # what was signed stays
        gate.wipe_cache()
    with pytest.raises(TrustError, match="hk has version 1, older than 2"):
        gate.take(old.files)


def test_full_disk_leaves_the_old_trust(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.keepers.publish(gate.real)

    def full(*_: object) -> None:
        raise StoreError("trust cache: the disk is full", "free space")

    monkeypatch.setattr(type(gate.cache), "install", full)
    gate.refuses(gate.files, "the disk is full")
    monkeypatch.undo()
    gate.takes_the_next_good_one()


def test_another_import_ended_meanwhile(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The floor is asked under the lock: whoever fetched an older state and comes second is refused."""
    old = gate.keepers.copy()
    gate.keepers.publish(gate.real)
    newer = gate.keepers.copy()
    build = importing.build_view
    once: list[Any] = [lambda: gate.take(newer.files)]

    def meanwhile(*given: Any) -> Any:
        if once:
            once.pop()()
        return build(*given)

    monkeypatch.setattr(importing, "build_view", meanwhile)
    with pytest.raises(TrustError, match="older than 2"):
        gate.take(old.files)
    assert gate.floor.versions()["hk"] == 2


def test_a_directory_that_is_only_read(gate: Any) -> None:
    """Nothing is written to the source."""
    stick: Path = gate.stick()
    before = sorted((path, path.stat().st_mtime_ns) for path in stick.rglob("*"))
    taken(gate, DirectorySource(stick))
    assert sorted((path, path.stat().st_mtime_ns) for path in stick.rglob("*")) == before
