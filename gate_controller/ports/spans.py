"""Time spans as people read them. Imports nothing: `gatectl status` must start fast."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A time span in its two largest units, rounded down: "2 d 9 h", "11 h 2 min", "3 min", "45 s"."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    amounts = (whole // 86_400, whole // 3600 % 24, whole // 60 % 60)
    first = next(place for place, amount in enumerate(amounts) if amount)
    return " ".join(f"{amounts[place]} {_UNITS[place]}" for place in range(first, min(first + 2, 3)) if amounts[place])


_UNITS = ("d", "h", "min")
