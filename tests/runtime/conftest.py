"""Each fake of a port as a fixture."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gate_controller.runtime.options import RuntimeOptions
from gate_controller.runtime.session import Session
from gate_controller.runtime.worker import Surroundings
from tests.runtime.fakes import Face, FakeBoard, FakeCamera, FakeClock, FakeJudge, FakeMatcher, FakeReader, FakeSink, FakeStores, FakeTrust, Inbox, enrolled


@pytest.fixture
def make_record():
    return enrolled


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def around(clock, inbox) -> Surroundings:
    return Surroundings(clock, inbox, RuntimeOptions("gate-test", face_threshold=1.0, poll_s=0.0, idle_poll_s=0.0, retry_s=(0.0, 0.0)))


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@pytest.fixture
def camera(clock) -> FakeCamera:
    return FakeCamera(clock)


@pytest.fixture
def matcher() -> FakeMatcher:
    return FakeMatcher()


@pytest.fixture
def make_face():
    return Face


@pytest.fixture
def judge() -> FakeJudge:
    return FakeJudge()


@pytest.fixture
def change():
    return replace


@pytest.fixture
def challenged(around) -> Surroundings:
    """A lane whose policy has challenges."""
    return replace(around, options=replace(around.options, pad_challenge=True))


@pytest.fixture
def stores() -> FakeStores:
    return FakeStores()


@pytest.fixture
def trust() -> FakeTrust:
    return FakeTrust()


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
def make_board():
    return FakeBoard
