"""Finds for each row of tests/core/exceptions.toml an episode that shows it, as few episodes as may be, and writes them into the file and the page.

python -m tests.virtual.find_seeds [EPISODES]
"""

from __future__ import annotations

import re
import sys
from typing import Any

from tests.core import exceptions_page
from tests.virtual.shown import shown, trace

SEED = 1


def main(episodes: int) -> int:
    """Play so many episodes at most; 1 if a row is shown by none."""
    rows = [item for item in exceptions_page.items() if "simulation" in item]
    shows = {number: _rows_shown(number, rows) for number in range(episodes)}
    chosen: dict[int, int] = {}
    while len(chosen) < len(rows):
        number = max(shows, key=lambda each: (len(shows[each] - chosen.keys()), -each))
        gained = shows[number] - chosen.keys()
        if not gained:
            break
        chosen.update(dict.fromkeys(gained, number))
    _write(rows, chosen)
    exceptions_page.PAGE.write_text(exceptions_page.page())
    missing = [item["name"] for at, item in enumerate(rows) if at not in chosen]
    sys.stdout.write(
        f"{len(chosen)} of {len(rows)} rows shown by {len(set(chosen.values()))} of {episodes} episodes"
        + "".join(f"\nnone shows: {name}" for name in missing)
        + "\n"
    )
    return int(bool(missing))


def _rows_shown(number: int, rows: list[dict[str, Any]]) -> set[int]:
    lines = trace(SEED, number)
    trace.cache_clear()
    return {at for at, item in enumerate(rows) if shown(lines, item["simulation"].get("by"), item["reasons"])}


def _write(rows: list[dict[str, Any]], chosen: dict[int, int]) -> None:
    places = iter(range(len(rows)))

    def entry(_match: re.Match[str]) -> str:
        at = next(places)
        by = rows[at]["simulation"].get("by")
        cause = f'by = "{by}", ' if by else ""
        return f"simulation = {{ {cause}seed = {SEED}, only = {chosen.get(at, -1)} }}"

    text = re.sub(r"^simulation = \{.*\}$", entry, exceptions_page.DATA.read_text(), flags=re.MULTILINE)
    exceptions_page.DATA.write_text(text)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 400))
