from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_controller.core.commands import CrossingRecord, Step
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Direction, Modality, Outcome, Region
from gate_controller.journal import rows
from gate_controller.journal.rows import EntryKind
from gate_controller.ports.errors import StoreError

WALL = 1_721_347_200.1234
any_text = st.text(st.characters(), max_size=1200)  # surrogates included: what a broken input can hold
ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
records = st.builds(
    CrossingRecord,
    crossing_id=ids,
    outcome=st.sampled_from(Outcome),
    reason=st.none() | st.sampled_from(Reason),
    admitted=st.booleans(),
    issuer=st.none() | st.sampled_from(Region),
    direction=st.sampled_from(Direction),
    authorised=st.booleans(),
    entered=st.booleans(),
    verified=st.booleans(),
    exited=st.booleans(),
    chamber_empty=st.booleans(),
    steps=st.lists(st.builds(Step, any_text, st.floats(0, 1e6)), max_size=5).map(tuple),
    checks=st.dictionaries(st.sampled_from(Modality), st.sampled_from(CheckOutcome)),
    officer=st.none() | any_text,
    officer_reason=st.none() | any_text,
    degraded=st.booleans(),
)


def test_the_text_of_an_admission() -> None:
    row = rows.admission("c-1", Region.HK, Direction.HK_TO_MO, WALL, degraded=True)
    assert (row.kind, row.label, row.crossing_id, row.personal, row.wall_ms, row.body) == (
        EntryKind.ADMISSION,
        "",
        "c-1",
        True,
        1721347200123,
        '{"crossing_id":"c-1","degraded":true,"direction":"hk_to_mo","issuer":"HK","kind":"admission","wall_ms":1721347200123}',
    )


def test_the_text_of_a_crossing() -> None:
    record = CrossingRecord(
        crossing_id="c-1",
        outcome=Outcome.RELEASED_BY_OFFICER,
        reason=Reason.FACE_MISMATCH,
        admitted=True,
        issuer=Region.MO,
        direction=Direction.MO_TO_HK,
        authorised=True,
        entered=True,
        exited=True,
        chamber_empty=True,
        steps=(Step("pass_verified", 0.0125), Step("entry_open", 0.3)),
        checks={Modality.FINGERPRINT: CheckOutcome.SUCCESSFUL, Modality.FACE: CheckOutcome.FAILED},
        officer="officer-7",
        officer_reason='über "中文"\n\x01\x7f',
    )
    assert rows.crossing(record, WALL).body == (
        '{"admitted":true,"authorised":true,"chamber_empty":true,"checks":{"face":"failed","fingerprint":"successful"},"crossing_id":"c-1",'
        '"degraded":false,"direction":"mo_to_hk","entered":true,"exited":true,"issuer":"MO","kind":"crossing","officer":"officer-7",'
        '"officer_reason":"über \\"中文\\"\\n\\u0001\x7f","outcome":"released_by_officer","reason":"face_mismatch",'
        '"steps":[["pass_verified",12],["entry_open",300]],"verified":false,"wall_ms":1721347200123}'
    )


def test_the_text_of_an_event() -> None:
    row = rows.event("device_lost", {"device": "io_board", "code": "timeout"}, 0)
    assert (row.kind, row.label, row.crossing_id, row.personal, row.wall_ms, row.body) == (
        EntryKind.EVENT,
        "device_lost",
        None,
        False,
        0,
        '{"event":"device_lost","fields":{"code":"timeout","device":"io_board"},"kind":"event","wall_ms":0}',
    )


def test_the_text_of_a_leaf() -> None:
    row = rows.event("rearmed", {"identity": "officer-7"}, 1)
    assert row.leaf(7, b"\xab" * 32) == (
        b'{"commitment":"' + b"ab" * 32 + b'","crossing_id":null,"kind":"event","label":"rearmed","number":7,"personal":true,"wall_ms":1000}'
    )


@given(records, st.floats(0, 1e11))
def test_a_crossing_is_canonical_and_reads_back(record: CrossingRecord, wall: float) -> None:
    written = rows.crossing(record, wall)
    text = written.body
    text.encode("utf-8")
    row = rows.parse(text)
    assert row == written
    assert (row.kind, row.fields, row.label, row.personal) == (EntryKind.CROSSING, json.loads(text), record.outcome.value, True)
    assert row.wall_ms == pytest.approx(wall * 1000, abs=1)
    assert row.crossing_id == record.crossing_id
    assert [name for name, _ in row.fields["steps"]] == [rows._text(step.name) for step in record.steps]

    def numbers(value: object) -> list[object]:
        if isinstance(value, dict):
            return [number for item in value.values() for number in numbers(item)]
        if isinstance(value, list):
            return [number for item in value for number in numbers(item)]
        return [value] if isinstance(value, (int, float)) else []

    # RFC 8785 writes floats as ECMAScript does; integers below 2**53 are the same everywhere.
    assert all(type(number) in {int, bool} and abs(number) < 2**53 for number in numbers(row.fields))


@given(any_text)
def test_a_long_text_is_cut_visibly(text: str) -> None:
    kept = rows.parse(rows.event("e", {"f": text}, 0).body).fields["fields"]["f"]
    assert len(kept) <= 1000
    assert kept.endswith("…") or len(text) <= 1000


@pytest.mark.parametrize(
    "body", ["", "[]", "null", "{}", '{"kind":"event"}', '{"wall_ms":1}', '{"kind":"other","wall_ms":1}', '{"kind": "event","wall_ms":1}', '{"a":' * 50]
)
def test_what_is_no_row_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="not a row of the journal"):
        rows.parse(body)


@pytest.mark.parametrize(("fields", "personal"), [({}, False), ({"reason": "io_board_lost"}, False), ({"identity": "officer 7"}, True)])
def test_an_event_is_personal_when_it_names_an_officer(fields: dict[str, str], personal: bool) -> None:
    assert rows.event("e", fields, 0).personal is personal


@pytest.mark.parametrize("wall", [float("nan"), float("inf"), -1.0, 1e14])
def test_a_time_that_is_no_time_is_refused(wall: float) -> None:
    with pytest.raises(StoreError, match="time"):
        rows.event("e", {}, wall)


@pytest.mark.parametrize("crossing_id", ["", "a b", "é", "x" * 65, "a\n"])
def test_an_unusable_crossing_id_is_refused(crossing_id: str) -> None:
    with pytest.raises(StoreError, match="crossing id"):
        rows.admission(crossing_id, Region.HK, Direction.HK_TO_MO, 0, degraded=False)


@pytest.mark.parametrize("name", ["", "Camel", "with space", "1st", "x" * 65, "ä", "a\n"])
def test_an_unusable_name_is_refused(name: str) -> None:
    for write in (lambda: rows.event(name, {}, 0), lambda: rows.event("e", {name: ""}, 0)):
        with pytest.raises(StoreError, match="like_this"):
            write()
