"""A healthy simulated gate for the tests of a module; each mends what it broke."""

import pytest

from tests.doctor.gate import BrokenGate


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    made = BrokenGate(tmp_path_factory.mktemp("g"))
    made.mend()
    yield made
    made.close()
