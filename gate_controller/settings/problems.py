"""What is wrong with a configuration, each with file, line, key and remedy.

Does not look for problems; others hand in what they found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gate_controller.ports.errors import ConfigurationError
from gate_controller.settings.locate import KeyPath


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: The file, as it was named.
        line: Its line, from 1; 0 when the file could not be read.
        key: Where in it, e.g. "[devices.fingerprint] baud"; empty when it concerns the file.
        text: What is wrong.
        remedy: What to do about it.
    """

    file: str
    line: int
    key: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        parts = ": ".join(_one_line(part) for part in (where, self.key, self.text) if part)
        return f"{parts} ({_one_line(self.remedy)})" if self.remedy else parts


class InvalidConfigurationError(ConfigurationError):
    """A configuration with problems; its text has one line for each, in the order of the files.

    Attributes:
        problems: At least one.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Document:
    """One TOML file.

    Attributes:
        shown: Its path, as it was named.
        data: Its content.
        lines: Line of every key.
    """

    shown: str
    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int]

    def depth(self, path: KeyPath) -> int:
        """How many leading keys of `path` stand in the file."""
        return next((length for length in range(len(path), 0, -1) if path[:length] in self.lines), 0)

    def problem(self, path: KeyPath, text: str, remedy: str = "", *, section: bool = False) -> Problem:
        """A problem at `path`, on the line of its deepest key that is there.

        Args:
            path: The key; may end in one that is missing.
            text: What is wrong.
            remedy: What to do.
            section: `path` is a table even if it is not there.
        """
        line = self.lines.get(path[: self.depth(path)], 1)
        return Problem(self.shown, line, self._show(path, section=section), text, remedy)

    def _show(self, path: KeyPath, *, section: bool) -> str:
        tables = len(path) if section else self._tables(path)
        head = f"[{_dotted(path[:tables])}]" if tables else ""
        return " ".join(part for part in (head, _dotted(path[tables:])) if part)

    def _tables(self, path: KeyPath) -> int:
        """How many leading parts of  are tables, or elements of an array of tables."""
        node: Any = self.data
        for depth, part in enumerate(path):
            if isinstance(node, dict):
                node = node.get(str(part))
            elif isinstance(node, list):
                node = node[part] if isinstance(part, int) and part < len(node) else None
            if not isinstance(node, dict) and not (isinstance(node, list) and any(isinstance(item, dict) for item in node)):
                return depth
        return len(path)


@dataclass(frozen=True, slots=True)
class Located:
    """Where every key of a configuration stands: in the gate's file, or in the policy's.

    Paths begin at the root of the gate's file; those of the policy begin with "policy", wherever they stand: a simulation may
    override a key of the policy in its own file.
    """

    gate: Document
    policy: Document | None = None

    def problem(self, path: KeyPath, text: str, remedy: str = "", *, section: bool = False) -> Problem:
        """See Document.problem."""
        if self.policy is not None and path[:1] == ("policy",) and self.policy.depth(path[1:]) >= self.gate.depth(path) - 1:
            overridden = self.gate.depth(path) == len(path)
            if not overridden:
                return self.policy.problem(path[1:], text, remedy, section=section)
        return self.gate.problem(path, text, remedy, section=section)


def _dotted(path: KeyPath) -> str:
    shown = ""
    for part in path:
        if type(part) is int:
            shown += f"[{part}]"
        else:
            bare = bool(part) and all(character.isascii() and (character.isalnum() or character in "_-") for character in str(part))
            shown += ("." if shown else "") + (str(part) if bare else f'"{part}"')
    return shown


def _one_line(text: str) -> str:
    """`text` without line ends and without what a terminal might take for a command."""
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
