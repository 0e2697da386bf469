"""Entries of systemd's journal: a socket of this test's plays its part."""

import os
import socket
import struct

import pytest

from gate_controller.runtime import journald
from gate_controller.runtime.background_log import BackgroundLog

PATIENCE_S = 30.0


def fields_of(data):
    """The journal's own reading of an entry (its native protocol)."""
    found = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
        found[name.decode()] = value.decode()
        data = rest
    return found


def test_an_entry_has_the_events_fields_by_name():
    event = {"event": "device", "level": "warning", "device": "io_board", "code": "timeout", "detail": "no answer", "none": None}
    found = fields_of(journald.entry("gate-controller", event))
    assert found == {
        "MESSAGE": 'device device=io_board code=timeout detail="no answer"',
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "gate-controller",
        "GATE_DEVICE": "io_board",
        "GATE_CODE": "timeout",
        "GATE_DETAIL": "no answer",
    }


@pytest.mark.parametrize("value", ["two\nlines", "PRIORITY=0\nMESSAGE=forged", "\x00\ud800", "x" * 100_000, ""])
def test_no_value_becomes_another_field_or_too_long(value):
    found = fields_of(journald.entry("g", {"event": "e", "level": "info", "odd-näme": value}))
    assert found.keys() == {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "GATE_ODD_N_ME"}
    assert found["PRIORITY"] == "6"
    assert len(found["GATE_ODD_N_ME"]) <= journald.FIELD_BYTES


def test_a_bugs_traceback_follows_its_message():
    found = fields_of(journald.entry("g", {"event": "failed", "level": "error", "exception": "Traceback:\n  x"}))
    assert found["MESSAGE"] == "failed\nTraceback:\n  x"
    assert found["PRIORITY"] == "3"


def test_it_is_ours_only_where_standard_error_is_the_journals_stream(tmp_path):
    with (tmp_path / "stream").open("wb") as stream:
        found = os.fstat(stream.fileno())
        assert journald.is_ours(stream.fileno(), {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        for other in ("", "8:1", "garbage", f"{found.st_dev}:"):
            assert not journald.is_ours(stream.fileno(), {"JOURNAL_STREAM": other})
    assert not journald.is_ours(9999, {"JOURNAL_STREAM": "8:1"})


def test_entries_go_to_the_journal_and_to_standard_error_when_it_is_gone(open_directory):
    address = str(open_directory / "journal")
    reading, writing = os.pipe()
    entry = journald.entry("g", {"event": "state", "level": "info", "state": "ready"})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        server.settimeout(PATIENCE_S)
        log = BackgroundLog(writing, journald.JournalSocket(address))
        log.info(entry)
        assert server.recv(65536) == entry
    log.info(entry)
    assert log.flush(PATIENCE_S)
    assert os.read(reading, 100) == b"state state=ready\n"
    for end in (reading, writing):
        os.close(end)
