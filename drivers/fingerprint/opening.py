"""Finding a module on its line and setting it up: password, baud rate, packet size, security level, template size.

Every setting is set, read back and, when it does not read back, an error. Does not verify anybody; `reader` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from drivers.fingerprint.codes import Code, Register, code_name, remedy
from drivers.fingerprint.commands import Commands, SystemParameters, line_time_s
from drivers.fingerprint.families import FamilyTraits
from drivers.fingerprint.link import Link
from drivers.fingerprint.options import FingerprintOptions
from gate_controller.ports.errors import DeviceProtocolError, DeviceRejectedError, DeviceTimeoutError, DeviceUntrustedError

USUAL_BAUDS: Final = (57600, 115200, 9600, 19200, 38400)
"""Rates a module is looked for at, after the configured one. All are 9600*N and all adapters can make them."""

ANSWER_S: Final = 0.25
"""How long VfyPwd may take to be answered."""
LATE_ANSWER_S: Final = 1.0
"""How long it is waited for once all rates were looked at: a module or converter that is this slow is found, so that its slowness can be named."""
MOST_TEMPLATE_BYTES: Final = 8192
"""No family comes near; more can only be a module that never ends."""
_SETTLE_AFTER_BAUD_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Module:
    """A module that was set up.

    Attributes:
        parameters: As read back.
        template_bytes: Size of its templates.
        reports_password: Its status register tells whether the password was verified, so a restart shows there.
        model: Product name, "" when it does not tell.
        serial: Serial number, "" when it does not tell.
    """

    parameters: SystemParameters
    template_bytes: int
    reports_password: bool
    model: str
    serial: str


class Opening:
    """Sets one module up.

    Args:
        link: Its line.
        commands: Its instructions.
        options: The driver's options.
        traits: Its family.
        now: Monotonic time.
        warn: Called with one line about what the driver can do without.
    """

    def __init__(
        self, link: Link, commands: Commands, options: FingerprintOptions, traits: FamilyTraits, now: Callable[[], float], warn: Callable[[str], None]
    ) -> None:
        self._link = link
        self._commands = commands
        self._options = options
        self._traits = traits
        self._now = now
        self._warn = warn
        self._where = options.where

    def run(self, deadline: float) -> Module:
        """Find the module and set it up.

        Raises:
            DeviceError: See ports.devices; the line may be left open.
        """
        self._link.open(self._options.baud)
        baud = self._find(deadline)
        if baud != self._options.baud:
            self._change_baud(deadline)
        left = self._left(deadline)
        if left is None or left.packet_bytes != self._options.packet_bytes:  # what is as it should be is not written into the flash once more
            left = self.set_packet_bytes(self._options.packet_bytes, deadline)
        parameters = left
        if left.security_level != self._options.security_level:
            self._commands.set_parameter(Register.SECURITY_LEVEL, self._options.security_level, deadline)
            parameters = self._commands.read_parameters(deadline)
        expected = (self._options.security_level, self._options.packet_bytes, self._options.baud)
        found = (parameters.security_level, parameters.packet_bytes, parameters.baud)
        if found != expected:
            what = f"{self._where} reads back security level {found[0]}, packets of {found[1]} bytes, {found[2]} baud instead of {expected}"
            raise DeviceUntrustedError(what, "power-cycle the module; if it stays, replace it")
        if (left.security_level, baud) != (self._options.security_level, self._options.baud):
            found_at = f"at {baud} baud and security level {left.security_level}"
            self._warn(f"{self._where} was found {found_at} and is set as configured: unless it is new here, something else talks to it")
        template_bytes, model, serial = self._identify(deadline)
        self._link.forget_boot()
        return Module(parameters, template_bytes, parameters.password_verified, model, serial)

    def _left(self, deadline: float) -> SystemParameters | None:
        """The settings as they were found; None when they are none that can be."""
        try:
            return self._commands.read_parameters(deadline)
        except DeviceProtocolError:
            return None

    def set_packet_bytes(self, size: int, deadline: float) -> SystemParameters:
        """Set the size of data packets and read it back; all parameters, as they are then.

        Raises:
            DeviceUntrustedError: It does not read back.
            DeviceError: Any other fault.
        """
        self._commands.set_parameter(Register.PACKET_SIZE, (size // 32).bit_length() - 1, deadline)
        found = self._commands.read_parameters(deadline)
        if found.packet_bytes != size:
            what = f"{self._where} reads back packets of {found.packet_bytes} bytes instead of {size}"
            raise DeviceUntrustedError(what, "power-cycle the module; if it stays, replace it")
        return found

    def _find(self, deadline: float) -> int:
        """The baud rate at which the module accepts the password; looks until the deadline, as it may be booting."""
        for baud, patience_s, answer_s in self._places(deadline):
            self._link.set_baud(baud)
            gives_up_at = min(deadline, self._now() + patience_s)
            while self._now() < gives_up_at:
                try:
                    code = self._commands.try_password(self._options.password, min(deadline, self._now() + answer_s))
                except (DeviceTimeoutError, DeviceProtocolError):
                    continue
                if code == Code.OK:
                    return baud
                if code != Code.BAD_PACKET:
                    what = f"{self._where} refused its password: {code_name(code)}"
                    raise DeviceRejectedError(what, remedy(code))
        what = f"{self._where} does not answer at {self._options.baud} baud nor at any of {', '.join(map(str, USUAL_BAUDS))}"
        raise DeviceTimeoutError(what, "check its power, that TX and RX are not swapped, and the driver's address option")

    def _places(self, deadline: float) -> Iterator[tuple[int, float, float]]:
        """Baud rates to look at, how long each, and how long for one answer: the configured one long enough for a module that boots."""
        while self._now() < deadline:
            yield self._options.baud, self._traits.boot_s + 2 * ANSWER_S, ANSWER_S
            yield from ((baud, ANSWER_S, ANSWER_S) for baud in USUAL_BAUDS if baud != self._options.baud)
            yield self._options.baud, LATE_ANSWER_S, LATE_ANSWER_S

    def _change_baud(self, deadline: float) -> None:
        self._commands.set_parameter(Register.BAUD, self._options.baud // 9600, deadline)
        self._link.set_baud(self._options.baud)
        try:
            self._left(min(deadline, self._now() + _SETTLE_AFTER_BAUD_S))
        except DeviceTimeoutError as error:
            what = f"{self._where} accepted {self._options.baud} baud and does not talk at it"
            raise DeviceUntrustedError(what, "choose the baud rate the module came with") from error

    def _identify(self, deadline: float) -> tuple[int, str, str]:
        if self._traits.has_product_information:
            self._commands.check_sensor(deadline)
            product = self._commands.product_information(deadline)
            if product is not None and product.template_bytes:
                return self._checked(product.template_bytes), product.model, product.serial
        return self._checked(self._measured_template_bytes(deadline)), "", ""

    def _measured_template_bytes(self, deadline: float) -> int:
        """Length of what UpChar sends, whatever is in the buffer."""
        sent = self._commands.upload_template(self._traits.reference_buffer, MOST_TEMPLATE_BYTES, deadline)
        if sent is None:
            if self._options.template_bytes is not None:
                return self._options.template_bytes
            what = f"{self._where} does not tell its template size, as a module of family {self._options.family.value} would"
            raise DeviceUntrustedError(what, "set the driver's family option to the module's family; if it is, set template_bytes to the size in its manual")
        if not sent.complete:
            self._warn(f"{self._where} does not mark the end of a template; taking the {len(sent.data)} bytes before the pause")
        return len(sent.data)

    def _checked(self, size: int) -> int:
        configured = self._options.template_bytes
        allowed = self._traits.template_bytes if configured is None else {configured}
        if size not in allowed:
            known = " or ".join(map(str, sorted(allowed)))
            what = f"{self._where} has templates of {size} bytes, not {known} as family {self._options.family.value} would"
            raise DeviceUntrustedError(what, "set the driver's family option to the module's family")
        return size


def transfer_patience_s(byte_count: int, packet_bytes: int, baud: int) -> float:
    """How long one template transfer may take before it has failed: twice its time on the line, and a second."""
    return 2 * line_time_s(byte_count, packet_bytes, baud) + 1.0
