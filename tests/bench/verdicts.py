"""How a bench says whether a time is what it should be: on the wall, as a traveller waits, and of the processor, which other programs do not change."""

from __future__ import annotations


def said(wall: float, processor: float, target: float) -> str:
    """Both figures, in one unit, with what they should be at most, and for each whether it is."""
    met, of_processor = ("met" if value <= target else "NOT MET" for value in (wall, processor))
    return f"{wall:g} on the wall ({met}), {processor:g} of the processor ({of_processor}), reach {target:g}"
