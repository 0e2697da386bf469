"""Sources: plain files out of a directory or memory; anything else on a stick is refused by name, without harm and without waiting."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path

import pytest

from gate_controller.trust import sources
from gate_controller.trust.sources import CHUNK_BYTES, DirectorySource, MemorySource, NotInSource, Source, SourceError

NAME = "metadata/timestamp.json"


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "targets" / "hk" / "status").mkdir(parents=True)
    (tmp_path / NAME).write_bytes(b"{}")
    (tmp_path / "targets/hk/status/ab12.1").write_bytes(bytes(3 * CHUNK_BYTES + 1))
    return tmp_path


def content(source: Source, name: str) -> bytes:
    return b"".join(source.read(name))


def refusal(source: Source, name: str = NAME) -> SourceError:
    with pytest.raises(SourceError) as caught:
        content(source, name)
    assert "\n" not in str(caught.value)
    assert caught.value.what.startswith(source.name)
    assert caught.value.remedy
    return caught.value


def test_the_same_files_from_a_directory_and_from_memory(stick: Path) -> None:
    large = bytes(3 * CHUNK_BYTES + 1)
    for source in (DirectorySource(stick), MemorySource({NAME: b"{}", "targets/hk/status/ab12.1": large, "metadata/empty": b""})):
        assert content(source, NAME) == b"{}"
        chunks = list(source.read("targets/hk/status/ab12.1"))
        assert b"".join(chunks) == large
        assert max(map(len, chunks)) == CHUNK_BYTES
        missing = refusal(source, "metadata/2.root.json")
        assert isinstance(missing, NotInSource)
        assert "metadata/2.root.json is missing" in missing.what


def test_an_empty_file(stick: Path) -> None:
    (stick / NAME).write_bytes(b"")
    assert content(DirectorySource(stick), NAME) == b""
    assert content(MemorySource({NAME: b""}), NAME) == b""


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "/etc/passwd", "..", "metadata/../metadata/timestamp.json", "metadata//timestamp.json", "metadata/", "./metadata/timestamp.json"),
        *("metadata/.hidden", "metadata\\timestamp.json", "metadata/a b", "metadata/%2e%2e", "metadata/a\nb", "metadata/a\0", "metadata/\u202e"),
        *("metadata/nul.", "a" * 201, "a/" * 400 + "a"),
    ],
)
def test_names_that_are_not_plain(stick: Path, name: str) -> None:
    for source in (DirectorySource(stick), MemorySource({name: b""})):
        error = refusal(source, name)
        assert not isinstance(error, NotInSource)
        assert "is not a plain file name" in error.what
        assert len(error.what) < 700


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_opened_before_the_first_chunk_is_asked_for(stick: Path) -> None:
    before = open_files()
    reading = DirectorySource(stick).read(NAME)
    assert open_files() == before
    next(reading)
    del reading  # as the reader that has had enough does
    assert open_files() == before


def put_nothing(place: Path) -> None:
    place.unlink()


def put_link(place: Path) -> None:
    real = place.rename(place.with_name("real.json"))
    place.symlink_to(real)


def put_pipe(place: Path) -> None:
    place.unlink()
    os.mkfifo(place)


def put_socket(place: Path) -> None:
    place.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(place))


def put_directory(place: Path) -> None:
    place.unlink()
    place.mkdir()


@pytest.mark.parametrize(
    ("put", "what"),
    [
        (put_nothing, "metadata/timestamp.json is missing"),
        (put_link, "metadata/timestamp.json is a symbolic link, not a plain file"),
        (put_pipe, "metadata/timestamp.json is a pipe, not a plain file"),
        (put_socket, "metadata/timestamp.json is a socket, not a plain file"),
        (put_directory, "metadata/timestamp.json is a directory, not a plain file"),
    ],
)
def test_what_is_no_plain_file(stick: Path, put: Callable[[Path], None], what: str) -> None:
    put(stick / NAME)
    error = refusal(DirectorySource(stick))
    assert what in error.what
    assert isinstance(error, NotInSource) is (put is put_nothing)


def test_a_device_is_not_even_opened() -> None:
    """Opening /dev/watchdog would restart the machine."""
    assert "null is a device, not a plain file" in refusal(DirectorySource(Path("/dev")), "null").what


def test_a_file_where_a_directory_belongs(stick: Path) -> None:
    assert "metadata/timestamp.json is a file, not a directory" in refusal(DirectorySource(stick), f"{NAME}/1.hk.json").what


def test_a_link_in_the_middle_of_a_path(stick: Path) -> None:
    real = (stick / "targets/hk").rename(stick / "elsewhere")
    (stick / "targets/hk").symlink_to(real)
    assert "targets/hk is a symbolic link, not a directory" in refusal(DirectorySource(stick), "targets/hk/status/ab12.1").what


def test_a_file_exchanged_for_a_link_after_it_was_looked_at(stick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_stat = os.stat

    def exchange(path: str, **options: object) -> os.stat_result:
        found = real_stat(path, **options)  # type: ignore[arg-type]
        if path == "timestamp.json":
            put_link(stick / NAME)
        return found

    monkeypatch.setattr(sources.os, "stat", exchange)
    assert "cannot be read" in refusal(DirectorySource(stick)).what


def test_the_directory_that_the_operator_names_may_be_a_link(stick: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("links") / "stick"
    link.symlink_to(stick)
    assert content(DirectorySource(link), NAME) == b"{}"


def test_no_stick_at_all(stick: Path) -> None:
    error = refusal(DirectorySource(stick / "missing"))
    assert not isinstance(error, NotInSource)
    assert "missing is missing" in error.what
    assert "is not a directory" in refusal(DirectorySource(stick / NAME)).what


def test_a_directory_without_a_repository(stick: Path) -> None:
    """Not "there is no newer root": the answer that a client of the repository would take it for."""
    (stick / "metadata").rename(stick / "elsewhere")
    error = refusal(DirectorySource(stick), "metadata/2.root.json")
    assert not isinstance(error, NotInSource)
    assert "holds no trust repository" in error.what


def test_a_half_copied_stick(stick: Path) -> None:
    (stick / "targets/hk/status/ab12.1").unlink()
    (stick / "targets/hk/status").rmdir()
    error = refusal(DirectorySource(stick), "targets/hk/status/ab12.1")
    assert isinstance(error, NotInSource)
    assert "targets/hk/status is missing" in error.what
    assert "copy the whole repository" in error.remedy


def test_files_that_may_not_be_read(open_directory: Path, without_root: Callable[[], AbstractContextManager[None]]) -> None:
    (open_directory / "metadata").mkdir()
    (open_directory / NAME).write_bytes(b"{}")
    (open_directory / NAME).chmod(0)
    with without_root():
        assert "metadata/timestamp.json may not be read" in refusal(DirectorySource(open_directory)).what
    (open_directory / "metadata").chmod(0)
    with without_root():
        assert "may not be read" in refusal(DirectorySource(open_directory)).what
    open_directory.chmod(0)
    with without_root():
        assert "may not be read" in refusal(DirectorySource(open_directory)).what
    open_directory.chmod(0o755)


def test_a_read_only_stick(open_directory: Path, without_root: Callable[[], AbstractContextManager[None]]) -> None:
    (open_directory / "metadata").mkdir()
    (open_directory / NAME).write_bytes(b"{}")
    with without_root():  # a directory of root's: nothing can be written
        assert content(DirectorySource(open_directory), NAME) == b"{}"


def test_an_error_of_the_medium() -> None:
    """Reading a process's memory at address 0 is the kernel's own EIO, from what looks like a plain file."""
    assert "the medium fails or was pulled out" in refusal(DirectorySource(Path("/proc/self")), "mem").what


@pytest.mark.parametrize(("number", "what"), [(errno.ENODEV, "pulled out"), (errno.EIO, "pulled out"), (errno.EINVAL, "cannot be read: Invalid argument")])
def test_a_stick_pulled_out_in_the_middle_of_a_file(stick: Path, monkeypatch: pytest.MonkeyPatch, number: int, what: str) -> None:
    reading = DirectorySource(stick).read("targets/hk/status/ab12.1")
    next(reading)

    def fail(_descriptor: int, _count: int) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sources.os, "read", fail)
    with pytest.raises(SourceError) as caught:
        next(reading)
    assert what in caught.value.what
    assert "targets/hk/status/ab12.1" in caught.value.what


def test_a_file_that_grows_while_it_is_read(stick: Path) -> None:
    """A chunk more for each that is taken: whoever reads has a limit and stops."""
    with (stick / NAME).open("ab") as growing:
        for _ in islice(DirectorySource(stick).read(NAME), 5):
            growing.write(bytes(CHUNK_BYTES))
            growing.flush()


def test_a_file_of_a_terabyte(stick: Path) -> None:
    os.truncate(stick / NAME, 1 << 40)
    assert sum(len(chunk) for chunk in islice(DirectorySource(stick).read(NAME), 3)) == 3 * CHUNK_BYTES
