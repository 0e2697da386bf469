"""What differs between two configurations, key by key. Judges neither; reads them as TOML, because a file that is not valid is compared, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gate_controller.settings.devices import Drivers
from gate_controller.settings.documents import overlaid, read_document
from gate_controller.settings.gate_file import GateFile
from gate_controller.settings.policy_file import PolicyFile

HIDDEN = "(hidden)"
_SECRET = "password"
_USER_OF_URL = re.compile(r"(//)[^/?#\s]*@")
_QUERY_OF_URL = re.compile(r"(://[^?#\s]*)[?#]\S*")

Values = dict[str, Any]
Difference = tuple[str, Any, Any]


def values_of(config: Path) -> Values:
    """Values by dotted key, of a gate.toml and of the policy it names; policy keys begin with "policy.".

    Raises:
        InvalidConfigurationError: A file cannot be read.
    """
    gate = dict(read_document(config).data)
    section = gate.get("gate")
    named = section.get("policy") if isinstance(section, dict) else None
    changes = gate.pop("policy", {})
    policy = dict(read_document(config.parent / named).data) if isinstance(named, str) and named else {}
    return dict(_flat({**gate, "policy": overlaid(policy, changes if isinstance(changes, dict) else {})}, ()))


def defaults(drivers: Drivers, values: Values) -> Values:
    """What every key would be if it were not set, as far as it has a default; of the drivers that `values` names."""
    found: Values = {}
    for prefix, model in (((), GateFile), (("policy",), PolicyFile)):
        found |= dict(_defaults(model, prefix))
    for key, driver in values.items():
        parts = key.split(".")
        if len(parts) == 3 and parts[0] == "devices" and parts[2] == "driver":
            named = next((name for name in drivers if name.partition(".")[2] == driver), None)
            if named is not None:
                found |= dict(_defaults(drivers[named].options, ("devices", parts[1])))
    # A default is no difference where the file says nothing.
    return {key: value for key, value in found.items() if key in values}


def compared(here: Values, there: Values) -> list[Difference]:
    """Keys whose values differ, by name; None where a key is not set."""
    keys = sorted(here.keys() | there.keys())
    return [(key, shown(key, here.get(key)), shown(key, there.get(key))) for key in keys if here.get(key) != there.get(key)]


def shown(key: str, value: Any) -> Any:
    """A value without what is secret in it: a password, also one within a URL, and a URL's query."""
    if key.rpartition(".")[2] == _SECRET and value is not None:
        return HIDDEN
    return _QUERY_OF_URL.sub(rf"\1?{HIDDEN}", _USER_OF_URL.sub(rf"\1{HIDDEN}@", value)) if isinstance(value, str) else value


def _flat(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, (*path, key))
        else:
            yield ".".join((*path, key)), value if isinstance(value, str | int | float | bool | list) else str(value)


def _defaults(model: type[Any], prefix: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and hasattr(inner, "model_fields"):
            yield from _defaults(inner, (*prefix, name))
        elif not field.is_required() and field.default is not None and field.default_factory is None:
            value = getattr(field.default, "value", field.default)
            yield ".".join((*prefix, name)), list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
