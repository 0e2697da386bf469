"""A reader that returns garbage: every call ends as a DeviceError in time, and nobody is ever taken for somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.fingerprint.options import FingerprintOptions
from drivers.fingerprint.packets import Packet, PacketKind, encode
from drivers.fingerprint.reader import ZhianTecReader
from gate_controller.ports.devices import Family, FingerprintLight, FingerprintOutcome, FingerprintResult, FingerprintTemplate
from gate_controller.ports.errors import DeviceError
from simulators.fingerprint import enrolment_template
from simulators.fingerprint.loopback import LoopbackPort, VirtualClock
from simulators.fingerprint.module import Module
from tests.drivers.fingerprint_rig import Rig

OVERSHOOT_S = 0.1
"""A deadline holds to within the silence that the line waits for."""


def packet(kind: PacketKind, data: bytes) -> bytes:
    return encode(Packet(kind, data), 0xFFFFFFFF)


def is_a_verdict(data: bytes) -> bool:
    return len(data) == 3 and data[0] == 0 and data[1:] != b"\0\0"


noise = st.binary(min_size=1, max_size=60)
well_formed = st.builds(packet, st.sampled_from(PacketKind), st.binary(max_size=50))
acknowledges = st.builds(
    lambda code, rest: packet(PacketKind.ACKNOWLEDGE, bytes([code]) + rest), st.sampled_from([0, 1, 2, 8, 0x21, 0xFF]), st.binary(max_size=46)
)
broken = st.builds(
    lambda whole, at, bit: whole[: at % len(whole)] + bytes([whole[at % len(whole)] ^ bit]) + whole[at % len(whole) :],
    well_formed,
    st.integers(0),
    st.integers(1, 255),
)
answers = st.lists(st.one_of(st.just(b""), noise, well_formed, acknowledges, broken), max_size=12)


class GarbagePort(LoopbackPort):
    """The line to a module, from which something else comes in turn once `garbage` is set; silence when that is used up."""

    garbage: Iterator[bytes] | None = None

    def read(self, timeout_s: float) -> bytes:
        """Garbage, or what the module sent."""
        if self.garbage is None:
            return super().read(timeout_s)
        super().read(0.0)
        data = next(self.garbage, b"")
        self._clock.advance(timeout_s if not data else 0.001)
        return data


class GarbageRig(Rig):
    """The driver and a module on a line that can go mad."""

    def _open_port(self, baud: int) -> LoopbackPort:
        garbage = getattr(self.port, "garbage", None)
        self.port = GarbagePort(self.module, self.clock, baud)
        self.port.garbage = garbage
        return self.port

    def goes_mad(self, chunks: list[bytes]) -> None:
        assert isinstance(self.port, GarbagePort)
        self.port.garbage = iter(chunks)


def calls(rig: Rig, template: FingerprintTemplate) -> list[Callable[[float], object]]:
    reader = rig.reader
    return [
        reader.verify,
        reader.finger_present,
        lambda deadline: reader.load_reference(template, deadline),
        lambda deadline: reader.light(FingerprintLight.GOOD, deadline),
        reader.open,
    ]


def attempt(rig: Rig, call: Callable[[float], object]) -> object:
    """What a call gives; whatever it raises is a DeviceError of one line, in time."""
    deadline = rig.soon(2.0)
    result: object
    try:
        result = call(deadline)
    except DeviceError as error:
        result = error
    assert rig.clock.monotonic() <= deadline + OVERSHOOT_S
    if isinstance(result, DeviceError):
        assert result.what.isprintable(), "one line, and no byte of what came"
        assert result.remedy
    return result


@settings(max_examples=60, deadline=None)
@given(family=st.sampled_from(Family), chunks=answers, which=st.integers(0, 4), finger=st.sampled_from(["ada", "bob"]))
def test_garbage_raises_device_errors_only_and_matches_nobody(family: Family, chunks: list[bytes], which: int, finger: str) -> None:
    rig = GarbageRig(family)
    rig.open()
    rig.load("ada")
    assert rig.attempt("") is FingerprintOutcome.NO_FINGER
    rig.module.place(finger)
    rig.goes_mad(chunks)
    result = attempt(rig, calls(rig, rig.template("ada"))[which])
    if isinstance(result, FingerprintResult) and result.outcome is FingerprintOutcome.MATCH:
        assert any(is_a_verdict(chunk[9:-2]) for chunk in chunks), "a match was reported that nothing on the line said"
    if isinstance(result, DeviceError):
        again = attempt(rig, rig.reader.verify)
        assert not (isinstance(again, FingerprintResult) and again.outcome is FingerprintOutcome.MATCH)


@settings(max_examples=60, deadline=None)
@given(chunks=st.lists(noise, max_size=30), family=st.sampled_from(Family))
def test_a_port_from_which_only_noise_comes_is_never_opened(chunks: list[bytes], family: Family) -> None:
    clock = VirtualClock()
    port = GarbagePort(Module(family), clock, 57600)
    port.garbage = iter(chunks)
    reader = ZhianTecReader(FingerprintOptions(port="virtual", family=family), clock, lambda _baud: port, lambda _line: None)
    deadline = clock.monotonic() + 3.0
    with pytest.raises(DeviceError) as error:
        reader.open(deadline)
    assert error.value.what.isprintable()
    assert clock.monotonic() <= deadline + OVERSHOOT_S
    with pytest.raises(DeviceError):
        reader.verify(deadline + 1.0)


@settings(max_examples=30, deadline=None)
@given(chunks=answers, family=st.sampled_from(Family))
def test_after_the_garbage_the_reader_opens_again_and_works(chunks: list[bytes], family: Family) -> None:
    rig = GarbageRig(family)
    rig.open()
    rig.load("ada")
    rig.goes_mad(chunks)
    attempt(rig, rig.reader.verify)
    assert isinstance(rig.port, GarbagePort)
    rig.port.garbage = None
    rig.open()
    assert rig.crossing("bob") == [FingerprintOutcome.NO_FINGER, FingerprintOutcome.NO_MATCH]
    assert rig.crossing("ada") == [FingerprintOutcome.NO_FINGER, FingerprintOutcome.MATCH]


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=3000), family=st.sampled_from(Family), claims=st.sampled_from(["its own", "another", ""]))
def test_any_bytes_as_a_template_load_nothing_unless_the_module_holds_them(data: bytes, family: Family, claims: str) -> None:
    """What an enrolment names a template need not be one: the driver refuses the wrong length and the blank, the module the rest."""
    rig = Rig(family)
    rig.open()
    own = rig.reader.template_format
    template = FingerprintTemplate({"its own": own, "another": "zhiantec/r551/498"}.get(claims, claims), 2, data)
    result = attempt(rig, lambda deadline: rig.reader.load_reference(template, deadline))
    assert isinstance(result, DeviceError), "no bytes by chance are a template with its checksums"
    assert isinstance(attempt(rig, rig.reader.verify), DeviceError)
    good = FingerprintTemplate(own, 2, enrolment_template("ada", family))
    assert attempt(rig, lambda deadline: rig.reader.load_reference(good, deadline + 8)) is None
