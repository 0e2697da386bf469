"""What a driver package offers: an options model and a way to build the device from it.

An entry point of the group `gate_controller.drivers` named "<kind>.<name>" (e.g. "camera.opencv") resolves to a
`Driver`. Does not load entry points: the composition does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from gate_controller.ports.clock import Clock

Options = TypeVar("Options", bound=BaseModel)
Device = TypeVar("Device")


@dataclass(frozen=True, slots=True)
class DriverContext:
    """What a driver may need beside its own options.

    Attributes:
        clock: The gate's clocks.
        models: Directory of model files (weights), each checked by hash before use.
        warn: Called with one line when something is missing that the driver can do without.
    """

    clock: Clock
    models: Path
    warn: Callable[[str], None]


def _no_endpoint(_options: BaseModel) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Driver(Generic[Options, Device]):
    """One driver.

    Attributes:
        options: Pydantic model (extra="forbid", frozen) of the driver's keys in the configuration.
        build: Makes the device; touches no hardware (that is `open()`'s part). May raise ConfigurationError.
        endpoint: The path or URL it will open, "" when it has none; a production configuration refuses simulated ones.
    """

    options: type[Options]
    build: Callable[[Options, DriverContext], Device]
    endpoint: Callable[[Options], str] = _no_endpoint
