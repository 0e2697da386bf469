"""The journal as a configuration names it: for the gate itself and `gatectl journal` alike. Imports no driver and nothing of vision."""

from __future__ import annotations

from pathlib import Path

import structlog

from gate_controller.core.reasons import Reason
from gate_controller.journal import JournalReader, Signer, SqliteJournal
from gate_controller.journal.key_file import key_beside, origin_of, signer_beside
from gate_controller.ports.clock import Clock
from gate_controller.ports.errors import ConfigurationError, StoreError
from gate_controller.settings import Settings

log = structlog.get_logger("gate.composition")
_BY_CODE = {reason.code: reason for reason in Reason}


def journal_signer(settings: Settings, *, make: bool = False) -> Signer:
    """Who signs this gate's checkpoints.

    Args:
        settings: The gate's.
        make: Whether a simulation without a key makes one beside its journal.

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
    return signer_beside(section.path, origin) if make else Signer.from_file(origin, key_beside(section.path))


def open_journal(settings: Settings, clock: Clock) -> SqliteJournal:
    """The journal, to be written. One that was put aside or lost does not say that nobody is inside: what begins in its place begins latched (ADR 13).

    Raises:
        StoreError: It cannot be used.
        ConfigurationError: There is no signing key.
    """
    journal = SqliteJournal(settings.journal.path, journal_signer(settings, make=True), retention_days=settings.journal.retention_days)
    if journal.begun_anew:
        try:
            journal.event("latched", {"reason": Reason.RESTARTED.code}, clock.wall())
        except StoreError:
            journal.close()
            raise
        log.warning("the journal begins anew where there was one; an officer re-arms the lane", path=str(settings.journal.path))
    return journal


def latched_before(path: Path) -> Reason | None:
    """What keeps the lane closed until an officer re-arms it, by what the journal says of the time before this start (ADR 13).

    An emergency first, whatever came after it; then a traveller whose crossing was cut short and who may still be inside; then the last
    latch. None when nothing did: a lane that lost power while idle comes back by itself, once it is verified empty and shut.

    A journal that cannot be read does not say that nobody is inside: an officer has to.
    """
    try:
        return _latched(path)
    except StoreError as error:
        log.warning("what closed the lane before cannot be read; an officer re-arms it", what=error.what)
        return Reason.RESTARTED


def _latched(path: Path) -> Reason | None:
    with JournalReader(path) as journal:
        last: Reason | None = None
        given_back = False
        for event in journal.latest_events("emergency", "latched", "rearmed", "maintenance_off"):
            if event.label == "rearmed":
                break
            if event.label == "maintenance_off":
                given_back = True
                continue
            reason = _BY_CODE.get(event.body["fields"].get("reason", Reason.EMERGENCY.code), Reason.EMERGENCY)
            if reason is Reason.EMERGENCY:
                return reason
            if not (given_back and reason is Reason.MAINTENANCE):
                last = last or reason
        return Reason.RESTARTED if journal.any_open_crossing() else last
