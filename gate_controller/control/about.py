"""What the daemon knows of itself, for an engineer: version, process, configuration, drivers, disks, queues. No personal data.

Does not look at the gate: that tells of itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from gate_controller.ports.control import JsonObject


def version() -> str:
    """Of this program."""
    try:
        return metadata.version("gate-controller")
    except metadata.PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True, slots=True)
class About:
    """Called for the diagnostics' members.

    Attributes:
        configuration: The configuration file.
        drivers: Name of each device's driver.
        paths: Files whose disks may fill, by what they are.
        queues: Lengths and counts, by name.
    """

    configuration: Path
    drivers: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)
    queues: Mapping[str, Callable[[], int]] = field(default_factory=dict)

    def __call__(self) -> JsonObject:
        """The members, as they are now; "disks" and "queues" join those of the gate."""
        return {
            "version": version(),
            "pid": os.getpid(),
            "configuration": str(self.configuration),
            "drivers": dict(self.drivers),
            "disks": {name: _disk(path) for name, path in self.paths.items()},
            "queues": {name: count() for name, count in self.queues.items()},
        }


def _disk(path: Path) -> JsonObject:
    """Room on the disk that a file is on: {"path", "free_bytes", "total_bytes", "free_inodes"}, or {"path", "error"}."""
    where = path if path.exists() else path.parent
    try:
        found = os.statvfs(where)
    except OSError as error:
        return {"path": str(path), "error": error.strerror}
    return {
        "path": str(path),
        "free_bytes": found.f_bavail * found.f_frsize,
        "total_bytes": found.f_blocks * found.f_frsize,
        "free_inodes": found.f_favail,
    }
