"""Finds drivers by name among the installed packages' entry points, group `gate_controller.drivers`.

Does not build devices, and imports a driver only when it is asked for: the vision libraries take a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from gate_controller.ports.drivers import Driver
from gate_controller.ports.errors import ConfigurationError

GROUP = "gate_controller.drivers"
_REINSTALL = "install the package again (pip install -e . in a source tree); its vendor can help with the rest"


class DriverRegistry(Mapping[str, Driver[Any, Any]]):
    """Drivers by the name of their entry point, e.g. "camera.opencv".

    Looking one up imports it; a name that two packages claim, and a driver that cannot be imported or is none, is a
    ConfigurationError; an unknown name a KeyError.

    Args:
        points: The entry points.
    """

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._points: dict[str, dict[str, EntryPoint]] = {}
        for point in points:
            # The same distribution can be found twice (a source tree that is also installed): the same value is the same driver.
            self._points.setdefault(point.name, {})[point.value] = point
        self._loaded: dict[str, Driver[Any, Any]] = {}

    def __getitem__(self, name: str) -> Driver[Any, Any]:
        if name not in self._loaded:
            self._loaded[name] = _load(name, self._points[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._points  # Mapping's own would import the driver

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._points))

    def __len__(self) -> int:
        return len(self._points)


def load_drivers() -> DriverRegistry:
    """All drivers installed here; none is imported yet."""
    return DriverRegistry(entry_points(group=GROUP))


def _load(name: str, points: Mapping[str, EntryPoint]) -> Driver[Any, Any]:
    if len(points) > 1:
        values = " and ".join(sorted(points))
        message = f'driver "{name}" is offered twice: {values}'
        raise ConfigurationError(message, "uninstall one of the two packages")
    (value, point) = next(iter(points.items()))
    try:
        driver = point.load()
    except (Exception, SystemExit) as error:  # whatever a foreign package's import throws, it cannot be used
        message = f'driver "{name}" ({value}) cannot be imported: {type(error).__name__}: {" ".join(str(error).split())}'
        raise ConfigurationError(message, _REINSTALL) from error
    if not isinstance(driver, Driver):
        message = f'driver "{name}" ({value}) is no gate_controller.ports.drivers.Driver'
        raise ConfigurationError(message, _REINSTALL)
    return driver
