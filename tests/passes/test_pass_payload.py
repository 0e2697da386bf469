"""The shortcut for usual payloads never decides otherwise than the rule: parse, encode again and compare, exact claims."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate_controller.cose.deterministic import CborError, parse_cbor, parse_deterministic
from gate_controller.passes.claims import MAX_TIME, ClaimError, parse_pass_claims, parse_presentation_claims
from gate_controller.passes.payload import read_pass, read_presentation, usual_pass, usual_presentation
from simulators.authority import cose_key, encode

SOME = settings(deadline=None, max_examples=150)
EDGES = [0, 1, 23, 24, 255, 256, 65535, 65536, (1 << 32) - 1, 1 << 32, MAX_TIME, MAX_TIME + 1]

numbers = st.sampled_from(EDGES) | st.integers(0, MAX_TIME + 10)
texts = st.text(min_size=0, max_size=30) | st.sampled_from(["HK", "hk/status/1", "x" * 23, "x" * 24, "x" * 255, "x" * 256, "x" * 257, "é" * 128, "é" * 256])


def claims(**changes: Any) -> dict[Any, Any]:
    values = {
        "iss": "HK",
        "sub": bytes(range(16)),
        "aud": "HKMO",
        "exp": 1_800_086_400,
        "nbf": 1_800_000_000,
        "iat": 1_800_000_060,
        "cti": bytes(16),
        "x": bytes(range(32)),
        "idx": 70_000,
        "uri": "hk/status/1",
        "class": 1,
        "directions": 3,
        "until": MAX_TIME,
    } | changes
    return {
        1: values["iss"],
        2: values["sub"],
        3: values["aud"],
        4: values["exp"],
        5: values["nbf"],
        6: values["iat"],
        7: values["cti"],
        8: {1: cose_key(values["x"])},
        65535: {"status_list": {"idx": values["idx"], "uri": values["uri"]}},
        -65537: {1: values["class"], 2: values["directions"], 3: values["until"]},
    }


def outcome(read: Any, payload: bytes) -> Any:
    try:
        return read(payload)
    except (CborError, ClaimError) as error:
        return type(error), str(error)


def agree(payload: bytes) -> Any:
    """Shortcut and rule together against the rule alone, for both kinds of payload; returns what a pass's reader says."""
    assert outcome(read_presentation, payload) == outcome(lambda p: parse_presentation_claims(parse_deterministic(p)), payload)
    read = outcome(read_pass, payload)
    assert read == outcome(lambda p: parse_pass_claims(parse_deterministic(p)), payload)
    return read


@SOME
@given(st.fixed_dictionaries({}, optional={"iss": texts, "aud": texts, "uri": texts}), st.data())
def test_any_claims_are_read_as_the_rule_reads_them(changes: dict[str, Any], data: st.DataObject) -> None:
    for name in ("exp", "nbf", "iat", "idx", "class", "directions", "until"):
        if data.draw(st.booleans()):
            changes[name] = data.draw(numbers | st.sampled_from([-1, True, 1.0, None, "1"]))
    agree(encode(claims(**changes)))


@SOME
@given(st.tuples(numbers, numbers, numbers).map(sorted), st.integers(0, (1 << 32) - 1), st.integers(1, 255), st.integers(1, 3), st.sampled_from(EDGES[:-1]))
def test_all_claims_in_range_are_read(times: list[int], index: int, traveller_class: int, directions: int, until: int) -> None:
    nbf, iat, exp = times
    values = {"nbf": nbf, "iat": iat, "exp": exp, "idx": index, "class": traveller_class, "directions": directions, "until": until}
    read = agree(encode(claims(**values)))
    if nbf <= iat < exp <= MAX_TIME:
        assert (read.not_before, read.issued_at, read.expires_at) == (nbf, iat, exp)
        assert (read.status_index, read.traveller_class, read.directions, read.permit_until) == (index, traveller_class, directions, until)
        assert encode(claims(**values, x=read.holder_key, uri=read.status_uri, iss=read.issuer)) == encode(claims(**values))
    else:
        assert read[0] is ClaimError


@pytest.mark.parametrize("until", [MAX_TIME, 1_900_000_000])
@pytest.mark.parametrize("index", [0, 23, 24, 255, 256, 65535, 65536, (1 << 32) - 1])
def test_the_usual_pass_takes_the_shortcut(until: int, index: int) -> None:
    payload = encode(claims(until=until, idx=index))
    assert usual_pass(parse_cbor(payload), payload) == parse_pass_claims(parse_cbor(payload))
    presentation = encode({3: "MO-GB", 6: 1_800_000_000, 7: bytes(8)})
    assert usual_presentation(parse_cbor(presentation), presentation) == parse_presentation_claims(parse_cbor(presentation))


@pytest.mark.parametrize(
    "changes",
    [
        *({name: value} for name in ("iss", "aud", "uri") for value in ("", "x" * 256)),
        *({"class": value} for value in (-1, 0, 256, True)),
        *({"directions": value} for value in (-1, 0, 4, True)),
        *({"idx": value} for value in (-1, 1 << 32)),
        *({"until": value} for value in (-1, 65535, 1 << 32, MAX_TIME + 1, float(MAX_TIME))),
        *({"nbf": low, "iat": low, "exp": low + 1} for low in (0, 65534)),
        {"iat": 1_800_086_400},
        {"nbf": 1_800_000_061},
        {"exp": 1 << 32},
        {"sub": bytes(15)},
        {"cti": bytes(17)},
        {"x": bytes(31)},
        {"sub": "x" * 16},
    ],
)
def test_what_is_not_usual_is_left_to_the_rule(changes: dict[str, Any]) -> None:
    payload = encode(claims(**changes))
    assert usual_pass(parse_cbor(payload), payload) is None
    agree(payload)


@pytest.mark.parametrize("changes", [{3: ""}, {3: "x" * 256}, {6: 65535}, {6: 1 << 32}, {6: True}, {6: -1}, {7: bytes(7)}, {7: "12345678"}, {8: 0}])
def test_what_is_no_usual_presentation_is_left_to_the_rule(changes: dict[int, Any]) -> None:
    payload = encode({3: "MO-GB", 6: 1_800_000_000, 7: bytes(8)} | changes)
    assert usual_presentation(parse_cbor(payload), payload) is None
    agree(payload)


def test_a_time_that_is_not_in_its_shortest_form_is_not_deterministic() -> None:
    """The template writes four bytes, so a small time in four bytes would look right to it."""
    for time in (0, 65535):
        small = encode(claims(nbf=time, iat=time, exp=1_800_000_000))
        long = small.replace(encode(time), b"\x1a" + time.to_bytes(4)) if time else small.replace(b"\x05\x00\x06\x00", b"\x05\x1a\0\0\0\0\x06\x1a\0\0\0\0")
        assert len(long) > len(small)
        assert agree(long)[0] is CborError
        presentation = b"\xa3\x03\x65MO-GB\x06\x1a" + time.to_bytes(4) + b"\x07\x48" + bytes(8)
        assert outcome(read_presentation, presentation)[0] is CborError


def test_every_byte_of_a_usual_payload() -> None:
    """Whatever one byte becomes: both say the same, and what is still a pass says something else than before."""
    for payload in (encode(claims()), encode(claims(until=1_900_000_000, idx=7))):
        original = read_pass(payload)
        for at, byte in enumerate(payload):
            for mask in (0x01, 0x20, 0x40, 0x80, 0xFF):
                assert agree(payload[:at] + bytes([byte ^ mask]) + payload[at + 1 :]) != original


def test_every_byte_that_is_dropped_or_doubled() -> None:
    payload = encode(claims())
    for at in range(len(payload)):
        assert agree(payload[:at] + payload[at + 1 :])[0] in (CborError, ClaimError)
        agree(payload[: at + 1] + payload[at:])
