"""gatectl status and gatectl events: what the lane does, now and as it happens.

Does not act on the lane and does not open devices.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
import time
from pathlib import Path

import click

from gate_controller.cli.following import follow
from gate_controller.cli.json_output import print_json
from gate_controller.cli.socket_option import one_line, socket_option
from gate_controller.control.client import FeedEvent, GateClient
from gate_controller.ports.control import JsonObject
from gate_controller.ports.spans import duration

_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.command("status")
@socket_option
@click.option("--watch", is_flag=True, help="Go on with each change until interrupted.")
@click.option("as_json", "--json", is_flag=True, help="Print the daemon's answer as one JSON object (with --watch one a line).")
def status_command(socket_path: Path, watch: bool, as_json: bool) -> None:
    """Show the state of the lane, its doors and its devices, and for how long what is known of the passes is good enough."""
    if not watch:
        _show(GateClient(socket_path).status(), as_json)
        return
    for event in follow(socket_path):
        if event.kind == "status":
            if sys.stdout.isatty() and not as_json:
                click.clear()
            elif not as_json:
                click.echo("-" * 13)
            _show(event.fields, as_json)


def _show(status: JsonObject, as_json: bool) -> None:
    if as_json:
        print_json(status)
        return
    width = max(40, shutil.get_terminal_size((80, 24)).columns) - 1
    for name, value in _lines(status):
        for line in textwrap.wrap(f"{name:<13} {value}", width, subsequent_indent=" " * 14, break_on_hyphens=False) or [name]:
            click.echo(line.rstrip())


@click.command("events")
@socket_option
@click.option("go_on", "--follow", is_flag=True, help="Go on with new events until interrupted.")
@click.option("--since", metavar="TIME", default=None, help='Only what came after: "10m", "2h", "1d" ago, "14:30" today, or "2026-11-22 14:30".')
@click.option("as_json", "--json", is_flag=True, help='One JSON object a line: {"sequence", "at", "kind", "fields"}.')
def events_command(socket_path: Path, go_on: bool, since: str | None, as_json: bool) -> None:
    """Show the events that the daemon still holds in memory, oldest first. What is older is in the journal: gatectl journal tail."""
    earliest = None if since is None else moment(since, time.time())
    if go_on:
        for event in follow(socket_path, after=0):
            _tell(event, earliest, as_json)
        return
    with GateClient(socket_path).events(after=0) as stream:
        newest = 0
        for event in stream:
            if event.kind == "connected":
                newest = event.fields["sequence"] if isinstance(event.fields.get("sequence"), int) else 0
            _tell(event, earliest, as_json)
            if (event.sequence or 0) >= newest:
                return


def _tell(event: FeedEvent, earliest: float | None, as_json: bool) -> None:
    if event.kind != "connected" and (earliest is None or event.at is None or event.at >= earliest):
        if as_json:
            print_json({"sequence": event.sequence, "at": event.at, "kind": event.kind, "fields": event.fields})
        else:
            click.echo(_event_as_line(event))


def moment(text: str, now: float) -> float:
    """A time a person names, seconds since the epoch.

    Raises:
        click.BadParameter: It names none.
    """
    ago = _AGO.fullmatch(text)
    if ago:
        return now - int(ago[1]) * _SECONDS[ago[2]]
    today = time.strftime("%Y-%m-%d", time.localtime(now))
    for form, whole in (("%Y-%m-%d %H:%M", f"{today} {text}"), ("%Y-%m-%d %H:%M", text), ("%Y-%m-%dT%H:%M", text), ("%Y-%m-%d", text)):
        try:
            return time.mktime(time.strptime(whole, form))
        except (ValueError, OverflowError):
            continue
    message = f"{text!r} is no time"
    raise click.BadParameter(message, param_hint="--since")


def _lines(status: JsonObject) -> list[tuple[str, str]]:
    lines = [
        (name, "-" if status.get(name) is None else one_line(status[name]))
        for name in ("gate", "region", "direction", "state", "reason", "prompt", "occupancy")
    ]
    lines += [("door", f"{one_line(name)}: {one_line(position)}") for name, position in _entries(status, "doors")]
    for name, device in _entries(status, "devices"):
        known = device if isinstance(device, dict) else {}
        lines.append(("device", " - ".join([f"{one_line(name)}: {one_line(known.get('state'))}", *_given(known, "code", "detail")])))
        lines += [("", f"remedy: {remedy}") for remedy in _given(known, "remedy")]
    for region, trust in _entries(status, "trust"):
        known = trust if isinstance(trust, dict) else {}
        lines.append(("trust", _freshness(one_line(region), known)))
        lines += [("", f"remedy: {remedy}") for remedy in _given(known, "remedy")]
    store = status.get("trust_store")
    problem = store.get("problem") if isinstance(store, dict) else None
    if isinstance(problem, dict):
        lines.append(("trust", f"what was imported is not in force: {one_line(problem.get('what'))}"))
        lines += [("", f"remedy: {remedy}") for remedy in _given(problem, "remedy")]
    call = status.get("officer_call")
    if isinstance(call, dict):
        answered = "acknowledged" if call.get("acknowledged") else "NOT ACKNOWLEDGED"
        lines.append(("officer call", f"{one_line(call.get('reason'))}, escalation {one_line(call.get('escalation'))}, {answered}"))
    lines += [(name.removesuffix("_s"), f"{one_line(status[name])} s") for name in ("since_s", "uptime_s") if name in status]
    return lines


def _entries(status: JsonObject, name: str) -> list[tuple[str, object]]:
    entries = status.get(name)
    return list(entries.items()) if isinstance(entries, dict) else []


def _freshness(region: str, trust: JsonObject) -> str:
    """One region's freshness with its countdown: "HK: stale (status_list_age), restricted in 11 h 2 min, closed in 2 d 9 h"."""
    cause = one_line(trust.get("cause"))
    parts = [f"{region}: {one_line(trust.get('state'))}{'' if cause in {'none', ''} else f' ({cause})'}"]
    restricted, closed = trust.get("restricted_in_s"), trust.get("closed_in_s")
    if isinstance(restricted, int) and restricted > 0 and restricted != closed:
        parts.append(f"restricted in {duration(restricted)}")
    if isinstance(closed, int) and closed > 0:
        parts.append(f"closed in {duration(closed)}")
    return ", ".join(parts)


def _given(fields: JsonObject, *names: str) -> list[str]:
    return [one_line(fields[name]) for name in names if fields.get(name)]


def _event_as_line(event: FeedEvent) -> str:
    if event.kind == "lagged":
        return f"({event.fields.get('missed')} events are no longer held in memory)"
    at = time.strftime("%H:%M:%S", time.localtime(event.at)) if event.at is not None else "--:--:--"
    shown = _brief(event.fields) if event.kind == "status" else {name: json.dumps(value) for name, value in event.fields.items()}
    fields = " ".join(f"{one_line(name)}={one_line(value)}" for name, value in shown.items())
    return f"{at} {one_line(event.kind)} {fields}".rstrip()


def _brief(status: JsonObject) -> JsonObject:
    """What of a status fits into a line: where the lane is, and what is not as it should be. The whole is told by --json."""
    known = {name: status[name] for name in ("state", "reason", "prompt", "occupancy") if status.get(name)}
    troubles = {name: device["state"] for name, device in _entries(status, "devices") if isinstance(device, dict) and device.get("state", "ready") != "ready"}
    call = status.get("officer_call")
    return known | dict(_entries(status, "doors")) | troubles | ({"officer_call": call.get("reason")} if isinstance(call, dict) else {})
