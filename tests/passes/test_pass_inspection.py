"""The decoded view: complete for a genuine presentation, as far as it goes for anything else, and never trusting."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from gate_controller.passes.inspection import inspect
from simulators.authority import encode
from simulators.phone import Phone, qr_text


def by_number(inspection: Any) -> list[tuple[int, bool | None]]:
    return [(step.number, step.passed) for step in inspection.steps]


def test_a_genuine_presentation(laboratory: Any) -> None:
    inspection = inspect(laboratory.text())
    assert (inspection.kind, inspection.stopped) == ("presentation", None)
    fields = dict(inspection.fields)
    assert len(fields) == len(inspection.fields)
    assert fields["pass alg"] == "-8 (EdDSA)"
    assert fields["pass kid"] == laboratory.hk.kid.hex()
    assert fields["pass iss"] == '"HK"'
    assert fields["pass iat"] == "1799996400 (2027-01-15T07:00:00Z)"
    assert fields["pass permit-until"].startswith("8589934592 (2242-")
    assert (fields["pass class"], fields["pass directions"]) == ("1", "3")
    assert fields["presentation aud"] == '"MO-GB"'
    assert fields["presentation nonce"].startswith("h'")
    assert (fields["characters"], fields["bytes"]) == ("550", "363")
    assert by_number(inspection) == [(1, True), (2, True), (3, None), (4, None), (5, True), (6, True), (7, True), (5, True), (6, True), (8, None), (9, None)]


def test_it_needs_no_keys_and_no_clock(laboratory: Any) -> None:
    """A forger's pass decodes as well, and nothing claims that it is genuine."""
    forged = inspect(laboratory.presented(laboratory.authorities.forger.sign(encode(laboratory.claims()))))
    assert forged.stopped is None
    assert {step.name: step.passed for step in forged.steps}["pass signature"] is None


def test_a_static_pass_is_shown_and_named(laboratory: Any) -> None:
    inspection = inspect(qr_text(laboratory.phone.pass_))
    assert inspection.kind == "static pass"
    assert dict(inspection.fields)["pass iss"] == '"HK"'
    assert inspection.stopped is not None
    assert inspection.stopped.number == 2
    assert "no gate admits it" in inspection.stopped.detail


def test_a_copied_pass(laboratory: Any) -> None:
    thief = Phone("laboratory", "thief", "MO-GB")
    thief.load(laboratory.phone.pass_)
    inspection = inspect(thief.present(laboratory.now))
    assert inspection.stopped is not None
    assert (inspection.stopped.number, inspection.stopped.detail) == (7, "not signed by the pass's holder key")
    assert dict(inspection.fields)["presentation aud"] == '"MO-GB"'


@pytest.mark.parametrize(("text", "step"), [("", 1), ("HC1:X", 1), ("ECH1:a", 1), ("ECH1:" + "0" * 5000, 1), ("ECH1:", 2), ("ECH1:BB8", 2)])
def test_where_it_stopped(text: str, step: int) -> None:
    inspection = inspect(text)
    assert inspection.kind == "unknown"
    assert inspection.stopped is not None
    assert inspection.stopped.number == step
    assert inspection.stopped.detail


def test_malformed_claims_are_shown_all_the_same(laboratory: Any) -> None:
    fields = dict(inspect(laboratory.with_claims(lambda claims: claims.update({4: "tomorrow", 99: [1, None, 1.5], "who": True, 1: 7}))).fields)
    assert fields["pass exp"] == '"tomorrow"'
    assert fields["pass claim 99"] == "[1, null, 1.5]"
    assert fields['pass claim "who"'] == "true"
    assert fields["pass iss"] == "7"


def test_what_is_only_not_deterministic_is_shown_all_the_same(laboratory: Any) -> None:
    inspection = inspect(laboratory.signed_payload(encode(laboratory.claims()) + b"\0"))
    assert inspection.stopped is not None
    assert inspection.stopped.number == 5
    assert dict(inspection.fields)["pass iss"] == '"HK"'
    assert dict(inspection.fields)["presentation aud"] == '"MO-GB"'


def test_another_header_is_shown(laboratory: Any) -> None:
    inspection = inspect(laboratory.with_header({1: -7, 4: laboratory.hk.kid, 16: 65001}))
    assert inspection.stopped is not None
    assert inspection.stopped.number == 3
    assert dict(inspection.fields)["pass header"].startswith("h'a301260448")


def test_a_stranger_s_text_cannot_drive_the_terminal(laboratory: Any) -> None:
    texts = [
        laboratory.phone.present(laboratory.now, "\x1b[2J\r\n香港 [red]"),
        laboratory.with_claims(lambda claims: claims.update({"\x1b]0;x\x07": "\x9b", 1: "\u202e"})),
    ]
    for text in texts:
        for name, value in inspect(text).fields:
            assert (name + value).isascii()
            assert (name + value).isprintable()


@pytest.mark.parametrize(
    "payload",
    [
        b"\xd8\x1c\x81\xd8\x1d\x00",  # a list that holds itself
        b"\xa1\x01" + b"\x81" * 5 + b"\x01",
        b"\xa1\x01\x5a\x00\x00\x01\x90" + b"\xaa" * 400,
        b"\xa1\x01\xc2\x58\x40" + b"\xff" * 64,  # a number of 512 bits
        b"\xa1\xf9\x7e\x00\x01",  # NaN as a key
        b"\xa1\x80\x01",  # an array as a key
        b"\xa1\x01\xd9\x01\x02\x81\x01",  # a set
        b"\xf6",
        b"\xa1\x3a\x00\x01\x00\x00\x01",  # the scheme's claim is no map
        cbor2.dumps({-65537: {3: -1, "x": 2}}),
    ],
)
def test_odd_values_are_bounded(laboratory: Any, payload: bytes) -> None:
    for text in (laboratory.signed_payload(payload), laboratory.with_presentation(payload)):
        for name, value in inspect(text).fields:
            assert len(value) <= 200
            assert (name + value).isascii()
