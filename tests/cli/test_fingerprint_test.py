"""`gatectl fingerprint test` where no gate controller runs: the reader's own answers, over a fake."""

import contextlib

import pytest

from gate_controller.cli import device_tests
from gate_controller.ports.devices import FingerprintOutcome
from gate_controller.ports.errors import DeviceUntrustedError


class Clock:
    now = 0.0

    def monotonic(self):
        self.now += 0.5
        return self.now


class Site:
    clock = Clock()


class Reader:
    """A finger that is laid on and lifted, or none."""

    def __init__(self, *, finger=True, image=None, takes=True):
        self.looks = iter([False, True, True, False] if finger else [])
        self.image, self.takes, self.log = image, takes, []

    def finger_present(self, _deadline):
        return next(self.looks, False)

    def check_image(self, _deadline):
        self.log.append("image")
        return self.image

    def check_transfer(self, _deadline):
        self.log.append("transfer")
        if self.takes is None:
            raise DeviceUntrustedError("fingerprint: takes no template", "fit another")
        return self.takes


@pytest.fixture
def asked(monkeypatch):
    def ask(reader):
        monkeypatch.setattr(device_tests, "opened", lambda _site, _name: contextlib.nullcontext(reader))
        return device_tests._fingerprint(Site())

    return ask


def test_a_finger_that_can_be_used_is_tried_once_and_then_the_template(asked):
    reader = Reader()
    result = asked(reader)
    assert (result["result"], result["values"]["print"], result["values"]["takes_templates"]) == ("pass", "usable", "yes")
    assert reader.log == ["image", "transfer"]


def test_a_finger_that_cannot_be_read_is_tried_as_long_as_it_lies_there(asked):
    reader = Reader(image=FingerprintOutcome.TOO_MESSY)
    result = asked(reader)
    assert (result["result"], result["values"]["print"]) == ("warn", "too_messy")
    assert reader.log == ["image", "image", "transfer"]


def test_without_a_finger_the_template_is_tried_all_the_same(asked):
    result = asked(Reader(finger=False, takes=False))
    assert (result["result"], result["values"]["takes_templates"], result["values"]["print"]) == ("warn", "not seen", "no_finger")
    assert result["findings"] == ["no finger was seen"]


def test_a_module_that_takes_none_fails(asked):
    result = asked(Reader(takes=None))
    assert (result["result"], result["values"]["takes_templates"]) == ("fail", "no")
    assert "takes no template" in result["findings"][0]
