"""The state diagram, generated from the table as Mermaid text. Draws; decides nothing."""

from __future__ import annotations

from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.table import EVALUATE, NOT_EMERGENCY, TABLE, Row

EVERYWHERE = "any_state"


def mermaid(table: tuple[Row, ...] = TABLE) -> str:
    """A Mermaid `stateDiagram-v2`: an arrow for each pair of states, labelled with what leads along it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in table:
        if row.target is None:
            continue
        sources = [EVERYWHERE] if row.sources == NOT_EMERGENCY else [source.value for source in row.sources]
        for source in sources:
            if source != row.target.value:
                arrows.setdefault((source, row.target.value), []).append(_label(row))
    lines = ["stateDiagram-v2", f"    [*] --> {State.OUT_OF_SERVICE.value}"]
    for (source, target), labels in arrows.items():
        lines.append(f"    {source} --> {target}: {' / '.join(dict.fromkeys(labels))}")
    return "\n".join(lines) + "\n"


def page(table: tuple[Row, ...] = TABLE) -> str:
    """The documentation page around the diagram, with every row as a table below it."""
    head = "# The lane's states\n\nGenerated from `gate_controller/core/table.py` by `gatectl diagram --write docs/state-diagram.md`; do not edit.\n\n"
    rows = ["| state | on | if | do | next | outcome | reason |", "|---|---|---|---|---|---|---|"]
    for row in table:
        sources = "any but emergency" if row.sources == NOT_EMERGENCY else ", ".join(source.value for source in row.sources)
        cells = (
            sources,
            row.trigger,
            ", ".join(_guard(guard) for guard in row.when),
            ", ".join(row.do),
            row.target.value if row.target else "(stays)",
            row.outcome.value if row.outcome else "",
            _reason(row),
        )
        rows.append("| " + " | ".join(cells) + " |")
    return head + "```mermaid\n" + mermaid(table) + "```\n\n" + "\n".join(rows) + "\n"


def _label(row: Row) -> str:
    if row.reason is not None:
        return _reason(row)
    return row.trigger if row.trigger != EVALUATE else " and ".join(_guard(guard) for guard in row.when)


def _reason(row: Row) -> str:
    return row.reason.code if isinstance(row.reason, Reason) else (row.reason or "")


def _guard(guard: str) -> str:
    return f"not {guard[1:]}" if guard.startswith("!") else guard
