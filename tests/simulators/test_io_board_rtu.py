"""The simulated board answers as the standard and the relay board's manual say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.io_board import rtu
from simulators.io_board.board import Board
from simulators.io_board.faults import Faults


def ask(board: Board, text: str, now: float = 0.0) -> str:
    return rtu.answer(board, bytes.fromhex(text), now).hex(" ")


@pytest.mark.parametrize(
    "frame",
    [
        "01 05 02 00 00 07 8d b0",  # Waveshare wiki, Modbus RTU Relay: flash on, 700 ms
        "01 05 00 00 ff 00 8c 3a",  # the same: relay 0 on
        "01 0f 00 00 00 08 01 ff be d5",  # the same: all on
        "02 07 41 12",  # MODBUS over Serial Line V1.02, appendix B
    ],
)
def test_checksum_agrees_with_published_frames(frame: str) -> None:
    data = bytes.fromhex(frame)
    assert rtu.crc16(data[:-2]) == data[-2:]
    assert rtu.is_intact(data)
    assert rtu.frame(data[0], data[1:-2]) == data


@given(st.binary(min_size=2, max_size=40), st.data())
def test_a_flipped_bit_is_always_noticed(body: bytes, data: st.DataObject) -> None:
    whole = bytearray(body + rtu.crc16(body))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    assert not rtu.is_intact(bytes(whole))


def test_reads_pack_bits_from_the_lowest() -> None:
    board = Board()
    for channel in (0, 2, 9):
        board.set_input(channel, level=True)
    assert ask(board, "02 0000 0010") == "02 02 05 02"
    assert ask(board, "02 0002 0001") == "02 01 01"
    board.write_coils(0, [True, False, True])
    assert ask(board, "01 0000 0008") == "01 01 05"


def test_registers_are_big_endian() -> None:
    board = Board()
    board.set_register(1, 0x1234)
    assert ask(board, "04 0000 0002") == "04 04 00 00 12 34"


def test_writes_are_echoed_and_done() -> None:
    board = Board()
    assert ask(board, "05 0003 ff00") == "05 00 03 ff 00"
    assert ask(board, "0f 0000 0003 01 07") == "0f 00 00 00 03"
    assert board.coils == [True, True, True, True, False, False, False, False]
    assert ask(board, "05 0003 0000") == "05 00 03 00 00"
    assert board.coils[3] is False


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("01 0000 0009", "81 02"),  # beyond the last coil
        ("01 0000 0000", "81 03"),  # no coil at all
        ("01 0000 07d1", "81 03"),  # more than a frame holds
        ("02 0010 0001", "82 02"),
        ("04 0008 0001", "84 02"),
        ("03 0000 0001", "83 01"),  # this kind of board has no holding registers
        ("06 0000 0001", "86 01"),
        ("05 0008 ff00", "85 02"),
        ("05 0000 0001", "85 03"),  # neither on nor off
        ("05 0208 0001", "85 02"),  # a pulse on a coil it does not have
        ("05 0200 0000", "85 03"),  # a pulse of no length
        ("05 0200 8000", "85 03"),  # longer than the manual's 0x7FFF
        ("0f 0007 0002 01 03", "8f 02"),
        ("0f 0000 0003 02 0700", "8f 03"),  # byte count does not fit
        ("0f 0000 0003 01", "8f 03"),
        ("08 0000 1234", "88 01"),
        ("02 0000", "82 03"),
    ],
)
def test_refuses_what_the_hardware_refuses(request_: str, reply: str) -> None:
    board = Board()
    assert ask(board, request_) == reply
    assert not any(board.coils)


@given(st.binary(min_size=1, max_size=20))
def test_answers_anything_without_raising(pdu: bytes) -> None:
    reply = rtu.answer(Board(), pdu, 0.0)
    assert reply[0] in {pdu[0], pdu[0] | 0x80}


def test_a_pulse_ends_by_itself_and_only_then() -> None:
    changes: list[tuple[int, bool]] = []
    board = Board(on_coil=lambda channel, on: changes.append((channel, on)))
    ask(board, "05 0201 0007", now=100.0)
    assert board.next_change() == pytest.approx(100.7)
    board.advance(100.69)
    assert board.coils[1] is True
    board.advance(100.71)
    assert board.coils[1] is False
    assert changes == [(1, True), (1, False)]
    assert board.next_change() is None


def test_a_second_pulse_starts_the_time_anew_and_a_plain_write_ends_it() -> None:
    board = Board()
    board.pulse(0, 10, 0.0)
    board.pulse(0, 10, 0.9)
    board.advance(1.5)
    assert board.coils[0] is True
    board.write_coil(0, on=False)
    board.write_coil(0, on=True)
    board.advance(100.0)
    assert board.coils[0] is True, "what was written on, without a pulse, stays on"


def test_the_other_kind_of_board_has_a_watchdog_and_no_pulses() -> None:
    board = Board(watchdog_register=9)
    assert ask(board, "05 0200 0007") == "85 02"
    assert ask(board, "03 0009 0001") == "03 02 00 00"
    assert ask(board, "06 0008 0001") == "86 02"
    assert ask(board, "06 0009 01f4") == "06 00 09 01 f4"
    assert ask(board, "03 0009 0001") == "03 02 01 f4"
    board.hear(10.0)
    board.write_coils(0, [True] * 8)
    board.advance(10.49)
    assert all(board.coils)
    board.hear(10.49)
    board.advance(10.98)
    assert all(board.coils)
    board.advance(10.995)
    assert not any(board.coils)


def test_a_stuck_input_reports_one_level_until_freed() -> None:
    board = Board()
    board.stick_input(0)
    board.stick_input(1, level=True)
    board.set_input(0, level=True)
    assert board.read_inputs(0, 2) == [False, True]
    board.free_inputs()
    assert board.read_inputs(0, 2) == [True, False]


@pytest.mark.parametrize(
    ("received", "length"),
    [("01", None), ("01 02", 8), ("01 0f 00 00 00 08", None), ("01 0f 00 00 00 08 01", 10), ("01 2b 0e", None)],
)
def test_length_of_a_request_is_known_from_its_beginning(received: str, length: int | None) -> None:
    assert rtu.request_length(bytes.fromhex(received)) == length


@pytest.mark.parametrize(
    ("name", "fields"),
    [("smoke", {}), ("crc", {"delay_ms": 5}), ("late", {}), ("late", {"delay_ms": "soon"}), ("exception", {"code": 0})],
)
def test_a_fault_that_makes_no_sense_is_refused(name: str, fields: dict[str, object]) -> None:
    faults = Faults()
    with pytest.raises(ValueError):
        faults.arm(name, fields)
    assert faults.names == []


def test_a_fault_lasts_for_as_many_uses_as_said() -> None:
    faults = Faults()
    faults.arm("crc", {"times": 2})
    faults.arm("drop_one", {})
    faults.arm("silent", {})
    assert [faults.use("crc") is not None for _ in range(3)] == [True, True, False]
    assert [faults.use("drop_one") is not None for _ in range(2)] == [True, False]
    assert [faults.use("silent") is not None for _ in range(5)] == [True] * 5
    faults.clear()
    assert faults.use("silent") is None
