"""What the driver must know of each family: buffers, light and the figures its answers are checked against.

Nothing here replaces what the module says: the template size is read from the module and only checked against `template_bytes`, so that a
wrongly configured family (whose buffers mean something else) is found at open().
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate_controller.ports.devices import Family, FingerprintLight


@dataclass(frozen=True, slots=True)
class FamilyTraits:
    """One family.

    Attributes:
        reference_buffer: Buffer that DownChar fills. An R503 ignores it: its template goes to the ModelBuffer.
        live_buffer: Buffer that Img2Tz fills.
        has_product_information: Whether ProdInfo, CheckSensor and AuraLED may be asked for.
        template_bytes: Template sizes this family is known to have.
        boot_s: Longest time from power-on to the first answer.
    """

    reference_buffer: int
    live_buffer: int
    has_product_information: bool
    template_bytes: frozenset[int]
    boot_s: float


TRAITS: Final = {
    # Match compares CharBuffer1 with CharBuffer2.
    Family.ZFM20: FamilyTraits(2, 1, False, frozenset({512}), 0.5),
    Family.R307: FamilyTraits(2, 1, False, frozenset({768}), 1.0),
    # Match compares what was extracted last with the ModelBuffer; older firmware has templates of 768 bytes.
    Family.R503: FamilyTraits(1, 1, True, frozenset({768, 1536}), 0.05),
}

# AuraLED (R503 manual): effect 1 breathing, 3 on, 4 off; speed 0..255; colour 1 red, 2 blue, 3 purple, 4 green.
AURA: Final = {
    FingerprintLight.OFF: (4, 0, 1),
    FingerprintLight.READY: (1, 0x80, 2),
    FingerprintLight.BUSY: (3, 0, 3),
    FingerprintLight.GOOD: (3, 0, 4),
    FingerprintLight.BAD: (3, 0, 1),
}
