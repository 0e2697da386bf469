"""Fixtures for the whole tree."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import settings

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
