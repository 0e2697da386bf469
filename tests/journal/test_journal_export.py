"""What a third party is handed: left out, doubled, turned round, blanked, of another gate, not comparable, or nonsense, all of it is refused."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from copy import copy
from pathlib import Path

import pytest

from gate_controller.journal import JournalReader, Signer, SqliteJournal
from gate_controller.journal.proofs import NoProofError, export
from tests.journal import independent
from tests.journal.conftest import KEY, Days, Forger

PUBLIC = str(KEY.key)
DAY_S = 86_400


def exported(path, first=1, last=None):
    with JournalReader(path) as reader:
        return [json.dumps(line) for line in export(reader, first, last)]


def checkpoints(path):
    with JournalReader(path) as reader:
        return dict(reader.checkpoints())


def changed(line, **fields):
    return json.dumps(json.loads(line) | fields)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """120 rows, signed at 100 and 120, with the time of the last."""
    path, days = tmp_path_factory.mktemp("whole") / "journal.db", Days()
    with contextlib.closing(SqliteJournal(path, KEY)) as journal:
        days.fill(journal, 120)
    return path, days


@pytest.fixture(scope="module")
def lines(whole):
    return exported(whole[0])


@pytest.fixture(scope="module")
def retained(tmp_path_factory):
    """Twenty rows whose personal bodies are deleted, row 21 that says so, and five of later; and the bodies that were deleted."""
    path, days = tmp_path_factory.mktemp("retained") / "journal.db", Days()
    with contextlib.closing(SqliteJournal(path, KEY, retention_days=1)) as journal:
        days.fill(journal, 20)
        journal.tend(days.now + 61)
        before = exported(path)
        days.now += 3 * DAY_S
        journal.tend(days.now)
        assert list(checkpoints(path)) == [20, 21], "a deletion is signed with its row, so that it can be proven at once"
        days.fill(journal, 5)
    return path, before


def is_crossing(line):
    return json.loads(line)["leaf"]["kind"] == "crossing"


@pytest.mark.parametrize(
    ("forged", "how"),
    [
        (lambda lines: lines[:50] + lines[51:], "row 51 does not follow the one before it"),
        (lambda lines: [lines[0], *(line for line in lines[1:] if not is_crossing(line))], "row 4 does not follow"),
        (lambda lines: [*lines, lines[5]], "row 5 does not follow"),
        (lambda lines: [*lines[:6], lines[5], *lines[6:]], "row 5 does not follow"),
        (lambda lines: [lines[0], *lines[:0:-1]], "row 119 does not follow"),
        (lambda lines: [changed(lines[0], verifier_key=str(Signer("e-channel/MO-GB-08/journal", b"x" * 32).key)), *lines[1:]], "the export of another gate"),
        (lambda lines: [*lines[:3], changed(lines[3], salt=None, body=None), *lines[4:]], "a body is gone without a word: row 3"),
        (lambda lines: lines[:1], "no rows"),
        (lambda _: [], "ValueError"),
        (lambda lines: [*lines[:3], "{"], "JSONDecodeError"),
        (lambda lines: [*lines[:2], changed(lines[2], leaf=[])], "a leaf of another form|AttributeError"),
        (lambda lines: [*lines[:2], "[" * 100_000], "RecursionError"),
        (lambda lines: [*lines[:2], "7"], "AttributeError"),
        (lambda lines: [*lines[:2], changed(lines[2], proof=None)], "TypeError"),
        (lambda lines: [*lines[:2], changed(lines[2], proof=["~"])], "Error"),
        (lambda lines: [*lines[:2], changed(lines[2], more=1)], "a line of another form"),
        (lambda lines: [changed(lines[0], checkpoint="x\n\n— a b c\n"), *lines[1:]], "not a signature line"),
        (lambda lines: [changed(lines[0], checkpoint=json.loads(lines[0])["checkpoint"].replace("— ", "— a b ")), *lines[1:]], "not a signature line"),
        (lambda lines: [changed(lines[0], checkpoint=7), *lines[1:]], "AttributeError"),
        (lambda lines: [json.dumps({"verifier_key": PUBLIC}), *lines[1:]], "a first line of another form"),
    ],
)
def test_a_forged_export_is_refused(lines, forged, how):
    assert len(independent.check_export(lines, PUBLIC)) == 120
    with pytest.raises(independent.Refused, match=how):
        independent.check_export(forged(lines), PUBLIC)


def test_a_kept_checkpoint_is_compared_or_the_export_is_refused(whole, lines):
    kept = checkpoints(whole[0])
    for enough in (lines, exported(whole[0], 1, 100)):
        independent.check_export(enough, PUBLIC, kept.values())
    independent.check_export(exported(whole[0], 7, 9), PUBLIC, [kept[120]])
    for too_few in (exported(whole[0], 2), exported(whole[0], 1, 99)):
        with pytest.raises(independent.Refused, match="rows 1 to 100 are needed to compare it"):
            independent.check_export(too_few, PUBLIC, kept.values())


def test_a_fork_is_found_whichever_rows_are_exported(whole, tmp_path):
    heads = []
    for name in ("one.db", "other.db"):
        path, days = tmp_path / name, copy(whole[1])
        shutil.copy(whole[0], path)
        days.now += len(heads)
        with contextlib.closing(SqliteJournal(path, KEY)) as journal:
            days.fill(journal, 10)
        heads.append(checkpoints(path)[130])
    for first in (1, 2, 130):
        independent.check_export(exported(path, first), PUBLIC, [heads[1]])
        with pytest.raises(independent.Refused, match="forked from a checkpoint that was kept"):
            independent.check_export(exported(path, first), PUBLIC, [heads[0]])


def test_what_retention_deleted_is_proven_by_the_row_that_says_so_wherever_the_export_ends(retained):
    path, before = retained
    for first, last in ((1, None), (1, 20), (3, 9), (22, 26)):
        found = independent.check_export(exported(path, first, last), PUBLIC)
        assert list(found) == list(range(first, (last or 26) + 1))
    assert json.loads(exported(path, 3, 9)[0])["deletion"]["leaf"]["number"] == 21
    assert json.loads(before[0])["deletion"] is None


def test_what_was_deleted_is_not_put_back_into_an_export_nor_is_more_blanked(retained):
    path, before = retained
    lines = exported(path)
    back = changed(lines[1], **{name: json.loads(before[1])[name] for name in ("salt", "body")})
    with pytest.raises(independent.Refused, match=r"a body that was deleted is there: row 1$"):
        independent.check_export([lines[0], back, *lines[2:]], PUBLIC)
    with pytest.raises(independent.Refused, match="a body is gone without a word: row 22"):
        independent.check_export([*lines[:22], changed(lines[22], salt=None, body=None), *lines[23:]], PUBLIC)
    with pytest.raises(independent.Refused, match=r"a body is gone without a word: row 1$"):
        independent.check_export([changed(lines[0], deletion=None), *lines[1:]], PUBLIC)
    with pytest.raises(independent.Refused, match="the first line does not name the last deletion"):
        independent.check_export([changed(lines[0], deletion=None), *lines[21:]], PUBLIC)
    for other in (lines[1], lines[5], lines[23]):
        with pytest.raises(independent.Refused, match="not a row that says what was deleted"):
            independent.check_export([changed(lines[0], deletion=json.loads(other)), *lines[1:]], PUBLIC)


def test_what_was_deleted_and_put_back_into_the_file_is_refused(retained, journal_path):
    path, before = retained
    shutil.copy(path, journal_path)
    line = json.loads(before[1])
    Forger(journal_path)(f"INSERT INTO contents VALUES (1, x'{line['salt']}', '{independent.canonical(line['body'])}')")
    with pytest.raises(independent.Refused, match=r"a body that was deleted is there: row 1$"):
        independent.check_file(journal_path, PUBLIC)


def test_a_body_that_goes_while_it_is_exported_ends_the_export(whole, journal_path):
    shutil.copy(whole[0], journal_path)
    with JournalReader(journal_path) as reader:
        lines = export(reader)
        next(lines)
        Forger(journal_path)("DELETE FROM contents WHERE id = 1")
        with pytest.raises(NoProofError, match=r"row 1 lost its body while it was exported, or without a word .*export again"):
            next(lines)


@pytest.mark.parametrize("to_ms", ["1", ""])
def test_a_clock_that_went_back_to_another_time_than_was_said_is_refused(journal_path, to_ms):
    """Signed by somebody who has the key: the rows must still agree with each other."""
    days = Days()
    with contextlib.closing(SqliteJournal(journal_path, KEY)) as journal:
        days.fill(journal, 10)
        journal.event("time_went_back", {"from_ms": str(round(days.now * 1000)), "to_ms": to_ms}, days.now)
        journal._head.latest_ms = 0
        journal.event("note", {}, days.now - 100)
    with pytest.raises(independent.Refused, match="time goes back at row 12, and no row says to when"):
        independent.check_file(journal_path, PUBLIC)
    with pytest.raises(independent.Refused, match="time goes back at row 12, and no row says to when"):
        independent.check_export(exported(journal_path), PUBLIC)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE contents SET body = '{' WHERE id = 7",
        "UPDATE contents SET body = '[]' WHERE id = 7",
        "UPDATE checkpoints SET note = 'x' WHERE size = 100",
        "UPDATE checkpoints SET note = replace(note, '— ', '— a b ') WHERE size = 100",
        "DELETE FROM identity",
        "DROP TABLE checkpoints",
    ],
)
def test_nonsense_in_a_file_is_refused(whole, journal_path, statement):
    shutil.copy(whole[0], journal_path)
    Forger(journal_path)(statement, keep_rules="DROP" not in statement)
    with pytest.raises(independent.Refused):
        independent.check_file(journal_path, PUBLIC)


def test_the_command_ends_in_one_line_whatever_it_is_given(lines, tmp_path):
    (tmp_path / "good").write_text("\n".join(lines))
    (tmp_path / "bad").write_text("{")
    (tmp_path / "binary").write_bytes(b"\xff")
    for name, code, says in (
        ("good", 0, "rows 1 to 120 are under the checkpoint, of 120 rows"),
        ("bad", 1, "refused: "),
        ("binary", 1, "refused: "),
        ("gone", 1, "refused: "),
    ):
        done = subprocess.run([sys.executable, independent.__file__, PUBLIC, tmp_path / name], check=False, capture_output=True, text=True, cwd=Path("/"))
        assert (done.returncode, (done.stdout + done.stderr).count("\n")) == (code, 1), done
        assert says in done.stdout + done.stderr
