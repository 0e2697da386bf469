"""On which line of a TOML file each key stands; the standard library's parser does not tell.

Does not validate: it runs only over text that tomllib has accepted, and finds the same keys (a test compares the two).
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import TypeAlias

KeyPath: TypeAlias = "tuple[str | int, ...]"
"""Keys from the root down; a number is an index into an array."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\n#]*")


MAX_DEPTH = 16
"""Keys and indices a path may have; a configuration needs six."""


class NestedTooDeeplyError(ValueError):
    """A key or value is nested beyond MAX_DEPTH; everything that walks the data would be at the mercy of the file."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line, from 1, of every key, table and array element of valid TOML. A table's line is its header's, or its first key's.

    Raises:
        NestedTooDeeplyError: There is a key or value beyond MAX_DEPTH.
    """
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", self._text)]
        self._lines: dict[KeyPath, int] = {}
        self._elements: dict[KeyPath, int] = {}  # arrays of tables: how many [[headers]] so far

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip_blank():
            if self._take("[["):
                start = self._at
                *parents, last = self._key()
                array = (*self._resolve(parents), last)
                self._elements[array] = self._elements.get(array, 0) + 1
                table = (*array, self._elements[array] - 1)
                self._record(table, start)
                self._take("]]")
            elif self._take("["):
                start = self._at
                table = self._resolve(self._key())
                self._record(table, start)
                self._take("]")
            else:
                self._pair(table)
        return self._lines

    def _resolve(self, keys: list[str]) -> KeyPath:
        """A header's path: a key that names an array of tables means its newest element."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self._elements:
                path = (*path, self._elements[path] - 1)
        return path

    def _pair(self, table: KeyPath) -> None:
        start = self._at
        path = (*table, *self._key())
        self._record(path, start)
        self._skip_blank()
        self._take("=")
        self._skip_blank()
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if string := _STRING.match(self._text, self._at):
            self._at = string.end()
        elif self._take("["):
            index = 0
            while self._skip_blank() and not self._take("]"):
                self._record((*path, index), self._at)
                self._value((*path, index))
                index += 1
                self._skip_blank()
                self._take(",")
        elif self._take("{"):
            while self._skip_blank() and not self._take("}"):
                self._pair(path)
                self._skip_blank()
                self._take(",")
        else:
            self._at = self._match(_SCALAR)

    def _key(self) -> list[str]:
        """A key, dotted or not; leaves the position behind it."""
        parts = []
        while True:
            self._skip_blank()
            quoted = _STRING.match(self._text, self._at)
            end = quoted.end() if quoted else self._match(_BARE_KEY)
            part = self._text[self._at : end]
            parts.append(tomllib.loads(f"key = {part}")["key"] if quoted else part)
            self._at = end
            self._skip_blank()
            if not self._take("."):
                return parts

    def _record(self, path: KeyPath, start: int) -> None:
        line = bisect_right(self._ends, start - 1) + 1
        if len(path) > MAX_DEPTH:
            raise NestedTooDeeplyError(line)
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def _skip_blank(self) -> bool:
        """Pass over spaces, line ends and comments; False at the end of the text."""
        self._at = self._match(_BLANK)
        return self._at < len(self._text)

    def _match(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self._text, self._at)
        return found.end() if found else self._at

    def _take(self, token: str) -> bool:
        if self._text.startswith(token, self._at):
            self._at += len(token)
            return True
        return False
