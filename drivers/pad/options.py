"""Options of the PAD drivers. Opens nothing."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FILE = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"
SHA256 = r"^[0-9a-f]{64}$"


class PassiveOptions(BaseModel):
    """Keys of a `pad.passive` judge in the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    coefficients: str | None = Field(None, pattern=FILE, description="file of coefficients in the directory of models; without it, the one that ships")
    coefficients_sha256: str | None = Field(None, pattern=SHA256, description="sha256 of that file")

    @model_validator(mode="after")
    def _a_file_is_checked(self) -> Self:
        if (self.coefficients is None) != (self.coefficients_sha256 is None):
            raise ValueError("coefficients and coefficients_sha256 go together")
        return self
