"""People in the simulated lane: travellers, those who should not pass, an officer. They perceive what people perceive.

Holds no physics (simulators.world) and no devices (simulators.lane).
"""
