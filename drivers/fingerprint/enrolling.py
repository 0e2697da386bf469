"""The reader of an enrolment desk: what a lane's reader does, and templates made from several touches, merged by the module (RegModel).

Touch after touch is extracted into a buffer of its own; the merged template is read back from the module. Does not use the module's library,
and does not judge whose finger it is.
"""

from __future__ import annotations

from typing import Final

from drivers.fingerprint.codes import Code
from drivers.fingerprint.reader import ZhianTecReader
from gate_controller.ports.devices import Family, FingerprintOutcome, FingerprintResult, FingerprintTemplate
from gate_controller.ports.enroller import TouchOutcome
from gate_controller.ports.errors import DeviceError, DeviceProtocolError, DeviceRejectedError, DeviceUntrustedError

# The older modules have two CharBuffers; an R503 has six, and four touches already cover a finger that is laid down a little differently.
_TOUCHES: Final = {Family.ZFM20: 2, Family.R307: 2, Family.R503: 4}
_EXTRACTION: Final = {
    Code.OK: TouchOutcome.TAKEN,
    Code.TOO_MESSY: TouchOutcome.TOO_MESSY,
    Code.TOO_FEW_FEATURES: TouchOutcome.TOO_FEW_FEATURES,
    Code.NO_IMAGE: TouchOutcome.CAPTURE_FAILED,
}


class EnrollingReader(ZhianTecReader):
    """A FingerprintEnroller (ports.enroller) over the ZhianTec protocol; its arguments are ZhianTecReader's."""

    _taken = 0
    _live_seen = False
    """The live buffer holds the finger last seen: after the first touch and after verify()."""

    @property
    def touches(self) -> int:
        """See FingerprintEnroller."""
        return _TOUCHES[self._options.family]

    def close(self) -> None:
        """See OpenableDevice."""
        super().close()
        self._taken, self._live_seen = 0, False

    def begin_template(self) -> None:
        """See FingerprintEnroller. The finger must be lifted first: it may still be the one before."""
        self.clear_reference()
        self._taken, self._live_seen = 0, False

    def touch(self, deadline: float) -> TouchOutcome:
        """See FingerprintEnroller."""
        self._opened()
        self._holds_a_finger()
        if self._taken >= self.touches:
            what = f"{self._where} has {self._taken} touches of the finger already"
            raise DeviceRejectedError(what, "a bug: merge them, or begin anew")
        try:
            self._assert_unchanged(deadline)
            return self._touch(deadline)
        except DeviceError:
            self.begin_template()
            raise

    def verify(self, deadline: float) -> FingerprintResult:
        """See FingerprintReader."""
        self._live_seen = False
        result = super().verify(deadline)
        self._live_seen = result.outcome in {FingerprintOutcome.MATCH, FingerprintOutcome.NO_MATCH}
        return result

    def resembles(self, template: FingerprintTemplate, deadline: float) -> bool:
        """See FingerprintEnroller."""
        if not self._live_seen:
            what = f"{self._where} has no finger to compare"
            raise DeviceRejectedError(what, "a bug: compare right after the first touch or a verification")
        try:
            lifted = self._lifted
            self.load_reference(template, deadline)
            code, _ = self._commands.match(deadline)
            if self._link.boot_seen:
                what = f"{self._where} started anew during a comparison"
                raise DeviceUntrustedError(what, "open it and begin anew")
            self.clear_reference()
            self._lifted = lifted
        except DeviceError:
            self.begin_template()
            raise
        return code == Code.OK

    def merge(self, position: int, deadline: float) -> FingerprintTemplate | None:
        """See FingerprintEnroller."""
        module = self._opened()
        if self._taken < self.touches:
            what = f"{self._where} has {self._taken} touches of {self.touches}"
            raise DeviceRejectedError(what, "touch it again")
        try:
            self._assert_unchanged(deadline)
            if self._commands.merge(deadline) != Code.OK:
                return None
            made = self._commands.upload_template(self._traits.reference_buffer, module.template_bytes, deadline)
            if made is None or len(made.data) != module.template_bytes or len(set(made.data)) == 1:
                what = f"{self._where} gave no template of {module.template_bytes} bytes"
                raise DeviceProtocolError(what, "begin the finger anew; if it stays, power-cycle the module")
            return FingerprintTemplate(self.template_format, position, made.data)
        finally:
            self.begin_template()

    def _touch(self, deadline: float) -> TouchOutcome:
        captured = self._commands.get_image(deadline)
        if captured == Code.NO_FINGER:
            self._lifted = True
            return TouchOutcome.NO_FINGER
        if not self._lifted:
            return TouchOutcome.NOT_LIFTED
        if captured == Code.CAPTURE_FAILED:
            return TouchOutcome.CAPTURE_FAILED
        self._live_seen = False
        outcome = _EXTRACTION[Code(self._commands.extract(self._taken + 1, deadline))]
        if outcome is TouchOutcome.TAKEN:
            self._taken += 1
            self._lifted = False
            self._live_seen = self._taken == 1
        return outcome
