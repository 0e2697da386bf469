"""Command line of the simulated camera.

python -m simulators.camera --control SOCKET [--port 0] [--fps 15] [--width 1280] [--height 720] [--seed 0] [--with-parent [PID]]
python -m simulators.camera ctl SOCKET scene empty | phone text=... [tilt_deg=20 ...] | face person=person01 [picture=print]
python -m simulators.camera ctl SOCKET fault black | freeze | stall | slow | drop | corrupt | damage | refuse
python -m simulators.camera ctl SOCKET clear | state
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from simulators.camera.server import FAULTS, MjpegCamera
from simulators.control import ControlError, ControlServer
from simulators.process import EndSignal, ask, decimal, end_with_parent, pairs, run, whole


def main(arguments: Sequence[str]) -> int:
    """Run the simulator, or ask a running one something; the exit code."""
    if arguments[:1] == ["ctl"]:
        return _ctl(arguments[1:])
    parser = argparse.ArgumentParser(prog="python -m simulators.camera", description="Simulated camera: MJPEG on the loopback (or: ctl SOCKET ...)")
    parser.add_argument("--control", type=Path, required=True, help="control socket to make")
    parser.add_argument("--port", type=whole(0, 65535), default=0, help="TCP port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--fps", type=decimal(1, 60), default=15.0, help="frames a second, 1 to 60")
    parser.add_argument("--width", type=whole(16, 4096), default=1280, help="pixels, 16 to 4096")
    parser.add_argument("--height", type=whole(16, 4096), default=720, help="pixels, 16 to 4096")
    parser.add_argument("--seed", type=whole(0, 2**32 - 1), default=0, help="of the noise")
    parser.add_argument("--with-parent", type=int, nargs="?", const=0, metavar="PID", help="end when the parent process ends")
    options = parser.parse_args(arguments)
    if options.with_parent is not None:
        end_with_parent(options.with_parent)
    with EndSignal() as ended:
        return _serve(options, ended)


def _serve(options: argparse.Namespace, ended: EndSignal) -> int:
    cv2.setNumThreads(1)  # a simulator leaves the other cores to what it is used to test
    try:
        camera = MjpegCamera(options.port, options.fps, options.width, options.height, options.seed)
    except OSError as error:
        print(f"cannot serve on port {options.port}: {error.strerror}", file=sys.stderr)
        return 1
    try:
        control = ControlServer(options.control, camera.handle)
    except ControlError as error:
        camera.close()
        print(error, file=sys.stderr)
        return 1
    print(f"ready {camera.url}", flush=True)
    try:
        ended.wait()
    finally:
        control.close()
        camera.close()
    return 0


def _ctl(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulators.camera ctl", description="Ask a running simulator")
    parser.add_argument("socket", type=Path)
    parser.add_argument("verb", choices=["scene", "fault", "clear", "state"])
    parser.add_argument("words", nargs="*", metavar="WORD", help=f"scene KIND [FIELD=VALUE ...]; fault {' | '.join(FAULTS)}")
    options = parser.parse_args(arguments)
    try:
        fields = _fields(options.verb, options.words)
    except ValueError as error:
        parser.error(str(error))
    return ask(options.socket, options.verb, fields)


def _fields(verb: str, words: Sequence[str]) -> dict[str, Any]:
    match verb, words:
        case "scene", [kind, *fields]:
            # Texts and names stay texts, whatever they look like.
            texts = {name: str(text) for name, _, text in (word.partition("=") for word in fields) if name in {"text", "person", "picture", "second"}}
            return {"kind": kind, **pairs(fields), **texts}
        case "fault", [name]:
            return {"name": name}
        case (("clear" | "state"), []):
            return {}
        case _:
            msg = f"{verb}: these words do not fit"
            raise ValueError(msg)


if __name__ == "__main__":
    run(main)
