"""gate-authority enrolments: a region's snapshot or delta, signed and sealed to gates, of people who do not exist and of what its desks have enrolled.

Does not remember who was enrolled: people follow from the seed, their number, and the delta's number; records of desks are files.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import click

from gate_controller.core.values import Region
from gate_controller.ports.errors import RefusedByStateError
from gate_controller.ports.services import EnrolmentRecord
from simulators.authority import Authority
from simulators.authority_options import DIRECTORY, EXISTING_FILE, REGION, Clock
from simulators.authority_state import Headquarters, opened
from simulators.enrolment_intake import Intake, intake_key, kept, kid_of, take_in
from simulators.enrolment_people import changes, everybody, person, reference_at
from simulators.enrolment_publication import DELTA, KEY_NAME, SNAPSHOT, Issue, front_digest, publish

KEY_BYTES = 32
CHANGED = 5000


class PublicKey(click.ParamType[bytes]):
    """A public key: 64 hexadecimal digits."""

    name = "HEX"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """32 bytes."""
        if isinstance(value, bytes):
            return value
        try:
            key = bytes.fromhex(str(value))
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            self.fail("a key has 64 hexadecimal digits", param, ctx)
        return key


KEY = PublicKey()


@click.command("enrolments")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.argument("region", type=REGION)
@click.option("--count", type=click.IntRange(0, 1 << 28), required=True, help="People in the snapshot who do not exist.")
@click.option("--for", "gates", type=KEY, multiple=True, required=True, help="A gate's key (gatectl enrolment key); may be repeated.")
@click.option("--record", "files", metavar="FILE", type=EXISTING_FILE, multiple=True, help="What a desk has enrolled (gatectl enrol); may be repeated.")
@click.option("--desk", "desks", type=KEY, multiple=True, help="Key of a desk of the region (gatectl enrolment desk-key); may be repeated.")
@click.option("--seed", default="people", show_default=True, help="Who they are.")
@click.option("--snapshot", type=click.IntRange(1, (1 << 31) - 1), default=1, show_default=True, help="Number of the snapshot.")
@click.option("--delta", type=click.IntRange(1, (1 << 31) - 1), default=None, help="Make this delta to it instead.")
@click.option("--follows", type=EXISTING_FILE, default=None, help="What the delta follows on; without it, the file of the number before in OUT.")
@click.option("--changed", type=click.IntRange(0), default=None, help=f"Changes in the delta beside the records; {CHANGED}, or 0 with --record.")
@click.option("--out", metavar="OUT", type=DIRECTORY, default=Path(), help="Directory of the file; without it, this one.")
@click.pass_obj
def enrolments_command(
    clock: Clock,
    directory: Path,
    region: Region,
    count: int,
    gates: tuple[bytes, ...],
    files: tuple[Path, ...],
    desks: tuple[bytes, ...],
    seed: str,
    snapshot: int,
    delta: int | None,
    follows: Path | None,
    changed: int | None,
    out: Path,
) -> None:
    """Publish enrolments of REGION: a snapshot of COUNT people and of what desks have enrolled, or a delta to it.

    A record is taken only if one of the region's desks has signed it; of somebody whom the region has, suspension and registrations stay as they are. The region's key for enrolments is published at once if it was not yet: a
    gate must import its trust before.
    """
    changed = (0 if files else CHANGED) if changed is None else changed
    if delta is not None and changed > count:
        raise click.UsageError("--changed must be at most --count")
    base = b"" if delta is None else _base(follows or out / _name(region, snapshot, delta - 1))
    with opened(directory) as headquarters:
        authority = _published_authority(headquarters, region, clock)
        seed_of_keys = headquarters.repository.authorities.seed
        taken = _taken(files, desks, seed_of_keys, region, clock.wall())
        records = {intake.record.reference: kept(intake.record, _held(intake.record.reference, count, seed, region)) for intake in taken}
        name = _name(region, snapshot, delta or 0)
        made: Iterator[EnrolmentRecord | bytes] = iter(everybody(count, seed, region) if delta is None else changes(count, seed, region, changed, delta))
        entries = _merged(made, records)
        kind = SNAPSHOT if delta is None else DELTA
        issue = Issue(kind=kind, snapshot=snapshot, delta=delta or 0, issued_at=int(clock.wall()), recipients=gates, base=base)
        out.mkdir(parents=True, exist_ok=True)
        done = publish(out / name, authority, issue, _counted(entries, (count if delta is None else changed) + len(taken)), seed=seed_of_keys)
    for intake in taken:
        attended = f"officer {intake.officer}" if intake.officer else "alone"
        simulated = ", by simulated devices" if intake.simulated else ""
        click.echo(f"taken in: version {intake.record.version}, from desk {intake.desk.hex()}, {attended}, liveness {intake.pad}{simulated}")
    click.echo(f"{out / name}: {done:,} entries, {(out / name).stat().st_size:,} bytes, for {len(gates)} gates, signed with {authority.kid.hex()}")


def _name(region: Region, snapshot: int, delta: int) -> str:
    return f"{region.value.lower()}-{snapshot:06}.snapshot" if not delta else f"{region.value.lower()}-{snapshot:06}-{delta:06}.delta"


def _base(path: Path) -> bytes:
    try:
        return front_digest(path)
    except (OSError, ValueError) as error:
        what = f"the delta's base {path}: {error.strerror or error if isinstance(error, OSError) else error}"
        raise RefusedByStateError(what, "make what it follows on first, or say where it is: --follows FILE") from error


def _published_authority(headquarters: Headquarters, region: Region, clock: Clock) -> Authority:
    """The region's newest enrolment key; its first is published now."""
    keys = headquarters.repository.regions[region].enrolment_keys
    if not keys:
        headquarters.repository.add_enrolment_key(headquarters.key(region, KEY_NAME))
        headquarters.save()  # before it is published, as for every key
        headquarters.repository.publish(clock.wall(), regions=(region,))
        click.echo(f"key {keys[-1][0].kid.hex()} of {region.value} for enrolments is published", err=True)
    return keys[-1][0]


def _counted(entries: Iterator[EnrolmentRecord | bytes] | Iterator[EnrolmentRecord], count: int) -> Iterator[EnrolmentRecord | bytes]:
    """The entries, with a bar on standard error while somebody looks at it."""
    with click.progressbar(entries, length=count, file=sys.stderr, update_min_steps=500, hidden=not sys.stderr.isatty()) as bar:
        yield from bar


def _taken(files: tuple[Path, ...], desks: tuple[bytes, ...], seed: str, region: Region, now: float) -> list[Intake]:
    """What the desks have enrolled, ascending by reference.

    Raises:
        RefusedByStateError: A file is not one of the desks', or two are of one person.
    """
    known = {kid_of(key): key for key in desks}
    taken = sorted((take_in(path, known, intake_key(region, seed), region, now) for path in files), key=lambda intake: intake.record.reference)
    for one, other in pairwise(taken):
        if one.record.reference == other.record.reference:
            raise RefusedByStateError("two of the records are of one person", "publish the newer one only")
    return taken


def _held(reference: bytes, count: int, seed: str, region: Region) -> EnrolmentRecord | None:
    """What the region has of somebody: one of its people who do not exist. It does not remember whom desks have enrolled before."""
    number = int.from_bytes(reference) * count >> 128
    near = [each for each in (number - 1, number) if 0 <= each < count]
    return next((person(each, count, seed, region) for each in near if reference_at(each, count, seed, region) == reference), None)


def _merged(made: Iterable[EnrolmentRecord | bytes], records: dict[bytes, EnrolmentRecord]) -> Iterator[EnrolmentRecord | bytes]:
    """Both in the order of their references; a desk's record takes the place of the one that was there."""

    def reference(entry: EnrolmentRecord | bytes) -> bytes:
        return entry if isinstance(entry, bytes) else entry.reference

    others = (entry for entry in made if reference(entry) not in records)
    return heapq.merge(others, (records[each] for each in sorted(records)), key=reference)


@click.command("intake-key")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.argument("region", type=REGION)
def intake_key_command(directory: Path, region: Region) -> None:
    """Print the key that desks of REGION seal records to (gatectl enrol --seal-to)."""
    with opened(directory) as headquarters:
        click.echo(bytes(intake_key(region, headquarters.repository.authorities.seed).public_key).hex())
