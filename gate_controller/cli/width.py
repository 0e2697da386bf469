"""Lines as wide as the terminal: what is longer goes on below, a little to the right, broken between words.

One rule for all commands: on a terminal, or where COLUMNS says how wide one is. Into a pipe or a file each line stays whole, so that a line is a record.
A word that is longer than a line (a path, a hash, a key) stays whole and may be copied. Knows no command and draws no table.
"""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any, TextIO

NARROWEST = 20
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_UNSEEN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\a")
_UNIT = re.compile(r"(?<=\d) (?=(?:d|h|min|s|ms|MiB|bytes|of)\b)")
"""A space between a number and its unit, at which no line is broken."""
_WHOLE = frozenset({"completion", "diagram", "run", "simulate"})
_WHOLE_WITHIN = frozenset(
    {
        ("camera", "preview"),
        ("enrolment", "desk-key"),
        ("enrolment", "key"),
        ("install", "devices"),
        ("journal", "checkpoint"),
        ("journal", "export"),
        ("journal", "key"),
        ("journal", "prove"),
    }
)
"""Commands whose output is a program's, a picture, a log, or text that must be copied as it is."""


class Wrapped:
    """A text stream that wraps. All else is the stream's own.

    Args:
        stream: Where it goes.
        columns: Of the terminal.
    """

    def __init__(self, stream: TextIO, columns: int) -> None:
        self._stream = stream
        self._columns = max(NARROWEST, columns)
        self._in_line = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """See TextIO. What moves the cursor, what has no end yet, and what goes on with a line that was begun is passed on as it is."""
        if not isinstance(text, str) or self._in_line or "\r" in text or "\x1b" in _COLOUR.sub("", text):
            written = text
        else:
            written = "".join(self._fitted(line) if line.endswith("\n") else line for line in text.splitlines(keepends=True))
        if isinstance(text, str) and _UNSEEN.sub("", text):  # a screen that was cleared begins with a new line
            self._in_line = not text.endswith("\n")
        self._stream.write(written)
        return len(text)

    def _fitted(self, line: str) -> str:
        bare = line.rstrip("\n")
        if len(_COLOUR.sub("", bare)) <= self._columns or _COLOUR.search(bare):
            return line  # the few lines with colour are short ones
        lead = " " * min(len(bare) - len(bare.lstrip(" ")), self._columns // 3)
        hang = f"{lead}    "
        parts = textwrap.wrap(
            _UNIT.sub("\xa0", bare.strip(" ")),
            self._columns,
            initial_indent=lead,
            subsequent_indent=hang,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        )
        return "\n".join(parts).replace("\xa0", " ") + line[len(bare) :]


def wraps(arguments: Sequence[str]) -> bool:
    """Whether what this command line prints may be wrapped."""
    words = [word for word in arguments if not word.startswith("-")]
    return "--json" not in arguments and not (words[:1] and words[0] in _WHOLE) and tuple(words[:2]) not in _WHOLE_WITHIN


def fitted(stream: TextIO, arguments: Sequence[str], *, told: bool = True) -> TextIO:
    """The stream, wrapping where a person reads it; `told`: also where COLUMNS alone says so. Of errors it does not: each line of one is a record in a log."""
    if not wraps(arguments) or not (stream.isatty() or (told and os.environ.get("COLUMNS", "").isdecimal())):
        return stream
    return Wrapped(stream, shutil.get_terminal_size((80, 24)).columns)  # type: ignore[return-value] # all that is used of one
