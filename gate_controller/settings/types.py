"""Types of keys that the gate's file and the policy share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator, ValidationInfo, WithJsonSchema

from gate_controller.core.values import Direction

BASE = "base"
"""Key of the validation context: the directory that relative paths start from."""


class Section(BaseModel):
    """A table of the file: unknown keys are errors, nothing is converted silently, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _resolved(path: Path, info: ValidationInfo) -> Path:
    text = str(path)
    if not text.isprintable():
        raise ValueError("Input should be a path of printable characters")
    if text == ".":
        raise ValueError("Input should be a path, and is empty")
    return Path(info.context[BASE]) / path if info.context else path


def _direction(value: object) -> Direction:
    for direction in Direction:
        if isinstance(value, str) and value == direction.name.lower():
            return direction
    names = " or ".join(f"'{direction.name.lower()}'" for direction in Direction)
    message = f"Input should be {names}"
    raise ValueError(message)


FilePath = Annotated[Path, AfterValidator(_resolved)]
"""A path; a relative one starts from the directory of the file it stands in."""

DirectionName = Annotated[Direction, PlainValidator(_direction), WithJsonSchema({"enum": [direction.name.lower() for direction in Direction]})]
"""A direction of travel by its name in small letters."""
