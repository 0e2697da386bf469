"""What a simulated camera may be shown. Draws nothing: render.py does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

FACES = Path(__file__).parent.parent / "data" / "faces"
"""Pictures PERSON_PICTURE.jpg of people who do not exist."""

FILM_FRAMES = 30
"""Of somebody who moves, each drawn once: two seconds."""


class _Scene(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    noise: float = Field(default=2.0, ge=0.5, le=60, description="standard deviation of the sensor's noise, 0 to 255; never none")
    dim: float = Field(default=1.0, ge=0, le=1, description="share of the light that is left; 0.1 is a tenth")


class EmptyScene(_Scene):
    """The chamber with nobody in view."""

    kind: Literal["empty"] = "empty"

    @property
    def period(self) -> int:
        """Frames until everything repeats."""
        return 8


class PhoneScene(_Scene):
    """A phone held before the camera, a QR code of level M on its screen."""

    kind: Literal["phone"] = "phone"
    text: str = Field(min_length=1, max_length=2331, description="what the code says; Latin-1")
    px_per_module: float = Field(default=4.0, ge=0.5, le=40, description="size of a module in the picture, before any tilt")
    tilt_deg: float = Field(default=0.0, ge=-75, le=75, description="turned away about the upright axis, with perspective")
    roll_deg: float = Field(default=0.0, ge=-180, le=180, description="turned in the picture's plane")
    blur: float = Field(default=0.5, ge=0, le=10, description="sigma of the lens's blur in pixels")
    motion_px: float = Field(default=0.0, ge=0, le=60, description="length of the motion blur, sideways")
    glare: float = Field(default=0.0, ge=0, le=1, description="a lamp mirrored on the glass over a corner of the code: 1 burns it out")
    quiet_zone: int = Field(default=4, ge=0, le=8, description="white modules around the code")
    dark_page: bool = Field(default=False, description="the page around the quiet zone is dark")

    @property
    def period(self) -> int:
        """Frames until everything repeats."""
        return 12


class FaceScene(_Scene):
    """Somebody (who does not exist) before the camera."""

    kind: Literal["face"] = "face"
    person: str = Field(pattern=r"^person\d\d$")
    picture: Literal["live", "1", "2", "3", "4", "print", "screen", "replay"] = Field(
        default="live", description="live blinks and moves; 1 to 4 stand still; print, screen and replay (a video on a screen) are attacks, held by a hand"
    )
    second: str | None = Field(default=None, pattern=r"^person\d\d$", description="another person in view")
    second_place: Literal["beside", "background"] = "beside"

    @field_validator("person", "second")
    @classmethod
    def _has_pictures(cls, person: str | None) -> str | None:
        if person is not None and not (FACES / f"{person}_live0.jpg").is_file():
            msg = f"there are no pictures of {person}"
            raise ValueError(msg)
        return person

    @property
    def period(self) -> int:
        """Frames until everything repeats: what moves goes there and back."""
        return 2 * FILM_FRAMES - 2


Scene = EmptyScene | PhoneScene | FaceScene
_SCENE: TypeAdapter[Scene] = TypeAdapter(Annotated[Scene, Field(discriminator="kind")])


def parse(fields: dict[str, Any]) -> Scene:
    """A scene from the fields of a control request.

    Raises:
        ValueError: An unknown kind, an unknown or missing field, a value out of range, or a person without pictures.
    """
    try:
        return _SCENE.validate_python(fields)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ValueError(problems) from None
