"""Every way in which a snapshot or a delta is not believed: one line that says why, and what was in force stays, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest

from gate_controller.core.values import Region
from gate_controller.enrolment import MasterKey
from gate_controller.enrolment.manifest import MAX_CHUNK_BYTES, MAX_FRONT_BYTES
from gate_controller.enrolment.publication import Publication, PublicationError
from gate_controller.ports.devices import FingerprintTemplate
from gate_controller.ports.services import EnrolmentRecord, VerifyingKey
from simulators.authority import Authority, derived, encode
from simulators.enrolment_publication import Issue, chunks_of, claims_of, front, protected_header, seal_chunk

MakeRecord = Callable[..., EnrolmentRecord]
NOW = 1_800_000_000
PAGE = (Path(__file__).parents[2] / "docs" / "enrolment.md").read_text(encoding="utf-8")
HEAD_BYTES = 12
KEY, PUBLICATION_ID = derived("test", "key"), bytes(range(16))


@pytest.fixture
def in_force(laboratory: Any, make_record: MakeRecord) -> Any:
    """A gate that has snapshot 5 of 30 people."""
    laboratory.take(laboratory.published([make_record(number) for number in range(30)], snapshot=5))
    return laboratory


def refused(laboratory: Any, path: Path, says: str, reason: str = "") -> PublicationError:
    before = laboratory.files()
    with pytest.raises(PublicationError, match=says) as caught:
        laboratory.take(path)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    assert laboratory.files() == before
    assert laboratory.find(7) is not None
    assert reason in {"", caught.value.reason.value}
    assert f"`{caught.value.reason.value}`" in PAGE, "the operator finds the code on the page"
    return caught.value


class Forge:
    """Files as the region's authority would sign them if it broke one rule."""

    def __init__(self, laboratory: Any) -> None:
        self.laboratory = laboratory
        self.authority: Authority = laboratory.authorities[Region.HK]
        self.issue = Issue(snapshot=6, issued_at=NOW + 100, recipients=(laboratory.master.transport_public,), chunk_bytes=4096)

    def write(self, plains: list[bytes], entries: int, change: Callable[[dict[int, Any]], None] = lambda _claims: None, **signing: Any) -> Path:
        key = signing.pop("sealed_with", KEY)
        sealed = [seal_chunk(plain, number, PUBLICATION_ID, key) for number, plain in enumerate(plains)]
        listed = b"".join(len(each).to_bytes(4) + hashlib.blake2b(each, digest_size=32).digest() for each in sealed)
        authority = signing.pop("authority", self.authority)
        claims = claims_of(authority, self.issue, PUBLICATION_ID, KEY, entries, listed)
        change(claims)
        path: Path = self.laboratory.scratch / "forged"
        path.write_bytes(front(authority, claims, **signing) + b"".join(sealed))
        return path

    def ordinary(self, records: list[EnrolmentRecord]) -> tuple[list[bytes], int]:
        return [plain for plain, _ in chunks_of(records, 4096)], len(records)


@pytest.fixture
def forge(in_force: Any) -> Forge:
    return Forge(in_force)


@pytest.fixture
def people(make_record: MakeRecord) -> list[EnrolmentRecord]:
    return [make_record(number) for number in range(20)]


def test_what_the_forge_makes_is_taken_when_no_rule_is_broken(forge: Forge, people: list[EnrolmentRecord]) -> None:
    assert forge.laboratory.take(forge.write(*forge.ordinary(people))).records == 20


# -- the file --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 3, 8, 11, 12, 60, 0.3, 0.5, 0.999])
def test_half_a_snapshot(in_force: Any, people: list[EnrolmentRecord], kept: float) -> None:
    path = in_force.published(people, snapshot=6)
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(len(content) * kept)])
    refused(in_force, path, r"cut off|is no snapshot or delta", "not_enrolments" if kept in {0, 3} else "cut_off")


def test_a_snapshot_that_shrinks_while_it_is_imported(in_force: Any, people: list[EnrolmentRecord]) -> None:
    path = in_force.published(people, snapshot=6)
    content = path.read_bytes()

    def cut(done: int, whole: int) -> None:
        path.write_bytes(content[: len(content) - 5])

    with pytest.raises(PublicationError, match=r"cut off in chunk \d"):
        in_force.take(path, cut)
    assert in_force.find(7) is not None


@pytest.mark.parametrize("tail", [b"\x00", b"more" * 5000])
def test_trailing_bytes(in_force: Any, people: list[EnrolmentRecord], tail: bytes) -> None:
    path = in_force.published(people, snapshot=6)
    path.write_bytes(path.read_bytes() + tail)
    refused(in_force, path, f"has {len(tail)} bytes after its last chunk", "trailing_bytes")


def test_something_else_altogether(in_force: Any) -> None:
    path = in_force.scratch / "other"
    path.write_bytes(b"SQLite format 3\x00" * 100)
    refused(in_force, path, "is no snapshot or delta of enrolments")


def test_not_a_file(in_force: Any) -> None:
    refused(in_force, in_force.scratch, "is not a plain file|Is a directory")
    refused(in_force, in_force.scratch / "nothing", "No such file", "unreadable")
    refused(in_force, Path("/dev/zero"), "is not a plain file")


@pytest.mark.parametrize("version", [b"01", b"99", b"\xff\n"])
def test_an_unknown_format_version(in_force: Any, people: list[EnrolmentRecord], version: bytes) -> None:
    path = in_force.published(people, snapshot=6)
    content = path.read_bytes()
    path.write_bytes(content[:6] + version + content[8:])
    refused(in_force, path, r"has format .*, this program reads '02'", "unknown_format")


def test_a_front_that_claims_to_be_huge(in_force: Any, people: list[EnrolmentRecord]) -> None:
    path = in_force.published(people, snapshot=6)
    content = path.read_bytes()
    path.write_bytes(content[:8] + (0xFFFFFFFF).to_bytes(4) + content[12:])
    refused(in_force, path, f"a front of 4294967295 bytes, more than {MAX_FRONT_BYTES}")


def test_any_bit_of_the_front(in_force: Any, people: list[EnrolmentRecord]) -> None:
    path = in_force.published(people, snapshot=6)
    content = path.read_bytes()
    end = HEAD_BYTES + int.from_bytes(content[8:12])
    for place in range(0, end, 7):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(PublicationError):
            in_force.take(path)
    assert in_force.find(7) is not None


def test_any_chunk_changed(in_force: Any, people: list[EnrolmentRecord]) -> None:
    path = in_force.published(people, snapshot=6)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    refused(in_force, path, r"chunk \d+ is not the signed one", "changed_chunk")


@pytest.mark.parametrize("order", [(1, 0), (0, 0), (1, 1)])
def test_chunks_reordered_or_twice(in_force: Any, people: list[EnrolmentRecord], order: tuple[int, int]) -> None:
    people = [replace(person, fingers=person.fingers * 3) for person in people]  # chunks of one length
    path = in_force.published(people[:4], snapshot=6)
    content = path.read_bytes()
    begin = HEAD_BYTES + int.from_bytes(content[8:12])
    half = (len(content) - begin) // 2
    assert (len(content) - begin) % 2 == 0
    path.write_bytes(content[:begin] + b"".join(content[begin + half * number :][:half] for number in order))
    refused(in_force, path, r"chunk \d is not the signed one")


# -- who signed ------------------------------------------------------------------------------------------------------------


def test_a_wrong_signature(in_force: Any, people: list[EnrolmentRecord]) -> None:
    path = in_force.published(people, snapshot=6)
    content = bytearray(path.read_bytes())
    content[HEAD_BYTES + int.from_bytes(content[8:12]) - 1] ^= 1
    path.write_bytes(content)
    refused(in_force, path, "has a wrong signature", "wrong_signature")


def test_a_key_that_no_region_has_published(forge: Forge, people: list[EnrolmentRecord]) -> None:
    forger = Authority(Region.HK, "somebody else", "enrolment")
    refused(forge.laboratory, forge.write(*forge.ordinary(people), authority=forger), "which no region has published for enrolments", "unknown_key")


def test_the_pass_key_of_the_region_signs_no_enrolments(forge: Forge, people: list[EnrolmentRecord]) -> None:
    issuer = Authority(Region.HK, forge.laboratory.seed)
    refused(forge.laboratory, forge.write(*forge.ordinary(people), authority=issuer), "which no region has published for enrolments")


def test_the_other_region_s_key_with_this_region_s_kid(forge: Forge, people: list[EnrolmentRecord]) -> None:
    header = protected_header(forge.authority.kid)
    other = forge.laboratory.authorities[Region.MO]
    refused(forge.laboratory, forge.write(*forge.ordinary(people), authority=other, protected=header), "has a wrong signature")


def test_a_region_speaks_for_the_other(forge: Forge, people: list[EnrolmentRecord]) -> None:
    other = forge.laboratory.authorities[Region.MO]
    path = forge.write(*forge.ordinary(people), lambda claims: claims.update({1: "HK"}), authority=other)
    refused(forge.laboratory, path, "is of HK and signed by MO", "wrong_region")


def test_a_region_enrols_a_person_of_the_other(in_force: Any, people: list[EnrolmentRecord]) -> None:
    refused(
        in_force, in_force.published(people[:3], Region.MO, snapshot=1), "MO snapshot 1: has in chunk 0, entry 1, a reference of HK's", "other_regions_person"
    )
    with pytest.raises(PublicationError, match="needs MO snapshot 1, and this gate has none"):
        in_force.take(in_force.published(people[:3], Region.MO, delta=1))


@pytest.mark.parametrize(("not_before", "not_after"), [(NOW + 1, NOW + 2), (NOW - 2, NOW)])
def test_a_key_that_is_not_valid_now(in_force: Any, people: list[EnrolmentRecord], not_before: int, not_after: int) -> None:
    path = in_force.published(people, snapshot=6)
    for kid, key in in_force.keys.items():
        in_force.keys[kid] = VerifyingKey(key.key, key.region, not_before, not_after)
    refused(in_force, path, "of HK, which is not valid now", "key_not_valid")


@pytest.mark.parametrize("header", [{1: -8, 16: 65002}, {1: -7, 4: None, 16: 65002}, {1: -8, 4: None, 16: 65001}, {1: -8, 2: [4], 4: None, 16: 65002}, {}])
def test_signed_as_something_else(forge: Forge, people: list[EnrolmentRecord], header: dict[int, Any]) -> None:
    header = {label: forge.authority.kid if value is None else value for label, value in header.items()}
    refused(forge.laboratory, forge.write(*forge.ordinary(people), protected=encode(header)), "is signed as something else than enrolments")


def test_sealed_to_another_gate(in_force: Any, people: list[EnrolmentRecord]) -> None:
    other = MasterKey(bytes(range(2, 34)), "other")
    path = in_force.published(people, snapshot=6, recipients=(other.transport_public,))
    assert "gatectl enrolment key" in refused(in_force, path, "HK snapshot 6 is not sealed to this gate's key", "not_for_this_gate").remedy


# -- what is signed --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({1: "XX"}, "names no region"),
        ({1: 1}, "names no region"),
        ({2: 2}, "is neither snapshot nor delta"),
        ({2: True}, "is neither snapshot nor delta"),
        ({3: 0}, "has no snapshot number"),
        ({3: 1 << 31}, "has no snapshot number"),
        ({3: "6"}, "has no snapshot number"),
        ({4: 1}, "has no delta number"),
        ({2: 1, 4: 0}, "has no delta number"),
        ({5: -1}, "has no time of issue"),
        ({5: 1.5}, "has no time of issue"),
        ({6: -1}, "has no number of entries"),
        ({6: 1 << 40}, "has no number of entries"),
        ({6: 0}, "has empty chunks"),
        ({6: 3}, "has empty chunks"),
        ({7: b"short"}, "has no id"),
        ({8: b"x"}, "has no list of chunks"),
        ({8: []}, "has no list of chunks"),
        ({8: (MAX_CHUNK_BYTES + 17).to_bytes(4) + bytes(32)}, f"has a chunk of {MAX_CHUNK_BYTES + 17} bytes"),
        ({8: (0xFFFFFFFF).to_bytes(4) + bytes(32)}, "has a chunk of 4294967295 bytes"),
        ({8: (16).to_bytes(4) + bytes(32)}, "has a chunk of 16 bytes"),
        ({8: ((1 << 20).to_bytes(4) + bytes(32)) * 20}, "is cut off: .* of 2097"),
        ({6: 70_000, 8: ((1 << 20).to_bytes(4) + bytes(32)) * 65_537}, "has 65537 chunks, more than 65536"),
        ({9: {}}, "is not sealed to this gate"),
        ({9: []}, "is sealed to more than"),
        ({9: {number.to_bytes(8): bytes(80) for number in range(4097)}}, "is sealed to more than 4096 gates"),
        ({9: {bytes(8): b"short"}}, "names no recipients"),
        ({10: 1}, "does not name what it follows on, or is a snapshot and does"),
        ({10: bytes(32)}, "does not name what it follows on, or is a snapshot and does"),
        ({2: 1, 4: 1}, "does not name what it follows on"),
        ({2: 1, 4: 1, 10: bytes(31)}, "does not name what it follows on"),
        ({2: 1, 4: 1, 10: None}, "does not name what it follows on"),
        ({11: 1}, "does not have the claims 1 to 9, and 10 in a delta"),
    ],
)
def test_claims(forge: Forge, people: list[EnrolmentRecord], claims: dict[int, Any], says: str) -> None:
    refused(forge.laboratory, forge.write(*forge.ordinary(people), lambda ours: ours.update(claims)), says)


def test_a_front_that_is_not_deterministic(forge: Forge, people: list[EnrolmentRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.enrolment_publication.encode", lambda value: cbor2.dumps(value, canonical=True) + b"\x00")
    path = forge.write(*forge.ordinary(people), protected=protected_header(forge.authority.kid)[:-1])
    refused(forge.laboratory, path, "is not in deterministic encoding|has a front that is not")


def test_a_count_that_is_wrong(forge: Forge, people: list[EnrolmentRecord]) -> None:
    plains, _ = forge.ordinary(people)
    refused(forge.laboratory, forge.write(plains, 21), "has 20 entries, and its front says 21")


def test_references_out_of_order_or_twice(forge: Forge, people: list[EnrolmentRecord]) -> None:
    for order in ([3, 2], [2, 2], [0, 5, 10, 15, 2]):
        plains, entries = forge.ordinary([people[number] for number in order])
        refused(forge.laboratory, forge.write(plains, entries), "references do not ascend")


def framed(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(4) + body


@pytest.mark.parametrize(
    ("plain", "says"),
    [
        (framed(2, b"r" * 16), "is neither a record nor an erasure, or an erasure in a snapshot"),
        (framed(3, b"r" * 16), "is neither a record nor an erasure"),
        (framed(1, b""), "not an enrolment record"),
        (framed(1, b"\x00" * 40), "not an enrolment record"),
        (b"\x01\x00\x00", "is cut off"),
        (b"\x01" + (1 << 30).to_bytes(4) + b"x", "is cut off"),
        (b"\x01\xff\xff\xff\xff", "is cut off"),
        (framed(1, encode([2, b"r" * 16, 1, "1990-01-01", [], 1, False, [], []])), "not an enrolment record of format 1"),
        (framed(1, encode([1, b"r" * 16, 1, "1990-01-01", [], 1, False, [], [], 1])), "not an enrolment record of format 1"),
        (framed(1, encode([1, b"r" * 15, 1, "1990-01-01", [], 1, False, [], []])), "reference: must be 16 bytes"),
        (framed(1, encode([1, b"r" * 16, 1, "1990-01-01", [], 1, False, [["sface-2021dec", bytes(32), bytes(511)]], []])), "a template of sface has 512 bytes"),
        (
            framed(1, encode([1, b"r" * 16, 1, "1990-01-01", [], 1, False, [], [["zhiantec/r503/1536", 2, bytes(768)]]])),
            "does not have the length that its format",
        ),
        (framed(1, encode([1, b"r" * 16, 1, "1990-01-01", [], 1, False, [], []]) + b"\x00"), "deterministically encoded|not an enrolment record"),
    ],
)
def test_entries(forge: Forge, plain: bytes, says: str) -> None:
    assert "chunk 0, entry 1: " in refused(forge.laboratory, forge.write([plain], 1), says, "bad_record").what


def test_a_template_of_the_wrong_length_is_not_quoted(forge: Forge, people: list[EnrolmentRecord]) -> None:
    wrong = FingerprintTemplate("zhiantec/r503/1536", 2, b"secret" * 200)
    broken = replace(people[3], fingers=(wrong,))
    error = refused(
        forge.laboratory, forge.write(*forge.ordinary([people[1], broken])), "chunk 0, entry 2: fingers: a template does not have the length", "bad_record"
    )
    assert "secret" not in str(error)


def test_a_chunk_sealed_with_another_key(forge: Forge, people: list[EnrolmentRecord]) -> None:
    refused(forge.laboratory, forge.write(*forge.ordinary(people), sealed_with=bytes(32)), "chunk 0 does not open with the key")


# -- numbers ---------------------------------------------------------------------------------------------------------------


def test_an_older_snapshot(in_force: Any, people: list[EnrolmentRecord]) -> None:
    for snapshot in (4, 1):
        refused(in_force, in_force.published(people, snapshot=snapshot), f"HK snapshot {snapshot}: is not newer than snapshot 5, which this gate has had")


def test_another_snapshot_of_the_same_number(in_force: Any, people: list[EnrolmentRecord]) -> None:
    refused(in_force, in_force.published(people, snapshot=5), "HK snapshot 5: is not newer than snapshot 5", "not_newer")


def test_a_higher_number_issued_before(in_force: Any, people: list[EnrolmentRecord]) -> None:
    earlier = in_force.published(people, snapshot=6, issued_at=NOW)
    refused(in_force, earlier, "was issued before what this gate has had in force, and has a higher number", "issued_out_of_order")
    refused(in_force, in_force.published(people, snapshot=5, delta=1, issued_at=NOW), "was issued before what is in force, and has a higher number")


@pytest.mark.parametrize("delta", [0, 1])
def test_one_that_was_issued_in_the_future_does_not_keep_the_next_ones_out(in_force: Any, people: list[EnrolmentRecord], delta: int) -> None:
    error = refused(
        in_force, in_force.published(people, snapshot=5 if delta else 6, delta=delta, issued_at=NOW + 3601), "was issued in the future", "issued_in_the_future"
    )
    assert "clock" in error.remedy
    assert in_force.take(in_force.published(people, snapshot=6, issued_at=NOW + 3600)).changed


def test_deltas_with_a_gap_or_again(in_force: Any, make_record: MakeRecord) -> None:
    deltas = [in_force.published([make_record(3, number + 1)], snapshot=5, delta=number) for number in range(1, 5)]
    refused(in_force, deltas[1], "HK delta 5.2: follows on delta 5.1, and delta 5.1 is missing", "base_missing")
    in_force.take(deltas[0])
    in_force.take(deltas[1])
    error = refused(in_force, deltas[3], "HK delta 5.4: follows on delta 5.3, and delta 5.3 is missing")
    assert error.remedy == "import delta 5.3 first"
    refused(in_force, deltas[0], "HK delta 5.1: is not newer than snapshot 5 with delta 2, which is in force")
    refused(in_force, in_force.published([make_record(3)], snapshot=4, delta=3), "belongs to an older snapshot than snapshot 5 with delta 2")
    refused(in_force, in_force.published([make_record(3)], snapshot=6, delta=1), "belongs to snapshot 6, and 5 is in force")
    assert in_force.find(3) == make_record(3, 3)


def test_a_delta_to_another_snapshot_of_the_same_number(in_force: Any, make_record: MakeRecord) -> None:
    in_force.published([make_record(1)], snapshot=5)
    refused(in_force, in_force.published([make_record(3, 2)], snapshot=5, delta=1), "was made for another snapshot 5 than the one in force", "other_base")


def test_a_delta_to_another_delta_of_the_same_number(in_force: Any, make_record: MakeRecord) -> None:
    in_force.take(in_force.published([make_record(3, 2)], snapshot=5, delta=1))
    in_force.published([make_record(4, 2)], snapshot=5, delta=1)
    refused(in_force, in_force.published([make_record(3, 3)], snapshot=5, delta=2), "was made for another snapshot 5 with delta 1", "other_base")


def test_a_delta_that_brings_an_old_record_back(in_force: Any, make_record: MakeRecord) -> None:
    in_force.take(in_force.published([make_record(3, 7)], snapshot=5, delta=1))
    for stale in (make_record(3, 6), replace(make_record(3, 7), suspended=True)):
        delta = in_force.published([make_record(2, 2), stale, make_record(1000)], snapshot=5, delta=2)
        refused(in_force, delta, "a record of the delta is not newer", "record_not_newer")
    assert in_force.find(2) == make_record(2)
    assert in_force.find(1000) is None


def test_a_delta_s_erasure_of_the_wrong_length(in_force: Any) -> None:
    refused(in_force, in_force.published([b"short"], snapshot=5, delta=1), "an erasure names a reference of 16 bytes")


def test_the_front_alone_is_never_believed_without_the_gate_s_keys(in_force: Any, people: list[EnrolmentRecord]) -> None:
    path = in_force.published(people, snapshot=6)
    with pytest.raises(PublicationError, match="which no region has published"), Publication(path, {}, in_force.master, NOW):
        pass
