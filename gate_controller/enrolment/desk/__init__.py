"""The self-service desk: takes a face and fingers with quality gates and writes a signed, sealed record file for the region.

Knows devices by their ports only. Does not read identity documents and does not decide who may be enrolled beyond age: whoever hands the
applicant in has done that. Does not publish: the region does, after checking the desk's signature.
"""

from gate_controller.enrolment.desk.instructions import EnrolmentRefusedError, Instruction, Refusal, Said
from gate_controller.enrolment.desk.session import Applicant, Attendance, DeskSession, DeskTerms, Evidence

__all__ = ["Applicant", "Attendance", "DeskSession", "DeskTerms", "EnrolmentRefusedError", "Evidence", "Instruction", "Refusal", "Said"]
