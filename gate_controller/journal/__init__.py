"""The durable record of crossings and events: one append-only SQLite file, with a signed hash tree over its rows.

Does not judge what it is told, and knows nobody: crossings have opaque ids.
"""

from gate_controller.journal.notes import Signer, VerifierKey
from gate_controller.journal.reader import JournalReader
from gate_controller.journal.rows import Entry, EntryKind
from gate_controller.journal.store import SqliteJournal

__all__ = ["Entry", "EntryKind", "JournalReader", "Signer", "SqliteJournal", "VerifierKey"]
