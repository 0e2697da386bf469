"""The lock files: complete, hashed, and of one mind."""

import re
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
RUNTIME, DEV, MODELS, FUZZ, PEERS, API_FUZZ = LOCKS = [
    TOP / "requirements" / f"{name}.lock" for name in ("runtime", "dev", "models", "fuzz", "peers", "api-fuzz")
]
APART = {"fuzz": FUZZ, "peers": PEERS, "api-fuzz": API_FUZZ}
"""Dependency groups that are not in dev.lock but in an environment, and a lock, of their own."""


def entries(lock: Path) -> dict[str, frozenset[str]]:
    """Requirement line (name, version, marker) -> its hashes."""
    text = re.sub(r"^\s*#.*\n", "", lock.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, frozenset[str]] = {}
    for line in filter(None, text.splitlines()):
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        found[requirement.strip()] = frozenset(hashes)
    return found


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_entry_is_one_release_with_sha256_hashes(lock):
    assert entries(lock)
    for requirement, hashes in entries(lock).items():
        assert re.match(r"[a-z0-9-]+==[0-9][^ ;]*( ; .*)?$", requirement), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), requirement


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_no_lock_names_a_host(lock):
    assert "://" not in lock.read_text()


def test_runtime_installs_nothing_that_dev_would_replace():
    dev = entries(DEV)
    for requirement, hashes in entries(RUNTIME).items():
        assert dev.get(requirement) == hashes, requirement


def test_every_declared_dependency_is_locked():
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    runtime = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["simulators"]
    groups = project["dependency-groups"]
    dev = [requirement for name, group in groups.items() if name not in APART for requirement in group]
    assert names(runtime) <= names(list(entries(RUNTIME)))
    assert names(runtime) | names(dev) <= names(list(entries(DEV)))
    for name, lock in APART.items():
        assert names(groups[name]) <= names(list(entries(lock)))


def test_no_lock_lets_dlib_be_compiled():
    for lock in (RUNTIME, DEV):
        (dlib,) = (requirement for requirement in entries(lock) if requirement.startswith("dlib=="))
        assert dlib.endswith("; sys_platform == 'never'")
