"""Options of the driver, as they stand in the configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gate_controller.ports.devices import Family


class FingerprintOptions(BaseModel):
    """A serial fingerprint module of the ZhianTec protocol."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: str = Field(min_length=1, description="Serial port: a device node or, better, a stable symlink made by udev.")
    family: Family = Field(description="Family of the module: zfm20 (also AS608, R305), r307 (also JM-101B, FPM10A) or r503.")
    baud: int = Field(default=57600, ge=9600, le=115200, multiple_of=9600, description="Baud rate to use; a module found at another is set to it.")
    packet_bytes: Literal[32, 64, 128, 256] = Field(default=128, description="Size of data packets; smaller ones are used when the module fails at this size.")
    security_level: int = Field(default=3, ge=1, le=5, description="Matching threshold of the module, 5 strictest; checked before every verification.")
    password: int = Field(default=0, ge=0, le=0xFFFFFFFF, repr=False, description="The module's password; 0 as it leaves the factory.")
    address: int = Field(default=0xFFFFFFFF, ge=0, le=0xFFFFFFFF, description="The module's address.")
    template_bytes: int | None = Field(
        default=None, ge=32, le=8192, description="Template size, only for a module that does not tell it or differs from its family."
    )

    @property
    def where(self) -> str:
        """How messages name the module."""
        return f"the fingerprint reader at {self.port}"
