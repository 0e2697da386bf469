"""The templates of the traveller being dealt with. They live here and nowhere else, and only while the crossing needs them (INV-7)."""

from __future__ import annotations

import threading

from gate_controller.ports.services import EnrolmentRecord


class Session:
    """Holds at most one enrolment record. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expected: str | None = None
        self._crossing_id: str | None = None
        self._record: EnrolmentRecord | None = None

    def expect(self, crossing_id: str) -> None:
        """Only a record for this crossing will be kept, until `forget()`; another crossing's is dropped."""
        with self._lock:
            self._expected = crossing_id
            if crossing_id != self._crossing_id:
                self._crossing_id = self._record = None

    def keep(self, crossing_id: str, record: EnrolmentRecord) -> None:
        """Keep the record for this crossing; one that comes after the crossing ended is not kept."""
        with self._lock:
            if crossing_id == self._expected:
                self._crossing_id, self._record = crossing_id, record

    def record(self, crossing_id: str) -> EnrolmentRecord | None:
        """The record of this crossing, or None when it is another's turn."""
        with self._lock:
            return self._record if crossing_id == self._crossing_id else None

    def forget(self) -> None:
        """Drop the record, and whatever may still come for its crossing."""
        with self._lock:
            self._expected = self._crossing_id = self._record = None
