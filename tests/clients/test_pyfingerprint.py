"""pyfingerprint 1.5, which knows nothing of this project, drives the wire simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from pyfingerprint import pyfingerprint

from gate_controller.ports.devices import Family
from simulators.fingerprint import enrolment_template
from simulators.fingerprint.process import FingerprintProcess

pytestmark = pytest.mark.wire

TEMPLATE_BYTES = {Family.ZFM20: 512, Family.R307: 768, Family.R503: 1536}


@pytest.fixture(scope="module", params=Family, ids=lambda family: family.value)
def process(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FingerprintProcess]:
    with FingerprintProcess(request.param, tmp_path_factory.mktemp("pyfingerprint")) as running:
        yield running


@pytest.fixture
def module(process: FingerprintProcess) -> FingerprintProcess:
    process.ask("reset")
    return process


@pytest.fixture
def client(module: FingerprintProcess) -> Iterator[pyfingerprint.PyFingerprint]:
    yield (client := pyfingerprint.PyFingerprint(str(module.link), 57600, 0xFFFFFFFF, 0))
    client.__del__()  # it has no other way to close its port


def capture(module: FingerprintProcess, client: pyfingerprint.PyFingerprint, finger: str, buffer: int) -> None:
    module.ask("place", finger=finger)
    assert client.readImage()
    assert client.convertImage(buffer)


def enrol(module: FingerprintProcess, client: pyfingerprint.PyFingerprint, finger: str, page: int) -> None:
    capture(module, client, finger, 1)
    capture(module, client, finger, 2)
    assert client.createTemplate()
    assert client.storeTemplate(page) == page


def test_password(module: FingerprintProcess, client: pyfingerprint.PyFingerprint) -> None:
    assert client.verifyPassword() is True
    assert client.setPassword(0x1234) is True
    stranger = pyfingerprint.PyFingerprint(str(module.link), 57600, 0xFFFFFFFF, 0x9999)
    assert stranger.verifyPassword() is False
    stranger.__del__()
    assert client.verifyPassword() is True


def test_address(client: pyfingerprint.PyFingerprint) -> None:
    assert client.setAddress(0x01020304) is True
    assert client.getSystemParameters()[4] == 0x01020304


def test_parameters(module: FingerprintProcess, client: pyfingerprint.PyFingerprint) -> None:
    assert client.verifyPassword()
    status, _, capacity, level, address, size_code, baud_factor = client.getSystemParameters()
    capacities = {Family.ZFM20: 162, Family.R307: 1000, Family.R503: 200}
    assert (status, capacity, level, address, size_code, baud_factor) == (4, capacities[module.family], 3, 0xFFFFFFFF, 2, 6)
    client.setSecurityLevel(5)
    client.setMaxPacketSize(256)
    assert (client.getSecurityLevel(), client.getMaxPacketSize()) == (5, 256)


def test_a_changed_baud_rate_is_acknowledged_at_the_old_one(module: FingerprintProcess, client: pyfingerprint.PyFingerprint) -> None:
    client.setBaudRate(115200)
    moved = pyfingerprint.PyFingerprint(str(module.link), 115200, 0xFFFFFFFF, 0)
    assert moved.getBaudRate() == 115200
    moved.__del__()


def test_no_finger(client: pyfingerprint.PyFingerprint) -> None:
    assert client.readImage() is False
    with pytest.raises(Exception, match="image is invalid"):
        client.convertImage(1)


@pytest.mark.parametrize(("condition", "message"), [("dry", "too few feature"), ("smudged", "too messy")])
def test_a_bad_image(module: FingerprintProcess, client: pyfingerprint.PyFingerprint, condition: str, message: str) -> None:
    module.ask("place", finger=f"ada#{condition}")
    assert client.readImage()
    with pytest.raises(Exception, match=message):
        client.convertImage(1)


def test_an_image_that_cannot_be_taken(module: FingerprintProcess, client: pyfingerprint.PyFingerprint) -> None:
    module.ask("place", finger="ada#moving")
    with pytest.raises(Exception, match="Could not read image"):
        client.readImage()


def test_two_captures_of_one_finger_merge_and_of_two_fingers_do_not(module: FingerprintProcess, client: pyfingerprint.PyFingerprint) -> None:
    capture(module, client, "ada", 1)
    capture(module, client, "bob", 2)
    assert client.createTemplate() is False
    capture(module, client, "ada", 1)
    capture(module, client, "ada", 2)
    assert client.createTemplate() is True


def test_an_uploaded_template_reads_back_and_matches_its_finger_only(module: FingerprintProcess, client: pyfingerprint.PyFingerprint) -> None:
    template = list(enrolment_template("ada", module.family))
    assert client.uploadCharacteristics(2, template) is True
    capture(module, client, "ada", 1)
    assert client.compareCharacteristics() > 100
    capture(module, client, "bob", 1)
    assert client.compareCharacteristics() == 0
    assert client.downloadCharacteristics(2) == template


def test_live_first_and_template_second_matches_too(module: FingerprintProcess, client: pyfingerprint.PyFingerprint) -> None:
    capture(module, client, "ada", 1)
    assert client.uploadCharacteristics(2, list(enrolment_template("ada", module.family))) is True
    assert client.compareCharacteristics() > 100


def test_a_template_of_all_ff_is_not_taken(module: FingerprintProcess, client: pyfingerprint.PyFingerprint) -> None:
    blank = [0xFF] * TEMPLATE_BYTES[module.family]
    if module.family is Family.R503:
        with pytest.raises(Exception, match="0x22"):
            client.uploadCharacteristics(2, blank)
    else:
        assert client.uploadCharacteristics(2, blank) is False


def test_search_finds_the_page_of_the_finger_and_nothing_for_another(module: FingerprintProcess, client: pyfingerprint.PyFingerprint) -> None:
    enrol(module, client, "ada", 7)
    enrol(module, client, "bob", 8)
    capture(module, client, "bob", 1)
    page, score = client.searchTemplate()
    assert (page, score > 100) == (8, True)
    capture(module, client, "eve", 1)
    assert client.searchTemplate() == (-1, -1)


def test_library(module: FingerprintProcess, client: pyfingerprint.PyFingerprint) -> None:
    enrol(module, client, "ada", 3)
    capture(module, client, "bob", 1)
    capture(module, client, "bob", 2)
    assert client.createTemplate()
    assert client.storeTemplate() == 0, "the first free page"
    assert client.getTemplateCount() == 2
    assert [page for page, used in enumerate(client.getTemplateIndex(0)) if used] == [0, 3]
    assert client.loadTemplate(3, 1) is True
    assert len(client.downloadCharacteristics(1)) == TEMPLATE_BYTES[module.family]
    assert client.deleteTemplate(3) is True
    assert client.getTemplateCount() == 1
    with pytest.raises(Exception, match="could not be read"):
        client.loadTemplate(3, 1)
    assert client.clearDatabase() is True
    assert client.getTemplateCount() == 0


def test_random_numbers_differ(client: pyfingerprint.PyFingerprint) -> None:
    assert len({client.generateRandomNumber() for _ in range(4)}) == 4


def test_an_image_is_read_where_it_has_the_size_this_client_knows(module: FingerprintProcess, client: pyfingerprint.PyFingerprint, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="Could not download image"):
        client.downloadImage(str(tmp_path / "none.bmp"))
    module.ask("place", finger="ada")
    assert client.readImage()
    if module.family is Family.R503:
        with pytest.raises(IndexError):  # 192 x 192; it expects 256 x 288
            client.downloadImage(str(tmp_path / "finger.bmp"))
        return
    client.downloadImage(str(tmp_path / "finger.bmp"))
    with Image.open(tmp_path / "finger.bmp") as image:
        assert image.size == (256, 288)
        assert len(set(image.tobytes())) == 16, "4 bits a pixel"


def test_error_codes_are_the_ones_this_client_knows(module: FingerprintProcess, client: pyfingerprint.PyFingerprint) -> None:
    codes: list[tuple[int, int, Callable[[], object], str]] = [
        (0x13, 0x01, client.verifyPassword, "Communication error"),
        (0x13, 0x20, client.verifyPassword, "address is wrong"),
        (0x0F, 0x21, client.getSystemParameters, "0x21"),
        (0x05, 0x01, client.createTemplate, "Communication error"),
        (0x06, 0x0B, lambda: client.storeTemplate(1), "in that position"),
        (0x06, 0x18, lambda: client.storeTemplate(1), "writing to flash"),
        (0x06, 0x1F, lambda: client.storeTemplate(1), "0x1f"),
        (0x07, 0x0B, lambda: client.loadTemplate(1), "from that position"),
        (0x08, 0x0D, client.downloadCharacteristics, "download characteristics"),
        (0x09, 0x0E, lambda: client.uploadCharacteristics(1, [1] * 512), "upload characteristics"),
        (0x0C, 0x0B, lambda: client.deleteTemplate(1), "Invalid position"),
        (0x0E, 0x1A, lambda: client.setSecurityLevel(3), "Invalid register"),
    ]
    for instruction, code, call, message in codes:
        module.ask("fault", name="answer", instruction=instruction, code=code)
        with pytest.raises(Exception, match=message):
            call()


def test_failed_deletions_are_told(module: FingerprintProcess, client: pyfingerprint.PyFingerprint) -> None:
    module.ask("fault", name="answer", instruction=0x0C, code=0x10)
    assert client.deleteTemplate(1) is False
    module.ask("fault", name="answer", instruction=0x0D, code=0x11)
    assert client.clearDatabase() is False
