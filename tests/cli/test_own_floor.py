"""The controller's own floor of trust: made at the first start, never anew, and asked by whoever says what the gate believes."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from gate_controller.composition.trust import opened_own_floor, trust_in_force, trust_parts
from gate_controller.ports.errors import StoreError
from gate_controller.settings import load
from gate_controller.trust.errors import TrustError
from gate_controller.trust.floor import Floor


def test_it_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    with contextlib.closing(opened_own_floor(path, 5.0)) as floor:
        floor.raise_versions({"hk": 3})
    with contextlib.closing(opened_own_floor(path, 6.0)) as floor:
        assert floor.versions() == {"hk": 3}


@pytest.mark.parametrize("content", [b"", b"something else"])
def test_one_that_is_damaged_is_not_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="trust floor"):
        opened_own_floor(path, 5.0)
    assert path.read_bytes() == content


def test_what_the_gate_would_not_believe_gatectl_does_not_either(trust_site, tmp_path: Path) -> None:
    parts = replace(trust_parts(load(trust_site.installed().config())), own_floor=tmp_path / "own.db")
    now = trust_site.wall()
    with contextlib.closing(Floor.open(parts.floor)) as floor:
        assert trust_in_force(parts, floor, now)
        with contextlib.closing(opened_own_floor(tmp_path / "own.db", now)) as own:
            own.raise_versions({"hk": 1000})
        with pytest.raises(TrustError, match=r"hk has version .*, older than 1000"):
            trust_in_force(parts, floor, now)
