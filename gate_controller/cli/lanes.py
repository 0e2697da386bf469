"""gatectl lanes: many gates at a glance, each by its control socket, however it got here (docs/fifty-gates.md).

Only reads. A gate that does not answer is a line like the others, and holds up none of them. Does not know where gates are: sockets are given.
"""

from __future__ import annotations

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
AT_ONCE = 32
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
    def troubles(self) -> list[str]:
        """What is not as it should be, but the call: devices that do not work, keys that are not fresh."""
        devices, trust = self.status.get("devices"), self.status.get("trust")
        found = [f"{name} {each.get('state')}" for name, each in _entries(devices) if each.get("state") != "ready"]
        return found + [f"keys of {region} {each.get('state')}" for region, each in _entries(trust) if each.get("state") != "fresh"]

    @property
    def wants(self) -> str:
        """Whom it wants: "officer", "engineer", or nobody: ""."""
        if self.call is not None:
            return "officer"
        return "engineer" if self.problem or self.troubles or self.status.get("state") in CLOSED else ""

    @property
    def order(self) -> tuple[int, str]:
        """Calls that nobody took come first, then those taken, then lanes in trouble, then the rest; by name."""
        taken = self.call is not None and bool(self.call.get("acknowledged"))
        return ({"officer": 1 if taken else 0, "engineer": 2}.get(self.wants, 3), self.name)

    @property
    def name(self) -> str:
        """Of the gate; of its socket while it tells none."""
        return str(self.status.get("gate") or self.socket.stem)

    def as_json(self) -> JsonObject:
        """See tests/reference/json_fields.toml."""
        told = {name: self.status.get(name) for name in ("state", "reason", "since_s", "officer_call", "version")}
        return {"socket": str(self.socket), "gate": self.name, "wants": self.wants, **told, "troubles": self.troubles, "problem": self.problem}

    def line(self) -> str:
        """For people."""
        if self.problem:
            return f"{one_line(self.name)}  no answer: {self.problem}"
        state = f"{self.status.get('state')}" + (f" ({self.status['reason']})" if self.status.get("reason") else "")
        since = self.status.get("since_s")
        parts = [f"{state} for {duration(int(since))}" if isinstance(since, int | float) else state]
        if self.call is not None:
            taken = "taken" if self.call.get("acknowledged") else "NOBODY HAS TAKEN IT"
            parts.insert(0, f"OFFICER: {self.call.get('reason')}, {taken}, repeated {self.call.get('escalation')} times")
        version = self.status.get("version")
        return f"{one_line(self.name)}  " + one_line("; ".join([*parts, *self.troubles, *([f"version {version}"] if version else [])]))


@click.command("lanes")
@click.argument("sockets", metavar="SOCKET|DIRECTORY...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help=f"Look again every {EVERY_S:g} s until interrupted; a terminal's bell rings for each new call.")
@click.option("as_json", "--json", is_flag=True, help="One JSON object a lane (with --watch: again and again).")
def lanes_command(sockets: Sequence[Path], watch: bool, as_json: bool) -> int:
    """Show many lanes, one a line: those that call for an officer first, then those in trouble. Of a directory, all sockets in it.

    Exit code: 0 no lane wants anybody, 1 one does, or does not answer.
    """
    found: list[Lane] = []
    calls: set[tuple[str, object]] | None = None
    for found in looks(sockets, watch):
        pending = {(lane.name, lane.call.get("number")) for lane in found if lane.call is not None and not lane.call.get("acknowledged")}
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
    """One look, or look after look."""
    yield look(sockets)
    while again:
        pause(EVERY_S)
        yield look(sockets)


def pause(seconds: float) -> None:
    """Wait before the next look; tests do not."""
    time.sleep(seconds)


def look(places: Sequence[Path]) -> list[Lane]:
    """Ask all of them at the same time; in the order in which they are to be looked at.

    Raises:
        ConfigurationError: A directory has no socket.
    """
    sockets = [socket for place in places for socket in _sockets(place)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
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
    if not place.is_dir():
        return [place]
    found = sorted(each for each in place.iterdir() if each.is_socket())
    if not found:
        what = f"{place} holds no socket"
        raise ConfigurationError(what, "forward the gates' control sockets into it: docs/fifty-gates.md")
    return found


def _entries(value: object) -> list[tuple[str, JsonObject]]:
    return [(name, each) for name, each in value.items() if isinstance(each, dict)] if isinstance(value, dict) else []
