"""A production gate refuses everything simulated, before it opens anything.

Does not prove that hardware is genuine: a device that imitates a serial line in hardware, or a kernel module that is not on the
list, passes. A device that is not there now is not judged here; opening it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from gate_controller.settings.device_nodes import NodeKind, examine
from gate_controller.settings.devices import endpoint_key
from gate_controller.settings.gate_file import DEVICE_KINDS
from gate_controller.settings.problems import InvalidConfigurationError, Problem

if TYPE_CHECKING:
    from gate_controller.settings.load import Settings

SIMULATOR_ROOTS = frozenset({"351aae0b2a2015788cdd515ee7dbe61cf524520b475b6818405f69f29c03adf6"})
"""Public keys of roots whose private keys everybody can compute (simulators.authority)."""

_WANTED = {"camera": NodeKind.CAMERA, "fingerprint": NodeKind.SERIAL, "io_board": NodeKind.SERIAL}
_REMEDY = "a production gate has real devices only; for a simulation set [gate] mode"


def refuse_simulators(settings: Settings, endpoints: Mapping[str, str], look: Callable[[str], NodeKind] = examine) -> None:
    """Raise unless a production configuration is free of simulators. A simulation passes.

    Refused: overrides of the policy, drivers whose name begins with "simulated", the simulators' root key, URLs (a gate's cameras are
    on its own bus), pseudo-terminals by whatever name, files, sockets and anything else that is no serial line or camera.

    Args:
        settings: The configuration.
        endpoints: What each device will open, by the device's name; empty for a device that opens nothing.
        look: Tells what stands at a path.

    Raises:
        InvalidConfigurationError: With everything simulated in it.
    """
    if settings.gate.mode != "production":
        return
    problems = list(_settings(settings))
    for name, endpoint in endpoints.items():
        problems += _endpoint(settings, name, endpoint, look)
    if problems:
        raise InvalidConfigurationError(problems)


def _settings(settings: Settings) -> Iterator[Problem]:
    source = settings.source
    if "policy" in source.gate.data:
        yield source.gate.problem(("policy",), "a production gate's policy cannot be overridden here", "change the policy file that [gate] policy names")
    for name in DEVICE_KINDS:
        if getattr(settings.devices, name).driver.startswith("simulated"):
            yield source.problem(("devices", name, "driver"), "a simulated driver", _REMEDY)
    if settings.keys.pinned_root in SIMULATOR_ROOTS:
        remedy = "pin the root key that the two regions published; whoever has the simulator could sign passes for this one"
        yield source.problem(("keys", "pinned_root"), "the simulators' root key, whose private key is public", remedy)


def _endpoint(settings: Settings, name: str, endpoint: str, look: Callable[[str], NodeKind]) -> Iterator[Problem]:
    kind = DEVICE_KINDS[name]
    if not endpoint and kind not in _WANTED:
        return
    device = settings.equipment.get(name)
    key = endpoint_key(device.options, endpoint) if device else ()
    found = look(endpoint)
    if found not in {_WANTED.get(kind), NodeKind.ABSENT}:
        yield settings.source.problem(("devices", name, *key), found.value, _REMEDY)
