"""gate-authority stick: what a stick carries, even one that was pulled out or could not be written."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest

from gate_controller.cli.exit_codes import ExitCode
from simulators import authority_stick
from simulators.authority_cli import main


def test_a_stick_carries_what_a_gate_needs_and_nothing_else(tool: Any) -> None:
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


def test_a_stick_pulled_out_at_any_moment_carries_the_old_state_or_the_new(tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_stick_that_cannot_be_written(tool: Any, monkeypatch: pytest.MonkeyPatch, number: int, word: str) -> None:
    (tool.scratch / "stick").mkdir()

    def failing(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(authority_stick.os, "fsync", failing)
    line = tool.refused("stick @a @stick", ExitCode.CONFIGURATION)
    assert line.startswith(str(tool.scratch / "stick"))
    assert word in line
    assert not list((tool.scratch / "stick").rglob("*.new"))


@pytest.mark.parametrize("target", ["@nowhere", "@a/repository", "@a/repository/metadata"])
def test_where_no_stick_is(tool: Any, target: str) -> None:
    tool.refused(f"stick @a {target}", ExitCode.CONFIGURATION)
