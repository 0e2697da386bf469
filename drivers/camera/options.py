"""Options of the camera driver. Opens nothing."""

from __future__ import annotations

import math
from typing import Annotated, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_SCHEMES = ("http", "https", "rtsp")


class CameraOptions(BaseModel):
    """Keys of a `camera.opencv` device in the configuration. Times in seconds, sizes in pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[int, Field(ge=0, le=255, strict=True)] | str = Field(
        description="V4L2 device as a number (0 is /dev/video0) or a path below /dev, or an http, https or rtsp URL (simulation)",
    )
    width: int = Field(default=1280, ge=64, le=7680, description="width of a frame; another width is an error")
    height: int = Field(default=720, ge=64, le=4320, description="height of a frame; another height is an error")
    fps: float = Field(default=30.0, ge=1, le=240, description="frames a second asked of a V4L2 camera; a URL sends what it sends")
    fourcc: str = Field(default="MJPG", pattern=r"^[A-Z0-9 ]{4}$", description="pixel format asked of a V4L2 camera, four characters")
    open_timeout_s: float = Field(default=2.0, ge=0.1, le=30, description="longest wait for a URL to answer")
    read_timeout_s: float = Field(default=1.0, ge=0.1, le=30, description="longest wait for one frame; V4L2 rounds it up to whole seconds")
    stale_after_s: float = Field(default=0.5, ge=0.05, le=10, description="a frame older than this is not given out")
    frozen_after_s: float = Field(default=2.0, ge=0.2, le=60, description="identical content for this long means a frozen camera")
    dark_after_s: float = Field(default=2.0, ge=0.2, le=60, description="no light anywhere for this long means a covered or dead camera")
    dark_level: int = Field(default=12, ge=1, le=128, description="mean brightness, 0 to 255, below which a patch of the frame counts as without light")
    reopen_min_s: float = Field(default=0.1, ge=0.01, le=10, description="first wait before a lost camera is opened again; doubles each time")
    reopen_max_s: float = Field(default=1.0, ge=0.01, le=60, description="longest wait before a lost camera is opened again")

    @field_validator("source")
    @classmethod
    def _source_is_a_camera(cls, source: int | str) -> int | str:
        if isinstance(source, int) or source.startswith("/dev/"):
            return source
        url = urlsplit(source)
        if url.scheme in _SCHEMES and url.hostname:
            _ = url.port  # raises ValueError when it is no number
            return source
        # A video file or a FIFO runs at the reader's pace, so every age of a frame would be a lie.
        raise ValueError("neither a device number, a path below /dev nor an http, https or rtsp URL")

    @model_validator(mode="after")
    def _waits_are_ordered(self) -> Self:
        if self.reopen_min_s > self.reopen_max_s:
            raise ValueError("reopen_min_s is larger than reopen_max_s")
        return self

    @property
    def is_url(self) -> bool:
        """True for a network stream, False for a V4L2 device."""
        return isinstance(self.source, str) and not self.source.startswith("/dev/")

    @property
    def longest_call_s(self) -> float:
        """Longest time one call into OpenCV may block, once its time-outs work. V4L2 counts whole seconds."""
        return max(self.open_timeout_s, self.read_timeout_s) if self.is_url else math.ceil(self.read_timeout_s)

    @property
    def address(self) -> str:
        """What is opened: a device path or a URL, with its password if it has one. Never for a log."""
        return f"/dev/video{self.source}" if isinstance(self.source, int) else self.source

    @property
    def endpoint(self) -> str:
        """As `address`, with user and password taken out: fit for messages and status."""
        if not self.is_url:
            return self.address
        url = urlsplit(self.address)
        return urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2], query=""))
