"""Options of the PAD drivers. Opens nothing."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FILE = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"
SHA256 = r"^[0-9a-f]{64}$"
_Channel = Annotated[float, Field(ge=-1000, le=1000)]


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


class OnnxOptions(BaseModel):
    """Keys of a `pad.onnx` judge in the configuration: a model of the operator's or a vendor's, and the form of its input and output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(pattern=FILE, description="ONNX file in the directory of models")
    model_sha256: str = Field(pattern=SHA256, description="sha256 of that file")
    width: int = Field(ge=16, le=640, description="of its input, pixels")
    height: int = Field(ge=16, le=640, description="of its input, pixels")
    colours: Literal["bgr", "rgb"] = Field("bgr", description="order of its input's channels")
    mean: tuple[_Channel, _Channel, _Channel] = Field((0.0, 0.0, 0.0), description="taken from each channel, in that order, grey levels")
    scale: float = Field(1.0, gt=0, le=10, description="factor after that; 0.00392157 for an input from 0 to 1")
    crop: float = Field(2.7, ge=0.5, le=6, description="size of what it is shown, in face boxes")
    outputs: int = Field(ge=1, le=16, description="numbers it answers with")
    index: int = Field(ge=0, le=15, description="which of them counts, from 0")
    index_is: Literal["attack", "live"] = Field(description="what that number speaks for")
    activation: Literal["softmax", "sigmoid", "none"] = Field("softmax", description="what makes its numbers run from 0 to 1")
    threshold: float = Field(gt=0, lt=1, description="score for an attack at which the model's maker separates the two; becomes 0.5")
    frames: int = Field(15, ge=1, le=120, description="newest scores whose median counts")
    with_passive: bool = Field(True, description="the passive cues judge as well, and both must be content")

    @model_validator(mode="after")
    def _the_index_is_one(self) -> Self:
        if self.index >= self.outputs:
            raise ValueError("index is beyond the last output")
        return self


class ChallengeOptions(BaseModel):
    """Keys of a `pad_challenge.landmarks` challenger in the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: tuple[Literal["turn_left", "turn_right", "blink"], ...] = Field(
        ("turn_left", "turn_right", "blink"), min_length=2, max_length=3, description="what may be asked; fewer are easier to guess"
    )
    window_s: float = Field(4.0, ge=1, le=15, description="time to do it in, from the prompt on")
    reaction_s: float = Field(0.25, ge=0.1, le=1, description="what is done sooner was no answer")
    turn: float = Field(0.2, ge=0.08, le=0.6, description="turn of the head that counts: the nose's way along the eyes, in eye distances; 15 to 20 degrees")
    closed: float = Field(0.66, ge=0.3, le=0.9, description="openness of the eyes, of the usual one, below which they are closed")

    @model_validator(mode="after")
    def _kinds_differ(self) -> Self:
        if len(set(self.kinds)) != len(self.kinds):
            raise ValueError("kinds names one twice")
        return self
