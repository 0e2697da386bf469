"""How the stores open SQLite, and what becomes of its errors."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from gate_controller.ports import sqlite
from gate_controller.ports.errors import StoreError


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "some.db"
    with sqlite.created(path, "thing") as draft, contextlib.closing(sqlite.connect(draft, "thing", "write")) as connection:
        connection.execute("CREATE TABLE t(x TEXT NOT NULL)")
    return path


def test_a_new_database_appears_complete_and_alone(database: Path) -> None:
    assert list(database.parent.iterdir()) == [database]
    assert database.stat().st_mode & 0o777 == 0o640
    with contextlib.closing(sqlite.connect(database, "thing", "read")) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("t",)]


def test_a_failure_while_it_is_made_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with sqlite.created(tmp_path / "some.db", "thing") as draft:
            draft.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_draft_that_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "some.db.new").write_bytes(b"half")
    (tmp_path / "some.db.new-wal").write_bytes(b"half")
    with sqlite.created(tmp_path / "some.db", "thing") as draft:
        assert draft.read_bytes() == b""
    assert [path.name for path in tmp_path.iterdir()] == ["some.db"]


def test_a_database_that_appeared_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="File exists"), sqlite.created(tmp_path / "some.db", "thing"):
        (tmp_path / "some.db").write_bytes(b"another's")
    assert (tmp_path / "some.db").read_bytes() == b"another's"


def test_a_lock_held_by_another_program_is_an_error_after_a_while(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_S", 0.0)
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other, contextlib.closing(sqlite.connect(database, "thing", "write")) as ours:
        other.execute("BEGIN IMMEDIATE")
        with (
            pytest.raises(StoreError, match=r"another program holds it locked \(SQLITE_BUSY"),
            sqlite.store_errors(database, "thing"),
            sqlite.transaction(ours),
        ):
            pass
        other.execute("ROLLBACK")
        with sqlite.transaction(ours):
            ours.execute("INSERT INTO t VALUES ('kept')")
    with contextlib.closing(sqlite.connect(database, "thing", "read")) as reader:
        assert reader.execute("SELECT x FROM t").fetchall() == [("kept",)]


def test_a_failed_transaction_leaves_nothing_and_the_connection_usable(database: Path) -> None:
    def insert(connection: sqlite3.Connection, *values: str | None) -> None:
        with sqlite.store_errors(database, "thing"), sqlite.transaction(connection):
            for value in values:
                connection.execute("INSERT INTO t VALUES (?)", (value,))

    with contextlib.closing(sqlite.connect(database, "thing", "write")) as connection:
        with pytest.raises(StoreError, match="breaks a rule"):
            insert(connection, "lost", None)
        insert(connection, "kept")
        assert connection.execute("SELECT x FROM t").fetchall() == [("kept",)]


def test_an_error_never_quotes_a_row(database: Path) -> None:
    with contextlib.closing(sqlite.connect(database, "thing", "write")) as connection:
        connection.execute("INSERT INTO t VALUES (CAST(x'736563726574ff' AS TEXT))")  # "secret", and a byte that is not UTF-8
        with pytest.raises(StoreError) as caught, sqlite.store_errors(database, "thing"):
            connection.execute("SELECT x FROM t").fetchall()
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["a?b#c%20.db", "空 格.db", "quote'\".db"])
def test_any_file_name_will_do(tmp_path: Path, path: str) -> None:
    with sqlite.created(tmp_path / path, "thing") as draft, contextlib.closing(sqlite.connect(draft, "thing", "write")) as connection:
        connection.execute("CREATE TABLE t(x)")
    with contextlib.closing(sqlite.connect(tmp_path / path, "thing", "write")):
        assert (tmp_path / path).exists()


@pytest.mark.parametrize("schema", ["CREATE VIEW v AS SELECT load_extension('x')"])
def test_what_a_schema_may_call_is_limited(database: Path, schema: str) -> None:
    with contextlib.closing(sqlite3.connect(database)) as other:
        other.execute(schema)
    with (
        contextlib.closing(sqlite.connect(database, "thing", "write")) as connection,
        pytest.raises(StoreError, match="refused by SQLite"),
        sqlite.store_errors(database, "thing"),
    ):
        connection.execute("SELECT * FROM v").fetchall()
