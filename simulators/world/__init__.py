"""The physical lane and the people in it, in virtual time.

Has no clock, no threads and no devices: somebody else tells it the time, switches its coils and reads its inputs.
Knows nothing of the gate under test; what it records is its own ground truth.
"""

from simulators.world.bodies import Body, Passage, Place
from simulators.world.counter import CounterErrors, OccupancyCounter
from simulators.world.doors import DoorLeaf, Lock
from simulators.world.faults import WorldFaults
from simulators.world.geometry import LaneGeometry, Pace
from simulators.world.monitor import InterlockMonitor, Violation, ViolationKind
from simulators.world.world import BOTH_DOORS, COILS, INPUTS, POWER, Scene, World

__all__ = [
    "BOTH_DOORS",
    "COILS",
    "INPUTS",
    "POWER",
    "Body",
    "CounterErrors",
    "DoorLeaf",
    "InterlockMonitor",
    "LaneGeometry",
    "Lock",
    "OccupancyCounter",
    "Pace",
    "Passage",
    "Place",
    "Scene",
    "Violation",
    "ViolationKind",
    "World",
    "WorldFaults",
]
