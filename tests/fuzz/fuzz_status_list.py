"""Fuzz target: status list token to list.

    byte 0, modulo 5    what the rest is: 0 the token  1 its claims  2 its protected header  3 lst in claims that are right  4 the same, compressed here
    byte 1              bits 0-1 who signs  2 the algorithm  3-4 bits for each pass: 1, 2, 4, 8

What is not the token itself is signed with the signer's genuine key. The gate must take exactly what the oracle below takes, with the same content.
"""

from __future__ import annotations

import random
import zlib
from typing import NamedTuple

import cbor2

from gate_controller.core.values import Region
from gate_controller.ports.services import VerifyingKey
from gate_controller.ports.trust import PassStatus
from gate_controller.trust.status_list import StatusListError, parse_status_list
from simulators import status_list as simulated
from simulators.authority import Authority, encode
from tests.fuzz import mutate
from tests.fuzz.oracle import Reader, WrongError
from tests.fuzz.scene import NOW, SIGNERS, Scene

TOKEN, CLAIMS, HEADER, LST, CONTENT = MODES = range(5)
URI = "hk/status/1"
MAX_CONTENT = 4096
WIDTHS = (1, 2, 4, 8)
MADE_AT = int(NOW)
SCENE = Scene()


class Listed(NamedTuple):
    """What a list says."""

    issued_at: int
    expires_at: int | None
    ttl_s: int | None
    bits: int
    content: bytes


def _keys() -> dict[bytes, VerifyingKey]:
    until = {"hk, expired key": MADE_AT}
    return {
        authority.kid: VerifyingKey(authority.public_key, authority.region, 0, until.get(name, 1 << 33))
        for name, authority in SCENE.signers.items()
        if name != "forger"
    }


KEYS = _keys()


def packed(mode: int, content: bytes, *, signer: str = "hk", algorithm: int = -8, bits: int = 2) -> bytes:
    """The input that means this: for seeds."""
    return bytes((mode, SIGNERS.index(signer) | (algorithm == -19) << 2 | WIDTHS.index(bits) << 3)) + content


def claims(bits: int = 2, content: bytes = bytes(64), **optional: int) -> bytes:
    """Claims that are right."""
    return encode(simulated.claims(URI, content, MADE_AT, bits=bits, **optional))


def known(signer: str = "hk") -> bytes:
    """A genuine token, the only kind that a stranger could copy."""
    authority = SCENE.signers[signer]
    return authority.sign(claims(), simulated.protected_header(authority))


KNOWN = {known(signer): signer for signer in SIGNERS}


def one_input(data: bytes) -> None:
    """Read, and compare with the oracle."""
    if len(data) < 2:
        return
    token, expected = _token(data)
    try:
        listed = parse_status_list(token, URI, Region.HK, KEYS.get, max_content_bytes=MAX_CONTENT)
    except StatusListError as error:
        refusal = str(error)
        assert refusal.isprintable(), "the refusal is not one printable line"
        assert expected is None, f"{refusal}; expected {expected}"
        return
    found = Listed(listed.issued_at, listed.expires_at, listed.ttl_s, listed.bits, listed.content)
    assert found == expected, f"read {found}, expected {expected}"
    number = int.from_bytes(found.content, "little")
    for index in (0, 1, 7, len(listed) - 1):
        if 0 <= index < len(listed):
            assert listed.status(index) is PassStatus(number >> index * found.bits & (1 << found.bits) - 1)
    assert listed.status(len(listed)) is None
    assert listed.status(-1) is None


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Claims, with the CBOR changed as CBOR: this input's if it has any that can be read, else, or by chance, what is genuine."""
    content = data[2:] if data[0] % len(MODES) == CLAIMS else b""
    return bytes((CLAIMS,)) + data[1:2] + mutate.mutated(content, claims(expires_at=MADE_AT + 60, ttl_s=60), rng)


def _token(data: bytes) -> tuple[bytes, Listed | None]:
    """The token an input stands for, and what must be read from it."""
    mode, content = data[0] % len(MODES), data[2:]
    signer, bits = SIGNERS[data[1] & 3], WIDTHS[data[1] >> 3 & 3]
    authority = SCENE.signers[signer]
    header = simulated.protected_header(authority, -19 if data[1] >> 2 & 1 else -8)
    payload = claims()
    if mode == TOKEN:
        return content, expected(SCENE.signers[KNOWN[content]], header, payload, KNOWN[content]) if content in KNOWN else None
    if mode == CLAIMS:
        payload = content
    elif mode == HEADER:
        header = content
    elif mode == LST:
        payload = encode({2: URI, 6: MADE_AT, 65533: {"bits": bits, "lst": content}})
    else:
        payload = claims(bits, content)
    return authority.sign(payload, header), expected(authority, header, payload, signer)


def expected(authority: Authority, header: bytes, payload: bytes, signer: str) -> Listed | None:
    """The oracle: the one byte layout that is right."""
    right = [cbor2.dumps({1: algorithm, 4: authority.kid, 16: simulated.TYP_STATUS_LIST}) for algorithm in (-8, -19)]
    try:
        listed = _read(payload)
    except WrongError:
        return None
    genuine = signer == "hk" or (signer == "hk, expired key" and listed.issued_at < MADE_AT)
    return listed if genuine and header in right else None


def _read(payload: bytes) -> Listed:
    claims = Reader(payload)
    count = claims.take(1)[0] - 0xA0
    claims.expect(b"\x02\x6b" + URI.encode())
    expires_at = ttl_s = None
    if claims.rest[:1] == b"\x04":
        claims.take(1)
        expires_at = claims.time()
    claims.expect(b"\x06")
    issued_at = claims.time()
    claims.expect(b"\x19\xff\xfd\xa2")
    claims.expect(b"\x63lst")
    compressed = claims.take(claims.number(2))
    claims.expect(b"\x64bits")
    bits = claims.expect(b"\x01", b"\x02")[0]
    if claims.rest:
        claims.expect(b"\x19\xff\xfe")
        ttl_s = claims.time()
    claims.end()
    if count != 3 + (expires_at is not None) + (ttl_s is not None) or ttl_s == 0 or (expires_at is not None and expires_at <= issued_at):
        raise WrongError
    return Listed(issued_at, expires_at, ttl_s, bits, _inflated(compressed))


def _inflated(compressed: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(compressed, MAX_CONTENT + 1)
    except zlib.error as error:
        raise WrongError from error
    if len(content) > MAX_CONTENT or not stream.eof or stream.unused_data:
        raise WrongError
    return content
