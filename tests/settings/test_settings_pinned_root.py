from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from gate_controller.ports.errors import ConfigurationError
from gate_controller.settings.gate_file import KeysSection
from gate_controller.settings.pinned_root import MAX_BYTES, PinnedRootError, read_pinned_root

CONTENT = b'{"signed": {}}'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root.json"
    path.write_bytes(CONTENT)
    return path


def keys(path: Path, content: bytes = CONTENT) -> KeysSection:
    return KeysSection(cache=Path("/c"), floor=Path("/f"), pinned_root=path, pinned_root_sha256=hashlib.sha256(content).hexdigest())


def test_the_content_with_that_hash_is_read(root: Path) -> None:
    assert read_pinned_root(keys(root)) == CONTENT


def test_any_other_content_is_refused(root: Path) -> None:
    root.write_bytes(CONTENT + b"\n")
    with pytest.raises(PinnedRootError, match=f"is not the SHA-256 of {root}"):
        read_pinned_root(keys(root))


def test_what_cannot_be_a_root_is_refused(root: Path, tmp_path: Path) -> None:
    root.write_bytes(bytes(MAX_BYTES + 1))
    os.mkfifo(tmp_path / "fifo")
    for path, what in (
        (tmp_path / "none", "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "fifo", "is not a regular file"),
        (root, "is larger than 512000 bytes"),
    ):
        with pytest.raises(ConfigurationError, match=what) as caught:
            read_pinned_root(keys(path))
        assert (caught.value.remedy != "", "\n" in str(caught.value)) == (True, False)


def test_a_root_that_is_yet_to_be_installed_is_no_mistake_of_the_configuration(laboratory: Any, root: Path) -> None:
    root.unlink()
    assert laboratory.load(None).keys.pinned_root == root
