"""Parts that the commands of gate-authority share: the clock, and the types of their arguments. Decides nothing."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import click

from gate_controller.core.values import Direction, Region

DIRECTIONS = {"both": 3, "hk-to-mo": Direction.HK_TO_MO.value, "mo-to-hk": Direction.MO_TO_HK.value}
DIRECTORY = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
EXISTING_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LATEST = 1 << 33


class Clock(Protocol):
    """The commands' clock; a test has its own."""

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class SystemClock:
    """The operating system's."""

    def wall(self) -> float:
        """See Clock."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """See Clock."""
        time.sleep(max(0.0, seconds))


class ClockAt:
    """Stands at a moment and goes on only while it is slept: what `--at` asks for."""

    def __init__(self, at: float, clock: Clock) -> None:
        self._at = at
        self._clock = clock

    def wall(self) -> float:
        """See Clock."""
        return self._at

    def sleep(self, seconds: float) -> None:
        """See Clock."""
        self._clock.sleep(seconds)
        self._at += seconds


class Moment(click.ParamType[float]):
    """A moment: ISO 8601 (UTC unless it says otherwise) or seconds since the epoch."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds since the epoch."""
        if isinstance(value, int | float):
            return float(value)
        try:
            seconds = float(value) if re.fullmatch(r"[0-9]+", value) else _seconds(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time; write 2027-01-15T08:00:00Z, or seconds since 1970", param, ctx)
        if not 0 <= seconds <= _LATEST:
            self.fail(f"{value!r} is not between 1970 and 2242", param, ctx)
        return seconds


class Duration(click.ParamType[int]):
    """A length of time: a number with s, m, h or d."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Whole seconds."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9]{1,9})([smhd])", value)
        if found is None:
            self.fail(f"{value!r} is no length of time; write 90s, 30m, 24h or 7d", param, ctx)
        return int(found[1]) * _UNITS_S[found[2]]


class Numbers(click.ParamType[tuple[int, ...]]):
    """Which signers: "1,3"."""

    name = "1,2,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Their numbers, from 1, each once."""
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"[1-9](,[1-9])*", value):
            self.fail(f"{value!r} is no list of signers; write 1,3", param, ctx)
        return tuple(sorted({int(number) for number in value.split(",")}))


class RegionName(click.ParamType[Region]):
    """A region: hk or mo."""

    name = "hk|mo"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Region:
        """The region."""
        if isinstance(value, Region):
            return value
        if value.upper() not in {region.value for region in Region}:
            self.fail(f"{value!r} is no region; they are hk and mo", param, ctx)
        return Region(value.upper())


MOMENT, DURATION, NUMBERS, REGION = Moment(), Duration(), Numbers(), RegionName()


def written(at: float) -> str:
    """A moment as people read it, UTC."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
