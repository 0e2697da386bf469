"""A region's status list token in CWT form (draft-ietf-oauth-status-list-21), read strictly.

A COSE_Sign1 with tag 18 and nothing after it, protected header `{1: -8 or -19, 4: kid, 16: "application/statuslist+cwt"}`, unprotected
header empty, signed by a key of the region whose list it is. Claims (section 5.2), in deterministic CBOR:

    2 sub             the list's uri: what a pass names, and the target's path: "hk/status/1"
    6 iat             when the region made it; its age counts from here
    4 exp             optional: from then on it "MUST NOT be relied upon" (section 13.7); the region's trust is CLOSED
    65534 ttl         optional, seconds: when to look for a newer one, counted from the fetch (section 13.7). Advice to whoever fetches;
                      the gate's warnings go by the list's age, so ttl warns, restricts and closes nothing
    65533             {"bits": 1 or 2, "lst": zlib stream}

Narrower than the draft, which also knows lists of 4 and 8 bits, `aggregation_uri` and further claims: the regions use none, and what is
not understood is refused. The signature is verified before a byte of CBOR or zlib is parsed.

Does not fetch, does not know the time (gate_controller.trust.freshness judges ages), and does not decide about a pass.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from gate_controller.core.values import Region
from gate_controller.cose.deterministic import CborError, parse_deterministic
from gate_controller.cose.ed25519 import verify_signature
from gate_controller.cose.sign1 import FrameError, Sign1, parse_sign1
from gate_controller.ports.services import VerifyingKey
from gate_controller.ports.trust import PassStatus

MAX_TOKEN_BYTES = 4 << 20
"""Ten million passes of which one in a hundred is revoked take 0.14 MB."""
MAX_CONTENT_BYTES = 16 << 20
"""67 million passes with two bits each."""

_SUB, _EXP, _IAT, _STATUS_LIST, _TTL = 2, 4, 6, 65533, 65534
_REQUIRED = {_SUB: "sub", _IAT: "iat", _STATUS_LIST: "status_list"}
_KNOWN = {*_REQUIRED, _EXP, _TTL}
_BITS = (1, 2)
_STATUSES = tuple(PassStatus)  # by value
_KID_BYTES = 8
_MAX_TIME = 1 << 33

# {1: alg, 4: kid, 16: typ} in its only encoding; alg is -8 (EdDSA, RFC 9053) or -19 (Ed25519, RFC 9864), which mean the same with these keys
_HEADER_STARTS = (b"\xa3\x01\x27\x04\x48", b"\xa3\x01\x32\x04\x48")
_HEADER_END = b"\x10\x78\x1aapplication/statuslist+cwt"
_HEADER_BYTES = len(_HEADER_STARTS[0]) + _KID_BYTES + len(_HEADER_END)


class StatusListError(ValueError):
    """The token is no status list that may be believed; str() is one line that says why, without the file's name."""


@dataclass(frozen=True, slots=True)
class StatusList:
    """One verified status list.

    Attributes:
        uri: What a pass names, and the target's path.
        region: Whose passes it speaks of.
        issued_at: iat, seconds since the epoch.
        expires_at: exp, or None.
        ttl_s: ttl in seconds, or None.
        bits: Bits for each pass, 1 or 2.
        content: The statuses, inflated; the first pass in the lowest bits of the first byte.
    """

    uri: str
    region: Region
    issued_at: int
    expires_at: int | None
    ttl_s: int | None
    bits: int
    content: bytes = field(repr=False)

    def __len__(self) -> int:
        """Passes it speaks of. The draft has no length of its own: the padding of the last byte counts."""
        return len(self.content) * 8 // self.bits

    def status(self, index: int) -> PassStatus | None:
        """The status of the pass `index`; None when the list does not reach that far."""
        if not 0 <= index < len(self):
            return None
        byte, place = divmod(index, 8 // self.bits)
        return _STATUSES[self.content[byte] >> place * self.bits & (1 << self.bits) - 1]


def parse_status_list(
    token: bytes, uri: str, region: Region, keys: Callable[[bytes], VerifyingKey | None], *, max_content_bytes: int = MAX_CONTENT_BYTES
) -> StatusList:
    """Read and verify one status list token.

    Args:
        token: The file's content.
        uri: Where it was found: the target's path.
        region: Whose path that is.
        keys: Published key by kid (8 bytes), or None.
        max_content_bytes: How far it may inflate.

    Raises:
        StatusListError: Any rule of this module is broken.
    """
    folder, _, name = uri.rpartition("/")
    if folder != f"{region.value.lower()}/status" or not name:
        msg = f"{uri!r} is no place for a status list of {region.value}"
        raise StatusListError(msg)
    item = _frame(token)
    key = _verified(item, region, keys)
    try:
        claims = parse_deterministic(item.payload)
    except CborError as error:
        msg = f"the claims are {error}"
        raise StatusListError(msg) from error
    return _status_list(claims, uri, region, key, max_content_bytes)


def _frame(token: bytes) -> Sign1:
    if len(token) > MAX_TOKEN_BYTES:
        msg = f"{len(token)} bytes, more than {MAX_TOKEN_BYTES}"
        raise StatusListError(msg)
    try:
        item, end = parse_sign1(token)
    except FrameError as error:
        msg = f"not a COSE_Sign1 of this format: {error}"
        raise StatusListError(msg) from error
    if end != len(token):
        msg = f"{len(token) - end} bytes follow the token"
        raise StatusListError(msg)
    return item


def _verified(item: Sign1, region: Region, keys: Callable[[bytes], VerifyingKey | None]) -> VerifyingKey:
    """The key that signed it, one of the region's."""
    header = item.protected
    kid = header[len(_HEADER_STARTS[0]) : -len(_HEADER_END)]
    if len(header) != _HEADER_BYTES or not header.startswith(_HEADER_STARTS) or not header.endswith(_HEADER_END):
        raise StatusListError('the protected header is not {1: -8 or -19, 4: kid, 16: "application/statuslist+cwt"}')
    key = keys(kid)
    if key is None:
        msg = f"no published key has the kid {kid.hex()}"
        raise StatusListError(msg)
    if key.region is not region:
        msg = f"signed by a key of {key.region.value}, not of {region.value}"
        raise StatusListError(msg)
    if not verify_signature(item.signature, item.signed, key.key):
        raise StatusListError("the signature is not its key's")
    return key


def _status_list(claims: object, uri: str, region: Region, key: VerifyingKey, max_content_bytes: int) -> StatusList:
    if type(claims) is not dict:
        raise StatusListError("the claims are no map")
    for number in claims:
        if type(number) is not int or number not in _KNOWN:  # 2.0 would be found under 2
            msg = f"unknown claim {str(number)[:40]!r}"
            raise StatusListError(msg)
    for number, name in _REQUIRED.items():
        if number not in claims:
            msg = f"{name} ({number}) is missing"
            raise StatusListError(msg)
    if claims[_SUB] != uri:
        raise StatusListError("sub (2) is not the uri under which it is published")
    issued_at = _integer(claims[_IAT], "iat", 0)
    if not key.not_before <= issued_at < key.not_after:
        msg = f"iat (6) {issued_at} is outside the validity of its key, {key.not_before} to {key.not_after}"
        raise StatusListError(msg)
    expires_at = _integer(claims[_EXP], "exp", issued_at + 1) if _EXP in claims else None
    ttl_s = _integer(claims[_TTL], "ttl", 1) if _TTL in claims else None
    bits, compressed = _compressed(claims[_STATUS_LIST])
    return StatusList(uri, region, issued_at, expires_at, ttl_s, bits, _inflated(compressed, max_content_bytes))


def _integer(value: object, name: str, lowest: int) -> int:
    if type(value) is not int or not lowest <= value <= _MAX_TIME:
        msg = f"{name} is not an integer from {lowest} to 2^33"
        raise StatusListError(msg)
    return value


def _compressed(listed: object) -> tuple[int, bytes]:
    """bits and lst of the claim status_list (section 4.3)."""
    if type(listed) is not dict or listed.keys() != {"bits", "lst"}:
        raise StatusListError("status_list (65533) is not a map of bits and lst alone")
    bits, lst = listed["bits"], listed["lst"]
    if type(bits) is not int or bits not in _BITS:
        told = f"lists of {bits} bits a pass" if type(bits) is int and bits in {4, 8} else "this value of bits"
        msg = f"{told} cannot be read, only 1 and 2"
        raise StatusListError(msg)
    if type(lst) is not bytes:
        raise StatusListError("lst is no byte string")
    return bits, lst


def _inflated(compressed: bytes, limit: int) -> bytes:
    """The content of a zlib stream (RFC 1950) that fills `compressed` exactly; stops one byte beyond `limit`."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(compressed, limit + 1)
    except zlib.error as error:
        msg = f"lst is no zlib stream ({error})"
        raise StatusListError(msg) from error
    if len(content) > limit:
        msg = f"lst inflates to more than {limit} bytes"
        raise StatusListError(msg)
    if not stream.eof:
        raise StatusListError("lst is a zlib stream that is cut off")
    if stream.unused_data:
        msg = f"{len(stream.unused_data)} bytes follow the zlib stream in lst"
        raise StatusListError(msg)
    return content
