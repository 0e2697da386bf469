"""gate-authority: what it publishes is taken by the gate's own trust store; errors are one line with a remedy."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.core.values import Region
from gate_controller.ports.trust import PassStatus
from gate_controller.trust.errors import TrustError

NOW = 1_800_000_000
DAY_S = 86_400


# -- create, status ---


def test_create_tells_what_to_pin(tool: Any) -> None:
    tool.directory = tool.scratch / "new"
    out = tool("create @new --seed s")
    root = tool.directory / "root.json"
    assert f'pinned_root = "{root}"' in out
    assert f'pinned_root_sha256 = "{hashlib.sha256(root.read_bytes()).hexdigest()}"' in out
    assert "simulated: anyone who knows the seed knows every private key" in out
    assert "anyone who knows the seed" in json.loads(root.read_text())["signed"]["x-simulated"]
    assert "root      version 1     signed by 1, 2, 3 (2 of 3 must)" in out
    assert tool.view(directory=tool.directory / "repository").versions == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1, "hk": 1, "mo": 1}
    assert (tool.directory / "authority.json").stat().st_mode & 0o777 == 0o600
    assert not any("authority" in path.name for path in (tool.directory / "repository").rglob("*"))  # the seed is not published


def test_the_seed_decides_everything_and_a_missing_one_is_random(tool: Any) -> None:
    tool("create @same --seed s")
    tool("create @other")
    tool("create @another")
    roots = [(tool.scratch / name / "root.json").read_bytes() for name in ("a", "same", "other", "another")]
    assert roots[0] == roots[1]
    assert len(set(roots)) == 3


def test_create_takes_nobodys_directory(tool: Any) -> None:
    assert tool.refused("create @a", ExitCode.REFUSED_BY_STATE) == f"{tool.directory} is not empty"


def test_status_as_text_and_json(tool: Any) -> None:
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


def test_status_tells_what_is_due(tool: Any) -> None:
    tool.clock.now += 50 * DAY_S
    text = tool("status @a")
    assert re.search(r"timestamp .* EXPIRED 47\.0 d ago; due: gate-authority publish DIR", text)
    assert re.search(r"targets .* expires in 10\.0 d; due: gate-authority renew DIR targets", text)
    assert re.search(r"root .* expires in 315\.0 d$", text, re.MULTILINE)


# -- rotate, renew ---


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp", "hk", "mo"])
def test_every_role_is_rotated_and_a_gate_follows_from_the_first_root(tool: Any, role: str) -> None:
    before = tool.view().versions[role]
    for _ in range(2):
        tool(f"rotate @a {role} --by 1,3")
    assert tool.view().versions[role] > before
    assert json.loads(tool("status @a --json"))["roles"][role]["generation"] == 2


def test_a_rotation_tells_who_signed(tool: Any) -> None:
    assert "root      version 2     signed by 1, 3 (old keys) and 1, 3 (2 of 3 must)" in tool("rotate @a root --by 3,1")
    assert "targets   version 2     signed by 2, 3 (2 of 3 must)" in tool("rotate @a hk --by 2,3")


@pytest.mark.parametrize("words", ["rotate @a root --by 2", "rotate @a hk --by 1", "rotate @a timestamp --by 3", "renew @a targets --by 3"])
def test_too_few_keepers_change_nothing(tool: Any, words: str) -> None:
    before = tool.files()
    assert "needs 2 of its 3 keepers, and 1 would sign" in tool.refused(words, ExitCode.REFUSED_BY_STATE)
    assert tool.files() == before


def test_renewing_in_time_keeps_a_gate_going_for_a_year(tool: Any) -> None:
    for number in range(1, 8):
        tool.clock.now = NOW + number * 50 * DAY_S
        tool("renew @a targets --by 1,2")
    tool("renew @a root --by 1,2")
    assert tool.view().versions == {"root": 2, "timestamp": 9, "snapshot": 9, "targets": 8, "hk": 9, "mo": 9}


# -- keys, lists, revoke, publish ---


def test_a_new_key_signs_new_passes_and_a_withdrawn_ones_passes_are_refused(traveller: Any) -> None:
    old = traveller.shown()
    traveller("keys add @a hk")
    traveller("issue @a hk --holder @phone -o @new")
    new = traveller.shown("phone show @phone --pass @new --text")
    assert [traveller.verdict(text) for text in (old, new)] == ["accepted", "accepted"]
    assert "is withdrawn" in traveller("keys withdraw @a hk --name issuer")
    assert [traveller.verdict(text) for text in (old, new)] == ["pass_unknown_key", "accepted"]


def test_a_key_for_later_signs_only_when_it_is_valid(tool: Any) -> None:
    tool("phone new @phone")
    tool(f"keys add @a hk --name next --valid-from {NOW + DAY_S}")
    assert "(issuer)" in tool("issue @a hk --holder @phone -o @pass")
    tool.clock.now += DAY_S
    assert "(next)" in tool("issue @a hk --holder @phone -o @pass")
    tool("publish @a")
    assert tool.verdict(tool.shown()) == "accepted"


def test_a_region_without_a_key_is_closed_and_the_other_is_not(traveller: Any) -> None:
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
def test_what_the_state_does_not_allow(tool: Any, words: str, line: str) -> None:
    assert tool.refused(words, ExitCode.REFUSED_BY_STATE) == line


def test_revoke_suspend_and_restore_by_the_pass(traveller: Any) -> None:
    for words, verdict in (("", "pass_revoked"), ("--suspend", "pass_suspended"), ("--restore", "accepted")):
        traveller(f"revoke @a hk --pass @pass {words}")
        assert traveller.verdict(traveller.shown()) == verdict
    assert traveller.refused("revoke @a mo --pass @pass", ExitCode.REFUSED_BY_STATE).endswith("is a pass of HK, not of MO")


def test_a_revocation_is_remembered_by_the_next_publications(traveller: Any) -> None:
    traveller("revoke @a hk --pass @pass")
    traveller("rotate @a hk")
    traveller("publish @a")
    assert traveller.verdict(traveller.shown()) == "pass_revoked"


def test_several_lists_of_one_bit_and_two(traveller: Any) -> None:
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


def test_publish_again_and_again_until_ctrl_c(tool: Any) -> None:
    tool.clock.at_most = 6
    out = tool("publish @a --every 1h")
    assert (tool.clock.sleeps, tool.err) == ([3600.0] * 6, "stopped\n")
    assert out.count("timestamp version") == 7
    assert tool.view().versions["hk"] == 8
    assert len(list((tool.published / "metadata").glob("*.hk.json"))) == 3
    assert "signed by" in tool("publish @a --keep 1")
    assert len(list((tool.published / "metadata").glob("*.hk.json"))) == 1


def test_one_region_publishes_alone(tool: Any) -> None:
    tool("publish @a --region hk")
    assert (tool.view().versions["hk"], tool.view().versions["mo"]) == (2, 1)


def test_acting_at_another_time(tool: Any) -> None:
    tool("--at 2027-01-20T00:00:00Z publish @a")
    assert tool.view(NOW + 5 * DAY_S).versions["timestamp"] == 2
    tool("--at 2026-12-01 publish @a")
    with pytest.raises(TrustError, match="expired"):
        tool.view(NOW)


# -- errors ---


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
def test_usage_is_exit_code_2(tool: Any, words: str) -> None:
    before = tool.files()
    tool(words, ExitCode.USAGE)
    assert "Traceback" not in tool.err
    assert tool.files() == before


def damage(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize("how", [Path.unlink, damage(b""), damage(b"{}"), damage(b"\xff"), damage(b'{"format": 2}')])
@pytest.mark.parametrize("name", ["authority.json", "repository/metadata/timestamp.json"])
def test_damaged_files_are_named(tool: Any, how: Callable[[Path], object], name: str) -> None:
    how(tool.directory / name)
    assert name.rpartition("/")[2] in tool.refused("publish @a", ExitCode.CONFIGURATION)


def test_a_role_or_region_missing_in_the_state(tool: Any) -> None:
    state = json.loads((tool.directory / "authority.json").read_text())
    del state["generations"]["mo"]
    (tool.directory / "authority.json").write_text(json.dumps(state))
    assert "a role or a region is missing" in tool.refused("status @a", ExitCode.CONFIGURATION)


def test_a_status_list_that_is_gone(tool: Any) -> None:
    next((tool.published / "targets" / "mo" / "status").iterdir()).unlink()
    assert "not a status list" in tool.refused("status @a", ExitCode.CONFIGURATION)
    tool("publish @a")
    tool("status @a")


def test_a_disk_that_is_full(tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    assert tool.refused("publish @a", ExitCode.CONFIGURATION).endswith("No space left on device")


def test_a_bug_is_exit_code_70(tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.authority_cli.as_text", lambda *_: 1 / 0)
    tool("status @a", ExitCode.BUG)
    assert "this is a bug" in tool.err


def test_every_command_has_help() -> None:
    from simulators.authority_cli import gate_authority

    for words in ([], ["keys"], ["lists"], ["phone"], ["phone", "show"], ["revoke"]):
        assert CliRunner().invoke(gate_authority, [*words, "--help"]).exit_code == 0
