"""The simulated lane as a whole: the world's people before simulated hardware, on the wire or in memory.

Starts and feeds simulators; never touches the gate under test, whose only way here is through its devices.
"""
