"""What `--watch` and `--follow` share: the daemon's events, going on over its restarts, for as long as somebody reads.

Prints no event; knows no kind of event but those of the connection itself.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from gate_controller.control.client import DaemonUnreachableError, FeedEvent, GateClient

AGAIN_S = 1.0


def follow(socket_path: Path, after: int | None = None) -> Iterator[FeedEvent]:
    """Events until interrupted; a daemon that goes is waited for, for whoever watches one that crashes wants to see it come back.

    Args:
        socket_path: The control socket.
        after: As GateClient.events(); of a daemon that is back, what was told already is left out.

    Raises:
        DaemonUnreachableError: There is none at the beginning.
        BrokenPipeError: Nobody reads any more.
    """
    client, run, newest, connected, away = GateClient(socket_path), None, 0, False, False
    while True:
        try:
            with client.events(after, heartbeats=True) as stream:
                connected = True
                for event in stream:
                    if away:
                        click.echo("gatectl: the gate controller answers again", err=True)
                        away = False
                    if event.kind == "heartbeat":
                        _ask_for_readers()
                        continue
                    if event.kind == "connected" and event.fields.get("run") != run:
                        run, newest = event.fields.get("run"), 0
                    if after is not None and event.sequence is not None:
                        if event.sequence <= newest:
                            continue
                        newest = event.sequence
                    yield event
        except DaemonUnreachableError as error:
            if not connected:
                raise
            if not away:
                click.echo(f"gatectl: {error.what}; trying again", err=True)
            away = True
            pause(AGAIN_S)


def pause(seconds: float) -> None:
    """Wait before the next try; tests do not."""
    time.sleep(seconds)


def _ask_for_readers() -> None:
    """A pipe that nobody reads any more is else noticed at the next event only, which on an idle lane may be hours away."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    asked = select.poll()
    asked.register(descriptor, 0)
    if any(found & select.POLLERR for _, found in asked.poll(0)):
        raise BrokenPipeError
