"""Command line of the simulated fingerprint module.

python -m simulators.fingerprint --family r503 --link PATH --control SOCKET [--paced] [--with-parent [PID]]
python -m simulators.fingerprint ctl SOCKET place FINGER | remove | fault NAME [KEY=NUMBER...] | fault list | clear | reset | state
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from gate_controller.ports.devices import Family
from simulators.control import ControlError, ControlServer
from simulators.fingerprint.faults import FAULTS
from simulators.fingerprint.module import Module
from simulators.fingerprint.wire import WireSimulator
from simulators.process import ask, decimal, end_with_parent, pairs, run, whole


def main(arguments: list[str]) -> int:
    """Run the simulator, or send it one request; returns the exit code."""
    return _control(arguments[1:]) if arguments[:1] == ["ctl"] else _serve(arguments)


def _serve(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulators.fingerprint", description="A simulated fingerprint module on a pseudo-terminal.")
    parser.add_argument("--family", choices=[family.value for family in Family], required=True)
    parser.add_argument("--link", type=Path, required=True, help="symlink to the pseudo-terminal")
    parser.add_argument("--control", type=Path, required=True, help="control socket")
    parser.add_argument("--paced", action="store_true", help="bytes take as long as on a real line")
    parser.add_argument("--with-parent", type=int, nargs="?", const=0, metavar="PID", help="end when the parent process does")
    parser.add_argument("--baud", type=int, default=57600, choices=[9600 * n for n in range(1, 13)], metavar="9600*N", help="baud rate in flash")
    parser.add_argument("--password", type=whole(0, 2**32 - 1), default=0, help="password in flash")
    parser.add_argument("--imaging-s", type=decimal(0, 60), default=0.0, metavar="S", help="how long imaging a finger takes")
    parser.add_argument("--extraction-s", type=decimal(0, 60), default=0.0, metavar="S", help="how long making features of an image takes")
    parser.add_argument("--seed", type=whole(0, 2**32 - 1), default=0, help="seeds noise and faults")
    options = parser.parse_args(arguments)
    if options.with_parent is not None:
        end_with_parent(options.with_parent)
    module = Module(
        Family(options.family),
        seed=options.seed,
        baud=options.baud,
        password=options.password,
        imaging_s=options.imaging_s,
        extraction_s=options.extraction_s,
    )
    try:
        simulator = WireSimulator(module, options.link, paced=options.paced)
    except OSError as error:
        print(f"link {options.link}: {error.strerror}", file=sys.stderr)
        return 1
    try:
        return _run(simulator, options.link, options.control)
    finally:
        signal.set_wakeup_fd(-1)
        simulator.close()


def _run(simulator: WireSimulator, link: Path, control: Path) -> int:
    signal.set_wakeup_fd(simulator.wake_descriptor, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: simulator.stop())
    try:
        server = ControlServer(control, simulator.control)
    except ControlError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        print(f"ready {link}", flush=True)
        simulator.run()
    finally:
        server.close()
    return 0


def _control(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulators.fingerprint ctl")
    parser.add_argument("socket", type=Path)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("place").add_argument("finger")
    fault = verbs.add_parser("fault")
    fault.add_argument("name", help='a fault, or "list"')
    fault.add_argument("parameters", nargs="*", metavar="KEY=NUMBER")
    for verb in ("remove", "clear", "reset", "state"):
        verbs.add_parser(verb)
    options = parser.parse_args(arguments)
    if options.verb == "place":
        return ask(options.socket, "place", {"finger": options.finger})
    if options.verb != "fault":
        return ask(options.socket, options.verb, {})
    if options.name == "list":
        for name, what in FAULTS.items():
            print(f"{name:21} {what}")
        return 0
    try:
        return ask(options.socket, "fault", pairs(options.parameters) | {"name": options.name})
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    run(main)
