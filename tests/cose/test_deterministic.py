"""Each part of the deterministic parser by itself; RFC 8949's own items are in tests/vectors."""

from __future__ import annotations

import pytest

from gate_controller.cose.deterministic import CborError, parse_cbor, parse_deterministic, require_deterministic


@pytest.mark.parametrize("payload", [b"", b"\xff", b"\xa1\x01", b"\x61\xff", b"\x81" * 300 + b"\x01", b"\xc4\x82\x1b\x7f" + b"\xff" * 7 + b"\x01"])
def test_what_does_not_parse(payload: bytes) -> None:
    for parse in (parse_cbor, parse_deterministic):
        with pytest.raises(CborError, match="not CBOR of this format"):
            parse(payload)


@pytest.mark.parametrize("payload", [b"\x18\x01", b"\xa2\x02\x00\x01\x00", b"\xa2\x01\x00\x01\x00", b"\x9f\x01\xff", b"\xfa\x3f\x80\x00\x00"])
def test_what_parses_and_is_not_deterministic(payload: bytes) -> None:
    value = parse_cbor(payload)
    with pytest.raises(CborError, match="not in deterministic encoding"):
        require_deterministic(value, payload)
    with pytest.raises(CborError, match="not in deterministic encoding"):
        parse_deterministic(payload)


def test_what_cannot_be_encoded_again() -> None:
    itself: list[object] = []
    itself.append(itself)
    with pytest.raises(CborError, match="not CBOR of this format"):
        require_deterministic(itself, b"\x81\x00")


@pytest.mark.parametrize(
    "payload",
    [
        "d81c81d81d00",  # a list that holds itself
        "82d81c8100d81d00",  # a list twice
        "d8236161",  # a regular expression
        "c11a00000000",  # a date
        "a1c482010201",  # a decimal fraction for a key
        "d9d9f700",  # CBOR that says so
        "dbffffffffffffffff00",
    ],
)
def test_tags_are_refused_while_parsing(payload: str) -> None:
    """Encoding them again to compare would be too late: 400 bytes of shared values can stand for gigabytes."""
    with pytest.raises(CborError, match="not CBOR of this format"):
        parse_cbor(bytes.fromhex(payload))


def test_long_integers_are_read_all_the_same() -> None:
    assert parse_deterministic(bytes.fromhex("c249010000000000000000")) == 1 << 64


def test_what_is_deterministic() -> None:
    assert parse_deterministic(b"\xa2\x01\x00\x02\x81\xf9\x3c\x00") == {1: 0, 2: [1.0]}
