"""The doctor always reaches its end, with one finding for each check, whatever a check does."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gate_controller.cli import asking, contacts
from gate_controller.core.values import Door, Region
from gate_controller.diagnostics import Finding, Group, devices, examine, machine, stores
from gate_controller.diagnostics.catalogue import CHECKS, check_of
from gate_controller.diagnostics.groups import all_groups
from gate_controller.diagnostics.site import Mode, Site
from gate_controller.ports import errors
from gate_controller.ports.services import EnrolmentState
from simulators.fingerprint.loopback import VirtualClock
from simulators.io_board.memory import MemoryIoBoard

IDS = ("clock.time", "clock.behind", "clock.synchronised")


def results(run, limit_s=30.0):
    return [(each.id, each.result, each.value) for each in examine([Group(IDS, run, limit_s)])]


def passed(check):
    return Finding(check, "pass", "fine")


def test_what_is_not_told_is_skipped():
    assert results(lambda: [passed("clock.behind")]) == [
        ("clock.time", "skip", "not looked at here"),
        ("clock.behind", "pass", "fine"),
        ("clock.synchronised", "skip", "not looked at here"),
    ]


def test_a_bug_blames_the_check_that_was_due_and_no_other():
    def run():
        yield passed("clock.time")
        raise ZeroDivisionError

    said = results(run)
    assert [result for _, result, _ in said] == ["pass", "fail", "skip"]
    assert "ZeroDivisionError" in said[1][2]
    assert said[2][2] == "clock.behind comes first"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (ImportError("libzbar.so.0"), "install the package again"),
        (MemoryError(), "free -m"),
        (OSError(24, "Too many open files"), "ulimit -n"),
        (PermissionError(13, "no"), "sudo"),
    ],
)
def test_what_the_machine_lacks_is_not_called_a_bug(error, remedy):
    def run():
        yield passed("clock.time")
        raise error

    blamed = list(examine([Group(IDS, run)]))[1]
    assert blamed.result == "fail"
    assert type(error).__name__ in blamed.value
    assert remedy in blamed.remedy


def test_an_error_is_a_finding_with_its_remedy():
    def run():
        raise errors.StoreError("the file\x1b is\ngone", "bring it back")

    finding = next(iter(examine([Group(IDS, run)])))
    assert (finding.result, finding.value, finding.remedy) == ("fail", "the file? is gone", "bring it back")


def test_a_check_that_hangs_is_left_behind():
    release = threading.Event()

    def run():
        yield passed("clock.time")
        release.wait()

    try:
        said = results(run, limit_s=0.2)
    finally:
        release.set()
    assert [result for _, result, _ in said] in (["pass", "fail", "skip"], ["fail", "skip", "skip"])  # the second on a machine that stood still


def test_every_check_belongs_to_one_group_and_the_other_way_round(tmp_path):
    ids = [check for group in all_groups(Site(tmp_path / "gate.toml")) for check in group.ids]
    assert sorted(ids) == sorted(CHECKS)


def test_every_check_says_what_it_is_about():
    assert all(meaning.endswith(".") and "{" not in meaning for meaning in CHECKS.values())


@pytest.mark.parametrize("device", ["fingerprint", "io_board", "qr_camera", "face_camera"])
@pytest.mark.parametrize("error", [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.DeviceError)])
def test_every_error_of_a_device_is_some_checks_matter(device, error):
    assert check_of(device, error.code) in CHECKS


def test_a_directory_that_an_engineer_may_not_look_into_is_no_failure(tmp_path, monkeypatch):
    hidden = tmp_path / "state"
    stores = [hidden / "journal.db", hidden / "floor.json"]
    monkeypatch.setattr(machine, "_stores", lambda _settings: stores)
    monkeypatch.setattr(Path, "exists", lambda _self: (_ for _ in ()).throw(PermissionError("not root")))
    assert list(machine._file_systems(None)) == [tmp_path]


@pytest.mark.parametrize(("level", "result"), [(250, "warn"), (120, "pass")])
def test_a_camera_that_looks_into_the_light_is_told(level, result):
    clock = VirtualClock()
    pictures = itertools.count(1)

    def frame(_newer, _deadline):
        clock.advance(0.05)
        number = next(pictures)
        return SimpleNamespace(sequence=number, image=np.full((48, 64, 3), level + number % 2, np.uint8))

    site = SimpleNamespace(clock=clock, option=lambda *_: None)
    found = {each.id: each for each in devices._watch(site, "face_camera", SimpleNamespace(frame=frame))}
    assert found["face_camera.picture"].result == result


@pytest.mark.parametrize("look", ["doctor", "io show"])
def test_looking_at_the_board_moves_no_door_and_switches_no_lamp(monkeypatch, look):
    clock = SimpleNamespace(monotonic=lambda: 1000.0)
    board = MemoryIoBoard(clock)
    board.open(2000.0)
    board.set_officer_call(True, 2000.0)
    board.hold_open(Door.EXIT, 3000.0, 2000.0)
    board.close()
    before = board.state()["coils"]
    configured = SimpleNamespace(options=None, driver=SimpleNamespace(build=lambda *_: board))
    settings = SimpleNamespace(equipment={"io_board": configured}, models=SimpleNamespace(directory=None))
    site = SimpleNamespace(settings=settings, loaded=settings, mode=Mode.DEVICES, clock=clock)
    if look == "doctor":
        monkeypatch.setattr(devices, "_before", lambda *_: ())
        assert "fail" not in {each.result for each in devices.io_board(site)}
    else:
        monkeypatch.setattr(asking, "settings_of", lambda _site: settings)
        assert next(contacts._readings(site))["emergency"] == "clear"
    assert board.state()["coils"] == before
    assert before["exit_door"]


@pytest.mark.parametrize(
    ("ages", "result", "says"),
    [
        ({"HK": 0.5, "MO": 2.9}, "pass", "HK issued 0.5 days ago, MO issued 2.9 days ago"),
        ({"HK": 0.5, "MO": 3.0}, "warn", "MO issued 3.0 days ago"),
        ({"HK": 14.0, "MO": 0.0}, "fail", "HK issued 14.0 days ago"),
        ({"HK": -1.0}, "pass", "HK issued 0.0 days ago"),
        ({}, "skip", "nobody says"),
    ],
)
@pytest.mark.parametrize("asked", [True, False])
def test_old_enrolments_are_told_by_the_files_or_by_the_daemon(monkeypatch, tmp_path, ages, result, says, asked):
    now = 1_800_000_000.0
    issued = {region: int(now - 86_400 * age) for region, age in ages.items()}
    credential = "enrolment-key" if asked else None
    section = SimpleNamespace(store=tmp_path, master_key_credential=credential, master_key_file=None, warn_after_days=3, fail_after_days=14)
    answer = {"devices": {"enrolment": {"state": "ready"}}, "stores": {"enrolments": {region: {"issued_at": at} for region, at in issued.items()}}}
    settings = SimpleNamespace(enrolment=section, admitted_issuers=lambda: {Region.HK, Region.MO})
    site = SimpleNamespace(settings=settings, clock=SimpleNamespace(wall=lambda: now), answer=answer)
    held = {Region(region): EnrolmentState(1, 0, 1, at) for region, at in issued.items()}
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(stores, "master_key", lambda _settings: None)
    monkeypatch.setattr(stores, "Enrolments", lambda _path, _key: SimpleNamespace(in_force=lambda: held, close=lambda: None))
    monkeypatch.setattr(stores, "_damage", lambda _path: "")
    findings = {each.id: each for each in stores.enrolment(site)}
    finding = findings["enrolment.age"]
    assert (finding.result, says in finding.value) == (result, True)
    whole = findings["enrolment.store"]
    if ages.keys() == {"HK", "MO"}:
        assert whole.result == "pass"
    elif ages:
        assert (whole.result, whole.value) == ("warn", "there are no enrolments of MO: nobody with a pass of that region gets through")


def test_what_cannot_be_read_has_a_finding_about_its_age_too(monkeypatch, tmp_path):
    def unreadable(*_about):
        raise errors.StoreError("the enrolments of HK are gone", "import them")

    section = SimpleNamespace(store=tmp_path, master_key_credential=None, master_key_file=tmp_path / "key", warn_after_days=3, fail_after_days=14)
    site = SimpleNamespace(settings=SimpleNamespace(enrolment=section), as_gate=True)
    monkeypatch.setattr(stores, "master_key", unreadable)
    assert [each.id for each in stores.enrolment(site)] == ["enrolment.key", "enrolment.age"]
    monkeypatch.setattr(stores, "master_key", lambda _settings: None)
    monkeypatch.setattr(stores, "Enrolments", unreadable)
    assert [each.id for each in stores.enrolment(site)] == ["enrolment.key", "enrolment.store", "enrolment.age"]


def test_what_a_simulation_made_has_no_age():
    section = SimpleNamespace(warn_after_days=3, fail_after_days=14)
    assert stores._age(SimpleNamespace(clock=SimpleNamespace(wall=lambda: 5.0)), SimpleNamespace(enrolment=section), {"HK": 0}).result == "skip"
