"""Reading one TOML file: whatever is in it, the only error is an InvalidConfigurationError.

Does not look at keys.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from gate_controller.settings.locate import NestedTooDeeplyError, key_lines
from gate_controller.settings.problems import Document, InvalidConfigurationError, Problem

MAX_BYTES = 128 * 1024
_POSITION = re.compile(r"^(?P<what>.*) \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)$", re.DOTALL)
_TOO_LONG_NUMBER = re.compile(r"[0-9_]{4000}")
_TOO_DEEP = ("keys, lists or tables are nested too deeply", "a configuration needs six levels")
_SYNTAX = "a value needs quotes unless it is a number, true, false, a [list] or a date; https://toml.io shows the rest"


def read_document(path: Path) -> Document:
    """Read and parse a TOML file.

    Raises:
        InvalidConfigurationError: Missing, not a regular file, not permitted, larger than 128 KiB, not UTF-8, or not TOML.
    """
    shown = str(path)
    text = _decode(_read(path), shown)
    try:
        return Document(shown, tomllib.loads(text), key_lines(text))
    except tomllib.TOMLDecodeError as error:
        raise _failed(shown, *_where(str(error), text)) from None
    except NestedTooDeeplyError as error:
        raise _failed(shown, error.line, *_TOO_DEEP) from None
    except ValueError:  # an integer of more digits than Python is willing to convert
        long = _TOO_LONG_NUMBER.search(text)
        raise _failed(shown, text.count("\n", 0, long.start() if long else 0) + 1, "a number is too long", "TOML's whole numbers have 64 bits") from None
    except RecursionError:
        raise _failed(shown, 1, *_TOO_DEEP) from None


def overlaid(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` on top: tables are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = overlaid(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _read(path: Path) -> bytes:
    try:
        # O_NONBLOCK: a FIFO must not stop the program.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _failed(str(path), 0, "not a regular file", "name a TOML file")
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        what = getattr(error, "strerror", None) or "not a path"
        raise _failed(str(path), 0, f"cannot be read: {what}", "is the path right, and may this user read it?") from None
    if len(content) > MAX_BYTES:
        raise _failed(str(path), 0, f"larger than {MAX_BYTES // 1024} KiB", "is this the right file?")
    return content


def _decode(content: bytes, shown: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _failed(shown, line, "not UTF-8", "save the file in the encoding UTF-8") from None


def _where(message: str, text: str) -> tuple[int, str, str]:
    found = _POSITION.match(message)
    if found is None:
        return 1, f"not TOML: {message}", _SYNTAX
    if found["line"] is None:
        return text.rstrip("\n").count("\n") + 1, f"not TOML: {found['what']} at the end of the file", _SYNTAX
    return int(found["line"]), f"not TOML: {found['what']}, column {found['column']}", _SYNTAX


def _failed(shown: str, line: int, text: str, remedy: str) -> InvalidConfigurationError:
    return InvalidConfigurationError([Problem(shown, line, "", text, remedy)])
