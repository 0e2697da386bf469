"""Writes docs/reference/*.md anew."""

from __future__ import annotations

from tests.reference.pages import DIRECTORY, pages

for name, text in pages().items():
    path = DIRECTORY / name
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        print(f"written: {path}")
