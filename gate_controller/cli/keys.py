"""gatectl keys: the trust of this gate - import it, look at it, hand it on.

Works on the files alone, whether the daemon runs or not; a running gate notices a new generation by itself. Does not make keys and signs
nothing: the regions do. How a running gate stands is `gatectl status`.
"""

from __future__ import annotations

import contextlib
import os
import re
import syslog
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.failures import CommandFailedError
from gate_controller.cli.json_output import print_result
from gate_controller.cli.keys_report import import_report, init_report, listed, roles_line, status_report
from gate_controller.cli.run import DEFAULT_CONFIG
from gate_controller.composition.trust import trust_in_force, trust_parts
from gate_controller.ports.clock import Clock, SystemClock
from gate_controller.ports.errors import ConfigurationError, GateError, StoreError
from gate_controller.settings import load
from gate_controller.trust.errors import InstalledError, TrustError
from gate_controller.trust.exporting import export_trust
from gate_controller.trust.floor import Floor
from gate_controller.trust.importing import import_trust
from gate_controller.trust.roles import root_summary
from gate_controller.trust.sources import DirectorySource, Source, SourceError
from gate_controller.trust.view import time_text

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_STAYS = "the trust in force stays"


@click.group("keys")
def keys_group() -> None:
    """The regions' keys and status lists on this gate: how they get here, what they are, how long they are good for."""


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    config = click.option(
        "--config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG, show_default=True, help="Configuration of the gate."
    )
    return config(click.option("as_json", "--json", is_flag=True, help="Print one JSON object.")(click.pass_context(command)))


@keys_group.command("init")
@_options
def init_command(context: click.Context, config: Path, as_json: bool) -> None:
    """Make the floor, once, when the gate is installed.

    Checks the pinned root against the configured hash first. The floor remembers what this gate must never go back behind: a lost one is
    restored from a backup rather than made again.

    Exit code: 0 made, 1 the pinned root is no root, 8 there is a floor already, or the configuration cannot be used.
    """
    with _failures():
        parts = trust_parts(load(config))
        root = root_summary(parts.pinned_root)
        Floor.create(parts.floor, _clock(context).wall()).close()
        print_result(as_json, *init_report(parts.floor, root))


@keys_group.command("import")
@click.argument("source", metavar="DIRECTORY|URL")
@_options
def import_command(context: click.Context, config: Path, as_json: bool, source: str) -> None:
    """Take current trust from a stick, a directory or a mirror.

    Everything is verified from the pinned root before anything is taken; on any error what is in force stays in force.

    Exit code: 0 taken, 1 refused, 3 nothing new, 8 the configuration, the cache or the floor cannot be used.
    """
    with _failures(stays=True):
        parts = trust_parts(load(config))
        place: Source = parts.mirror(source) if _URL.match(source) else DirectorySource(Path(source))
        now = _clock(context).wall()
        with contextlib.closing(Floor.open(parts.floor)) as floor:
            if not as_json:
                click.echo(f"reading {place.name}")
                place = _Narrated(place)
            report = import_trust(place, parts.cache, parts.pinned_root, floor, parts.budget, now)
        generation = parts.cache.current()
        print_result(as_json, *import_report(report, generation.name if generation else "", now))
    if not report.changed:
        context.exit(ExitCode.NOTHING_TO_DO)


@keys_group.command("list")
@_options
def list_command(context: click.Context, config: Path, as_json: bool) -> None:
    """Show the roles, pass keys and status lists in the cache, verified anew.

    Exit code: 0 listed, 1 the cache is empty or must not be believed, 8 it cannot be read.
    """
    with _failures():
        parts = trust_parts(load(config))
        now = _clock(context).wall()
        with contextlib.closing(Floor.open(parts.floor, "read")) as floor:
            in_force = trust_in_force(parts, floor, now)
        print_result(as_json, *listed(in_force, parts.pinned_root, now))


@keys_group.command("status")
@_options
def status_command(context: click.Context, config: Path, as_json: bool) -> None:
    """Show how fresh each region's trust is, with the countdown, as a gate that starts now would see it.

    Exit code: 0 every region that the lane admits is fresh or stale, 1 one is degraded or closed, 8 the floor or the configuration cannot be used.
    """
    with _failures():
        settings = load(config)
        parts = trust_parts(settings)
        now = _clock(context).wall()
        with contextlib.closing(Floor.open(parts.floor, "read")) as floor:
            fields, lines, good = status_report(parts, floor, settings.admitted_issuers(), now)
        print_result(as_json, fields, lines)
    if not good:
        context.exit(ExitCode.CHECK_FAILED)


@keys_group.command("export")
@click.argument("directory", type=click.Path(path_type=Path))
@_options
def export_command(context: click.Context, config: Path, as_json: bool, directory: Path) -> None:
    """Copy the trust in the cache to DIRECTORY, a stick or a folder on it, from which another gate imports it.

    The copy is read back and verified. Other files in DIRECTORY stay.

    Exit code: 0 copied, 1 what was read back is not what was written, 8 the cache or the stick cannot be used.
    """
    with _failures():
        parts = trust_parts(load(config))
        with contextlib.closing(Floor.open(parts.floor, "read")) as floor:
            repository = trust_in_force(parts, floor, _clock(context).wall()).repository
        export_trust(repository, parts.pinned_root, directory)
        content_bytes = sum(map(len, repository.files.values()))
        fields = {"directory": str(directory), "files": len(repository.files), "bytes": content_bytes, "versions": dict(repository.versions)}
        text = [f"copied {roles_line(repository.versions)}", f"{len(repository.files)} files, {content_bytes} bytes, read back and verified: {directory}"]
        print_result(as_json, fields, [*text, f"for gates whose pinned root has version {root_summary(parts.pinned_root).version} or newer"])


@keys_group.command("forget-time")
@click.option("--reason", required=True, help="Why; goes to the system log with the user's id.")
@_options
def forget_time_command(context: click.Context, config: Path, as_json: bool, reason: str) -> None:
    """Take the clock's time for the latest time seen, after the clock was ahead and has been set right.

    A gate whose clock is behind the latest time it has seen is closed. What the regions have signed since is never forgotten.

    Exit code: 0 forgotten, 3 nothing to forget, 8 the floor or the configuration cannot be used.
    """
    if not reason.strip():
        raise click.BadParameter("must not be empty", param_hint="--reason")
    with _failures():
        parts = trust_parts(load(config))
        now = _clock(context).wall()
        with contextlib.closing(Floor.open(parts.floor)) as floor:
            before = floor.latest_seen()
            after = floor.forget_time(now) if before > now else before
    print_result(as_json, {"latest_seen_before": before, "latest_seen": after, "now": now}, _forgotten(before, after, now))
    if after == before:
        context.exit(ExitCode.NOTHING_TO_DO)
    line = f"gatectl keys forget-time: {time_text(before)} -> {time_text(after)}, by uid {os.getuid()}: {reason}"
    syslog.syslog(syslog.LOG_AUTH | syslog.LOG_NOTICE, "".join(letter if letter.isprintable() else "?" for letter in line))


def _forgotten(before: float, after: float, now: float) -> list[str]:
    lines = [f"latest time seen: {time_text(before)}", f"now:              {time_text(now)}"]
    if before <= now:
        return [*lines, "nothing to forget: the clock is not behind"]
    if after > now:
        return [
            *lines,
            f"it goes back to {time_text(after)} and no further: a region has signed then; set the clock to that time or later",
            "if that time is wrong: restore the floor from its backup, or put it aside and make a new one (gatectl keys init), then import a current stick",
        ]
    return [*lines, "it goes back to now"]


class _Narrated:
    """A source whose files are told as they come in."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._source = source

    def read(self, name: str) -> Iterator[bytes]:
        """See Source."""
        read = 0
        for chunk in self._source.read(name):
            read += len(chunk)
            yield chunk
        click.echo(f"  {name}  {read} bytes")


@contextlib.contextmanager
def _failures(*, stays: bool = False) -> Iterator[None]:
    """Exit codes of these commands; `stays`: that nothing has changed is said, too."""
    try:
        yield
    except GateError as error:
        after = _STAYS if stays and not isinstance(error, InstalledError) else ""
        refused = isinstance(error, TrustError | SourceError) or not isinstance(error, StoreError | ConfigurationError)
        raise CommandFailedError(error.what, error.remedy, ExitCode.CHECK_FAILED if refused else ExitCode.CONFIGURATION, after=after) from error


def _clock(context: click.Context) -> Clock:
    """The clock that a test hands in, or the system's."""
    return context.obj if context.obj is not None else SystemClock()
