"""The core's values as JSON without floats, and back: exactly, and nothing but the core's own types.

    None, true, 3, "text"       themselves
    0.3                         {"float": "0.3"}           Python's shortest text that reads back as the same number
    State.READY                 {"State": "READY"}
    LaneInputs(...)             {"LaneInputs": {"entry_door": {"DoorPosition": "CLOSED"}, ...}}
    (1, 2), [1], {1}            {"tuple": [1, 2]}, {"list": [1]}, {"set": [1]}
    {a: b}                      {"dict": [[a, b]]}

Does not know which of it is personal; trace.py reduces before it comes here.
"""

from __future__ import annotations

import dataclasses
import json
import math
from enum import Enum
from types import ModuleType
from typing import Any

from gate_controller.core import commands, events, facts, policy, prompts, reasons, states, values


def _types(*modules: ModuleType) -> dict[str, type]:
    found = [each for module in modules for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
    return {each.__name__: each for each in found if issubclass(each, Enum | tuple) or dataclasses.is_dataclass(each)}


TYPES = _types(commands, events, facts, policy, prompts, reasons, states, values)
"""Every type that a trace may hold, by name."""

_CONTAINERS: dict[type, str] = {tuple: "tuple", list: "list", set: "set", frozenset: "frozenset"}
_NAMES = {name: kind for kind, name in _CONTAINERS.items()}


def encode(value: object) -> Any:
    """JSON of a value.

    Raises:
        TypeError: It is none of the core's.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    name = type(value).__name__
    if isinstance(value, Enum):
        return {name: value.name}
    if name in TYPES and isinstance(value, TYPES[name]):
        return {name: {each: encode(getattr(value, each)) for each in _fields(TYPES[name])}}
    if isinstance(value, dict):
        return {"dict": [[encode(key), encode(each)] for key, each in value.items()]}
    if isinstance(value, set | frozenset):
        return {_CONTAINERS[type(value)]: sorted(map(encode, value), key=_order)}
    if isinstance(value, tuple | list):
        return {_CONTAINERS[type(value)]: [encode(each) for each in value]}
    msg = f"a trace holds no {name}"
    raise TypeError(msg)


def decode(data: Any) -> Any:
    """The value again.

    Raises:
        ValueError: Not what encode() writes.
    """
    if data is None or isinstance(data, bool | int | str):
        return data
    try:
        ((name, inner),) = data.items()
        return _decode(name, inner)
    except (AttributeError, TypeError, KeyError, ValueError, OverflowError, RecursionError) as error:
        msg = f"not a value of a trace: {str(data)[:60]}"
        raise ValueError(msg) from error


def _decode(name: str, inner: Any) -> Any:
    if name == "float":
        number = float(inner)
        if repr(number) != inner or not math.isfinite(number):
            raise ValueError(inner)
        return number
    if name == "bytes":
        return bytes.fromhex(inner)
    if name == "dict":
        return {decode(key): decode(each) for key, each in inner}
    if name in _NAMES:
        return _NAMES[name](map(decode, inner))
    kind = TYPES[name]
    return kind[inner] if issubclass(kind, Enum) else kind(**{key: decode(each) for key, each in inner.items()})


def _fields(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else kind._fields  # type: ignore[attr-defined] # a named tuple


def _order(encoded: Any) -> str:
    return json.dumps(encoded, sort_keys=True)
