"""gate-authority: what it publishes is taken by the gate's own trust store, its passes by the verifier; errors are one line with a remedy."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import pytest
import zxingcpp
from click.testing import CliRunner

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.core.values import Direction, Region
from gate_controller.passes.verifier import OfflinePassVerifier, PassPolicy
from gate_controller.ports.services import PassAccepted
from gate_controller.ports.trust import PassStatus, TrustView
from gate_controller.trust.errors import TrustError
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.repository import verify_repository
from gate_controller.trust.sources import DirectorySource
from gate_controller.trust.view import LatestTime, build_view
from simulators import authority_stick
from simulators.authority_cli import main

NOW = 1_800_000_000
DAY_S = 86_400


@dataclass
class FakeClock:
    """Stands still; raises KeyboardInterrupt, as Ctrl-C does, instead of sleeping longer than a test wants."""

    now: float = NOW
    sleeps: list[float] = field(default_factory=list)
    at_most: int = 0

    def wall(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        if len(self.sleeps) == self.at_most:
            raise KeyboardInterrupt
        self.sleeps.append(seconds)
        self.now += seconds


class Tool:
    """gate-authority in a scratch directory, with authorities made in `a`."""

    def __init__(self, scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.scratch = scratch
        self.clock = FakeClock()
        self._capsys = capsys
        self.directory = scratch / "a"
        self.published = self.directory / "repository"

    def __call__(self, words: str, code: int = 0) -> str:
        """Run a command; words with a slash or dot are files in the scratch directory. Returns its standard output."""
        arguments = [str(self.scratch / word[1:]) if word.startswith("@") else word for word in words.split()]
        assert main(arguments, self.clock) == code, self._capsys.readouterr()
        self.out, self.err = self._capsys.readouterr()
        return self.out

    def refused(self, words: str, code: ExitCode) -> str:
        """Run a command that must fail with one line and a remedy; returns the line."""
        assert self(words, code) == ""
        line, remedy = self.err.splitlines()
        assert remedy.startswith("gate-authority: remedy: ")
        assert "Traceback" not in self.err
        return line.removeprefix("gate-authority: ")

    def view(self, at: float | None = None, directory: Path | None = None) -> TrustView:
        """What a gate that pinned the first root makes of it."""
        now = self.clock.now if at is None else at
        repository = verify_repository((self.directory / "root.json").read_bytes(), DirectorySource(directory or self.published), at=now)
        return build_view(repository, FreshnessBudget(), LatestTime(now))

    def verdict(self, text: str, **policy: object) -> str:
        """What a gate answers to a QR text."""
        values: dict[str, object] = {
            "lane_region": Region.MO,
            "direction": Direction.HK_TO_MO,
            "presentation_audiences": frozenset({"MO-GB"}),
            "admitted_issuers": frozenset(Region),
            "admitted_classes": frozenset({1, 2}),
        }
        view = self.view()

        class Trusted:
            def current(self) -> TrustView:
                return view

            def observe(self, wall: float) -> None:
                pass

        class NeverUsed:
            def last_presented(self, pass_id: bytes) -> None:
                return None

        result = OfflinePassVerifier(PassPolicy(**(values | policy)), Trusted(), NeverUsed()).verify(text, self.clock.now)  # type: ignore[arg-type] # test doubles
        return "accepted" if isinstance(result, PassAccepted) else result.reason.code

    def shown(self, words: str = "phone show @phone --pass @pass --text") -> str:
        return self(words).removesuffix("\n")  # Base45 has spaces

    def files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.scratch.rglob("*") if path.is_file() and path.name != "authority.lock"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made") / "a"
    assert main(["create", str(directory), "--seed", "s"], FakeClock()) == 0
    return directory


@pytest.fixture
def tool(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tool:
    tool = Tool(tmp_path, capsys)
    shutil.copytree(made, tool.directory)
    return tool


@pytest.fixture
def traveller(tool: Tool) -> Tool:
    """With a phone and a pass of Hong Kong."""
    tool("phone new @phone --seed p")
    tool("issue @a hk --holder @phone -o @pass")
    return tool


# -- create, status ------------------------------------------------------------------------------------------------------


def test_create_tells_what_to_pin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool = Tool(tmp_path, capsys)
    out = tool("create @a --seed s")
    root = tmp_path / "a" / "root.json"
    assert f'pinned_root = "{root}"' in out
    assert f'pinned_root_sha256 = "{hashlib.sha256(root.read_bytes()).hexdigest()}"' in out
    assert "simulated: anyone who knows the seed knows every private key" in out
    assert "anyone who knows the seed" in json.loads(root.read_text())["signed"]["x-simulated"]
    assert "root      version 1     signed by 1, 2, 3 (2 of 3 must)" in out
    assert tool.view().versions == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1, "hk": 1, "mo": 1}
    assert (tmp_path / "a" / "authority.json").stat().st_mode & 0o777 == 0o600
    assert not any("authority" in path.name for path in tool.published.rglob("*"))  # the seed is not published


def test_the_seed_decides_everything_and_a_missing_one_is_random(tool: Tool) -> None:
    tool("create @same --seed s")
    tool("create @other")
    tool("create @another")
    roots = [(tool.scratch / name / "root.json").read_bytes() for name in ("a", "same", "other", "another")]
    assert roots[0] == roots[1]
    assert len(set(roots)) == 3


def test_create_takes_nobodys_directory(tool: Tool) -> None:
    assert tool.refused("create @a", ExitCode.REFUSED_BY_STATE) == f"{tool.directory} is not empty"


def test_status_as_text_and_json(tool: Tool) -> None:
    tool("revoke @a mo 7 8")
    tool("revoke @a mo 9 --suspend")
    tool.clock.now += 3600
    text = tool("status @a")
    assert "list mo/status/1: 1,048,576 passes, 2 bits each, 2 invalid, 1 suspended, made 60.0 min ago" in text
    told = json.loads(tool("status @a --json"))
    assert told["roles"]["mo"] == {
        "version": 3,
        "generation": 0,
        "signed_by": [[0, 1], [0, 2], [0, 3]],
        "threshold": 2,
        "threshold_met": True,
        "expires": NOW + 60 * DAY_S,
        "due": False,
    }
    assert told["regions"]["mo"]["status_lists"]["mo/status/1"]["statuses"] == {"invalid": 2, "suspended": 1}
    assert told["content_bytes"] == sum(path.stat().st_size for path in tool.published.rglob("*") if path.is_file())


def test_status_tells_what_is_due(tool: Tool) -> None:
    tool.clock.now += 50 * DAY_S
    text = tool("status @a")
    assert re.search(r"timestamp .* EXPIRED 47\.0 d ago; due: gate-authority publish DIR", text)
    assert re.search(r"targets .* expires in 10\.0 d; due: gate-authority renew DIR targets", text)
    assert re.search(r"root .* expires in 315\.0 d$", text, re.MULTILINE)


# -- rotate, renew -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp", "hk", "mo"])
def test_every_role_is_rotated_and_a_gate_follows_from_the_first_root(tool: Tool, role: str) -> None:
    before = tool.view().versions[role]
    for _ in range(2):
        tool(f"rotate @a {role} --by 1,3")
    assert tool.view().versions[role] > before
    assert json.loads(tool("status @a --json"))["roles"][role]["generation"] == 2


def test_a_rotation_tells_who_signed(tool: Tool) -> None:
    assert "root      version 2     signed by 1, 3 (old keys) and 1, 3 (2 of 3 must)" in tool("rotate @a root --by 3,1")
    assert "targets   version 2     signed by 2, 3 (2 of 3 must)" in tool("rotate @a hk --by 2,3")


@pytest.mark.parametrize("words", ["rotate @a root --by 2", "rotate @a hk --by 1", "rotate @a timestamp --by 3", "renew @a targets --by 3"])
def test_too_few_keepers_change_nothing(tool: Tool, words: str) -> None:
    before = tool.files()
    assert "needs 2 of its 3 keepers, and 1 would sign" in tool.refused(words, ExitCode.REFUSED_BY_STATE)
    assert tool.files() == before


def test_renewing_in_time_keeps_a_gate_going_for_a_year(tool: Tool) -> None:
    for number in range(1, 8):
        tool.clock.now = NOW + number * 50 * DAY_S
        tool("renew @a targets --by 1,2")
    tool("renew @a root --by 1,2")
    assert tool.view().versions == {"root": 2, "timestamp": 9, "snapshot": 9, "targets": 8, "hk": 9, "mo": 9}


# -- keys, lists, revoke, publish ------------------------------------------------------------------------------------------


def test_a_new_key_signs_new_passes_and_a_withdrawn_ones_passes_are_refused(traveller: Tool) -> None:
    old = traveller.shown()
    traveller("keys add @a hk")
    traveller("issue @a hk --holder @phone -o @new")
    new = traveller.shown("phone show @phone --pass @new --text")
    assert [traveller.verdict(text) for text in (old, new)] == ["accepted", "accepted"]
    assert "is withdrawn" in traveller("keys withdraw @a hk --name issuer")
    assert [traveller.verdict(text) for text in (old, new)] == ["pass_unknown_key", "accepted"]


def test_a_key_for_later_signs_only_when_it_is_valid(tool: Tool) -> None:
    tool("phone new @phone")
    tool(f"keys add @a hk --name next --valid-from {NOW + DAY_S}")
    assert "(issuer)" in tool("issue @a hk --holder @phone -o @pass")
    tool.clock.now += DAY_S
    assert "(next)" in tool("issue @a hk --holder @phone -o @pass")
    tool("publish @a")
    assert tool.verdict(tool.shown()) == "accepted"


def test_a_region_without_a_key_is_closed_and_the_other_is_not(traveller: Tool) -> None:
    traveller("issue @a mo --holder @phone -o @mo")
    traveller("keys withdraw @a hk --name issuer")
    assert "HK has no key now" in traveller.err
    assert traveller.verdict(traveller.shown()) == "pass_unknown_key"
    assert traveller.verdict(traveller.shown("phone show @phone --pass @mo --text")) == "accepted"
    assert traveller.refused("issue @a hk --holder @phone -o @x", ExitCode.REFUSED_BY_STATE) == "HK has no published key"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("keys add @a hk --name issuer", "HK has published a key 'issuer' already"),
        ("keys withdraw @a mo --name key-2", "MO has published no key 'key-2'; it has issuer"),
        ("lists add @a hk 1", "HK has a status list '1' already"),
        ("revoke @a hk 5 --list 9", "HK has no status list '9'; it has hk/status/1"),
        ("revoke @a hk 1048576", "hk/status/1 has 1,048,576 passes; 1048576 is not among them"),
    ],
)
def test_what_the_state_does_not_allow(tool: Tool, words: str, line: str) -> None:
    assert tool.refused(words, ExitCode.REFUSED_BY_STATE) == line


def test_revoke_suspend_and_restore_by_the_pass(traveller: Tool) -> None:
    for words, verdict in (("", "pass_revoked"), ("--suspend", "pass_suspended"), ("--restore", "accepted")):
        traveller(f"revoke @a hk --pass @pass {words}")
        assert traveller.verdict(traveller.shown()) == verdict
    assert traveller.refused("revoke @a mo --pass @pass", ExitCode.REFUSED_BY_STATE).endswith("is a pass of HK, not of MO")


def test_a_revocation_is_remembered_by_the_next_publications(traveller: Tool) -> None:
    traveller("revoke @a hk --pass @pass")
    traveller("rotate @a hk")
    traveller("publish @a")
    assert traveller.verdict(traveller.shown()) == "pass_revoked"


def test_several_lists_of_one_bit_and_two(traveller: Tool) -> None:
    traveller("lists add @a hk visitors --bits 1 --size 1000")
    traveller("issue @a hk --holder @phone -o @visitor --list visitors --class 2")
    shown = traveller.shown("phone show @phone --pass @visitor --text")
    assert traveller.verdict(shown) == "accepted"
    assert traveller.refused("revoke @a hk --pass @visitor --suspend", ExitCode.REFUSED_BY_STATE) == "hk/status/visitors has one bit a pass and cannot suspend"
    traveller("revoke @a hk --pass @visitor")
    assert traveller.verdict(shown) == "pass_revoked"
    assert traveller.verdict(traveller.shown()) == "accepted"
    assert traveller.view().status(Region.HK, "hk/status/visitors", 1000) is None
    assert traveller.view().status(Region.HK, "hk/status/1", 1000) is PassStatus.VALID


def test_publish_again_and_again_until_ctrl_c(tool: Tool) -> None:
    tool.clock.at_most = 6
    out = tool("publish @a --every 1h")
    assert (tool.clock.sleeps, tool.err) == ([3600.0] * 6, "stopped\n")
    assert out.count("timestamp version") == 7
    assert tool.view().versions["hk"] == 8
    assert len(list((tool.published / "metadata").glob("*.hk.json"))) == 3
    assert "signed by" in tool("publish @a --keep 1")
    assert len(list((tool.published / "metadata").glob("*.hk.json"))) == 1


def test_one_region_publishes_alone(tool: Tool) -> None:
    tool("publish @a --region hk")
    assert (tool.view().versions["hk"], tool.view().versions["mo"]) == (2, 1)


def test_acting_at_another_time(tool: Tool) -> None:
    tool("--at 2027-01-20T00:00:00Z publish @a")
    assert tool.view(NOW + 5 * DAY_S).versions["timestamp"] == 2
    tool("--at 2026-12-01 publish @a")
    with pytest.raises(TrustError, match="expired"):
        tool.view(NOW)


# -- passes and phones -----------------------------------------------------------------------------------------------------


def test_a_phone_shows_its_pass_and_only_its_own_is_good(traveller: Tool) -> None:
    assert traveller.verdict(traveller.shown()) == "accepted"
    traveller("phone new @thief")
    copied = traveller.shown("phone show @thief --pass @pass --text")
    assert "bound to another phone" in traveller.err
    assert traveller.verdict(copied) == "presentation_bad_signature"
    assert traveller.verdict(traveller.shown("phone show @phone --pass @pass --text --audience HK-LMC")) == "pass_wrong_audience"
    assert traveller.verdict(traveller.shown("phone show @phone --pass @pass --text --static"), static_passes=True) == "presentation_bad_signature"


def test_options_of_a_pass(traveller: Tool) -> None:
    def verdict(options: str, later_s: int = 0) -> str:
        traveller(f"issue @a hk --holder @phone -o @other {options}")
        traveller.clock.now += later_s
        return traveller.verdict(traveller.shown("phone show @phone --pass @other --text"))

    assert verdict("--class 3") == "pass_class_not_admitted"
    assert verdict("--directions mo-to-hk") == "pass_wrong_direction"
    assert verdict("--directions hk-to-mo --reference 00112233445566778899aabbccddeeff") == "accepted"
    assert verdict("--key forger") == "pass_unknown_key"
    assert verdict(f"--permit-until {NOW}") == "pass_permit_ended"
    assert verdict("--valid-for 30m", later_s=1799) == "accepted"
    assert verdict("--valid-for 30m", later_s=1800) == "pass_expired"


def test_a_static_pass_is_good_where_the_policy_says_so(tool: Tool) -> None:
    tool("phone new @paper")
    tool("issue @a mo --static -o @pass")
    text = tool.shown("phone show @paper --pass @pass --text --static")
    assert tool.err == ""
    assert (tool.verdict(text), tool.verdict(text, static_passes=True)) == ("pass_static", "accepted")


def test_a_phone_that_follows_signs_anew_every_half_minute(traveller: Tool) -> None:
    traveller.clock.at_most = 4
    texts = traveller("phone show @phone --pass @pass --text --follow").splitlines()
    assert len(set(texts)) == len(texts) == 5
    assert traveller.clock.sleeps[1:] == [30.0] * 3
    assert 0 < traveller.clock.sleeps[0] <= 30
    assert traveller.verdict(texts[-1]) == "accepted"
    assert traveller.verdict(texts[0]) == "presentation_stale"


def test_the_drawn_code_and_the_image_are_read_again(traveller: Tool) -> None:
    text = traveller.shown()
    drawn = traveller("phone show @phone --pass @pass")
    assert drawn.splitlines()[0] == text
    assert len([line for line in drawn.splitlines() if "█" in line]) > 40
    assert "QR version 15-M" in traveller("phone show @phone --pass @pass --png @code.png")
    image = cv2.imread(str(traveller.scratch / "code.png"), cv2.IMREAD_GRAYSCALE)
    assert [found.text for found in zxingcpp.read_barcodes(image)] == [text]


def test_without_the_package_that_draws(traveller: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    assert traveller.refused("phone show @phone --pass @pass", ExitCode.CHECK_FAILED).startswith("segno")
    assert traveller.verdict(traveller.shown()) == "accepted"


def test_a_phone_is_not_overwritten(traveller: Tool) -> None:
    assert traveller.refused("phone new @phone", ExitCode.REFUSED_BY_STATE).endswith("phone exists")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"seed": 1}', b"\xd2\x84", b"x" * 5000, b"\xd2\x84\x40\xa0\x41\xa0\x40"])
def test_files_that_are_no_phone_and_no_pass(traveller: Tool, content: bytes) -> None:
    (traveller.scratch / "bad").write_bytes(content)
    for words in ("phone show @bad --pass @pass", "issue @a hk --holder @bad -o @x"):
        assert traveller.refused(words, ExitCode.CONFIGURATION).endswith("bad is not a phone")
    assert traveller.refused("revoke @a hk --pass @bad", ExitCode.CONFIGURATION).endswith("bad is not a pass")


# -- stick -------------------------------------------------------------------------------------------------------------------


def test_a_stick_carries_what_a_gate_needs_and_nothing_else(tool: Tool) -> None:
    stick = tool.scratch / "stick"
    stick.mkdir()
    (stick / "holiday.jpg").write_bytes(b"keep")
    tool("rotate @a root")
    assert "11 files" in tool("stick @a @stick")
    first = tool.view(directory=stick).versions
    tool.clock.now += 3600
    tool("publish @a")
    assert "11 files" in tool("stick @a @stick")
    assert "6 written, 5 superseded" in tool.out
    assert tool.view(directory=stick).versions["hk"] == first["hk"] + 1
    files = [path for path in stick.rglob("*") if path.is_file() and path.name != "holiday.jpg"]
    assert len(files) == 11
    assert all(re.fullmatch(r"[a-z0-9.-]{1,100}", path.name) for path in files)
    assert (stick / "holiday.jpg").exists()
    assert "0 written, 0 superseded" in tool("stick @a @stick")


def test_a_stick_pulled_out_at_any_moment_carries_the_old_state_or_the_new(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    stick = tool.scratch / "stick"
    stick.mkdir()
    tool("stick @a @stick")
    tool("publish @a")
    seen = set()
    real, operations = Path.replace, 0

    def pulled(path: Path, target: Path) -> Path:
        nonlocal operations
        if stick in path.parents:
            operations -= 1
            if operations < 0:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path, target)

    monkeypatch.setattr(Path, "replace", pulled)
    for operations_left in range(8):
        operations = operations_left
        assert main(["stick", str(tool.directory), str(stick)], tool.clock) in (0, ExitCode.CONFIGURATION)
        seen.add(tool.view(directory=stick).versions["timestamp"])
    assert seen == {1, 2}


@pytest.mark.parametrize(("number", "word"), [(errno.ENOSPC, "No space left"), (errno.EROFS, "Read-only"), (errno.ENODEV, "No such device")])
def test_a_stick_that_cannot_be_written(tool: Tool, monkeypatch: pytest.MonkeyPatch, number: int, word: str) -> None:
    (tool.scratch / "stick").mkdir()

    def failing(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(authority_stick.os, "fsync", failing)
    line = tool.refused("stick @a @stick", ExitCode.CONFIGURATION)
    assert line.startswith(str(tool.scratch / "stick"))
    assert word in line
    assert not list((tool.scratch / "stick").rglob("*.new"))


@pytest.mark.parametrize("target", ["@nowhere", "@a/repository", "@a/repository/metadata"])
def test_where_no_stick_is(tool: Tool, target: str) -> None:
    tool.refused(f"stick @a {target}", ExitCode.CONFIGURATION)


# -- errors ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "",
        "nothing",
        "revoke @a hk",
        "revoke @a xx 1",
        "revoke @a hk -1",
        "rotate @a root --by 0",
        "rotate @a root --by 1,,2",
        "rotate @a root --by 4",
        "publish @a --every 5",
        "publish @a --every 0s",
        "--at yesterday publish @a",
        "--at 99999999999999 publish @a",
        "keys add @a hk --name ../x",
        "keys add @a hk --valid-from 5 --valid-until 5",
        "lists add @a hk UPPER",
        "lists add @a hk x --size 0",
        "issue @a hk -o @x",
        "issue @a hk -o @x --static --reference 00",
        "issue @a hk -o @x --static --reference xyz",
    ],
)
def test_usage_is_exit_code_2(tool: Tool, words: str) -> None:
    before = tool.files()
    tool(words, ExitCode.USAGE)
    assert "Traceback" not in tool.err
    assert tool.files() == before


def damage(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize("how", [Path.unlink, damage(b""), damage(b"{}"), damage(b"\xff"), damage(b'{"format": 2}')])
@pytest.mark.parametrize("name", ["authority.json", "repository/metadata/timestamp.json"])
def test_damaged_files_are_named(tool: Tool, how: Callable[[Path], object], name: str) -> None:
    how(tool.directory / name)
    assert name.rpartition("/")[2] in tool.refused("publish @a", ExitCode.CONFIGURATION)


def test_a_role_or_region_missing_in_the_state(tool: Tool) -> None:
    state = json.loads((tool.directory / "authority.json").read_text())
    del state["generations"]["mo"]
    (tool.directory / "authority.json").write_text(json.dumps(state))
    assert "a role or a region is missing" in tool.refused("status @a", ExitCode.CONFIGURATION)


def test_a_status_list_that_is_gone(tool: Tool) -> None:
    next((tool.published / "targets" / "mo" / "status").iterdir()).unlink()
    assert "not a status list" in tool.refused("status @a", ExitCode.CONFIGURATION)
    tool("publish @a")
    tool("status @a")


def test_a_disk_that_is_full(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert tool.refused("publish @a", ExitCode.CONFIGURATION).endswith("No space left on device")


def test_a_bug_is_exit_code_70(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.authority_cli.as_text", lambda *_: 1 / 0)
    tool("status @a", ExitCode.BUG)
    assert "this is a bug" in tool.err


def test_every_command_has_help() -> None:
    from simulators.authority_cli import gate_authority

    for words in ([], ["keys"], ["lists"], ["phone"], ["phone", "show"], ["revoke"]):
        assert CliRunner().invoke(gate_authority, [*words, "--help"]).exit_code == 0
