"""Checks of what lies on the disk: trust, enrolments, journal, replay memory, models. Each is opened as the gate opens it, to be read only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gate_controller.composition.enrolment import master_key
from gate_controller.composition.journal import journal_signer
from gate_controller.composition.trust import trust_in_force, trust_parts
from gate_controller.diagnostics.answers import SUDO, failed, passed, skipped, warned, wrong
from gate_controller.diagnostics.findings import Finding
from gate_controller.diagnostics.site import Mode, Site
from gate_controller.enrolment import Enrolments
from gate_controller.journal import JournalReader
from gate_controller.journal.head import EXAMINE
from gate_controller.journal.key_file import origin_of
from gate_controller.journal.last_signed import last_signed_beside
from gate_controller.journal.notes import NoteError, VerifierKey
from gate_controller.passes.replay import SqliteReplayMemory
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import DeviceError, GateError, StoreError
from gate_controller.ports.trust import Freshness
from gate_controller.settings import Settings
from gate_controller.trust.floor import Floor
from gate_controller.trust.freshness import freshness_text

TRUST_IDS = ("trust.root", "trust.floor", "trust.cache", "trust.fresh")
ENROLMENT_IDS = ("enrolment.key", "enrolment.store", "enrolment.age")
JOURNAL_IDS = ("journal.key", "journal.store")
REPLAY_IDS = ("replay.store",)
MODEL_IDS = ("models.files", "models.work")
QR_IDS = ("qr_decoder.works",)
QUICK_CHECK_BYTES = 500 * 2**20
"""A larger journal is not read through here: gatectl journal verify does."""
_DAY_S = 86_400
_CREDENTIAL = "is a credential that only the service has"
# The QR code of "DOCTOR": 21 x 21 modules, a row a number, the leftmost module its highest bit.
_CODE_TEXT = "DOCTOR"
_CODE_ROWS = (
    0x1FC57F,
    0x104541,
    0x17565D,
    0x17585D,
    0x17455D,
    0x104041,
    0x1FD57F,
    0x000000,
    0x03670C,
    0x0E963F,
    0x07E8ED,
    0x113275,
    0x0CDAB1,
    0x001686,
    0x1FDACA,
    0x104946,
    0x175655,
    0x175514,
    0x1742FF,
    0x10474A,
    0x1FC8B6,
)
_MODULE_PX = 8
_QUIET_MODULES = 4


def trust(site: Site) -> Iterator[Finding]:
    """The imported trust, from the pinned root up."""
    settings = site.settings
    if settings is None:
        return
    try:
        parts = trust_parts(settings)
    except GateError as error:
        yield wrong("trust.root", error)
        return
    yield passed("trust.root", f"{settings.keys.pinned_root} has the configured hash")
    now = site.clock.wall()
    try:
        floor = Floor.open(parts.floor, "read")
    except StoreError as error:
        yield _store("trust.floor", error, parts.floor, site)
        return
    with contextlib.closing(floor):
        yield passed("trust.floor", f"{parts.floor} is sound")
        try:
            in_force = trust_in_force(parts, floor, now)
        except GateError as error:
            yield _store("trust.cache", error, parts.cache.path, site)
            return
    yield passed("trust.cache", ", ".join(f"{role} {version}" for role, version in in_force.view.versions.items()))
    found = [in_force.view.freshness(region, now) for region in sorted(settings.admitted_issuers(), key=lambda each: each.value)]
    worst = max(found, key=lambda each: each.state.rank)
    text = ". ".join(freshness_text(each, now) for each in found)
    if worst.state is Freshness.FRESH:
        yield passed("trust.fresh", text)
    else:
        say = failed if worst.state.rank >= Freshness.DEGRADED.rank else warned
        yield say("trust.fresh", text, worst.cause.remedy)


def enrolment(site: Site) -> Iterator[Finding]:
    """Key and stores of the enrolments."""
    settings = site.settings
    if settings is None:
        return
    if settings.enrolment.master_key_credential is not None and "CREDENTIALS_DIRECTORY" not in os.environ:
        name = settings.enrolment.master_key_credential
        yield skipped("enrolment.key", f"{name} {_CREDENTIAL}")
        issued = _issued_by_daemon(site)
        known = _enrolments_of_daemon(site)
        missing = _without(settings, issued) if issued and known.result == "pass" else None
        yield missing or known
        yield _age(site, settings, issued)
        return
    try:
        key = master_key(settings)
    except StoreError as error:
        yield _store("enrolment.key", error, settings.enrolment.master_key_file or Path("/"), site)
        yield skipped("enrolment.age", "without the key the enrolments cannot be read")
        return
    yield passed("enrolment.key", "it can be read, and by its owner alone")
    try:
        with contextlib.closing(Enrolments(settings.enrolment.store, key)) as enrolments:
            held = enrolments.in_force()
            damaged = [damage for region in held if (damage := _damage(settings.enrolment.store / f"{region.value.lower()}.current"))]
    except StoreError as error:
        yield _store("enrolment.store", error, settings.enrolment.store, site)
        yield skipped("enrolment.age", "the enrolments cannot be read: see enrolment.store")
        return
    issued = {region.value: state.issued_at for region, state in held.items()}
    if damaged:
        yield failed("enrolment.store", damaged[0], "import the region's newest snapshot and deltas again: gatectl enrolment import --restore FILE...")
    else:
        text = ", ".join(f"{region.value} snapshot {state.snapshot}, {state.records} records" for region, state in held.items())
        yield _without(settings, issued) or passed("enrolment.store", text)
    yield _age(site, settings, issued)


def _without(settings: Settings, held: Collection[str]) -> Finding | None:
    """A region whose passes the lane admits, and of whom nobody is enrolled here."""
    missing = sorted({region.value for region in settings.admitted_issuers()} - set(held))
    if not missing:
        return None
    text = f"there are no enrolments of {' and '.join(missing)}: nobody with a pass of that region gets through"
    return warned("enrolment.store", text, "import the region's newest snapshot: gatectl enrolment import FILE...")


def _enrolments_of_daemon(site: Site) -> Finding:
    devices = site.answer.get("devices") if isinstance(site.answer, dict) else None
    known = devices.get("enrolment") if isinstance(devices, dict) else None
    if not isinstance(known, dict):
        return skipped("enrolment.store", f"its key {_CREDENTIAL}; start the gate, or: gatectl enrolment stats in its environment")
    if known.get("state") == "ready":
        return passed("enrolment.store", "the gate controller reads it")
    return failed("enrolment.store", str(known.get("detail") or known.get("code")), str(known.get("remedy", "")))


def _issued_by_daemon(site: Site) -> dict[str, int]:
    """When each region issued what the gate controller has in force, as it says; empty when it does not."""
    stores = site.answer.get("stores") if isinstance(site.answer, dict) else None
    held = stores.get("enrolments") if isinstance(stores, dict) else None
    states = held.items() if isinstance(held, dict) else ()
    return {region: state["issued_at"] for region, state in states if isinstance(state, dict) and isinstance(state.get("issued_at"), int)}


def _age(site: Site, settings: Settings, issued: dict[str, int]) -> Finding:
    """How old the enrolments are: the region that is worst off decides. What nobody has issued (a simulation's) has no age."""
    ages = {region: max(0.0, site.clock.wall() - at) / _DAY_S for region, at in issued.items() if at > 0}
    if not ages:
        return skipped("enrolment.age", "nobody says when they were issued")
    text, worst = ", ".join(f"{region} issued {age:.1f} days ago" for region, age in ages.items()), max(ages.values())
    section = settings.enrolment
    if worst < section.warn_after_days:
        return passed("enrolment.age", text)
    say = failed if worst >= section.fail_after_days else warned
    return say("enrolment.age", text, "import the region's newest deltas: gatectl enrolment import FILE...; later suspensions and erasures are missing here")


def journal(site: Site) -> Iterator[Finding]:
    """Key and file of the journal."""
    settings = site.settings
    if settings is None:
        return
    section = settings.journal
    if section.signing_key_credential is not None and "CREDENTIALS_DIRECTORY" not in os.environ:
        yield skipped("journal.key", f"{section.signing_key_credential} {_CREDENTIAL}")
        key = None
    elif section.signing_key_file is None and section.signing_key_credential is None and _is_missing(section.path):
        yield passed("journal.key", "this simulation makes one at its first start")
        key = None
    else:
        try:
            key = journal_signer(settings).key
        except GateError as error:
            yield _store("journal.key", error, section.signing_key_file or section.path, site)
            return
        yield passed("journal.key", "it can be read, and by its owner alone")
    yield _journal_store(site, section.path, key)


def _is_missing(path: Path) -> bool:
    """Whether it is known to be missing: not of a directory that this user may not look into."""
    try:
        return not path.exists()
    except PermissionError:
        return False


def _other_gates(reader: JournalReader, site: Site) -> str:
    """Whose journal it is, if it is not this gate's: the gate refuses it."""
    told = reader.verifier_key().partition("+")[0]
    own = origin_of(site.settings.gate.id) if site.settings is not None else told
    return f"{reader.path}: it is the journal of {told}, and this gate's is {own}" if told != own else ""


def _journal_store(site: Site, path: Path, key: VerifierKey | None) -> Finding:
    if not site.as_gate and path.parent.is_dir() and not os.access(path.parent, os.X_OK, effective_ids=True):
        return skipped("journal.store", "this user is not the gate's", SUDO)
    if site.other_gate:
        return skipped("journal.store", "the configuration is of another gate than the controller: configuration.valid comes first")
    if not os.path.lexists(path) and path.parent.is_dir() and not last_signed_beside(path).exists():
        return passed("journal.store", f"{path}: made at the first start")
    try:
        with JournalReader(path) as reader:
            last = reader.last_id()
            checkpoints = len(reader.checkpoints())
            if whose := _other_gates(reader, site):
                return failed(
                    "journal.store", whose, "was the disk copied, or the gate's id changed? put the file and its .last-signed aside: a new one is made"
                )
            reader.check_whose(key or VerifierKey.parse(reader.verifier_key()))
    except NoteError as error:
        return failed("journal.store", f"{path}: {error}", EXAMINE)
    except GateError as error:
        return _store("journal.store", error, path, site)
    if damage := _damage(path):
        return failed("journal.store", damage, EXAMINE)
    if checkpoints and not last_signed_beside(path).exists():
        text = f"{last_signed_beside(path)} is not there: whether the end of the journal was cut off cannot be seen"
        return warned("journal.store", text, "bring it back if it was put elsewhere; gatectl journal verify --since compares with a checkpoint kept elsewhere")
    return passed("journal.store", f"{last} rows, {checkpoints} checkpoints")


def replay(site: Site) -> Iterator[Finding]:
    """The memory of used passes."""
    settings = site.settings
    if settings is None:
        return
    path = settings.replay.path
    if not os.path.lexists(path) and path.parent.is_dir():
        yield passed("replay.store", f"{path}: made at the first start")
        return
    try:
        SqliteReplayMemory(path, blind_until=None, read_only=True).close()
    except StoreError as error:
        yield _store("replay.store", error, path, site)
        return
    yield passed("replay.store", f"{path} is sound")


def _damage(path: Path) -> str:
    """What SQLite's own check says of a database; "" when it is whole, or too large to be read through here."""
    try:
        if path.stat().st_size > QUICK_CHECK_BYTES:
            return ""
        with contextlib.closing(sqlite3.connect(f"{path.absolute().resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)) as connection:
            said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except (OSError, sqlite3.Error, UnicodeDecodeError):
        return f"{path}: cannot be read through"
    return "" if said == "ok" else f"{path}: fails SQLite's integrity check"


def _store(check: str, error: GateError, path: Path, site: Site) -> Finding:
    """A store that cannot be used; for somebody without the gate's rights that tells nothing."""
    if not site.as_gate and not os.access(path, os.R_OK, effective_ids=True):
        return skipped(check, "this user is not the gate's", SUDO)
    return wrong(check, error)


def models(site: Site) -> Iterator[Finding]:
    """Weights of the face models."""
    settings = site.settings
    if settings is None:
        return
    wanted = dict(_weights(settings))
    for path, sha256 in wanted.items():
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            yield failed("models.files", f"{path}: {error.strerror}", "install the package again, or set [models] directory")
            return
        if digest != sha256:
            yield failed("models.files", f"{path}: its sha256 is not the configured one", "install the package again; the file is damaged or another")
            return
    yield passed("models.files", f"{len(wanted)} files have their hashes")
    if site.mode is Mode.DAEMON:
        yield skipped("models.work", "the gate controller has them loaded; they are not loaded a second time beside it")
        return
    yield _compute(site, settings)


def _weights(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Files that a driver's options name together with their hash (`x` and `x_sha256`)."""
    for device in settings.equipment.values():
        options = device.options.model_dump()
        for name, file in options.items():
            sha256 = options.get(f"{name}_sha256")
            if isinstance(file, str) and isinstance(sha256, str):
                yield settings.models.directory / file, sha256


def _build(site: Site, settings: Settings, device: str) -> tuple[Any, list[str]]:
    """A device that is a program, and what it can do without."""
    missing: list[str] = []
    configured = settings.equipment[device]
    return configured.driver.build(configured.options, DriverContext(site.clock, settings.models.directory, missing.append)), missing


def _compute(site: Site, settings: Settings) -> Finding:
    frame = np.full((480, 640, 3), 128, np.uint8)
    names = [name for name in ("face_matcher", "face_matcher_2", "pad") if name in settings.equipment]
    try:
        for name in names:
            built = _build(site, settings, name)[0]
            if hasattr(built, "analyse"):
                built.analyse(frame)
    except (DeviceError, GateError) as error:
        return wrong("models.work", error)
    return passed("models.work", f"{', '.join(names)} loaded; a frame was looked at")


def qr_decoder(site: Site) -> Iterator[Finding]:
    """The decoder on a code of our own."""
    settings = site.settings
    if settings is None:
        return
    decoder, missing = _build(site, settings, "qr_decoder")
    texts = decoder.decode(_code())
    if texts != [_CODE_TEXT]:
        yield failed("qr_decoder.works", "it does not read a perfect code", "install the package again")
    elif missing:
        yield warned("qr_decoder.works", missing[0], "sudo apt-get install libzbar0")
    else:
        yield passed("qr_decoder.works", "it reads a perfect code")


def _code() -> np.ndarray[Any, np.dtype[np.uint8]]:
    side = len(_CODE_ROWS)
    dark = np.array([[row >> (side - 1 - column) & 1 for column in range(side)] for row in _CODE_ROWS], np.uint8)
    grey = np.pad(255 * (1 - dark), _QUIET_MODULES, constant_values=255).repeat(_MODULE_PX, 0).repeat(_MODULE_PX, 1)
    return np.repeat(grey[:, :, None], 3, 2).astype(np.uint8)
