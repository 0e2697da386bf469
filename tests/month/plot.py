"""Draws the runs: for each region a band with its state, and below it what became of each traveller's pass. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from gate_controller.core.values import Region
from tests.month.month import DAY_0, DAY_S, REVOKED_AT, TRAVELLERS, Month, Span
from tests.month.page import clock

# Paul Tol's muted colours: told apart by the colour-blind, and by their lightness in print.
STATES = {"fresh": "#44aa99", "stale": "#ddcc77", "degraded": "#ee8866", "closed": "#882255"}
DECISIONS = {
    "accepted": "#cfe8f3",
    "accepted as low-risk": "#88ccee",
    "pass_status_stale": "#cc6677",
    "pass_region_closed": "#882255",
    "pass_revoked": "#332288",
    "pass_unknown_key": "#bbbbbb",
}
_ON_DARK = {"closed", "pass_region_closed", "pass_revoked", "pass_status_stale"}
_BAND, _GAP, _STATE_BAND = 0.8, 0.7, 1.3
_CHARACTER_SHARE = 0.0055
"""Width of a character as a share of the panel's: a name is written where there is room for it."""


def draw(months: Iterable[Month], path: Path) -> None:
    """Write the picture; its kind follows from the file's name. The same runs give the same bytes."""
    months = list(months)
    with mpl.rc_context({"svg.hashsalt": "month", "font.size": 8, "font.family": "DejaVu Sans", "svg.fonttype": "none"}):
        figure, panels = plt.subplots(len(months), figsize=(13, 3.1 * len(months)), layout="constrained", squeeze=False)
        for panel, month in zip(panels.flat, months, strict=True):
            _panel(panel, month)
        handles = [Patch(facecolor=colour, label=name) for name, colour in {**STATES, **DECISIONS}.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)
        plt.close(figure)


def _panel(panel: Axes, month: Month) -> None:
    panel.set_title(month.plan.title[0].upper() + month.plan.title[1:], loc="left", fontweight="bold")
    panel.set_title(_first_times(month), loc="right", fontsize=8)
    at, ticks = 0.0, []
    for region in Region:
        _band(panel, month, month.states(region), STATES, at, _STATE_BAND)
        ticks.append((at + _STATE_BAND / 2, f"{region.value} state"))
        at += _STATE_BAND
        for traveller in TRAVELLERS:
            _band(panel, month, month.decisions(region, traveller.name), DECISIONS, at, _BAND)
            ticks.append((at + _BAND / 2, traveller.name))
            at += _BAND
        at += _GAP
    panel.plot([_day(moment) for moment in month.plan.imports()], [-0.35] * len(month.plan.imports()), "v", color="black", markersize=4, clip_on=False)
    if month.end > REVOKED_AT:
        panel.axvline(_day(REVOKED_AT), color="#332288", linewidth=1, linestyle=":")
    panel.set_yticks([position for position, _ in ticks], [name for _, name in ticks])
    panel.set_ylim(at - _GAP, -0.7)
    panel.set_xlim(0, month.plan.days)
    panel.set_xticks(range(month.plan.days + 1))
    panel.set_xlabel("day (▼ import, dotted: revoked at headquarters)" if month.end > REVOKED_AT else "day (▼ import)")
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)


def _band(panel: Axes, month: Month, spans: list[Span], colours: dict[str, str], at: float, height: float) -> None:
    for value, colour in colours.items():
        ranges = [(_day(span.begin), _day(span.end) - _day(span.begin)) for span in spans if span.value == value]
        panel.broken_barh(ranges, (at, height * 0.92), facecolors=colour)
    for span in spans:
        begin, end = _day(span.begin), _day(span.end)
        if end - begin >= _CHARACTER_SHARE * len(span.value) * month.plan.days:
            colour = "white" if span.value in _ON_DARK else "black"
            panel.text((begin + end) / 2, at + height / 2, span.value, ha="center", va="center", fontsize=7, color=colour)


def _first_times(month: Month) -> str:
    """When each state first begins after the first import, and where if not for both regions."""
    found: dict[tuple[int, str], list[str]] = {}
    for region in Region:
        spans = [span for span in month.states(region) if span.begin >= month.plan.imports()[0]]
        firsts = {span.value: span.begin for span in reversed(spans) if span.value != "fresh"}
        for value, begin in firsts.items():
            found.setdefault((begin, value), []).append(region.value)
    words = [f"{' '.join(regions) + ' ' if len(regions) < len(Region) else ''}{value} from {clock(at)}" for (at, value), regions in sorted(found.items())]
    return "; ".join(words)


def _day(at: int) -> float:
    return (at - DAY_0) / DAY_S
