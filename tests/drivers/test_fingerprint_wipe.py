"""What a traveller leaves in the module is overwritten after the crossing, whatever the module makes of it."""

from __future__ import annotations

import contextlib

import pytest

from gate_controller.ports.devices import Family, FingerprintOutcome
from gate_controller.ports.errors import DeviceRejectedError, DeviceTimeoutError
from tests.drivers.fingerprint_rig import Rig, opened

MATCH, NO_MATCH, NO_FINGER = FingerprintOutcome.MATCH, FingerprintOutcome.NO_MATCH, FingerprintOutcome.NO_FINGER


def wiped(rig: Rig) -> int:
    """Wipe until nothing is left; how many calls that took."""
    for calls in range(1, 10):
        if rig.reader.wipe(rig.soon(3.0)):
            return calls
    pytest.fail("never done")


def in_reach(rig: Rig) -> list[bytes | None]:
    ram = rig.module._device.ram
    return [ram.model] if rig.family is Family.R503 else list(ram.chars.values())


@pytest.mark.parametrize("baud", [9600, 57600])
@pytest.mark.parametrize("family", Family)
def test_after_a_crossing_no_buffer_in_reach_holds_a_finger(family: Family, baud: int) -> None:
    rig = opened(family, baud=baud)
    assert rig.crossing() == [NO_FINGER, MATCH]
    before = [held for held in in_reach(rig) if held and any(held)]
    assert before
    assert wiped(rig) == (2 if family is Family.R503 else 4)
    assert not any(rig.module._device.views(held) for held in in_reach(rig))
    assert wiped(rig) == 1, "and nothing is sent again"
    assert [line for line in rig.warnings if "was found at" not in line] == []  # it comes with 57600
    with pytest.raises(DeviceRejectedError, match="no reference"):
        rig.attempt("ada")
    assert rig.crossing() == [NO_FINGER, MATCH]


def test_what_a_process_before_this_one_left_is_overwritten_too() -> None:
    rig = opened(Family.ZFM20)
    assert rig.crossing() == [NO_FINGER, MATCH]
    rig.reader.close()
    rig.open()
    wiped(rig)
    assert not any(rig.module._device.views(held) for held in in_reach(rig))


def test_a_traveller_may_come_in_the_middle_of_it() -> None:
    rig = opened(Family.R307)
    rig.crossing()
    assert not rig.reader.wipe(rig.soon())
    assert rig.crossing("bob") == [NO_FINGER, NO_MATCH]


@pytest.mark.parametrize("quirk", ["downchar_refused", "downchar_lost", "upchar_short", "silent"])
def test_a_module_that_does_not_let_itself_be_overwritten_is_told_once_and_stays_in_use(quirk: str) -> None:
    rig = opened(Family.ZFM20)
    rig.crossing()
    rig.fault(quirk)
    with contextlib.suppress(DeviceTimeoutError):
        wiped(rig)
        wiped(rig)
    assert len(rig.warnings) <= 2
    assert sum("overwrite" in line for line in rig.warnings) == 1
    rig.module.faults.clear()
    rig.clock.advance(5.0)
    assert rig.crossing() == [NO_FINGER, MATCH]


def test_a_module_whose_uploads_never_end_is_overwritten_as_well() -> None:
    rig = opened(Family.ZFM20)
    rig.crossing()
    rig.fault("upchar_endless")
    wiped(rig)
    assert not any(rig.module._device.views(held) for held in in_reach(rig))
