"""gatectl enrolment and gate-authority enrolments on real files: what each command says, its exit code, what goes to the system log."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import syslog
from functools import partial
from pathlib import Path

import pytest

from gate_controller.cli.main import gatectl, main
from gate_controller.core.values import Region
from gate_controller.settings.render import derive
from simulators import authority_cli
from simulators.enrolment_people import person, reference_at

ROOT = Path(__file__).parents[2]
NOW = 1_800_000_000
PEOPLE = 40


class Clock:
    now: float = NOW

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        raise AssertionError


class Site:
    """One gate with its configuration, two authorities, and a directory of their publications."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.clock = Clock()
        self.out = scratch / "out"
        self.key = scratch / "master.key"
        self.key.touch(mode=0o600)
        self.key.write_text("5a" * 32)
        assert self.authority("create", scratch / "authority", "--seed", "cli") == 0
        root = scratch / "authority" / "root.json"
        changes = {
            "keys": {
                "cache": str(scratch / "trust"),
                "floor": str(scratch / "trust-floor.db"),
                "pinned_root": str(root),
                "pinned_root_sha256": hashlib.sha256(root.read_bytes()).hexdigest(),
            },
            "enrolment": {"store": str(scratch / "enrolment"), "master_key_file": str(self.key)},
        }
        self.config = scratch / "gate.toml"
        self.config.write_text(derive(ROOT / "config" / "simulated.toml", changes))

    def gate(self, *arguments: str | Path) -> int:
        """gatectl with these arguments and the site's configuration; its exit code."""
        return main([*map(str, arguments), "--config", str(self.config)], partial(gatectl, obj=self.clock))

    def gate_plain(self, *arguments: str | Path) -> int:
        """gatectl with these arguments alone: a command that needs no configuration."""
        return main([*map(str, arguments)], partial(gatectl, obj=self.clock))

    def enrolment(self, *arguments: str | Path) -> int:
        return self.gate("enrolment", *arguments)

    def authority(self, *arguments: str | Path) -> int:
        return authority_cli.main([*map(str, arguments)], self.clock)

    def publish(self, region: str = "HK", count: int = PEOPLE, *arguments: str) -> None:
        key = "d1" * 32 if "--foreign" in arguments else self.public_key
        rest = [argument for argument in arguments if argument != "--foreign"]
        assert self.authority("enrolments", self.scratch / "authority", region, "--count", str(count), "--for", key, "--out", self.out, *rest) == 0

    @property
    def public_key(self) -> str:
        from gate_controller.enrolment import MasterKey

        return MasterKey.from_file(self.key).transport_public.hex()

    def trust(self) -> None:
        """What an operator does once."""
        assert self.gate("keys", "init") == 0
        assert self.gate("keys", "import", self.scratch / "authority" / "repository") == 0


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda priority, line: lines.append(line) if priority == syslog.LOG_AUTH | syslog.LOG_NOTICE else None)
    return lines


@pytest.fixture
def site(tmp_path: Path, logged: list[str]) -> Site:
    return Site(tmp_path)


@pytest.fixture
def filled(site: Site, capsys: pytest.CaptureFixture[str]) -> Site:
    """HK snapshot 1 with delta 1, and MO snapshot 1, in force."""
    site.publish()
    site.publish("HK", PEOPLE, "--delta", "1", "--changed", "10")
    site.publish("MO", 5)
    site.trust()
    assert site.enrolment("import", *sorted(site.out.iterdir())) == 0
    capsys.readouterr()
    return site


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def reference(number: int) -> str:
    return reference_at(number, PEOPLE, "people", Region.HK).hex()


def test_key(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.enrolment("key") == 0
    assert said(capsys).strip().endswith(site.public_key)


def test_import_in_the_order_of_the_numbers(site: Site, capsys: pytest.CaptureFixture[str], logged: list[str]) -> None:
    site.publish()
    site.publish("HK", PEOPLE, "--delta", "1", "--changed", "10")
    site.publish("MO", 5)
    site.trust()
    said(capsys)
    files = sorted(site.out.iterdir())
    assert [path.name for path in files] == ["hk-000001-000001.delta", "hk-000001.snapshot", "mo-000001.snapshot"]
    assert site.enrolment("import", *files) == 0
    lines = said(capsys).splitlines()
    assert re.fullmatch(r"HK snapshot 1, issued 2027-01-15 08:00 UTC: 40 added; 40 records in force \(\d+ s\)", lines[0])
    assert lines[1].startswith("HK delta 1.1, issued 2027-01-15 08:00 UTC: 1 added, 8 updated, 1 erased; 40 records in force")
    assert lines[2].startswith("MO snapshot 1")
    assert len(lines) == 3
    assert logged == [
        f"gatectl enrolment import {name}: {count} records, by uid {os.getuid()}"
        for name, count in (("HK snapshot 1", 40), ("HK delta 1.1", 40), ("MO snapshot 1", 5))
    ]
    assert site.enrolment("import", *files) == 3
    assert said(capsys).splitlines() == ["HK delta 1.1: is in force already", "MO snapshot 1: is in force already"]
    assert site.enrolment("import", *files, "--json") == 3
    found = json.loads(said(capsys))
    assert [(each["name"], each["changed"], each["records"]) for each in found["imports"]] == [("HK delta 1.1", False, 40), ("MO snapshot 1", False, 5)]


def test_a_refused_file_leaves_what_came_before_it(filled: Site, capsys: pytest.CaptureFixture[str], logged: list[str]) -> None:
    for number in ("2", "3", "4"):
        filled.publish("HK", PEOPLE, "--delta", number, "--changed", "10")
    (filled.out / "hk-000001-000003.delta").unlink()
    said(capsys)
    assert filled.enrolment("import", *filled.out.glob("hk-*.delta")) == 1
    spoken = said(capsys).splitlines()
    assert spoken[1].startswith("HK delta 1.2, issued")
    assert logged[-1] == f"gatectl enrolment import refused: base_missing, by uid {os.getuid()}"
    assert spoken[2:] == [
        "gatectl: not imported (base_missing): HK delta 1.4: follows on delta 1.3, and delta 1.3 is missing",
        "gatectl: remedy: import delta 1.3 first",
    ]
    assert filled.enrolment("import", *filled.out.glob("hk-*4.delta"), "--json") == 1
    found = json.loads(said(capsys))
    what = "HK delta 1.4: follows on delta 1.3, and delta 1.3 is missing"
    why = {"reason": "base_missing", "what": what, "remedy": "import delta 1.3 first"}
    assert found == {
        "schema": 1,
        "ok": False,
        "exit_code": 1,
        **why,
        "imports": [],
        "refused": [{**why, "file": str(filled.out / "hk-000001-000004.delta"), "region": "HK"}],
    }


def test_junk_on_a_stick_is_named_and_the_rest_taken(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.publish()
    site.publish("HK", PEOPLE, "--delta", "1", "--changed", "10")
    site.publish("MO", 5)
    site.trust()
    whole = (site.out / "hk-000001-000001.delta").read_bytes()
    (site.out / "hk-000001-000001.delta").write_bytes(whole[: len(whole) // 2])
    (site.out / "holiday.jpg").write_bytes(b"not enrolments at all")
    said(capsys)
    assert site.enrolment("import", *sorted(site.out.iterdir()), "--json") == 1
    found = json.loads(said(capsys))
    assert [(each["name"], each["changed"]) for each in found["imports"]] == [("HK snapshot 1", True), ("MO snapshot 1", True)]
    assert [each["reason"] for each in found["refused"]] == ["cut_off", "not_enrolments"]
    assert site.enrolment("import", *sorted(site.out.iterdir())) == 1
    spoken = [line for line in said(capsys).splitlines() if "not imported" in line]
    assert [("cut_off" in line, "holiday.jpg" in line) for line in spoken] == [(True, False), (False, True)]


def _damage_a_chunk(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)


def test_a_damaged_delta_keeps_no_newer_snapshot_out(filled: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("2", "3"):
        filled.publish("HK", PEOPLE, "--delta", number, "--changed", "10")
    filled.publish("HK", PEOPLE, "--snapshot", "2")
    _damage_a_chunk(filled.out / "hk-000001-000002.delta")
    said(capsys)
    assert filled.enrolment("import", *sorted(filled.out.glob("hk-*")), "--json") == 1
    found = json.loads(said(capsys))
    assert [each["reason"] for each in found["refused"]] == ["changed_chunk"]
    assert found["imports"][-1]["name"] == "HK snapshot 2"


def test_one_region_s_damaged_store_keeps_no_other_s_delta_out(filled: Site, capsys: pytest.CaptureFixture[str]) -> None:
    filled.publish("HK", PEOPLE, "--delta", "2", "--changed", "10")
    filled.publish("MO", 9, "--snapshot", "2")
    said(capsys)
    (store,) = (filled.scratch / "enrolment").glob("hk-*.db")
    store.write_bytes(b"damaged" * 1000)
    assert filled.enrolment("import", filled.out / "hk-000001-000002.delta", filled.out / "mo-000002.snapshot", "--json") == 8
    found = json.loads(said(capsys))
    assert ([each["name"] for each in found["imports"]], len(found["refused"])) == (["MO snapshot 2"], 1)
    assert "reason" not in found["refused"][0]


def test_import_before_the_region_s_key_is_known(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.trust()
    site.publish()
    said(capsys)
    assert site.enrolment("import", site.out / "hk-000001.snapshot") == 1
    assert "which no region has published for enrolments" in said(capsys)
    site.clock.now += 60
    site.authority("publish", site.scratch / "authority")
    assert site.gate("keys", "import", site.scratch / "authority" / "repository") == 0
    said(capsys)
    assert site.gate("keys", "list") == 0
    assert "enrolment keys" in said(capsys)
    assert site.enrolment("import", site.out / "hk-000001.snapshot") == 0


def test_nothing_is_imported_while_the_region_s_trust_is_closed(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.publish()
    site.trust()
    site.clock.now += 30 * 86_400
    assert site.enrolment("import", site.out / "hk-000001.snapshot") == 1
    assert "which no region has published for enrolments" in said(capsys)


def test_import_without_any_trust(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.publish()
    assert site.gate("keys", "init") == 0
    said(capsys)
    assert site.enrolment("import", site.out / "hk-000001.snapshot") == 1
    assert "is empty" in said(capsys)


@pytest.mark.parametrize(("mode", "code"), [(0o644, 8), (0o600, 0)])
def test_a_master_key_that_others_may_read(filled: Site, capsys: pytest.CaptureFixture[str], mode: int, code: int) -> None:
    filled.key.chmod(mode)
    assert filled.enrolment("stats") == code
    assert ("mode 0644 lets others at it" in said(capsys)) == (code == 8)


def test_stats(filled: Site, capsys: pytest.CaptureFixture[str]) -> None:
    filled.clock.now += 7200
    assert filled.enrolment("stats") == 0
    lines = said(capsys).splitlines()
    assert lines[0] == "HK: snapshot 1 with delta 1, issued 2027-01-15 08:00 UTC (2 h ago)"
    assert re.fullmatch(r"    40 records, \d\.\d MiB, data key [0-9a-f]{16}", lines[1])
    assert lines[3].startswith("MO: snapshot 1 with delta 0")
    assert filled.enrolment("stats", "--json") == 0
    found = json.loads(said(capsys))["regions"]["HK"]
    assert (found["snapshot"], found["delta"], found["records"], found["age_s"]) == (1, 1, 40, 7200)


def test_stats_without_enrolments(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.enrolment("stats") == 8
    (site.scratch / "enrolment").mkdir()
    assert site.enrolment("stats") == 1
    assert "holds no enrolments" in said(capsys)


def test_show_prints_no_template_no_birth_date_and_no_reference(filled: Site, capsys: pytest.CaptureFixture[str], logged: list[str]) -> None:
    record = person(2, PEOPLE, "people", Region.HK)
    assert filled.enrolment("show", reference(2), "--reason", "complaint\n4711") == 0
    spoken = said(capsys)
    assert "zhiantec/r503/1536 2 1536; zhiantec/r503/1536 7 1536" in spoken
    assert filled.enrolment("show", reference(2), "--json") == 0
    spoken += said(capsys)
    assert json.loads(spoken[spoken.index("{") :])["registered_with"] == ["HK", "MO"]
    for secret in (record.birth_date.isoformat(), str(record.birth_date.year), reference(2), record.faces[0].data[:6].hex(), record.fingers[0].data[:6].hex()):
        assert secret not in spoken
    assert re.fullmatch(rf"gatectl enrolment show [0-9a-f]{{16}}, by uid {os.getuid()}: complaint\?4711", logged[-2])
    assert reference(2) not in "".join(logged)


def test_show_nobody(filled: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert filled.enrolment("show", "00" * 16) == 1
    assert "nobody is enrolled under this reference" in said(capsys)
    for wrong in ("zz", "00" * 15, "person"):
        assert filled.enrolment("show", wrong) == 2
        spoken = said(capsys)
        assert "a reference has 32 hexadecimal digits" in spoken
        assert "person" not in spoken.replace("REFERENCE", "")


def test_erase(filled: Site, capsys: pytest.CaptureFixture[str], logged: list[str]) -> None:
    assert filled.enrolment("erase", reference(2)) == 2
    assert filled.enrolment("erase", reference(2), "--reason", " ") == 2
    assert filled.enrolment("erase", reference(2), "--reason", "request 1") == 0
    assert "unless the region erases them, too" in said(capsys)
    assert filled.enrolment("erase", reference(2), "--reason", "request 1", "--json") == 3
    assert json.loads(said(capsys)) == {"schema": 1, "ok": True, "erased": False}
    assert filled.enrolment("show", reference(2)) == 1
    assert next(line.split(" ", 3)[3] for line in logged if " erase " in line).endswith(f": erased, by uid {os.getuid()}: request 1")
    assert filled.enrolment("verify") == 0
    assert "44 records" in said(capsys)


def test_a_reference_need_not_stand_on_the_command_line(
    filled: Site, capsys: pytest.CaptureFixture[str], logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There other users see it, and sudo writes it to its log."""
    for wrong in ("", "person\n", reference(2)[:30]):
        monkeypatch.setattr(sys, "stdin", io.StringIO(wrong))
        assert filled.enrolment("show", "-") == 2
        assert "a reference has 32 hexadecimal digits" in said(capsys)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{reference(2)}\n"))
    assert filled.enrolment("erase", "-", "--reason", "request 2") == 0
    assert filled.enrolment("show", reference(2)) == 1
    assert reference(2) not in said(capsys) + "".join(logged)


def test_a_reference_is_asked_for_on_a_terminal_and_not_shown(filled: Site) -> None:
    """On a terminal of its own: what is typed must not be echoed."""
    command = [sys.executable, "-m", "gate_controller.cli.main", "enrolment", "show", "-", "--config", str(filled.config)]
    child, terminal = pty.fork()
    if child == 0:
        os.execv(command[0], command)
    shown = b""
    while b"Reference: " not in shown:  # the space comes once nothing is echoed any more
        shown += os.read(terminal, 1024)
    os.write(terminal, f"{reference(2)}\n".encode())
    with contextlib.suppress(OSError):  # the terminal is gone when the child is
        while more := os.read(terminal, 1024):
            shown += more
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert b"registered with" in shown
    assert reference(2).encode() not in shown


def test_rotate(filled: Site, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name for path in (filled.scratch / "enrolment").glob("*.db")}
    assert filled.enrolment("rotate", "--region", "hk") == 0
    assert said(capsys) == "HK: 40 records are sealed under a new data key\n"
    after = {path.name for path in (filled.scratch / "enrolment").glob("*.db")}
    assert {name[:2] for name in before ^ after} == {"hk"}
    assert filled.enrolment("rotate", "--json") == 0
    assert json.loads(said(capsys)) == {"schema": 1, "ok": True, "records": {"HK": 40, "MO": 5}}
    assert filled.enrolment("show", reference(2)) == 0


def test_verify_finds_a_damaged_byte(filled: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert filled.enrolment("verify") == 0
    assert said(capsys) == "45 records, every one opened and every proof sound\n"
    store = next((filled.scratch / "enrolment").glob("mo-*.db"))
    content = bytearray(store.read_bytes())
    content[-2000] ^= 1
    store.write_bytes(content)
    assert filled.enrolment("verify") == 1
    assert "damaged" in said(capsys)


def test_a_bar_for_a_terminal_and_none_otherwise(filled: Site) -> None:
    command = [sys.executable, "-m", "gate_controller.cli.main", "enrolment", "verify", "--config", str(filled.config)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert (ended.returncode, ended.stderr) == (0, "")
    ours, theirs = pty.openpty()
    try:
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=theirs, text=True, timeout=60, check=False, cwd=ROOT, env={**os.environ, "TERM": "xterm"}
        )
        os.close(theirs)
        assert ended.returncode == 0
        assert b"verifying" in os.read(ours, 100_000)
    finally:
        os.close(ours)


# -- the authority ---------------------------------------------------------------------------------------------------------


def test_a_delta_names_the_file_that_it_follows_on(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("enrolments", site.scratch / "authority", "HK", "--count", "5", "--for", "ab" * 32, "--out", site.out, "--delta", "1", "--changed", "0")
    assert site.authority(*arguments) == 7
    assert "hk-000001.snapshot: No such file" in said(capsys)
    (site.scratch / "holiday.jpg").write_bytes(b"something else")
    assert site.authority(*arguments, "--follows", site.scratch / "holiday.jpg") == 7
    assert "holiday.jpg: is no snapshot or delta" in said(capsys)
    site.publish("HK", 5)
    (site.out / "hk-000001.snapshot").rename(site.scratch / "elsewhere")
    assert site.authority(*arguments, "--follows", site.scratch / "elsewhere") == 0


def test_after_a_lost_store_it_is_told_what_must_still_follow(filled: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (filled.scratch / "enrolment" / "hk.current").unlink()
    said(capsys)
    assert filled.enrolment("import", filled.out / "hk-000001.snapshot") == 1
    assert "HK: holds 1 now, and this gate has had 1.1 in force" in said(capsys)
    assert filled.enrolment("import", filled.out / "hk-000001.snapshot", "--json") == 1
    found = json.loads(said(capsys))
    assert not found["ok"]
    assert found["remedy"].startswith("import the deltas up to 1.1, or a newer snapshot")
    assert found["imports"][0]["awaits"] == "1.1"
    assert filled.enrolment("import", filled.out / "hk-000001-000001.delta", "--json") == 0
    assert json.loads(said(capsys))["imports"][0]["awaits"] is None


def test_the_authority_makes_the_same_files_again(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.publish("HK", 5)
    site.publish("HK", 5, "--delta", "1", "--changed", "5")
    path = site.out / "hk-000001-000001.delta"
    first = path.stat().st_size
    site.publish("HK", 5, "--delta", "1", "--changed", "5")
    assert path.stat().st_size == first
    assert "5 entries" in said(capsys)


def test_the_authority_needs_a_gate_s_key(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("enrolments", site.scratch / "authority", "HK", "--count", "1", "--out", site.out)
    assert site.authority(*arguments) == 2
    assert site.authority(*arguments, "--for", "abc") == 2
    assert "64 hexadecimal digits" in said(capsys)
    assert site.authority(*arguments, "--for", "ab" * 32, "--delta", "1") == 2
    site.publish("HK", 1, "--foreign")
    site.trust()
    assert site.enrolment("import", *site.out.iterdir()) == 1
    assert "is not sealed to this gate's key" in said(capsys)


def test_people_ascend_and_follow_from_the_seed() -> None:
    for count in (1, 2, 1000):
        references = [reference_at(number, count, "s", Region.HK) for number in range(count)]
        assert references == sorted(set(references))
    assert person(3, 10, "s", Region.HK) == person(3, 10, "s", Region.HK)
    assert len({person(3, 10, seed, region, version).faces[0].data for seed in "st" for region in Region for version in (1, 2)}) == 8


CRASH = """
import os, resource, sys
most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
from gate_controller.cli import enrolment, main

def crash(*_):
    print(resource.getrlimit(resource.RLIMIT_CORE)[0], flush=True)
    os.abort()

enrolment.verify_all = crash
main.script()
"""


def test_a_crash_leaves_no_memory_on_the_disk(filled: Site, tmp_path: Path) -> None:
    """The keys are in it, and records; what SIGABRT does here, a library written in C may do."""
    (tmp_path / "cwd").mkdir()
    command = [sys.executable, "-c", CRASH, "enrolment", "verify", "--config", str(filled.config)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path / "cwd", env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (ended.returncode, ended.stdout) == (-signal.SIGABRT, "0\n")
    assert list((tmp_path / "cwd").iterdir()) == []


def test_a_damaged_store_is_built_anew_from_what_is_in_force(filled: Site, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(filled.out.glob("hk-*"))
    assert filled.enrolment("import", *files) == 3
    said(capsys)
    assert filled.enrolment("import", "--restore", *files) == 0
    lines = said(capsys).splitlines()
    assert [line.partition(",")[0] for line in lines if line.startswith("HK")] == ["HK snapshot 1", "HK delta 1.1"]
    assert filled.enrolment("verify") == 0
