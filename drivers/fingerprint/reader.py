"""The fingerprint reader of the lane: one reference in the module, one live finger against it.

Matching happens in the module; this driver makes sure that what is matched is what should be: the reference is read back after it was sent
(DownChar is not acknowledged, and after a lost transfer the former traveller's template would still be there), the security level is
asserted before every verification, and whatever may have cost the module its memory makes the reference void.

Does not capture images, does not search the module's library and stores nothing in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from drivers.fingerprint.codes import Code
from drivers.fingerprint.commands import Commands
from drivers.fingerprint.families import AURA, TRAITS
from drivers.fingerprint.link import Link
from drivers.fingerprint.opening import Module, Opening, transfer_patience_s
from drivers.fingerprint.options import FingerprintOptions
from drivers.fingerprint.serial_port import PortOpener
from gate_controller.ports.clock import Clock
from gate_controller.ports.devices import FingerprintLight, FingerprintOutcome, FingerprintResult, FingerprintTemplate
from gate_controller.ports.errors import (
    DeviceAbsentError,
    DeviceError,
    DeviceProtocolError,
    DeviceRejectedError,
    DeviceTimeoutError,
    DeviceUntrustedError,
)

_SMALLEST_PACKET_BYTES: Final = 32
_NOBODYS: Final = bytes(range(256))
"""Over and over, what a template is overwritten with: not one repeated byte, which some modules refuse, and no template of any family."""
_EXTRACTION: Final = {
    Code.TOO_MESSY: FingerprintOutcome.TOO_MESSY,
    Code.TOO_FEW_FEATURES: FingerprintOutcome.TOO_FEW_FEATURES,
    Code.NO_IMAGE: FingerprintOutcome.CAPTURE_FAILED,
}


class ZhianTecReader:
    """A FingerprintReader (ports.devices) over the ZhianTec protocol.

    Two things are tried again here: Match once, when the module acknowledges it only by 01 (a known fault of some firmware), and a template
    whose transfer failed, in smaller packets.

    Args:
        options: The driver's options.
        clock: Time.
        open_port: Opens the serial port at a baud rate.
        warn: Called with one line about what the driver can do without.
    """

    def __init__(self, options: FingerprintOptions, clock: Clock, open_port: PortOpener, warn: Callable[[str], None]) -> None:
        self._options = options
        self._now = clock.monotonic
        self._where = options.where
        self._traits = TRAITS[options.family]
        self._link = Link(open_port, clock, options.address, self._where)
        self._commands = Commands(self._link, self._now, self._where)
        self._opening = Opening(self._link, self._commands, options, self._traits, self._now, warn)
        self._warn = warn
        self._module: Module | None = None
        self._template_format: str | None = None
        self._packet_bytes: int = options.packet_bytes
        self._has_light = True
        self._has_reference = False
        self._lifted = False
        self._left: list[tuple[int, bool]] = []
        """Buffers still to be overwritten, the last first, and whether that was sent and is to be read back."""
        self._keeps_told = False
        self._print: bytes | None = None
        """Of whoever tries the reader, from check_image() to check_transfer()."""

    @property
    def template_format(self) -> str:
        """See FingerprintReader. The last module's while the reader is closed; may be read from any thread.

        Raises:
            DeviceAbsentError: Not opened yet.
        """
        template_format = self._template_format
        if template_format is None:
            raise self._not_open()
        return template_format

    def open(self, deadline: float) -> None:
        """See OpenableDevice."""
        self.close()
        try:
            module = self._opening.run(deadline)
        except DeviceError:
            self.close()
            raise
        self._template_format = f"zhiantec/{self._options.family.value}/{module.template_bytes}"
        self._module = module
        self._holds_a_finger()  # of whoever stood there when the process before this one ended

    def close(self) -> None:
        """See OpenableDevice."""
        self._link.close()
        self._module = None
        self._packet_bytes = self._options.packet_bytes
        self._has_light = True
        self._left = []
        self.clear_reference()

    def describe(self) -> dict[str, str]:
        """See OpenableDevice."""
        described = {"driver": "fingerprint.zhiantec", "endpoint": self._options.port, "family": self._options.family.value}
        if self._module is not None:
            described |= {
                "model": self._module.model,
                "serial": self._module.serial,
                "template_format": self.template_format,
                "baud": str(self._module.parameters.baud),
                "security_level": str(self._module.parameters.security_level),
                "packet_bytes": str(self._packet_bytes),
                "library_capacity": str(self._module.parameters.capacity),
            }
        return {key: value for key, value in described.items() if value}

    def load_reference(self, template: FingerprintTemplate, deadline: float) -> None:
        """See FingerprintReader. Sends the template, reads it back, and tries smaller packets when it is not there."""
        self.clear_reference()
        self._check_template(template)
        self._assert_unchanged(deadline)
        self._transfer(template.data, deadline)
        self._has_reference = True

    def _transfer(self, data: bytes, deadline: float) -> None:
        self._holds_a_finger()
        if self._exchange(data, deadline, lambda found: found == data) is None:
            what = f"{self._where} does not take the template, in packets of {self._packet_bytes} bytes nor in smaller ones"
            raise DeviceRejectedError(what, "the template is broken or of another family: enrol the finger again")

    def _exchange(self, data: bytes, deadline: float, settles: Callable[[bytes], bool]) -> bytes | None:
        """Send a template and read back what is there then, in smaller packets as long as that settles nothing; None when none did."""
        configured = self._packet_bytes
        while (found := self._held_after(data, deadline)) is None or not settles(found):
            if self._packet_bytes == _SMALLEST_PACKET_BYTES:
                self._set_packet_bytes(configured, deadline)
                return None
            self._set_packet_bytes(self._packet_bytes // 2, deadline)
        if self._packet_bytes != configured:
            self._warn(f"{self._where} takes templates only in packets of {self._packet_bytes} bytes; set packet_bytes to that")
        self._link.forget_boot()
        return found

    def clear_reference(self) -> None:
        """See FingerprintReader. Nothing is compared with it any more; the module's buffer keeps it until wipe(), another one, or a loss of power."""
        self._has_reference = self._lifted = False
        self._print = None

    def wipe(self, deadline: float) -> bool:
        """See FingerprintReader. One transfer a call: at 9600 baud a template takes 2 s.

        Overwrites every buffer that DownChar reaches, and reads it back: both CharBuffers of a ZFM-20 or R307, the ModelBuffer of an R503. An R503's CharBuffers
        are out of reach of UpChar and DownChar alike, and keep the features of the last live finger until the next touch or a loss of power.
        """
        module = self._opened()
        self.clear_reference()
        if not self._left:
            return True
        buffer, sent = self._left.pop()
        nobodys = _nobodys(module)
        patience_s = transfer_patience_s(module.template_bytes, self._packet_bytes, module.parameters.baud)
        until = min(deadline, self._now() + patience_s)
        try:
            if not sent:
                taken = self._commands.download_template(buffer, nobodys, self._packet_bytes, until) == Code.OK
                self._left += [(buffer, True)] if taken else []
            else:
                held = self._commands.upload_template(buffer, module.template_bytes, until)
                taken = held is None or held.data in {nobodys, bytes(module.template_bytes)}  # some empty a buffer that is sent no template
        except (DeviceTimeoutError, DeviceProtocolError):
            taken = False  # the next command settles the line, or raises
        if not taken and not self._keeps_told:
            self._keeps_told = True
            self._warn(f"{self._where} cannot be seen to overwrite what it holds of a finger: the last traveller's stays in it until the next one's")
        return not self._left

    def _holds_a_finger(self) -> None:
        buffers = {self._traits.live_buffer, self._traits.reference_buffer}
        self._left = [(buffer, False) for buffer in sorted(buffers)]

    def check_transfer(self, deadline: float) -> bool:
        """See FingerprintReader.

        After a check_image() it sends a print of the finger that lies there, while the module holds another of the same: what no module has a reason to
        refuse. Else what is no template at all: a module may throw that out, and whether it empties its buffer then or keeps it says nothing of templates.
        """
        module = self._opened()
        own, self._print = self._print, None
        self.clear_reference()
        self._assert_unchanged(deadline)
        self._holds_a_finger()
        before = self._held(module, deadline)
        nobodys = _nobodys(module)
        sent = own if own is not None and own != before else nobodys if before != nobodys else nobodys[::-1]
        # Of what is no template that it kept what it held, or let go of it, says nothing; that it holds something else does.
        found = self._exchange(sent, deadline, lambda found: found == sent or (sent != own and (found == before or not any(found))))
        if found is None:
            what = f"{self._where} takes no template: what was sent is not there when it is read back"
            raise DeviceUntrustedError(what, "power-cycle the module; if it stays, fit another: nobody can be compared with it")
        return found == sent

    def check_image(self, deadline: float) -> FingerprintOutcome | None:
        """See FingerprintReader. One print is kept for check_transfer(), which comes next, and another left where a reference would be."""
        module = self._opened()
        self.clear_reference()
        self._assert_unchanged(deadline)
        self._holds_a_finger()
        unusable = self._extract_as_reference(deadline)
        if unusable is None:
            kept = self._held(module, deadline)
            if self._extract_as_reference(deadline) is None:
                self._print = kept if any(kept) else None
        return unusable

    def _extract_as_reference(self, deadline: float) -> FingerprintOutcome | None:
        """Take an image and put what is extracted from it where a reference would be; why it could not be used, or None."""
        modelled = self._traits.reference_buffer == self._traits.live_buffer  # an R503: what was extracted reaches the ModelBuffer by RegModel alone
        for buffer in (1, 2) if modelled else (self._traits.reference_buffer,):
            captured = self._commands.get_image(deadline)
            self._lifted = captured == Code.NO_FINGER
            if captured != Code.OK:
                return FingerprintOutcome.NO_FINGER if captured == Code.NO_FINGER else FingerprintOutcome.CAPTURE_FAILED
            extracted = self._commands.extract(buffer, deadline)
            if extracted != Code.OK:
                return _EXTRACTION[Code(extracted)]
        if modelled:
            self._commands.merge(deadline)
        return None

    def _held(self, module: Module, deadline: float) -> bytes:
        """What is where a reference would be; b"" when the module says nothing."""
        held = self._commands.upload_template(self._traits.reference_buffer, module.template_bytes, deadline)
        return held.data if held is not None else b""

    def finger_present(self, deadline: float) -> bool:
        """See FingerprintReader. A finger whose image cannot be taken is present.

        Asserts what verify() asserts, so that a module that restarted is noticed while nobody waits for it.
        """
        self._opened()
        try:
            self._assert_unchanged(deadline)
            present = self._commands.get_image(deadline) != Code.NO_FINGER
        except DeviceError:
            self.clear_reference()
            raise
        self._lifted = self._lifted or not present
        return present

    def verify(self, deadline: float) -> FingerprintResult:
        """See FingerprintReader. After an error the reference must be loaded again."""
        self._opened()
        if not self._has_reference:
            what = f"{self._where} holds no reference"
            raise DeviceRejectedError(what, "load the reference again before verifying")
        try:
            self._assert_unchanged(deadline)
            return self._verify(deadline)
        except DeviceError:
            self.clear_reference()
            raise

    def light(self, light: FingerprintLight, deadline: float) -> None:
        """See FingerprintReader."""
        self._opened()
        if not self._has_light:
            return
        if self._traits.has_product_information:
            self._has_light = self._commands.aura_led(*AURA[light], deadline)
        else:
            self._has_light = self._commands.led(light is not FingerprintLight.OFF, deadline)

    def _opened(self) -> Module:
        if self._module is None:
            raise self._not_open()
        return self._module

    def _not_open(self) -> DeviceAbsentError:
        what = f"{self._where} is not open"
        return DeviceAbsentError(what, "it must be opened first; see why the last attempt to open it failed")

    def _check_template(self, template: FingerprintTemplate) -> None:
        module = self._opened()
        remedy = "enrol the finger with a reader of this family"
        if template.format != self.template_format:
            what = f"{self._where} takes templates of {self.template_format}, not of {template.format}"
            raise DeviceRejectedError(what, remedy)
        if len(template.data) != module.template_bytes:
            what = f"{self._where} takes templates of {module.template_bytes} bytes, not of {len(template.data)}"
            raise DeviceRejectedError(what, remedy)
        if len(set(template.data)) == 1:
            what = f"{self._where} takes no template of one repeated byte: it is blank"
            raise DeviceRejectedError(what, remedy)

    def _held_after(self, data: bytes, deadline: float) -> bytes | None:
        """Send a template; what the module holds then, b"" when it says nothing. None: it refused, or broke off."""
        buffer = self._traits.reference_buffer
        patience_s = transfer_patience_s(len(data), self._packet_bytes, self._opened().parameters.baud)
        try:
            code = self._commands.download_template(buffer, data, self._packet_bytes, min(deadline, self._now() + patience_s))
            if code != Code.OK:
                return None
            held = self._commands.upload_template(buffer, len(data), min(deadline, self._now() + 2 * patience_s))
        except (DeviceTimeoutError, DeviceProtocolError):
            # A module that chokes on a packet size may fall silent; the next command settles the line, or raises.
            if self._now() >= deadline:
                raise
            return None
        return held.data if held is not None else b""

    def _set_packet_bytes(self, size: int, deadline: float) -> None:
        self._opening.set_packet_bytes(size, deadline)
        self._packet_bytes = size

    def _assert_unchanged(self, deadline: float) -> None:
        """The module must not have restarted since it was set up, and must be at the level that was set."""
        parameters = self._commands.read_parameters(deadline)
        if self._link.boot_seen or (self._opened().reports_password and not parameters.password_verified):
            what = f"{self._where} has started anew: its memory is gone"
            raise DeviceUntrustedError(what, "open it and load the reference again; check its power supply if it happens again")
        if parameters.security_level != self._options.security_level:
            what = f"{self._where} is at security level {parameters.security_level} instead of {self._options.security_level}"
            raise DeviceUntrustedError(what, "something else changed it: check what is connected to the serial line, then open it again")

    def _verify(self, deadline: float) -> FingerprintResult:
        captured = self._commands.get_image(deadline)
        if captured == Code.NO_FINGER:
            self._lifted = True
            return FingerprintResult(FingerprintOutcome.NO_FINGER)
        if not self._lifted:
            return FingerprintResult(FingerprintOutcome.NOT_LIFTED)
        if captured == Code.CAPTURE_FAILED:
            return FingerprintResult(FingerprintOutcome.CAPTURE_FAILED)
        extracted = self._commands.extract(self._traits.live_buffer, deadline)
        if extracted != Code.OK:
            return FingerprintResult(_EXTRACTION[Code(extracted)])
        self._lifted = False
        code, score = self._commands.match(deadline)
        if self._link.boot_seen:
            what = f"{self._where} started anew during a verification"
            raise DeviceUntrustedError(what, "open it and load the reference again")
        if code == Code.OK and score == 0:
            what = f"{self._where} reports a match with a score of 0"
            raise DeviceUntrustedError(what, "replace the module: its verdicts cannot be trusted")
        return FingerprintResult(FingerprintOutcome.MATCH if code == Code.OK else FingerprintOutcome.NO_MATCH, score)


def _nobodys(module: Module) -> bytes:
    """What stands in for a template of that module."""
    return (_NOBODYS * (module.template_bytes // len(_NOBODYS) + 1))[: module.template_bytes]
