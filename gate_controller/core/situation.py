"""The whole memory of a controller, taken before an event and put back later: what a decision depended on besides the events that followed.

For traces (runtime/trace.py). The policy is not part of it, nor the event at hand. Decides nothing.
"""

from __future__ import annotations

import copy
from functools import lru_cache

from gate_controller.core.actions import Actions
from gate_controller.core.facts import Crossing
from gate_controller.core.machine import Controller
from gate_controller.core.policy import CrossingPolicy

LEFT_OUT = frozenset({"policy", "event", "out"})


def take(controller: Controller) -> dict[str, object]:
    """Everything the core remembers, by name; later events do not change what was taken."""
    lane = controller._lane  # noqa: SLF001 - the core's own
    return {name: _copied(getattr(lane, name)) for name in names(lane.policy)}


def restore(policy: CrossingPolicy, situation: dict[str, object]) -> Controller:
    """A new controller that remembers what was taken.

    Raises:
        ValueError: Taken from another version of the core: it remembered other things.
    """
    known = names(policy)
    if set(situation) != known:
        different = ", ".join(sorted(set(situation) ^ known))
        msg = f"it was recorded by a core that remembered other things: {different}"
        raise ValueError(msg)
    controller = Controller(policy)
    for name, value in situation.items():
        setattr(controller._lane, name, _copied(value))  # noqa: SLF001 - the core's own
    return controller


@lru_cache(maxsize=8)
def names(policy: CrossingPolicy) -> frozenset[str]:
    """Names of what the core remembers: the attributes of its model before `transitions` adds its own."""
    return frozenset(vars(Actions(policy))) - LEFT_OUT


def _copied(value: object) -> object:
    if isinstance(value, Crossing):
        return copy.deepcopy(value)
    return copy.copy(value) if isinstance(value, dict | set | list) else value  # what they hold is immutable
