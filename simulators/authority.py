"""The regions' issuing authorities, simulated.

They sign with `cryptography` and encode with cbor2; no line is shared with the verifier, so an error in one does not hide
in the other. All keys come from a seed: the same seed makes the same passes, byte for byte.

Does not keep a register of residents; status lists are in simulators.status_list, their publication in simulators.repository.
Never for production: anyone who knows the seed knows the private keys.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_controller.core.values import Direction, Region

EDDSA, ED25519 = -8, -19  # COSE algorithms, RFC 9053 and RFC 9864
TYP_PASS, TYP_PRESENTATION = 65001, 294
SCHEME_AUDIENCE = "HKMO"
NO_PERMIT_END = 1 << 33
STATUS_LIST_SIZE = 1 << 20
"""Passes in a region's status list; 256 KiB at two bits each, a few hundred bytes compressed while few are revoked."""
BOTH_DIRECTIONS = Direction.HK_TO_MO.value | Direction.MO_TO_HK.value


def derived(seed: str, *labels: str | int, length: int = 32) -> bytes:
    """`length` (at most 32) bytes that follow from the seed and the labels."""
    return hashlib.sha256("\x1f".join((seed, *map(str, labels))).encode()).digest()[:length]


def private_key(seed: str, *labels: str | int) -> Ed25519PrivateKey:
    """An Ed25519 key that follows from the seed and the labels."""
    return Ed25519PrivateKey.from_private_bytes(derived(seed, "key", *labels))


def encode(value: object) -> bytes:
    """Deterministic CBOR (RFC 8949, 4.2)."""
    return cbor2.dumps(value, canonical=True)


def sign1(key: Ed25519PrivateKey, protected: bytes, payload: bytes) -> bytes:
    """A tagged COSE_Sign1 (RFC 9052, 4.2) over any bytes: a test can have malformed content properly signed."""
    signature = key.sign(cbor2.dumps(["Signature1", protected, b"", payload]))
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))


def cose_key(public: bytes) -> dict[int, Any]:
    """The COSE_Key of an Ed25519 public key (32 bytes)."""
    return {1: 1, -1: 6, -2: public}


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """What an authority writes into a pass.

    Attributes:
        enrolment_reference: sub, 16 bytes.
        issued_at: iat, seconds since the epoch.
        lifetime_s: exp - iat.
        backdated_s: iat - nbf, so that a gate whose clock is slow accepts a new pass.
        traveller_class: 1 permanent resident, 2 other resident.
        directions: Bits of `Direction`.
        permit_until: When the right to cross ends.
        serial: Tells passes of one person and second apart.
        status_list: Name of the region's status list that speaks of the pass.
        status_index: Its place there; None: one that follows from the reference.
    """

    enrolment_reference: bytes
    issued_at: int
    lifetime_s: int = 24 * 3600
    backdated_s: int = 60
    traveller_class: int = 1
    directions: int = BOTH_DIRECTIONS
    permit_until: int = NO_PERMIT_END
    serial: int = 0
    status_list: str = "1"
    status_index: int | None = None


class Authority:
    """Issues passes for one region.

    Args:
        region: What it writes as iss.
        seed: Everything follows from it.
        name: Another name is another key: a second key of the region, or (when it is not published) a forger.
        audience: aud of its passes.
    """

    def __init__(self, region: Region, seed: str, name: str = "issuer", audience: str = SCHEME_AUDIENCE) -> None:
        self.region = region
        self.name = name
        self.key = private_key(seed, "authority", region.value, name)
        self.public_key = self.key.public_key().public_bytes_raw()
        self.cose_key = encode(cose_key(self.public_key))
        self.kid = hashlib.sha256(self.cose_key).digest()[:8]
        self._seed = seed
        self._audience = audience

    def claims(self, holder_key: bytes | None, permit: Permit) -> dict[int, Any]:
        """The claims of a pass; a test may change them before signing. Without a holder key it is a static pass."""
        return {
            1: self.region.value,
            2: permit.enrolment_reference,
            3: self._audience,
            4: permit.issued_at + permit.lifetime_s,
            5: permit.issued_at - permit.backdated_s,
            6: permit.issued_at,
            7: derived(self._seed, "cti", self.kid.hex(), permit.enrolment_reference.hex(), permit.issued_at, permit.serial, length=16),
            **({} if holder_key is None else {8: {1: cose_key(holder_key)}}),
            65535: {"status_list": {"idx": self.status_index(permit), "uri": f"{self.region.value.lower()}/status/{permit.status_list}"}},
            -65537: {1: permit.traveller_class, 2: permit.directions, 3: permit.permit_until},
        }

    @staticmethod
    def status_index(permit: Permit) -> int:
        """Where the status of the person's passes stands in the region's list."""
        if permit.status_index is not None:
            return permit.status_index
        return int.from_bytes(permit.enrolment_reference[:3]) % STATUS_LIST_SIZE

    def protected_header(self, algorithm: int = EDDSA) -> bytes:
        """The protected header of its passes."""
        return encode({1: algorithm, 4: self.kid, 16: TYP_PASS})

    def sign(self, payload: bytes, protected: bytes | None = None) -> bytes:
        """A pass over any payload and header, properly signed."""
        return sign1(self.key, self.protected_header() if protected is None else protected, payload)

    def issue(self, holder_key: bytes | None, permit: Permit, algorithm: int = EDDSA) -> bytes:
        """A pass for the holder of `holder_key` (32 bytes), or a static one without, as a tagged COSE_Sign1."""
        return self.sign(encode(self.claims(holder_key, permit)), self.protected_header(algorithm))


class Authorities:
    """The two regions' authorities, and a forger nobody has published.

    Args:
        seed: Everything follows from it.
    """

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.issuers = {region: Authority(region, seed) for region in Region}
        self.forger = Authority(Region.HK, seed, name="forger")
