"""gate-authority enrolments: a region's snapshot or delta of people who do not exist, signed and sealed to gates.

Does not remember who was enrolled: people follow from the seed, their number, and the delta's number.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from gate_controller.core.values import Region
from gate_controller.ports.services import EnrolmentRecord
from simulators.authority import Authority
from simulators.authority_options import DIRECTORY, REGION, Clock
from simulators.authority_state import Headquarters, opened
from simulators.enrolment_people import changes, everybody
from simulators.enrolment_publication import DELTA, KEY_NAME, SNAPSHOT, Issue, publish

KEY_BYTES = 32


@click.command("enrolments")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.argument("region", type=REGION)
@click.option("--count", type=click.IntRange(0, 1 << 28), required=True, help="People in the snapshot.")
@click.option("--for", "recipients", metavar="HEX", multiple=True, required=True, help="A gate's key (gatectl enrolment key); may be repeated.")
@click.option("--seed", default="people", show_default=True, help="Who they are.")
@click.option("--snapshot", type=click.IntRange(1, (1 << 31) - 1), default=1, show_default=True, help="Number of the snapshot.")
@click.option("--delta", type=click.IntRange(1, (1 << 31) - 1), default=None, help="Make this delta to it instead.")
@click.option("--changed", type=click.IntRange(1), default=5000, show_default=True, help="Changes in the delta: new versions, erasures, new people.")
@click.option("--out", metavar="OUT", type=DIRECTORY, default=Path(), help="Directory of the file; without it, this one.")
@click.pass_obj
def enrolments_command(
    clock: Clock,
    directory: Path,
    region: Region,
    count: int,
    recipients: tuple[str, ...],
    seed: str,
    snapshot: int,
    delta: int | None,
    changed: int,
    out: Path,
) -> None:
    """Publish enrolments of REGION: a snapshot of COUNT people, or a delta to it.

    The region's key for enrolments is published at once if it was not yet: a gate must import its trust before.
    """
    gates = tuple(_key(text) for text in recipients)
    if delta is not None and changed > count:
        raise click.UsageError("--changed must be at most --count")
    with opened(directory) as headquarters:
        authority = _published_authority(headquarters, region, clock)
        name = f"{region.value.lower()}-{snapshot:06}.snapshot" if delta is None else f"{region.value.lower()}-{snapshot:06}-{delta:06}.delta"
        entries = everybody(count, seed, region) if delta is None else changes(count, seed, region, changed, delta)
        kind = SNAPSHOT if delta is None else DELTA
        issue = Issue(kind=kind, snapshot=snapshot, delta=delta or 0, issued_at=int(clock.wall()), recipients=gates)
        out.mkdir(parents=True, exist_ok=True)
        done = publish(out / name, authority, issue, _counted(entries, count if delta is None else changed), seed=headquarters.repository.authorities.seed)
    click.echo(f"{out / name}: {done:,} entries, {(out / name).stat().st_size:,} bytes, for {len(gates)} gates, signed with {authority.kid.hex()}")


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


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise click.BadParameter("a gate's key has 64 hexadecimal digits", param_hint="--for")
    return key
