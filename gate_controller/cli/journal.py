"""gatectl journal: look at the journal, verify it, hand parts of it on with proofs.

Works on the file alone, whether the gate runs or not, and never writes into it. `gatectl replay` derives a decision again.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.failures import CommandFailedError
from gate_controller.cli.json_output import print_json, print_result
from gate_controller.cli.run import DEFAULT_CONFIG
from gate_controller.composition.journal import journal_signer
from gate_controller.core.values import CheckOutcome, Modality
from gate_controller.journal import Entry, EntryKind, JournalReader
from gate_controller.journal.key_file import make_key
from gate_controller.journal.notes import NoteError, VerifierKey, open_checkpoint
from gate_controller.journal.proofs import NoProofError, consistency, export, inclusion
from gate_controller.journal.verify import BrokenJournalError, Kept, verify
from gate_controller.ports.errors import ConfigurationError, GateError, StoreError
from gate_controller.settings import load

FOLLOW_S = 0.5
_FAILED = (BrokenJournalError, NoProofError)


@dataclass(frozen=True, slots=True)
class Place:
    """Which journal a command is about.

    Attributes:
        config: The gate's configuration.
        journal: A file named instead of the configuration's, e.g. a copy.
        as_json: Whether JSON is printed.
    """

    config: Path
    journal: Path | None
    as_json: bool

    def reader(self) -> JournalReader:
        """The journal, open.

        Raises:
            GateError: It cannot be read.
        """
        return JournalReader(self.journal or load(self.config).journal.path)

    def key(self, given: str | None) -> VerifierKey:
        """The gate's public key: as given (the key or a file that holds it), else by the configuration's private key.

        Raises:
            GateError: There is none to be had.
        """
        if given is None:
            try:
                return journal_signer(load(self.config)).key
            except GateError as error:
                msg = f"the gate's public key is not known: {error.what}"
                raise ConfigurationError(msg, "name it by --key; gatectl journal key prints it at the gate") from error
        text = given if "+" in given else _read(Path(given))
        try:
            return VerifierKey.parse(text)
        except NoteError as error:
            raise ConfigurationError(f"--key: {error}", "gatectl journal key prints it at the gate") from error  # noqa: EM102


@click.group("journal")
def journal_group() -> None:
    """The record of crossings and events: read it, verify it, prove parts of it to others."""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that all share, handed in as one `place`; errors become an exit code."""

    @functools.wraps(command)
    def with_place(*, config: Path, journal: Path | None, as_json: bool, **others: Any) -> None:
        with _failures():
            command(place=Place(config, journal, as_json), **others)

    wrapped = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(with_place)
    wrapped = click.option("--journal", type=click.Path(path_type=Path, dir_okay=False), default=None, help="The file, if not the configuration's.")(wrapped)
    return click.option(
        "--config", type=click.Path(path_type=Path, readable=False), default=DEFAULT_CONFIG, show_default=True, help="Configuration of the gate."
    )(wrapped)


_key_option = click.option("--key", default=None, metavar="KEY|FILE", help="The gate's public key, if its private key is not at hand.")


@journal_group.command("init")
@_options
def init_command(place: Place) -> None:
    """Make the signing key that the configuration names as a file, and print its public key, which is to be kept elsewhere.

    A systemd credential is made by systemd-creds instead: openssl rand -hex 32 | systemd-creds encrypt --name=journal-signing - FILE.

    Exit code: 0 made, 3 the configuration names a credential, 8 there is a key already, or the configuration cannot be used.
    """
    settings = load(place.config)
    path = settings.journal.signing_key_file
    if path is None:
        what = "nothing to make: [journal] names no signing_key_file"
        raise CommandFailedError(what, "gatectl config explain journal", ExitCode.NOTHING_TO_DO)
    make_key(path)
    key = journal_signer(settings).key
    print_result(
        place.as_json, {"made": str(path), "verifier_key": str(key)}, [f"made {path}; it belongs into the backup", f"public key, to be kept elsewhere: {key}"]
    )


@journal_group.command("key")
@_options
def key_command(place: Place) -> None:
    """Print the gate's public key, by its private key.

    Exit code: 0 printed, 8 the private key cannot be read.
    """
    key = place.key(None)
    print_result(place.as_json, {"verifier_key": str(key), "origin": key.name}, [str(key)])


@journal_group.command("tail")
@_options
@click.option("-n", "--lines", type=click.IntRange(0), default=20, show_default=True, help="How many of the last rows.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new rows until Ctrl-C.")
def tail_command(place: Place, lines: int, follow: bool) -> None:
    """Print the last rows.

    Exit code: 0 printed, 8 the journal cannot be read.
    """
    with place.reader() as reader:
        at = max(0, reader.last_id() - lines)
        while True:
            for entry in reader.entries(at):
                at = entry.id
                if place.as_json:
                    print_json(_as_json(entry))
                else:
                    click.echo(_line(entry))
            if not follow:
                return
            time.sleep(FOLLOW_S)


@journal_group.command("show")
@_options
@click.argument("identifier", metavar="ROW|CROSSING")
def show_command(place: Place, identifier: str) -> None:
    """Print one row, or all rows of one crossing.

    Exit code: 0 printed, 3 no such row or crossing, 8 the journal cannot be read.
    """
    with place.reader() as reader:
        found = reader.crossing(identifier)
        entry = reader.entry(int(identifier)) if not found and identifier.isdecimal() else None
        found = [entry] if entry is not None else found
    if not found:
        raise CommandFailedError(f"no such row or crossing: {identifier}", "gatectl journal tail shows what there is", ExitCode.NOTHING_TO_DO)  # noqa: EM102
    for entry in found:
        if place.as_json:
            print_json(_as_json(entry))
        else:
            click.echo(_page(entry))


@journal_group.command("verify")
@_options
@_key_option
@click.option("--since", "kept", type=click.Path(path_type=Path), multiple=True, help="A checkpoint kept elsewhere, which the journal must still contain.")
def verify_command(place: Place, key: str | None, kept: tuple[Path, ...]) -> None:
    """Check every row, body, time and checkpoint; the first place that is broken is named in one line.

    Exit code: 0 whole, 1 broken, forked, rolled back, of another gate or signed by another key, 8 it cannot be read.
    """
    with place.reader() as reader:
        found = verify(reader, place.key(key), [Kept(str(path), _read(path)) for path in kept])
    fields = {
        "rows": found.rows,
        "root": found.root.hex(),
        "checkpoints": found.checkpoints,
        "signed": found.signed,
        "deleted": found.deleted,
        "went_back": found.went_back,
        "kept": len(kept),
    }
    lines = [
        f"whole: {found.rows} rows, {found.checkpoints} checkpoints, root {found.root.hex()}",
        f"signed: rows 1 to {found.signed}" + (f"; {found.rows - found.signed} not yet" if found.rows > found.signed else ""),
    ]
    if found.deleted:
        lines.append(f"bodies deleted by retention: {found.deleted}")
    if found.went_back:
        lines.append(f"the clock went back {len(found.went_back)} times, as the journal says itself: row {', '.join(map(str, found.went_back[:10]))}")
    if kept:
        lines.append(f"contains the {len(kept)} checkpoints kept elsewhere")
    print_result(place.as_json, fields, lines)


@journal_group.command("checkpoint")
@_options
def checkpoint_command(place: Place) -> None:
    """Print the newest checkpoint as it was signed, to be kept elsewhere.

    Exit code: 0 printed, 3 there is none yet, 8 the journal cannot be read.
    """
    with place.reader() as reader:
        newest = reader.last_checkpoint()
    if newest is None:
        what = "no checkpoint yet: the gate signs every 100 rows or 60 s"
        raise CommandFailedError(what, "gatectl doctor, if it stays so while the gate runs", ExitCode.NOTHING_TO_DO)
    if place.as_json:
        print_json({"ok": True, "size": newest[0], "note": newest[1]})
    else:
        click.echo(newest[1], nl=False)


@journal_group.command("export")
@_options
@click.option("--first", type=click.IntRange(1), default=1, show_default=True, help="The first row.")
@click.option("--last", type=click.IntRange(1), default=None, help="The last row; else the last that is signed.")
def export_command(place: Place, first: int, last: int | None) -> None:
    """Print rows as JSON lines, each with the proof that it is under the newest checkpoint, which is in the first line.

    Exit code: 0 printed, 1 nothing is signed yet, 8 the journal cannot be read.
    """
    with place.reader() as reader:
        for line in export(reader, first, last):
            click.echo(json.dumps(line, ensure_ascii=False))  # evidence, whose fields a verifier knows one by one: no schema number


@journal_group.command("prove")
@_options
@click.argument("row", type=click.IntRange(1), required=False)
@_key_option
@click.option("--since", type=click.Path(path_type=Path), default=None, help="Prove that the newest checkpoint continues this one instead.")
def prove_command(place: Place, row: int | None, key: str | None, since: Path | None) -> None:
    """Print the proof that ROW is under the newest checkpoint (c2sp.org/tlog-proof), or that this one continues an older one.

    Exit code: 0 printed, 1 nothing signed covers it, 2 neither a row nor a checkpoint is named, 8 the journal cannot be read.
    """
    if (row is None) == (since is None):
        raise click.UsageError("name either a ROW or a checkpoint by --since")
    with place.reader() as reader:
        if row is not None:
            proof = inclusion(reader, row)
        else:
            try:
                proof = consistency(reader, open_checkpoint(_read(Path(str(since))), place.key(key)))
            except NoteError as error:
                raise BrokenJournalError(f"{since}: {error}", "is it a checkpoint of this gate?") from error  # noqa: EM102
    if place.as_json:
        print_json({"ok": True, "proof": proof})
    else:
        click.echo(proof, nl=False)


_PAD_ENDED = frozenset(f"{Modality.PAD.value}_{outcome.value}" for outcome in CheckOutcome)
"""Steps with which presentation attack detection ends."""

# -- text ----------------------------------------------------------------------------------------------------------------


def _as_json(entry: Entry) -> dict[str, Any]:
    return {
        "row": entry.id,
        "kind": entry.kind.value,
        "label": entry.label,
        "crossing_id": entry.crossing_id,
        "wall_ms": entry.wall_ms,
        "body": entry.body or None,
    }


def _line(entry: Entry) -> str:
    at = datetime.fromtimestamp(entry.wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    head = f"{entry.id:>8}  {at}Z  {entry.kind.value:<9}  {entry.label:<22}  {entry.crossing_id or '':<17}"
    return f"{head} {_detail(entry)}".rstrip()


def _detail(entry: Entry) -> str:
    body = entry.body
    if not body:
        return "(deleted by retention)"
    if entry.kind is EntryKind.EVENT:
        return " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in body["fields"].items() if value)
    if entry.kind is EntryKind.CROSSING:
        last = body["steps"][-1] if body["steps"] else ["", 0]
        return f"{body['reason'] or ''} {last[0]} {last[1]} ms{', nobody judged whether the face was live' if _not_judged(body) else ''}"
    return f"{body['issuer']} {body['direction']}" if entry.kind is EntryKind.ADMISSION else f"{len(body['trace'].get('events', ()))} events: gatectl replay"


def _page(entry: Entry) -> str:
    body = {name: value for name, value in entry.body.items() if name != "trace"}
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in body.items()]
    if entry.kind is EntryKind.CROSSING and body:
        lines += _waited(body["steps"])
    return "\n".join([_line(entry), *(f"          {line}" for line in lines)])


def _not_judged(body: dict[str, Any]) -> bool:
    return bool(body["checks"].get(Modality.PAD.value) == CheckOutcome.NOT_SUPPORTED.value)


def _waited(steps: list[list[Any]]) -> list[str]:
    """For how long presentation attack detection alone kept the exit closed, if it did."""
    since = next((at for name, at in steps if name == "pad_awaited"), None)
    if since is None:
        return []
    ended = next((at for name, at in steps if name in _PAD_ENDED), None)
    how_long = "until the check was over" if ended is None else f"{ended - since} ms"
    return [f"the exit waited for presentation attack detection alone: {how_long}"]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        how = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigurationError(f"{path}: {how}", "is the path right?") from error  # noqa: EM102


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Exit codes of these commands."""
    try:
        yield
    except CommandFailedError:
        raise
    except GateError as error:
        unusable = isinstance(error, StoreError | ConfigurationError) and not isinstance(error, _FAILED)
        raise CommandFailedError(error.what, error.remedy, ExitCode.CONFIGURATION if unusable else ExitCode.CHECK_FAILED) from error
