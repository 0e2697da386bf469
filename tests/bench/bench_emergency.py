"""From the emergency loop opening at the board to the doors' release written at the board: the real daemon over a line at its real speed.

    python tests/bench/bench_emergency.py [--repetitions 20] [--states ready identity_check ...] [--both] [--baud 19200] [--realtime] [--json FILE]

The controller is the ordinary daemon with its default poll interval, in a process of its own, with real drivers on wire simulators. The board (9600 baud unless told, replies as
late as on the line) runs in this process, so that both ends of the interval are read off one clock where they happen: the input changes between two requests, the
release is the frame that switches a door's relay. The simulator acts when the frame was written to the pseudo-terminal; the time the frame takes
on a line is added. Doors, counter, beams, faces and fingers are scripted, not walked: the lane is in each state for real, with its workers at
work (in identity_check the face is looked at). pass_check lasts some milliseconds: there the desk is held up (tests/plug/launcher.py).

The doors have the locks of the default configuration: the entry is fail-safe (opened by its coil off), the exit fail-secure.

By default the policy's: the entry opens and the exit is closed. --both: a policy that opens both; the later of the two counts.

On a machine that others use, --realtime runs daemon and board before all other programs: a gate has a machine of its own.

state                   a healthy bus; the change at a random moment of the poll
after a time-out        the change comes when a request has just gone unanswered: the quarantine is to be added

In emergency itself the doors are held open without a break.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

sys.path.insert(0, str(Path(__file__).parents[2]))

from gate_controller.control.client import GateClient
from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import GateError
from simulators.io_board.board import Board
from simulators.io_board.wire import WireBoard, line_time_s
from simulators.phone import Phone
from simulators.travellers.cast import Kind
from simulators.wiring import IDLE_INPUTS, Coil, Input
from tests.plug.site import AUDIENCE, Files, Site

BAUD = 9600
FRAME = 8
IN_TIME_S = 30.0
RELEASE_WITHIN_S = 5.0
BENCH = ("bench", "measuring")
"""Who switches maintenance, and why."""
REPLY_TIMEOUT_S, QUARANTINE_S = 0.2, 0.3
"""The driver's defaults (drivers/io_board/options.py)."""
OPENED_BY = {Coil.ENTRY_DOOR: False, Coil.EXIT_DOOR: True}
"""The level of its coil that opens a door: the entry is fail-safe, the exit fail-secure, as by default (drivers/io_board/options.py)."""
LOCKS = {door.name.lower(): "fail_secure" if opened_by else "fail_safe" for door, opened_by in OPENED_BY.items()}


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds."""

    state: str
    repetitions: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class TimedBoard(Board):
    """A board that notes when each door was written open or shut."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[float, Coil, bool]] = []

    def pulse(self, channel: int, units: int, now: float, *, on: bool = True) -> None:
        self._note(channel, on=on)
        super().pulse(channel, units, now, on=on)

    def write_coil(self, channel: int, on: bool) -> None:
        self._note(channel, on=on)
        super().write_coil(channel, on)

    def _note(self, channel: int, *, on: bool) -> None:
        if channel in OPENED_BY:
            self.written.append((time.monotonic(), Coil(channel), on is OPENED_BY[Coil(channel)]))


class Controlled(Protocol):
    """A daemon that runs."""

    client: GateClient

    def status(self) -> JsonObject | None:
        """The gate's status; None while it does not answer."""
        ...

    def stop(self, number: int) -> int:
        """Send a signal and wait for the end."""
        ...


class Lane:
    """The daemon and what it sees, scripted.

    Args:
        site: Cameras, fingerprint module, files.
        both: Whether the policy opens both doors.
        realtime: Whether daemon and board run before all other programs of the machine.
        devices: Other devices than the site's.
        biometrics: What else of the policy's biometrics.
        slow: Points at which a thread of the daemon is held up, and for how many seconds.
        start: Starts the daemon in another way than the site does.
        baud: Speed of the board's line.
    """

    def __init__(
        self,
        site: Site,
        *,
        both: bool,
        realtime: bool = False,
        devices: dict[str, Any] | None = None,
        biometrics: dict[str, Any] | None = None,
        slow: dict[str, float] | None = None,
        start: Callable[[Files], Controlled] | None = None,
        baud: int = BAUD,
    ) -> None:
        self.site = site
        self.doors = (Coil.ENTRY_DOOR, Coil.EXIT_DOOR) if both else (Coil.ENTRY_DOOR,)
        self.board, self.baud = TimedBoard(), baud
        link = site.directory / "board"
        self.wire = WireBoard(link, baud=baud, paced=True, board=self.board)
        self._thread = threading.Thread(target=self.wire.run, name="board", daemon=True)
        self._thread.start()
        if realtime:  # this process is the hardware: it waits for nobody, nor does any thread of it that may have the interpreter
            for thread in Path("/proc/self/task").iterdir():
                os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(3))
        long = dict.fromkeys(("entry_open_s", "entry_close_s", "exit_open_s", "clearing_s", "return_path_s", "identity_s"), 30.0) | {"door_open_s": 20.0}
        admission = {"attempts": 100, "attempts_within_s": 1.0}  # one pass, many crossings that end in the hall
        policy = {"admission": admission, "times": long, "emergency": {"emergency_opens_exit": both, "emergency_hold_s": 4.0}, "biometrics": biometrics or {}}
        board = {"io_board": {"port": str(link), "baud": baud, "reply_timeout_s": REPLY_TIMEOUT_S, "locks": LOCKS}}
        self.files = site.new_files({"devices": board | (devices or {}), "policy": policy})
        self.controller: Controlled = start(self.files) if start else site.start(self.files, armed=True, slow=slow or {}, realtime=realtime)
        self.member = site.member(Kind.GOOD)
        self.phone: Phone = self.member.phone._phone
        self.phone._refresh_s = 1
        assert self.phone.audience == AUDIENCE

    def close(self) -> None:
        self.controller.stop(9)
        self.wire.stop()
        self._thread.join()
        self.wire.close()

    # -- what the daemon sees ------------------------------------------------------------------------------------------------

    def set(self, **levels: bool) -> float:
        """Switch inputs; gives the time."""
        self.wire.handle("set", {"inputs": levels})
        return time.monotonic()

    def door(self, door: str, position: str) -> None:
        """Set a door's contacts: "closed" or "open"."""
        self.set(**{f"{door}_door_closed": position == "closed", f"{door}_door_open": position == "open"})

    def people(self, count: int) -> None:
        """Set the counter."""
        self.set(occupancy_zero=count == 0, occupancy_one=count == 1, occupancy_many=count > 1)

    def show_pass(self) -> None:
        """Hold up a presentation that nobody has used."""
        time.sleep(1.0)  # a phone of this bench signs every second
        self.site.lane.show_phone(self.phone.text_at(time.time()))

    def idle(self) -> None:
        """Nobody there, everything shut, the loop whole."""
        lane = self.site.lane
        lane.show_phone(None)
        lane.show_faces([])
        lane.set_finger(None)
        self.set(**{each.name.lower(): each in IDLE_INPUTS for each in Input})

    # -- the lane, brought into a state -----------------------------------------------------------------------------------------

    def until(self, state: str) -> None:
        """Wait for the daemon to be in this state."""
        self._wait(lambda: (self.controller.status() or {}).get("state") == state, state)

    def pulsed(self, door: Coil, since: float, within_s: float = IN_TIME_S) -> None:
        """Wait for a door to be written open."""
        self._wait(lambda: any(at >= since and coil is door and opened for at, coil, opened in list(self.board.written)), f"{door.name} opens", within_s)

    def to_entry_open(self) -> None:
        began = time.monotonic()
        self.show_pass()
        self.pulsed(Coil.ENTRY_DOOR, began)
        self.door("entry", "open")

    def to_identity_check(self) -> None:
        self.to_entry_open()
        self.site.lane.show_faces([self.member.face])
        self.people(1)
        self.door("entry", "closed")
        self.until("identity_check")

    def to_exit_open(self) -> None:
        self.to_identity_check()
        began = time.monotonic()
        self._wait(lambda: self._pressed_until(began), "the exit opens")
        self.door("exit", "open")

    def _pressed_until(self, began: float) -> bool:
        """Press the finger for a second and lift it; whether the exit has opened."""
        for finger in (self.member.finger, None):
            self.site.lane.set_finger(finger)
            with contextlib.suppress(TimeoutError):
                self.pulsed(Coil.EXIT_DOOR, began, 1.0)
                return True
        return False

    def to(self, state: str) -> None:
        """From ready to `state`."""
        match state:
            case "out_of_service":
                self.set(tamper_loop_closed=False)
            case "pass_check":
                self.show_pass()
            case "entry_open":
                self.to_entry_open()
            case "occupancy_check":
                self.to_entry_open()
                self.people(1)
            case "identity_check":
                self.to_identity_check()
            case "exit_open":
                self.to_exit_open()
            case "clearing":
                self.to_exit_open()
                self.set(exit_beam_clear=False)
                time.sleep(0.2)
                self.people(0)
                self.set(exit_beam_clear=True)
            case "return_path":
                self.to_entry_open()
                self.people(2)
            case "officer_referral":
                self.people(1)
            case "maintenance":
                self.controller.client.maintenance(True, *BENCH)
        self.until(state)

    def back(self) -> None:
        """Everybody out, re-armed, ready again."""
        self.idle()

        def ready() -> bool:
            status = self.controller.status() or {}
            if status.get("state") in {"emergency", "out_of_service"} and status.get("reason") != "starting":
                with contextlib.suppress(GateError):
                    if status.get("reason") == "maintenance":
                        self.controller.client.maintenance(False, *BENCH)
                    self.controller.client.officer("rearm", "bench", "")
            return status.get("state") == "ready"

        self._wait(ready, "ready")

    def released_after(self, began: float) -> float:
        """Seconds from `began` until every door that the policy releases was written open; the frame's time on the line included."""
        first: dict[Coil, float] = {}

        def all_released() -> bool:
            for at, coil, opened in list(self.board.written):
                if at >= began and opened and coil in self.doors:
                    first.setdefault(coil, at)
            return len(first) == len(self.doors)

        self._wait(all_released, "the release", RELEASE_WITHIN_S)
        return max(first.values()) - began + line_time_s(FRAME, self.baud)

    def _wait(self, reached: Callable[[], bool], what: str, within_s: float = IN_TIME_S) -> None:
        limit = time.monotonic() + within_s
        while not reached():
            if time.monotonic() > limit:
                msg = f"not in {within_s:g} s: {what}; the status is {self.controller.status()}"
                raise TimeoutError(msg)
            time.sleep(0.01)


def one(lane: Lane, state: str, rng: random.Random) -> float:
    """One emergency in this state; seconds to the release."""
    lane.back()
    lane.board.written.clear()
    lane.to(state)
    time.sleep(rng.uniform(0.0, 0.1))
    released = lane.released_after(lane.set(emergency_loop_closed=False))
    lane.back()
    return released


def one_after_timeout(lane: Lane, rng: random.Random) -> float:
    """One emergency in ready, when a request has just gone unanswered."""
    lane.back()
    time.sleep(rng.uniform(0.2, 0.3))
    before = lane.wire.handle("state", {})["unheard"]
    lane.wire.handle("fault", {"name": "silent", "times": 1})
    lane._wait(lambda: lane.wire.handle("state", {})["unheard"] > before, "a request is not heard")
    time.sleep(REPLY_TIMEOUT_S)
    return lane.released_after(lane.set(emergency_loop_closed=False))


STATES = (
    "out_of_service",
    "ready",
    "pass_check",
    "entry_open",
    "occupancy_check",
    "identity_check",
    "exit_open",
    "clearing",
    "return_path",
    "officer_referral",
    "maintenance",
)
AFTER_TIMEOUT = "after a time-out"


def row(state: str, seconds: list[float]) -> Row:
    """A line of the table."""
    times = sorted(1000 * each for each in seconds)

    def at(share: float) -> float:
        return round(times[math.ceil(len(times) * share) - 1], 1)  # the nearest rank

    return Row(state, len(times), round(statistics.median(times), 1), at(0.95), at(0.99), round(times[-1], 1))


def measure(states: list[str], repetitions: int, *, both: bool, realtime: bool, baud: int = BAUD) -> Iterator[tuple[str, list[float]]]:
    """Seconds to the release, state by state."""
    rng = random.Random(1)
    with Site() as site:
        lane = Lane(site, both=both, realtime=realtime, slow={"desk before VerifyPass": 0.3}, baud=baud)
        try:
            for state in states:
                act = (lambda: one_after_timeout(lane, rng)) if state == AFTER_TIMEOUT else (lambda state=state: one(lane, state, rng))
                yield state, [act() for _ in range(repetitions)]
        finally:
            lane.close()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="From the emergency loop to the doors' release")
    parser.add_argument("--repetitions", type=int, default=20, help="of each state")
    parser.add_argument("--states", nargs="+", choices=[*STATES, AFTER_TIMEOUT], default=[*STATES, AFTER_TIMEOUT])
    parser.add_argument("--both", action="store_true", help="a policy that opens both doors; else the default, which opens the entry")
    parser.add_argument("--baud", type=int, default=BAUD, choices=[9600, 19200, 38400, 57600, 115200], help="speed of the board's line (%(default)s)")
    parser.add_argument("--realtime", action="store_true", help="run daemon and board before all other programs (SCHED_RR): on a busy machine, as root")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    what = "both doors" if options.both else "the entry"
    print(f"{what} released, {options.baud} baud, ms from the loop's opening; the quarantine is {1000 * QUARANTINE_S:.0f} ms")
    print(f"{'state':<18}{'n':>5}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}")
    rows: list[Row] = []
    healthy: list[float] = []
    for state, seconds in measure(options.states, options.repetitions, both=options.both, realtime=options.realtime, baud=options.baud):
        rows.append(row(state, seconds))
        healthy += seconds if state != AFTER_TIMEOUT else []
        show(rows[-1])
    if healthy:
        rows.append(row("all, healthy bus", healthy))
        show(rows[-1])
    if options.json:
        figures: dict[str, Any] = {
            "baud": options.baud,
            "both": options.both,
            "realtime": options.realtime,
            "quarantine_ms": 1000 * QUARANTINE_S,
            "rows": [asdict(each) for each in rows],
        }
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def show(each: Row) -> None:
    """Print a line."""
    print(f"{each.state:<18}{each.repetitions:>5}{each.p50_ms:>8.1f}{each.p95_ms:>8.1f}{each.p99_ms:>8.1f}{each.max_ms:>8.1f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
