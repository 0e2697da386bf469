"""A production gate refuses everything simulated, before it opens anything.

Does not prove that hardware is genuine: a device that imitates a serial line in hardware, or a kernel module that is not on the
list, passes. A device that is not there now is not judged here; opening it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from gate_controller.settings.device_nodes import NodeKind, examine
from gate_controller.settings.devices import endpoint_key
from gate_controller.settings.gate_file import DEVICE_KINDS, KeysSection
from gate_controller.settings.pinned_root import PinnedRootError, read_pinned_root
from gate_controller.settings.problems import InvalidConfigurationError, Problem

if TYPE_CHECKING:
    from gate_controller.settings.load import Settings

SIMULATOR_ROOT_KEYS = frozenset(
    {
        "46961aa3a5b7d2302530c894de6c9e15c8a776ef2d7be56f8b21cf091fc8076e",
        "108fe919ac29b3a61d1d6f9c5ed314468b0305c379cfe3b26108f6832baea281",
        "36f9e0ee867d41684402be17ea39334fb79a92b877d790f47b563dc3f8284d7b",
        "ece43ed304cc916aba4d4215baece591fada706fb67413a4ac55991ee64038d1",
        "b8f633c6b0cf74b9465356f9adef1f878291b994e828d51c6d562ec05cb470fe",
        "b83c6f14fa240902d41a23a9ec45bf47143c4f5341070f2c2057f110497e8725",
    }
)
"""Public root keys whose private keys everybody can compute (simulators.repository): the first three and those after one rotation, in hexadecimal."""
SIMULATOR_MARK = b'"x-simulated"'
"""Stands in every root that the simulators make, whatever its keys."""

_WANTED = {"camera": NodeKind.CAMERA, "fingerprint": NodeKind.SERIAL, "io_board": NodeKind.SERIAL}
_REMEDY = "a production gate has real devices only; for a simulation set [gate] mode"


def refuse_simulators(settings: Settings, endpoints: Mapping[str, str], look: Callable[[str], NodeKind] = examine) -> None:
    """Raise unless a production configuration is free of simulators. A simulation passes.

    Refused: overrides of the policy, drivers whose name begins with "simulated", a pinned root with any of the simulators' root keys or their mark, URLs
    (a gate's cameras are on its own bus), a mirror without TLS, pseudo-terminals by whatever name, files, sockets and anything else that is no serial line or
    camera.

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
        section = getattr(settings.devices, name)
        if section is not None and section.driver.startswith("simulated"):
            yield source.problem(("devices", name, "driver"), "a simulated driver", _REMEDY)
    if _is_simulated(settings.keys):
        remedy = "pin the root that the two regions published; whoever has the simulator could sign trust for this one"
        yield source.problem(("keys", "pinned_root"), "a root of the simulators, whose private keys are public", remedy)
    if settings.sync.mirror is not None and not settings.sync.mirror.startswith("https:"):
        yield source.problem(("sync", "mirror"), "a mirror without TLS", "a production gate's mirror has an https URL")


def _is_simulated(keys: KeysSection) -> bool:
    """Whether the pinned root's file, if it is there already, has a key of the simulators, or their mark."""
    try:
        content = read_pinned_root(keys)
    except PinnedRootError:
        return False  # not judged here: `load` complains, unless the file is yet to be installed
    return SIMULATOR_MARK in content or any(key.encode() in content.lower() for key in SIMULATOR_ROOT_KEYS)


def _endpoint(settings: Settings, name: str, endpoint: str, look: Callable[[str], NodeKind]) -> Iterator[Problem]:
    kind = DEVICE_KINDS[name]
    if not endpoint and kind not in _WANTED:
        return
    device = settings.equipment.get(name)
    key = endpoint_key(device.options, endpoint) if device else ()
    found = look(endpoint)
    if found not in {_WANTED.get(kind), NodeKind.ABSENT}:
        yield settings.source.problem(("devices", name, *key), found.value, _REMEDY)
