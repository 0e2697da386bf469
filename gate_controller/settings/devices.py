"""The devices' options, each checked by its own driver's model.

Does not load drivers (the composition does) and opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError

from gate_controller.ports.drivers import Driver
from gate_controller.ports.errors import ConfigurationError
from gate_controller.settings import fields, messages
from gate_controller.settings.gate_file import DEVICE_KINDS
from gate_controller.settings.locate import KeyPath
from gate_controller.settings.problems import Located, Problem

Drivers: TypeAlias = Mapping[str, Driver[Any, Any]]
"""Drivers by the name of their entry point, e.g. "camera.opencv"; a look-up may raise ConfigurationError."""


@dataclass(frozen=True, slots=True)
class ConfiguredDevice:
    """A device whose options are valid.

    Attributes:
        driver_name: Name of the entry point.
        driver: The driver.
        options: Its options.
        endpoint: What it will open, or empty.
    """

    driver_name: str
    driver: Driver[Any, Any]
    options: BaseModel
    endpoint: str


def configure_devices(devices: Any, drivers: Drivers, source: Located, base: Path) -> tuple[dict[str, ConfiguredDevice], list[Problem]]:
    """Check every device that the [devices] table has, as far as it can be checked.

    Args:
        devices: The table, as the file has it; its own form is checked elsewhere.
        drivers: The drivers there are.
        source: Where keys stand.
        base: Directory that an option beginning with ./ or ../ starts from.

    Returns:
        The devices without a problem, and the problems.
    """
    configured: dict[str, ConfiguredDevice] = {}
    problems: list[Problem] = []
    for name, kind in DEVICE_KINDS.items():
        section = devices.get(name) if isinstance(devices, dict) else None
        if isinstance(section, dict) and isinstance(section.get("driver"), str):
            found = _configure(name, kind, section, drivers, source, base)
            if isinstance(found, ConfiguredDevice):
                configured[name] = found
            else:
                problems += found
    problems += _shared_endpoints(configured, source)
    return configured, problems


def endpoint_key(options: BaseModel, endpoint: str) -> KeyPath:
    """The option that says what is opened, for a message; nothing when no option says just that."""
    return next(((key,) for key, value in options if str(value) == endpoint), ())


def _configure(name: str, kind: str, section: dict[str, Any], drivers: Drivers, source: Located, base: Path) -> ConfiguredDevice | list[Problem]:
    where: KeyPath = ("devices", name)
    driver_name = f"{kind}.{section['driver']}"
    if driver_name not in drivers:
        known = [each.removeprefix(f"{kind}.") for each in drivers if each.startswith(f"{kind}.")]
        text = f'there is no driver "{driver_name}"'
        return [source.problem((*where, "driver"), text, fields.did_you_mean(section["driver"], known, f"{kind} drivers installed"))]
    try:
        driver = drivers[driver_name]
    except ConfigurationError as error:
        return [source.problem((*where, "driver"), error.what, error.remedy)]
    options = {key: _resolved(value, base) for key, value in section.items() if key != "driver"}
    try:
        valid = driver.options.model_validate(options)
    except ValidationError as error:
        return messages.problems_of(error, driver.options, options, source, where)
    return ConfiguredDevice(driver_name, driver, valid, driver.endpoint(valid))


def _resolved(value: Any, base: Path) -> Any:
    if isinstance(value, str) and value.startswith(("./", "../")):
        return str(base / value)
    return value


def _shared_endpoints(configured: Mapping[str, ConfiguredDevice], source: Located) -> Iterator[Problem]:
    users: dict[str, str] = {}
    for name, device in configured.items():
        if device.endpoint:
            first = users.setdefault(device.endpoint, name)
            if first != name:
                key = endpoint_key(device.options, device.endpoint)
                yield source.problem(("devices", name, *key), f"[devices.{first}] has the same device", "each device is opened once")
