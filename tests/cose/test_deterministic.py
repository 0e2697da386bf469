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
        bytes.fromhex("d81c81d81d00"),  # a list that holds itself
        bytes.fromhex("82d81c8100d81d00"),  # a list twice
        bytes.fromhex("d81c00"),
        bytes.fromhex("a1d81c810000"),
    ],
)
def test_shared_values_are_refused_while_parsing(payload: bytes) -> None:
    """Encoding them again to compare would be too late: 400 bytes can stand for gigabytes."""
    with pytest.raises(CborError, match="not CBOR of this format"):
        parse_cbor(payload)


def test_what_is_deterministic() -> None:
    assert parse_deterministic(b"\xa2\x01\x00\x02\x81\xf9\x3c\x00") == {1: 0, 2: [1.0]}
