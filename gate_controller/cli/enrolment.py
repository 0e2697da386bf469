"""gatectl enrolment: the enrolments of this gate - import them, look at them, verify, erase, re-key.

Works on the files alone, whether the gate runs or not; a running gate takes up a new state with its next look-up. Whoever may read the
master key may use it: the gate's user, and root. What looks at a person or changes something goes to the system log with the user's id.
Never prints a template.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from gate_controller.cli.enrolment_import import import_command
from gate_controller.cli.enrolment_shared import CheckFailedError, clock_of, failures, log, options, parts
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.json_output import print_result
from gate_controller.cli.progress import progress_bar
from gate_controller.core.values import Region
from gate_controller.enrolment.desk.record_file import DeskKey
from gate_controller.enrolment.maintenance import StoreFacts, erase_everywhere, facts, find_with_region, rotate, verify_all
from gate_controller.enrolment.manifest import transport_key_id
from gate_controller.ports.errors import StoreError
from gate_controller.ports.services import EnrolmentRecord
from gate_controller.runtime.options import LANE_TIME_ZONE
from gate_controller.settings import load
from gate_controller.trust.view import time_text

REGION = click.Choice([region.value for region in Region], case_sensitive=False)


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


enrolment_group.add_command(import_command)


@enrolment_group.command("show")
@click.argument("reference", type=Reference())
@click.option("--reason", default="", help="Why; goes to the system log with the user's id.")
@options
def show_command(context: click.Context, config: Path, as_json: bool, reference: bytes, reason: str) -> None:
    """Show what is enrolled under REFERENCE (32 hexadecimal digits; - asks for it), but no template and no date of birth.

    Exit code: 0 shown, 1 nobody is enrolled under it, 8 the configuration or the store cannot be used.
    """
    with failures():
        master, directory = parts(load(config))
        log(f"show {master.pseudonym(reference)}", reason)
        found = find_with_region(directory, master, reference)
        if found is None:
            raise CheckFailedError("nobody is enrolled under this reference", "is it the pass's sub, and is the newest delta imported? gatectl enrolment stats")
        region, record = found
        fields = _record_fields(region, record, clock_of(context).wall())
        print_result(as_json, fields, [f"{name.replace('_', ' '):<18}{_text(value)}" for name, value in fields.items()])


@enrolment_group.command("stats")
@options
def stats_command(context: click.Context, config: Path, as_json: bool) -> None:
    """Show each region's snapshot, delta, age, number of records and size.

    Exit code: 0 shown, 1 there are no enrolments, 8 the configuration or a store cannot be used.
    """
    with failures():
        master, directory = parts(load(config))
        stores = facts(directory, master)
        if not stores:
            raise CheckFailedError(f"enrolment directory {directory.path}: holds no enrolments", "gatectl enrolment import FILE...")  # noqa: EM102
        now = clock_of(context).wall()
        fields = {"regions": {store.description.region.value: _store_fields(store, now) for store in stores}}
        print_result(as_json, fields, [line for store in stores for line in _store_lines(store, now)])


@enrolment_group.command("verify")
@options
def verify_command(context: click.Context, config: Path, as_json: bool) -> None:  # noqa: ARG001
    """Open every record and check every proof. Takes minutes at full size; the gate may run meanwhile.

    Exit code: 0 everything is sound, 1 something is damaged, tampered with or older than before, 8 the configuration or the key cannot be used.
    """
    with failures():
        master, directory = parts(load(config))
        try:
            with progress_bar("verifying", "records") as progress:
                count = verify_all(directory, master, progress)
        except StoreError as error:
            raise CheckFailedError(error.what, error.remedy) from error
        print_result(as_json, {"records": count}, [f"{count:,} records, every one opened and every proof sound"])


@enrolment_group.command("erase")
@click.argument("reference", type=Reference())
@click.option("--reason", required=True, help="Why; goes to the system log with the user's id.")
@options
def erase_command(context: click.Context, config: Path, as_json: bool, reference: bytes, reason: str) -> None:
    """Erase the person enrolled under REFERENCE (- asks for it) from this gate, so that nothing of the record stays in the files.

    Until the region sends the person again: the region must erase the record, too.

    Exit code: 0 erased, 3 nobody is enrolled under it, 8 the configuration or the store cannot be used.
    """
    if not reason.strip():
        raise click.BadParameter("must not be empty", param_hint="--reason")
    with failures():
        master, directory = parts(load(config))
        outcome = "failed, perhaps in part"
        try:
            erased = erase_everywhere(directory, master, reference)
            outcome = "erased" if erased else "nobody"
        finally:
            log(f"erase {master.pseudonym(reference)}: {outcome}", reason)
        said = "erased from this gate; the region's next snapshot brings the person back unless the region erases them, too"
        print_result(as_json, {"erased": erased}, [said if erased else "nobody is enrolled under this reference"])
    if not erased:
        context.exit(ExitCode.NOTHING_TO_DO)


@enrolment_group.command("rotate")
@click.option("--region", "chosen", type=REGION, default=None, help="Only this region's.")
@options
def rotate_command(context: click.Context, config: Path, as_json: bool, chosen: str | None) -> None:
    """Seal every record anew, under a new data key, and put the new store into force; the gate may run meanwhile.

    Exit code: 0 done, 3 there are no enrolments, 8 the configuration or a store cannot be used.
    """
    with failures():
        master, directory = parts(load(config))
        directory.require()
        done: dict[str, int] = {}
        for region in Region if chosen is None else [Region(chosen)]:
            with progress_bar(f"sealing {region.value} anew", "records") as progress:
                description = rotate(directory, master, region, progress)
            if description is not None:
                done[region.value] = description.records
                log(f"rotate {region.value}")
        lines = [f"{region}: {count:,} records are sealed under a new data key" for region, count in done.items()]
        print_result(as_json, {"records": done}, lines or ["there are no enrolments"])
    if not done:
        context.exit(ExitCode.NOTHING_TO_DO)


@enrolment_group.command("key")
@options
def key_command(context: click.Context, config: Path, as_json: bool) -> None:  # noqa: ARG001
    """Print this gate's public transport key: the regions seal what they send to it.

    Exit code: 0 printed, 8 the configuration or the master key cannot be used.
    """
    with failures():
        master, _ = parts(load(config))
        public = master.transport_public
        print_result(as_json, {"key": public.hex(), "id": transport_key_id(public).hex()}, [public.hex()])


@enrolment_group.command("desk-key")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def desk_key_command(file: Path, as_json: bool) -> None:
    """Print the public key of the enrolment desk whose key is in FILE; the region must know it. Makes the key if there is no such file.

    Exit code: 0 printed, 8 the file cannot be used or written.
    """
    with failures():
        key = DeskKey.from_file(file) if os.path.lexists(file) else DeskKey.create(file)
        print_result(as_json, {"key": key.public.hex(), "id": key.kid.hex()}, [key.public.hex()])


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
