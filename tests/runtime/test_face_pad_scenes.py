"""The face worker with the real models and judge before the simulated camera, in virtual time: however slow the machine, 15 frames a second."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from drivers.face import SFACE
from drivers.pad import PASSIVE
from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Modality
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.drivers import DriverContext
from gate_controller.runtime.face_worker import FaceWorker
from simulators.camera.memory import MemoryCamera
from simulators.camera.scenes import FACES

TOP = Path(__file__).parents[2]
THRESHOLD = 0.82  # of the simulated configuration


@pytest.fixture(scope="module")
def context():
    return DriverContext(SystemClock(), TOP / "var" / "models", print)


@pytest.fixture(scope="module")
def sface(context):
    return SFACE.build(SFACE.options(), context)


@pytest.fixture
def lane(sface, context, clock, session, around, inbox, make_record, change, monkeypatch):
    monkeypatch.setattr("gate_controller.runtime.face_worker.IDLE_INTERVAL_S", 0.0)

    def wait(until: float) -> None:
        clock.now = max(clock.now, until)

    camera = MemoryCamera(clock, wait)
    options = change(around.options, face_threshold=THRESHOLD)
    judge = PASSIVE.build(PASSIVE.options(), context)
    worker = FaceWorker(camera, sface, session, type(around)(clock, inbox, options), judge=judge)
    camera.open(clock.now + 1)
    worker.opened()

    class Lane:
        def cross(self, person: str, picture: str, *, before_s: float = 1.0, check_s: float = 4.0) -> dict[Modality, tuple[CheckOutcome, Reason | None]]:
            """The person comes in, the doors shut, the checks run; what they ended with."""
            portrait = cv2.imread(str(FACES / f"{person}_1.jpg"))
            record = make_record(b"finger")
            session.expect("x")
            session.keep("x", change(record, faces=(sface.template(sface.analyse(portrait).probe),)))
            camera.scene(kind="face", person=person, picture=picture)
            worker.submit(c.GatherPadEvidence("x"))
            self.run(before_s)
            worker.submit(c.StartCheck("x", Modality.FACE, 20.0))
            worker.submit(c.StartCheck("x", Modality.PAD, 20.0))
            self.run(check_s)
            return {event.modality: (event.outcome, event.reason) for event in inbox.of(e.CheckEnded)}

        def run(self, seconds: float) -> None:
            until = clock.now + seconds
            while clock.now < until and Modality.PAD not in {event.modality for event in inbox.of(e.CheckEnded)}:
                worker.step()

    return Lane()


def test_a_living_traveller_passes(lane):
    assert lane.cross("person08", "live") == {Modality.FACE: (CheckOutcome.SUCCESSFUL, None), Modality.PAD: (CheckOutcome.SUCCESSFUL, None)}


@pytest.mark.parametrize("picture", ["print", "replay"])
def test_the_victims_picture_matches_and_is_an_alarm(lane, picture):
    assert lane.cross("person11", picture)[Modality.PAD] == (CheckOutcome.FAILED, Reason.PAD_ALARM)
