"""The whole way of a person: desk, region, snapshot or delta, gate, and a lane that knows face and fingers; each step by its command."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import syslog
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from nacl.public import PrivateKey

from drivers.fingerprint import FingerprintOptions, ZhianTecReader
from gate_controller.cli import enrol
from gate_controller.core.values import Region
from gate_controller.enrolment import Enrolments, MasterKey
from gate_controller.enrolment.desk import record_file
from gate_controller.ports.devices import FingerprintOutcome
from gate_controller.ports.errors import DeviceAbsentError, RefusedByStateError
from simulators import authority_enrolments
from simulators.authority_state import opened
from simulators.enrolment_intake import intake_key, kept, kid_of, take_in
from simulators.enrolment_people import person
from simulators.face_memory import SeenFace, image_of
from tests.enrolment.desk_rig import REFERENCE, THRESHOLD, Desk, ScriptedJudge
from tests.enrolment.test_enrolment_cli import Site

BORN = ("--birth-date", "1990-05-17")


class Town:
    """A desk of Hong Kong's and a gate, in one directory."""

    def __init__(self, site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.site = site
        self.capsys = capsys
        self.records = site.scratch / "records"
        self.records.mkdir()
        self.key_file = site.scratch / "desk.key"
        self.desk_key = self.said(lambda: site.gate_plain("enrolment", "desk-key", self.key_file))
        self.seal_to = self.said(lambda: site.authority("intake-key", site.scratch / "authority", "HK"))
        self._monkeypatch = monkeypatch

    def said(self, act: Callable[[], int]) -> str:
        self.capsys.readouterr()
        assert act() == 0
        return self.capsys.readouterr().out.strip()

    def enrol(self, desk: Desk, *arguments: str) -> int:
        def session(_settings: object, around: Any, positions: tuple[int, ...]) -> Any:
            desk.positions = positions
            hear = desk.hear

            def both(said: Any) -> None:
                around.show(said)
                hear(said)

            desk.hear = both
            return desk.session()

        self._monkeypatch.setattr(enrol, "desk_session", session)
        keys = ("--desk-key", str(self.key_file), "--seal-to", self.seal_to, "--out", str(self.records))
        return self.site.gate("enrol", "--region", "HK", *keys, *arguments)

    @property
    def files(self) -> list[Path]:
        return sorted(self.records.iterdir())


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What went to the system log."""
    lines: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _priority, line: lines.append(line))
    return lines


@pytest.fixture
def town(tmp_path: Path, logged: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Town:
    return Town(Site(tmp_path), capsys, monkeypatch)


def test_from_the_desk_to_the_lane(town: Town, logged: list[str]) -> None:
    desk, site = Desk(), town.site
    assert town.enrol(desk, *BORN, "--reference", REFERENCE.hex(), "--json") == 0
    out = town.capsys.readouterr()
    report = json.loads(out.out)
    assert report["ok"]
    assert [Path(report["file"])] == town.files
    assert len(report["fingers"]) == 2
    assert "Lay your right index finger on the reader." in out.err
    assert "The left index finger is taken. (2 of 2)" in out.err
    site.publish("HK", 5, "--record", str(town.files[0]), "--desk", town.desk_key)
    site.trust()
    assert site.enrolment("import", *sorted(site.out.iterdir())) == 0
    assert site.enrolment("show", REFERENCE.hex()) == 0
    with_others = Enrolments(site.scratch / "enrolment", MasterKey.from_file(site.key))
    try:
        record = with_others.find(Region.HK, REFERENCE)
    finally:
        with_others.close()
    assert record is not None
    probe = desk.matcher.analyse(image_of(["mei"], 99)).probe
    assert probe is not None
    assert desk.matcher.compare(probe, record.faces[0]) < THRESHOLD
    lane = ZhianTecReader(FingerprintOptions(port="/dev/none", family=desk.family), desk.clock, desk._open_port, lambda _line: None)
    lane.open(desk.clock.monotonic() + 5)
    desk.module.remove()
    lane.load_reference(record.fingers[0], desk.clock.monotonic() + 5)
    assert not lane.finger_present(desk.clock.monotonic() + 5)
    desk.hand.hear("place_finger", record.fingers[0].position)
    assert lane.verify(desk.clock.monotonic() + 5).outcome is FingerprintOutcome.MATCH
    said = "\n".join(logged)
    assert "gatectl enrol: " in said
    assert all(secret not in said for secret in (REFERENCE.hex(), "1990"))


def test_by_a_delta(town: Town) -> None:
    site = town.site
    site.publish("HK", 5)
    site.trust()
    assert town.enrol(Desk(), *BORN, "--reference", REFERENCE.hex()) == 0
    site.publish("HK", 5, "--delta", "1", "--record", str(town.files[0]), "--desk", town.desk_key)
    town.capsys.readouterr()
    assert site.enrolment("import", *sorted(site.out.iterdir()), "--json") == 0
    imports = json.loads(town.capsys.readouterr().out)["imports"]
    assert [(each["added"], each["records"]) for each in imports] == [(5, 5), (1, 6)]


def test_the_region_takes_nothing_from_a_stranger_s_desk(town: Town) -> None:
    assert town.enrol(Desk(), *BORN) == 0
    arguments = ("enrolments", town.site.scratch / "authority", "HK", "--count", "5", "--for", "d1" * 32, "--record", town.files[0], "--out", town.site.out)
    assert town.site.authority(*arguments, "--desk", "e1" * 32) == 7
    assert "which is no desk's" in town.capsys.readouterr().err
    assert not town.site.out.exists() or list(town.site.out.iterdir()) == []


def test_two_records_of_one_person_are_not_published_together(town: Town) -> None:
    for version in ("1", "2"):
        assert town.enrol(Desk(), *BORN, "--reference", REFERENCE.hex(), "--version", version) == 0
    records = [argument for file in town.files for argument in ("--record", file)]
    arguments = ("enrolments", town.site.scratch / "authority", "HK", "--count", "5", "--for", "d1" * 32, "--out", town.site.out)
    assert town.site.authority(*arguments, *records, "--desk", town.desk_key) == 7
    assert "of one person" in town.capsys.readouterr().err


def test_enrolling_again_lifts_no_suspension_and_changes_no_registration(town: Town) -> None:
    number, held = next((each, who) for each in range(5000) if (who := person(each, 5000, "people", Region.HK)).suspended)
    again = ("--reference", held.reference.hex(), "--birth-date", held.birth_date.isoformat(), "--officer", "o.chan")
    assert town.enrol(Desk(minimum_age=0), *again, "--version", "2", "--registered-with", "MO") == 0
    record = take_in(town.files[0], {kid_of(bytes.fromhex(town.desk_key)): bytes.fromhex(town.desk_key)}, *_hk(town)).record
    assert (record.suspended, record.registered_with) == (False, frozenset({Region.MO})), "as the desk says"
    published = kept(record, held)
    assert (published.suspended, published.registered_with, published.registered_at) == (True, held.registered_with, held.registered_at)
    assert (published.version, published.faces, published.fingers) == (2, record.faces, record.fingers)
    assert kept(record, None) == record
    assert authority_enrolments._held(held.reference, 5000, "people", Region.HK) == held
    assert authority_enrolments._held(bytes(16), 5000, "people", Region.HK) is None
    merged = list(authority_enrolments._merged(iter([person(each, 5000, "people", Region.HK) for each in range(number + 2)]), {held.reference: published}))
    assert [each.version for each in merged if not isinstance(each, bytes) and each.reference == held.reference] == [2]
    with pytest.raises(RefusedByStateError, match="another date of birth"):
        kept(replace(record, birth_date=date(1920, 1, 1)), held)


def test_a_region_takes_no_older_version_of_somebody_it_has(town: Town) -> None:
    held = person(3, 5, "people", Region.HK)
    again = ("--reference", held.reference.hex(), "--birth-date", held.birth_date.isoformat(), "--officer", "o.chan")
    assert town.enrol(Desk(minimum_age=0), *again) == 0
    arguments = ("enrolments", town.site.scratch / "authority", "HK", "--count", "5", "--for", "d1" * 32, "--record", town.files[0], "--out", town.site.out)
    assert town.site.authority(*arguments, "--desk", town.desk_key) == 7
    assert "the region has version 1" in town.capsys.readouterr().err


def _hk(town: Town) -> tuple[PrivateKey, Region, float]:
    with opened(town.site.scratch / "authority") as headquarters:
        return intake_key(Region.HK, headquarters.repository.authorities.seed), Region.HK, 1 << 32


def refused(town: Town, code: int, desk: Desk, *arguments: str) -> str:
    town.capsys.readouterr()
    assert town.enrol(desk, *arguments) == code
    assert town.files == []
    return town.capsys.readouterr().err


def test_refusals_by_their_codes(town: Town, logged: list[str]) -> None:
    young = ("--birth-date", "2013-01-01")
    assert "(officer_needed)" in refused(town, 1, Desk(), *young)
    assert "(too_young)" in refused(town, 1, Desk(), "--birth-date", "2019-01-01", "--officer", "o.chan")
    assert "(not_alone)" in refused(town, 1, Desk(people=lambda _frame: [SeenFace("mei"), SeenFace("bao")]), *BORN)
    attack = refused(town, 1, Desk(judge=ScriptedJudge(lambda _frames: 0.95)), *BORN)
    assert "(face_not_accepted)" in attack
    assert "attack" not in attack
    assert any("attack" in line for line in logged), "the officer's log says what the desk does not"
    assert "only an officer" in refused(town, 2, Desk(), *BORN, "--accept-fewer-fingers")
    assert "identity" in refused(town, 2, Desk(), *BORN, "--officer", "a b")
    assert "no date of birth" in refused(town, 2, Desk(), "--birth-date", "1890-01-01")
    assert "64 hexadecimal digits" in refused(town, 2, Desk(), *BORN, "--seal-to", "d1")
    assert "belong to --simulated" in refused(town, 2, Desk(), *BORN, "--hand", "x")
    assert "no 'person99'" in refused(town, 2, Desk(), *BORN, "--simulated", "person99")


def test_a_child_with_an_officer_is_enrolled(town: Town) -> None:
    assert town.enrol(Desk(), "--birth-date", "2013-01-01", "--officer", "o.chan", "--json") == 0
    assert json.loads(town.capsys.readouterr().out)["officer"] == "o.chan"


def test_what_cannot_work_is_said_before_anybody_is_asked_for_anything(town: Town) -> None:
    desk = Desk()
    assert "mode 0644" in refused(town, 8, desk, *BORN, "--desk-key", str(readable(town.site.scratch / "open.key")))
    assert "is not a directory" in refused(town, 8, desk, *BORN, "--out", str(town.site.scratch / "nowhere"))
    assert "names a finger twice" in refused(town, 2, desk, *BORN, "--finger", "2", "--finger", "2")
    assert "at least 2 fingers" in refused(town, 2, desk, *BORN, "--finger", "2")
    for nothing_can_be_sealed_to in ("00" * 32, "01" + "00" * 31):
        assert "no X25519 public key" in refused(town, 2, desk, *BORN, "--seal-to", nothing_can_be_sealed_to)
    assert "this desk's own key" in refused(town, 2, desk, *BORN, "--seal-to", town.desk_key)
    assert desk.said == []


def readable(path: Path) -> Path:
    path.write_text("5a" * 32)
    path.chmod(0o644)
    return path


def test_a_device_that_is_not_there(town: Town) -> None:
    desk = Desk()
    desk.camera.open = lambda _deadline: (_ for _ in ()).throw(DeviceAbsentError("the camera is not there", "plug it in"))  # type: ignore[method-assign]
    assert "the camera is not there" in refused(town, 6, desk, *BORN)
    town.capsys.readouterr()
    assert town.enrol(desk, *BORN, "--json") == 6
    assert json.loads(town.capsys.readouterr().out) == {
        "schema": 1,
        "ok": False,
        "exit_code": 6,
        "reason": "fault",
        "what": "the camera is not there",
        "remedy": "plug it in",
        "code": "absent",
    }


@pytest.mark.parametrize("when", ["face_taken", "finger_taken"])
def test_an_interruption_leaves_nothing_behind(town: Town, when: str) -> None:
    desk = Desk()
    hear = desk.hear

    def interrupt(said: Any) -> None:
        hear(said)
        if said.instruction.value == when:
            raise KeyboardInterrupt

    desk.hear = interrupt
    assert "interrupted" in refused(town, 130, desk, *BORN)


def test_a_full_disk_leaves_no_half_record(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    desk = Desk()
    assert "No space left on device" in refused(town, 8, desk, *BORN)
    assert desk.said == [], "it is found before anybody is asked for anything"
    monkeypatch.undo()
    hear = desk.hear

    def fill_up(said: Any) -> None:
        hear(said)
        if said.done == 2 and said.instruction.value == "finger_taken":
            monkeypatch.setattr(os, "fsync", full)

    desk.hear = fill_up
    monkeypatch.setattr(syslog, "syslog", lambda *_: None)
    assert "No space left on device" in refused(town, 8, desk, *BORN)


# -- once the record is there, the exit code says so -----------------------------------------------------------------------------------


class Broken(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_whoever_reads_the_result_has_gone(town: Town, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]) -> None:
    monkeypatch.setattr(sys, "stdout", Broken())
    assert town.enrol(Desk(), *BORN, *more) == 0
    (file,) = town.files
    last = town.capsys.readouterr().err.splitlines()[-1]
    assert str(file) in last
    assert "written; after that" in last


def test_the_disk_does_not_say_that_the_name_is_safe(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(directory: Path) -> None:
        if list(directory.glob("*.record")):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(record_file, "sync", fail)
    assert town.enrol(Desk(), *BORN) == 0
    assert len(town.files) == 1
    assert "perhaps not safely on the disk (Input/output error)" in town.capsys.readouterr().err


def test_whatever_fails_after_the_record_was_written(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_act: str) -> None:
        raise RuntimeError("of all\nthings")

    monkeypatch.setattr(enrol, "_log", fail)
    assert town.enrol(Desk(), *BORN) == 0
    assert len(town.files) == 1
    assert town.capsys.readouterr().err.endswith("written; after that: of all things\n")


def test_nobody_ends_it_any_more_while_the_record_is_written(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    endings = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before, during = [signal.getsignal(number) for number in endings], []
    monkeypatch.setattr(enrol, "_log", lambda _act: during.extend(signal.getsignal(number) for number in endings))
    assert town.enrol(Desk(), *BORN) == 0
    assert during == [signal.SIG_IGN] * 3
    assert [signal.getsignal(number) for number in endings] == before


def test_json_is_one_object_whatever_happens(town: Town) -> None:
    def ended(code: int, desk: Desk, *arguments: str) -> Any:
        town.capsys.readouterr()
        assert town.enrol(desk, *BORN, "--json", *arguments) == code
        return json.loads(town.capsys.readouterr().out)["reason"]

    def raising(error: BaseException) -> Desk:
        desk = Desk()
        desk.camera.open = lambda _deadline: (_ for _ in ()).throw(error)  # type: ignore[method-assign]
        return desk

    assert ended(2, Desk(), "--finger", "2") == "usage"
    assert ended(130, raising(KeyboardInterrupt())) == "interrupted"
    assert ended(70, raising(RuntimeError("x"))) == "bug"
    assert town.files == []


def test_the_date_of_birth_is_asked_back_and_asked_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("1890-01-01\n1909-05-17\nn\n1990-05-17\ny\n"))
    assert town.enrol(Desk()) == 0
    asked = town.capsys.readouterr()
    assert "no date of birth" in asked.out + asked.err
    assert "Born on 17 May 1909: is that right?" in asked.out + asked.err
    assert len(town.files) == 1


def test_each_instruction_has_words_of_its_own() -> None:
    texts = [enrol.TEXTS[instruction] for instruction in enrol.Instruction]
    assert len(set(texts)) == len(texts)
    assert not any(word in " ".join(texts).lower() for word in ("attack", "fake", "spoof", "liveness"))
