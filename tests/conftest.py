"""Fixtures for the whole tree."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.pop("COLUMNS", None)  # programs that tests start would take it for their terminal's width

# No test may depend on how fast the machine is.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

NOBODY = 65534


@contextlib.contextmanager
def _without_root() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def without_root() -> Callable[[], AbstractContextManager[None]]:
    """A context in which file modes bind this process even if root runs the tests."""
    return _without_root


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that `without_root` can reach; pytest's own belongs to root alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _is_lane(nodeid: str) -> bool:
    return nodeid.startswith("tests/lane/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole lanes first: they take longest, and mostly wait for doors and people."""
    items.sort(key=lambda item: not _is_lane(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Whole lanes two at a time, never three, and every other module as one piece on whichever worker is free. Three workers for two cores: lanes mostly wait."""
    from xdist.scheduler import LoadScopeScheduling

    class LanesApart(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.split("::", 1)[0]
            return "other lanes" if _is_lane(nodeid) and "test_casts" not in module else module

    return LanesApart(config, log)
