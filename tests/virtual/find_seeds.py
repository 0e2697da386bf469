"""Finds for each row of tests/core/exceptions.toml an episode that shows it, as few episodes as may be, and writes them into the file and the page.

python -m tests.virtual.find_seeds [MOST]
"""

from __future__ import annotations

import re
import sys
from typing import Any

from tests.core import exceptions_page
from tests.virtual.shown import shown, trace

SEED = 1
AT_LEAST = 100
"""Episodes to choose from: the more, the fewer are needed."""


def main(most: int) -> int:
    """Play episodes until each row is shown, `most` at most; 1 if a row is shown by none."""
    rows = [item for item in exceptions_page.items() if "simulation" in item]
    shows: dict[int, set[int]] = {}
    for number in range(most):
        shows[number] = _rows_shown(number, rows)
        if len(set().union(*shows.values())) == len(rows) and number >= AT_LEAST:
            break
    chosen: dict[int, int] = {}
    while True:  # greedily: always the episode that shows most of what is left
        number = max(shows, key=lambda each: (len(shows[each] - chosen.keys()), -each))
        gained = shows[number] - chosen.keys()
        if not gained:
            break
        chosen.update(dict.fromkeys(gained, number))
    _write(rows, chosen)
    exceptions_page.PAGE.write_text(exceptions_page.page())
    missing = [item["name"] for at, item in enumerate(rows) if at not in chosen]
    sys.stdout.write(
        f"{len(chosen)} of {len(rows)} rows shown by {len(set(chosen.values()))} of {len(shows)} episodes"
        + "".join(f"\nnone shows: {name}" for name in missing)
        + "\n"
    )
    return int(bool(missing))


def _rows_shown(number: int, rows: list[dict[str, Any]]) -> set[int]:
    lines = trace(SEED, number)
    trace.cache_clear()
    return {at for at, item in enumerate(rows) if shown(lines, item["simulation"], item["reasons"])}


def _write(rows: list[dict[str, Any]], chosen: dict[int, int]) -> None:
    places = iter(range(len(rows)))

    def entry(_match: re.Match[str]) -> str:
        at = next(places)
        cause = "".join(f'{name} = "{rows[at]["simulation"][name]}", ' for name in ("by", "lane") if name in rows[at]["simulation"])
        return f"simulation = {{ {cause}seed = {SEED}, only = {chosen.get(at, -1)} }}"

    text = re.sub(r"^simulation = \{.*\}$", entry, exceptions_page.DATA.read_text(), flags=re.MULTILINE)
    exceptions_page.DATA.write_text(text)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 800))
