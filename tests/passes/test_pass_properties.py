"""Properties: no single change of a valid presentation is accepted, and nothing anybody can show makes the verifier raise."""

from __future__ import annotations

from typing import Any

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st

from gate_controller.passes.inspection import inspect
from gate_controller.ports.services import PassAccepted, PassRejected
from simulators.authority import encode
from simulators.phone import qr_text

SOME = settings(deadline=None, max_examples=60)  # no deadline: the machine may be slow and shared

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

cbor_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats()
    | st.binary(max_size=40)
    | st.text(max_size=20)
    | st.builds(cbor2.CBORTag, st.integers(60, 70), st.integers()),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.integers(-3, 9) | st.booleans() | st.text(max_size=3), children, max_size=5),
    max_leaves=12,
)


def never_accepted(lab: Any, text: str) -> PassRejected:
    result = lab.verify(text)
    assert isinstance(result, PassRejected)
    assert all(isinstance(value, str) and value.isascii() for field in inspect(text).fields for value in field)
    return result


def test_every_byte_counts(laboratory: Any) -> None:
    """All bytes, not a sample, each with its lowest and its highest bit flipped."""
    genuine = laboratory.frame(*laboratory.parts())
    verifier = laboratory.verifier()
    for at, byte in enumerate(genuine):
        for mask in (0x01, 0x80):
            flipped = genuine[:at] + bytes([byte ^ mask]) + genuine[at + 1 :]
            assert isinstance(verifier.verify(qr_text(flipped), laboratory.now), PassRejected), f"byte {at}"


@SOME
@given(st.data())
def test_every_changed_byte_is_refused(laboratory: Any, data: st.DataObject) -> None:
    genuine = laboratory.frame(*laboratory.parts())
    at = data.draw(st.integers(0, len(genuine) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != genuine[at]))
    never_accepted(laboratory, qr_text(genuine[:at] + bytes([other]) + genuine[at + 1 :]))


@SOME
@given(st.data())
def test_every_inserted_removed_or_swapped_piece_is_refused(laboratory: Any, data: st.DataObject) -> None:
    genuine = laboratory.frame(*laboratory.parts())
    start = data.draw(st.integers(0, len(genuine)))
    end = data.draw(st.integers(start, len(genuine)))
    piece = data.draw(st.binary(max_size=8))
    changed = genuine[:start] + piece + genuine[end:]
    if changed != genuine:
        never_accepted(laboratory, qr_text(changed))


@SOME
@given(st.data())
def test_every_changed_character_is_refused(laboratory: Any, data: st.DataObject) -> None:
    genuine = laboratory.text()
    at = data.draw(st.integers(0, len(genuine) - 1))
    other = data.draw(st.sampled_from(ALPHABET).filter(lambda character: character != genuine[at]))
    never_accepted(laboratory, genuine[:at] + other + genuine[at + 1 :])


@SOME
@given(st.text())
def test_any_text(laboratory: Any, text: str) -> None:
    never_accepted(laboratory, text)


@SOME
@given(st.text(ALPHABET, max_size=1500))
def test_any_base45_characters(laboratory: Any, text: str) -> None:
    never_accepted(laboratory, "ECH1:" + text)


@SOME
@given(st.binary(max_size=970))
def test_any_bytes_under_the_prefix(laboratory: Any, data: bytes) -> None:
    never_accepted(laboratory, qr_text(data))


@SOME
@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=70), st.binary(max_size=4))
def test_any_sign1(laboratory: Any, protected: bytes, payload: bytes, signature: bytes, end: bytes) -> None:
    never_accepted(laboratory, qr_text(laboratory.frame(protected, payload, signature, end=end)))
    never_accepted(laboratory, laboratory.presented(laboratory.frame(protected, payload, signature, end=end)))


@SOME
@given(st.binary(max_size=200))
def test_any_payload_that_a_region_signs(laboratory: Any, payload: bytes) -> None:
    assert never_accepted(laboratory, laboratory.signed_payload(payload)).step in (5, 6)


@SOME
@given(cbor_values)
def test_any_value_that_a_region_signs(laboratory: Any, value: object) -> None:
    assert never_accepted(laboratory, laboratory.signed_payload(encode(value))).step in (1, 5, 6)


@settings(SOME, max_examples=150)
@given(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 65535, -65537]), cbor_values)
def test_any_value_for_one_claim(laboratory: Any, claim: int, value: object) -> None:
    """Only a time, or a directions map, can be another value and still be right; then it must be of the exact type."""
    result = laboratory.verify(laboratory.with_claims(lambda claims: claims.update({claim: value})))
    if isinstance(result, PassAccepted):
        assert claim in (2, 4, 5, 6, 7)
        assert type(value) is (bytes if claim in (2, 7) else int)


@SOME
@given(cbor_values)
def test_any_value_that_a_holder_signs(laboratory: Any, value: object) -> None:
    assert never_accepted(laboratory, laboratory.with_presentation(encode(value))).step in (1, 5, 6)


@SOME
@given(st.binary(max_size=60))
def test_any_header_that_a_region_signs(laboratory: Any, protected: bytes) -> None:
    assert never_accepted(laboratory, laboratory.with_header(protected)).step == 3


@SOME
@given(st.binary(max_size=300))
def test_any_header_that_a_holder_signs(laboratory: Any, protected: bytes) -> None:
    never_accepted(laboratory, laboratory.with_presentation(protected=protected))
