"""gatectl keys export on real files: trust from one gate to another, and that a stick that fails carries what it carried."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

DAY_S = 86_400
HOUR_S = 3600


def files(directory: Path) -> dict[str, bytes]:
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_trust_travels_from_gate_to_gate(trust_site: Any, tmp_path: Path, said: Any) -> None:
    trust_site.repository.rotate("root", trust_site.now)
    trust_site.installed()
    stick = tmp_path / "stick"
    said()
    assert trust_site.keys("export", stick) == 0
    text = said()
    assert "copied root 2, timestamp 2" in text
    assert "read back and verified" in text
    assert "pinned root has version 1 or newer" in text
    other = trust_site.another()
    other.keys("init")
    assert other.keys("import", stick) == 0
    assert files(other.cache / "generation-1") == files(trust_site.cache / "generation-1") == files(stick)


def test_export_as_json(trust_site: Any, json_of: Any, tmp_path: Path) -> None:
    trust_site.installed()
    exported = json_of("export", tmp_path)
    assert (exported["code"], exported["files"], exported["versions"]["hk"]) == (0, 9, 1)


def test_export_over_an_older_export_leaves_other_files_alone(trust_site: Any, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    trust_site.installed()
    trust_site.keys("export", stick)
    (stick / "holiday.jpg").write_bytes(b"not ours")
    (stick / "metadata" / "timestamp.json.new").write_bytes(b"of an export that was killed")
    trust_site.repository.publish(trust_site.now)
    trust_site.keys("import", trust_site.published)
    assert trust_site.keys("export", stick) == 0
    assert (stick / "holiday.jpg").read_bytes() == b"not ours"
    assert not list(stick.rglob("*.new"))
    other = trust_site.another()
    other.keys("init")
    assert other.keys("import", stick) == 0


def test_export_never_writes_through_a_link(trust_site: Any, tmp_path: Path, said: Any) -> None:
    trust_site.installed()
    outside, stick = tmp_path / "outside", tmp_path / "stick"
    outside.mkdir()
    stick.mkdir()
    (stick / "metadata").symlink_to(outside)
    assert trust_site.keys("export", stick) == 8
    assert "link" in said()
    (stick / "metadata").unlink()
    (stick / "metadata").mkdir()
    (outside / "precious").write_bytes(b"precious")
    (stick / "metadata" / "timestamp.json").symlink_to(outside / "precious")
    (stick / "metadata" / "timestamp.json.new").symlink_to(outside / "precious")
    assert trust_site.keys("export", stick) == 0
    assert files(outside) == {"precious": b"precious"}


@pytest.mark.parametrize(
    ("call", "number", "what"),
    [
        ("write", errno.ENOSPC, "it is full"),
        ("fsync", errno.EIO, "pulled out"),
        ("open", errno.EROFS, "read-only"),
        ("rename", errno.EACCES, "may not be written"),
    ],
)
def test_a_stick_that_cannot_be_written_carries_what_it_carried(
    trust_site: Any, tmp_path: Path, said: Any, monkeypatch: pytest.MonkeyPatch, call: str, number: int, what: str
) -> None:
    stick = tmp_path / "stick"
    trust_site.installed()
    trust_site.keys("export", stick)
    trust_site.repository.publish(trust_site.now)
    trust_site.keys("import", trust_site.published)
    real, left = getattr(os, call), 5

    def failing(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= call != "open" or ("dir_fd" in options and arguments[1] & os.O_CREAT != 0)
        if left < 0:
            raise OSError(number, os.strerror(number))
        return real(*arguments, **options)

    said()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        assert trust_site.keys("export", stick) == 8
    assert what in said()
    assert not list(stick.rglob("*.new"))
    other = trust_site.another()
    other.keys("init")
    assert other.keys("import", stick) == 0
    assert "timestamp 1," in said()


def test_export_to_places_that_are_none(trust_site: Any, tmp_path: Path, said: Any) -> None:
    trust_site.installed()
    assert trust_site.keys("export", tmp_path / "not mounted" / "stick") == 8
    assert "not mounted is missing" in said()
    assert trust_site.keys("export", trust_site.root) == 8
    assert "root.json cannot be written" in said()


def test_export_beside_a_newer_root(trust_site: Any, tmp_path: Path, said: Any) -> None:
    trust_site.installed()
    trust_site.repository.rotate("root", trust_site.now)
    stick = tmp_path / "stick"
    shutil.copytree(trust_site.published, stick)
    assert trust_site.keys("export", stick) == 1
    assert "remedy: empty it" in said()
