"""python -m tests.reference: writes docs/reference anew."""

from __future__ import annotations

from tests.reference import DIRECTORY
from tests.reference.pages import PAGES

DIRECTORY.mkdir(exist_ok=True)
for name, make in PAGES.items():
    (DIRECTORY / name).write_text(make(), encoding="utf-8")
