"""gatectl enrolment: the enrolments of this gate - import them, look at them, verify, erase, re-key.

Works on the files alone, whether the gate runs or not; a running gate takes up a new state with its next look-up. Whoever may read the
master key may use it: the gate's user, and root. What looks at a person or changes something goes to the system log with the user's id.
Never prints a template.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import syslog
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.progress import progress_bar
from gate_controller.cli.run import DEFAULT_CONFIG
from gate_controller.composition.enrolment import enrolment_keys, master_key
from gate_controller.core.values import Region
from gate_controller.enrolment.desk.record_file import DeskKey
from gate_controller.enrolment.directory import EnrolmentDirectory
from gate_controller.enrolment.importing import ImportReport, import_publication, still_needed
from gate_controller.enrolment.keys import MasterKey
from gate_controller.enrolment.maintenance import StoreFacts, erase_everywhere, facts, find_with_region, rotate, verify_all
from gate_controller.enrolment.manifest import Kind, transport_key_id
from gate_controller.enrolment.publication import Publication, PublicationError
from gate_controller.ports.clock import Clock, SystemClock
from gate_controller.ports.errors import ConfigurationError, GateError, StoreError
from gate_controller.ports.services import EnrolmentRecord
from gate_controller.runtime.options import LANE_TIME_ZONE
from gate_controller.settings import Settings, load
from gate_controller.trust.errors import TrustError
from gate_controller.trust.view import time_text

REGION = click.Choice([region.value for region in Region], case_sensitive=False)


class CheckFailedError(StoreError):
    """The stores work, and the answer is no."""


class Reference(click.ParamType[bytes]):
    """An enrolment reference: 32 hexadecimal digits, or - to be asked for it.

    What stands on a command line every user of the machine can see, sudo writes it to its log and a shell to its history.
    """

    name = "REFERENCE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """16 bytes."""
        if isinstance(value, bytes):
            return value
        if value == "-":
            value = click.prompt("Reference", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
        try:
            reference = bytes.fromhex(value)
        except ValueError:
            reference = b""
        if len(reference) != 16:
            self.fail("a reference has 32 hexadecimal digits", param, ctx)
        return reference


@click.group("enrolment")
def enrolment_group() -> None:
    """The enrolments on this gate: snapshots and deltas of the regions, sealed under this gate's master key."""


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    config = click.option("--config", type=click.Path(path_type=Path), default=DEFAULT_CONFIG, show_default=True, help="Configuration of the gate.")
    return config(click.option("as_json", "--json", is_flag=True, help="Print one JSON object.")(click.pass_context(command)))


@enrolment_group.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@_options
def import_command(context: click.Context, config: Path, as_json: bool, files: tuple[Path, ...]) -> None:
    """Take the regions' snapshots and deltas into force.

    In the order of their numbers, whatever the order of the files; each whole or not at all. An import that was interrupted goes on where
    it was, when the same command is given again. A file that is not taken is named with its reason code, and passed over with the deltas that
    follow on it: what came before is in force, and so is a newer snapshot that is sound.

    Exit code: 0 taken, 1 something was refused (the reason codes are printed), 3 nothing new, 8 the configuration, the keys or a store cannot be used.
    """
    reports: list[ImportReport] = []
    refused: list[StoreError] = []
    with _failures(as_json, lambda: {"imports": [_report_fields(report) for report in reports], "refused": [_refusal_fields(error) for error in refused]}):
        settings = load(config)
        master, directory = _parts(settings)
        keys, now = enrolment_keys(settings, _clock(context).wall())
        with contextlib.ExitStack() as stack:
            publications: list[Publication] = []
            for path in files:
                with _collected(refused, as_json):
                    publications.append(stack.enter_context(Publication(path, keys, master, now)))
            for region in Region:
                needed: list[Publication] = []
                with _collected(refused, as_json):
                    needed = still_needed((each for each in publications if each.manifest.region is region), directory, master)
                left = 0  # the snapshot whose deltas have lost what they follow on
                for publication in needed:
                    if publication.manifest.kind is Kind.DELTA and publication.manifest.snapshot == left:
                        continue
                    left = publication.manifest.snapshot
                    with _collected(refused, as_json):
                        began = time.monotonic()
                        with progress_bar(publication.manifest.name, "bytes") as progress:
                            report = import_publication(publication, directory, master, progress)
                        left = 0
                        reports.append(report)
                        if not as_json:
                            click.echo(_report_line(report, time.monotonic() - began))
                        if report.changed:
                            _log(f"import {report.name}: {report.records} records")
        if as_json:
            why = _refusal_fields(refused[-1]) if refused else {}
            done = {"imports": [_report_fields(report) for report in reports], "refused": [_refusal_fields(error) for error in refused]}
            click.echo(json.dumps({"ok": not refused, **why, **done}))
    if refused:
        context.exit(ExitCode.CHECK_FAILED if all(isinstance(error, PublicationError) for error in refused) else ExitCode.CONFIGURATION)
    if not any(report.changed for report in reports):
        context.exit(ExitCode.NOTHING_TO_DO)


@enrolment_group.command("show")
@click.argument("reference", type=Reference())
@click.option("--reason", default="", help="Why; goes to the system log with the user's id.")
@_options
def show_command(context: click.Context, config: Path, as_json: bool, reference: bytes, reason: str) -> None:
    """Show what is enrolled under REFERENCE (32 hexadecimal digits; - asks for it), but no template and no date of birth.

    Exit code: 0 shown, 1 nobody is enrolled under it, 8 the configuration or the store cannot be used.
    """
    with _failures(as_json):
        master, directory = _parts(load(config))
        _log(f"show {master.pseudonym(reference)}", reason)
        found = find_with_region(directory, master, reference)
        if found is None:
            raise CheckFailedError("nobody is enrolled under this reference", "is it the pass's sub, and is the newest delta imported? gatectl enrolment stats")
        region, record = found
        fields = _record_fields(region, record, _clock(context).wall())
        _print(as_json, fields, [f"{name.replace('_', ' '):<18}{_text(value)}" for name, value in fields.items()])


@enrolment_group.command("stats")
@_options
def stats_command(context: click.Context, config: Path, as_json: bool) -> None:
    """Show each region's snapshot, delta, age, number of records and size.

    Exit code: 0 shown, 1 there are no enrolments, 8 the configuration or a store cannot be used.
    """
    with _failures(as_json):
        master, directory = _parts(load(config))
        stores = facts(directory, master)
        if not stores:
            raise CheckFailedError(f"enrolment directory {directory.path}: holds no enrolments", "gatectl enrolment import FILE...")  # noqa: EM102
        now = _clock(context).wall()
        fields = {"regions": {store.description.region.value: _store_fields(store, now) for store in stores}}
        _print(as_json, fields, [line for store in stores for line in _store_lines(store, now)])


@enrolment_group.command("verify")
@_options
def verify_command(context: click.Context, config: Path, as_json: bool) -> None:  # noqa: ARG001
    """Open every record and check every proof. Takes minutes at full size; the gate may run meanwhile.

    Exit code: 0 everything is sound, 1 something is damaged, tampered with or older than before, 8 the configuration or the key cannot be used.
    """
    with _failures(as_json):
        master, directory = _parts(load(config))
        try:
            with progress_bar("verifying", "records") as progress:
                count = verify_all(directory, master, progress)
        except StoreError as error:
            raise CheckFailedError(error.what, error.remedy) from error
        _print(as_json, {"records": count}, [f"{count:,} records, every one opened and every proof sound"])


@enrolment_group.command("erase")
@click.argument("reference", type=Reference())
@click.option("--reason", required=True, help="Why; goes to the system log with the user's id.")
@_options
def erase_command(context: click.Context, config: Path, as_json: bool, reference: bytes, reason: str) -> None:
    """Erase the person enrolled under REFERENCE (- asks for it) from this gate, so that nothing of the record stays in the files.

    Until the region sends the person again: the region must erase the record, too.

    Exit code: 0 erased, 3 nobody is enrolled under it, 8 the configuration or the store cannot be used.
    """
    if not reason.strip():
        raise click.BadParameter("must not be empty", param_hint="--reason")
    with _failures(as_json):
        master, directory = _parts(load(config))
        outcome = "failed, perhaps in part"
        try:
            erased = erase_everywhere(directory, master, reference)
            outcome = "erased" if erased else "nobody"
        finally:
            _log(f"erase {master.pseudonym(reference)}: {outcome}", reason)
        said = "erased from this gate; the region's next snapshot brings the person back unless the region erases them, too"
        _print(as_json, {"erased": erased}, [said if erased else "nobody is enrolled under this reference"])
    if not erased:
        context.exit(ExitCode.NOTHING_TO_DO)


@enrolment_group.command("rotate")
@click.option("--region", "chosen", type=REGION, default=None, help="Only this region's.")
@_options
def rotate_command(context: click.Context, config: Path, as_json: bool, chosen: str | None) -> None:
    """Seal every record anew, under a new data key, and put the new store into force; the gate may run meanwhile.

    Exit code: 0 done, 3 there are no enrolments, 8 the configuration or a store cannot be used.
    """
    with _failures(as_json):
        master, directory = _parts(load(config))
        directory.require()
        done: dict[str, int] = {}
        for region in Region if chosen is None else [Region(chosen)]:
            with progress_bar(f"sealing {region.value} anew", "records") as progress:
                description = rotate(directory, master, region, progress)
            if description is not None:
                done[region.value] = description.records
                _log(f"rotate {region.value}")
        lines = [f"{region}: {count:,} records are sealed under a new data key" for region, count in done.items()]
        _print(as_json, {"records": done}, lines or ["there are no enrolments"])
    if not done:
        context.exit(ExitCode.NOTHING_TO_DO)


@enrolment_group.command("key")
@_options
def key_command(context: click.Context, config: Path, as_json: bool) -> None:  # noqa: ARG001
    """Print this gate's public transport key: the regions seal what they send to it.

    Exit code: 0 printed, 8 the configuration or the master key cannot be used.
    """
    with _failures(as_json):
        master, _ = _parts(load(config))
        public = master.transport_public
        _print(as_json, {"key": public.hex(), "id": transport_key_id(public).hex()}, [public.hex()])


@enrolment_group.command("desk-key")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def desk_key_command(file: Path, as_json: bool) -> None:
    """Print the public key of the enrolment desk whose key is in FILE; the region must know it. Makes the key if there is no such file.

    Exit code: 0 printed, 8 the file cannot be used or written.
    """
    with _failures(as_json):
        key = DeskKey.from_file(file) if os.path.lexists(file) else DeskKey.create(file)
        _print(as_json, {"key": key.public.hex(), "id": key.kid.hex()}, [key.public.hex()])


def _parts(settings: Settings) -> tuple[MasterKey, EnrolmentDirectory]:
    return master_key(settings), EnrolmentDirectory(settings.enrolment.store)


def _report_fields(report: ImportReport) -> dict[str, object]:
    numbers = {"snapshot": report.snapshot, "delta": report.delta, "issued_at": report.issued_at, "records": report.records}
    return {"name": report.name, "region": report.region.value, "changed": report.changed, **numbers, **asdict(report.counts), "resumed_at": report.resumed_at}


def _report_line(report: ImportReport, took_s: float) -> str:
    if not report.changed:
        return f"{report.name}: is in force already"
    counts = {name: count for name, count in asdict(report.counts).items() if count}
    what = ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "nothing changed"
    resumed = f"; went on at chunk {report.resumed_at}" if report.resumed_at else ""
    return f"{report.name}, issued {time_text(report.issued_at)}: {what}; {report.records:,} records in force ({took_s:.0f} s{resumed})"


def _record_fields(region: Region, record: EnrolmentRecord, now: float) -> dict[str, object]:
    today, born = datetime.fromtimestamp(now, LANE_TIME_ZONE).date(), record.birth_date
    return {
        "region": region.value,
        "version": record.version,
        "age_years": today.year - born.year - ((today.month, today.day) < (born.month, born.day)),
        "registered_with": sorted(each.value for each in record.registered_with),
        "registered_at": record.registered_at,
        "suspended": record.suspended,
        "faces": [{"model": face.model.name, "weights_sha256": face.model.weights_sha256, "bytes": len(face.data)} for face in record.faces],
        "fingers": [{"format": finger.format, "position": finger.position, "bytes": len(finger.data)} for finger in record.fingers],
    }


def _store_fields(store: StoreFacts, now: float) -> dict[str, object]:
    described = store.description
    return {
        "snapshot": described.snapshot,
        "delta": described.delta,
        "issued_at": described.issued_at,
        "age_s": round(max(0.0, now - described.issued_at)),
        "records": described.records,
        "file": str(store.path),
        "file_bytes": store.file_bytes,
        "data_key_id": store.key_id.hex(),
    }


def _store_lines(store: StoreFacts, now: float) -> list[str]:
    described = store.description
    age_h = max(0.0, now - described.issued_at) / 3600
    return [
        f"{described.region.value}: snapshot {described.snapshot} with delta {described.delta}, issued {time_text(described.issued_at)} ({age_h:,.0f} h ago)",
        f"    {described.records:,} records, {store.file_bytes / 2**20:,.1f} MiB, data key {store.key_id.hex()}",
        f"    {store.path}",
    ]


def _text(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(" ".join(map(str, each.values())) if isinstance(each, dict) else str(each) for each in value) or "none"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _log(act: str, reason: str = "") -> None:
    line = f"gatectl enrolment {act}, by uid {os.getuid()}{': ' if reason else ''}{reason}"
    syslog.syslog(syslog.LOG_AUTH | syslog.LOG_NOTICE, "".join(letter if letter.isprintable() else "?" for letter in line))


@contextlib.contextmanager
def _collected(refused: list[StoreError], as_json: bool) -> Iterator[None]:
    """Tell and keep why a publication was not taken, and go on after the block: one region's damaged store keeps no other region's suspensions out."""
    try:
        yield
    except StoreError as error:
        refused.append(error)
        if isinstance(error, PublicationError):
            _log(f"import refused: {error.reason.value}")
        if not as_json:
            _tell(error)


def _refusal_fields(error: StoreError) -> dict[str, str]:
    reason = {"reason": error.reason.value} if isinstance(error, PublicationError) else {}
    return {**reason, "what": error.what, "remedy": error.remedy}


def _tell(error: GateError) -> None:
    reason = error.reason.value if isinstance(error, PublicationError) else ""
    click.echo(f"gatectl: {f'not imported ({reason}): ' if reason else ''}{error.what}", err=True)
    if error.remedy:
        click.echo(f"gatectl: remedy: {error.remedy}", err=True)


@contextlib.contextmanager
def _failures(as_json: bool, more: Callable[[], dict[str, object]] = dict) -> Iterator[None]:
    """Errors as one line of what and one of the remedy, or as JSON, and an exit code."""
    try:
        yield
    except GateError as error:
        if as_json:
            click.echo(json.dumps({"ok": False, "what": error.what, "remedy": error.remedy, **more()}))
        else:
            _tell(error)
        refused = isinstance(error, CheckFailedError | TrustError) or not isinstance(error, StoreError | ConfigurationError)
        raise click.exceptions.Exit(ExitCode.CHECK_FAILED if refused else ExitCode.CONFIGURATION) from error


def _print(as_json: bool, fields: dict[str, object] | dict[str, Any], lines: list[str]) -> None:
    click.echo(json.dumps({"ok": True, **fields}) if as_json else "\n".join(lines))


def _clock(context: click.Context) -> Clock:
    """The clock that a test hands in, or the system's."""
    return context.obj if context.obj is not None else SystemClock()
