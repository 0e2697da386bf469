"""Every quirk the simulated module can have, met by the driver, in virtual time at the speed of the line."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.fingerprint.commands import Commands
from drivers.fingerprint.options import FingerprintOptions
from drivers.fingerprint.reader import ZhianTecReader
from gate_controller.ports.devices import Family, FingerprintLight, FingerprintOutcome, FingerprintTemplate
from gate_controller.ports.errors import DeviceError, DeviceProtocolError, DeviceRejectedError, DeviceTimeoutError, DeviceUntrustedError
from simulators.fingerprint import enrolment_template
from simulators.fingerprint.faults import FAULTS
from simulators.fingerprint.module import Module
from tests.drivers.fingerprint_rig import Rig, opened

MATCH, NO_MATCH, NO_FINGER, NOT_LIFTED = FingerprintOutcome.MATCH, FingerprintOutcome.NO_MATCH, FingerprintOutcome.NO_FINGER, FingerprintOutcome.NOT_LIFTED


def test_no_quirk_is_left_out() -> None:
    """Each fault of the simulator is injected by name in this file, or needs a wire."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in FAULTS if f'"{name}"' not in text and name != "unplugged"] == []


@pytest.mark.parametrize("quirk", ["", "boot_zero", "no_boot_byte"])
@pytest.mark.parametrize("family", Family)
def test_a_module_that_is_just_starting_is_waited_for(family: Family, quirk: str) -> None:
    rig = Rig(family)
    if quirk:
        rig.fault(quirk)
    rig.fault("power_cycle")
    rig.open()
    assert rig.crossing() == [NO_FINGER, MATCH]


@pytest.mark.parametrize("quirk", ["", "boot_zero", "no_boot_byte", "no_status_bits"])
@pytest.mark.parametrize("family", Family)
def test_a_restart_voids_the_reference_by_boot_byte_or_by_status(family: Family, quirk: str) -> None:
    rig = Rig(family)
    if quirk:
        rig.fault(quirk)
    rig.open()
    assert rig.crossing() == [NO_FINGER, MATCH]
    rig.attempt("")
    rig.fault("power_cycle")
    rig.clock.advance(1.0)
    with pytest.raises(DeviceUntrustedError, match="started anew"):
        rig.attempt("ada")
    rig.open()
    assert rig.crossing() == [NO_FINGER, MATCH]


def test_after_a_power_cycle_with_a_password_everything_gives_21_until_opened_again() -> None:
    rig = Rig(options={"password": 0x1234}, module_password=0x1234)
    rig.open()
    assert rig.crossing() == [NO_FINGER, MATCH]
    rig.fault("no_boot_byte")
    rig.fault("power_cycle")
    rig.clock.advance(1.0)
    for call in (rig.attempt, rig.load, lambda: rig.reader.finger_present(rig.soon()), lambda: rig.reader.light(FingerprintLight.GOOD, rig.soon())):
        with pytest.raises(DeviceError, match=r"0x21|no reference"):
            call()
    rig.open()
    assert rig.crossing() == [NO_FINGER, MATCH]


@pytest.mark.parametrize("family", Family)
def test_a_wrong_password_is_told(family: Family) -> None:
    rig = Rig(family)
    rig.fault("foreign_password")
    with pytest.raises(DeviceRejectedError, match="0x13 wrong password") as refusal:
        rig.open()
    assert "password option" in refusal.value.remedy
    assert "01020304" not in str(refusal.value)


@pytest.mark.parametrize("finger", ["ada", "bob"])
@pytest.mark.parametrize("quirk", [("match_stray_01", {}), ("match_only_01", {"times": 1})])
@pytest.mark.parametrize("family", Family)
def test_a_stray_01_changes_no_verdict(family: Family, quirk: tuple[str, dict[str, float]], finger: str) -> None:
    rig = opened(family)
    rig.fault(quirk[0], **quirk[1])
    assert rig.crossing(finger) == [NO_FINGER, MATCH if finger == "ada" else NO_MATCH]
    # and what was left on the line is no answer to anything later
    assert rig.crossing(finger) == [NO_FINGER, MATCH if finger == "ada" else NO_MATCH]


def test_only_01_is_a_fault_and_no_mismatch() -> None:
    rig = opened()
    rig.fault("match_only_01")
    rig.load()
    rig.attempt("")
    with pytest.raises(DeviceRejectedError, match="0x01"):
        rig.attempt("ada")


@pytest.mark.parametrize("family", Family)
def test_an_upload_that_never_ends(family: Family) -> None:
    rig = Rig(family)
    rig.fault("upchar_endless")
    rig.open()
    assert rig.crossing() == [NO_FINGER, MATCH]
    assert len(rig.warnings) == (0 if family is Family.R503 else 1)


@pytest.mark.parametrize("family", [Family.ZFM20, Family.R307])
def test_an_upload_that_is_cut_short_gives_no_template_size(family: Family) -> None:
    rig = Rig(family)
    rig.fault("upchar_short")
    with pytest.raises(DeviceUntrustedError, match="templates of"):
        rig.open()


def test_a_readback_that_is_cut_short_loads_nothing() -> None:
    rig = opened()
    rig.fault("upchar_short")
    with pytest.raises(DeviceError):
        rig.load()
    with pytest.raises(DeviceRejectedError, match="no reference"):
        rig.attempt("ada")


@pytest.mark.parametrize(("quirk", "works"), [("downchar_fails_256", 128), ("downchar_fails_128", 64), ("downchar_fails_64", 32)])
@pytest.mark.parametrize("family", Family)
def test_smaller_packets_are_tried_and_kept(family: Family, quirk: str, works: int) -> None:
    rig = opened(family, packet_bytes=256)
    rig.fault(quirk)
    assert rig.crossing() == [NO_FINGER, MATCH]
    assert rig.reader.describe()["packet_bytes"] == str(works) == str(rig.module.state()["packet_bytes"])
    assert len(rig.warnings) == 1
    before = rig.clock.monotonic()
    assert rig.crossing("bob") == [NO_FINGER, NO_MATCH]
    assert rig.clock.monotonic() - before < 2.0, "the size that works is used at once the next time"


def test_a_lost_transfer_never_leaves_the_former_travellers_template_in_force() -> None:
    """DownChar is acknowledged before the data goes out: only the readback shows that bob's template never arrived."""
    rig = opened()
    assert rig.crossing() == [NO_FINGER, MATCH]
    rig.fault("downchar_lost")
    with pytest.raises(DeviceRejectedError, match="does not take the template"):
        rig.load("bob")
    with pytest.raises(DeviceRejectedError, match="no reference"):
        rig.attempt("ada")
    assert rig.module.state()["packet_bytes"] == 128, "the packet size is as it was before the refused template"


def test_settings_that_were_not_as_configured_are_told() -> None:
    rig = opened()
    assert rig.warnings == []
    rig.fault("level_lowered", level=1)
    rig.open()
    rig.fault("wrong_baud", baud=19200)
    rig.open()
    rig.open()
    assert [("level 1" in line, "19200" in line) for line in rig.warnings] == [(True, False), (False, True)]


@pytest.mark.parametrize("family", Family)
def test_settings_that_are_as_configured_are_not_written_again(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in the module's flash, which wears out; a line that comes and goes opens it thousands of times."""
    rig = opened(family)
    written = []
    monkeypatch.setattr(Commands, "set_parameter", lambda _self, register, value, _deadline: written.append((register, value)))
    rig.open()
    assert written == []


@pytest.mark.parametrize("baud", [57600, 19200])
def test_a_packet_size_that_no_manual_knows_is_put_right(baud: int) -> None:
    rig = Rig(module_baud=baud)
    rig.module._device.flash.size_code = 7
    rig.open()
    assert rig.reader.describe()["packet_bytes"] == "128"
    assert rig.crossing() == [NO_FINGER, MATCH]


def test_a_transfer_refused_once_is_tried_again_in_smaller_packets() -> None:
    rig = opened()
    rig.fault("downchar_refused", times=1)
    assert rig.crossing() == [NO_FINGER, MATCH]


@pytest.mark.parametrize("family", Family)
def test_a_broken_sensor_is_found_at_open_or_at_the_first_image(family: Family) -> None:
    rig = Rig(family)
    rig.fault("sensor_fault")
    with pytest.raises(DeviceUntrustedError, match="0x29 sensor fault"):  # noqa: PT012 - which of the two depends on the family
        rig.open()
        rig.reader.finger_present(rig.soon())


@pytest.mark.parametrize("family", Family)
def test_an_r551_is_found_out_as_a_device_that_cannot_be_used(family: Family) -> None:
    rig = opened(family)
    rig.fault("r551")
    with pytest.raises(DeviceUntrustedError, match="takes no templates") as refusal:
        rig.load()
    assert "R551" in refusal.value.remedy


def test_an_older_r503_has_templates_of_768_bytes() -> None:
    rig = Rig()
    rig.fault("old_firmware")
    with pytest.raises(DeviceUntrustedError, match="template size"):
        rig.open()  # an empty ModelBuffer cannot be measured
    rig = Rig(options={"template_bytes": 768})
    rig.fault("old_firmware")
    rig.open()
    assert rig.reader.template_format == "zhiantec/r503/768"
    rig.reader.load_reference(rig.template("ada", 768), rig.soon())
    assert [rig.attempt(""), rig.attempt("ada")] == [NO_FINGER, MATCH]
    with pytest.raises(DeviceRejectedError):
        rig.reader.load_reference(FingerprintTemplate("zhiantec/r503/1536", 2, enrolment_template("ada", Family.R503)), rig.soon())


def test_a_module_that_uploads_no_empty_buffer_needs_its_template_size_configured() -> None:
    rig = Rig(Family.ZFM20)
    rig.fault("empty_upchar_refused")
    with pytest.raises(DeviceUntrustedError, match="template size") as refusal:
        rig.open()
    assert "template_bytes" in refusal.value.remedy
    rig = Rig(Family.ZFM20, {"template_bytes": 512})
    rig.fault("empty_upchar_refused")
    rig.open()
    assert rig.crossing() == [NO_FINGER, MATCH]


@pytest.mark.parametrize(
    ("real", "configured"), [(Family.ZFM20, Family.R307), (Family.R307, Family.ZFM20), (Family.ZFM20, Family.R503), (Family.R503, Family.ZFM20)]
)
def test_a_wrongly_configured_family_is_found_out(real: Family, configured: Family) -> None:
    rig = Rig(real)
    options = FingerprintOptions(port="virtual", family=configured)
    reader = ZhianTecReader(options, rig.clock, rig._open_port, rig.warnings.append)
    with pytest.raises(DeviceUntrustedError, match="template") as refusal:
        reader.open(rig.soon())
    assert "option" in refusal.value.remedy


@pytest.mark.parametrize("family", Family)
def test_settings_are_set_and_those_that_do_not_read_back_are_an_error(family: Family) -> None:
    rig = opened(family, security_level=4, packet_bytes=256)
    assert (rig.module.state()["security_level"], rig.module.state()["packet_bytes"]) == (4, 256)
    for options in ({"security_level": 5}, {"packet_bytes": 32}, {"baud": 115200}):
        rig = Rig(family, options)
        rig.fault("settings_ignored")
        with pytest.raises(DeviceUntrustedError, match=r"reads back|does not talk"):
            rig.open()


@pytest.mark.parametrize("found_at", [9600, 19200, 38400, 115200])
@pytest.mark.parametrize("family", Family)
def test_a_module_at_another_baud_rate_is_found_and_set(family: Family, found_at: int) -> None:
    rig = Rig(family, module_baud=found_at)
    rig.open()
    assert rig.module.baud == 57600
    assert rig.reader.describe()["baud"] == "57600"
    assert rig.crossing() == [NO_FINGER, MATCH]


def test_a_module_moved_to_another_baud_rate_times_out_and_is_found_again() -> None:
    rig = opened(baud=115200)
    rig.load()
    rig.fault("wrong_baud", baud=19200)
    with pytest.raises(DeviceTimeoutError):
        rig.reader.verify(rig.soon(0.5))
    rig.open()
    assert rig.module.baud == 115200


def test_a_changed_security_level_is_noticed_before_the_finger_is_even_looked_at() -> None:
    rig = opened()
    rig.load()
    rig.attempt("")
    for level in (1, 2, 4, 5):
        rig.fault("level_lowered", level=level)
        with pytest.raises(DeviceUntrustedError, match="security level"):
            rig.attempt("ada")
        rig.open()
        rig.load()
        rig.attempt("")
    assert rig.attempt("ada") is MATCH


def test_packets_of_another_address_change_nothing() -> None:
    rig = Rig()
    rig.fault("other_address")
    rig.open()
    assert rig.crossing() == [NO_FINGER, MATCH]
    assert rig.crossing("bob") == [NO_FINGER, NO_MATCH]


def test_noise_before_a_command_is_no_answer() -> None:
    rig = opened()
    rig.load()
    rig.fault("noise")
    rig.clock.advance(0.1)
    assert rig.attempt("") is NO_FINGER


def test_a_match_with_a_score_of_0_is_not_believed() -> None:
    rig = opened()
    rig.fault("score_zero")
    rig.load()
    rig.attempt("")
    with pytest.raises(DeviceUntrustedError, match="score"):
        rig.attempt("ada")


@pytest.mark.parametrize("instruction", [0x01, 0x02, 0x03, 0x0F])
@pytest.mark.parametrize("code", [0x0A, 0x0C, 0x18, 0x20, 0x21, 0x22, 0x26, 0x29, 0x42, 0xFC, 0xFD, 0xFE])
def test_a_code_that_says_neither_yes_nor_no_is_raised(instruction: int, code: int) -> None:
    rig = opened()
    rig.load()
    rig.attempt("")
    rig.fault("answer", instruction=instruction, code=code)
    with pytest.raises((DeviceRejectedError, DeviceUntrustedError), match=f"0x{code:02x}") as refusal:
        rig.attempt("ada")
    assert refusal.value.remedy


@pytest.mark.parametrize("quirk", ["silent", "truncated", "garbled"])
def test_a_fault_in_mid_verification_is_raised_within_the_deadline_and_voids_the_reference(quirk: str) -> None:
    rig = opened()
    for spared in range(4):
        rig.module.faults.clear()
        rig.open()
        rig.load()
        rig.attempt("")
        rig.module.place("ada")
        commands = rig.module.state()["commands"] + spared
        rig.module.receive = _faulty_after(rig, quirk, commands)
        deadline = rig.soon(2.0)
        with pytest.raises((DeviceTimeoutError, DeviceProtocolError)):
            rig.reader.verify(deadline)
        assert rig.clock.monotonic() <= deadline + 0.1
        with pytest.raises(DeviceRejectedError, match="no reference"):
            rig.reader.verify(rig.soon())
        del rig.module.receive


def _faulty_after(rig: Rig, quirk: str, commands: int) -> Any:
    genuine = Module.receive

    def receive(data: bytes, now: float) -> Any:
        if rig.module.state()["commands"] >= commands and not rig.module.faults.active:
            rig.module.fault(quirk, {}, now)
        return genuine(rig.module, data, now)

    return receive


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.5, 2.5]), st.floats(0.05, 1.0), st.floats(0.0, 1.0)), max_size=12))
def test_a_late_answer_is_never_taken_for_a_later_commands(steps: list[tuple[bool, float, float, float]]) -> None:
    """Whatever comes late and whenever: what finger_present returns is what was on the glass while it ran."""
    rig = opened()
    for finger, late_s, patience_s, pause_s in steps:
        if finger:
            rig.module.place("ada")
        else:
            rig.module.remove()
        if late_s:
            rig.fault("slow", delay_s=late_s, times=1)
        with contextlib.suppress(DeviceTimeoutError):
            assert rig.reader.finger_present(rig.soon(patience_s)) is finger
        rig.clock.advance(pause_s)


@settings(max_examples=60, deadline=None)
@given(
    quirks=st.lists(st.sampled_from(["garbled", "truncated", "silent", "slow", "match_stray_01", "match_only_01", "noise", "other_address"]), max_size=8),
    finger=st.sampled_from(["ada", "bob"]),
    family=st.sampled_from(Family),
)
def test_under_any_faults_a_verdict_is_right_or_an_error(quirks: list[str], finger: str, family: Family) -> None:
    rig = opened(family)
    for quirk in [*quirks, ""]:
        if quirk:
            rig.fault(quirk, **({"times": 2} if quirk != "noise" else {}))
        try:
            verdicts = rig.crossing(finger)
        except DeviceError:
            rig.module.faults.clear()
            rig.open()
            continue
        assert verdicts[0] is NO_FINGER
        assert verdicts[1] is (MATCH if finger == "ada" else NO_MATCH)


@pytest.mark.parametrize("family", Family)
def test_light_is_ignored_by_modules_without_one(family: Family) -> None:
    rig = opened(family)
    instruction = 0x35 if family is Family.R503 else 0x50
    rig.fault("answer", instruction=instruction, code=0xFC if family is Family.R503 else 0x01)
    rig.reader.light(FingerprintLight.GOOD, rig.soon())
    commands = rig.module.state()["commands"]
    rig.reader.light(FingerprintLight.BAD, rig.soon())
    assert rig.module.state()["commands"] == commands, "once known, it is not asked again"


def test_the_r503_shows_each_light_differently() -> None:
    rig = opened()
    shown = []
    for light in FingerprintLight:
        rig.reader.light(light, rig.soon())
        shown.append(rig.module.state()["light"])
    assert shown == ["off", "breathing blue", "on purple", "on green", "on red"]
