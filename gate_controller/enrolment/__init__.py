"""The enrolment store."""
