"""The trust cache: whatever kills an install, and whatever lies in the directory, the old generation or the new one is in force, whole."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gate_controller.ports.errors import StoreError
from gate_controller.trust import cache as cache_module
from gate_controller.trust.cache import KEPT, TrustCache

OLD = {"metadata/timestamp.json": b"old", "metadata/1.hk.json": b"hk", "targets/hk/status/ab.1": bytes(100)}
NEW = {"metadata/timestamp.json": b"new", "metadata/2.hk.json": b"hk 2", "targets/hk/cd.0011.cbor": b"key"}


@pytest.fixture
def cache(tmp_path: Path) -> TrustCache:
    return TrustCache(tmp_path / "trust")


def installed(path: Path) -> dict[str, bytes]:
    """The files in force."""
    generation = TrustCache(path).current()
    assert generation is not None
    return {file.relative_to(generation).as_posix(): file.read_bytes() for file in generation.rglob("*") if file.is_file()}


def refusal(do: Callable[[], Any]) -> StoreError:
    with pytest.raises(StoreError) as caught:
        do()
    assert "\n" not in str(caught.value)
    assert "trust cache" in caught.value.what
    assert caught.value.remedy
    return caught.value


def test_nothing_installed(cache: TrustCache) -> None:
    assert cache.current() is None
    assert cache.token() == ""
    cache.path.mkdir()
    assert cache.current() is None
    assert cache.token() == ""


def test_install(cache: TrustCache) -> None:
    assert cache.install(OLD) == "generation-1"
    assert installed(cache.path) == OLD
    assert cache.install(NEW) == "generation-2"
    assert installed(cache.path) == NEW
    assert cache.current() == cache.path / "generation-2"


def test_the_token_changes_with_every_install_and_not_between(cache: TrustCache) -> None:
    tokens = [cache.token()]
    for _ in range(3):
        cache.install(OLD)
        tokens.append(cache.token())
        assert cache.token() == tokens[-1]
    shutil.rmtree(cache.path)
    cache.install(OLD)
    tokens.append(cache.token())
    assert len(set(tokens)) == len(tokens)


def test_the_last_generations_are_kept(cache: TrustCache) -> None:
    for number in range(1, KEPT + 4):
        cache.install({"metadata/timestamp.json": str(number).encode()})
    assert sorted(entry.name for entry in cache.path.iterdir()) == ["current", "generation-4", "generation-5", "generation-6", "lock"]


def test_the_generation_in_force_is_never_removed(cache: TrustCache) -> None:
    cache.install(OLD)
    for number in (7, 8, 9, 10):
        (cache.path / f"generation-{number}").mkdir()  # of installs that were killed before they came into force
    with pytest.MonkeyPatch.context() as patch:
        fail_at(patch, "replace", errno.EIO)
        refusal(lambda: cache.install(NEW))
    assert installed(cache.path) == OLD
    assert cache.install(NEW) == "generation-12"


@pytest.mark.parametrize(
    "name", ["../escaped", "/etc/escaped", "metadata/../../escaped", "", "metadata//x", ".hidden", "metadata/", "a\0b", "a\nb", "current/../x"]
)
def test_no_name_leaves_the_directory(cache: TrustCache, name: str) -> None:
    cache.install(OLD)
    refusal(lambda: cache.install({**NEW, name: b"x"}))
    assert installed(cache.path) == OLD
    assert [entry.name for entry in cache.path.parent.iterdir()] == ["trust"]


@pytest.mark.parametrize("files", [{"a": b"", "a/b": b""}, {"a/b": b"", "a": b""}])
def test_a_file_and_a_directory_of_one_name(cache: TrustCache, files: dict[str, bytes]) -> None:
    refusal(lambda: cache.install(files))
    assert cache.current() is None


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\0" * 64, b"../generation-1", b"/etc", b"generation-", b"generation-0", b"generation-1/../generation-1", b"generation-1\nx", b"Generation-1"),
        *("generation-\u0661".encode(), b"generation-1 ", b"generation-1\n\n", b"generation-" + b"1" * 200, b"\xff"),
    ],
)
def test_a_damaged_current(cache: TrustCache, content: bytes) -> None:
    cache.install(OLD)
    before = cache.token()
    (cache.path / "current").write_bytes(content)
    assert "does not name a generation" in refusal(cache.current).what
    assert cache.token() != before
    cache.install(NEW)
    assert installed(cache.path) == NEW


def test_current_is_something_else(cache: TrustCache) -> None:
    cache.install(OLD)
    current = cache.path / "current"
    moved = current.rename(cache.path / "elsewhere")
    current.symlink_to(moved)
    assert "symbolic link" in refusal(cache.current).what
    assert cache.token().startswith("error")
    current.unlink()
    os.mkfifo(current)
    assert "does not name a generation" in refusal(cache.current).what
    current.unlink()
    current.mkdir()
    assert "directory" in refusal(cache.current).what
    for _ in range(2 * KEPT):
        assert "directory" in refusal(lambda: cache.install(NEW)).what
    assert len(list(cache.path.glob("generation-*"))) <= KEPT + 1


def test_the_generation_in_force_is_missing_or_a_link(cache: TrustCache) -> None:
    name = cache.install(OLD)
    moved = (cache.path / name).rename(cache.path / "elsewhere")
    assert "generation-1, which current names, is missing" in refusal(cache.current).what
    (cache.path / name).symlink_to(moved)
    refusal(cache.current)
    (cache.path / name).unlink()
    assert cache.install(NEW) == "generation-2"  # never a number again: a reader may still know it
    assert installed(cache.path) == NEW


def test_what_killed_importers_left_is_removed(cache: TrustCache) -> None:
    cache.install(OLD)
    for name in ("incoming-1", f"incoming-{os.getpid()}"):
        (cache.path / name / "metadata").mkdir(parents=True)
        (cache.path / name / "metadata" / "timestamp.json").write_bytes(b"half")
    (cache.path / "current.new").write_bytes(b"generation-9")
    cache.install(NEW)
    assert installed(cache.path) == NEW
    assert sorted(entry.name for entry in cache.path.iterdir()) == ["current", "generation-1", "generation-2", "lock"]


# -- killed, full, read-only -------------------------------------------------------------------------------------------


class Killed(BaseException):
    """No code runs after a kill: not even this, which only ends the test's copy of the process."""


class DyingOs:
    """The module os, until the n-th call that touches the file system; then every call fails, so that nothing cleans up."""

    COUNTED = ("open", "write", "fsync", "close", "mkdir", "rename", "replace", "unlink", "ftruncate", "pwrite")

    def __init__(self, patch: pytest.MonkeyPatch, calls: int) -> None:
        self.left = calls
        self.log: list[str] = []
        self.opened: set[int] = set()
        for name in self.COUNTED:
            patch.setattr(os, name, self.counted(name, getattr(os, name)))

    def counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if self.left <= 0:
                raise Killed
            self.left -= 1
            result = real(*arguments, **options)
            where = Path(f"/proc/self/fd/{arguments[0]}").readlink() if name == "fsync" else Path(str(arguments[0]))
            self.log.append(f"{name} {where.name}")
            if name == "open":
                self.opened.add(result)
            elif name == "close":
                self.opened.discard(arguments[0])
            return result

        return call


@contextmanager
def killed_after(calls: int) -> Iterator[DyingOs]:
    with pytest.MonkeyPatch.context() as patch:
        dying = DyingOs(patch, calls)
        try:
            yield dying
        except Killed:
            pass
        finally:
            patch.undo()
            for descriptor in dying.opened:  # as the kernel does, and with it the lock goes
                os.close(descriptor)


def test_killed_at_any_step(tmp_path: Path) -> None:
    outcomes = []
    for calls in range(1000):
        path = tmp_path / str(calls)
        TrustCache(path).install(OLD)
        with killed_after(calls) as dying:
            TrustCache(path).install(NEW)
        found = installed(path)
        assert found in (OLD, NEW)
        outcomes.append(found == NEW)
        TrustCache(path).install({"metadata/timestamp.json": b"next"})
        assert installed(path) == {"metadata/timestamp.json": b"next"}
        assert not list(path.glob("incoming-*"))
        if dying.left:
            break
    assert len(outcomes) > 20, "the steps were not counted"
    assert outcomes == sorted(outcomes), "the new one came into force at one moment"
    assert outcomes[-1]


def test_everything_is_on_the_disk_before_it_has_its_name(cache: TrustCache) -> None:
    cache.install(OLD)
    with killed_after(1000) as recorded:
        cache.install({"metadata/timestamp.json": b"x", "targets/hk/ab.1": b"y"})
    steps = [step for step in recorded.log if step.split()[0] in ("fsync", "rename", "replace")]
    incoming = f"incoming-{os.getpid()}"
    into_place = steps.index(f"rename {incoming}")
    parent = cache.path.parent.name
    assert sorted(steps[:into_place]) == sorted(f"fsync {name}" for name in (parent, "timestamp.json", "ab.1", "metadata", "targets", "hk", incoming))
    assert steps[into_place + 1 :] == ["fsync trust", "fsync current.new", "replace current.new", "fsync trust"]


def fail_at(patch: pytest.MonkeyPatch, call: str, number: int, skip: int = 0) -> None:
    """Make the (skip + 1)th such call fail."""
    real, left = getattr(os, call), [skip]

    def fail(*arguments: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(number, os.strerror(number))
        return real(*arguments, **options)

    patch.setattr(os, call, fail)


@pytest.mark.parametrize(
    ("call", "number", "what"),
    [
        ("write", errno.ENOSPC, "the disk is full"),
        ("fsync", errno.ENOSPC, "the disk is full"),
        ("mkdir", errno.ENOSPC, "the disk is full"),
        ("write", errno.EDQUOT, "the disk quota is used up"),
        ("fsync", errno.EIO, "reading or writing it failed"),
        ("rename", errno.EROFS, "it is mounted read-only"),
        ("replace", errno.ENOSPC, "the disk is full"),
    ],
)
def test_a_disk_that_is_full_or_fails(cache: TrustCache, monkeypatch: pytest.MonkeyPatch, call: str, number: int, what: str) -> None:
    cache.install(OLD)
    token = cache.token()
    with monkeypatch.context() as patch:
        fail_at(patch, call, number)
        assert what in refusal(lambda: cache.install(NEW)).what
    assert installed(cache.path) == OLD
    assert cache.token() == token
    assert not list(cache.path.glob("incoming-*")), "a full disk must not stay full"
    cache.install(NEW)
    assert installed(cache.path) == NEW


def test_a_file_size_limit_of_the_process(cache: TrustCache) -> None:
    cache.install(OLD)
    script = (
        "import resource, sys; from pathlib import Path; from gate_controller.trust.cache import TrustCache\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: TrustCache(Path(sys.argv[1])).install({'metadata/timestamp.json': bytes(2000)})\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(cache.path)], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("StoreError trust cache")
    assert "a file may not become so large" in done.stdout
    assert installed(cache.path) == OLD


def test_a_directory_that_may_not_be_written(open_directory: Path, without_root: Callable[[], AbstractContextManager[None]]) -> None:
    TrustCache(open_directory / "trust").install(OLD)
    with without_root():
        cache = TrustCache(open_directory / "trust")
        assert cache.current() == open_directory / "trust" / "generation-1"
        assert "access is not permitted" in refusal(lambda: cache.install(NEW)).what
        assert "access is not permitted" in refusal(lambda: TrustCache(open_directory / "other").install(NEW)).what
    (open_directory / "trust").chmod(0)
    with without_root():
        assert "access is not permitted" in refusal(cache.current).what
        assert cache.token() == f"error {errno.EACCES}"


def test_the_parent_is_missing(tmp_path: Path) -> None:
    error = refusal(lambda: TrustCache(tmp_path / "not mounted" / "trust").install(NEW))
    assert "not mounted is missing" in error.what


def test_the_path_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "trust").write_bytes(b"")
    refusal(lambda: TrustCache(tmp_path / "trust").install(NEW))
    refusal(TrustCache(tmp_path / "trust").current)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_does_not_write_into_somebody_else_s_cache(cache: TrustCache) -> None:
    cache.path.mkdir()
    os.chown(cache.path, 65534, 65534)
    error = refusal(lambda: cache.install(NEW))
    assert "belongs to user 65534" in error.what
    assert not (cache.path / "lock").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_makes_no_cache_in_somebody_else_s_directory(cache: TrustCache) -> None:
    os.chown(cache.path.parent, 65534, 65534)
    assert "belongs to user 65534" in refusal(lambda: cache.install(NEW)).what
    assert not cache.path.exists()


# -- two importers -------------------------------------------------------------------------------------------------------


def test_a_second_importer_is_told_who_the_first_is(cache: TrustCache) -> None:
    other = TrustCache(cache.path)
    with cache.lock():
        cache.install(OLD)  # within its own lock
        with pytest.raises(StoreError) as caught, other.lock(wait_s=0):
            pytest.fail("two at once")
        assert f"is being changed by process {os.getpid()}" in caught.value.what
        assert installed(cache.path) == OLD
    with other.lock(wait_s=0):
        other.install(NEW)
    assert installed(cache.path) == NEW


def test_a_second_importer_waits_a_while(cache: TrustCache, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    with cache.lock():
        monkeypatch.setattr(cache_module.time, "sleep", waits.append)
        with pytest.raises(StoreError), TrustCache(cache.path).lock(wait_s=1.0):
            pytest.fail("two at once")
    assert sum(waits) == pytest.approx(1.0, abs=0.06)


def test_a_lock_file_that_somebody_else_wrote(cache: TrustCache) -> None:
    cache.path.mkdir()
    (cache.path / "lock").write_bytes(b"\x1b[2J\n\xff" + b"x" * 1000)
    with (cache.path / "lock").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreError) as caught, cache.lock(wait_s=0):
            pytest.fail("two at once")
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 500


def test_an_exception_within_the_lock_lets_it_go(cache: TrustCache) -> None:
    with pytest.raises(RuntimeError), cache.lock():
        raise RuntimeError
    with TrustCache(cache.path).lock(wait_s=0):
        pass
