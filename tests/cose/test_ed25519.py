"""Ed25519 through libsodium: RFC 8032's vectors, and the points that no key may be."""

from __future__ import annotations

import hashlib

import pytest
from nacl import bindings

from gate_controller.cose import ed25519 as holder
from gate_controller.cose.ed25519 import is_valid_point, require_point_check, verify_signature
from gate_controller.ports.errors import ConfigurationError

GROUP_ORDER = (1 << 252) + 27742317777372353535851937790883648493

# RFC 8032, 7.1, tests 1, 2, 3 and SHA(abc): public key, message, signature
RFC8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        b"",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        b"\x72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        b"\xaf\x82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").digest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]

# Encodings of points of order 1, 2, 4 and 8, canonical and not
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
NON_CANONICAL = "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"  # y = p + 3
NOT_ON_THE_CURVE = "0200000000000000000000000000000000000000000000000000000000000000"


@pytest.mark.parametrize(("key", "message", "signature"), RFC8032)
def test_rfc_8032_vectors(key: str, message: bytes, signature: str) -> None:
    public, signed = bytes.fromhex(key), bytes.fromhex(signature)
    assert is_valid_point(public)
    assert verify_signature(signed, message, public)
    assert not verify_signature(signed, message + b"\0", public)
    assert not verify_signature(bytes([signed[0] ^ 1]) + signed[1:], message, public)


def test_a_signature_plus_the_group_order_is_refused() -> None:
    """The same signature in another encoding would be a second presentation (RFC 8032, 5.1.7: 0 <= S < L)."""
    key, message, signature = (bytes.fromhex(RFC8032[1][0]), RFC8032[1][1], bytes.fromhex(RFC8032[1][2]))
    larger = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    assert not verify_signature(signature[:32] + larger.to_bytes(32, "little"), message, key)


def test_only_64_bytes_are_a_signature() -> None:
    """crypto_sign_open alone takes a 65-byte "signature" whose last byte is the message's first."""
    key, signature = bytes.fromhex(RFC8032[2][0]), bytes.fromhex(RFC8032[2][2])
    shifted, rest = signature + b"\xaf", b"\x82"
    assert bindings.crypto_sign_open(shifted + rest, key) == b"\xaf\x82"
    assert not verify_signature(shifted, rest, key)
    assert not verify_signature(signature[:63], b"\xaf\x82", key)
    assert verify_signature(signature, b"\xaf\x82", key)
    assert not verify_signature(signature, b"\xaf\x82", key[:31])
    assert not verify_signature(signature, b"\xaf\x82", key + b"\0")  # libsodium is told no length: it would read the first 32


@pytest.mark.parametrize("point", [*SMALL_ORDER, NON_CANONICAL, NOT_ON_THE_CURVE, "", "ff", "ff" * 32, "00" * 33])
def test_points_that_are_no_keys(point: str) -> None:
    assert not is_valid_point(bytes.fromhex(point))


def test_a_mixed_order_point_is_no_key() -> None:
    genuine = bytes.fromhex(RFC8032[0][0])
    mixed = bindings.crypto_core_ed25519_add(genuine, bytes.fromhex(SMALL_ORDER[4]))
    assert is_valid_point(genuine)
    assert not is_valid_point(mixed)


def test_the_cache_is_bounded() -> None:
    for i in range(1100):
        is_valid_point(i.to_bytes(32))
    info = is_valid_point.cache_info()
    assert info.currsize <= (info.maxsize or 0) <= 1024


def test_a_libsodium_without_point_validation_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder.bindings, "has_crypto_core_ed25519", False)
    with pytest.raises(ConfigurationError) as caught:
        require_point_check()
    assert caught.value.remedy
