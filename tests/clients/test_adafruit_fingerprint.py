"""Adafruit's CircuitPython library, which knows nothing of this project, drives the wire simulator over pyserial."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import serial

# Blinka looks for a board it knows when it is imported; a gate's PC or a CI runner is none that it would find by itself.
os.environ.setdefault("BLINKA_FORCEBOARD", "GENERIC_LINUX_PC")
os.environ.setdefault("BLINKA_FORCECHIP", "GENERIC_X86")

import adafruit_fingerprint as adafruit

from gate_controller.ports.devices import Family
from simulators.fingerprint import enrolment_template
from simulators.fingerprint.process import FingerprintProcess

pytestmark = pytest.mark.wire

TEMPLATE_BYTES = {Family.ZFM20: 512, Family.R307: 768, Family.R503: 1536}
IMAGE_BYTES = {Family.ZFM20: 36_864, Family.R307: 36_864, Family.R503: 18_432}
TIMEOUT_S = 10.0


@pytest.fixture(scope="module", params=Family, ids=lambda family: family.value)
def process(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FingerprintProcess]:
    with FingerprintProcess(request.param, tmp_path_factory.mktemp("adafruit")) as running:
        yield running


@pytest.fixture
def module(process: FingerprintProcess) -> FingerprintProcess:
    process.ask("reset")
    return process


@pytest.fixture
def line(module: FingerprintProcess) -> Iterator[serial.Serial]:
    with serial.Serial(str(module.link), 57600, timeout=TIMEOUT_S) as port:
        yield port


@pytest.fixture
def client(line: serial.Serial) -> Any:
    return adafruit.Adafruit_Fingerprint(line)


def capture(module: FingerprintProcess, client: Any, finger: str, slot: int) -> None:
    module.ask("place", finger=finger)
    assert client.get_image() == adafruit.OK
    assert client.image_2_tz(slot) == adafruit.OK


def enrol(module: FingerprintProcess, client: Any, finger: str, page: int) -> None:
    capture(module, client, finger, 1)
    capture(module, client, finger, 2)
    assert client.create_model() == adafruit.OK
    assert client.store_model(page) == adafruit.OK


def test_password(module: FingerprintProcess, line: serial.Serial) -> None:
    module.ask("fault", name="foreign_password", password=0x01020304)
    with pytest.raises(RuntimeError, match="Failed to find sensor"):
        adafruit.Adafruit_Fingerprint(line)
    client = adafruit.Adafruit_Fingerprint(line, (1, 2, 3, 4))
    assert client.verify_password() == adafruit.OK
    client.password = (9, 9, 9, 9)
    assert client.verify_password() == adafruit.PASSFAIL


def test_parameters(module: FingerprintProcess, client: Any) -> None:
    capacities = {Family.ZFM20: 162, Family.R307: 1000, Family.R503: 200}
    assert (client.library_size, client.security_level, client.data_packet_size, client.baudrate) == (capacities[module.family], 3, 2, 6)
    assert bytes(client.device_address) == b"\xff\xff\xff\xff"
    assert client.set_sysparam(5, 4) == adafruit.OK
    assert client.read_sysparam() == adafruit.OK
    assert client.security_level == 4
    with pytest.raises(RuntimeError):
        client.set_sysparam(7, 1)


def test_no_finger_then_no_image(client: Any) -> None:
    assert client.get_image() == adafruit.NOFINGER
    assert client.image_2_tz(1) == adafruit.INVALIDIMAGE


@pytest.mark.parametrize(("condition", "code"), [("dry", "FEATUREFAIL"), ("smudged", "IMAGEMESS")])
def test_a_bad_image(module: FingerprintProcess, client: Any, condition: str, code: str) -> None:
    module.ask("place", finger=f"ada#{condition}")
    assert client.get_image() == adafruit.OK
    assert client.image_2_tz(1) == getattr(adafruit, code)


def test_an_image_that_cannot_be_taken(module: FingerprintProcess, client: Any) -> None:
    module.ask("place", finger="ada#moving")
    assert client.get_image() == adafruit.IMAGEFAIL


def test_captures_of_two_fingers_do_not_merge(module: FingerprintProcess, client: Any) -> None:
    capture(module, client, "ada", 1)
    capture(module, client, "bob", 2)
    assert client.create_model() == adafruit.ENROLLMISMATCH


@pytest.mark.parametrize("template_first", [True, False])
def test_a_template_sent_to_the_module_matches_its_finger_only(module: FingerprintProcess, client: Any, template_first: bool) -> None:
    template = list(enrolment_template("ada", module.family))
    for finger, code in (("ada", adafruit.OK), ("bob", adafruit.NOMATCH)):
        if template_first:
            assert client.send_fpdata(template, "char", 2)
        capture(module, client, finger, 1)
        if not template_first:
            assert client.send_fpdata(template, "char", 2)
        assert client.compare_templates() == code
        assert client.get_fpdata("char", 2) == template


def test_search_fast_and_slow(module: FingerprintProcess, client: Any) -> None:
    enrol(module, client, "ada", 4)
    enrol(module, client, "bob", 9)
    for search in (client.finger_search, client.finger_fast_search):
        capture(module, client, "bob", 1)
        assert search() == adafruit.OK
        assert (client.finger_id, client.confidence > 100) == (9, True)
        capture(module, client, "eve", 1)
        assert search() == adafruit.NOTFOUND


def test_the_page_of_a_failed_search_is_garbage_on_an_r503(module: FingerprintProcess, client: Any) -> None:
    capture(module, client, "eve", 1)
    assert client.finger_search() == adafruit.NOTFOUND
    assert client.finger_id == (0x01EE if module.family is Family.R503 else 0)


def test_library(module: FingerprintProcess, client: Any) -> None:
    enrol(module, client, "ada", 4)
    enrol(module, client, "bob", 11)
    assert client.count_templates() == adafruit.OK
    assert client.template_count == 2
    assert client.read_templates() == adafruit.OK
    assert client.templates == [4, 11]
    assert client.load_model(4, 1) == adafruit.OK
    assert len(client.get_fpdata("char", 1)) == TEMPLATE_BYTES[module.family]
    assert client.load_model(5, 1) == adafruit.DBRANGEFAIL
    assert client.load_model(client.library_size, 1) == adafruit.BADLOCATION
    assert client.store_model(client.library_size) == adafruit.BADLOCATION
    assert client.delete_model(4) == adafruit.OK
    assert client.delete_model(client.library_size) == adafruit.DELETEFAIL
    assert client.empty_library() == adafruit.OK
    assert client.count_templates() == adafruit.OK
    assert client.template_count == 0


def test_an_image_goes_out_and_comes_in_and_means_the_same(module: FingerprintProcess, client: Any) -> None:
    module.ask("place", finger="ada")
    assert client.get_image() == adafruit.OK
    image = client.get_fpdata("image")
    assert len(image) == IMAGE_BYTES[module.family]
    assert client.send_fpdata(list(enrolment_template("ada", module.family)), "char", 2)
    module.ask("remove")
    assert client.get_image() == adafruit.NOFINGER
    assert client.send_fpdata(image, "image")
    assert client.image_2_tz(1) == adafruit.OK
    assert client.compare_templates() == adafruit.OK


def test_light_and_restart_of_the_r503_and_echo_of_the_older_ones(module: FingerprintProcess, client: Any) -> None:
    if module.family is Family.R503:
        assert client.set_led(color=2, mode=1) == adafruit.OK
        assert module.ask("state")["light"] == "breathing blue"
        client.soft_reset()
        assert module.ask("state")["light"] == "off"
        with pytest.raises(RuntimeError, match="wrong with the sensor"):
            client.check_module()
    else:
        assert client.check_module() is True
        assert client.set_led() == adafruit.PACKETRECIEVEERR


def test_error_codes_come_in_acknowledges_of_the_length_this_client_insists_on(module: FingerprintProcess, client: Any) -> None:
    codes: list[tuple[int, str, Callable[[], int]]] = [
        (0x01, "PACKETRECIEVEERR", client.get_image),
        (0x02, "PASSVERIFY", client.image_2_tz),
        (0x03, "NOMATCH", client.compare_templates),
        (0x05, "ENROLLMISMATCH", client.create_model),
        (0x06, "FLASHERR", lambda: client.store_model(1)),
        (0x0C, "DELETEFAIL", lambda: client.delete_model(1)),
        (0x0D, "DBCLEARFAIL", client.empty_library),
        (0x13, "ADDRCODE", client.verify_password),
        (0x1D, "PACKETRECIEVEERR", client.count_templates),
        (0x1B, "NOTFOUND", client.finger_fast_search),
    ]
    for instruction, name, call in codes:
        module.ask("fault", name="answer", instruction=instruction, code=getattr(adafruit, name))
        assert call() == getattr(adafruit, name), name


def test_error_codes_that_this_client_turns_into_exceptions(module: FingerprintProcess, client: Any) -> None:
    codes: list[tuple[int, str, Callable[[], object]]] = [
        (0x08, "UPLOADFEATUREFAIL", lambda: client.get_fpdata("char", 1)),
        (0x0A, "UPLOADFAIL", lambda: client.get_fpdata("image")),
        (0x0E, "INVALIDREG", lambda: client.set_sysparam(5, 3)),
    ]
    for instruction, name, call in codes:
        module.ask("fault", name="answer", instruction=instruction, code=getattr(adafruit, name))
        with pytest.raises((RuntimeError, UnboundLocalError)):
            call()


def test_a_refused_transfer_is_followed_by_no_data(module: FingerprintProcess, client: Any) -> None:
    module.ask("fault", name="answer", instruction=0x09, code=adafruit.PACKETRESPONSEFAIL)
    client.send_fpdata(list(enrolment_template("ada", module.family)), "char", 1)
    module.ask("clear")
    assert client.verify_password() == adafruit.OK
