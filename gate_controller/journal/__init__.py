"""The durable record of crossings and events: one append-only SQLite file.

Does not judge what it is told, and knows nobody: crossings have opaque ids.
"""

from gate_controller.journal.reader import JournalReader
from gate_controller.journal.rows import Entry, EntryKind
from gate_controller.journal.store import SqliteJournal

__all__ = ["Entry", "EntryKind", "JournalReader", "SqliteJournal"]
