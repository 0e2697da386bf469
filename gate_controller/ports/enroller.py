"""What a fingerprint reader must offer beside verifying so that fingers can be enrolled with it. A gate never needs it.

Does not say how many fingers are enrolled nor in which order: the desk does (gate_controller.enrolment.desk).
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from gate_controller.ports.devices import FingerprintReader, FingerprintTemplate


class TouchOutcome(Enum):
    """What one touch of the sensor gave. Faults are raised, never returned."""

    TAKEN = "taken"
    NO_FINGER = "no_finger"
    NOT_LIFTED = "not_lifted"
    TOO_MESSY = "too_messy"
    TOO_FEW_FEATURES = "too_few_features"
    CAPTURE_FAILED = "capture_failed"


class FingerprintEnroller(FingerprintReader, Protocol):
    """A fingerprint module that makes templates, too: several touches of one finger, merged by the module itself."""

    @property
    def touches(self) -> int:
        """How many touches one template is merged from; at least 2."""
        ...

    def begin_template(self) -> None:
        """Forget all touches; the next one is the first of a new template."""
        ...

    def touch(self, deadline: float) -> TouchOutcome:
        """One touch: take an image, extract, keep. Returns NOT_LIFTED until the finger was seen absent after the touch before.

        Raises:
            DeviceRejectedError: There are as many touches as are needed already.
            DeviceError: Any fault of the line or module; all touches are lost.
        """
        ...

    def resembles(self, template: FingerprintTemplate, deadline: float) -> bool:
        """Whether the finger last seen, by the first touch of a template or by verify(), matches `template`. The reference is gone afterwards.

        Raises:
            DeviceRejectedError: No such finger was seen, or the module refuses the template.
            DeviceError: Any other fault; all touches are lost.
        """
        ...

    def merge(self, position: int, deadline: float) -> FingerprintTemplate | None:
        """The template of all touches (RegModel), for finger `position` (ISO/IEC 19794-2); None when they are not of one finger.

        Raises:
            DeviceRejectedError: There are too few touches.
            DeviceError: Any other fault; all touches are lost.
        """
        ...
