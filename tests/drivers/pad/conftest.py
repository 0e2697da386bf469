"""A judge, a detector that places faces for it, and short sequences of people it was not tuned on."""

from functools import cache
from pathlib import Path

import pytest

from drivers.face.detection import Detector, choose_probe
from drivers.face.weights import YUNET_2023MAR, read_checked
from drivers.pad import PASSIVE
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import Frame
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.pad import FacePlace
from simulators.pad.sequences import frames

TOP = Path(__file__).parents[3]
MODELS = TOP / "var" / "models"


@pytest.fixture(scope="session")
def context():
    def warn(line):
        raise AssertionError(line)

    return DriverContext(SystemClock(), MODELS, warn)


@pytest.fixture
def passive(context):
    return PASSIVE.build(PASSIVE.options(), context)


@pytest.fixture(scope="session")
def detector():
    return Detector(read_checked(MODELS, YUNET_2023MAR), 0.6)


@pytest.fixture(scope="session")
def place(detector):
    """The traveller's face in an image, or None."""

    def place(image):
        face = choose_probe(detector.find(image), image, 60)
        return None if face is None else FacePlace(tuple(float(value) for value in face.row[:4]), face.landmarks)

    return place


@pytest.fixture(scope="session")
def seen(place):
    """A sequence as the worker sees it, made once: seen(kind, person, count) -> [(Frame, FacePlace), ...]."""

    @cache
    def seen(kind, person, count=20, seed=0):
        return [(Frame(shot.image, shot.stamp, number), place(shot.image)) for number, shot in enumerate(frames(kind, person, seed, count))]

    return seen
