"""The frame of a COSE_Sign1: its one shape, every length's one form, and no byte too few."""

from __future__ import annotations

import cbor2
import pytest

from gate_controller.cose.sign1 import FrameError, parse_sign1

SIGNATURE = bytes(range(64))


def item(protected: bytes = b"\xa1\x01\x27", payload: bytes = b"payload", signature: bytes = SIGNATURE) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))


@pytest.mark.parametrize("length", [0, 1, 23, 24, 255, 256, 65535, 65536, 70000])
def test_lengths_in_their_shortest_form(length: int) -> None:
    content = bytes(length)
    sign1, end = parse_sign1(item(content, content))
    assert (sign1.protected, sign1.payload, sign1.signature) == (content, content, SIGNATURE)
    assert sign1.signed == cbor2.dumps(["Signature1", content, b"", content])
    assert end == len(item(content, content))


def test_somewhere_in_other_bytes() -> None:
    data = b"before" + item() + b"after"
    sign1, end = parse_sign1(data, 6)
    assert (sign1.payload, data[end:]) == (b"payload", b"after")


@pytest.mark.parametrize("length", [5, 30, 300, 66000])
def test_every_byte_too_few(length: int) -> None:
    whole = item(payload=bytes(length))
    for kept in {*range(min(len(whole), 200)), *range(max(0, len(whole) - 100), len(whole))}:
        with pytest.raises(FrameError):
            parse_sign1(whole[:kept])


def test_every_other_byte_where_a_byte_string_begins() -> None:
    """Only 40 to 5a begin one that the format has; of those only the right length leaves the rest where it belongs."""
    whole = item(bytes(30), bytes(30))
    at = {"protected header": 2, "payload": 2 + 2 + 30 + 1}
    for where in at.values():
        for initial in range(256):
            changed = whole[:where] + bytes([initial]) + whole[where + 1 :]
            if initial == whole[where]:
                parse_sign1(changed)
                continue
            with pytest.raises(FrameError, match=None if 0x40 <= initial <= 0x5A else "a byte string expected"):
                parse_sign1(changed)


@pytest.mark.parametrize(
    "long",
    [b"\x58\x17" + bytes(23), b"\x59\x00\xff" + bytes(255), b"\x5a\x00\x00\xff\xff" + bytes(65535), b"\x5b\0\0\0\0\0\1\0\0" + bytes(65536)],
)
def test_lengths_in_a_longer_form(long: bytes) -> None:
    for data in (b"\xd2\x84" + long + b"\xa0\x40\x58\x40" + SIGNATURE, b"\xd2\x84\x40\xa0" + long + b"\x58\x40" + SIGNATURE):
        with pytest.raises(FrameError, match=r"shortest form|a byte string expected"):
            parse_sign1(data)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65), bytes(128)])
def test_signatures_of_other_lengths(signature: bytes) -> None:
    with pytest.raises(FrameError, match="exactly 64 bytes"):
        parse_sign1(item(signature=signature))


@pytest.mark.parametrize("unprotected", [{1: -8}, {4: b"kid"}, [], None])
def test_the_unprotected_header_is_empty(unprotected: object) -> None:
    with pytest.raises(FrameError, match="unprotected header"):
        parse_sign1(cbor2.dumps(cbor2.CBORTag(18, [b"", unprotected, b"", SIGNATURE])))
