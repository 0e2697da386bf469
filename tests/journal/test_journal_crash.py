"""What kill -9 and a full disk leave behind. Each writer is a process of its own, killed at a known or an arbitrary point."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gate_controller.core.values import Direction
from gate_controller.journal import EntryKind, JournalReader, SqliteJournal
from gate_controller.journal.key_file import signer_beside
from gate_controller.journal.verify import verify

PRELUDE = """
import os, resource, signal, sys
from pathlib import Path
from gate_controller.core.commands import CrossingRecord
from gate_controller.core.values import Direction, Outcome, Region
from gate_controller.journal import SqliteJournal
from gate_controller.ports.errors import StoreError

journal = SqliteJournal(Path(sys.argv[1]))

def admit(crossing_id):
    journal.admit(crossing_id, Region.HK, Direction.HK_TO_MO, 1.0)

def record(crossing_id):
    journal.record(CrossingRecord(crossing_id, Outcome.COMPLETED, None, True, Region.HK, Direction.HK_TO_MO), 1.0)

def die():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run(body: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PRELUDE + body, str(path)], check=False, timeout=60, capture_output=True, text=True)


@pytest.mark.invariant("INV-6")
def test_an_admission_survives_a_kill_right_after_it_returned(journal_path: Path) -> None:
    assert run("admit('a'); record('a'); admit('b'); die()", journal_path).returncode == -signal.SIGKILL
    with contextlib.closing(SqliteJournal(journal_path)) as journal:
        assert journal.close_open(10.0, Direction.HK_TO_MO) == ["b"]


@pytest.mark.invariant("INV-6")
def test_an_outcome_survives_a_kill_right_after_it_returned(journal_path: Path) -> None:
    assert run("admit('a'); record('a'); die()", journal_path).returncode == -signal.SIGKILL
    with contextlib.closing(SqliteJournal(journal_path)) as journal:
        assert journal.close_open(10.0, Direction.HK_TO_MO) == []


@pytest.mark.invariant("INV-6")
def test_a_kill_amid_a_transaction_leaves_nothing_of_it(journal_path: Path) -> None:
    body = """
admit('a')
journal._connection.execute('BEGIN IMMEDIATE')
journal._connection.execute(
    "INSERT INTO entries SELECT 2, kind, label, 'b', personal, wall_ms, commitment FROM entries"
)
die()
"""
    assert run(body, journal_path).returncode == -signal.SIGKILL
    with contextlib.closing(SqliteJournal(journal_path)) as journal:
        assert journal.close_open(10.0, Direction.HK_TO_MO) == ["a"]


@pytest.mark.invariant("INV-6")
@pytest.mark.parametrize("lines", [1, 24, 205])
def test_every_admission_has_one_outcome_whenever_the_writer_was_killed(journal_path: Path, lines: int) -> None:
    body = "\nfor n in range(10**6):\n    admit(f'c{n}'); print('admitted', n, flush=True); record(f'c{n}'); print('recorded', n, flush=True)\n"
    with subprocess.Popen([sys.executable, "-c", PRELUDE + body, str(journal_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline().split() for _ in range(lines)]
        writer.kill()
        said += [line.split() for line in writer.stdout.read().splitlines() if line.count(" ") == 1]
    with contextlib.closing(SqliteJournal(journal_path)) as journal:
        cut_short = journal.close_open(10.0, Direction.HK_TO_MO)
    assert len(cut_short) <= 1
    with JournalReader(journal_path) as reader:
        found = list(reader.entries())
        assert verify(reader, signer_beside(journal_path).key).rows == len(found)
    admitted = [entry.body["crossing_id"] for entry in found if entry.kind is EntryKind.ADMISSION]
    outcomes = {entry.body["crossing_id"]: entry.body["outcome"] for entry in found if entry.kind is EntryKind.CROSSING}
    assert sorted(admitted) == sorted(outcomes)
    assert len([entry for entry in found if entry.kind is not EntryKind.EVENT]) == 2 * len(outcomes)
    for verb, number in said:
        assert f"c{number}" in admitted
        if verb == "recorded":
            assert outcomes[f"c{number}"] == "completed"


def test_the_lock_of_a_killed_writer_is_free(journal_path: Path) -> None:
    run("die()", journal_path)
    SqliteJournal(journal_path).close()


def test_a_file_system_that_takes_no_more_is_an_error_with_a_remedy(journal_path: Path) -> None:
    # A limit on the size of files: write() fails as it does on a broken or full disk.
    body = """
admit('a')
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
try:
    for n in range(1000):
        journal.event('filling', {'text': 'x' * 900}, 1.0)
except StoreError as error:
    print(error.what, '|', error.remedy)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
record('a')
"""
    done = run(body, journal_path)
    assert done.returncode == 0, done.stderr
    assert "reading or writing it failed" in done.stdout or "the disk is full" in done.stdout
    assert "free space" in done.stdout
    with JournalReader(journal_path) as reader:
        *_, last = reader.entries()
    assert last.kind is EntryKind.CROSSING


@pytest.mark.invariant("INV-4")
def test_after_a_kill_it_opens_on_a_disk_that_takes_no_more_and_goes_on_when_there_is_room(journal_path: Path) -> None:
    run("[journal.event('note', {'text': 'x' * 900}, 1.0) for _ in range(60)]; admit('a'); die()", journal_path)
    body = """
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(journal.close_open(2.0, Direction.HK_TO_MO))
"""
    # Not a byte fits but into the log's index, which is as large as ever.
    limits = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (32768, resource.RLIM_INFINITY))"
    )
    refused = """
try:
    journal.event('note', {}, 1.0)
except StoreError as error:
    print('refused')
"""
    done = subprocess.run([sys.executable, "-c", limits + PRELUDE + refused + body, str(journal_path)], check=False, timeout=60, capture_output=True, text=True)
    assert (done.stdout.split(), done.returncode) == (["refused", "['a']"], 0), done.stderr
