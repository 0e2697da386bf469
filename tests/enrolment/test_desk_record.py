"""The record file: sealed to the region, signed by the desk, written whole or not at all; and what the region makes of a bad one."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import cbor2
import pytest
from nacl.public import PrivateKey, SealedBox

from gate_controller.core.values import Region
from gate_controller.enrolment.desk.record_file import DeskKey, RecordFile, seal_record, write_new
from gate_controller.enrolment.desk.session import Evidence
from gate_controller.ports.devices import FaceModel
from gate_controller.ports.errors import RefusedByStateError, StoreError
from gate_controller.ports.pad import PadDecision
from gate_controller.ports.services import EnrolmentRecord
from simulators.enrolment_intake import intake_key, kid_of, take_in

NOW = 1_800_000_000
OFFICER = "o.chan-4711"
EVIDENCE = Evidence(OFFICER, False, 0.93, 0.41, PadDecision.LIVE, "judge 1", ((2, 190), (7, 181)))
SEED = "intake"
HK_KEY = intake_key(Region.HK, SEED)
PROBE_BYTES = 12


@pytest.fixture
def record(make_record: Callable[..., EnrolmentRecord]) -> EnrolmentRecord:
    return make_record(1_000_007)


@pytest.fixture(scope="module")
def desk() -> DeskKey:
    return DeskKey.of(bytes(range(32)))


@pytest.fixture
def sealed(record: EnrolmentRecord, desk: DeskKey) -> RecordFile:
    return seal_record(record, EVIDENCE, desk, Region.HK, bytes(HK_KEY.public_key))


@pytest.fixture
def take(tmp_path: Path, desk: DeskKey) -> Callable[..., Any]:
    def _take(content: bytes, *, region: Region = Region.HK, key: PrivateKey = HK_KEY, desks: tuple[bytes, ...] = (desk.public,), now: float = NOW) -> Any:
        path = tmp_path / "taken.record"
        path.write_bytes(content)
        return take_in(path, {kid_of(public): public for public in desks}, key, region, now)

    return _take


def test_the_region_gets_what_the_desk_enrolled(take: Callable[..., Any], sealed: RecordFile, record: EnrolmentRecord, desk: DeskKey) -> None:
    intake = take(sealed.content)
    assert intake.record == record
    assert (intake.taken_at, intake.desk, intake.officer, intake.pad) == (record.registered_at, desk.kid, OFFICER, "live")


def test_what_a_simulation_signs_says_so(take: Callable[..., Any], record: EnrolmentRecord, desk: DeskKey, sealed: RecordFile) -> None:
    """The desk's key is real where somebody tries --simulated with it: the region must see that nobody was there."""
    simulated = seal_record(record, replace(EVIDENCE, simulated=True), desk, Region.HK, bytes(HK_KEY.public_key))
    assert (take(simulated.content).simulated, take(sealed.content).simulated) == (True, False)


def test_nothing_can_be_read_in_the_file(sealed: RecordFile, record: EnrolmentRecord) -> None:
    templates = [template.data for template in (*record.faces, *record.fingers)]
    parts = [data[at : at + PROBE_BYTES] for data in templates for at in range(0, len(data) - PROBE_BYTES, PROBE_BYTES)]
    names = [record.reference, record.reference.hex().encode(), record.birth_date.isoformat().encode(), b"zhiantec", b"sface", OFFICER.encode(), b"judge"]
    assert [part for part in (*names, *parts) if part in sealed.content] == []
    assert record.reference.hex() not in sealed.name
    assert "secret" not in repr(sealed)
    assert sealed.content.hex()[:40] not in repr(sealed)


def test_two_files_of_one_record_have_nothing_in_common(sealed: RecordFile, record: EnrolmentRecord, desk: DeskKey) -> None:
    again = seal_record(record, EVIDENCE, desk, Region.HK, bytes(HK_KEY.public_key))
    assert again.name != sealed.name
    assert again.content[-200:] != sealed.content[-200:]


def refused(take: Callable[..., Any], content: bytes, says: str, **how: Any) -> None:
    with pytest.raises(RefusedByStateError, match=says) as caught:
        take(content, **how)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_any_bit_of_the_file(take: Callable[..., Any], sealed: RecordFile) -> None:
    for place in range(0, len(sealed.content), 37):
        changed = bytearray(sealed.content)
        changed[place] ^= 1 << place % 8
        with pytest.raises(RefusedByStateError):
            take(bytes(changed))


@pytest.mark.parametrize("kept", [0, 5, 7, 8, 20, 0.5, 0.999])
def test_half_a_file(take: Callable[..., Any], sealed: RecordFile, kept: float) -> None:
    refused(take, sealed.content[: kept if isinstance(kept, int) else int(len(sealed.content) * kept)], "no record|cut off|format")


def test_other_files(take: Callable[..., Any], sealed: RecordFile) -> None:
    refused(take, sealed.content + b"\0", "cut off or no signed record")
    refused(take, b"SQLite format 3\0" * 9, "no record of an enrolment desk")
    refused(take, sealed.content[:6] + b"02" + sealed.content[8:], "has format '02', this program reads '01'")
    refused(take, sealed.content + bytes(1 << 20), "too long")


def test_a_desk_that_the_region_does_not_know(take: Callable[..., Any], sealed: RecordFile) -> None:
    refused(take, sealed.content, "which is no desk's", desks=())
    refused(take, sealed.content, "which is no desk's", desks=(DeskKey.of(bytes(range(1, 33))).public,))


def test_another_region_s_record(take: Callable[..., Any], sealed: RecordFile, record: EnrolmentRecord, desk: DeskKey) -> None:
    refused(take, sealed.content, "is a record for 'HK'", region=Region.MO, key=intake_key(Region.MO, SEED))
    misdirected = seal_record(record, EVIDENCE, desk, Region.MO, bytes(HK_KEY.public_key)).content
    refused(take, misdirected, "sealed to another key", region=Region.MO, key=intake_key(Region.MO, SEED))


def test_a_record_from_the_future(take: Callable[..., Any], sealed: RecordFile) -> None:
    refused(take, sealed.content, "taken in the future", now=1_600_000_000)


def test_another_desk_cannot_sign_what_it_cannot_read_as_its_own(take: Callable[..., Any], sealed: RecordFile) -> None:
    thief = DeskKey.of(bytes(range(2, 34)))
    signed = cbor2.loads(sealed.content[8:]).value
    header = cbor2.dumps({1: -8, 4: thief.kid, 16: 65003}, canonical=True)
    refused(take, b"ECHREC01" + thief.sign1(header, signed[2]), "sealed by another desk", desks=(thief.public,))


@pytest.mark.parametrize("header", [{1: -8, 4: None, 16: 65002}, {1: -7, 4: None, 16: 65003}, {1: -8, 4: None}, {1: -8, 2: [4], 4: None, 16: 65003}, {}])
def test_signed_as_something_else(take: Callable[..., Any], sealed: RecordFile, desk: DeskKey, header: dict[int, Any]) -> None:
    header = {key: desk.kid if value is None else value for key, value in header.items()}
    payload = cbor2.loads(sealed.content[8:]).value[2]
    refused(take, b"ECHREC01" + desk.sign1(cbor2.dumps(header, canonical=True), payload), "signed as something else")


@pytest.mark.parametrize("body", [[2], [], [1, b"", b"", b"", {}], "x"])
def test_a_body_that_is_none(take: Callable[..., Any], desk: DeskKey, body: Any) -> None:
    box = SealedBox(HK_KEY.public_key).encrypt(cbor2.dumps(body))
    claims = {1: "HK", 2: NOW, 3: bytes(16), 4: hashlib.sha256(bytes(HK_KEY.public_key)).digest()[:8], 5: box}
    header = cbor2.dumps({1: -8, 4: desk.kid, 16: 65003}, canonical=True)
    refused(take, b"ECHREC01" + desk.sign1(header, cbor2.dumps(claims, canonical=True)), "holds no record|sealed by another")


@pytest.mark.parametrize(
    "broken",
    [
        lambda record: replace(record, faces=(replace(record.faces[0], model=FaceModel("sface-2021dec", "ab" * 32), data=bytes(511)),)),
        lambda record: replace(record, fingers=(replace(record.fingers[0], data=b"1" * 1535),)),
        lambda record: replace(record, fingers=(replace(record.fingers[0], position=11),)),
        lambda record: replace(record, fingers=(replace(record.fingers[0], format="other", data=b""),)),
        lambda record: replace(record, fingers=record.fingers * 17),
        lambda record: replace(record, birth_date=date(1, 1, 1)),
        lambda record: replace(record, suspended=1),
    ],
)
def test_a_record_that_no_gate_would_take(
    take: Callable[..., Any], record: EnrolmentRecord, desk: DeskKey, monkeypatch: pytest.MonkeyPatch, broken: Callable[[EnrolmentRecord], EnrolmentRecord]
) -> None:
    """A desk that is not what it was signs it: published, it would keep the whole snapshot out of every gate."""
    monkeypatch.setattr("gate_controller.enrolment.records.check", lambda _record: None)
    content = seal_record(broken(record), EVIDENCE, desk, Region.HK, bytes(HK_KEY.public_key)).content
    refused(take, content, "holds a broken record")


def test_a_region_s_key_that_is_none(record: EnrolmentRecord, desk: DeskKey) -> None:
    with pytest.raises(ValueError, match="X25519"):
        seal_record(record, EVIDENCE, desk, Region.HK, b"short")


# -- written whole or not at all -----------------------------------------------------------------------------------------------------


def test_a_file_is_for_its_owner_only_and_no_other_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.record"
    write_new(path, b"one")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreError, match="File exists"):
        write_new(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "link"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_ends_early_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(os, call, fail)
    with pytest.raises((StoreError, KeyboardInterrupt)):
        write_new(tmp_path / "a.record", b"one")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_stick_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def no_links(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "a.record"
    write_new(path, b"one")
    with pytest.raises(StoreError, match="File exists"):
        write_new(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_desk_s_key_is_made_once_and_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "desk.key"
    made = DeskKey.create(path)
    assert DeskKey.from_file(path) == made
    assert "_key" not in repr(made)
    with pytest.raises(StoreError, match="File exists"):
        DeskKey.create(path)
    path.chmod(0o640)
    with pytest.raises(StoreError, match="lets others at it"):
        DeskKey.from_file(path)
