"""What the fuzz targets play with: genuine authorities and a genuine holder whose keys sign whatever comes, and trust held in memory.

Everything follows from a fixed seed, so an input means the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from gate_controller.core.values import Direction, Region
from gate_controller.passes.verifier import OfflinePassVerifier, PassPolicy
from gate_controller.ports.services import VerifyingKey
from gate_controller.ports.trust import Freshness, PassStatus, RegionFreshness
from simulators.authority import Authority, Permit, encode
from simulators.phone import Phone, base45

SEED = "fuzz"
NOW = 1_800_000_000.25
AUDIENCE = "MO-GB"
REFERENCE = bytes(range(16))
LIST_SIZE = 1 << 20
REVOKED, SUSPENDED, APPLICATION = 100, 200, 300
STATUSES = {REVOKED: PassStatus.INVALID, SUSPENDED: PassStatus.SUSPENDED, APPLICATION: PassStatus.APPLICATION_SPECIFIC}
USED_PASS, USED_AT = b"used before: yes", 1_799_999_990
"""A pass whose last presentation was made at this time."""

SIGNERS = ("hk", "mo", "hk, expired key", "forger")
FRESHNESS = (Freshness.FRESH, Freshness.STALE, Freshness.DEGRADED, Freshness.CLOSED)


def qr_text(data: bytes) -> str:
    """The text of the QR code that carries these bytes: the phone's own Base45, quicker because each pair is computed once."""
    return "ECH1:" + "".join(_base45_of(data[at : at + 2]) for at in range(0, len(data), 2))


_base45_of = lru_cache(maxsize=None)(base45)


@dataclass(frozen=True)
class Presented:
    """All parts of what is shown, each properly signed: the pass by `signer`, the presentation by the holder. No presentation: a static pass."""

    signer: str
    pass_header: bytes
    pass_payload: bytes
    presentation_header: bytes | None
    presentation_payload: bytes


class MemoryTrust:
    """Implements ports.trust.Trust and TrustView: one state for both regions, the genuine keys, two status lists."""

    def __init__(self, keys: dict[bytes, VerifyingKey], state: Freshness) -> None:
        self._keys = keys
        self._state = state

    versions: dict[str, int] = {}  # noqa: RUF012 - never written
    latest = 0.0

    def current(self) -> MemoryTrust:
        return self

    def observe(self, wall: float) -> None:
        pass

    def lookup(self, protected: bytes) -> VerifyingKey | None:
        return self._keys.get(protected)

    def status(self, region: Region, uri: str, index: int) -> PassStatus | None:
        if uri != f"{region.value.lower()}/status/1" or not 0 <= index < LIST_SIZE:
            return None
        return STATUSES.get(index, PassStatus.VALID)

    def freshness(self, region: Region, now: float) -> RegionFreshness:
        return RegionFreshness(region, self._state)


class UsedBefore:
    """Implements ports.services.ReplayMemory: it knows one pass and learns nothing."""

    def last_presented(self, pass_id: bytes) -> int | None:
        return USED_AT if pass_id == USED_PASS else None

    def claim(self, pass_id: bytes, issued_at: int, expires_at: int) -> bool:
        raise NotImplementedError

    def close(self) -> None:
        pass


class Scene:
    """The parties, and a verifier for each freshness, with and without static passes admitted, with and without Macao's passes admitted."""

    def __init__(self) -> None:
        self.signers = {
            "hk": Authority(Region.HK, SEED),
            "mo": Authority(Region.MO, SEED),
            "hk, expired key": Authority(Region.HK, SEED, name="before"),
            "forger": Authority(Region.HK, SEED, name="forger"),
        }
        self.phone = Phone(SEED, "holder", AUDIENCE)
        self.permit = Permit(enrolment_reference=REFERENCE, issued_at=int(NOW) - 3600)
        keys = {
            authority.protected_header(algorithm): VerifyingKey(authority.public_key, authority.region, 0, int(NOW) if name == "hk, expired key" else 1 << 33)
            for name, authority in self.signers.items()
            if name != "forger"
            for algorithm in (-8, -19)
        }
        policy = PassPolicy(
            lane_region=Region.MO,
            direction=Direction.HK_TO_MO,
            presentation_audiences=frozenset({AUDIENCE, f"{AUDIENCE}-07"}),
            admitted_issuers=frozenset({Region.HK}),
            admitted_classes=frozenset({1, 2}),
        )
        self.verifiers = {
            (state, static, only_hk): OfflinePassVerifier(
                replace(policy, static_passes=static, admitted_issuers=frozenset({Region.HK} if only_hk else Region)), MemoryTrust(keys, state), UsedBefore()
            )
            for state in FRESHNESS
            for static in (False, True)
            for only_hk in (False, True)
        }

    def pass_payload(self, signer: str = "hk", *, static: bool = False) -> bytes:
        """The payload of a pass that is all right."""
        return encode(self.signers[signer].claims(None if static else self.phone.public_key, self.permit))

    def presentation_payload(self) -> bytes:
        """The payload of a presentation that is all right."""
        return self.phone.payload(int(NOW), AUDIENCE)

    def presented(
        self,
        signer: str = "hk",
        *,
        algorithms: tuple[int, int] = (-8, -8),
        pass_header: bytes | None = None,
        pass_payload: bytes | None = None,
        presentation_header: bytes | None = None,
        presentation_payload: bytes | None = None,
    ) -> Presented:
        """A presentation that is all right but for the parts given."""
        authority = self.signers[signer]
        pass_header = authority.protected_header(algorithms[0]) if pass_header is None else pass_header
        pass_payload = self.pass_payload(signer) if pass_payload is None else pass_payload
        if presentation_header is None:
            self.phone.load(authority.sign(pass_payload, pass_header))
            presentation_header = self.phone.protected_header(algorithms[1])
        return Presented(
            signer, pass_header, pass_payload, presentation_header, self.presentation_payload() if presentation_payload is None else presentation_payload
        )

    def static(self, signer: str, algorithm: int, pass_payload: bytes) -> Presented:
        """A pass with this payload, and no presentation."""
        return Presented(signer, self.signers[signer].protected_header(algorithm), pass_payload, None, b"")

    def data(self, presented: Presented) -> bytes:
        """The bytes in the QR code, signed by the holder if there is a presentation."""
        if presented.presentation_header is None:
            return self.signers[presented.signer].sign(presented.pass_payload, presented.pass_header)
        return self.phone.sign(presented.presentation_payload, presented.presentation_header)

    @cached_property
    def known(self) -> dict[str, Presented]:
        """QR texts that exist in the world of the fuzzer, and nothing else does: everything a stranger could copy and change."""
        return {qr_text(self.data(presented)): presented for presented in self._shown()}

    def _shown(self) -> Iterator[Presented]:
        for signer in SIGNERS:
            yield self.presented(signer)
        yield self.presented(algorithms=(-19, -19))
        yield self.static("hk", -8, self.pass_payload(static=True))
        yield self.static("hk", -8, self.pass_payload())
        yield self.presented(presentation_payload=self.phone.payload(int(NOW) - 61, AUDIENCE))
