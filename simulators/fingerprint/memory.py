"""The fingerprint reader in memory, in virtual time: the port itself over the same fingers, without a wire.

Implements ports.devices.FingerprintReader and is scripted by the same verbs as the wire simulator. Calls take no time at all: a silent
module times out at once, because the injected clock is not this object's to advance. Does not speak the protocol, so it has only the
faults that can be seen through the port (see FAULTS).
"""

from __future__ import annotations

from typing import Any, Final

from gate_controller.ports.clock import Clock
from gate_controller.ports.devices import Family, FingerprintLight, FingerprintOutcome, FingerprintResult, FingerprintTemplate
from gate_controller.ports.errors import (
    DeviceAbsentError,
    DeviceBusyError,
    DeviceError,
    DevicePermissionError,
    DeviceProtocolError,
    DeviceRejectedError,
    DeviceTimeoutError,
    DeviceUntrustedError,
)
from simulators.fingerprint import fingers
from simulators.fingerprint.families import PROFILES
from simulators.fingerprint.fingers import Condition

FAULTS: Final[dict[str, str]] = {
    "unplugged": "not there",
    "permission": "may not be opened",
    "busy": "held by another program",
    "silent": "no command is answered",
    "garbled": "every answer is damaged",
    "foreign_password": "somebody set another password",
    "sensor_fault": "the sensor is broken",
    "downchar_refused": "templates are refused",
    "power_cycle": "loses power once: the reference is gone",
    "level_lowered": "another user of the line lowered the security level",
}

_UNREADABLE: Final = {
    Condition.DRY: FingerprintOutcome.TOO_FEW_FEATURES,
    Condition.SMUDGED: FingerprintOutcome.TOO_MESSY,
    Condition.MOVING: FingerprintOutcome.CAPTURE_FAILED,
}


class MemoryFingerprintReader:
    """A simulated reader.

    Args:
        clock: Time, for deadlines.
        family: Family it stands for.
        security_level: Level it is set to, 1 to 5.
        seed: Seeds capture noise.
    """

    def __init__(self, clock: Clock, family: Family = Family.R503, *, security_level: int = 3, seed: int = 0) -> None:
        self._clock = clock
        self._profile = PROFILES[family]
        self._configured_level = security_level
        self._level = security_level
        self._seed = seed
        self._touches = 0
        self._finger: str | None = None
        self._light = FingerprintLight.OFF
        self._faults: dict[str, None] = {}
        self._is_open = False
        self._was_opened = False
        self._restarted = False
        self._reference: list[fingers.Features] | None = None
        self._lifted = False

    def place(self, finger: str) -> None:
        """Lay a finger on the glass.

        Raises:
            ValueError: The name's condition does not exist.
        """
        fingers.condition_of(finger)
        self._finger = finger

    def remove(self) -> None:
        """Lift the finger."""
        self._finger = None

    def fault(self, name: str) -> None:
        """Set a fault, or let one that is an event happen.

        Raises:
            ValueError: There is no such fault.
        """
        if name not in FAULTS:
            msg = f"no such fault: {name}"
            raise ValueError(msg)
        if name == "level_lowered":
            self._level = 1
        elif name == "power_cycle":
            self._restarted = True
        else:
            self._faults[name] = None

    def clear(self) -> None:
        """Undo all faults."""
        self._faults.clear()

    def state(self) -> dict[str, Any]:
        """What whoever watches the simulation may see."""
        return {"finger": self._finger, "light": self._light.value, "faults": list(self._faults), "family": self._profile.family.value}

    @property
    def template_format(self) -> str:
        """See FingerprintReader. The last module's while the reader is closed."""
        if not self._was_opened:
            raise self._absent("is not open")
        return f"zhiantec/{self._profile.family.value}/{self._profile.template_bytes}"

    def open(self, deadline: float) -> None:
        """See OpenableDevice."""
        self.close()
        if "permission" in self._faults:
            raise DevicePermissionError("the simulated fingerprint reader cannot be opened: permission denied", "clear the fault")
        if "busy" in self._faults:
            raise DeviceBusyError("the simulated fingerprint reader cannot be opened: another program holds it", "clear the fault")
        if "foreign_password" in self._faults:
            raise DeviceRejectedError("the simulated fingerprint reader refused its password", "clear the fault")
        self._answer(deadline)
        self._level = self._configured_level
        self._restarted = False
        self._is_open = self._was_opened = True

    def close(self) -> None:
        """See OpenableDevice."""
        self._is_open = False
        self.clear_reference()

    def describe(self) -> dict[str, str]:
        """See OpenableDevice."""
        return {"driver": "memory", "endpoint": "memory:fingerprint", "family": self._profile.family.value}

    def load_reference(self, template: FingerprintTemplate, deadline: float) -> None:
        """See FingerprintReader."""
        self.clear_reference()
        self._require_open()
        if template.format != self.template_format:
            what = f"the simulated fingerprint reader takes templates of {self.template_format}, not of {template.format}"
            raise DeviceRejectedError(what, "enrol with a reader of this family")
        self._answer(deadline)
        self._assert_unchanged()
        views = fingers.decode_template(template.data, self._profile.family, self._profile.template_bytes)
        if views is None or "downchar_refused" in self._faults:
            raise DeviceRejectedError("the simulated fingerprint reader does not take the template", "enrol the finger again")
        self._reference = views

    def clear_reference(self) -> None:
        """See FingerprintReader."""
        self._reference = None
        self._lifted = False

    def wipe(self, deadline: float) -> bool:
        """See FingerprintReader. There is no buffer behind the reference."""
        self._require_open()
        self._answer(deadline)
        self.clear_reference()
        return True

    def check_transfer(self, deadline: float) -> bool:
        """See FingerprintReader."""
        self.clear_reference()
        self._require_open()
        self._answer(deadline)
        self._assert_unchanged()
        if "downchar_refused" in self._faults:
            raise DeviceUntrustedError("the simulated fingerprint reader takes no template", "clear the fault")
        return True

    def check_image(self, deadline: float) -> FingerprintOutcome | None:
        """See FingerprintReader."""
        self.clear_reference()
        self._require_open()
        self._answer(deadline)
        self._assert_unchanged()
        if self._finger is None:
            self._lifted = True
            return FingerprintOutcome.NO_FINGER
        self._touches += 1
        return _UNREADABLE.get(fingers.capture(self._finger, f"{self._seed} {self._touches}").condition)

    def finger_present(self, deadline: float) -> bool:
        """See FingerprintReader."""
        self._require_open()
        try:
            self._answer(deadline)
            self._assert_unchanged()
        except DeviceError:
            self.clear_reference()
            raise
        present = self._finger is not None
        self._lifted = self._lifted or not present
        return present

    def verify(self, deadline: float) -> FingerprintResult:
        """See FingerprintReader."""
        self._require_open()
        reference = self._reference
        if reference is None:
            raise DeviceRejectedError("the simulated fingerprint reader holds no reference", "load it again before verifying")
        try:
            self._answer(deadline)
            self._assert_unchanged()
            return self._attempt(reference)
        except DeviceError:
            self.clear_reference()
            raise

    def light(self, light: FingerprintLight, deadline: float) -> None:
        """See FingerprintReader."""
        self._require_open()
        self._answer(deadline)
        self._light = light

    def _attempt(self, reference: list[fingers.Features]) -> FingerprintResult:
        if self._finger is None:
            self._lifted = True
            return FingerprintResult(FingerprintOutcome.NO_FINGER)
        if not self._lifted:
            return FingerprintResult(FingerprintOutcome.NOT_LIFTED)
        self._touches += 1
        captured = fingers.capture(self._finger, f"{self._seed} {self._touches}")
        if captured.condition in _UNREADABLE:
            return FingerprintResult(_UNREADABLE[captured.condition])
        self._lifted = False
        score = fingers.compare([captured.features], reference)
        is_match = score >= fingers.threshold(self._level)
        return FingerprintResult(FingerprintOutcome.MATCH if is_match else FingerprintOutcome.NO_MATCH, score)

    def _assert_unchanged(self) -> None:
        if self._restarted:
            raise DeviceUntrustedError("the simulated fingerprint reader has started anew: its memory is gone", "open it again")
        if self._level != self._configured_level:
            raise DeviceUntrustedError("the simulated fingerprint reader's security level was changed", "open it again")

    def _require_open(self) -> None:
        if not self._is_open:
            raise self._absent("is not open")

    def _answer(self, deadline: float) -> None:
        """One exchange with the module, or the fault that prevents it."""
        if "unplugged" in self._faults:
            raise self._absent("is gone")
        if "silent" in self._faults or self._clock.monotonic() >= deadline:
            raise DeviceTimeoutError("the simulated fingerprint reader did not answer in time", "clear the fault or allow more time")
        if "garbled" in self._faults:
            raise DeviceProtocolError("the simulated fingerprint reader sent a damaged packet", "clear the fault")
        if self._faults.keys() & {"sensor_fault", "foreign_password"}:
            raise DeviceUntrustedError("the simulated fingerprint reader cannot be used", "clear the fault")

    @staticmethod
    def _absent(what: str) -> DeviceAbsentError:
        return DeviceAbsentError(f"the simulated fingerprint reader {what}", "clear the fault and open it again")
