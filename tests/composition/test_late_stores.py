"""A store that cannot be opened now is opened later, and says until then what keeps it (INV-4)."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from pathlib import Path

import pytest

from gate_controller.composition import compose
from gate_controller.composition.journal import latched_before
from gate_controller.composition.late import Late
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Region
from gate_controller.journal import Signer, SqliteJournal
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import ConfigurationError, StoreError, StoreHeldError
from gate_controller.settings import load
from tests.daemon.conftest import Site


class Fault:
    """Makes the calls on files below a directory fail, as long as it is on."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number: int | None = None
        self._directory = str(directory)
        for owner, name in ((os, "open"), (os, "stat"), (os, "lstat"), (os, "readlink"), (os, "scandir"), (os, "listdir"), (sqlite3, "connect")):
            monkeypatch.setattr(owner, name, self._failing(getattr(owner, name)))

    def _failing(self, real):
        def call(path=".", *arguments, **options):
            if self.number is not None and not isinstance(path, int) and self._directory in os.fsdecode(path):
                raise OSError(self.number, os.strerror(self.number))
            return real(path, *arguments, **options)

        return call


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS], ids=errno.errorcode.get)
def test_whatever_the_disk_says_the_stores_are_lost_and_found_again(number, tmp_path, monkeypatch):
    site = Site(tmp_path)
    site.trust.bring(site.config)
    settings, clock = load(site.config), SystemClock()
    root = (tmp_path / "root.json").read_bytes()
    monkeypatch.setattr("gate_controller.composition.trust.read_pinned_root", lambda _keys: root)  # that is the configuration
    fault = Fault(tmp_path, monkeypatch)
    fault.number = number
    with contextlib.ExitStack() as stack:
        stores = compose._stores(settings, clock, stack)
        asked = (
            lambda: stores.replay.last_presented(bytes(16)),
            lambda: stores.enrolment.find(Region.HK, bytes(16)),
            lambda: stores.journal.event("note", {}, 1.0),
            lambda: stores.trust.observe(clock.wall()),
        )
        for ask in asked:
            with pytest.raises(StoreError):
                ask()
        assert stores.trust.look(clock.wall())[1] is not None, "closed"
        assert latched_before(settings.journal.path) is Reason.RESTARTED, "nobody knows"
        fault.number = None
        assert stores.trust._store.refresh(clock.wall()) or stores.trust._store.problem is None
        for ask in asked:
            ask()
        assert stores.trust.look(clock.wall())[1] is None, "open"
        assert stores.journal.close_open(2.0, Direction.HK_TO_MO) == []


def test_a_second_gate_and_a_wrong_configuration_end_the_start(tmp_path):
    signer = Signer("e-channel/MO-GB-07/journal", b"k" * 32)
    with contextlib.closing(SqliteJournal(tmp_path / "journal.db", signer)), pytest.raises(StoreHeldError):
        Late(lambda: SqliteJournal(tmp_path / "journal.db", signer))

    def unconfigured() -> SqliteJournal:
        raise ConfigurationError("no key")

    with pytest.raises(ConfigurationError):
        Late(unconfigured)


def test_one_that_was_closed_is_not_opened_any_more(tmp_path):
    opened = []

    def refuse() -> SqliteJournal:
        opened.append(1)
        raise StoreError("full")

    late = Late(refuse)
    late.close()
    with pytest.raises(StoreError, match="closed"):
        late.get()
    assert len(opened) == 1
