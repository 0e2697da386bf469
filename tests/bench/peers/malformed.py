"""Tokens that nobody should accept, each with a genuine signature: what the peers are asked about, and the gate beside them.

Each is built twice: around a pass (a CWT, for python-cwt, pycose and the gate) and around a claim 169 credential of the same size (for claim169, which reads
nothing else). Encoded by hand where an encoder would not do it. Does not know what is accepted.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cbor2

from simulators.authority import Authority, cose_key, encode
from simulators.phone import base45

Claims = dict[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One way to write a token; what is not given is as it should be.

    Attributes:
        header: What becomes of the protected header, or its bytes.
        claims: What becomes of the claims.
        payload: What becomes of their encoding.
        frame: Of (protected, payload, signature), each an encoded byte string, the token.
    """

    header: Callable[[Claims], Claims] = lambda header: header
    claims: Callable[[Claims], Claims] = lambda claims: claims
    payload: Callable[[bytes], bytes] = lambda payload: payload
    frame: Callable[[bytes, bytes, bytes], bytes] = lambda protected, payload, signature: b"\xd2\x84" + protected + b"\xa0" + payload + signature


def shapes(now: int, other_kid: bytes) -> dict[str, Shape]:
    """Every shape by name; the first is as it should be."""

    def claim(key: int, value: object) -> Shape:
        return Shape(claims=lambda claims: {**claims, key: value})

    return {
        "as it should be": Shape(),
        "alg absent": Shape(header=lambda header: without(header, 1)),
        "alg ES256": Shape(header=lambda header: {**header, 1: -7}),
        "alg HMAC 256/256": Shape(header=lambda header: {**header, 1: 5}),
        "alg as text": Shape(header=lambda header: {**header, 1: "EdDSA"}),
        "alg only unprotected": Shape(header=lambda header: without(header, 1), frame=lambda p, c, s: b"\xd2\x84" + p + b"\xa1\x01\x27" + c + s),
        "unknown crit": Shape(header=lambda header: {**header, 2: [99], 99: 1}),
        "kid of the other region": Shape(header=lambda header: {**header, 4: other_kid}),
        "typ absent": Shape(header=lambda header: without(header, 16)),
        "no COSE tag": Shape(frame=lambda p, c, s: b"\x84" + p + b"\xa0" + c + s),
        "frame of indefinite length": Shape(frame=lambda p, c, s: b"\xd2\x9f" + p + b"\xa0" + c + s + b"\xff"),
        "bytes after the token": Shape(frame=lambda p, c, s: b"\xd2\x84" + p + b"\xa0" + c + s + b"\0\0"),
        "bytes after the claims": Shape(payload=lambda payload: payload + b"\0\0"),
        "claims of indefinite length": Shape(payload=lambda payload: b"\xbf" + payload[1:] + b"\xff"),
        "claims in reverse order": Shape(payload=in_reverse),
        "an integer in the long form": Shape(payload=lambda payload: payload[:1] + b"\x18\x01" + payload[2:]),
        "exp twice": Shape(payload=lambda payload: bytes([payload[0] + 1]) + b"\x04" + encode(1 << 33) + payload[1:]),
        "exp missing": Shape(claims=lambda claims: without(claims, 4)),
        "exp infinite": claim(4, math.inf),
        "exp not a number": claim(4, math.nan),
        "exp an hour ago": claim(4, now - 3600),
        "nbf in an hour": Shape(claims=lambda claims: {**claims, 5: now + 3600, 6: now + 3600}),
        "iat in an hour": claim(6, now + 3600),
        "iat a text": claim(6, "now"),
    }


def token(shape: Shape, authority: Authority, header: Claims, claims: Claims) -> bytes:
    """The token, signed over what it holds."""
    protected, payload = encode(shape.header(header)), shape.payload(encode(shape.claims(claims)))
    signature = authority.key.sign(cbor2.dumps(["Signature1", protected, b"", payload]))
    return shape.frame(cbor2.dumps(protected), cbor2.dumps(payload), cbor2.dumps(signature))


def pass_header(authority: Authority) -> Claims:
    return {1: -8, 4: authority.kid, 16: 65001}


def claim169_claims(authority: Authority, now: int, holder: bytes) -> Claims:
    """A credential of a pass's size; the holder key is of no use there and only fills."""
    identity = {1: "3918592438", 4: "A B", 20: (encode(cose_key(holder)).hex() * 2)[:119]}
    return {1: authority.region.value, 4: now + 3600, 5: now - 7200, 6: now - 7200, 169: identity}


def claim169_text(token_: bytes) -> str:
    """The text of its QR code: zlib, then Base45."""
    return base45(zlib.compress(token_, 9))


def without(values: Claims, key: int) -> Claims:
    return {name: value for name, value in values.items() if name != key}


def in_reverse(payload: bytes) -> bytes:
    claims = cbor2.loads(payload)
    return payload[:1] + b"".join(encode(key) + encode(value) for key, value in reversed(claims.items()))
