"""Run every plan, every hour of it, and write docs/month.md and docs/month.svg.

python -m tests.month [DIRECTORY]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.month.month import PLANS, run
from tests.month.page import page, replaced
from tests.month.plot import draw


def main(directory: Path) -> None:
    months = []
    for plan in PLANS:
        with tempfile.TemporaryDirectory() as scratch:
            months.append(run(plan, Path(scratch)))
        print(f"{plan.title}: {plan.days} days, {len(months[-1].samples)} looks, {len(plan.imports())} imports", flush=True)
    text = directory / "month.md"
    text.write_text(replaced(text.read_text(), page(months)))
    draw(months, directory / "month.svg")
    print(f"wrote {text} and {directory / 'month.svg'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
