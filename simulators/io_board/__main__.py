"""Command line of the simulated I/O board.

python -m simulators.io_board --link PATH --control SOCKET [--paced] [--baud 9600] [--unit 1]
                              [--watchdog-register ADDRESS] [--with-parent [PID]]
python -m simulators.io_board ctl SOCKET set entry_door_closed=false 1=true
python -m simulators.io_board ctl SOCKET register 0 2
python -m simulators.io_board ctl SOCKET fault late delay_ms=200 times=1
python -m simulators.io_board ctl SOCKET clear | power_cycle | state | watch
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulators.control import ControlClient, ControlError, ControlServer
from simulators.io_board.board import Board
from simulators.io_board.wire import SPEEDS, WireBoard
from simulators.process import ask, end_with_parent, pairs, run, whole


def main(arguments: Sequence[str]) -> int:
    """Run the simulator, or ask one something; the exit code."""
    if arguments[:1] == ["ctl"]:
        return _ctl(arguments[1:])
    parser = argparse.ArgumentParser(prog="python -m simulators.io_board", description="Simulated I/O board on a pseudo-terminal (or: ctl SOCKET ...)")
    parser.add_argument("--link", type=Path, required=True, help="symbolic link to make to the pseudo-terminal")
    parser.add_argument("--control", type=Path, required=True, help="control socket to make")
    parser.add_argument("--unit", type=whole(1, 247), default=1, help="Modbus address, 1 to 247")
    parser.add_argument("--baud", type=int, choices=sorted(SPEEDS), default=9600, help="speed of the line")
    parser.add_argument("--paced", action="store_true", help="replies take the time they would take on the line")
    parser.add_argument("--watchdog-register", type=whole(0, 65535), help="be a board without pulses and with a watchdog in this holding register")
    parser.add_argument("--with-parent", type=int, nargs="?", const=0, metavar="PID", help="end when the parent process ends")
    options = parser.parse_args(arguments)
    if options.with_parent is not None:
        end_with_parent(options.with_parent)
    server: list[ControlServer] = []

    def publish(event: dict[str, Any]) -> None:
        if server:
            server[0].publish(event)

    try:
        wire = WireBoard(
            options.link,
            unit=options.unit,
            baud=options.baud,
            paced=options.paced,
            board=Board(watchdog_register=options.watchdog_register),
            publish=publish,
        )
    except OSError as error:
        print(f"link {options.link}: {error.strerror}", file=sys.stderr)
        return 1
    wire.stop_on(signal.SIGTERM, signal.SIGINT)
    try:
        server.append(ControlServer(options.control, wire.handle))
        print(f"ready {options.link}", flush=True)
        wire.run()
    except ControlError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        for each in server:
            each.close()
        signal.set_wakeup_fd(-1)
        wire.close()
    return 0


def _ctl(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulators.io_board ctl", description="Ask a running simulator")
    parser.add_argument("socket", type=Path)
    parser.add_argument("verb", choices=["set", "register", "fault", "clear", "power_cycle", "state", "watch"])
    parser.add_argument("words", nargs="*", metavar="WORD", help="set NAME=LEVEL ...; register ADDRESS VALUE; fault NAME [FIELD=VALUE ...]")
    options = parser.parse_args(arguments)
    if options.verb == "watch":
        return _watch(options.socket)
    try:
        fields = _fields(options.verb, options.words)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return ask(options.socket, options.verb, fields)


def _watch(socket: Path) -> int:
    try:
        client = ControlClient(socket)
    except ControlError as error:
        print(error, file=sys.stderr)
        return 1
    for event in client.watch():
        print(json.dumps(event), flush=True)
    client.close()
    return 0


def _fields(verb: str, words: Sequence[str]) -> dict[str, Any]:
    match verb, words:
        case "set", [_, *_]:
            return {"inputs": pairs(words)}
        case "register", [address, value]:
            return {"address": int(address), "value": int(value)}
        case "fault", [name, *fields]:
            return {"name": name, **pairs(fields)}
        case "clear" | "power_cycle" | "state", []:
            return {}
        case _:
            msg = f"{verb}: these words do not fit; see --help"
            raise ValueError(msg)


if __name__ == "__main__":
    run(main)
