"""A pass laboratory: genuine authorities and a genuine holder, ready to sign whatever a test wants signed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest

from gate_controller.core.values import Direction, Region
from gate_controller.passes.verifier import OfflinePassVerifier, PassPolicy
from gate_controller.ports.services import PassAccepted, PassRejected, ReplayMemory, VerifyingKey
from gate_controller.ports.trust import Cause, Freshness, PassStatus, RegionFreshness, TrustView
from gate_controller.trust.cache import TrustCache
from gate_controller.trust.floor import Floor
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.importing import import_trust
from gate_controller.trust.sources import DirectorySource
from gate_controller.trust.store import TrustStore
from simulators.authority import STATUS_LIST_SIZE, Authorities, Authority, Permit, encode
from simulators.phone import Phone, qr_text
from simulators.repository import TrustRepository

NOW = 1_800_000_000


class RememberedInMemory:
    """A replay memory without a disk, as strict as the real one."""

    def __init__(self) -> None:
        self.rows: dict[bytes, int] = {}

    def last_presented(self, pass_id: bytes) -> int | None:
        return self.rows.get(pass_id)

    def claim(self, pass_id: bytes, issued_at: int, expires_at: int) -> bool:
        if issued_at <= self.rows.get(pass_id, -1):
            return False
        self.rows[pass_id] = issued_at
        return True

    def close(self) -> None:
        pass


class TrustInMemory:
    """Trust and its only view in one: the authorities' keys, one status list a region, freshness as set. No file, no metadata."""

    def __init__(self, authorities: Iterable[Authority], *, not_before: int = 0, not_after: int = 1 << 33) -> None:
        self.states: dict[Region, tuple[Freshness, Cause]] = {}
        self.statuses: dict[tuple[Region, str, int], PassStatus] = {}
        self.status_size = STATUS_LIST_SIZE
        self.taken = 0
        self.latest = 0.0
        self.versions: Mapping[str, int] = {}
        self._keys = {
            authority.protected_header(algorithm): VerifyingKey(authority.public_key, authority.region, not_before, not_after)
            for authority in authorities
            for algorithm in (-8, -19)
        }

    def current(self) -> TrustView:
        self.taken += 1
        return self

    def observe(self, wall: float) -> None:
        raise AssertionError("verifying tells nobody the time")

    def lookup(self, protected: bytes) -> VerifyingKey | None:
        return self._keys.get(protected)

    def status(self, region: Region, uri: str, index: int) -> PassStatus | None:
        if uri != f"{region.value.lower()}/status/1" or not 0 <= index < self.status_size:
            return None
        return self.statuses.get((region, uri, index), PassStatus.VALID)

    def freshness(self, region: Region, now: float) -> RegionFreshness:
        return RegionFreshness(region, *self.states.get(region, (Freshness.FRESH, Cause.NONE)))


class RunningGate:
    """A gate's own trust store, with a repository of the laboratory's authorities, and clocks that tests set. It has imported at the start.

    Attributes:
        repository: Where the keepers and regions publish.
        wall_s: What the gate's wall clock shows.
        counted_s: What its monotonic clock shows.
        store: The trust.
    """

    def __init__(self, directory: Path, authorities: Authorities) -> None:
        self.repository = TrustRepository(directory / "repository", authorities, NOW)
        self.wall_s: float = NOW
        self.counted_s = 0.0
        self._cache = TrustCache(directory / "cache")
        self.floor = Floor.create(directory / "floor", NOW)
        self.take()
        self.store = TrustStore(self._cache, self.repository.first_root, self.floor, FreshnessBudget(), self)

    def wall(self) -> float:
        return self.wall_s

    def monotonic(self) -> float:
        return self.counted_s

    def take(self) -> None:
        """Import what is published."""
        source = DirectorySource(self.repository.directory)
        import_trust(source, self._cache, self.repository.first_root, self.floor, FreshnessBudget(), self.wall_s)

    def pass_time(self, seconds: float, *, clock_goes: bool = True) -> None:
        """Time goes on, and the gate looks at its clocks and its cache."""
        self.counted_s += seconds
        self.wall_s += seconds if clock_goes else 0.0
        self.store.refresh(self.wall_s)
        self.store.observe(self.wall_s)


class Laboratory:
    def __init__(self, authorities: Authorities, directory: Path) -> None:
        self.authorities = authorities
        self._directory = directory
        self.gates: list[RunningGate] = []
        self.now = NOW
        self.hk = authorities.issuers[Region.HK]
        self.mo = authorities.issuers[Region.MO]
        self.policy = PassPolicy(
            lane_region=Region.MO,
            direction=Direction.HK_TO_MO,
            presentation_audiences=frozenset({"MO-GB", "MO-GB-07"}),
            admitted_issuers=frozenset({Region.HK}),
        )
        self.permit = Permit(enrolment_reference=bytes(range(16)), issued_at=NOW - 3600)
        self.phone = Phone("laboratory", "holder", "MO-GB")
        self.phone.obtain(self.hk, self.permit)

    def gate(self) -> RunningGate:
        """A running gate that took its trust now."""
        directory = self._directory / str(len(self.gates))
        directory.mkdir()
        self.gates.append(RunningGate(directory, self.authorities))
        return self.gates[-1]

    def trust(self, authorities: Iterable[Authority] | None = None, **validity: int) -> TrustInMemory:
        """Fresh trust in both regions, nobody revoked; change it as the test needs."""
        return TrustInMemory(self.authorities.issuers.values() if authorities is None else authorities, **validity)

    def verifier(self, replays: ReplayMemory | None = None, trust: TrustInMemory | None = None, **policy: Any) -> OfflinePassVerifier:
        return OfflinePassVerifier(replace(self.policy, **policy), trust or self.trust(), replays or RememberedInMemory())

    def verify(self, text: str, now: float = NOW, **policy: Any) -> PassAccepted | PassRejected:
        return self.verifier(**policy).verify(text, now)

    def text(self) -> str:
        """A genuine presentation made now."""
        return self.phone.present(self.now)

    def presented(self, pass_: bytes) -> str:
        """Any pass bytes, presented by the genuine holder."""
        self.phone.load(pass_)
        try:
            return self.phone.present(self.now)
        finally:
            self.phone.obtain(self.hk, self.permit)

    def signed_payload(self, payload: bytes) -> str:
        """Any payload, signed by the genuine authority, presented by the genuine holder."""
        return self.presented(self.hk.sign(payload))

    def claims(self) -> dict[int, Any]:
        return self.hk.claims(self.phone.public_key, self.permit)

    def with_claims(self, change: Callable[[dict[Any, Any]], Any]) -> str:
        """The genuine claims after `change`, deterministically encoded and signed."""
        claims = self.claims()
        change(claims)
        return self.signed_payload(encode(claims))

    def with_header(self, header: object) -> str:
        """Any protected header for the pass, signed by the genuine authority."""
        protected = header if isinstance(header, bytes) else cbor2.dumps(header)
        return self.presented(self.hk.sign(encode(self.claims()), protected))

    def with_presentation(self, payload: object = None, protected: bytes | None = None) -> str:
        """Any payload and header for the presentation, signed by the genuine holder."""
        if payload is None:
            payload = self.phone.payload(self.now, "MO-GB")
        return qr_text(self.phone.sign(payload if isinstance(payload, bytes) else encode(payload), protected))

    def parts(self) -> tuple[bytes, bytes, bytes]:
        """Protected header, payload and signature of a genuine presentation."""
        return self.taken_apart(self.phone.sign(self.phone.payload(self.now, "MO-GB")))

    def pass_parts(self) -> tuple[bytes, bytes, bytes]:
        """The same of the genuine pass."""
        assert self.phone.pass_
        return self.taken_apart(self.phone.pass_)

    @staticmethod
    def taken_apart(item: bytes) -> tuple[bytes, bytes, bytes]:
        sign1 = cbor2.loads(item)
        return sign1.value[0], sign1.value[2], sign1.value[3]

    @staticmethod
    def frame(protected: bytes, payload: bytes, signature: bytes, *, start: bytes = b"\xd2\x84", unprotected: bytes = b"\xa0", end: bytes = b"") -> bytes:
        """A COSE_Sign1 put together by hand, in any shape."""
        return start + cbor2.dumps(protected) + unprotected + cbor2.dumps(payload) + cbor2.dumps(signature) + end

    def presentation_claims(self) -> dict[int, Any]:
        return {3: "MO-GB", 6: self.now, 7: bytes(8)}


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    laboratory = Laboratory(Authorities("laboratory"), tmp_path_factory.mktemp("gates"))
    yield laboratory
    for gate in laboratory.gates:
        gate.floor.close()


@pytest.fixture
def replays() -> RememberedInMemory:
    return RememberedInMemory()
