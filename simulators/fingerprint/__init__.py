"""A serial fingerprint module of the ZhianTec protocol, simulated: on a wire (a pseudo-terminal) and in memory.

Shares no code with the driver. Is not a fingerprint algorithm: fingers are names turned into numbers (see `fingers`).
"""

from simulators.fingerprint.fingers import enrolment_template

__all__ = ["enrolment_template"]
