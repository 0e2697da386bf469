"""Options of the QR decoder."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class QrOptions(BaseModel):
    """Keys of a `qr.zxing` decoder in the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    second_opinion_every: int = Field(
        default=5,
        ge=0,
        le=1000,
        description="ask ZBar about every so many frames in which zxing-cpp found nothing; 0 never asks it",
    )
