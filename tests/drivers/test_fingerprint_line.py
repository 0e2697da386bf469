"""The half-duplex line under the driver, byte by byte, against a scripted port in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.fingerprint.codes import Code, Register
from drivers.fingerprint.commands import Commands, line_time_s
from drivers.fingerprint.link import LATEST_ANSWER_S, SILENCE_S, Link
from drivers.fingerprint.packets import Packet, PacketKind, encode
from gate_controller.ports.errors import DeviceAbsentError, DeviceError, DeviceProtocolError, DeviceRejectedError, DeviceTimeoutError, DeviceUntrustedError
from simulators.fingerprint.loopback import VirtualClock

BROADCAST = 0xFFFFFFFF
PARAMETERS = bytes.fromhex("000004000000C80003FFFFFFFF00020006")


def ack(data: bytes) -> bytes:
    return encode(Packet(PacketKind.ACKNOWLEDGE, data), BROADCAST)


class ScriptedPort:
    """Answers the n-th command by the n-th entry of a script; keeps what was sent."""

    def __init__(self, clock: VirtualClock, script: list[bytes]) -> None:
        self.clock = clock
        self.script = script
        self.sent: list[bytes] = []
        self.waiting = b""
        self.takes = 4096
        self.babble = b""
        self._partial = b""

    def read(self, timeout_s: float) -> bytes:
        if not self.waiting and self.babble:
            self.clock.advance(0.001)
            return self.babble
        if not self.waiting:
            self.clock.advance(timeout_s)
        data, self.waiting = self.waiting, b""
        return data

    def write(self, data: bytes, timeout_s: float) -> int:
        taken = data[: self.takes]
        if not taken:
            self.clock.advance(timeout_s)
        self._partial += taken
        while len(self._partial) >= 9 and len(self._partial) >= (size := 9 + int.from_bytes(self._partial[7:9], "big")):
            self.sent.append(self._partial[:size])
            self._partial = self._partial[size:]
            self.waiting += self.script.pop(0) if self.script else b""
        return len(taken)

    def set_baud(self, baud: int) -> None:
        self.waiting = b""

    def close(self) -> None:
        self.waiting = b""


class Bench:
    """Commands on a settled line."""

    def __init__(self, *script: bytes) -> None:
        self.clock = VirtualClock()
        self.port = ScriptedPort(self.clock, [ack(PARAMETERS)])
        self.link = Link(lambda _: self.port, self.clock, BROADCAST, "the reader")
        self.commands = Commands(self.link, self.clock.monotonic, "the reader")
        self.link.open(57600)
        self.port.script += [ack(b"\x02")]
        assert self.commands.get_image(self.soon()) == Code.NO_FINGER
        self.port.script += script
        self.port.sent.clear()

    def soon(self, seconds: float = 1.0) -> float:
        return self.clock.monotonic() + seconds


def hexes(sent: list[bytes]) -> list[str]:
    return [packet.hex() for packet in sent]


def test_a_fresh_line_is_settled_before_the_first_command() -> None:
    bench = Bench()
    bench.link.open(57600)
    bench.port.script += [ack(b"\x02") + ack(b"\x00\x00\x63") + ack(PARAMETERS), ack(b"\x00")]
    assert bench.commands.get_image(bench.soon()) == Code.OK
    assert hexes(bench.port.sent) == ["ef01ffffffff0100030f0013", "ef01ffffffff010003010005"]


def test_an_undisturbed_line_is_not_settled_again() -> None:
    bench = Bench(ack(b"\x00"), ack(b"\x00"), ack(b"\x00\x00\x78"))
    deadline = bench.soon()
    assert bench.commands.get_image(deadline) == Code.OK
    assert bench.commands.extract(1, deadline) == Code.OK
    assert bench.commands.match(deadline) == (Code.OK, 120)
    assert hexes(bench.port.sent) == ["ef01ffffffff010003010005", "ef01ffffffff0100040201" + "0008", "ef01ffffffff010003030007"]


Call = Callable[[Commands, float], object]
CALLS: dict[str, tuple[Call, int]] = {
    "VfyPwd": (lambda commands, deadline: commands.try_password(0, deadline), 0),
    "ReadSysPara": (lambda commands, deadline: commands.read_parameters(deadline), 16),
    "SetSysPara": (lambda commands, deadline: commands.set_parameter(Register.BAUD, 6, deadline), 0),
    "ProdInfo": (lambda commands, deadline: commands.product_information(deadline), 46),
    "CheckSensor": (lambda commands, deadline: commands.check_sensor(deadline), 0),
    "GetImage": (lambda commands, deadline: commands.get_image(deadline), 0),
    "Img2Tz": (lambda commands, deadline: commands.extract(1, deadline), 0),
    "Match": (lambda commands, deadline: commands.match(deadline), 2),
    "DownChar": (lambda commands, deadline: commands.download_template(2, bytes(512), 128, deadline), 0),
    "UpChar": (lambda commands, deadline: commands.upload_template(2, 512, deadline), 0),
    "AuraLED": (lambda commands, deadline: commands.aura_led(1, 0, 1, deadline), 0),
    "LED": (lambda commands, deadline: commands.led(True, deadline), 0),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_acknowledge_of_another_commands_length_is_never_taken(name: str) -> None:
    call, length = CALLS[name]
    for wrong in {0, 1, 2, 4, 16, 32, 46} - {length}:
        bench = Bench(ack(b"\x00" + bytes(wrong)))
        with pytest.raises(DeviceProtocolError, match="bytes after the code"):
            call(bench.commands, bench.soon())


@pytest.mark.parametrize("name", CALLS)
def test_a_packet_that_is_no_acknowledge_is_no_answer(name: str) -> None:
    for packet in (
        Packet(PacketKind.DATA, b"\x00"),
        Packet(PacketKind.LAST_DATA, b"\x00"),
        Packet(PacketKind.COMMAND, b"\x00"),
        Packet(PacketKind.ACKNOWLEDGE, b""),
    ):
        bench = Bench(encode(packet, BROADCAST))
        with pytest.raises(DeviceProtocolError, match="something else than an acknowledge"):
            CALLS[name][0](bench.commands, bench.soon())


@pytest.mark.parametrize("name", [name for name in CALLS if name != "ReadSysPara"])
def test_no_answer_is_a_timeout_at_the_deadline_and_the_line_is_settled_before_the_next(name: str) -> None:
    bench = Bench(b"")
    deadline = bench.soon(0.4)
    with pytest.raises(DeviceTimeoutError):
        CALLS[name][0](bench.commands, deadline)
    assert bench.clock.monotonic() == pytest.approx(deadline)
    bench.port.sent.clear()
    bench.port.script += [ack(PARAMETERS), ack(b"\x02")]
    assert bench.commands.get_image(bench.soon()) == Code.NO_FINGER
    assert hexes(bench.port.sent) == ["ef01ffffffff0100030f0013", "ef01ffffffff010003010005"]


@pytest.mark.parametrize("name", [name for name in CALLS if name != "VfyPwd"])
@pytest.mark.parametrize("code", [0x21, 0x29, 0xFD, 0xFE])
def test_a_module_in_no_state_to_be_used_is_untrusted(name: str, code: int) -> None:
    bench = Bench(ack(bytes([code])))
    with pytest.raises(DeviceUntrustedError, match=f"0x{code:02x}"):
        CALLS[name][0](bench.commands, bench.soon())


@pytest.mark.parametrize("code", [0x05, 0x0A, 0x18, 0x77, 0xFF])
def test_any_other_refusal_is_rejected_by_its_name(code: int) -> None:
    for name in ("ReadSysPara", "SetSysPara", "GetImage", "Img2Tz", "Match", "DownChar", "UpChar"):
        bench = Bench(ack(bytes([code])))
        with pytest.raises(DeviceRejectedError, match=f"0x{code:02x}"):
            CALLS[name][0](bench.commands, bench.soon())


def test_parameters_are_read_as_a_real_r503_sent_them() -> None:
    bench = Bench(bytes.fromhex("EF01FFFFFFFF07001300000400" + "0000C80003FFFFFFFF0002000604ED"))
    read = bench.commands.read_parameters(bench.soon())
    assert (read.password_verified, read.capacity, read.security_level, read.packet_bytes, read.baud) == (True, 200, 3, 128, 57600)


def test_an_impossible_packet_size_is_a_protocol_error() -> None:
    bench = Bench(ack(PARAMETERS[:13] + b"\x00\x07" + PARAMETERS[15:]))
    with pytest.raises(DeviceProtocolError, match="size code 7"):
        bench.commands.read_parameters(bench.soon())


def test_data_goes_out_in_packets_and_the_last_is_marked() -> None:
    bench = Bench(ack(b"\x00"))
    bench.commands.download_template(2, bytes(range(70)), 32, bench.soon())
    command, *data = bench.port.sent
    assert command.hex() == "ef01ffffffff010004090200" + "10"
    assert [(packet[6], len(packet) - 11) for packet in data] == [(2, 32), (2, 32), (8, 6)]
    assert b"".join(packet[9:-2] for packet in data) == bytes(range(70))


def test_a_template_that_is_broken_off_by_an_acknowledge_is_a_protocol_error() -> None:
    part = encode(Packet(PacketKind.DATA, bytes(128)), BROADCAST)
    bench = Bench(ack(b"\x00") + part + ack(b"\x00"))
    with pytest.raises(DeviceProtocolError, match="broke off"):
        bench.commands.upload_template(1, 512, bench.soon())


def test_a_pause_in_a_template_ends_it_unless_the_deadline_comes_first() -> None:
    part = encode(Packet(PacketKind.DATA, bytes(128)), BROADCAST)
    bench = Bench(ack(b"\x00") + part)
    uploaded = bench.commands.upload_template(1, 512, bench.soon(5.0))
    assert uploaded is not None
    assert (len(uploaded.data), uploaded.complete) == (128, False)
    bench = Bench(ack(b"\x00") + part)
    with pytest.raises(DeviceTimeoutError):
        bench.commands.upload_template(1, 512, bench.soon(0.5))


def test_a_module_that_never_ends_a_template_is_cut_off() -> None:
    endless = encode(Packet(PacketKind.DATA, bytes(128)), BROADCAST) * 100
    bench = Bench(ack(b"\x00") + endless)
    uploaded = bench.commands.upload_template(1, 1024, bench.soon(5.0))
    assert uploaded is not None
    assert (len(uploaded.data), uploaded.complete) == (1024, False)


@pytest.mark.parametrize("babble", [b"\x00", b"\x55", b"\xef\x01", b"\xef\x01\xff\xff\xff\xff\x07\x00\x03", ack(b"\x00"), ack(PARAMETERS)])
def test_a_line_that_never_falls_silent_is_an_error_in_time(babble: bytes) -> None:
    bench = Bench()
    bench.port.babble = babble
    deadline = bench.soon(0.5)
    with pytest.raises((DeviceTimeoutError, DeviceProtocolError)):
        bench.commands.get_image(deadline)
    assert bench.clock.monotonic() <= deadline + SILENCE_S


def test_bytes_are_sent_in_as_many_pieces_as_the_port_wants() -> None:
    bench = Bench(ack(b"\x02"))
    bench.port.takes = 1
    assert bench.commands.get_image(bench.soon()) == Code.NO_FINGER


def test_a_port_that_takes_no_bytes_is_a_timeout() -> None:
    bench = Bench()
    bench.port.takes = 0
    deadline = bench.soon(0.5)
    with pytest.raises(DeviceTimeoutError):
        bench.commands.get_image(deadline)
    assert bench.clock.monotonic() == pytest.approx(deadline)


def test_a_question_is_not_asked_again_while_its_answer_may_still_come() -> None:
    bench = Bench(b"")
    with pytest.raises(DeviceTimeoutError):
        bench.commands.read_parameters(bench.soon(0.3))
    with pytest.raises(DeviceTimeoutError):
        bench.commands.get_image(bench.soon(0.3))
    assert hexes(bench.port.sent) == ["ef01ffffffff0100030f0013"]
    bench.port.waiting = ack(PARAMETERS)
    bench.port.script += [ack(PARAMETERS), ack(b"\x02")]
    assert bench.commands.get_image(bench.soon(0.3)) == Code.NO_FINGER


def test_a_question_that_was_lost_for_good_is_asked_again() -> None:
    bench = Bench(b"")
    began = bench.clock.monotonic()
    with pytest.raises(DeviceTimeoutError):
        bench.commands.read_parameters(bench.soon(0.3))
    bench.port.script += [ack(PARAMETERS), ack(b"\x02")]
    assert bench.commands.get_image(bench.soon(10.0)) == Code.NO_FINGER
    assert LATEST_ANSWER_S <= bench.clock.monotonic() - began <= LATEST_ANSWER_S + 0.2


def test_a_55_between_packets_is_noted_as_a_start() -> None:
    for boot, seen in ((b"\x55", True), (b"\x00\x55", True), (b"\x00", False)):
        bench = Bench(boot + ack(b"\x02"))
        bench.link.forget_boot()
        assert bench.commands.get_image(bench.soon()) == Code.NO_FINGER
        assert bench.link.boot_seen is seen
        bench.link.forget_boot()
        bench.port.waiting = boot
        bench.port.script += [ack(PARAMETERS), ack(b"\x02")]
        bench.commands.get_image(bench.soon())
        assert bench.link.boot_seen is seen


def test_a_55_inside_a_packet_is_no_start() -> None:
    bench = Bench(ack(b"\x00\x55\x55"))
    assert bench.commands.match(bench.soon()) == (Code.OK, 0x5555)
    assert bench.link.boot_seen is False


def test_a_closed_line_is_absent() -> None:
    bench = Bench()
    bench.link.close()
    bench.link.close()
    with pytest.raises(DeviceAbsentError, match="not open"):
        bench.commands.get_image(bench.soon())


@pytest.mark.parametrize(("template_bytes", "milliseconds"), [(512, 97), (768, 145), (1536, 290)])
def test_line_times_are_those_of_the_protocol_notes(template_bytes: int, milliseconds: int) -> None:
    assert line_time_s(template_bytes, 128, 57600) == pytest.approx(milliseconds / 1000, abs=0.001)
    assert line_time_s(template_bytes, 128, 115200) == pytest.approx(milliseconds / 2000, abs=0.001)


def test_errors_are_device_errors_with_a_remedy_in_one_line() -> None:
    for script in ([b""], [ack(b"\x18")], [ack(b"\x21")], [b"\xef\x01\xff\xff\xff\xff\x07\x00\x03\x00\x00\x0b"]):
        bench = Bench(*script)
        with pytest.raises(DeviceError) as raised:
            bench.commands.get_image(bench.soon())
        assert raised.value.remedy
        assert "\n" not in str(raised.value)
