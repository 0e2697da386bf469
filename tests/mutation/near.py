"""The exploration begun where a mutated row is tried: it follows an ordinary crossing up to there, and goes on breadth first. From the start alone the
states of a crossing are many events away.
"""

from __future__ import annotations

from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.states import State
from tests.exploration.run import explore

STEADY = "occupancy_since over"
STARTED = ("started", "io_board works", "calm")
READY = (*STARTED, STEADY, "trust works")
PASSING = (*READY, "pass read")
CLAIMED = (*PASSING, "pass verified", "enrolment found")
ADMITTED = (*CLAIMED, "admission recorded")
INSIDE = (*ADMITTED, "occupancy one", STEADY)
LET_OUT = (*INSIDE, "fingerprint check successful", "face check successful")
WAYS = {
    State.OUT_OF_SERVICE: (STARTED,),
    State.READY: (READY,),
    State.PASS_CHECK: (PASSING, CLAIMED),
    State.ENTRY_OPEN: (ADMITTED,),
    State.OCCUPANCY_CHECK: ((*ADMITTED, "entry_door open", "occupancy one", STEADY),),
    State.IDENTITY_CHECK: (INSIDE,),
    State.EXIT_OPEN: (LET_OUT,),
    State.CLEARING: ((*LET_OUT, "exit_door open", "exit_beam active", "exit_beam inactive, occupancy zero", STEADY),),
    State.RETURN_PATH: ((*ADMITTED, "occupancy many", STEADY),),
    State.OFFICER_REFERRAL: ((*INSIDE, "assistance requested"),),
    State.EMERGENCY: ((*READY, "emergency active"),),
    State.MAINTENANCE: ((*READY, "maintenance on"),),
}
"""Lines of a trace that lead to each state."""
EVERYWHERE = (State.READY, State.ENTRY_OPEN, State.IDENTITY_CHECK, State.EXIT_OPEN, State.OFFICER_REFERRAL)
"""Where to look when a mistake is not in one state's rows."""


def violation(policy: CrossingPolicy, states: frozenset[State], most_nodes: int) -> str | None:
    """The first that is found, in so many nodes of each of the states."""
    for state in [state for state in State if state in (states or EVERYWHERE)]:
        for way in WAYS[state]:
            found = _explored(policy, way, most_nodes)
            if found is not None:
                return found
    return None


def _explored(policy: CrossingPolicy, way: tuple[str, ...], most_nodes: int) -> str | None:
    while way:
        try:
            return next(iter(explore(policy, most_nodes=most_nodes, after=way, first_only=True).violations), None)
        except StopIteration:
            way = way[:-1]  # with this mistake the crossing does not come as far
    return None
