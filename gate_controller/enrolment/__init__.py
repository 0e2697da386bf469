"""The enrolment store: encrypted records on the gate's disk, found by the pass's opaque enrolment reference.

Does not fetch anything (the sync service does) and does not judge a record (the core does).
"""

from gate_controller.enrolment.importer import ImportResult, import_records
from gate_controller.enrolment.keys import MasterKey
from gate_controller.enrolment.store import SealedEnrolmentStore

__all__ = ["ImportResult", "MasterKey", "SealedEnrolmentStore", "import_records"]
