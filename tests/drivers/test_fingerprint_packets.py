"""The driver's packet codec against the manuals' bytes and against any bytes at all."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.fingerprint.codes import Code, code_name, remedy
from drivers.fingerprint.packets import MAX_DATA_BYTES, OVERHEAD_BYTES, Packet, PacketError, PacketKind, PacketParser, encode

BROADCAST = 0xFFFFFFFF
packets = st.builds(Packet, st.sampled_from(PacketKind), st.binary(max_size=MAX_DATA_BYTES))


def parse_all(parser: PacketParser) -> list[Packet]:
    found = []
    while (packet := parser.next_packet()) is not None:
        found.append(packet)
    return found


@pytest.mark.parametrize(
    ("raw", "packet"),
    [
        ("ef01ffffffff0100071300000000001b", Packet(PacketKind.COMMAND, bytes.fromhex("1300000000"))),
        ("ef01ffffffff07000300000a", Packet(PacketKind.ACKNOWLEDGE, b"\x00")),
        ("EF01FFFFFFFF07001300000400" + "0000C80003FFFFFFFF0002000604ED", Packet(PacketKind.ACKNOWLEDGE, bytes.fromhex("000004000000C80003FFFFFFFF00020006"))),
        ("EF01FFFFFFFF0700070901EE00000106", Packet(PacketKind.ACKNOWLEDGE, bytes.fromhex("0901EE0000"))),
    ],
    ids=["VfyPwd", "its acknowledge", "ReadSysPara of an R503", "not found on an R503"],
)
def test_golden_bytes(raw: str, packet: Packet) -> None:
    line = bytes.fromhex(raw)
    assert encode(packet, BROADCAST) == line
    parser = PacketParser(BROADCAST)
    parser.feed(line)
    assert parse_all(parser) == [packet]
    assert not parser.noise


@given(st.lists(packets, max_size=5), st.integers(0, BROADCAST), st.data())
def test_packets_survive_the_line_in_any_pieces(sent: list[Packet], address: int, data: st.DataObject) -> None:
    line = b"".join(encode(packet, address) for packet in sent)
    parser = PacketParser(address)
    received = []
    while line:
        size = data.draw(st.integers(1, len(line)))
        parser.feed(line[:size])
        line = line[size:]
        received += parse_all(parser)
    assert received == sent


@given(st.lists(st.one_of(st.binary(max_size=40), st.just(b"\xef\x01"), packets.map(lambda packet: encode(packet, BROADCAST)))))
def test_any_bytes_give_packets_or_the_parsers_own_error_and_never_stall(chunks: list[bytes]) -> None:
    parser = PacketParser(BROADCAST)
    for chunk in chunks:
        parser.feed(chunk)
        while True:
            try:
                if parser.next_packet() is None:
                    break
            except PacketError:
                continue
    # However damaged the past is, silence and a reset make the next packet readable.
    parser.reset()
    parser.feed(encode(Packet(PacketKind.ACKNOWLEDGE, b"\x02"), BROADCAST))
    assert parse_all(parser) == [Packet(PacketKind.ACKNOWLEDGE, b"\x02")]


@given(packets, st.data())
def test_a_flipped_bit_never_gives_a_packet_that_was_not_sent(packet: Packet, data: st.DataObject) -> None:
    line = bytearray(encode(packet, BROADCAST))
    bit = data.draw(st.integers(0, len(line) * 8 - 1))
    line[bit // 8] ^= 1 << bit % 8
    parser = PacketParser(BROADCAST)
    parser.feed(bytes(line))
    with contextlib.suppress(PacketError):
        assert parse_all(parser) == []


@given(packets, st.integers(0, BROADCAST), st.integers(0, BROADCAST))
def test_packets_of_another_address_are_passed_over(packet: Packet, own: int, other: int) -> None:
    parser = PacketParser(own)
    parser.feed(encode(packet, other) + encode(Packet(PacketKind.ACKNOWLEDGE, b"\x00"), own))
    expected = [packet] if own == other else []
    assert parse_all(parser) == [*expected, Packet(PacketKind.ACKNOWLEDGE, b"\x00")]


@pytest.mark.parametrize("boot", [b"\x55", b"\x00\x55"])
def test_what_a_starting_module_sends_is_noise(boot: bytes) -> None:
    parser = PacketParser(BROADCAST)
    parser.feed(boot + bytes.fromhex("ef01ffffffff07000300000a"))
    assert parse_all(parser) == [Packet(PacketKind.ACKNOWLEDGE, b"\x00")]
    assert bytes(parser.noise) == boot


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ("ef01ffffffff07000300000b", "checksum"),
        ("ef01ffffffff0700010008", "length"),
        ("ef01ffffffff070103" + "00" * 259, "length"),
        ("ef01ffffffff09000300000c", "identifier"),
    ],
)
def test_damage_is_an_error(raw: str, what: str) -> None:
    parser = PacketParser(BROADCAST)
    parser.feed(bytes.fromhex(raw))
    with pytest.raises(PacketError, match=what):
        parser.next_packet()


def test_the_largest_packet_and_one_more() -> None:
    largest = Packet(PacketKind.DATA, b"\xff" * MAX_DATA_BYTES)
    raw = encode(largest, BROADCAST)
    assert len(raw) == MAX_DATA_BYTES + OVERHEAD_BYTES
    assert int.from_bytes(raw[-2:], "big") == (sum(raw[6:-2]) & 0xFFFF)
    with pytest.raises(PacketError):
        encode(Packet(PacketKind.DATA, b"\xff" * (MAX_DATA_BYTES + 1)), BROADCAST)
    with pytest.raises(PacketError):
        encode(largest, BROADCAST + 1)


def test_every_code_of_the_manuals_has_a_name_and_a_remedy_and_no_other_has() -> None:
    named = "00 01 02 03 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 13 15 18 1a 1b 1f 20 21 22 24 26 27 29 fc fd fe"
    assert {f"{code:02x}" for code in Code} == set(named.split())
    for code in range(256):
        assert (code_name(code) == f"0x{code:02x} not in the manuals") == (code not in {*Code})
        assert remedy(code)
