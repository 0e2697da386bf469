"""gatectl keys on real files: what each command says, its exit code, and that a refusal leaves everything as it was."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import syslog
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate_controller.core.values import Region
from gate_controller.ports.errors import StoreError
from gate_controller.trust.floor import Floor
from simulators.authority import Authority

DAY_S = 86_400
HOUR_S = 3600


def files(directory: Path) -> dict[str, bytes]:
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


# -- init ----------------------------------------------------------------------------------------------------------------


def test_init_makes_the_floor_once(trust_site: Any, said: Any) -> None:
    assert trust_site.keys("init") == 0
    assert "pinned root: version 1, 2 of 3 keys sign, expires 2028-01-15" in said()
    before = trust_site.floor.stat().st_ino
    trust_site.now += DAY_S
    assert trust_site.keys("init") == 8
    assert "floor.db: is there already" in said()
    assert trust_site.floor.stat().st_ino == before


def test_init_checks_the_pinned_root(trust_site: Any, said: Any) -> None:
    trust_site.root.write_bytes(trust_site.root.read_bytes() + b" ")
    assert trust_site.keys("init") == 8
    assert "is not the SHA-256 of" in said()
    trust_site.root.unlink()
    assert trust_site.keys("init") == 8
    assert "root.json cannot be read: No such file" in said()
    assert not trust_site.floor.exists()


def pin(site: Any, content: bytes) -> None:
    site.root.write_bytes(content)
    site.changes["keys"]["pinned_root_sha256"] = hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda _content: b"no JSON", "is not TUF metadata"),
        (lambda _content: b"{}", "is not TUF metadata"),
        (lambda content: content.replace(b'"version": 1', b'"version": 2'), "its own keys have signed"),
    ],
)
def test_init_refuses_a_root_that_is_none(trust_site: Any, said: Any, spoil: Callable[[bytes], bytes], what: str) -> None:
    pin(trust_site, spoil(trust_site.root.read_bytes()))
    assert trust_site.keys("init") == 1
    assert what in said()
    assert not trust_site.floor.exists()


def test_init_refuses_another_role_s_metadata(trust_site: Any, said: Any) -> None:
    pin(trust_site, (trust_site.published / "metadata/1.targets.json").read_bytes())
    assert trust_site.keys("init") == 1
    assert "is not root metadata" in said()


# -- import --------------------------------------------------------------------------------------------------------------


def test_import_from_a_directory(trust_site: Any, said: Any) -> None:
    trust_site.keys("init")
    said()
    assert trust_site.keys("import", trust_site.published) == 0
    text = said()
    assert f"reading directory {trust_site.published}\n  metadata/timestamp.json  " in text
    assert "installed generation-1: root 1, timestamp 1, snapshot 1, targets 1, hk 1, mo 1" in text
    assert "HK: fresh; stale in 12 h, restricted in 1 d 2 h, closed in 3 d\n" in text
    assert trust_site.keys("import", trust_site.published) == 3
    assert "nothing new: generation-1 is this very state" in said()
    trust_site.now += HOUR_S
    trust_site.repository.publish(trust_site.now)
    assert trust_site.keys("import", trust_site.published) == 0
    assert "installed generation-2: root 1, timestamp 1 -> 2, snapshot 1 -> 2, targets 1, hk 1 -> 2, mo 1 -> 2" in said()


def test_import_as_json(trust_site: Any, json_of: Any) -> None:
    trust_site.keys("init")
    taken = json_of("import", trust_site.published)
    assert (taken["code"], taken["ok"], taken["changed"], taken["generation"], taken["versions_before"]) == (0, True, True, "generation-1", {})
    assert taken["versions"] == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1, "hk": 1, "mo": 1}
    assert taken["freshness"]["HK"]["state"] == "fresh"
    assert taken["freshness"]["HK"]["closed_in_s"] == 3 * DAY_S
    again = json_of("import", trust_site.published)
    assert (again["code"], again["changed"], again["versions_before"]) == (3, False, taken["versions"])


def test_import_from_a_mirror(trust_site: Any, said: Any) -> None:
    trust_site.keys("init")
    with trust_site.served() as url:
        assert trust_site.keys("import", url) == 0
        assert f"reading mirror {url}" in said()
        assert trust_site.keys("import", f"{url}/nowhere") == 1
        assert "metadata/timestamp.json is missing" in said()
    assert trust_site.keys("import", url) == 1
    assert "Connection refused" in said()
    for place in ("http://mirror.example/", "ftp://mirror.example/", "https://user:secret@mirror.example"):
        assert trust_site.keys("import", place) == 8
        assert "give https://HOST/PATH" in said()


def tampered(stick: Path) -> None:
    timestamp = stick / "metadata/timestamp.json"
    timestamp.write_bytes(timestamp.read_bytes().replace(b'"version": 2', b'"version": 9'))


def half_copied(stick: Path) -> None:
    next((stick / "targets/mo").glob("*.cbor")).unlink()


def linked(stick: Path) -> None:
    (stick / "metadata/2.hk.json").rename(stick / "hk.json")
    (stick / "metadata/2.hk.json").symlink_to("../hk.json")


def oversized(stick: Path) -> None:
    os.truncate(stick / "metadata/timestamp.json", 1 << 40)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (tampered, "metadata/timestamp.json"),
        (half_copied, ".cbor is missing"),
        (linked, "metadata/2.hk.json is a symbolic link"),
        (oversized, "metadata/timestamp.json: is too long"),
        (shutil.rmtree, "is missing"),
        (lambda stick: shutil.rmtree(stick / "metadata"), "holds no trust repository"),
    ],
)
def test_a_bad_stick_is_refused_and_the_next_good_one_taken(trust_site: Any, tmp_path: Path, said: Any, spoil: Callable[[Path], None], what: str) -> None:
    trust_site.installed()
    before = files(trust_site.cache)
    trust_site.repository.publish(trust_site.now)
    stick = tmp_path / "stick"
    shutil.copytree(trust_site.published, stick)
    spoil(stick)
    said()
    assert trust_site.keys("import", stick) == 1
    lines = [line for line in said().splitlines() if line.startswith("gatectl: ")]
    assert what in lines[0]
    assert str(stick) in lines[0]
    assert lines[1].startswith("gatectl: remedy: ")
    assert lines[2:] == ["gatectl: the trust in force stays"]
    assert files(trust_site.cache) == before
    assert trust_site.keys("import", trust_site.published) == 0


def test_a_refusal_as_json(trust_site: Any, json_of: Any, tmp_path: Path) -> None:
    trust_site.keys("init")
    refused = json_of("import", tmp_path / "nothing")
    assert (refused["code"], refused["ok"]) == (1, False)
    assert "nothing is missing" in refused["what"]
    assert refused["remedy"]


def test_an_old_stick_after_the_cache_was_wiped(trust_site: Any, tmp_path: Path, said: Any) -> None:
    old = tmp_path / "old"
    shutil.copytree(trust_site.published, old)
    trust_site.installed()
    trust_site.repository.publish(trust_site.now)
    assert trust_site.keys("import", trust_site.published) == 0
    shutil.rmtree(trust_site.cache)
    assert trust_site.keys("import", old) == 1
    assert "older than 2" in said()
    assert trust_site.keys("import", trust_site.published) == 0


def test_without_a_floor_nothing_works(trust_site: Any, said: Any) -> None:
    for command in (("import", trust_site.published), ("status",), ("list",), ("export", trust_site.directory), ("forget-time", "--reason", "x")):
        assert trust_site.keys(*command) == 8
        text = said()
        assert "floor.db: is missing" in text
        assert "gatectl keys init" in text


def test_a_configuration_with_mistakes(trust_site: Any, said: Any) -> None:
    trust_site.changes["sync"] = {"every_s": 1}
    assert trust_site.keys("status") == 8
    assert "[sync] every_s: Input should be" in said()


# -- list ----------------------------------------------------------------------------------------------------------------


def test_list(trust_site: Any, said: Any) -> None:
    second, old = (Authority(Region.MO, "keys command", name=name) for name in ("second", "old"))
    trust_site.repository.add_pass_key(old, trust_site.now - 9 * DAY_S, trust_site.now)
    trust_site.repository.add_pass_key(second, trust_site.now + DAY_S, trust_site.now + 31 * DAY_S)
    trust_site.repository.publish(trust_site.now)
    trust_site.installed()
    trust_site.now += 2 * HOUR_S
    said()
    assert trust_site.keys("list") == 0
    lines = [" ".join(line.split()) for line in said().splitlines()]
    assert "root 1 2 of 3 2028-01-15 08:00 UTC 364 d 22 h" in lines
    assert "hk 2 2 of 3 2027-03-16 08:00 UTC 59 d 22 h" in lines
    assert f"HK {trust_site.repository.authorities.issuers[Region.HK].kid.hex()} always no end valid" in lines
    assert f"MO {second.kid.hex()} 2027-01-16 2027-02-15 valid in 22 h" in lines
    assert f"MO {old.kid.hex()} 2027-01-06 2027-01-15 ENDED" in lines
    assert any(line.startswith("HK hk/status/1 1048576 2 ") and line.endswith(" 2 h") for line in lines)


def test_list_as_json(trust_site: Any, json_of: Any) -> None:
    trust_site.repository.rotate("root", trust_site.now)
    trust_site.installed()
    listed = json_of("list")
    assert listed["code"] == 0
    roles = {role["role"]: role for role in listed["roles"]}
    assert list(roles) == ["root", "timestamp", "snapshot", "targets", "hk", "mo"]
    assert (roles["root"]["version"], roles["root"]["threshold"], len(roles["root"]["keys"])) == (2, 2, 3)
    assert not set(roles["hk"]["keys"]) & set(roles["mo"]["keys"])
    assert [(key["region"], key["not_before"], key["not_after"], key["valid"]) for key in listed["keys"]] == [
        ("HK", 0, 1 << 33, True),
        ("MO", 0, 1 << 33, True),
    ]
    assert [(each["uri"], each["bits"], each["age_s"]) for each in listed["status_lists"]] == [("hk/status/1", 2, 0), ("mo/status/1", 2, 0)]


def test_nothing_to_list(trust_site: Any, said: Any) -> None:
    trust_site.keys("init")
    assert trust_site.keys("list") == 1
    assert "is empty" in said()


# -- status --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "code", "text"),
    [
        (1, 0, "HK: fresh; stale in 11 h, restricted in 1 d 1 h, closed in 2 d 23 h"),
        (24, 0, "HK: stale (the status list is getting old); restricted in 2 h, closed in 2 d"),
        (27, 1, "HK: degraded (the status list is too old); closed in 1 d 21 h"),
        (72, 1, "HK: closed"),
    ],
)
def test_status_counts_down(trust_site: Any, said: Any, hours: int, code: int, text: str) -> None:
    trust_site.installed()
    trust_site.now += hours * HOUR_S
    said()
    assert trust_site.keys("status") == code
    assert text in said()


def test_status_as_json(trust_site: Any, json_of: Any) -> None:
    trust_site.installed()
    status = json_of("status")
    assert status["code"] == 0
    assert status["generation"] == "generation-1"
    assert status["versions"] == status["floor"]
    assert status["admitted"] == ["HK", "MO"]
    assert status["problem"] is None
    assert status["latest_seen"] == trust_site.now
    assert status["freshness"]["MO"]["restricted_in_s"] == 26 * HOUR_S


def test_looking_changes_nothing(trust_site: Any) -> None:
    trust_site.installed()
    cache = files(trust_site.cache)
    trust_site.now += 30 * DAY_S  # of a clock that is ahead
    for command in (("status",), ("list",)):
        trust_site.keys(*command)
    assert files(trust_site.cache) == cache
    with contextlib.closing(Floor.open(trust_site.floor)) as floor:
        assert floor.latest_seen() == trust_site.now - 30 * DAY_S


def test_status_of_a_gate_without_trust(trust_site: Any, said: Any) -> None:
    trust_site.keys("init")
    assert trust_site.keys("status") == 1
    text = said()
    assert "HK: closed (no trust is installed)" in text
    assert "problem      trust cache" in text


def test_status_of_a_damaged_cache(trust_site: Any, said: Any) -> None:
    trust_site.installed()
    hk = trust_site.cache / "generation-1/metadata/1.hk.json"
    hk.write_bytes(hk.read_bytes()[:-20])
    assert trust_site.keys("status") == 1
    text = said()
    assert "generation-1: metadata/1.hk.json" in text
    assert "floor        root 1, " in text
    # The very same state, taken again, repairs it.
    assert trust_site.keys("import", trust_site.published) == 0
    assert trust_site.keys("status") == 0


def test_a_region_that_the_lane_does_not_admit(trust_site: Any, said: Any) -> None:
    """A lane of Macao's admits Hong Kong's passes alone; without any key of Macao's it is as good as ever."""
    trust_site.changes["policy"] = {"admission": {"issuers": {"MO": ["HK"]}}}
    trust_site.repository.withdraw_pass_key(trust_site.repository.authorities.issuers[Region.MO])
    trust_site.repository.publish(trust_site.now)
    trust_site.installed()
    assert trust_site.keys("status") == 0
    text = said()
    assert "MO: closed" in text
    assert "not admitted in this lane" in text


def test_what_only_looks_writes_nothing(trust_site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A monitor may have no right to write."""
    trust_site.installed()
    before = trust_site.floor.read_bytes()
    modes: list[str] = []
    opened = Floor.open.__func__
    monkeypatch.setattr(Floor, "open", classmethod(lambda cls, path, mode="write": (modes.append(mode), opened(cls, path, mode))[1]))
    for arguments in (("status",), ("list",), ("export", tmp_path / "stick")):
        assert trust_site.keys(*arguments) == 0
    assert trust_site.floor.read_bytes() == before
    assert modes == ["read"] * 3


def test_installed_but_not_noted_in_the_floor(trust_site: Any, said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreError("trust floor: the disk is full", "free space")

    trust_site.installed()
    trust_site.now += 60
    trust_site.repository.publish(trust_site.now)
    monkeypatch.setattr(Floor, "raise_versions", lambda _, versions: None if versions["timestamp"] == 1 else full())
    assert trust_site.keys("import", trust_site.published) == 8
    text = said()
    assert "gatectl: generation-2 is installed and in force, but the floor does not know it" in text
    assert "the trust in force stays" not in text


# -- forget-time ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def system_log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _priority, line: lines.append(line))
    return lines


def saw(site: Any, at: float) -> None:
    """What a running gate does."""
    with contextlib.closing(Floor.open(site.floor)) as floor:
        floor.saw(at)


def test_a_clock_that_was_ahead(trust_site: Any, said: Any, system_log: list[str]) -> None:
    trust_site.installed()
    saw(trust_site, trust_site.now + 30 * DAY_S)
    assert trust_site.keys("status") == 1
    text = said()
    assert "HK: closed (the clock is behind the latest time this gate has seen)" in text
    assert "latest time  2027-02-14 08:00 UTC, 30 d ahead of the clock" in text
    assert trust_site.keys("forget-time", "--reason", "the battery\nwas changed") == 0
    text = said()
    assert "latest time seen: 2027-02-14 08:00 UTC" in text
    assert "it goes back to now" in text
    assert [line.partition(", by uid ")[::2] for line in system_log] == [
        ("gatectl keys forget-time: 2027-02-14 08:00 UTC -> 2027-01-15 08:00 UTC", f"{os.getuid()}: the battery?was changed")
    ]
    assert trust_site.keys("status") == 0


def test_what_was_signed_is_never_forgotten(trust_site: Any, said: Any, system_log: list[str]) -> None:
    trust_site.installed()
    saw(trust_site, trust_site.now + 30 * DAY_S)
    trust_site.now -= 10 * DAY_S  # set wrongly once more
    assert trust_site.keys("forget-time", "--reason", "the clock was ahead") == 0
    text = said()
    assert "it goes back to 2027-01-15 08:00 UTC and no further: a region has signed then" in text
    assert "restore the floor from its backup, or put it aside and make a new one (gatectl keys init), then import a current stick" in text
    assert system_log
    assert trust_site.keys("status") == 1


def test_nothing_to_forget(trust_site: Any, said: Any, system_log: list[str], json_of: Any) -> None:
    trust_site.installed()
    assert trust_site.keys("forget-time", "--reason", "curiosity") == 3
    assert "nothing to forget" in said()
    assert json_of("forget-time", "--reason", "x") == {
        "code": 3,
        "schema": 1,
        "ok": True,
        "latest_seen_before": trust_site.now,
        "latest_seen": trust_site.now,
        "now": trust_site.now,
    }
    assert trust_site.keys("forget-time", "--reason", " ") == 2
    assert not system_log
