"""Whether a module takes templates: found out with a finger on it, told as not seen without one, and never by what anybody left in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.fingerprint.commands import UploadedTemplate
from gate_controller.ports.devices import Family
from gate_controller.ports.errors import DeviceUntrustedError
from tests.drivers.fingerprint_rig import Rig, opened


@pytest.mark.parametrize("family", Family)
def test_that_a_module_takes_templates_is_seen_with_a_finger_on_it_and_not_without(family: Family) -> None:
    """Simulated ones throw out what is no template and show an empty buffer, as some real ones do."""
    rig = opened(family)
    assert rig.reader.check_transfer(rig.soon(60)) is False
    rig.module.place("ada")
    assert rig.reader.check_image(rig.soon()) is None
    assert rig.reader.check_transfer(rig.soon(60)) is True, "a print of that finger"
    assert rig.reader.check_transfer(rig.soon(60)) is False, "it lets go of it, as one that stores nothing would, too"


@pytest.mark.parametrize("family", Family)
def test_a_module_that_keeps_what_it_holds_when_it_is_sent_no_template_is_not_taken_for_broken(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = opened(family)
    instructions = rig.module._instructions
    take = instructions.receive_template
    monkeypatch.setattr(instructions, "receive_template", lambda buffer, data: take(buffer, data) if instructions._device.views(data) is not None else None)
    rig.module.place("ada")
    assert rig.reader.check_image(rig.soon()) is None
    assert rig.reader.check_transfer(rig.soon(60)) is True


@pytest.mark.parametrize("family", Family)
def test_a_module_that_loses_templates_is_found_out_with_any_finger(family: Family) -> None:
    rig = opened(family)
    rig.fault("downchar_lost")
    rig.module.place("ada")
    assert rig.reader.check_image(rig.soon()) is None
    with pytest.raises(DeviceUntrustedError, match="takes no template"):
        rig.reader.check_transfer(rig.soon(60))
    assert rig.module.state()["packet_bytes"] == 128


@pytest.mark.parametrize(("quirk", "words"), [("downchar_refused", "takes no template:"), ("r551", "takes no templates from a host")])
@pytest.mark.parametrize("family", Family)
def test_a_module_that_refuses_templates_is_found_out_without_a_finger(family: Family, quirk: str, words: str) -> None:
    rig = opened(family)
    rig.fault(quirk)
    with pytest.raises(DeviceUntrustedError, match=words):
        rig.reader.check_transfer(rig.soon(60))


@pytest.mark.parametrize("quirk", ["downchar_fails_256", "downchar_fails_128", "downchar_fails_64"])
def test_one_that_takes_them_in_small_packets_only_is_found_to_take_them(quirk: str) -> None:
    rig = opened(packet_bytes=256)
    rig.fault(quirk)
    rig.module.place("ada")
    assert rig.reader.check_image(rig.soon()) is None
    assert rig.reader.check_transfer(rig.soon(60)) is True


@pytest.mark.parametrize("family", Family)
def test_what_a_module_does_with_what_is_no_template_says_nothing(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that keeps what it held is not called broken, and one that empties its buffer and stores nothing is not called sound."""
    for stores in (False, True):
        rig = opened(family)
        rig.load()
        instructions = rig.module._instructions
        take = instructions.receive_template
        if not stores:
            monkeypatch.setattr(instructions, "receive_template", lambda _buffer, _data: None)
        else:
            monkeypatch.setattr(instructions, "receive_template", lambda buffer, _data, take=take: take(buffer, bytes(8)))
        assert rig.reader.check_transfer(rig.soon(60)) is False
        assert rig.warnings == []


@pytest.mark.parametrize("forget", ["clear_reference", "wipe", "load"])
def test_a_print_is_kept_for_what_comes_next_alone(forget: str) -> None:
    rig = opened()
    rig.module.place("ada")
    assert rig.reader.check_image(rig.soon()) is None
    match forget:
        case "clear_reference":
            rig.reader.clear_reference()
        case "wipe":
            rig.reader.wipe(rig.soon())
        case "load":
            rig.load("bob")
    assert not any(isinstance(value, bytes) for value in vars(rig.reader).values()), "no print is left in the process"
    assert rig.reader.check_transfer(rig.soon(60)) is False


def test_a_smaller_packet_size_that_stays_is_told() -> None:
    rig = opened(packet_bytes=256)
    rig.fault("downchar_fails_128")
    rig.module.place("ada")
    assert rig.reader.check_image(rig.soon()) is None
    assert rig.reader.check_transfer(rig.soon(60)) is True
    assert (rig.reader.describe()["packet_bytes"], len(rig.warnings)) == ("64", 1)
    assert "packets of 64 bytes" in rig.warnings[0]


def test_a_template_reaches_the_slowest_line_within_what_a_lane_gives_it() -> None:
    from gate_controller.runtime.device_tests import LOAD_WITHIN_S, TRANSFER_WITHIN_S

    rig = Rig(Family.R503, {"baud": 9600}, module_baud=9600)
    rig.open()
    began = rig.clock.monotonic()
    rig.reader.load_reference(rig.template("ada"), rig.soon(LOAD_WITHIN_S))
    assert 3.0 < rig.clock.monotonic() - began < LOAD_WITHIN_S - 1
    rig.reader.check_transfer(rig.soon(TRANSFER_WITHIN_S))


def test_a_module_that_holds_something_else_than_it_was_sent_is_found_out_without_a_finger(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = opened()
    upload = rig.reader._commands.upload_template
    broken = iter(range(1, 200))
    monkeypatch.setattr(
        rig.reader._commands, "upload_template", lambda *args: replace(upload(*args) or UploadedTemplate(b"", True), data=bytes([next(broken)]) * 1536)
    )
    with pytest.raises(DeviceUntrustedError, match="takes no template"):
        rig.reader.check_transfer(rig.soon(60))
