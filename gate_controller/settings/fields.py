"""What a key means, for messages and for `gatectl config explain`: taken from the models' JSON schema.

Does not hold any text of its own about a key: descriptions, bounds and defaults stand with the field they belong to.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from gate_controller.settings.locate import KeyPath

_UNITS = {"_s": "seconds", "_ms": "milliseconds", "_px": "pixels", "_bytes": "bytes", "_mm": "millimetres", "_deg": "degrees"}
_LIMITS = (
    ("minimum", "at least"),
    ("exclusiveMinimum", "more than"),
    ("maximum", "at most"),
    ("exclusiveMaximum", "less than"),
    ("multipleOf", "a multiple of"),
)
_ANY = "*"
"""Stands for a key that the operator chooses, e.g. the name of a face model."""


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """One key of a model.

    Attributes:
        path: The key from the model's root down; "*" stands for a name that is free.
        description: What it means.
        values: Type and bounds, e.g. "a whole number, at least 1".
        unit: Its unit, or empty.
        default: The default as TOML shows it, or None when the key must be given (or has no value by default).
        required: Whether it must be given.
    """

    path: tuple[str, ...]
    description: str
    values: str
    unit: str
    default: str | None
    required: bool


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def keys_of(model: type[BaseModel]) -> list[KeyDescription]:
    """Every key of a model that is not itself a section, in the order of its definition."""
    root = _schema(model)
    return list(_walk(root, root, ()))


def _walk(root: dict[str, Any], node: dict[str, Any], path: tuple[str, ...]) -> Iterator[KeyDescription]:
    for section in _alternatives(root, node):
        for name, child in section.get("properties", {}).items():
            yield from _key(root, child, (*path, name), name in section.get("required", ()))


def _key(root: dict[str, Any], child: dict[str, Any], path: tuple[str, ...], required: bool) -> Iterator[KeyDescription]:
    alternatives = _alternatives(root, child)
    for each in alternatives:
        if "properties" in each:
            yield from _walk(root, each, path)
        free = _free(each)
        if free is not None and any("properties" in inner for inner in _alternatives(root, free)):
            yield from _walk(root, free, (*path, _ANY))
    if not all(_has_sections(root, each) for each in alternatives):
        yield _describe(root, child, path, required)


def _has_sections(root: dict[str, Any], node: dict[str, Any]) -> bool:
    """Whether a node's keys are described below it, so that it needs no description of its own."""
    free = _free(node)
    return "properties" in node or (free is not None and any("properties" in inner for inner in _alternatives(root, free)))


def _free(node: dict[str, Any]) -> dict[str, Any] | None:
    """Schema of the values of a table whose keys the operator chooses."""
    candidates = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
    return next((each for each in candidates if isinstance(each, dict)), None)


def known_keys(model: type[BaseModel], section: KeyPath) -> list[str]:
    """Names of the keys and sections that may stand in a section of the model."""
    root = _schema(model)
    nodes = [root]
    for part in section:
        nodes = [child for node in nodes for child in _children(root, node, part)] or nodes  # a union's tag is no key
    return list(dict.fromkeys(name for node in nodes for each in _alternatives(root, node) for name in each.get("properties", {})))


def describe(model: type[BaseModel], path: KeyPath) -> KeyDescription | None:
    """The key at `path`, whose indices and union tags are passed over; None when the model does not know it."""
    root = _schema(model)
    nodes, found = [root], None
    for part in path:
        children = [child for node in nodes for child in _children(root, node, part)]
        if children:
            nodes, found = children, children[0]
    return None if found is None else _describe(root, found, tuple(str(part) for part in path), False)


def is_section(model: type[BaseModel], path: KeyPath) -> bool:
    """Whether the model wants a table at `path`."""
    root = _schema(model)
    nodes = [root]
    for part in path:
        nodes = [child for node in nodes for child in _children(root, node, part)]
    return any(_is_section(each) for node in nodes for each in _alternatives(root, node))


def closest(word: str, known: Collection[str]) -> str | None:
    """The known word that `word` was probably meant to be."""
    return next(iter(difflib.get_close_matches(word, known, n=1)), None)


def did_you_mean(word: str, known: Collection[str], what: str = "known") -> str:
    """A remedy for a name that does not exist."""
    close = closest(word, known)
    return (f'did you mean "{close}"? ' if close else "") + f"{what}: {', '.join(sorted(known)) or 'none'}"


def _children(root: dict[str, Any], node: dict[str, Any], part: str | int) -> list[dict[str, Any]]:
    children: list[dict[str, Any]] = []
    for each in _alternatives(root, node):
        if type(part) is int:
            items = each.get("items", each.get("prefixItems"))
            children += items if isinstance(items, list) else [items] if isinstance(items, dict) else []
        elif part in each.get("properties", {}):
            children.append(each["properties"][part])
        elif (free := _free(each)) is not None:
            children.append(free)
    return children


def _alternatives(root: dict[str, Any], node: dict[str, Any]) -> list[dict[str, Any]]:
    """A node's schemas, with references followed and unions opened."""
    if "$ref" in node:
        return _alternatives(root, root["$defs"][node["$ref"].rsplit("/", 1)[1]])
    for union in ("anyOf", "oneOf", "allOf"):
        if union in node:
            return [each for child in node[union] for each in _alternatives(root, child)]
    return [node]


def _is_section(node: dict[str, Any]) -> bool:
    return "properties" in node or node.get("type") == "object"


def _describe(root: dict[str, Any], node: dict[str, Any], path: tuple[str, ...], required: bool) -> KeyDescription:
    schemas = _alternatives(root, node)
    texts = [node.get("description", ""), *(each.get("description", "") for each in schemas)]
    description = next((text for text in texts if text), "")
    values = " or ".join(dict.fromkeys(filter(None, (_values(root, each) for each in schemas))))
    unit = next((unit for suffix, unit in _UNITS.items() if path[-1].endswith(suffix)), "")
    default = None if node.get("default") is None else json.dumps(node["default"], ensure_ascii=False)
    return KeyDescription(path, " ".join(description.split()).rstrip("."), values, unit, default, required)


def _values(root: dict[str, Any], node: dict[str, Any]) -> str:
    if "const" in node or "enum" in node:
        return _listed(node.get("enum", [node.get("const")]))
    kind = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "a text", "object": "a table"}.get(
        node.get("type", ""), ""
    )
    if node.get("type") == "array":
        item = node.get("items") or next(iter(node.get("prefixItems", ())), None)
        items = _values(root, _alternatives(root, item)[0]) if isinstance(item, dict) else ""
        kind = f"a list of: {items}" if items else "a list"
    if node.get("format") == "path":
        kind = "a path"
    limits = [f"{words} {node[limit]}" for limit, words in _LIMITS if limit in node]
    return ", ".join(part for part in (kind, *limits) if part)


def _listed(values: Sequence[object]) -> str:
    return " or ".join(json.dumps(value) for value in values)
