"""The examples of RFC 8392, appendix A: genuine tokens under keys that everybody has, refused as they stand and with every obstacle but the algorithm removed."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from gate_controller.core.reasons import Reason
from gate_controller.ports.services import PassRejected
from simulators.phone import qr_text

R = Reason
h = bytes.fromhex

# A.2.2 and A.2.3
HMAC_KEY = h("403697de87af64611c1d32a05dab0fe1fcb715a86ab435f1ec99192d79569388")
ES256_X = int("143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f", 16)
ES256_Y = int("60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9", 16)

SIGNED = h(  # A.3, ES256
    "d28443a10126a104524173796d6d657472696345434453413235365850a70175636f61703a2f2f61732e6578616d706c652e636f6d02656572696b77037818"
    "636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a5610d9f007420b7158405427c1ff28d23fbad1f29c4c7c6a55"
    "5e601d6fa29f9179bc3d7438bacaca5acd08c8d4d4f96131680c429a01f85951ecee743a52b9b63632c57209120e1c9e30"
)
MACED = h(  # A.4, HMAC 256/64, with the CWT tag
    "d83dd18443a10104a1044c53796d6d65747269633235365850a70175636f61703a2f2f61732e6578616d706c652e636f6d02656572696b77037818636f6170"
    "3a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a5610d9f007420b7148093101ef6d789200"
)
ENCRYPTED = h(  # A.5, AES-CCM-16-64-128
    "d08343a1010aa2044c53796d6d6574726963313238054d99a0d7846e762c49ffe8a63e0b5858b918a11fd81e438b7f973d9e2e119bcb22424ba0f38a80f275"
    "62f400ee1d0d6c0fdb559c02421fd384fc2ebe22d7071378b0ea7428fff157444d45f7e6afcda1aae5f6495830c58627087fc5b4974f319a8707a635dd643b"
)
NESTED = h(  # A.6, A.3 within AES-CCM-16-64-128
    "d08343a1010aa2044c53796d6d6574726963313238054d4a0694c0e69ee6b5956655c7b258b7f6b0914f993de822cc47e5e57a188d7960b528a747446fe12f"
    "0e7de05650dec74724366763f167a29c002dfd15b34d8993391cf49bc91127f545dba8703d66f5b7f1ae91237503d371e6333df9708d78c4fb8a8386c8ff09"
    "dc49af768b23179deab78d96490a66d5724fb33900c60799d9872fac6da3bdb89043d67c2a05414ce331b5b8f1ed8ff7138f45905db2c4d5bc8045ab372bff"
    "142631610a7e0f677b7e9b0bc73adefdcee16d9d5d284c616abeab5d8c291ce0"
)
MACED_FLOAT = h("d18443a10104a1044c53796d6d65747269633235364ba106fb41d584367c20000048b8816f34c0542892")  # A.7, HMAC 256/64, iat as a float

EXAMPLES = {"A.3 signed": SIGNED, "A.4 MACed": MACED, "A.5 encrypted": ENCRYPTED, "A.6 nested": NESTED, "A.7 MACed, float": MACED_FLOAT}


def parts(token: bytes) -> list[Any]:
    value = cbor2.loads(token)
    while isinstance(value, cbor2.CBORTag):
        value = value.value
    return list(value)


def test_the_examples_are_genuine() -> None:
    protected, _, payload, signature = parts(SIGNED)
    numbers = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    key = EllipticCurvePublicNumbers(ES256_X, ES256_Y, SECP256R1()).public_key()
    key.verify(numbers, cbor2.dumps(["Signature1", protected, b"", payload]), ECDSA(SHA256()))
    for token in (MACED, MACED_FLOAT):
        protected, _, payload, tag = parts(token)
        assert hmac.digest(HMAC_KEY, cbor2.dumps(["MAC0", protected, b"", payload]), hashlib.sha256)[:8] == tag


@pytest.mark.parametrize("token", EXAMPLES.values(), ids=EXAMPLES)
def test_refused_as_it_stands(laboratory: Any, token: bytes) -> None:
    for text in (qr_text(token), laboratory.presented(token)):
        result = laboratory.verify(text)
        assert isinstance(result, PassRejected)
        assert (result.reason, result.step) == (R.PASS_BAD_FRAME, 2)


@pytest.mark.parametrize("token", EXAMPLES.values(), ids=EXAMPLES)
def test_refused_for_its_algorithm(laboratory: Any, token: bytes) -> None:
    """In the frame of a pass: tag 18, nothing unprotected, 64 bytes of signature; what is left is a header that no region's key has."""
    protected, _, payload, *signature = parts(token)
    framed = laboratory.frame(protected, payload, (signature[0] if signature else b"").ljust(64, b"\0"))
    result = laboratory.verify(laboratory.presented(framed))
    assert isinstance(result, PassRejected)
    assert (result.reason, result.step) == (R.PASS_UNKNOWN_KEY, 3)
    assert cbor2.loads(protected)[1] in {-7, 4, 10}  # ES256, HMAC 256/64, AES-CCM-16-64-128
