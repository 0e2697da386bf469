"""Does the trace of an episode show an exception: what brings it about, and soon after it what the gate makes of it?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from simulators.virtual.batch import TRAVELLERS
from simulators.virtual.episode import Episode
from simulators.virtual.profile import PROFILES

FAULTS = "harsh"
NAMED = re.compile(r"\((\w+)\)\]|(?:reason|latched|kind)='?(\w+)")
TRAVELLERS_LATER = 2
"""The next traveller steps up during the check of the one before: a reason belongs to what came before it, up to the second traveller after it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a trace, and the reasons (and kinds of notes) that it names."""

    text: str
    names: frozenset[str]


@cache
def trace(seed: int, number: int) -> tuple[Line, ...]:
    """What `gatectl simulate --virtual --faults harsh --seed SEED --only NUMBER` prints."""
    texts: list[str] = []
    Episode(PROFILES[FAULTS], seed, number, TRAVELLERS).run(texts.append)
    return tuple(Line(text, frozenset(name for names in NAMED.findall(text) for name in names if name)) for text in texts)


def shown(lines: tuple[Line, ...], simulation: dict[str, Any], reasons: list[str]) -> bool:
    """Whether one of `reasons` (or, where there are none, `by` alone) is met after `by`: a habit, a fault, or a note in the journal; in that kind of `lane`."""
    by = simulation.get("by")
    if simulation.get("lane", "") not in lines[0].text:
        return False
    met = [not reasons or not line.names.isdisjoint(reasons) for line in lines]
    if by is None:
        return any(met)
    causes = [at for at, line in enumerate(lines) if line.text.endswith(f" {by}") or by in line.names]
    travellers = [at for at, line in enumerate(lines) if " TRAVELLER " in line.text]
    return any(any(met[at : _until(travellers, at)]) for at in causes)


def _until(travellers: list[int], at: int) -> int | None:
    later = [other for other in travellers if other > at]
    return later[TRAVELLERS_LATER - 1] if len(later) >= TRAVELLERS_LATER else None
