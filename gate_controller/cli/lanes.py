"""gatectl lanes: many gates at a glance, each by its control socket, however it got here (docs/fifty-gates.md).

Only reads. A gate that does not answer, or whose answer is none that is known here, is a line like the others, and holds up none of them. Does not know
where gates are: sockets are given.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.json_output import print_json
from gate_controller.cli.socket_option import one_line
from gate_controller.control.client import GateClient
from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import ConfigurationError, GateError
from gate_controller.ports.spans import duration

ANSWER_S = 3.0
EVERY_S = 2.0
LONGEST_S = 1e10
OFFICERS_PAGE = "officer.sock"
"""Lies beside the control socket on the gate's PC, and is none."""
CLOSED = frozenset({"out_of_service", "emergency"})


@dataclass(frozen=True, slots=True)
class Lane:
    """One gate, as its controller tells, or why nothing is known of it.

    Attributes:
        socket: By which it was asked.
        status: GateControl.status(); empty when it gave none.
        problem: Why it gave none, one line.
    """

    socket: Path
    status: JsonObject
    problem: str = ""

    @property
    def call(self) -> JsonObject | None:
        """The pending call for an officer."""
        call = self.status.get("officer_call")
        return call if isinstance(call, dict) else None

    @property
    def waits_s(self) -> float:
        """How long the call has been pending; 0 where there is none, or an older version does not tell."""
        return (_seconds(self.call.get("since_s")) if self.call is not None else None) or 0.0

    @property
    def new(self) -> tuple[Path, str] | None:
        """What tells a call that nobody has taken from the one before it."""
        return (self.socket, str(self.call.get("number"))) if self.call is not None and not self.call.get("acknowledged") else None

    @property
    def troubles(self) -> list[str]:
        """What is not as it should be, but the call: devices that do not work, keys that are not fresh."""
        devices, trust = self.status.get("devices"), self.status.get("trust")
        found = [f"{name} {each.get('state')}" for name, each in _entries(devices) if each.get("state") != "ready"]
        return found + [f"keys of {region} {each.get('state')}" for region, each in _entries(trust) if each.get("state") != "fresh"]

    @property
    def keys(self) -> str:
        """How fresh they are, where that is no trouble."""
        trust = _entries(self.status.get("trust"))
        return f"keys of {', '.join(region for region, _ in trust)} fresh" if trust and all(each.get("state") == "fresh" for _, each in trust) else ""

    @property
    def wants(self) -> str:
        """Whom it wants: "officer", "engineer", or nobody: ""."""
        if self.call is not None:
            return "officer"
        return "engineer" if self.problem or self.troubles or str(self.status.get("state")) in CLOSED else ""

    @property
    def order(self) -> tuple[int, float, str]:
        """Calls that nobody took come first, then those taken, of both the longest; then lanes in trouble, then the rest, by name."""
        taken = self.call is not None and bool(self.call.get("acknowledged"))
        return ({"officer": 1 if taken else 0, "engineer": 2}.get(self.wants, 3), -self.waits_s, self.name)

    @property
    def name(self) -> str:
        """Of the gate; of its socket while it tells none."""
        return str(self.status.get("gate") or self.socket.stem)

    @property
    def title(self) -> str:
        """The socket's name, by which it is asked to act, and the gate's own where that is another."""
        return self.socket.stem if self.name == self.socket.stem else f"{self.socket.stem} ({self.name})"

    def as_json(self) -> JsonObject:
        """See tests/reference/json_fields.toml."""
        told = {name: self.status.get(name) for name in ("state", "reason", "since_s", "officer_call", "version")}
        return {"socket": str(self.socket), "gate": self.name, "wants": self.wants, **told, "troubles": self.troubles, "problem": self.problem}

    def line(self) -> str:
        """For people."""
        if self.problem:
            return f"{one_line(self.title)}  no answer: {self.problem}"
        state = f"{self.status.get('state')}" + (f" ({self.status['reason']})" if self.status.get("reason") else "")
        since = _seconds(self.status.get("since_s"))
        parts = [state if since is None else f"{state} for {duration(since)}"]
        if self.call is not None:
            taken = "taken" if self.call.get("acknowledged") else "NOBODY HAS TAKEN IT"
            waits = f" for {duration(self.waits_s)}" if self.waits_s else ""
            parts.insert(0, f"OFFICER: {self.call.get('reason')}{waits}, {taken}, repeated {self.call.get('escalation')} times")
        version = self.status.get("version")
        more = [self.keys, f"version {version}" if version else ""]
        return f"{one_line(self.title)}  " + one_line("; ".join([*parts, *self.troubles, *filter(None, more)]))


@click.command("lanes")
@click.argument("sockets", metavar="SOCKET|DIRECTORY...", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@click.option("--watch", is_flag=True, help=f"Look again every {EVERY_S:g} s until interrupted; a terminal's bell rings for each new call.")
@click.option("as_json", "--json", is_flag=True, help="One JSON object a lane (with --watch: again and again).")
def lanes_command(sockets: Sequence[Path], watch: bool, as_json: bool) -> int:
    """Show many lanes, one a line: those that call for an officer first, then those in trouble. Of a directory, all sockets in it.

    Exit code: 0 no lane wants anybody, 1 one does, or does not answer.
    """
    found: list[Lane] = []
    calls: set[tuple[Path, str]] | None = None
    for found in looks(sockets, watch):
        pending = {lane.new for lane in found if lane.new is not None}
        if watch and not as_json and sys.stdout.isatty():
            click.clear()
            if calls is not None and pending - calls:
                click.echo("\a", nl=False)
        calls = pending
        for lane in found:
            print_json(lane.as_json()) if as_json else click.echo(lane.line())
        if not as_json:
            click.echo(summary(found))
        sys.stdout.flush()
    return ExitCode.CHECK_FAILED if any(lane.wants for lane in found) else ExitCode.OK


def looks(sockets: Sequence[Path], again: bool) -> Iterator[list[Lane]]:
    """One look, or look after look: at sockets that have come since, too, and still at those that have gone, whose lanes somebody must see to.

    Raises:
        ConfigurationError: A directory has no socket at the first look.
    """
    known = dict.fromkeys(socket for place in sockets for socket in _sockets(place))
    yield look(list(known))
    while again:
        pause(EVERY_S)
        with contextlib.suppress(ConfigurationError):
            known |= dict.fromkeys(socket for place in sockets for socket in _sockets(place))
        yield look(list(known))


def pause(seconds: float) -> None:
    """Wait before the next look; tests do not."""
    time.sleep(seconds)


def look(sockets: Sequence[Path]) -> list[Lane]:
    """Ask all of them at the same time; in the order in which they are to be looked at."""
    with ThreadPoolExecutor(len(sockets)) as pool:  # they wait, and do little else
        return sorted(pool.map(ask, sockets), key=lambda lane: lane.order)


def ask(socket: Path) -> Lane:
    """One of them, within ANSWER_S."""
    try:
        return Lane(socket, GateClient(socket, timeout_s=ANSWER_S).status())
    except GateError as error:
        return Lane(socket, {}, one_line(error.what))


def summary(lanes: Sequence[Lane]) -> str:
    """The last line."""
    counted = {wanted: sum(lane.wants == wanted for lane in lanes) for wanted in ("officer", "engineer", "")}
    return f"{len(lanes)} lanes: {counted['officer']} call an officer, {counted['engineer']} in trouble, {counted['']} as they should be"


def _sockets(place: Path) -> list[Path]:
    try:
        if not place.is_dir():
            return [place]
        found = sorted(each for each in place.iterdir() if each.is_socket() and each.name != OFFICERS_PAGE)
    except OSError:
        return [place]  # a line of its own says why
    if not found:
        what = f"{place} holds no socket"
        raise ConfigurationError(what, "forward the gates' control sockets into it: docs/fifty-gates.md")
    return found


def _seconds(value: object) -> float | None:
    """A time that another program tells; None where it is none."""
    return float(value) if isinstance(value, int | float) and abs(value) < LONGEST_S else None


def _entries(value: object) -> list[tuple[str, JsonObject]]:
    return [(name, each) for name, each in value.items() if isinstance(each, dict)] if isinstance(value, dict) else []
