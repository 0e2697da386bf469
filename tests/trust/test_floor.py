"""The floor only grows, survives whoever is killed, and is never made anew behind somebody's back."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate_controller.ports.errors import StoreError
from gate_controller.trust.errors import TrustError
from gate_controller.trust.floor import MAX_TIME, MAX_VERSION, Floor

NOW = 1_800_000_000.5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "floor.sqlite"


@pytest.fixture
def floor(path: Path) -> Iterator[Floor]:
    with closing(Floor.create(path, NOW)) as floor:
        yield floor


def refusal(do: Callable[[], object]) -> StoreError:
    with pytest.raises(StoreError) as caught:
        do()
    assert str(caught.value).isprintable()
    assert "trust floor" in caught.value.what
    assert caught.value.remedy
    return caught.value


def test_a_new_floor(floor: Floor) -> None:
    assert floor.versions() == {}
    assert floor.latest_seen() == NOW
    floor.require({}, "stick")
    floor.require({"root": 1}, "stick")


def test_everything_is_remembered(path: Path, floor: Floor) -> None:
    floor.raise_versions({"root": 2, "hk": 7})
    floor.saw(NOW + 10)
    floor.close()
    with closing(Floor.open(path)) as again:
        assert again.versions() == {"root": 2, "hk": 7}
        assert again.latest_seen() == NOW + 10


def test_nothing_goes_down(floor: Floor) -> None:
    floor.raise_versions({"root": 2, "hk": 7})
    floor.raise_versions({"root": 1, "hk": 8, "mo": MAX_VERSION})
    floor.saw(NOW - 10)
    floor.saw_signed(NOW - 10)
    assert floor.versions() == {"root": 2, "hk": 8, "mo": MAX_VERSION}
    assert floor.latest_seen() == NOW


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.tuples(st.just("saw"), st.floats(0, MAX_TIME)), st.tuples(st.just("saw_signed"), st.floats(0, MAX_TIME))), max_size=6))
def test_latest_is_the_maximum(floor: Floor, seen: list[tuple[str, float]]) -> None:
    before = floor.latest_seen()
    for how, at in seen:
        getattr(floor, how)(at)
    assert floor.latest_seen() == max([before, *(at for _, at in seen)])


def test_older_versions_are_refused_by_role(floor: Floor) -> None:
    floor.raise_versions({"root": 2, "timestamp": 40, "hk": 7})
    floor.require({"root": 2, "timestamp": 41, "hk": 7, "sz": 1}, "stick")
    with pytest.raises(
        TrustError, match=r"^stick: metadata/timestamp\.json: timestamp has version 39, older than 40, which this gate has had in force \(import current trust"
    ):
        floor.require({"root": 2, "timestamp": 39, "hk": 7}, "stick")
    with pytest.raises(TrustError, match="stick: hk has version 0"):
        floor.require({"root": 2, "timestamp": 40}, "stick")


def test_whoever_only_looks_writes_nothing(path: Path, floor: Floor) -> None:
    floor.raise_versions({"hk": 7})
    floor.close()
    before = path.read_bytes()
    with closing(Floor.open(path, "read")) as looking:
        assert (looking.versions(), looking.latest_seen()) == ({"hk": 7}, NOW)
        assert "can only be read" in refusal(lambda: looking.saw(NOW + 1)).what
    assert path.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_makes_no_floor_in_somebody_else_s_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    error = refusal(lambda: Floor.create(tmp_path / "floor", NOW))
    assert "belongs to user 65534, and this is root" in error.what
    assert error.remedy == "run it as that user: sudo -u '#65534' gatectl keys ..."
    assert list(tmp_path.iterdir()) == []


def test_forget_time(floor: Floor) -> None:
    floor.saw(NOW + 1e6)
    assert floor.forget_time(NOW + 5) == NOW + 5
    assert floor.latest_seen() == NOW + 5


def test_forget_time_never_below_what_was_signed(floor: Floor) -> None:
    floor.saw_signed(NOW + 50)
    floor.saw(NOW + 1e6)
    assert floor.forget_time(NOW) == NOW + 50


@pytest.mark.parametrize("at", [-1.0, MAX_TIME + 1.0, math.nan, math.inf])
def test_what_is_no_time(path: Path, floor: Floor, at: float) -> None:
    for do in (floor.saw, floor.saw_signed, floor.forget_time):
        assert "no time" in refusal(lambda do=do: do(at)).what
    assert "no time" in refusal(lambda: Floor.create(path.with_name("other"), at)).what
    assert not path.with_name("other").exists()


def test_a_version_out_of_range_is_not_remembered(floor: Floor) -> None:
    refusal(lambda: floor.raise_versions({"hk": MAX_VERSION + 1}))
    assert floor.versions() == {}


def test_nothing_is_written_when_nothing_is_higher(path: Path, floor: Floor) -> None:
    """A gate that starts, or loads what it had, spares its disk."""
    floor.raise_versions({"hk": 7})
    changes = floor._db.total_changes
    floor.raise_versions({"hk": 7, "mo": 0})
    floor.saw(NOW)
    floor.saw_signed(0)
    assert floor._db.total_changes == changes


# -- the file ---------------------------------------------------------------------------------------------------------


def test_missing(path: Path) -> None:
    assert "is missing" in refusal(lambda: Floor.open(path)).what
    assert "gatectl keys init" in refusal(lambda: Floor.open(path)).remedy
    assert not path.exists()


def test_made_only_once(path: Path, floor: Floor) -> None:
    floor.raise_versions({"hk": 7})
    assert "is there already" in refusal(lambda: Floor.create(path, NOW)).what
    assert floor.versions() == {"hk": 7}


def test_a_link_that_leads_nowhere_is_no_place_to_make_it(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))
    assert "is there already" in refusal(lambda: Floor.create(path, NOW)).what


def test_the_directory_is_missing(path: Path) -> None:
    refusal(lambda: Floor.create(path.parent / "nowhere" / "floor", NOW))


def spoil(path: Path, how: str) -> None:
    if how == "empty":
        path.write_bytes(b"")
    elif how == "garbage":
        path.write_bytes(b"garbage " * 1000)
    elif how == "cut off":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "zeros in the middle":
        content = path.read_bytes()
        path.write_bytes(content[:4096] + bytes(4096) + content[8192:])
    elif how == "a directory":
        path.unlink()
        path.mkdir()
    else:
        with closing(sqlite3.connect(path)) as db:
            db.execute(
                {"another program's": "PRAGMA application_id = 1", "another version's": "PRAGMA user_version = 9", "without the time": "DELETE FROM time"}[how]
            )
            db.commit()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("empty", "is empty: it was truncated"),
        ("garbage", "the file is damaged"),
        ("cut off", "the file is damaged"),
        ("zeros in the middle", "fails SQLite's integrity check"),
        ("a directory", "is not a regular file"),
        ("another program's", "is not a trust floor of this version"),
        ("another version's", "is not a trust floor of this version"),
        ("without the time", "has lost the time"),
    ],
)
def test_a_file_that_is_no_floor_is_refused_and_left_alone(path: Path, floor: Floor, how: str, says: str) -> None:
    floor.close()
    spoil(path, how)
    before = path.read_bytes() if path.is_file() else None
    error = refusal(lambda: Floor.open(path))
    assert says in error.what
    assert "gatectl keys init" in error.remedy or "[keys]" in error.remedy or "configuration" in error.remedy
    refusal(lambda: Floor.create(path, NOW))
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_time_out_of_range_cannot_be_written_into_the_file(path: Path, floor: Floor) -> None:
    with closing(sqlite3.connect(path)) as db, pytest.raises(sqlite3.IntegrityError):
        db.execute("UPDATE time SET observed = 1e300")


def test_wiped_while_in_use(path: Path, floor: Floor) -> None:
    path.unlink()
    assert "is missing" in refusal(lambda: floor.saw(NOW + 1)).what


def test_replaced_while_in_use(path: Path, floor: Floor) -> None:
    path.rename(path.with_name("old"))
    Floor.create(path, NOW).close()
    assert "was replaced while in use" in refusal(lambda: floor.saw(NOW + 1)).what


def test_a_file_that_may_only_be_read(open_directory: Path, without_root: Callable[[], AbstractContextManager[None]]) -> None:
    path = open_directory / "floor.sqlite"
    Floor.create(path, NOW).close()
    path.chmod(0o444)
    with without_root():
        refusal(lambda: Floor.open(path))


def test_locked_by_another_program(path: Path, floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    floor._db.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in refusal(lambda: floor.saw(NOW + 1)).what
    floor.saw(NOW + 1)


# -- several at a time ------------------------------------------------------------------------------------------------


def test_two_processes_write(path: Path, floor: Floor) -> None:
    """The gate notes the time while an import raises versions; each keeps what the other wrote."""
    code = "import sys; from pathlib import Path; from gate_controller.trust.floor import Floor; floor = Floor.open(Path(sys.argv[1]))\n"
    code += f"for n in range(1, 6): floor.raise_versions({{'hk': n}}); floor.saw({NOW} + n)"
    with subprocess.Popen([sys.executable, "-c", code, str(path)]) as other:
        for number in range(1, 6):
            floor.raise_versions({"mo": number})
            floor.saw(NOW + 10 * number)
    assert other.returncode == 0
    assert floor.versions() == {"hk": 5, "mo": 5}
    assert floor.latest_seen() == NOW + 50


def test_threads_share_one_floor(floor: Floor) -> None:
    threads = [threading.Thread(target=lambda n=n: [floor.raise_versions({"hk": n}), floor.saw(NOW + n), floor.versions()]) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert floor.versions() == {"hk": 8}
    assert floor.latest_seen() == NOW + 8


def test_only_owner_and_group_read_it(path: Path, floor: Floor) -> None:
    assert os.stat(path).st_mode & 0o7 == 0  # noqa: PTH116
