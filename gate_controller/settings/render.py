"""Write a configuration: a template's file with some keys changed, e.g. for one run of the simulation.

Does not keep comments or the order of keys within a table, and writes only what the configuration needs of TOML.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gate_controller.settings.documents import overlaid, read_document

PATHS = (
    ("gate", "policy"),
    ("keys", "cache"),
    ("keys", "floor"),
    ("keys", "own_floor"),
    ("keys", "pinned_root"),
    ("sync", "ca_file"),
    ("enrolment", "store"),
    ("enrolment", "master_key_file"),
    ("journal", "path"),
    ("journal", "signing_key_file"),
    ("replay", "path"),
    ("models", "directory"),
    ("control", "socket"),
    ("metrics", "textfile"),
)
"""Keys whose relative paths start from the file's directory (types.FilePath)."""

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def derive(template: Path, changes: Mapping[str, Any]) -> str:
    """The text of a configuration that is `template` with `changes`.

    Relative paths start from the directory of the file they stand in, so those of the template are made absolute.

    Args:
        template: A gate.toml.
        changes: Tables and keys to set, e.g. {"journal": {"path": "/run/x/journal.db"}}; tables are merged, all else is replaced.

    Raises:
        InvalidConfigurationError: The template cannot be read.
    """
    data = dict(read_document(template).data)
    base = template.absolute().parent
    for section, key in PATHS:
        table = data.get(section)
        if isinstance(table, dict) and isinstance(table.get(key), str):
            data = overlaid(data, {section: {key: str(base / table[key])}})
    return to_toml(overlaid(data, dict(changes)))


def to_toml(data: Mapping[str, Any]) -> str:
    """TOML of nested tables of texts, numbers, booleans, paths and lists of them.

    Raises:
        TypeError: A value of another type.
    """
    lines: list[str] = []
    _table(data, (), lines)
    return "\n".join(lines) + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    if path and (plain or not table):
        lines += ["", f"[{'.'.join(map(_key, path))}]"]
    lines += [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            _table(value, (*path, key), lines)


def _key(key: str) -> str:
    return key if key and set(key) <= _BARE else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, Path)):
        return _text(str(value))
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + "}"
    message = f"a configuration has no values of type {type(value).__name__}"
    raise TypeError(message)


def _text(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, except that TOML also wants DEL escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
