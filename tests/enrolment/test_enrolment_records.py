from __future__ import annotations

from dataclasses import replace
from datetime import date

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_controller.core.values import Region
from gate_controller.enrolment import records
from gate_controller.ports.devices import FaceModel, FaceTemplate, FingerprintTemplate
from gate_controller.ports.services import EnrolmentRecord

printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64)
templates = st.binary(min_size=1, max_size=2000)
enrolments = st.builds(
    EnrolmentRecord,
    reference=st.binary(min_size=16, max_size=16),
    version=st.integers(1, 2**53 - 1),
    birth_date=st.dates(date(1850, 1, 1), date(2100, 1, 1)),
    registered_with=st.frozensets(st.sampled_from(Region)),
    registered_at=st.integers(0, 2**33 - 1),
    suspended=st.booleans(),
    faces=st.lists(st.builds(FaceTemplate, st.builds(FaceModel, printable, st.binary(min_size=32, max_size=32).map(bytes.hex)), templates), max_size=3).map(
        tuple
    ),
    fingers=st.lists(st.builds(FingerprintTemplate, printable, st.integers(0, 10), templates), max_size=10).map(tuple),
)

RECORD = EnrolmentRecord(
    reference=b"r" * 16,
    version=3,
    birth_date=date(1990, 2, 28),
    registered_with=frozenset({Region.MO, Region.HK}),
    registered_at=1_700_000_000,
    suspended=False,
    faces=(FaceTemplate(FaceModel("sface-2021dec", "ab" * 32), b"f" * 512),),
    fingers=(FingerprintTemplate("zhiantec/r503/1536", 2, b"g" * 1536),),
)


@given(enrolments)
def test_a_record_survives_its_encoding(record: EnrolmentRecord) -> None:
    assert records.decode(records.encode(record)) == record


def test_the_bytes_of_a_record_are_those_of_the_documented_format() -> None:
    # Written out by hand from RFC 8949, so that a change of the format cannot pass unseen.
    expected = (
        b"\x89\x01\x50" + b"r" * 16 + b"\x03\x6a1990-02-28\x82\x62HK\x62MO\x1a\x65\x53\xf1\x00\xf4"
        b"\x81\x83\x6dsface-2021dec\x58\x20" + b"\xab" * 32 + b"\x59\x02\x00" + b"f" * 512 + b"\x81\x83\x72zhiantec/r503/1536\x02\x59\x06\x00" + b"g" * 1536
    )
    assert records.encode(RECORD) == expected


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused_with_a_value_error_only(data: bytes) -> None:
    with pytest.raises(ValueError):
        records.decode(data)


@given(enrolments, st.data())
def test_a_changed_byte_is_refused_or_read_as_just_that_record(record: EnrolmentRecord, data: st.DataObject) -> None:
    encoded = bytearray(records.encode(record))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = records.decode(bytes(encoded))
    except ValueError:
        return
    assert records.encode(decoded) == bytes(encoded)


def test_another_format_version_is_refused() -> None:
    with pytest.raises(ValueError, match="format 1"):
        records.decode(b"\x89\x02" + records.encode(RECORD)[2:])


def test_bytes_after_the_record_and_other_encodings_of_it_are_refused() -> None:
    encoded = records.encode(RECORD)
    with pytest.raises(ValueError):
        records.decode(encoded + b"\x00")
    long_form = b"\x98\x09" + encoded[1:]  # the array's length in two bytes
    assert cbor2.loads(long_form) == cbor2.loads(encoded)
    with pytest.raises(ValueError, match="deterministically"):
        records.decode(long_form)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference", b"short"),
        ("reference", "r" * 16),
        ("version", 0),
        ("version", 2**53),
        ("version", True),
        ("birth_date", date(1849, 12, 31)),
        ("birth_date", "1990-01-01"),
        ("registered_with", frozenset({"HK"})),
        ("registered_at", -1),
        ("registered_at", 1.5),
        ("suspended", 1),
        ("faces", [RECORD.faces[0]]),
        ("faces", RECORD.faces * 17),
        ("faces", (FaceTemplate(FaceModel("sface", "ab" * 31), b"x"),)),
        ("faces", (FaceTemplate(FaceModel("sface", "AB" * 32), b"x"),)),
        ("faces", (FaceTemplate(FaceModel("", "ab" * 32), b"x"),)),
        ("faces", (FaceTemplate(FaceModel("sface-2021dec", "ab" * 32), bytes(511)),)),
        ("faces", (FaceTemplate(FaceModel("dlib-resnet-v1", "ab" * 32), bytes(516)),)),
        ("fingers", (FingerprintTemplate("zhiantec/r503/1536", 2, bytes(1535)),)),
        ("fingers", (FingerprintTemplate("zhiantec/r503/1536 ", 2, bytes(1536)),)),
        ("fingers", (FingerprintTemplate("f", 11, b"x"),)),
        ("fingers", (FingerprintTemplate("f", 1, b""),)),
        ("fingers", (FingerprintTemplate("f\n", 1, b"x"),)),
        ("fingers", (FingerprintTemplate("f", 1, bytes(65537)),)),
    ],
)
def test_an_unusable_value_is_refused_by_the_name_of_its_field(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field}: ") as caught:
        records.encode(replace(RECORD, **{field: value}))
    assert repr(value) not in str(caught.value)


def test_the_repr_of_a_record_shows_neither_template_nor_identity() -> None:
    shown = repr(RECORD)
    for secret in ("ffff", "gggg", "1990", "rrrr"):
        assert secret not in shown
