"""The running gate's trust: one state at a time, the old one while the new one cannot be believed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from gate_controller.core.values import Region
from gate_controller.ports.errors import ConfigurationError, StoreError
from gate_controller.ports.trust import Cause, Freshness, PassStatus, RegionFreshness, Trust, TrustView
from gate_controller.trust import store as store_module
from gate_controller.trust.floor import Floor
from gate_controller.trust.sources import SourceError
from simulators.authority import Authority

HOUR_S = 3600
DAY_S = 86_400


def cause(gate: Any, region: Region = Region.HK) -> Cause:
    freshness: RegionFreshness = gate.store.current().freshness(region, gate.now)
    return freshness.cause


@pytest.fixture
def started(gate: Any) -> Any:
    gate.store = gate.start()
    return gate


# -- loading ----------------------------------------------------------------------------------------------------------


def test_it_is_a_trust(started: Any) -> None:
    trust: Trust = started.store
    view: TrustView = trust.current()
    assert started.store.problem is None
    assert view.versions["hk"] == 1
    assert cause(started) is Cause.NONE


def test_nothing_installed(new_gate: Any) -> None:
    new_gate.store = new_gate.start()
    view = new_gate.store.current()
    assert str(new_gate.store.problem) == f"trust cache {new_gate.cache.path} is empty (import trust: gatectl keys import DIRECTORY)"
    assert [view.freshness(region, new_gate.now).cause for region in Region] == [Cause.NO_TRUST] * 2
    assert view.lookup(new_gate.keepers.authorities.issuers[Region.HK].protected_header()) is None
    assert view.status(Region.HK, "hk/status/1", 0) is None
    assert view.versions == {}
    new_gate.take()
    assert new_gate.store.refresh(new_gate.now)
    assert cause(new_gate) is Cause.NONE


@pytest.mark.parametrize(
    ("role", "expected"),
    [("timestamp", Cause.TIMESTAMP), ("snapshot", Cause.SNAPSHOT), ("targets", Cause.TARGETS), ("root", Cause.ROOT), ("hk", Cause.REGION_ROLE)],
)
def test_expired_metadata_is_loaded_and_says_what_expired(gate: Any, role: str, expected: Cause) -> None:
    """An import refuses it; but what is in the cache already is shown for what it is."""
    gate.keepers.lifetimes_s[role] = HOUR_S
    if role in {"root", "targets"}:
        gate.keepers.renew(role, gate.real)
    gate.keepers.publish(gate.real)
    gate.take()
    gate.pass_time(2 * HOUR_S)
    gate.store = gate.start()
    assert gate.store.problem is None
    assert cause(gate) is expected
    assert gate.store.current().freshness(Region.HK, gate.now).state is Freshness.CLOSED
    assert gate.store.current().freshness(Region.MO, gate.now).state is (Freshness.FRESH if role == "hk" else Freshness.CLOSED)


def test_a_cache_behind_the_floor_is_no_trust(gate: Any) -> None:
    gate.floor.raise_versions({"hk": 2})
    gate.store = gate.start()
    assert gate.store.problem.what.endswith("generation-1: metadata/1.hk.json: hk has version 1, older than 2, which this gate has had in force")
    assert cause(gate) is Cause.NO_TRUST


def test_a_cache_with_a_wrong_signature_is_no_trust(gate: Any) -> None:
    path = gate.cache.current() / "metadata" / "1.hk.json"
    path.write_bytes(path.read_bytes().replace(b'"expires": "2027', b'"expires": "2028'))
    gate.store = gate.start()
    assert gate.store.problem.what.endswith("generation-1: metadata/1.hk.json: has too few valid signatures (hk was signed by 0/2 keys)")
    assert gate.store.problem.remedy == "import trust again: gatectl keys import DIRECTORY"
    assert cause(gate) is Cause.NO_TRUST


def test_another_pinned_root_is_no_trust(gate: Any) -> None:
    gate.pinned = gate.pinned.replace(b'"sig": "', b'"sig": "00', 2)
    gate.store = gate.start()
    assert "the pinned root: has too few valid signatures (root was signed by 1/2 keys)" in gate.store.problem.what
    assert cause(gate) is Cause.NO_TRUST


@pytest.mark.parametrize("pinned", [b"", b"{}", b"\xff", b"[" * 100_000], ids=["empty", "no metadata", "no text", "deep"])
def test_a_pinned_root_that_is_none(gate: Any, pinned: bytes) -> None:
    gate.pinned = pinned
    assert "the pinned root: is not TUF metadata" in gate.start().problem.what


def test_the_floor_is_needed(gate: Any) -> None:
    gate.floor.close()
    with pytest.raises(StoreError):
        gate.start()


def test_a_python_tuf_that_cannot_be_told_the_time_is_noticed(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, expiry would silently be judged by the system's clock."""
    from tuf.ngclient import Updater

    init = Updater.__init__

    def other(self: Any, *given: Any, **named: Any) -> None:
        init(self, *given, **named)
        del self._trusted_set.reference_time

    monkeypatch.setattr(Updater, "__init__", other)
    with pytest.raises(ConfigurationError, match="cannot be told the time"):
        gate.start()


# -- reloading --------------------------------------------------------------------------------------------------------


def test_a_new_generation_is_taken(started: Any) -> None:
    before = started.store.current()
    assert not started.store.refresh(started.now)
    started.keepers.revoke(Region.MO, 3)
    started.keepers.publish(started.real)
    started.take()
    assert started.store.current() is before
    assert started.store.refresh(started.now)
    assert started.store.current().status(Region.MO, "mo/status/1", 3) is PassStatus.INVALID
    assert before.status(Region.MO, "mo/status/1", 3) is PassStatus.VALID
    assert not started.store.refresh(started.now)


def test_nothing_is_verified_while_the_cache_stays_the_same(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "installed_repository", None)
    for _ in range(3):
        assert not started.store.refresh(started.now)
    assert started.store.problem is None


def test_a_floor_that_was_lowered_does_not_bring_an_older_state_back(started: Any) -> None:
    old = started.keepers.current()
    started.keepers.revoke(Region.HK, 3)
    started.keepers.publish(started.real)
    started.take()
    assert started.store.refresh(started.now)
    with closing(sqlite3.connect(started.path / "floor.sqlite")) as db, db:
        db.execute("DELETE FROM versions")
    started.cache.install(old)
    assert not started.store.refresh(started.now)
    assert "generation-3: metadata/1.hk.json: hk has version 1, older than 2" in started.store.problem.what
    assert started.store.current().status(Region.HK, "hk/status/1", 3) is PassStatus.INVALID
    assert started.floor.versions() == {}, "nothing of it is remembered"


@pytest.mark.parametrize("has_own", [True, False])
def test_whoever_took_the_sync_over_brings_an_older_state_back_at_a_restart_only_without_a_floor_of_the_controller_s_own(gate: Any, has_own: bool) -> None:
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(closing(Floor.create(gate.path / "own.sqlite", gate.now))) if has_own else None
        gate.take()
        gate.start(own)
        old = gate.keepers.current()
        gate.keepers.revoke(Region.HK, 3)
        gate.keepers.publish(gate.real)
        gate.take()
        gate.start(own)
        with closing(sqlite3.connect(gate.path / "floor.sqlite")) as db, db:
            db.execute("DELETE FROM versions")
        gate.cache.install(old)
        started = gate.start(own)
        if has_own:
            assert "hk has version 1, older than 2, which this gate has had in force" in started.problem.what
            assert started.current().freshness(Region.HK, gate.now).state is Freshness.CLOSED
        else:
            assert started.problem is None


def test_the_same_state_in_another_place_is_no_other_state(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = started.store.current()
    started.cache.install(started.keepers.current())
    assert not started.store.refresh(started.now)
    assert (started.store.current(), started.store.problem) == (before, None)
    os.utime(started.cache.path / "current", (1, 1))
    monkeypatch.setattr(store_module, "installed_repository", None)
    assert not started.store.refresh(started.now), "touched, and not even read"


def test_a_broken_generation_keeps_the_old_view_and_is_tried_once(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = started.store.current()
    started.keepers.publish(started.real)
    started.take()
    (started.cache.current() / "metadata" / "2.mo.json").write_bytes(b"{")
    assert not started.store.refresh(started.now)
    problem = started.store.problem
    assert "metadata/2.mo.json: is not TUF metadata" in problem.what
    assert started.store.current() is before
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "installed_repository", None)
        assert not started.store.refresh(started.now)
    assert started.store.problem is problem
    started.takes_the_next_good_one()


@pytest.mark.parametrize("error", [StoreError("temporary files: disk full", "free space"), SourceError("the disk fails", "look at it")])
def test_what_may_be_over_soon_is_tried_again(started: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    started.keepers.publish(started.real)
    started.take()

    def failing(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "installed_repository", failing)
        assert not started.store.refresh(started.now)
        assert started.store.problem is error
    assert started.store.refresh(started.now)
    assert started.store.problem is None


def test_no_room_for_temporary_files(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started.keepers.publish(started.real)
    started.take()
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(started.path / "nowhere"))
        assert not started.store.refresh(started.now)
    assert "cannot be verified: temporary files: No such file or directory" in started.store.problem.what
    assert started.store.refresh(started.now)


def test_a_wiped_cache_keeps_the_view(started: Any) -> None:
    before = started.store.current()
    started.wipe_cache()
    assert not started.store.refresh(started.now)
    assert "is empty" in started.store.problem.what
    assert started.store.current() is before


def test_an_unreadable_cache_keeps_the_view(started: Any) -> None:
    before = started.store.current()
    (started.cache.path / "current").unlink()
    (started.cache.path / "current").mkdir()
    assert not started.store.refresh(started.now)
    assert started.store.problem is not None
    assert started.store.current() is before
    (started.cache.path / "current").rmdir()
    started.takes_the_next_good_one()


def test_a_floor_that_cannot_be_written_keeps_the_view(started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = started.store.current()
    started.keepers.publish(started.real)
    started.take()

    def full(*_: object) -> None:
        raise StoreError("trust floor: the disk is full", "free space")

    with monkeypatch.context() as patch:
        patch.setattr(type(started.floor), "raise_versions", full)
        assert not started.store.refresh(started.now)
    assert started.store.current() is before
    assert started.store.refresh(started.now)


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("frequent_switches")
def test_no_reader_ever_sees_a_mixture(started: Any) -> None:
    """Each generation has a key of its own and says so in its status list: a view has both of one generation, or of another."""
    rounds = 3
    issuers = {number: Authority(Region.HK, "trust", f"key {number}") for number in range(2, rounds + 2)}
    issuers[1] = started.keepers.authorities.issuers[Region.HK]
    headers = {number: issuer.protected_header() for number, issuer in issuers.items()}
    mixtures: list[object] = []
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            view = started.store.current()
            version = view.versions["hk"]
            keys = {number for number, header in headers.items() if view.lookup(header) is not None}
            revoked = {number for number in headers if view.status(Region.HK, "hk/status/1", number) is PassStatus.INVALID}
            state = view.freshness(Region.HK, started.now).state
            if keys != {version} or revoked != ({version} if version > 1 else set()) or state is not Freshness.FRESH or view.versions["hk"] != version:
                mixtures.append((version, keys, revoked, state))
            seen.add(version)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(2, rounds + 2):
        started.keepers.withdraw_pass_key(issuers[number - 1])
        started.keepers.add_pass_key(issuers[number])
        started.keepers.regions[Region.HK].statuses = {"hk/status/1": {number: PassStatus.INVALID}}
        started.keepers.publish(started.real)
        started.take(started.keepers.current())
        assert started.store.refresh(started.now)
    done.set()
    reader.join()
    assert mixtures == []
    assert len(seen) > 1


def test_a_view_cannot_be_changed(started: Any) -> None:
    view = started.store.current()
    for mapping in (view.versions, view.expires, view.keys, view.status_lists):
        with pytest.raises(TypeError):
            mapping["x"] = 1


def test_verifying_leaves_nothing_behind_when_it_is_killed(gate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    for function in ("mkdtemp", "mkstemp", "NamedTemporaryFile"):
        monkeypatch.setattr(f"tempfile.{function}", lambda *given, **_: made.append(given))
    assert gate.start().problem is None
    assert made == []
