"""gatectl enrol: the self-service desk on a terminal. Guides one person through face and fingers, and writes a signed record for the region.

Says what to do in plain words, and never why somebody is not believed. Nothing of the person goes to a log; what the desk did goes to the system
log with the user's id. Does not read identity documents: whoever starts it, or another program, does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import syslog
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import click
from nacl import utils

from gate_controller.cli.enrolment import Reference
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.failures import CommandFailedError, exit_code_of, print_failure
from gate_controller.cli.json_output import print_json
from gate_controller.cli.run import DEFAULT_CONFIG
from gate_controller.cli.simulation import PAD_REQUIRED
from gate_controller.composition.enrolment_desk import Surroundings, desk_session
from gate_controller.composition.registry import load_drivers
from gate_controller.core.values import Region
from gate_controller.enrolment.desk.instructions import EnrolmentRefusedError, Instruction, Said
from gate_controller.enrolment.desk.record_file import DeskKey, require_key, require_room, seal_record, write_new
from gate_controller.enrolment.desk.session import LEAST_FINGERS, POSITIONS, Applicant, Attendance
from gate_controller.enrolment.records import REFERENCE_BYTES
from gate_controller.enrolment.schema import MAX_VERSION
from gate_controller.ports.clock import Clock, SystemClock
from gate_controller.ports.devices import Family
from gate_controller.ports.errors import ConfigurationError, DeviceError, GateError, StoreError
from gate_controller.settings import Settings, load
from gate_controller.settings.render import derive

Listen = Callable[[Said], None]
_SIMULATED = Path(__file__).parents[2] / "config" / "simulated.toml"
_FINGERS = {
    1: "right thumb",
    2: "right index finger",
    3: "right middle finger",
    4: "right ring finger",
    5: "right little finger",
    6: "left thumb",
    7: "left index finger",
    8: "left middle finger",
    9: "left ring finger",
    10: "left little finger",
}
TEXTS = {
    Instruction.LOOK_HERE: "Please look at the camera, without mask, hat or dark glasses.",
    Instruction.COME_CLOSER: "Please come a little closer.",
    Instruction.STEP_BACK: "Please step back a little.",
    Instruction.STAND_IN_THE_MIDDLE: "Please stand in the middle, before the camera.",
    Instruction.FACE_FORWARD: "Please face the camera straight on.",
    Instruction.HEAD_UPRIGHT: "Please hold your head upright.",
    Instruction.SHOW_EYES: "Please show your eyes: take off dark glasses, move your hair aside.",
    Instruction.SHOW_MOUTH: "Please show your whole face: take off mask or scarf.",
    Instruction.HOLD_STILL: "Please hold still.",
    Instruction.MORE_LIGHT: "It is too dark. Please turn towards the light.",
    Instruction.LESS_LIGHT: "It is too bright. Please turn away from the light.",
    Instruction.ALONE_PLEASE: "One person only, please. Everybody else: step aside.",
    Instruction.STAY_IN_VIEW: "Please stay before the camera while you give your fingers.",
    Instruction.FACE_TAKEN: "Your face is taken. Now your fingers.",
    Instruction.PLACE_FINGER: "Lay your {finger} on the reader.",
    Instruction.PLACE_FINGER_AGAIN: "Lay your {finger} on the reader again.",
    Instruction.PLACE_FINGER_TO_CHECK: "Lay your {finger} on the reader once more, to check it.",
    Instruction.LIFT_FINGER: "Lift the finger.",
    Instruction.FINGER_TOO_DRY: "The finger is too dry. Lift it, breathe on it, and press a little harder.",
    Instruction.WIPE_FINGER: "The print is smudged. Lift the finger, wipe finger and glass.",
    Instruction.FINGER_STILL: "The finger moved. Lift it, then hold it still.",
    Instruction.SAME_FINGER_PLEASE: "That was not the same finger, or not enough of it. Lift it; we begin this finger again.",
    Instruction.ANOTHER_FINGER_PLEASE: "This finger is taken already. Lift it; the {finger} is wanted.",
    Instruction.FINGER_TAKEN: "The {finger} is taken.",
    Instruction.FINGER_GIVEN_UP: "The {finger} cannot be taken.",
    Instruction.READER_TRIED_AGAIN: "The reader did not answer. Lift the finger; we begin it again.",
}


@click.command("enrol")
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="Configuration: the desk's devices, the policy.",
)
@click.option("--region", type=click.Choice([region.value for region in Region], case_sensitive=False), required=True, help="Whose desk this is.")
@click.option("--desk-key", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Key this desk signs with (gatectl enrolment desk-key).")
@click.option("--seal-to", metavar="HEX", required=True, help="The region's key for records.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Directory that the record is written to.")
@click.option("--birth-date", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Asked for when not given; other users can see what is given here.")
@click.option("--reference", type=Reference(), default=None, help="Of somebody who has one, - asks for it; a new person gets a new one.")
@click.option(
    "--version", type=click.IntRange(1, MAX_VERSION - 1), default=1, show_default=True, help="Of the record; more than the region's for somebody enrolled."
)
@click.option(
    "--registered-with",
    type=click.Choice([region.value for region in Region], case_sensitive=False),
    multiple=True,
    help="Region the person applies to register with; both if not given. The region that takes the record in decides.",
)
@click.option("--officer", metavar="IDENTITY", default=None, help="The officer standing by; needed for a person under 18.")
@click.option("--accept-fewer-fingers", is_flag=True, help="The officer accepts fewer than two fingers: the person cannot give them.")
@click.option("--finger", "fingers", type=click.IntRange(1, 10), multiple=True, help="Finger to ask for, in this order (ISO/IEC 19794-2); may be repeated.")
@click.option(
    "--simulated", metavar="PERSON", default=None, help="Simulated devices, and this person of the synthetic cast before them (person01 to person12)."
)
@click.option("--hand", metavar="NAME", default=None, help="With --simulated: whose fingers, as a cast calls them.")
@click.option(
    "--family", type=click.Choice([family.value for family in Family]), default=None, help="With --simulated: the fingerprint module; r503 if not given."
)
@click.option("--held", type=click.Choice(["print", "screen"]), default=None, help="With --simulated: a picture of the person is held up instead.")
@click.option(
    "--no-pad", is_flag=True, help="With --simulated: without a judge of presentation attacks, which needs a machine that gives it 11 frames a second."
)
@click.option("--models", type=click.Path(path_type=Path, file_okay=False), default=None, help="With --simulated: directory of the model files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; instructions go to standard error.")
@click.pass_context
def enrol_command(
    context: click.Context,
    config: Path,
    region: str,
    desk_key: Path,
    seal_to: str,
    out: Path,
    birth_date: datetime | None,
    reference: bytes | None,
    version: int,
    registered_with: tuple[str, ...],
    officer: str | None,
    accept_fewer_fingers: bool,
    fingers: tuple[int, ...],
    simulated: str | None,
    hand: str | None,
    family: str | None,
    held: str | None,
    no_pad: bool,
    models: Path | None,
    as_json: bool,
) -> None:
    """Enrol one person: the face, then at least two fingers; write a record, sealed to the region and signed by this desk.

    18 and over alone; younger people from the policy's minimum age on with an officer. Whatever ends it before the record is written, Ctrl-C
    too, leaves nothing behind. Once it is written the exit code is 0, whatever fails after that; if in doubt, look into --out.

    Exit code: 0 written, 1 refused (the reason is printed), 2 usage, 5 a device may not be used, 6 a device is not there, 8 configuration, key or
    directory cannot be used, 70 a bug, 130 interrupted.
    """
    written: list[Path] = []
    with _refusals(as_json), _once_written(written), _terminable(), contextlib.ExitStack() as stack:
        # All that can be wrong without the person is found before the person is asked for anything.
        attendance = _attendance(officer, accept_fewer_fingers)
        if simulated is None and any((hand, family, held, no_pad, models)):
            raise click.UsageError("--hand, --family, --held, --no-pad and --models belong to --simulated")
        _require_fingers(fingers, 0 if accept_fewer_fingers else LEAST_FINGERS)
        key = DeskKey.from_file(desk_key)
        sealed_to = _public_key(seal_to, key)
        _require_directory(out)
        listen: Listen | None = None
        if simulated is not None:
            settings, listen = _simulated(stack, (simulated, hand, Family(family or Family.R503), held or "live"), models, pad=not no_pad)
        else:
            settings = load(config, load_drivers())
        clock: Clock = context.obj or SystemClock()
        around = Surroundings(clock, time.sleep, _shown(listen), lambda line: click.echo(f"gatectl: {line}", err=True))
        session = desk_session(settings, around, fingers or POSITIONS)
        regions = frozenset(Region(name) for name in registered_with) or frozenset(Region)
        applicant = Applicant(reference or utils.random(REFERENCE_BYTES), version, _birth_date(birth_date), regions)
        record, evidence = session.enrol(applicant, attendance)
        file = seal_record(record, evidence, key, Region(region), sealed_to)
        path = out / file.name
        _end_no_more()
        trouble = write_new(path, file.content)
        written.append(path)
        if trouble:
            click.echo(f"gatectl: {path}: written, but perhaps not safely on the disk ({trouble}): copy it elsewhere now", err=True)
        _log(f"{file.name}: written, {len(record.fingers)} fingers, liveness {evidence.pad.value}, {f'officer {officer}' if officer else 'alone'}")
        taken = {
            "file": str(path),
            "bytes": len(file.content),
            "desk": key.kid.hex(),
            "faces": len(record.faces),
            "fingers": [{"position": position, "score": score} for position, score in evidence.fingers],
            "liveness": evidence.pad.value,
            "officer": evidence.officer,
        }
        if as_json:
            print_json({"ok": True, **taken})
        else:
            click.echo(f"Thank you. You are enrolled; the lanes know you when your region has published it.\n{path}")


def _attendance(officer: str | None, fewer_fingers: bool) -> Attendance:
    try:
        return Attendance(officer, fewer_fingers)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _birth_date(given: datetime | None) -> date:
    """Asked for on the terminal rather than on the command line, which other users of the machine can see; and asked back, as it cannot be corrected."""
    if given is not None:
        if not _plausible(given.date()):
            raise click.BadParameter("is no date of birth of a living person", param_hint="--birth-date")
        return given.date()
    _wipe_screen()  # what was said to the person before
    while True:
        born: date = click.prompt("Date of birth (YYYY-MM-DD)", type=click.DateTime(["%Y-%m-%d"]), err=True).date()
        if not _plausible(born):
            click.echo("Error: that is no date of birth of a living person.", err=True)
        elif click.confirm(f"Born on {born.day} {born:%B %Y}: is that right?", err=True):
            _wipe_screen()
            return born


def _plausible(born: date) -> bool:
    return date(1900, 1, 1) <= born <= datetime.now(UTC).date()


def _wipe_screen() -> None:
    """Clear a terminal and what can be scrolled back to."""
    if sys.stderr is not None and sys.stderr.isatty():
        click.echo("\x1b[H\x1b[2J\x1b[3J", nl=False, err=True)


def _require_fingers(fingers: tuple[int, ...], least: int) -> None:
    if len(set(fingers)) < len(fingers):
        raise click.BadParameter("names a finger twice", param_hint="--finger")
    if fingers and len(fingers) < least:
        what = f"names {len(fingers)} of at least {least} fingers; an officer can accept fewer (--accept-fewer-fingers)"
        raise click.BadParameter(what, param_hint="--finger")


def _public_key(text: str, desk: DeskKey) -> bytes:
    """The region's key. A key of another use cannot be told from it, but what nothing can be sealed to can, and this desk's own."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise click.BadParameter("the region's key has 64 hexadecimal digits", param_hint="--seal-to")
    try:
        require_key(key)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--seal-to") from None
    if key == desk.public:
        raise click.BadParameter("is this desk's own key, not the region's", param_hint="--seal-to")
    return key


def _require_directory(out: Path) -> None:
    if not out.is_dir() or not os.access(out, os.W_OK | os.X_OK):
        raise StoreError(f"--out {out}: {'cannot be written' if out.is_dir() else 'is not a directory'}", "name a directory that this user may write to")  # noqa: EM102
    require_room(out)


def _simulated(stack: contextlib.ExitStack, who: tuple[str, str | None, Family, str], models: Path | None, *, pad: bool) -> tuple[Settings, Listen]:
    """The settings of a simulated desk, and how the person before it hears what is said. `who` is SimulatedDesk's arguments."""
    from simulators.camera.scenes import FACES
    from simulators.control import ControlError
    from simulators.enrolment_desk import SimulatedDesk

    person = who[0]
    if not person.isalnum() or not (FACES / f"{person}_live0.jpg").is_file():
        what = f"there is no {person!r} in the synthetic cast: person01 to person12"
        raise click.BadParameter(what, param_hint="--simulated")
    try:
        desk = stack.enter_context(SimulatedDesk(*who))
    except ControlError as error:
        what = f"a wire simulator could not be started: {error}"
        raise ConfigurationError(what, "a shorter TMPDIR, more memory and processes, or a machine less busy may help") from error
    changes: dict[str, Any] = {"devices": desk.devices}
    if pad:
        changes["devices"]["pad"] = {"driver": "passive"}
        changes["policy"] = {"biometrics": PAD_REQUIRED}
    if models is not None:
        changes["models"] = {"directory": str(models.resolve())}
    config = desk.directory / "desk.toml"
    config.write_text(derive(_SIMULATED, changes), encoding="utf-8")
    return load(config, load_drivers()), lambda said: desk.hear(said.instruction.value, said.finger)


def _shown(listen: Listen | None) -> Listen:
    def show(said: Said) -> None:
        text = TEXTS[said.instruction].format(finger=_FINGERS.get(said.finger or 0, "finger"))
        click.echo(text + (f" ({said.done} of {said.of})" if said.of else ""), err=True)
        if listen is not None:
            listen(said)

    return show


_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Have a request to end do what Ctrl-C does: leave no device open and nothing half done."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in _ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_no_more() -> None:
    """From here on the record is written and reported, whoever asks to end: else nobody knew whether it is there."""
    if threading.current_thread() is threading.main_thread():
        for number in _ENDINGS:
            signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def _once_written(written: list[Path]) -> Iterator[None]:
    """Once the record is there the command has succeeded, whatever fails after it: who began again would enrol the person twice."""
    try:
        yield
    except (Exception, click.exceptions.Exit) as error:
        if not written:
            raise
        if isinstance(error, BrokenPipeError):
            with contextlib.suppress(OSError, ValueError):  # Python would complain once more at its end
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        with contextlib.suppress(OSError):
            click.echo(f"gatectl: {written[0]}: written; after that: {' '.join(str(error).split()) or type(error).__name__}", err=True)


@contextlib.contextmanager
def _refusals(as_json: bool) -> Iterator[None]:
    """Why nothing was enrolled has a reason of its own with --json; what only an officer may know goes to the system log. The rest: see cli.main."""
    try:
        yield
    except EnrolmentRefusedError as error:
        _log(f"refused: {error.reason.value}{f'; {error.confidential}' if error.confidential else ''}")
        before, more = f"not enrolled ({error.reason.value}): ", {"reason": error.reason.value}
        raise CommandFailedError(error.what, error.remedy, ExitCode.CHECK_FAILED, before=before, more=dict(more)) from error
    except GateError as error:
        more = {"reason": "fault", **({"code": error.code} if isinstance(error, DeviceError) else {})}
        raise CommandFailedError(error.what, error.remedy, exit_code_of(error), more=dict(more)) from error
    except (KeyboardInterrupt, click.exceptions.Abort):
        if as_json:
            print_failure(130, "interrupted", "", {"reason": "interrupted"})
        raise


def _log(act: str) -> None:
    line = f"gatectl enrol: {act}, by uid {os.getuid()}"
    syslog.syslog(syslog.LOG_AUTH | syslog.LOG_NOTICE, "".join(letter if letter.isprintable() else "?" for letter in line))
