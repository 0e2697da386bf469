from __future__ import annotations

import contextlib
import fcntl
import os

import pytest

from gate_controller.runtime.background_log import QUEUED_AT_MOST, BackgroundLog

PATIENCE_S = 30.0


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    ends = {"read": reading, "write": writing}
    yield ends
    for end in ends.values():
        os.close(end)


def test_lines_arrive_in_order(pipe):
    log = BackgroundLog(pipe["write"])
    log.info("one")
    log.error("two")
    assert log.flush(PATIENCE_S)
    assert os.read(pipe["read"], 100) == b"one\ntwo\n"


def test_a_reader_that_stalls_blocks_nobody_and_learns_how_much_was_dropped(pipe):
    log = BackgroundLog(pipe["write"])
    for _ in range(QUEUED_AT_MOST + 500):
        log.info("x" * 99)  # many times what the pipe and the queue hold; would block for ever if anything waited
    assert not log.flush(0.0)
    heard = b""
    while b"dropped" not in heard:
        heard += os.read(pipe["read"], 65536)
    os.set_blocking(pipe["read"], False)
    while not log.flush(0.01):
        with contextlib.suppress(BlockingIOError):
            heard += os.read(pipe["read"], 65536)
    assert b" log lines were dropped\n" in heard


def test_a_reader_that_is_gone_hurts_nobody(pipe):
    log = BackgroundLog(pipe["write"])
    os.close(pipe.pop("read"))
    log.info("one")
    log.info("two")
    assert log.flush(PATIENCE_S)
