"""gatectl enrolment import: what the regions have published, taken into force file by file, and what is refused named with its reason code.

Does not decide what is believed: gate_controller.enrolment does.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from gate_controller.cli.enrolment_shared import clock_of, failures, log, options, parts, tell, why
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.json_output import print_json
from gate_controller.cli.progress import progress_bar
from gate_controller.composition.enrolment import enrolment_keys
from gate_controller.core.values import Region
from gate_controller.enrolment.importing import ImportReport, import_publication, still_needed
from gate_controller.enrolment.manifest import Kind
from gate_controller.enrolment.publication import Publication, PublicationError
from gate_controller.ports.errors import StoreError
from gate_controller.settings import load
from gate_controller.trust.view import time_text


@click.command("import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--restore", is_flag=True, help="Build a store anew also from the very snapshot that is in force: what is there is damaged. Give its deltas, too."
)
@options
def import_command(context: click.Context, config: Path, as_json: bool, files: tuple[Path, ...], restore: bool) -> None:
    """Take the regions' snapshots and deltas into force.

    In the order of their numbers, whatever the order of the files; each whole or not at all. An import that was interrupted goes on where
    it was, when the same command is given again. A file that is not taken is named with its reason code, and passed over with the deltas that
    follow on it: what came before is in force, and so is a newer snapshot that is sound.

    Exit code: 0 taken, 1 something was refused (the reason codes are printed) or must still follow after a store was lost, 3 nothing new,
    8 the configuration, the keys or a store cannot be used.
    """
    reports: list[ImportReport] = []
    refused: list[_Refusal] = []

    def done() -> dict[str, object]:
        return {"imports": [_report_fields(report) for report in reports], "refused": [refusal.fields for refusal in refused]}

    with failures(done):
        settings = load(config)
        master, directory = parts(settings)
        keys, now = enrolment_keys(settings, clock_of(context).wall())
        with contextlib.ExitStack() as stack:
            publications: list[Publication] = []
            for path in files:
                with _collected(refused, as_json, path):
                    publications.append(stack.enter_context(Publication(path, keys, master, now)))
            for region in Region:
                needed: list[Publication] = []
                with _collected(refused, as_json, region=region):
                    needed = still_needed((each for each in publications if each.manifest.region is region), directory, master, restore=restore)
                left = 0  # the snapshot whose deltas have lost what they follow on
                for publication in needed:
                    if publication.manifest.kind is Kind.DELTA and publication.manifest.snapshot == left:
                        continue
                    left = publication.manifest.snapshot
                    with _collected(refused, as_json, publication.path, region):
                        began = time.monotonic()
                        with progress_bar(publication.manifest.name, "bytes") as progress:
                            report = import_publication(publication, directory, master, progress, restore=restore)
                        left = 0
                        reports.append(report)
                        if not as_json:
                            click.echo(_report_line(report, time.monotonic() - began))
                        if report.changed:
                            log(f"import {report.name}: {report.records} records")
        latest = {report.region: report for report in reports}
        awaiting = [report for report in latest.values() if report.awaits is not None]
        for report in () if as_json else awaiting:
            tell(_not_believed(report))
        code = _exit_code(reports, refused, awaited=bool(awaiting))
        if as_json:
            whys = [*(refusal.error for refusal in refused), *map(_not_believed, awaiting)]
            print_json({"ok": not whys, **({"exit_code": int(code), **why(whys[-1])} if whys else {}), **done()})
    context.exit(code)


def _exit_code(reports: list[ImportReport], refused: list[_Refusal], *, awaited: bool) -> ExitCode:
    if refused:
        return ExitCode.CHECK_FAILED if all(isinstance(refusal.error, PublicationError) for refusal in refused) else ExitCode.CONFIGURATION
    if awaited:
        return ExitCode.CHECK_FAILED
    return ExitCode.OK if any(report.changed for report in reports) else ExitCode.NOTHING_TO_DO


def _report_fields(report: ImportReport) -> dict[str, object]:
    numbers = {"snapshot": report.snapshot, "delta": report.delta, "issued_at": report.issued_at, "records": report.records}
    return {
        "name": report.name,
        "region": report.region.value,
        "changed": report.changed,
        **numbers,
        **asdict(report.counts),
        "resumed_at": report.resumed_at,
        "awaits": _number(report.awaits),
    }


def _number(state: tuple[int, int] | None) -> str | None:
    return None if state is None else ".".join(str(each) for each in state if each)


def _not_believed(report: ImportReport) -> StoreError:
    region, has = report.region.value, _number((report.snapshot, report.delta))
    snapshot, _ = report.awaits or (0, 0)
    how = "the deltas" if report.snapshot == snapshot else f"snapshot {snapshot} and its deltas"
    what = f"{region}: holds {has} now, and this gate has had {_number(report.awaits)} in force: it believes nothing older, and the lane stays closed"
    return StoreError(what, f"import {how} up to {_number(report.awaits)}, or a newer snapshot: gatectl enrolment import FILE...")


def _report_line(report: ImportReport, took_s: float) -> str:
    if not report.changed:
        return f"{report.name}: is in force already"
    counts = {name: count for name, count in asdict(report.counts).items() if count}
    what = ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "nothing changed"
    resumed = f"; went on at chunk {report.resumed_at}" if report.resumed_at else ""
    return f"{report.name}, issued {time_text(report.issued_at)}: {what}; {report.records:,} records in force ({took_s:.0f} s{resumed})"


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a file, or a region's files, were not taken."""

    error: StoreError
    path: Path | None
    region: Region | None

    @property
    def fields(self) -> dict[str, str | None]:
        """As --json has it."""
        return {
            **why(self.error),
            "file": None if self.path is None else str(self.path),
            "region": None if self.region is None else self.region.value,
        }


@contextlib.contextmanager
def _collected(refused: list[_Refusal], as_json: bool, path: Path | None = None, region: Region | None = None) -> Iterator[None]:
    """Tell and keep why a publication was not taken, and go on after the block: one region's damaged store keeps no other region's suspensions out."""
    try:
        yield
    except StoreError as error:
        refused.append(_Refusal(error, path, region))
        if isinstance(error, PublicationError):
            log(f"import refused: {error.reason.value}")
        if not as_json:
            tell(error)
