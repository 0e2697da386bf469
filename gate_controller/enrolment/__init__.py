"""The enrolments: encrypted records on the gate's disk, found by the pass's opaque enrolment reference.

Does not fetch anything (a stick or a mirror brings snapshots and deltas) and does not judge a record (the core does).
"""

from gate_controller.enrolment.enrolments import Enrolments
from gate_controller.enrolment.importing import import_records
from gate_controller.enrolment.keys import MasterKey

__all__ = ["Enrolments", "MasterKey", "import_records"]
