"""The serial port below the driver: a real pseudo-terminal, a process that dies, and the errors of the operating system."""

from __future__ import annotations

import errno
import grp
import os
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import serial
from pydantic import ValidationError

from drivers.fingerprint import DRIVER, FingerprintOptions
from drivers.fingerprint.serial_port import SerialPort, open_error
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import Family, FingerprintOutcome, FingerprintReader, FingerprintTemplate
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import DeviceAbsentError, DeviceBusyError, DeviceError, DevicePermissionError, DeviceTimeoutError, DeviceUntrustedError
from simulators.fingerprint import enrolment_template
from simulators.fingerprint.process import FingerprintProcess

AMPLE_S = 20.0


def soon(seconds: float = AMPLE_S) -> float:
    return time.monotonic() + seconds


def build(process: FingerprintProcess, warn: Callable[[str], None] = pytest.fail, **options: object) -> FingerprintReader:
    parsed = FingerprintOptions(port=str(process.link), family=process.family, **options)
    return DRIVER.build(parsed, DriverContext(SystemClock(), Path(), warn))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FingerprintProcess]:
    with FingerprintProcess(Family.R503, tmp_path_factory.mktemp("serial")) as process:
        yield process


@pytest.fixture
def process(running: FingerprintProcess) -> FingerprintProcess:
    running.ask("reset")
    return running


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    yield master, os.ttyname(slave)
    os.close(slave)
    os.close(master)


def load(reader: FingerprintReader) -> None:
    template = FingerprintTemplate(reader.template_format, 2, enrolment_template("ada", Family.R503))
    reader.load_reference(template, soon())


def match(reader: FingerprintReader, process: FingerprintProcess) -> FingerprintOutcome:
    load(reader)
    process.ask("remove")
    assert reader.verify(soon()).outcome is FingerprintOutcome.NO_FINGER
    process.ask("place", finger="ada")
    return reader.verify(soon()).outcome


@pytest.mark.wire
@pytest.mark.parametrize("moment", ["idle", "loaded"])
def test_a_killed_module_raises_within_the_deadline_and_opens_again_after_its_restart(process: FingerprintProcess, moment: str) -> None:
    reader = build(process)
    reader.open(soon())
    if moment == "loaded":
        load(reader)
    process.kill()
    began = time.monotonic()
    with pytest.raises((DeviceAbsentError, DeviceTimeoutError)):
        reader.finger_present(soon(1.0)) if moment == "idle" else reader.verify(soon(1.0))
    assert time.monotonic() - began < 1.0 + 5.0
    with pytest.raises(DeviceError):
        reader.open(soon(0.5))
    process.start()
    reader.open(soon())
    assert match(reader, process) is FingerprintOutcome.MATCH
    reader.close()


@pytest.mark.wire
def test_a_replugged_module_has_another_node_and_opens_again(process: FingerprintProcess) -> None:
    reader = build(process)
    reader.open(soon())
    before = process.link.readlink()
    process.ask("fault", name="unplugged")
    assert not process.link.is_symlink()
    with pytest.raises(DeviceAbsentError):
        reader.finger_present(soon())
    with pytest.raises(DeviceAbsentError, match="No such file"):
        reader.open(soon())
    process.ask("clear")
    assert process.link.readlink() != before
    reader.open(soon())
    assert match(reader, process) is FingerprintOutcome.MATCH
    reader.close()


@pytest.mark.wire
def test_a_port_is_held_exclusively(process: FingerprintProcess) -> None:
    first, second = build(process), build(process)
    first.open(soon())
    with pytest.raises(DeviceBusyError) as refusal:
        second.open(soon())
    assert "fuser" in refusal.value.remedy
    assert first.finger_present(soon()) is False
    first.close()
    second.open(soon())
    second.close()


@pytest.mark.wire
def test_a_module_at_another_baud_rate_is_found_and_set_on_the_wire(process: FingerprintProcess) -> None:
    process.ask("fault", name="wrong_baud", baud=9600)
    told: list[str] = []
    reader = build(process, told.append, baud=115200)
    reader.open(soon())
    assert ["at 9600 baud" in line for line in told] == [True]
    assert process.ask("state")["baud"] == 115200
    assert match(reader, process) is FingerprintOutcome.MATCH
    reader.close()


@pytest.mark.wire
def test_a_port_where_nothing_answers_times_out_in_time(pty: tuple[int, str]) -> None:
    options = FingerprintOptions(port=pty[1], family=Family.R503)
    reader = DRIVER.build(options, DriverContext(SystemClock(), Path(), pytest.fail))
    began = time.monotonic()
    with pytest.raises(DeviceTimeoutError, match="does not answer") as refusal:
        reader.open(soon(0.6))
    assert 0.5 < time.monotonic() - began < 0.6 + 5.0
    assert "TX and RX" in refusal.value.remedy


def test_a_line_that_takes_no_bytes_is_reported_as_taking_none(pty: tuple[int, str]) -> None:
    port = SerialPort(pty[1], 57600)
    taken = 0
    while count := port.write(bytes(4096), 0.05):
        taken += count
    assert 0 < taken < 10_000_000
    port.close()


def test_bytes_come_as_they_are(pty: tuple[int, str]) -> None:
    port = SerialPort(pty[1], 57600)
    everything = bytes(range(256))
    os.write(pty[0], everything)
    received = b""
    while len(received) < 256:
        received += port.read(AMPLE_S)
    assert received == everything
    assert port.write(everything, AMPLE_S) == 256
    assert os.read(pty[0], 4096) == everything
    assert port.read(0.0) == b""
    port.set_baud(19200)
    assert termios.tcgetattr(pty[0])[4] == termios.B19200
    port.close()
    port.close()


def test_a_hung_up_line_is_absent_whatever_is_done() -> None:
    master, slave = os.openpty()
    port = SerialPort(os.ttyname(slave), 57600)
    os.close(slave)
    os.close(master)
    for call in (lambda: port.read(1.0), lambda: port.write(b"x", 1.0), lambda: port.set_baud(9600)):
        with pytest.raises(DeviceAbsentError, match="gone") as loss:
            call()
        assert loss.value.remedy
    port.close()


def test_a_missing_port_is_absent(tmp_path: Path) -> None:
    with pytest.raises(DeviceAbsentError, match="No such file") as refusal:
        SerialPort(str(tmp_path / "none"), 57600)
    assert "plug it in" in refusal.value.remedy


def test_a_dangling_link_is_absent(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/pts/999999")
    with pytest.raises(DeviceAbsentError):
        SerialPort(str(tmp_path / "link"), 57600)


@pytest.mark.parametrize("kind", ["file", "directory", "fifo"])
def test_what_is_no_serial_port_is_absent(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    {"file": path.touch, "directory": path.mkdir, "fifo": lambda: os.mkfifo(path)}[kind]()
    with pytest.raises(DeviceAbsentError) as refusal:
        SerialPort(str(path), 57600)
    assert "port option" in refusal.value.remedy


def test_a_port_this_user_may_not_open_names_the_group(without_root: Callable[[], AbstractContextManager[None]], open_directory: Path) -> None:
    path = open_directory / "port"
    path.touch(mode=0o600)
    with without_root(), pytest.raises(DevicePermissionError) as refusal:
        SerialPort(str(path), 57600)
    group = grp.getgrgid(path.stat().st_gid).gr_name
    assert f"add the user to group {'dialout' if group == 'root' else group}" in refusal.value.remedy


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, DeviceAbsentError),
        (errno.ENXIO, DeviceAbsentError),
        (errno.ENODEV, DeviceAbsentError),
        (errno.EIO, DeviceAbsentError),
        (errno.EACCES, DevicePermissionError),
        (errno.EPERM, DevicePermissionError),
        (errno.EBUSY, DeviceBusyError),
        (errno.EAGAIN, DeviceBusyError),
        (errno.EINVAL, DeviceAbsentError),
    ],
)
@pytest.mark.parametrize("wrapper", [OSError, serial.SerialException])
def test_every_reason_not_to_open_is_told_apart(wrapper: type[OSError], number: int, kind: type[DeviceError]) -> None:
    error = open_error("/dev/ttyS99", wrapper(number, "as pyserial words it"))
    assert type(error) is kind
    assert "/dev/ttyS99" in error.what
    assert error.remedy
    assert "\n" not in str(error)


def test_pyserials_errors_without_a_number_are_absent() -> None:
    for error in (serial.SerialException("Could not configure port"), ValueError("Not a valid baudrate"), termios.error(25, "Inappropriate ioctl for device")):
        assert type(open_error("/dev/ttyS99", error)) is DeviceAbsentError


@pytest.mark.wire
def test_a_failed_opening_leaves_the_port_closed(process: FingerprintProcess) -> None:
    process.ask("fault", name="settings_ignored")
    with pytest.raises(DeviceUntrustedError):
        build(process, security_level=5).open(soon())
    SerialPort(str(process.link), 57600).close()  # it would be busy


@pytest.mark.parametrize(
    "wrong",
    [
        {"baud": 57601},
        {"baud": 0},
        {"baud": 230400},
        {"packet_bytes": 100},
        {"security_level": 0},
        {"security_level": 6},
        {"password": -1},
        {"address": 1 << 32},
        {"family": "r551"},
        {"port": ""},
        {"colour": "red"},
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FingerprintOptions.model_validate({"port": "/dev/gate-fingerprint", "family": "r503"} | wrong)


def test_the_driver_offers_its_endpoint_and_never_shows_the_password() -> None:
    options = DRIVER.options.model_validate({"port": "/dev/gate-fingerprint", "family": "r503", "password": 0x5EC4E7})
    assert DRIVER.endpoint(options) == "/dev/gate-fingerprint"
    reader = DRIVER.build(options, DriverContext(SystemClock(), Path(), pytest.fail))
    assert str(0x5EC4E7) not in repr(options) + str(reader.describe())
    for name, field in FingerprintOptions.model_fields.items():
        assert field.description, name
