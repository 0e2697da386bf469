"""Explore the whole core and print what was found. `make explore`; ARGS=--all takes every policy, ARGS="--most 20000" stops early.

Ends with 0 when every search was complete and found nothing, with 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
import time

from gate_controller.core.policy import BiometricRule, CrossingPolicy, LaneKind, PadRule
from gate_controller.core.values import Direction, Region
from tests.exploration.run import explore_together
from tests.exploration.search import Found

LANE = {"region": Region.MO, "direction": Direction.HK_TO_MO}
POLICIES = {
    "both biometrics": CrossingPolicy(**LANE, biometric_rule=BiometricRule.BOTH),
    "either biometric, attack detection signalled, an emergency opens the exit": CrossingPolicy(
        **LANE, biometric_rule=BiometricRule.EITHER, pad_rule=PadRule.SIGNALLED, emergency_opens_exit=True
    ),
    "face, confirmed by an officer": CrossingPolicy(**LANE, biometric_rule=BiometricRule.FACE_ONLY_WITH_OFFICER),
    "an emergency opens the exit only": CrossingPolicy(**LANE, emergency_opens_entry=False, emergency_opens_exit=True),
    "single door": CrossingPolicy(**LANE, lane=LaneKind.SINGLE_DOOR),
    "single door, an emergency opens it": CrossingPolicy(**LANE, lane=LaneKind.SINGLE_DOOR, emergency_opens_exit=True),
}


def report(name: str, found: Found) -> str:
    """What is printed of one search."""
    wait = found.longest_wait
    lines = [
        f"{name}: {'complete' if found.complete else 'NOT complete'}",
        f"  {found.core_states} states of the core with {found.core_steps} transitions, {found.without_effect} of them to see that they have no effect",
        f"  {found.nodes} states with what the monitor remembers, {found.steps} transitions judged, depth {found.depth}, {found.seconds:.0f} s of CPU",
        f"  somebody is inside in {found.occupied}; nobody helps yet in {found.waiting} of them: after at most {wait.times} times that run out, {wait.seconds:.1f} s",
        "  " + ", ".join(f"{state} {count}" for state, count in found.by_state.most_common()),
        "" if found.traces else "  no violation",
    ]
    for what, trace in found.traces.items():
        lines += [f"  VIOLATION {what}", *[f"    {number}. {line}" for number, line in enumerate(trace, 1)]]
    return "\n".join(line for line in lines if line)


def main() -> int:
    """Explore, print, and tell whether all is well."""
    arguments = argparse.ArgumentParser(prog="make explore", description="Explore every state of the core against every event.")
    arguments.add_argument("--all", action="store_true", help="every policy (otherwise the first)")
    arguments.add_argument("--policy", choices=range(1, len(POLICIES) + 1), type=int, default=1, help="another one, by its number")
    arguments.add_argument("--most", type=int, help="stop each search after so many states")
    given = arguments.parse_args()
    began = time.monotonic()
    names = list(POLICIES) if given.all else [list(POLICIES)[given.policy - 1]]
    well = True
    for name in names:
        found = explore_together(POLICIES[name], given.most)
        print(report(name, found), flush=True)
        well &= found.complete and not found.traces
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
