"""COSE and CWT against published examples: RFC 9679's thumbprint, RFC 9052's Sig_structure, RFC 8747's and 8392's keys and claims.

The examples of RFC 8392 that meet the whole verifier are in tests/passes/test_published_cwts.py.
"""

from __future__ import annotations

import hashlib

import cbor2
import pytest

from gate_controller.cose.deterministic import parse_deterministic
from gate_controller.cose.sign1 import FrameError, parse_sign1
from gate_controller.passes.claims import ClaimError, parse_pass_claims, parse_presentation_claims
from simulators.authority import cose_key, encode

h = bytes.fromhex

# RFC 9679, section 6
P256_X = "65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"
P256_Y = "1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"
P256_REQUIRED = f"a401022001215820{P256_X}225820{P256_Y}"
P256_THUMBPRINT = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"

# RFC 8392, appendix A.1
CLAIMS = (
    "a70175636f61703a2f2f61732e6578616d706c652e636f6d02656572696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d"
    "041a5612aeb0051a5610d9f0061a5610d9f007420b71"
)


def test_thumbprint_of_rfc_9679() -> None:
    """Deterministic encoding of the required parameters, then SHA-256; from any order of them."""
    encoded = encode({-3: h(P256_Y), -2: h(P256_X), -1: 1, 1: 2})
    assert encoded == h(P256_REQUIRED)
    assert hashlib.sha256(encoded).hexdigest() == P256_THUMBPRINT


def test_thumbprint_input_of_an_ed25519_key() -> None:
    """RFC 9679, 4.1: an OKP key is kty, crv and x. With the key of RFC 8032's TEST 1."""
    public = h("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert encode(cose_key(public)) == h("a301012006215820") + public


def test_claims_of_rfc_8392() -> None:
    claims = parse_deterministic(h(CLAIMS))
    assert claims == {
        1: "coap://as.example.com",
        2: "erikw",
        3: "coap://light.example.com",
        4: 1444064944,
        5: 1443944944,
        6: 1443944944,
        7: b"\x0bq",
    }
    with pytest.raises(ClaimError, match="missing 8, 65535, -65537"):
        parse_pass_claims(claims)
    with pytest.raises(ClaimError):
        parse_presentation_claims(claims)


@pytest.mark.parametrize(
    ("cnf", "what"),
    [
        # RFC 8747: 3.2 a COSE_Key (EC2), 3.3 an encrypted key, 3.4 a kid
        ({1: {1: 2, -1: 1, -2: h("d7cc072de2205bdc1537a543d53c60a6acb62eccd890c7fa27c9e354089bbe13"), -3: bytes(32)}}, "a COSE_Key on P-256"),
        ({2: [b"\xa1\x01\x0a", {5: bytes(13)}, bytes(40)]}, "an Encrypted_COSE_Key"),
        ({3: h("dfd1aa976d8d4575a0fe34b96de2bfad")}, "a kid"),
        ({5: h(P256_THUMBPRINT)}, "a thumbprint (RFC 9679, 5.6)"),
    ],
)
def test_confirmations_of_other_kinds(cnf: object, what: str) -> None:
    claims = {
        1: "HK",
        2: bytes(16),
        3: "HKMO",
        4: 9,
        5: 1,
        6: 1,
        7: bytes(16),
        8: {1: cose_key(bytes(32))},
        65535: {"status_list": {"idx": 0, "uri": "hk/status/1"}},
        -65537: {1: 1, 2: 3, 3: 9},
    }
    parse_pass_claims(claims)
    with pytest.raises(ClaimError, match="cnf"):
        parse_pass_claims({**claims, 8: cnf})


def test_the_sig_structure_of_rfc_9052() -> None:
    """Section 4.4: ["Signature1", protected, external_aad, payload], here as the parser lays it out."""
    for length in (0, 23, 24, 255, 256, 600):
        protected, payload, signature = b"\xa1\x01\x27", bytes(length), bytes(64)
        sign1, end = parse_sign1(cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature])))
        assert sign1.signed == cbor2.dumps(["Signature1", protected, b"", payload])
        assert end == len(cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature])))


@pytest.mark.parametrize(("tag", "what"), [(16, "COSE_Encrypt0"), (17, "COSE_Mac0"), (96, "COSE_Encrypt"), (97, "COSE_Mac"), (98, "COSE_Sign"), (61, "CWT")])
def test_other_tags_of_rfc_9052(tag: int, what: str) -> None:
    with pytest.raises(FrameError, match="tag 18"):
        parse_sign1(cbor2.dumps(cbor2.CBORTag(tag, [b"\xa1\x01\x27", {}, b"", bytes(64)])))
