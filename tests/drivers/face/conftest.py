"""Pictures of the synthetic people, and matchers that are built once."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.face import DLIB, SFACE
from drivers.face.portrait import template_from
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.drivers import DriverContext

TOP = Path(__file__).parents[3]
PEOPLE = [f"person{number:02}" for number in range(1, 13)]


@cache
def _picture(name):
    image = cv2.imread(str(TOP / "simulators" / "data" / "faces" / f"{name}.jpg"))
    assert image is not None, name
    image.setflags(write=False)
    return image


@pytest.fixture(scope="session")
def picture():
    """Read one picture by name, e.g. "person01_1"; 480 x 640 x 3, read-only."""
    return _picture


@pytest.fixture(scope="session")
def people():
    return PEOPLE


@pytest.fixture(scope="session")
def context():
    def warn(line):
        raise AssertionError(line)

    return DriverContext(SystemClock(), TOP / "var" / "models", warn)


@pytest.fixture(scope="session")
def sface(context):
    return SFACE.build(SFACE.options(), context)


@pytest.fixture(scope="session")
def dlib(context):
    return DLIB.build(DLIB.options(), context)


@pytest.fixture(scope="session")
def enrolled(sface):
    """The template of a person's portrait, by SFace."""
    return cache(lambda person: template_from(sface, _picture(f"{person}_1")))


@pytest.fixture(scope="session")
def compose():
    """Lay scaled pictures on a plain grey frame: compose((name, scale, x, y), ...) with the top left corner of each."""

    def compose(*placed, size=(480, 640)):
        frame = np.full((*size, 3), 90, np.uint8)
        for name, scale, x, y in placed:
            # The head alone, so that two people can stand side by side.
            head = cv2.resize(_picture(name)[60:440, 150:490], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            rows, columns = frame[y : y + head.shape[0], x : x + head.shape[1]].shape[:2]
            frame[y : y + rows, x : x + columns] = head[:rows, :columns]
        return frame

    return compose
