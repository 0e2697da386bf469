"""Deterministic CBOR against RFC 8949's own data: the items of appendix F that are not well-formed, the encodings of appendix A, section 4.2's order."""

from __future__ import annotations

import math
from typing import Any

import cbor2
import pytest

from gate_controller.cose.deterministic import CborError, parse_deterministic
from gate_controller.passes.claims import CLASS, CRV, DIRECTIONS, KTY, PASS_KEYS, PERMIT_UNTIL, PRESENTATION_KEYS, X

h = bytes.fromhex

# RFC 8949, appendix F.1, and the syntax errors of the same appendix by subkind. Each comma ends an item.
NOT_WELL_FORMED = {
    "end of input in a head": "18, 19, 1a, 1b, 1901, 1a0102, 1b01020304050607, 38, 58, 78, 98, 9a01ff00, b8, d8, f8, f900, fa0000, fb000000",
    "strings with short data": "41, 61, 5affffffff00, 5bffffffffffffffff010203, 7affffffff00, 7b7fffffffffffffff010203",
    "too few items": "81, 818181818181818181, 8200, a1, a20102, a100, a2000000",
    "tag without content": "c0",
    "string without break": "5f4100, 7f6100",
    "array or map without break": "9f, 9f0102, bf, bf01020102, 819f, 9f8000, 9f9f9f9f9fffffffff, 9f819f819f9fffffff",
    "reserved additional information": "1c, 1d, 1e, 3c, 3d, 3e, 5c, 5d, 5e, 7c, 7d, 7e, 9c, 9d, 9e, bc, bd, be, dc, dd, de, fc, fd, fe",
    "reserved simple values": "f800, f801, f818, f81f",
    "chunks of another type": "5f00ff, 5f21ff, 5f6100ff, 5f80ff, 5fa0ff, 5fc000ff, 5fe0ff, 7f4100ff",
    "chunks of indefinite length": "5f5f4100ffff, 7f7f6100ffff",
    "break on its own": "ff",
    "break in an array, map or tag of definite length": "81ff, 8200ff, a1ff, a1ff00, a100ff, a20000ff, 9f81ff, 9f829f819f9fffffffff",
    "break for a value": "bf00ff, bf000000ff",
    "additional information 31": "1f, 3f, df",
}

# RFC 8949, appendix A, what is in deterministic encoding there.
EXAMPLES: list[tuple[str, Any]] = [
    ("00", 0),
    ("01", 1),
    ("0a", 10),
    ("17", 23),
    ("1818", 24),
    ("1819", 25),
    ("1864", 100),
    ("1903e8", 1000),
    ("1a000f4240", 1000000),
    ("1b000000e8d4a51000", 1000000000000),
    ("1bffffffffffffffff", 18446744073709551615),
    ("c249010000000000000000", 18446744073709551616),
    ("3bffffffffffffffff", -18446744073709551616),
    ("c349010000000000000000", -18446744073709551617),
    ("20", -1),
    ("29", -10),
    ("3863", -100),
    ("3903e7", -1000),
    ("f90000", 0.0),
    ("f93c00", 1.0),
    ("fb3ff199999999999a", 1.1),
    ("f93e00", 1.5),
    ("f97bff", 65504.0),
    ("fa47c35000", 100000.0),
    ("fa7f7fffff", 3.4028234663852886e38),
    ("fb7e37e43c8800759c", 1.0e300),
    ("f90001", 5.960464477539063e-8),
    ("f90400", 0.00006103515625),
    ("f9c400", -4.0),
    ("fbc010666666666666", -4.1),
    ("f97c00", math.inf),
    ("f9fc00", -math.inf),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("40", b""),
    ("4401020304", b"\x01\x02\x03\x04"),
    ("60", ""),
    ("6161", "a"),
    ("6449455446", "IETF"),
    ("62225c", '"\\'),
    ("62c3bc", "\u00fc"),
    ("63e6b0b4", "\u6c34"),
    ("64f0908591", "\U00010151"),
    ("80", []),
    ("83010203", [1, 2, 3]),
    ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("98190102030405060708090a0b0c0d0e0f101112131415161718181819", list(range(1, 26))),
    ("a0", {}),
    ("a201020304", {1: 2, 3: 4}),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ("826161a161626163", ["a", {"b": "c"}]),
    ("a56161614161626142616361436164614461656145", {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}),
]

# RFC 8949, appendix A, what is not: longer floats, indefinite lengths; and tagged times, which come back as another item.
NOT_DETERMINISTIC = [
    "fa7f800000",
    "fa7fc00000",
    "faff800000",
    "fb7ff0000000000000",
    "fb7ff8000000000000",
    "fbfff0000000000000",
    "c11a514b67b0",
    "c1fb41d452d9ec200000",
    "5f42010243030405ff",
    "7f657374726561646d696e67ff",
    "9fff",
    "9f018202039f0405ffff",
    "9f01820203820405ff",
    "83018202039f0405ff",
    "83019f0203ff820405",
    "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff",
    "bf61610161629f0203ffff",
    "826161bf61626163ff",
    "bf6346756ef563416d7421ff",
]


@pytest.mark.parametrize(("kind", "items"), NOT_WELL_FORMED.items())
def test_items_that_are_not_well_formed(kind: str, items: str) -> None:
    for item in items.split(", "):
        for content in (h(item), b"\x81" + h(item), b"\xa1\x01" + h(item)):  # by itself, in an array, as a claim
            with pytest.raises(CborError):
                parse_deterministic(content)


@pytest.mark.parametrize(("item", "value"), EXAMPLES, ids=[item for item, _ in EXAMPLES])
def test_examples_in_deterministic_encoding(item: str, value: object) -> None:
    parsed = parse_deterministic(h(item))
    assert parsed == value
    assert type(parsed) is type(value)
    with pytest.raises(CborError):
        parse_deterministic(h(item) + b"\0")
    with pytest.raises(CborError):
        parse_deterministic(h(item)[:-1])


@pytest.mark.parametrize("item", NOT_DETERMINISTIC)
def test_examples_in_another_encoding(item: str) -> None:
    cbor2.loads(h(item))  # well-formed
    with pytest.raises(CborError):
        parse_deterministic(h(item))


def test_shortest_integers_and_lengths() -> None:
    """Section 4.2.1: the argument's shortest form; here with every longer form of one value of each major type."""
    longer = ("1800", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3800", "5800", "580161", "590001aa", "7800", "9800", "b800", "d81200", "f800")
    for item in longer:
        with pytest.raises(CborError):
            parse_deterministic(h(item))


def test_the_order_of_keys() -> None:
    """Section 4.2.1 sorts keys by their bytes, the older rule of 4.2.3 by length first; the parser's is the latter.

    The two differ where a longer key begins with a lower byte, as in the example of both sections (10, 100, -1, "z", "aa", [100], [-1], false).
    """
    by_bytes = h("a80a001864002000617a006261610081186400812000f400")
    by_length = h("a80a002000f400186400617a008120006261610081186400")
    assert parse_deterministic(by_length) == cbor2.loads(by_bytes)
    with pytest.raises(CborError):
        parse_deterministic(by_bytes)


@pytest.mark.parametrize(
    "keys", [PASS_KEYS, PRESENTATION_KEYS, (KTY, CRV, X), (CLASS, DIRECTIONS, PERMIT_UNTIL), ("idx", "uri"), (1, 4, 16), (1, 13, 16), (2, 4, 6, 65533, 65534)]
)
def test_both_orders_are_one_in_these_formats(keys: tuple[int | str, ...]) -> None:
    """Claims of pass, presentation and status list, the protected headers, the COSE_Key: nobody has to know which rule is meant."""
    encoded = [cbor2.dumps(key) for key in keys]
    assert encoded == sorted(encoded) == sorted(encoded, key=lambda key: (len(key), key))
