"""gate-authority: the two regions' authorities and the keepers of their trust repository, on a laptop.

Simulated: anyone who knows the seed knows every private key. Never for production. Each change is published at once; a gate learns it by
its mirror (serve DIR/repository) or by a stick. Exit codes are gatectl's: 0 ok, 2 usage, 7 refused by the state of things, 8 files that
cannot be used, 70 a bug, 130 interrupted. Does not check passes or trust: gatectl does.
"""

from __future__ import annotations

import os
import secrets
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from securesystemslib.signer import Signer

from gate_controller.core.values import Region
from gate_controller.ports.errors import GateError, RefusedByStateError, StoreError
from gate_controller.ports.trust import PassStatus
from simulators.authority import NO_PERMIT_END, STATUS_LIST_SIZE
from simulators.authority_enrolments import enrolments_command, intake_key_command
from simulators.authority_options import DIRECTORY, DURATION, EXISTING_FILE, MOMENT, NUMBERS, REGION, Clock, ClockAt, SystemClock, written
from simulators.authority_passes import issue_command, phone_group, status_list_uri, status_of
from simulators.authority_report import as_json, as_text, signature_lines, versions
from simulators.authority_state import NAME, SIMULATED, Headquarters, create, opened
from simulators.authority_stick import write_stick
from simulators.repository import THRESHOLDS, TOP_ROLES, TrustRepository, region_role

BUG, INTERRUPTED = 70, 130
EXIT_CODES: tuple[tuple[type[GateError], int], ...] = ((StoreError, 8), (RefusedByStateError, 7))
KEPT_VERSIONS = 3


@click.group("gate-authority", context_settings={"help_option_names": ["-h", "--help"]}, epilog=SIMULATED)
@click.option("--at", type=MOMENT, default=None, help="Act as if it were this time, e.g. 2027-01-15T08:00:00Z.")
@click.pass_context
def gate_authority(context: click.Context, at: float | None) -> None:
    """Play the two regions' authorities: keys, status lists, passes, phones. Simulated: never for production."""
    clock: Clock = context.obj or SystemClock()
    context.obj = clock if at is None else ClockAt(at, clock)


@gate_authority.command("create")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.option("--seed", default=None, help="All keys follow from it; without it, a random one.")
@click.pass_obj
def create_command(clock: Clock, directory: Path, seed: str | None) -> None:
    """Make both regions' authorities and publish their first repository."""
    headquarters = create(directory, secrets.token_hex(16) if seed is None else seed, clock.wall())
    path, digest = headquarters.pinned_root
    click.echo(SIMULATED)
    click.echo(f"published in {directory / 'repository'}:")
    click.echo("\n".join(signature_lines(headquarters.repository, {})))
    click.echo(f'for the gate\'s gate.toml:\n[keys]\npinned_root = "{path}"\npinned_root_sha256 = "{digest}"')


@gate_authority.command("rotate")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.argument("role", type=click.Choice(list(THRESHOLDS)))
@click.option("--by", type=NUMBERS, default=None, help="Which keepers sign for it; all of them if not given.")
@click.pass_obj
def rotate_command(clock: Clock, directory: Path, role: str, by: tuple[int, ...] | None) -> None:
    """Give a role new keys.

    The keepers of the root sign for new keys of root, targets, snapshot and timestamp; those of the targets for new keys of a region.
    A new root is signed by the same numbers of the old keepers and of the new.
    """
    with _publishing(directory) as headquarters:
        repository = headquarters.repository
        keepers = "root" if role in TOP_ROLES else "targets"
        signers = _chosen(repository, keepers, by)
        if role == "root":
            signers += _picked(repository.make_signers("root", repository.generations["root"] + 1), by)
        repository.rotate(role, clock.wall(), signers=signers)


@gate_authority.command("renew")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.argument("role", type=click.Choice(["root", "targets"]))
@click.option("--by", type=NUMBERS, default=None, help="Which keepers sign; all of them if not given.")
@click.pass_obj
def renew_command(clock: Clock, directory: Path, role: str, by: tuple[int, ...] | None) -> None:
    """Sign the root or the targets anew, with the same keys, before they expire."""
    with _publishing(directory) as headquarters:
        repository = headquarters.repository
        repository.renew(role, clock.wall(), signers=_chosen(repository, role, by))


@gate_authority.group("keys")
def keys_group() -> None:
    """Publish and withdraw a region's keys."""


@keys_group.command("add")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.argument("region", type=REGION)
@click.option("--name", default=None, help="Name of the key; without it, key-2, key-3 and so on.")
@click.option("--valid-from", type=MOMENT, default=0, help="Not before; without it, always.")
@click.option("--valid-until", type=MOMENT, default=NO_PERMIT_END, help="Not at this time and after; without it, for ever.")
@click.pass_obj
def keys_add_command(clock: Clock, directory: Path, region: Region, name: str | None, valid_from: float, valid_until: float) -> None:
    """Publish a further key; new passes and status lists are signed with it as soon as it is valid."""
    if valid_from >= valid_until:
        raise click.UsageError("--valid-from must be before --valid-until")
    with _publishing(directory) as headquarters:
        names = {key.name for key, _, _ in headquarters.repository.regions[region].keys}
        name = next(f"key-{number}" for number in range(2, len(names) + 3) if f"key-{number}" not in names) if name is None else _name(name)
        if name in names:
            raise RefusedByStateError(f"{region.value} has published a key {name!r} already", "choose another --name, or withdraw that one first")  # noqa: EM102
        key = headquarters.key(region, name)
        headquarters.repository.add_pass_key(key, int(valid_from), int(valid_until))
        _publish(headquarters, clock)
        click.echo(f"key {key.kid.hex()} ({name}) of {region.value} is published")


@keys_group.command("withdraw")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.argument("region", type=REGION)
@click.option("--name", required=True, help="Name of the key, see gate-authority status; the first is called issuer.")
@click.pass_obj
def keys_withdraw_command(clock: Clock, directory: Path, region: Region, name: str) -> None:
    """Take a key back, of passes or of enrolments: nothing signed with it is accepted once gates know."""
    with _publishing(directory) as headquarters:
        state = headquarters.repository.regions[region]
        names, others = ([key.name for key, _, _ in keys] for keys in (state.keys, state.enrolment_keys))
        if name not in (*names, *others):
            what = f"{region.value} has published no key {name!r}; it has {', '.join((*names, *others)) or 'none'}"
            raise RefusedByStateError(what, f"gate-authority status {directory}")
        key = headquarters.key(region, name)
        headquarters.repository.withdraw_pass_key(key)
        _publish(headquarters, clock)
        click.echo(f"key {key.kid.hex()} ({name}) of {region.value} is withdrawn")
        if names == [name]:
            click.echo(f"{region.value} has no key now: its passes are refused, its status lists grow old; gate-authority keys add", err=True)


@gate_authority.group("lists")
def lists_group() -> None:
    """Publish further status lists."""


@lists_group.command("add")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.argument("region", type=REGION)
@click.argument("name")
@click.option("--bits", type=click.Choice(["1", "2"]), default="2", show_default=True, help="1 knows valid and revoked; 2 knows suspended as well.")
@click.option("--size", type=click.IntRange(1, 1 << 24), default=STATUS_LIST_SIZE, show_default=True, help="Passes in it.")
@click.pass_obj
def lists_add_command(clock: Clock, directory: Path, region: Region, name: str, bits: str, size: int) -> None:
    """Publish a further status list, empty; gate-authority issue --list NAME puts passes on it."""
    with _publishing(directory) as headquarters:
        if f"{region_role(region)}/status/{_name(name)}" in headquarters.repository.regions[region].statuses:
            raise RefusedByStateError(f"{region.value} has a status list {name!r} already", "choose another name")  # noqa: EM102
        uri = headquarters.repository.add_status_list(region, name, bits=int(bits), size=size)
        _publish(headquarters, clock)
        click.echo(f"status list {uri} of {size:,} passes is published")


@gate_authority.command("revoke")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.argument("region", type=REGION)
@click.argument("indices", metavar="[INDEX]...", type=click.IntRange(0), nargs=-1)
@click.option("--pass", "passes", metavar="FILE", type=EXISTING_FILE, multiple=True, help="A pass, instead of its index; may be repeated.")
@click.option("--list", "list_name", metavar="NAME", default="1", show_default=True, help="The status list that INDEX is in.")
@click.option("--suspend", "status", flag_value="SUSPENDED", default=None, help="Suspend instead of revoking.")
@click.option("--restore", "status", flag_value="VALID", help="Make it valid again.")
@click.pass_obj
def revoke_command(
    clock: Clock, directory: Path, region: Region, indices: tuple[int, ...], passes: tuple[Path, ...], list_name: str, status: str | None
) -> None:
    """Revoke, suspend or restore passes of REGION by their index in a status list, or by the pass."""
    if not indices and not passes:
        raise click.UsageError("name an INDEX or a --pass FILE")
    wanted = PassStatus[status or "INVALID"]
    with _publishing(directory) as headquarters:
        state = headquarters.repository.regions[region]
        entries = [(status_list_uri(headquarters, region, list_name), index) for index in indices]
        entries += [_entry(headquarters, region, path) for path in passes]
        for uri, index in entries:
            bits, size = state.shape(uri)
            if index >= size:
                raise RefusedByStateError(f"{uri} has {size:,} passes; {index} is not among them", "indices begin at 0")  # noqa: EM102
            if wanted.value >= 1 << bits:
                raise RefusedByStateError(f"{uri} has one bit a pass and cannot suspend", "revoke, or use a list of two bits")  # noqa: EM102
            headquarters.repository.revoke(region, index, wanted, uri)
        _publish(headquarters, clock)
        for uri, index in entries:
            click.echo(f"{uri} {index}: {wanted.name.lower()}")


@gate_authority.command("publish")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.option("--region", "regions", type=REGION, multiple=True, help="Only this region's role and lists; both if not given.")
@click.option("--every", type=DURATION, default=None, help="Again and again, until Ctrl-C; 1h is usual.")
@click.option("--keep", type=click.IntRange(1), default=KEPT_VERSIONS, show_default=True, help="Versions to keep; older files are removed.")
@click.pass_obj
def publish_command(clock: Clock, directory: Path, regions: tuple[Region, ...], every: int | None, keep: int) -> None:
    """Publish anew: both regions' keys and status lists, the snapshot, the timestamp."""
    if every == 0:
        raise click.UsageError("--every must be at least 1s")
    try:
        while True:
            with _publishing(directory, keep) as headquarters:
                headquarters.repository.publish(clock.wall(), regions=regions or tuple(Region))
                click.echo(f"published {written(clock.wall())}:")
            if every is None:
                return
            clock.sleep(every)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


@gate_authority.command("stick")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.argument("target", metavar="TARGET", type=DIRECTORY)
def stick_command(directory: Path, target: Path) -> None:
    """Copy what a gate needs to a USB stick mounted at TARGET; gatectl keys import TARGET takes it."""
    with opened(directory) as headquarters:
        report = write_stick(headquarters.repository, target)
    click.echo(f"{target}: {report.files} files, {report.content_bytes:,} bytes; {report.written} written, {report.removed} superseded ones removed")


@gate_authority.command("status")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def status_command(clock: Clock, directory: Path, json_wanted: bool) -> None:
    """Show roles, keys and lists, and what is due."""
    with opened(directory) as headquarters:
        click.echo(as_json(headquarters, clock.wall()) if json_wanted else as_text(headquarters, clock.wall()))


gate_authority.add_command(issue_command)
gate_authority.add_command(phone_group)
gate_authority.add_command(enrolments_command)
gate_authority.add_command(intake_key_command)


@contextmanager
def _publishing(directory: Path, keep: int = KEPT_VERSIONS) -> Iterator[Headquarters]:
    """Open, let the caller publish, tell who signed what, and remove what is superseded."""
    with opened(directory) as headquarters:
        before = versions(headquarters.repository)
        yield headquarters
        headquarters.repository.prune(keep)
        click.echo("\n".join(signature_lines(headquarters.repository, before)))


def _publish(headquarters: Headquarters, clock: Clock) -> None:
    # Remembered before it is published: stopped in between, a revocation must not be undone by the next publication.
    headquarters.save()
    headquarters.repository.publish(clock.wall())


def _chosen(repository: TrustRepository, role: str, by: tuple[int, ...] | None) -> list[Signer]:
    """The role's signers with these numbers, who must be as many as the threshold says."""
    needed, of = THRESHOLDS[role]
    if by is not None and max(by) > of:
        raise click.UsageError(f"--by {max(by)}: {role} has {of} keepers")  # noqa: EM102
    signers = _picked(repository.signers[role], by)
    if len(signers) < needed:
        what = f"{role} needs {needed} of its {of} keepers, and {len(signers)} would sign: no gate would take it"
        raise RefusedByStateError(what, "name more of them, for example --by 1,3")
    return signers


def _picked(signers: list[Signer], by: tuple[int, ...] | None) -> list[Signer]:
    return [signer for number, signer in enumerate(signers, 1) if by is None or number in by]


def _entry(headquarters: Headquarters, region: Region, path: Path) -> tuple[str, int]:
    issuer, uri, index = status_of(path)
    if issuer != region.value:
        raise RefusedByStateError(f"{path} is a pass of {issuer}, not of {region.value}", f"only {issuer} can revoke it")  # noqa: EM102
    return status_list_uri(headquarters, region, uri.rpartition("/")[2]), index


def _name(given: str) -> str:
    if not NAME.fullmatch(given):
        raise click.UsageError(f"{given!r} is no name: small letters, digits and hyphens, at most 31")  # noqa: EM102
    return given


def main(arguments: list[str] | None = None, clock: Clock | None = None) -> int:
    """Entry point of `gate-authority`; the exit code is documented in the module."""
    try:
        result = gate_authority(args=arguments, prog_name="gate-authority", standalone_mode=False, obj=clock)
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except GateError as error:
        _complain(error)
        return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)
    except BrokenPipeError:
        # Whoever read our output (head, a pager) has gone; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _complain(StoreError(f"{error.filename or 'a file'}: {error.strerror}", "are the disk and the permissions all right?"))
        return 8
    except Exception:  # noqa: BLE001 - the one place where a bug becomes an exit code
        traceback.print_exc()
        click.echo("gate-authority: this is a bug; please report it with the lines above", err=True)
        return BUG


def _complain(error: GateError) -> None:
    click.echo(f"gate-authority: {error.what}", err=True)
    if error.remedy:
        click.echo(f"gate-authority: remedy: {error.remedy}", err=True)


def script() -> None:
    """Console script."""
    sys.exit(main())


if __name__ == "__main__":
    script()
