"""Step 1: RFC 9285's own examples and what a strict decoder refuses."""

from __future__ import annotations

import itertools

import base45 as peer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate_controller.passes.text import MAX_BASE45_CHARS, MAX_TEXT_CHARS, Base45Error, NotAPassError, TextTooLongError, decode_base45, decode_text
from simulators.phone import base45

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

# RFC 9285, 4.3 and 4.4
EXAMPLES = [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0")]


@pytest.mark.parametrize(("data", "text"), EXAMPLES)
def test_rfc_examples(data: bytes, text: str) -> None:
    assert decode_base45(text) == data
    assert base45(data) == text  # the simulated phone's own encoder


@pytest.mark.parametrize(("text", "data"), [("FGW", b"\xff\xff"), ("U5", b"\xff"), ("000", b"\0\0"), ("00", b"\0"), ("", b"")])
def test_largest_and_smallest(text: str, data: bytes) -> None:
    assert decode_base45(text) == data


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("GGW", "65536 in three characters"),
        (":::", "91124 in three characters"),
        ("V5", "256 in two characters"),
        ("::", "2024 in two characters"),
        ("B", "length 1 mod 3"),
        ("BB8B", "length 1 mod 3"),
        ("bb8", "lower case"),
        ("BB8\n", "a line feed, which the library alone lets pass"),
        ("BB8\r\n", "a line end"),
        ("\nBB8", "a line feed in front"),
        ("BB\t", "a tabulator"),
        ("BBé", "not ASCII"),
        ("BB\ud800", "a lone surrogate"),
        ("BB\0", "NUL"),
        ("BB٣", "a digit of another script"),
    ],
)
def test_refused(text: str, why: str) -> None:
    with pytest.raises(Base45Error):
        decode_base45(text)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_encoder_and_decoder_agree(data: bytes) -> None:
    assert decode_base45(base45(data)) == data


@settings(deadline=None)
@given(st.text(ALPHABET, max_size=60))
def test_every_value_has_one_text(text: str) -> None:
    """No two texts decode to the same bytes, so a text cannot be varied without changing what it says."""
    try:
        data = decode_base45(text)
    except Base45Error:
        return
    assert base45(data) == text


def test_every_triple_and_every_pair() -> None:
    """All 45^3 and all 45^2, against the definition (RFC 9285, 4); those that are numbers also side by side in long texts."""
    numbers = []
    for triple in map("".join, itertools.product(ALPHABET, repeat=3)):
        value = sum(ALPHABET.index(character) * 45**place for place, character in enumerate(triple))
        if value <= 0xFFFF:
            numbers.append((triple, value.to_bytes(2)))
        else:
            with pytest.raises(Base45Error):
                decode_base45(triple)
    assert len(numbers) == 1 << 16
    for at in range(0, len(numbers), 250):
        group = numbers[at : at + 250]
        assert decode_base45("".join(text for text, _ in group)) == b"".join(data for _, data in group)
    for pair in map("".join, itertools.product(ALPHABET, repeat=2)):
        value = ALPHABET.index(pair[0]) + 45 * ALPHABET.index(pair[1])
        if value <= 0xFF:
            assert decode_base45("BB8" + pair) == b"AB" + bytes([value])
        else:
            with pytest.raises(Base45Error):
                decode_base45("BB8" + pair)


def test_an_overflow_anywhere_in_a_long_text() -> None:
    """One triple too large among many, and one character outside the alphabet."""
    good = "QED" * 100
    for at in range(0, 300, 3):
        for bad in ("GGW", ":::", "QeD", "Q\xffD", "Q,D"):
            with pytest.raises(Base45Error):
                decode_base45(good[:at] + bad + good[at + 3 :])


@settings(deadline=None, max_examples=300)
@given(st.text(ALPHABET, max_size=40) | st.text(ALPHABET + "abé\n\0", max_size=12) | st.text(max_size=8))
def test_the_base45_package_agrees(text: str) -> None:
    try:
        expected = peer.b45decode(text.encode("ascii"))
    except ValueError:
        with pytest.raises(Base45Error):
            decode_base45(text)
    else:
        assert decode_base45(text) == expected


def test_longer_than_any_pass_is_not_decoded() -> None:
    assert decode_base45("0" * MAX_BASE45_CHARS) == bytes(MAX_BASE45_CHARS // 3 * 2)
    with pytest.raises(Base45Error):
        decode_base45("0" * (MAX_BASE45_CHARS + 3))


def test_line_ends_around_the_text_are_dropped_and_spaces_are_not() -> None:
    assert decode_text("ECH1:BB8\r\n") == b"AB"
    assert decode_text("\r\nECH1:BB8\n") == b"AB"
    assert decode_text("ECH1: 00\n") == b"\x00\x24"  # the space is a digit, the line feed is nothing
    with pytest.raises(Base45Error):
        decode_text("ECH1:BB8 \n")
    with pytest.raises(NotAPassError):
        decode_text(" ECH1:BB8")


@pytest.mark.parametrize("text", ["", "E", "ECH1", "ech1:BB8", "ECH2:BB8", "HC1:BB8", "ECH1 :BB8", "https://example.test/ECH1:", "ECH1\uff1aBB8"])
def test_prefix_is_exact(text: str) -> None:
    with pytest.raises(NotAPassError):
        decode_text(text)


def test_length_cap() -> None:
    longest = "ECH1:" + base45(bytes(964))
    assert len(longest) == MAX_TEXT_CHARS
    assert decode_text(longest + "\r\n") == bytes(964)
    for text in (longest + "0", longest + "000", "x" * 1_000_000, "\n" * 1_000_000, longest + "\r\n\n"):
        with pytest.raises(TextTooLongError):
            decode_text(text)
