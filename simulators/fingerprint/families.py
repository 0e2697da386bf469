"""The three families of modules the simulator can be, each with the figures of its manual.

Does not hold behaviour; `module` and `instructions` act on these figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gate_controller.ports.devices import Family


@dataclass(frozen=True, slots=True)
class Profile:
    """What one family is made of.

    Attributes:
        family: The family.
        template_bytes: Length of a template.
        image_width: Pixels of 4 bits.
        image_height: Pixels of 4 bits.
        boot_s: Shortest and longest time from power-on until it answers.
        capacity: Pages of the library.
        system_id: As ReadSysPara gives it.
        has_model_buffer: R503: extracted features and the model live apart, and Match compares these two.
            Otherwise CharBuffer1 is compared with CharBuffer2.
        char_buffers: Number of CharBuffers.
        not_found_page: What a failed search leaves in the page field.
        model: Name of the product.
    """

    family: Family
    template_bytes: int
    image_width: int
    image_height: int
    boot_s: tuple[float, float]
    capacity: int
    system_id: int
    has_model_buffer: bool
    char_buffers: int
    not_found_page: int
    model: str

    @property
    def image_bytes(self) -> int:
        """Length of an image: two pixels a byte."""
        return self.image_width * self.image_height // 2


OLD_R503_TEMPLATE_BYTES: Final = 768
"""Template of an R503 with older firmware (which has no ProdInfo either)."""

PROFILES: Final = {
    Family.ZFM20: Profile(Family.ZFM20, 512, 256, 288, (0.5, 0.5), 162, 0x0009, False, 2, 0, "ZFM-20"),
    Family.R307: Profile(Family.R307, 768, 256, 288, (0.1, 0.6), 1000, 0x0009, False, 2, 0, "R307"),
    Family.R503: Profile(Family.R503, 1536, 192, 192, (0.05, 0.05), 200, 0x0000, True, 6, 0x01EE, "R503"),
}
