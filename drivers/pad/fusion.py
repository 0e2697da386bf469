"""Fuses cues into a score by logistic regression with few, signed coefficients, which ship as data (coefficients.json) with their provenance.

Does not learn: tests/bench/pad_accuracy.py --tune wrote the file.
"""

from __future__ import annotations

import hashlib
import math
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gate_controller.ports.errors import ConfigurationError
from gate_controller.ports.pad import Cue

_Finite = Annotated[float, Field(allow_inf_nan=False)]

REACH = 2.5
"""A cue counts for at most so many spreads to either side: no single odd measurement outvotes all others."""


class Coefficient(BaseModel):
    """Of one cue: it adds weight * (value - centre) / spread to the log-odds of an attack; a cue that was not measured adds nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    centre: _Finite = Field(description="value that speaks for neither side")
    spread: float = Field(gt=0, allow_inf_nan=False, description="of the values about it")
    weight: _Finite
    reach_live: float = Field(REACH, ge=0, le=REACH, description="spreads for which it may count towards live: less where an absence proves little")
    least_for_live: _Finite | None = Field(None, description="a value below it is no sign of life: the score then is at least 0.5, whatever else was seen")

    def away(self, value: float) -> float:
        """Spreads from the centre, within the cue's reach."""
        low, high = (-self.reach_live, REACH) if self.weight >= 0 else (-REACH, self.reach_live)
        return max(low, min(high, (value - self.centre) / self.spread))


class Coefficients(BaseModel):
    """The file.

    Attributes:
        name: Of this set; part of the judge's name in the log and the desk's record.
        provenance: Where the numbers come from, and on what they were tuned.
        bias: Log-odds when every cue is neutral.
        cues: By the cue's name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")
    provenance: dict[str, str]
    bias: _Finite
    cues: dict[str, Coefficient]

    def contributions(self, values: dict[str, float | None]) -> tuple[Cue, ...]:
        """Every cue with its part of the log-odds, heaviest first."""
        cues = []
        for name, each in self.cues.items():
            value = values.get(name)
            if value is not None and not math.isfinite(value):
                value = None
            cues.append(Cue(name, value, 0.0 if value is None else each.weight * each.away(value)))
        return tuple(sorted(cues, key=lambda cue: -abs(cue.weight)))

    def score(self, cues: tuple[Cue, ...]) -> float:
        """0 bona fide to 1 attack; at least 0.5 without a sign of life."""
        score = 1 / (1 + math.exp(-(self.bias + sum(cue.weight for cue in cues))))
        return max(score, 0.5) if any(self._lifeless(cue) for cue in cues) else score

    def _lifeless(self, cue: Cue) -> bool:
        least = self.cues[cue.name].least_for_live
        return least is not None and cue.value is not None and cue.value < least


def load(data: bytes | None = None) -> tuple[Coefficients, str]:
    """The coefficients and the sha256 of the bytes they were read from.

    Args:
        data: A file's content; None takes the one that ships with the driver.

    Raises:
        ConfigurationError: It is not such a file.
    """
    content = resources.files("drivers.pad").joinpath("coefficients.json").read_bytes() if data is None else data
    try:
        return Coefficients.model_validate_json(content), hashlib.sha256(content).hexdigest()
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"PAD coefficients: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise ConfigurationError(msg, "take the file that ships with the driver") from error
