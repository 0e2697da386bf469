"""The journal as a configuration names it: for the gate itself and `gatectl journal` alike. Imports no driver and nothing of vision."""

from __future__ import annotations

from gate_controller.journal import Signer, SqliteJournal
from gate_controller.journal.key_file import origin_of, signer_beside
from gate_controller.ports.errors import ConfigurationError
from gate_controller.settings import Settings


def journal_signer(settings: Settings) -> Signer:
    """Who signs this gate's checkpoints; a simulation without a key makes one beside its journal.

    Raises:
        StoreError: The key cannot be used.
        ConfigurationError: There is none.
    """
    section, origin = settings.journal, origin_of(settings.gate.id)
    if section.signing_key_file is not None:
        return Signer.from_file(origin, section.signing_key_file)
    if section.signing_key_credential is not None:
        return Signer.from_credential(origin, section.signing_key_credential)
    if settings.gate.mode != "simulation":
        raise ConfigurationError("[journal] names no key that signs its checkpoints", "name signing_key_credential or signing_key_file")
    return signer_beside(section.path, origin)


def open_journal(settings: Settings) -> SqliteJournal:
    """The journal, to be written.

    Raises:
        StoreError: It cannot be used.
        ConfigurationError: There is no signing key.
    """
    return SqliteJournal(settings.journal.path, journal_signer(settings), retention_days=settings.journal.retention_days)
