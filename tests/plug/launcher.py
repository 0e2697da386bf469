"""Runs the real daemon and pulls its plug: SIGKILL at a named point. Test-only; the product knows nothing of it.

    python -m tests.plug.launcher        orders as JSON lines on standard input, one controller at a time

An order is `{"config": PATH, "log": PATH, "trail": PATH, "die_at": POINT or null, "armed": BOOL, "slow": {POINT: SECONDS}, "realtime": BOOL}`. The answer is the controller's process id, and,
when it has ended, its wait status: two lines. Everything is imported once and each controller is forked from here, so a restart costs half a second.

A *point* is a moment in the program, named by what happens there and by how often it has happened since the crossing began:

    enter STATE            the core has decided to go there; none of its commands was handed on yet
    before/after COMMAND   the decision thread hands a command on
    io|desk|finger|face before/after COMMAND    a worker carries it out
    io sent COIL           the frame that switches a door or the call is on the line; its answer has not been read
    desk claimed           the presentation is used up; the admission is not in the journal yet

At a point named in `slow` (without its number) the thread is held up each time. Points are counted once a crossing is under way (`armed`: from the start on). Each is written to the trail as it passes, so that the points of
one whole run are what the other runs are killed at. Does not judge anything.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import itertools
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gate_controller import daemon
from gate_controller.composition.registry import load_drivers
from gate_controller.core import commands as c
from gate_controller.core.machine import Controller
from gate_controller.passes.replay import SqliteReplayMemory
from gate_controller.runtime.desk import Desk
from gate_controller.runtime.face_worker import FaceWorker
from gate_controller.runtime.fingerprint_worker import FingerprintWorker
from gate_controller.runtime.gate import Gate
from gate_controller.runtime.io_worker import IoWorker
from gate_controller.runtime.trace import Trace

from drivers.io_board.board import ModbusIoBoard  # isort: skip
from drivers.io_board.line import ModbusLine  # isort: skip
from drivers.io_board.transport import DeadlineClient  # isort: skip

_PR_SET_PDEATHSIG = 1
DOOR_AND_CALL = {0: "entry_door off", 1: "exit_door off", 0x200: "entry_door pulse", 0x201: "exit_door pulse", 5: "officer_call"}
"""Coil addresses of the simulated lane (simulators/wiring.py); 0x200 on are the board's timed pulses."""
DETAILS = ("door", "lamp", "on", "prompt", "modality", "reason", "escalation", "emergency")


class Plug:
    """Counts points and pulls the plug at one of them.

    Args:
        trail: Where every point is written; None for nowhere.
        die_at: The point to die at.
        armed: Whether points count before a crossing has begun.
        slow: Seconds to hold a thread up, by point without its number.
    """

    def __init__(self, trail: Path | None, die_at: str | None, armed: bool, slow: dict[str, float]) -> None:
        self._trail = os.open(trail, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if trail is not None else -1
        self._die_at = die_at
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._slow = slow
        self.armed = armed
        self.state = "out_of_service"

    def point(self, what: str, batch: int | None = None) -> None:
        """The program is at this point. Returns unless it is the one to die at."""
        if not self.armed:
            return
        with self._lock:
            self._counts[what] += 1
            name = f"{what} #{self._counts[what]}"
            hit = name == self._die_at
            line = {"point": name, "state": self.state, "batch": batch, "killed": hit, "at": time.monotonic()}
            os.write(self._trail, json.dumps(line).encode() + b"\n")
            if hit:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)  # the other threads die, too; this one goes no further
        if what in self._slow:
            time.sleep(self._slow[what])

    def around(self, owner: type, method: str, name: Callable[..., str | None]) -> None:
        """Make points before and after each call of a method; `name` says what it does, None for no point."""
        inner = getattr(owner, method)

        def wrapped(instance: Any, *arguments: Any, **more: Any) -> Any:
            what = name(*arguments)
            if what is None:
                return inner(instance, *arguments, **more)
            worker, _, command = what.partition(" ")
            self.point(f"{worker} before {command}")
            answer = inner(instance, *arguments, **more)
            self.point(f"{worker} after {command}")
            return answer

        setattr(owner, method, wrapped)


def text_of(command: object) -> str:
    """A command with what tells it from others of its kind."""
    if isinstance(command, c.NoteEvent):
        return f"NoteEvent {command.kind}"
    if isinstance(command, c.RecordCrossing):
        return f"RecordCrossing {command.record.outcome.value}"
    found = [getattr(command, name) for name in DETAILS if getattr(command, name, None) not in {None, False}]
    return " ".join([type(command).__name__, *(str(getattr(each, "code", getattr(each, "value", each))) for each in found)])


def install(plug: Plug) -> None:
    """Wrap the decision thread, the workers, the stores and the line of this process."""
    _decisions(plug)
    for owner, method, what in (
        (FingerprintWorker, "_prepare", "finger PrepareBiometrics"),
        (FingerprintWorker, "_finish", "finger CheckEnded"),
        (FingerprintWorker, "_end", "finger EndBiometrics"),
        (FaceWorker, "_begin", "face StartCheck"),
        (FaceWorker, "_finish", "face CheckEnded"),
        (FaceWorker, "_finish_pad", "face PadEnded"),
        (FaceWorker, "_end", "face EndBiometrics"),
    ):
        plug.around(owner, method, lambda *_arguments, what=what: what)
    plug.around(IoWorker, "_obey", lambda command: f"io {text_of(command)}")
    plug.around(ModbusIoBoard, "set_lamp", lambda lamp, on, _deadline: f"io SetLamp {lamp.value} {'on' if on else 'off'}")
    plug.around(ModbusIoBoard, "set_officer_call", lambda on, _deadline: f"io {'CallOfficer' if on else 'EndOfficerCall'}")
    plug.around(Desk, "_obey", lambda command: "desk Trace" if isinstance(command, Trace) else f"desk {text_of(command)}")
    claim = SqliteReplayMemory.claim

    def claimed(memory: SqliteReplayMemory, *arguments: Any) -> bool:
        answer = claim(memory, *arguments)
        plug.point("desk claimed")
        return answer

    SqliteReplayMemory.claim = claimed  # type: ignore[method-assign]
    _line(plug)


def _decisions(plug: Plug) -> None:
    handle, dispatch, batches, batch = Controller.handle, Gate._dispatch, itertools.count(1), [0]

    def handled(controller: Controller, event: Any, now: float) -> list[c.Command]:
        before = controller.state
        commands = handle(controller, event, now)
        plug.armed |= controller.crossing_id is not None or any(isinstance(command, c.RecordCrossing) for command in commands)
        plug.state = controller.state.value
        batch[0] = next(batches)
        if controller.state is not before:
            plug.point(f"enter {plug.state}", batch[0])
        return commands

    def dispatched(gate: Gate, command: c.Command) -> None:
        plug.point(f"before {text_of(command)}", batch[0])
        dispatch(gate, command)
        plug.point(f"after {text_of(command)}", batch[0])

    Controller.handle = handled  # type: ignore[method-assign]
    Gate._dispatch = dispatched  # type: ignore[method-assign]


def _line(plug: Plug) -> None:
    write, send, coil = ModbusLine.write_coil, DeadlineClient.send, [""]  # one thread has the board

    def written(line: ModbusLine, address: int, value: int, deadline: float) -> None:
        coil[0] = DOOR_AND_CALL.get(address, "")
        try:
            write(line, address, value, deadline)
        finally:
            coil[0] = ""

    def sent(client: DeadlineClient, *arguments: Any, **more: Any) -> int:
        count = send(client, *arguments, **more)
        if coil[0]:
            plug.point(f"io sent {coil[0]}")
        return count

    ModbusLine.write_coil = written  # type: ignore[method-assign]
    DeadlineClient.send = sent  # type: ignore[method-assign]


def live(order: dict[str, Any]) -> int:
    """Be one controller, in a child of the launcher."""
    _die_with_parent()
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, number)
    if order["realtime"]:
        _before_other_programs()
    if order["trail"] is not None:
        install(Plug(Path(order["trail"]), order["die_at"], order["armed"], order["slow"]))
    return daemon.main(["--config", order["config"]])


def _before_other_programs() -> None:
    """As the unit starts it (CPUSchedulingPolicy=, CPUSchedulingPriority=, Nice=, CPUWeight= in systemd/gate-controller.service)."""
    os.setpriority(os.PRIO_PROCESS, 0, -15)
    with contextlib.suppress(FileNotFoundError):  # the weight among groups: where no control group has one, the session is the group (sched(7))
        Path("/proc/self/autogroup").write_text("-15")
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main() -> int:
    """Serve orders until standard input ends."""
    _die_with_parent()
    registry = load_drivers()
    for name in ("camera.opencv", "fingerprint.zhiantec", "io_board.modbus", "face.sface", "qr.zxing"):
        registry[name]
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = daemon.EXIT_BUG
            try:
                code = live(json.loads(line))
            finally:
                os._exit(code)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
