"""What every FingerprintReader promises (ports.devices), over the real driver with the wire simulator and over the one in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from drivers.fingerprint import DRIVER, FingerprintOptions
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import Family, FingerprintLight, FingerprintOutcome, FingerprintReader, FingerprintTemplate
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import (
    DeviceAbsentError,
    DeviceError,
    DeviceProtocolError,
    DeviceRejectedError,
    DeviceTimeoutError,
    DeviceUntrustedError,
)
from simulators.fingerprint import enrolment_template
from simulators.fingerprint.memory import MemoryFingerprintReader
from simulators.fingerprint.process import FingerprintProcess

AMPLE_S = 20.0
MATCH, NO_MATCH, NO_FINGER, NOT_LIFTED = FingerprintOutcome.MATCH, FingerprintOutcome.NO_MATCH, FingerprintOutcome.NO_FINGER, FingerprintOutcome.NOT_LIFTED


@dataclass
class Rig:
    """A reader and the hands that act on its module."""

    reader: FingerprintReader
    family: Family
    act: Callable[..., Any]

    def soon(self, seconds: float = AMPLE_S) -> float:
        return time.monotonic() + seconds

    def template(self, finger: str) -> FingerprintTemplate:
        return FingerprintTemplate(self.reader.template_format, 2, enrolment_template(finger, self.family))

    def load(self, finger: str) -> None:
        self.reader.load_reference(self.template(finger), self.soon())

    def attempt(self, finger: str | None = None) -> FingerprintOutcome:
        """One attempt, after laying `finger` on the glass; "" lifts it."""
        if finger:
            self.act("place", finger=finger)
        elif finger == "":
            self.act("remove")
        return self.reader.verify(self.soon()).outcome


def unexpected(warning: str) -> None:
    """A module whose level was changed is set right when it is opened, and that is told."""
    if "was found at" not in warning:
        pytest.fail(warning)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((kind, family), id=f"{kind}-{family.value}", marks=[pytest.mark.wire] if kind == "wire" else [])
        for kind in ("wire", "memory")
        for family in Family
    ],
)
def maker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Rig]]:
    kind, family = request.param
    if kind == "memory":

        def make_in_memory() -> Rig:
            reader = MemoryFingerprintReader(SystemClock(), family)
            return Rig(reader, family, lambda verb, **fields: getattr(reader, verb)(**fields))

        yield make_in_memory
        return
    with FingerprintProcess(family, tmp_path_factory.mktemp(family.value)) as process:

        def make_on_wire() -> Rig:
            process.ask("reset")
            options = FingerprintOptions(port=str(process.link), family=family)
            reader = DRIVER.build(options, DriverContext(SystemClock(), Path(), unexpected))
            return Rig(reader, family, process.ask)

        yield make_on_wire


@pytest.fixture
def closed(maker: Callable[[], Rig]) -> Iterator[Rig]:
    rig = maker()
    yield rig
    rig.reader.close()


@pytest.fixture
def rig(closed: Rig) -> Rig:
    closed.reader.open(closed.soon())
    return closed


def test_the_enrolled_finger_matches_with_a_score(rig: Rig) -> None:
    rig.load("ada/right-index")
    assert rig.attempt() is NO_FINGER
    rig.act("place", finger="ada/right-index")
    result = rig.reader.verify(rig.soon())
    assert result.outcome is MATCH
    assert result.score is not None
    assert result.score > 0


def test_another_finger_does_not_match(rig: Rig) -> None:
    rig.load("ada/right-index")
    assert rig.attempt("") is NO_FINGER
    assert rig.attempt("bob/right-index") is NO_MATCH


def test_a_resembling_finger_does_not_match_at_level_3_and_a_worn_one_does(rig: Rig) -> None:
    rig.load("ada/right-index")
    assert [rig.attempt(finger) for finger in ("", "ada/right-index#alike", "", "ada/right-index#worn")] == [NO_FINGER, NO_MATCH, NO_FINGER, MATCH]


def test_a_finger_that_lay_there_before_the_reference_was_loaded_must_be_lifted(rig: Rig) -> None:
    rig.act("place", finger="ada/right-index")
    rig.load("ada/right-index")
    assert [rig.attempt(), rig.attempt(), rig.attempt(""), rig.attempt("ada/right-index")] == [NOT_LIFTED, NOT_LIFTED, NO_FINGER, MATCH]


def test_a_finger_must_be_lifted_after_an_attempt_that_computed_a_match(rig: Rig) -> None:
    rig.load("ada/right-index")
    assert [rig.attempt(""), rig.attempt("bob/left-thumb"), rig.attempt("ada/right-index")] == [NO_FINGER, NO_MATCH, NOT_LIFTED]
    assert [rig.attempt(""), rig.attempt("ada/right-index"), rig.attempt()] == [NO_FINGER, MATCH, NOT_LIFTED]


def test_seeing_the_finger_absent_by_finger_present_counts_as_lifted(rig: Rig) -> None:
    rig.load("ada/right-index")
    assert rig.reader.finger_present(rig.soon()) is False
    assert rig.attempt("ada/right-index") is MATCH


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [("dry", FingerprintOutcome.TOO_FEW_FEATURES), ("smudged", FingerprintOutcome.TOO_MESSY), ("moving", FingerprintOutcome.CAPTURE_FAILED)],
)
def test_a_bad_capture_is_told_apart_and_may_be_tried_again_without_lifting(rig: Rig, condition: str, outcome: FingerprintOutcome) -> None:
    rig.load("ada/right-index")
    rig.attempt("")
    rig.act("place", finger=f"ada/right-index#{condition}")
    result = rig.reader.verify(rig.soon())
    assert (result.outcome, result.score) == (outcome, None)
    assert rig.attempt("ada/right-index") is MATCH


def test_a_new_reference_replaces_the_former_travellers(rig: Rig) -> None:
    rig.load("ada/right-index")
    assert [rig.attempt(""), rig.attempt("ada/right-index")] == [NO_FINGER, MATCH]
    rig.load("bob/right-index")
    assert [rig.attempt(""), rig.attempt("ada/right-index")] == [NO_FINGER, NO_MATCH]
    assert [rig.attempt(""), rig.attempt("bob/right-index")] == [NO_FINGER, MATCH]


def test_without_a_reference_there_is_no_verification(rig: Rig) -> None:
    with pytest.raises(DeviceError):
        rig.attempt("ada/right-index")
    rig.load("ada/right-index")
    rig.reader.clear_reference()
    with pytest.raises(DeviceError):
        rig.attempt("ada/right-index")


def test_opening_again_forgets_the_reference(rig: Rig) -> None:
    rig.load("ada/right-index")
    rig.reader.close()
    rig.reader.open(rig.soon())
    with pytest.raises(DeviceError):
        rig.attempt("ada/right-index")


def test_finger_present_tells_what_lies_on_the_glass(rig: Rig) -> None:
    assert rig.reader.finger_present(rig.soon()) is False
    rig.act("place", finger="ada/right-index")
    assert rig.reader.finger_present(rig.soon()) is True


def test_a_bad_template_is_refused_and_verifies_nobody(rig: Rig) -> None:
    good = rig.template("ada/right-index")
    bad = {
        "all FF": replace(good, data=b"\xff" * len(good.data)),
        "all zero": replace(good, data=bytes(len(good.data))),
        "too short": replace(good, data=good.data[:-1]),
        "too long": replace(good, data=good.data + b"x"),
        "empty": replace(good, data=b""),
        "broken": replace(good, data=good.data[:20] + bytes([good.data[20] ^ 1]) + good.data[21:]),
        "another family's": replace(good, format="zhiantec/r551/498"),
    }
    for name, template in bad.items():
        rig.load("ada/right-index")
        rig.attempt("")
        with pytest.raises(DeviceRejectedError) as refusal:
            rig.reader.load_reference(template, rig.soon())
        assert refusal.value.remedy, name
        with pytest.raises(DeviceError):
            rig.attempt("ada/right-index")


def test_a_good_template_is_taken_after_a_refused_one(rig: Rig) -> None:
    broken = rig.template("bob/left-thumb")
    with pytest.raises(DeviceRejectedError):
        rig.reader.load_reference(replace(broken, data=broken.data[::-1]), rig.soon())
    rig.load("ada/right-index")
    assert [rig.attempt(""), rig.attempt("ada/right-index")] == [NO_FINGER, MATCH]


def test_the_module_refusing_templates_is_reported(rig: Rig) -> None:
    rig.act("fault", name="downchar_refused")
    with pytest.raises(DeviceRejectedError):
        rig.load("ada/right-index")


def test_the_template_format_names_family_and_size(rig: Rig) -> None:
    size = {Family.ZFM20: 512, Family.R307: 768, Family.R503: 1536}[rig.family]
    assert rig.reader.template_format == f"zhiantec/{rig.family.value}/{size}"


def test_nothing_works_before_open_or_after_close(closed: Rig) -> None:
    reader, template = closed.reader, FingerprintTemplate("zhiantec/r503/1536", 2, bytes(range(256)) * 6)
    with pytest.raises(DeviceAbsentError):
        _ = reader.template_format
    calls: list[Callable[[], object]] = [
        lambda: reader.load_reference(template, closed.soon()),
        lambda: reader.finger_present(closed.soon()),
        lambda: reader.verify(closed.soon()),
        lambda: reader.light(FingerprintLight.READY, closed.soon()),
    ]
    for _ in range(2):
        for call in calls:
            with pytest.raises(DeviceAbsentError):
                call()
        reader.open(closed.soon())
        reader.close()
        reader.close()
        assert reader.template_format.startswith("zhiantec/"), "the last module's: whoever counts usable templates may ask at any time"


def test_a_silent_module_times_out_before_long_and_never_answers_instead(rig: Rig) -> None:
    rig.load("ada/right-index")
    rig.attempt("")
    rig.act("fault", name="silent")
    for call in (rig.reader.verify, rig.reader.finger_present, rig.reader.open):
        began = time.monotonic()
        with pytest.raises(DeviceTimeoutError):
            call(rig.soon(0.15))
        assert time.monotonic() - began < 0.15 + 5.0
    rig.act("clear")
    rig.reader.open(rig.soon())
    rig.load("ada/right-index")
    assert [rig.attempt(""), rig.attempt("ada/right-index")] == [NO_FINGER, MATCH]


def test_garbled_answers_raise_and_void_the_reference(rig: Rig) -> None:
    rig.load("ada/right-index")
    rig.attempt("")
    rig.act("place", finger="ada/right-index")
    rig.act("fault", name="garbled")
    with pytest.raises((DeviceProtocolError, DeviceTimeoutError)):
        rig.reader.verify(rig.soon(0.3))
    rig.act("clear")
    with pytest.raises(DeviceRejectedError, match="no reference"):
        rig.reader.verify(rig.soon())


def test_a_deadline_that_has_passed_is_a_timeout(rig: Rig) -> None:
    rig.load("ada/right-index")
    with pytest.raises(DeviceTimeoutError):
        rig.reader.verify(time.monotonic() - 1)


def test_unplugging_is_noticed_and_replugging_is_enough(rig: Rig) -> None:
    rig.load("ada/right-index")
    rig.act("fault", name="unplugged")
    with pytest.raises(DeviceAbsentError):
        rig.attempt("ada/right-index")
    with pytest.raises(DeviceAbsentError):
        rig.reader.open(rig.soon())
    rig.act("clear")
    rig.reader.open(rig.soon())
    rig.load("ada/right-index")
    assert [rig.attempt(""), rig.attempt("ada/right-index")] == [NO_FINGER, MATCH]


def test_a_lowered_security_level_stops_the_verification_until_opened_again(rig: Rig) -> None:
    rig.load("ada/right-index")
    rig.attempt("")
    rig.act("fault", name="level_lowered")
    with pytest.raises(DeviceUntrustedError):
        rig.attempt("ada/right-index#alike")
    rig.reader.open(rig.soon())
    rig.load("ada/right-index")
    assert [rig.attempt(""), rig.attempt("ada/right-index#alike")] == [NO_FINGER, NO_MATCH]


def test_a_power_cycle_is_noticed_and_is_no_mismatch(rig: Rig) -> None:
    rig.load("ada/right-index")
    rig.attempt("")
    rig.act("place", finger="ada/right-index")
    rig.act("fault", name="power_cycle")
    with pytest.raises((DeviceUntrustedError, DeviceTimeoutError)):
        rig.reader.verify(rig.soon(0.3))
    rig.reader.open(rig.soon())
    rig.load("ada/right-index")
    assert [rig.attempt(""), rig.attempt("ada/right-index")] == [NO_FINGER, MATCH]


@pytest.mark.parametrize("change", ["level_lowered", "power_cycle"])
def test_what_happened_while_nobody_verified_is_noticed_by_the_idle_look_and_by_the_next_load(rig: Rig, change: str) -> None:
    template = rig.template("ada/right-index")
    for look in (rig.reader.finger_present, lambda deadline: rig.reader.load_reference(template, deadline)):
        rig.act("fault", name=change)
        gives_up_at = rig.soon()
        while not rig.act("state").get("ready", True):
            assert time.monotonic() < gives_up_at, "it never finished booting"
        with pytest.raises(DeviceUntrustedError):
            look(rig.soon())
        rig.reader.open(rig.soon())
    rig.load("ada/right-index")
    assert [rig.attempt(""), rig.attempt("ada/right-index")] == [NO_FINGER, MATCH]


def test_a_foreign_password_is_refused_and_a_known_module_asking_for_it_cannot_be_used(rig: Rig) -> None:
    rig.load("ada/right-index")
    rig.act("fault", name="foreign_password")
    with pytest.raises(DeviceUntrustedError):
        rig.attempt("ada/right-index")
    with pytest.raises(DeviceRejectedError, match="password"):
        rig.reader.open(rig.soon())


def test_a_broken_sensor_is_a_fault_and_no_absent_finger(rig: Rig) -> None:
    rig.act("fault", name="sensor_fault")
    with pytest.raises(DeviceError):
        rig.reader.finger_present(rig.soon())


def test_every_light_can_be_set(rig: Rig) -> None:
    for light in (*FingerprintLight, FingerprintLight.OFF):
        rig.reader.light(light, rig.soon())
        assert (rig.act("state")["light"] == "off") == (light is FingerprintLight.OFF), light


def test_describe_names_the_endpoint_and_no_finger(rig: Rig) -> None:
    rig.load("ada/right-index")
    rig.act("place", finger="ada/right-index")
    described = rig.reader.describe()
    assert described["endpoint"]
    assert described["family"] == rig.family.value
    assert all(isinstance(value, str) and "ada" not in value for value in described.values())


def test_no_message_carries_a_template_or_a_finger(rig: Rig) -> None:
    template = rig.template("ada/right-index")
    for bad in (replace(template, data=template.data[:-2]), replace(template, data=template.data[::-1])):
        with pytest.raises(DeviceRejectedError) as refusal:
            rig.reader.load_reference(bad, rig.soon())
        text = str(refusal.value)
        assert "ada" not in text
        assert bad.data[16:24].hex() not in text
        assert repr(bad.data[16:24])[2:-1] not in text
        assert "\n" not in text


def test_wiping_ends_voids_the_reference_and_costs_the_next_traveller_nothing(rig: Rig) -> None:
    rig.load("ada/right-index")
    assert [rig.attempt(""), rig.attempt("ada/right-index")] == [NO_FINGER, MATCH]
    assert any(rig.reader.wipe(rig.soon()) for _ in range(8)), "it ends"
    with pytest.raises(DeviceRejectedError):
        rig.reader.verify(rig.soon())
    rig.load("bob/right-index")
    assert [rig.attempt(""), rig.attempt("bob/right-index")] == [NO_FINGER, MATCH]


def test_a_closed_reader_wipes_nothing(closed: Rig) -> None:
    with pytest.raises(DeviceAbsentError):
        closed.reader.wipe(closed.soon())


def test_whether_it_takes_templates_is_found_out_without_anybodys(rig: Rig) -> None:
    rig.load("ada/right-index")
    rig.reader.check_transfer(rig.soon())
    with pytest.raises(DeviceRejectedError, match="no reference"):
        rig.attempt("ada/right-index")
    rig.act("fault", name="downchar_refused")
    with pytest.raises(DeviceUntrustedError, match="takes no template"):
        rig.reader.check_transfer(rig.soon())
    rig.act("clear")
    rig.act("remove")
    rig.load("ada/right-index")
    assert [rig.attempt(""), rig.attempt("ada/right-index")] == [NO_FINGER, MATCH]


@pytest.mark.parametrize(
    ("finger", "outcome"),
    [
        ("", NO_FINGER),
        ("ada/right-index", None),
        ("ada/right-index#dry", FingerprintOutcome.TOO_FEW_FEATURES),
        ("ada/right-index#smudged", FingerprintOutcome.TOO_MESSY),
        ("ada/right-index#moving", FingerprintOutcome.CAPTURE_FAILED),
    ],
)
def test_a_print_is_judged_without_comparing_it(rig: Rig, finger: str, outcome: FingerprintOutcome | None) -> None:
    rig.load("ada/right-index")
    rig.act("place", finger=finger) if finger else rig.act("remove")
    assert rig.reader.check_image(rig.soon()) is outcome
    with pytest.raises(DeviceRejectedError, match="no reference"):
        rig.attempt("ada/right-index")
