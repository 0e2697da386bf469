"""The simulated module byte by byte, against the manuals and against any bytes at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_controller.ports.devices import Family
from simulators.fingerprint import enrolment_template, fingers
from simulators.fingerprint.families import PROFILES
from simulators.fingerprint.faults import CONDITIONS, EVENTS, FAULTS
from simulators.fingerprint.module import Module
from simulators.fingerprint.packets import MAX_DATA_BYTES, Deframer, Frame, Identifier, frame_bytes

BROADCAST = 0xFFFFFFFF
frames = st.builds(Frame, st.integers(0, BROADCAST), st.sampled_from(Identifier), st.binary(max_size=MAX_DATA_BYTES))
ZFM20, R307, R503 = Family.ZFM20, Family.R307, Family.R503


class Host:
    """Talks to a module by hand-made packets, at no particular time."""

    def __init__(self, family: Family = R503, **settings: int) -> None:
        self.module = Module(family, **settings)
        self.family = family
        self.now = 100.0

    def raw(self, data: bytes) -> bytes:
        return b"".join(outgoing.data for outgoing in self.module.receive(data, self.now))

    def frames(self, data: bytes) -> list[Frame]:
        return Deframer().feed(self.raw(data))

    def ask(self, *command: int | bytes) -> bytes:
        """Acknowledge data: code and what follows."""
        data = b"".join(part if isinstance(part, bytes) else bytes([part]) for part in command)
        answer = self.frames(frame_bytes(Frame(BROADCAST, Identifier.COMMAND, data)))
        assert all(frame.intact for frame in answer)
        assert answer[0].identifier == Identifier.ACKNOWLEDGE
        self.rest = answer[1:]
        return answer[0].data

    def send(self, data: bytes, size: int = 128, *, spoil: int | None = None) -> None:
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            raw = bytearray(frame_bytes(Frame(BROADCAST, Identifier.LAST_DATA if last else Identifier.DATA, piece)))
            if number == spoil:
                raw[20] ^= 1
            assert self.raw(bytes(raw)) == b"", "data packets are not acknowledged"

    def upload(self, buffer: int = 1) -> bytes:
        assert self.ask(0x08, buffer) == b"\x00"
        assert [frame.identifier for frame in self.rest] == [Identifier.DATA] * (len(self.rest) - 1) + [Identifier.LAST_DATA]
        return b"".join(frame.data for frame in self.rest)

    def download(self, template: bytes, buffer: int = 2, **how: int) -> None:
        assert self.ask(0x09, buffer) == b"\x00"
        self.send(template, **how)

    def capture(self, finger: str, buffer: int = 1) -> None:
        self.module.place(finger)
        assert self.ask(0x01) == b"\x00"
        assert self.ask(0x02, buffer) == b"\x00"

    def events(self, name: str, **parameters: float) -> None:
        self.module.fault(name, parameters, self.now)


@pytest.fixture(params=Family, ids=lambda family: family.value)
def host(request: pytest.FixtureRequest) -> Host:
    return Host(request.param)


def test_golden_password_exchange(host: Host) -> None:
    assert host.raw(bytes.fromhex("ef01ffffffff0100071300000000001b")) == bytes.fromhex("ef01ffffffff07000300000a")


def test_golden_parameters_of_an_r503() -> None:
    host = Host()
    host.ask(0x13, bytes(4))
    expected = "EF01FFFFFFFF07001300000400" + "0000C80003FFFFFFFF0002000604ED"
    assert host.raw(bytes.fromhex("ef01ffffffff0100030f0013")) == bytes.fromhex(expected)


def test_golden_not_found_of_an_r503() -> None:
    host = Host()
    host.capture("ada")
    search = frame_bytes(Frame(BROADCAST, Identifier.COMMAND, bytes.fromhex("0401000000C8")))
    assert host.raw(search) == bytes.fromhex("EF01FFFFFFFF0700070901EE00000106")


@given(st.lists(frames, max_size=4), st.data())
def test_frames_survive_the_line_in_any_pieces(sent: list[Frame], data: st.DataObject) -> None:
    line = b"".join(map(frame_bytes, sent))
    deframer, received = Deframer(), []
    while line:
        size = data.draw(st.integers(1, len(line)))
        received += deframer.feed(line[:size])
        line = line[size:]
    assert received == sent


@given(
    st.sampled_from(Family),
    st.lists(
        st.one_of(st.binary(max_size=60), st.just(b"\xef\x01"), st.binary(min_size=1, max_size=40).map(lambda data: frame_bytes(Frame(BROADCAST, 1, data))))
    ),
)
def test_any_bytes_are_survived_and_answered_by_whole_packets(family: Family, chunks: list[bytes]) -> None:
    host = Host(family)
    host.module.place("ada")
    for chunk in chunks:
        answer = host.raw(chunk).removesuffix(b"\x55")  # a SoftRst among the bytes
        assert b"".join(map(frame_bytes, Deframer().feed(answer))) == answer
        host.now += 0.7  # past any boot


@pytest.mark.parametrize("family", [ZFM20, R503])
def test_every_opcode_with_every_wrong_length_is_answered_by_a_code(family: Family) -> None:
    lengths = {opcode: length for opcode, (length, _) in Host(family).module._instructions._table.items()}
    for opcode in range(256):
        for length in {0, 1, 2, 3, 4, 5, 33} - {lengths.get(opcode)}:
            unknown = b"\xfc" if family is R503 else b"\x01"
            assert Host(family).ask(opcode, bytes(length)) == (b"\x01" if opcode in lengths else unknown)


def test_a_damaged_command_gives_01(host: Host) -> None:
    assert host.raw(bytes.fromhex("ef01ffffffff0100071300000000001c")) == bytes.fromhex("ef01ffffffff07000301000b")


def test_a_command_for_another_address_is_ignored(host: Host) -> None:
    assert host.raw(frame_bytes(Frame(0x12345678, Identifier.COMMAND, b"\x0f"))) == b""


def test_a_set_address_is_in_its_own_acknowledge_and_in_force_then(host: Host) -> None:
    [answer] = host.frames(frame_bytes(Frame(BROADCAST, Identifier.COMMAND, bytes.fromhex("1501020304"))))
    assert (answer.address, answer.data) == (0x01020304, b"\x00")
    assert host.raw(frame_bytes(Frame(BROADCAST, Identifier.COMMAND, b"\x0f"))) == b""
    [answer] = host.frames(frame_bytes(Frame(0x01020304, Identifier.COMMAND, b"\x0f")))
    assert answer.data[9:13] == bytes.fromhex("01020304")


def test_a_packet_left_unfinished_is_forgotten(host: Host) -> None:
    assert host.raw(bytes.fromhex("ef01ffffffff010007")) == b""
    host.now += 1.5
    assert host.ask(0x13, bytes(4)) == b"\x00"


def test_boot_is_announced_and_nothing_is_heard_before() -> None:
    for family, (shortest, longest) in ((family, PROFILES[family].boot_s) for family in Family):
        host = Host(family)
        [announcement] = host.module.power_on(host.now)
        assert announcement.data == b"\x55"
        assert shortest <= announcement.after_s <= longest
        assert host.raw(bytes.fromhex("ef01ffffffff0100071300000000001b")) == b""
        host.now += longest + 0.001
        assert host.ask(0x13, bytes(4)) == b"\x00"


def test_soft_reset_is_acknowledged_then_announced() -> None:
    host = Host()
    sent = host.module.receive(frame_bytes(Frame(BROADCAST, Identifier.COMMAND, b"\x3d")), host.now)
    assert [outgoing.data for outgoing in sent] == [bytes.fromhex("ef01ffffffff07000300000a"), b"\x55"]
    assert sent[1].after_s == 0.05


def test_a_password_locks_everything_after_a_power_cycle(host: Host) -> None:
    assert host.ask(0x12, bytes.fromhex("00001234")) == b"\x00"
    assert host.ask(0x0F)[0] == 0x00, "until then nothing changes"
    host.events("power_cycle")
    host.now += 1.0
    for opcode in (0x01, 0x03, 0x0F, 0x1D, 0x42):
        assert host.ask(opcode) == b"\x21"
    assert host.ask(0x13, bytes.fromhex("00009999")) == b"\x13"
    assert host.ask(0x0F) == b"\x21"
    assert host.ask(0x13, bytes.fromhex("00001234")) == b"\x00"
    assert host.ask(0x0F)[0] == 0x00


def test_ram_is_lost_and_flash_kept_over_a_power_cycle(host: Host) -> None:
    host.capture("ada", 1)
    host.capture("ada", 2)
    assert host.ask(0x05) == b"\x00"
    assert host.ask(0x06, 1, 0, 9) == b"\x00"
    host.ask(0x0E, 5, 5)
    host.events("power_cycle")
    host.now += 1.0
    assert host.ask(0x1D) == bytes.fromhex("000001")
    assert host.ask(0x0F)[7:9] == bytes.fromhex("0005")
    if host.family is R503:
        assert host.ask(0x08, 1) == b"\x22"
    else:
        assert not any(host.upload())


def test_baud_size_and_level_are_acknowledged_before_they_are_in_force(host: Host) -> None:
    [acknowledge] = host.module.receive(frame_bytes(Frame(BROADCAST, Identifier.COMMAND, bytes([0x0E, 4, 12]))), host.now)
    assert (acknowledge.baud, host.module.baud) == (57600, 115200)
    assert host.ask(0x0E, 6, 3) == b"\x00"
    host.capture("ada")
    if host.family is not R503:
        host.upload()
        assert {len(frame.data) for frame in host.rest} == {256}


@pytest.mark.parametrize(("register", "value", "code"), [(3, 1, 0x1A), (7, 1, 0x1A), (4, 0, 0x1B), (4, 13, 0x1B), (5, 0, 0x1B), (5, 6, 0x1B), (6, 4, 0x1B)])
def test_bad_registers_and_values_are_refused(host: Host, register: int, value: int, code: int) -> None:
    before = host.ask(0x0F)
    assert host.ask(0x0E, register, value) == bytes([code])
    assert host.ask(0x0F) == before


def test_status_bits(host: Host) -> None:
    def status() -> int:
        return int.from_bytes(host.ask(0x0F)[1:3], "big")

    assert status() == 0
    host.ask(0x13, bytes(4))
    assert status() == 4
    host.capture("ada")
    assert status() == 4 | 8
    host.download(enrolment_template("ada", host.family))
    host.ask(0x03)
    assert status() == 4 | 8 | 2
    host.module.remove()
    host.ask(0x01)
    assert status() == 4 | 2


@pytest.mark.parametrize("size_code", range(4))
def test_a_template_goes_in_and_comes_out_the_same(host: Host, size_code: int) -> None:
    host.ask(0x0E, 6, size_code)
    template = enrolment_template("ada", host.family)
    assert len(template) == PROFILES[host.family].template_bytes
    host.download(template, size=32 << size_code)
    assert host.upload(2) == template
    assert {len(frame.data) for frame in host.rest} == {32 << size_code}


def test_buffers_of_the_older_families_are_two_and_any_id_but_1_is_2() -> None:
    host = Host(ZFM20)
    host.download(enrolment_template("ada", ZFM20), 7)
    assert host.upload(2) == host.upload(200) == enrolment_template("ada", ZFM20)
    assert not any(host.upload(1))


def test_an_r503_has_one_model_buffer_whatever_id_is_given_and_compares_the_last_capture_with_it() -> None:
    host = Host(R503)
    host.capture("ada", 3)
    assert host.ask(0x08, 3) == b"\x22", "a capture is not the model"
    assert host.ask(0x03) == bytes.fromhex("220000")
    host.download(enrolment_template("ada", R503), 5)
    assert host.upload(1) == host.upload(5) == enrolment_template("ada", R503)
    assert host.ask(0x03)[0] == 0x00
    host.capture("bob", 6)
    assert host.ask(0x03)[0] == 0x08


@pytest.mark.parametrize("live_first", [True, False])
def test_both_orders_of_reference_and_live_finger_match(host: Host, live_first: bool) -> None:
    if live_first:
        host.capture("ada", 1)
    host.download(enrolment_template("ada", host.family), 2)
    if not live_first:
        host.capture("ada", 1)
    answer = host.ask(0x03)
    assert (answer[0], len(answer)) == (0, 3)
    assert int.from_bytes(answer[1:], "big") >= fingers.threshold(3)


@pytest.mark.parametrize("refused", ["all FF", "all zero", "broken", "another family's", "too long"])
def test_a_template_that_is_none_leaves_the_buffer_empty(host: Host, refused: str) -> None:
    good = enrolment_template("ada", host.family)
    other = enrolment_template("ada", R307 if host.family is not R307 else ZFM20, len(good))
    bad = {
        "all FF": b"\xff" * len(good),
        "all zero": bytes(len(good)),
        "broken": good[:99] + b"?" + good[100:],
        "another family's": other,
        "too long": good + good[:128],
    }
    host.download(good)
    host.download(bad[refused])
    if host.family is R503:
        assert host.ask(0x08, 2) == b"\x22"
    else:
        assert not any(host.upload(2))
    host.capture("ada", 1)
    assert host.ask(0x03)[0] != 0x00


@pytest.mark.parametrize("how", [{"spoil": 0}, {"spoil": 3}, {"size": 256}])
def test_a_spoilt_transfer_changes_nothing(host: Host, how: dict[str, int]) -> None:
    host.download(enrolment_template("ada", host.family))
    host.download(enrolment_template("bob", host.family), **how)
    assert host.upload(2) == enrolment_template("ada", host.family)


def test_a_command_amid_a_transfer_ends_it(host: Host) -> None:
    assert host.ask(0x09, 2) == b"\x00"
    assert host.raw(frame_bytes(Frame(BROADCAST, Identifier.DATA, bytes(128)))) == b""
    assert host.ask(0x0F)[0] == 0x00
    assert host.raw(frame_bytes(Frame(BROADCAST, Identifier.LAST_DATA, bytes(128)))) == b"", "a late data packet is nothing"


@pytest.mark.parametrize(("finger", "capture", "extract"), [("ada#dry", 0x00, 0x07), ("ada#smudged", 0x00, 0x06), ("ada#moving", 0x03, 0x15)])
def test_bad_captures(host: Host, finger: str, capture: int, extract: int) -> None:
    host.module.place(finger)
    assert host.ask(0x01) == bytes([capture])
    assert host.ask(0x02, 1) == bytes([extract])


def test_no_finger_leaves_no_image(host: Host) -> None:
    host.module.place("ada")
    assert host.ask(0x01) == b"\x00"
    host.module.remove()
    assert host.ask(0x01) == b"\x02"
    assert host.ask(0x02, 1) == b"\x15"
    assert host.ask(0x0A) == b"\x0f"


def test_the_image_has_the_size_of_the_family_and_means_the_finger(host: Host) -> None:
    host.module.place("ada")
    host.ask(0x01)
    assert host.ask(0x0A) == b"\x00"
    image = b"".join(frame.data for frame in host.rest)
    assert len(image) == {ZFM20: 36_864, R307: 36_864, R503: 18_432}[host.family]
    host.module.remove()
    host.ask(0x01)
    assert host.ask(0x0B) == b"\x00"
    host.send(image)
    assert host.ask(0x02, 1) == b"\x00"
    host.download(enrolment_template("ada", host.family))
    assert host.ask(0x03)[0] == 0x00


def test_product_information_tells_the_template_size_of_the_firmware() -> None:
    host = Host(R503)
    answer = host.ask(0x3C)
    assert len(answer) == 47
    assert [int.from_bytes(answer[start : start + 2], "big") for start in (39, 41, 43)] == [192, 192, 1536]
    host.events("old_firmware")
    assert host.ask(0x3C) == b"\xfc"


def test_acknowledges_keep_their_lengths_whatever_the_code() -> None:
    for family in Family:
        host = Host(family)
        host.capture("ada")
        assert [len(host.ask(0x03)), len(host.ask(0x04, 1, bytes(4))), len(host.ask(0x1D)), len(host.ask(0x0F)), len(host.ask(0x1F, 0))] == [3, 5, 3, 17, 33]


def test_notepad_keeps_its_pages(host: Host) -> None:
    assert host.ask(0x18, 15, bytes(range(32))) == b"\x00"
    assert host.ask(0x19, 15) == b"\x00" + bytes(range(32))
    assert host.ask(0x19, 0) == b"\x00" + bytes(32)
    assert host.ask(0x18, 16, bytes(32)) == b"\x18"


def test_the_library_has_an_end(host: Host) -> None:
    capacity = PROFILES[host.family].capacity
    host.capture("ada", 1)
    host.capture("ada", 2)
    host.ask(0x05)
    assert host.ask(0x06, 1, (capacity - 1).to_bytes(2, "big")) == b"\x00"
    assert host.ask(0x06, 1, capacity.to_bytes(2, "big")) == b"\x0b"
    assert host.ask(0x07, 1, capacity.to_bytes(2, "big")) == b"\x0b"
    index = host.ask(0x1F, (capacity - 1) // 256)[1:]
    assert index[(capacity - 1) % 256 // 8] == 1 << (capacity - 1) % 8
    assert host.ask(0x0C, (capacity - 1).to_bytes(2, "big"), 0, 2) == b"\x10"
    assert host.ask(0x0C, (capacity - 1).to_bytes(2, "big"), 0, 1) == b"\x00"
    assert host.ask(0x1D) == bytes(3)


def test_a_search_is_held_to_its_range(host: Host) -> None:
    host.capture("ada", 1)
    host.capture("ada", 2)
    host.ask(0x05)
    host.ask(0x06, 1, 0, 9)
    host.capture("ada", 1)
    for opcode in (0x04, 0x1B):
        assert host.ask(opcode, 1, 0, 0, 0, 9)[0] == 0x09
        assert host.ask(opcode, 1, 0, 0, 0, 10)[:3] == bytes.fromhex("000009")
        assert host.ask(opcode, 1, 0, 10, 0, 50)[0] == 0x09


def test_the_security_level_decides_who_matches(host: Host) -> None:
    host.download(enrolment_template("ada", host.family))
    verdicts = {}
    for finger in ("ada", "ada#worn", "ada#alike", "bob"):
        host.capture(finger)
        for level in range(1, 6):
            host.ask(0x0E, 5, level)
            verdicts[finger, level] = host.ask(0x03)[0] == 0x00
    assert [level for level in range(1, 6) if verdicts["ada", level]] == [1, 2, 3, 4, 5]
    assert [level for level in range(1, 6) if verdicts["ada#worn", level]] == [1, 2, 3]
    assert [level for level in range(1, 6) if verdicts["ada#alike", level]] == [1]
    assert [level for level in range(1, 6) if verdicts["bob", level]] == []


def test_faults_are_described_and_unknown_ones_refused(host: Host) -> None:
    assert set(FAULTS) == set(CONDITIONS) | set(EVENTS)
    assert all(FAULTS.values())
    with pytest.raises(ValueError, match="no such fault"):
        host.events("cheerful")
    with pytest.raises(ValueError, match=r"needs instruction$"):
        host.events("answer", code=1)


def test_a_fault_with_times_wears_off(host: Host) -> None:
    host.events("silent", times=2)
    ask = frame_bytes(Frame(BROADCAST, Identifier.COMMAND, b"\x0f"))
    assert [host.raw(ask) == b"" for _ in range(4)] == [True, True, False, False]
    assert host.module.state()["faults"] == []


def test_garbled_and_truncated_answers_are_never_whole(host: Host) -> None:
    ask = frame_bytes(Frame(BROADCAST, Identifier.COMMAND, b"\x0f"))
    whole = host.raw(ask)
    for fault in ("garbled", "truncated"):
        host.events(fault)
        for _ in range(50):
            assert host.raw(ask) != whole
        host.module.faults.clear()


def test_the_same_seed_gives_the_same_module() -> None:
    def run(seed: int) -> list[bytes]:
        host = Host(ZFM20, seed=seed)
        host.capture("ada")
        return [host.upload(), host.ask(0x14)]

    assert run(7) == run(7) != run(8)


def test_imaging_and_extraction_take_their_time_only_when_there_is_something_to_do() -> None:
    module = Module(R503, imaging_s=0.2, extraction_s=0.5)

    def after_s(*command: int) -> list[float]:
        return [outgoing.after_s for outgoing in module.receive(frame_bytes(Frame(BROADCAST, Identifier.COMMAND, bytes(command))), 100.0)]

    assert (after_s(0x01), after_s(0x02, 1), after_s(0x0F)) == ([0.0], [0.0], [0.0])
    module.place("ada")
    assert (after_s(0x01), after_s(0x02, 1), after_s(0x0F)) == ([0.2], [0.5], [0.0])
