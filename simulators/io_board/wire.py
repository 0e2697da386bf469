"""The simulated board on a pseudo-terminal: Modbus RTU in, Modbus RTU out, with a control socket's verbs beside it.

The pseudo-terminal's own speed setting is compared with the board's: a client at another speed hears nothing, as on
a real line. Unpaced, a reply leaves at once; paced, it leaves when request, turnaround and reply would have passed the
line, and a request without the silence owed before it is not heard. Does not model line noise by itself, collisions,
nor the 1-16 ms that USB adapters add.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import signal
import termios
import threading
import time
import tty
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulators.io_board import rtu
from simulators.io_board.board import Board
from simulators.io_board.faults import Faults
from simulators.link import check_link, make_link, remove_link
from simulators.wiring import IDLE_INPUTS, Coil, Input, channel_of

SILENCE_S = 0.05
"""A pause after which an unfinished request is forgotten. On a line it is 3.5 characters; a program's writes are less steady."""

SPEEDS = {9600: termios.B9600, 19200: termios.B19200, 38400: termios.B38400, 57600: termios.B57600, 115200: termios.B115200}


def line_time_s(characters: float, baud: int) -> float:
    """Seconds that `characters` of 8N1 (10 bits) take on the line."""
    return characters * 10 / baud


def turnaround_s(baud: int) -> float:
    """The silence between two frames: 3.5 characters, 1.75 ms above 19200 baud (Serial Line V1.02, 2.5.1.1)."""
    return 0.00175 if baud > 19200 else line_time_s(3.5, baud)


class WireBoard:
    """One board behind one pseudo-terminal.

    Args:
        link: Symbolic link that will point to the pseudo-terminal; that of a dead simulator is replaced.
        unit: Modbus address of the board, 1..247.
        baud: Speed of the line.
        paced: Whether replies take the time they would take on the line.
        board: The board itself; its inputs start as those of an idle lane.
        publish: Called with each event for the control socket's watchers.

    Raises:
        OSError: The link cannot be made; see link.check_link.
        ValueError: A speed that pseudo-terminals do not know.
    """

    def __init__(
        self,
        link: Path,
        *,
        unit: int = 1,
        baud: int = 9600,
        paced: bool = False,
        board: Board | None = None,
        publish: Callable[[dict[str, Any]], None] = lambda _event: None,
    ) -> None:
        if baud not in SPEEDS:
            msg = f"baud {baud} is not one of {', '.join(map(str, SPEEDS))}"
            raise ValueError(msg)
        check_link(link)
        self.board = board or Board()
        self.board.on_coil = lambda channel, on: publish({"event": "coil", "channel": channel, "on": on})
        for channel in IDLE_INPUTS:
            self.board.set_input(channel, level=True)
        self._link = link
        self._unit = unit
        self._baud = baud
        self._paced = paced
        self._publish = publish
        self._faults = Faults()
        self._lock = threading.Lock()
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._running = True
        self._received_at = 0.0
        self._sent_at = 0.0
        self._forget()
        self._master = self._slave = -1
        self._node = ""
        self._plug()

    def run(self) -> None:
        """Serve until `stop()`."""
        while self._running:
            with self._lock:
                ports = [self._wake] + ([self._master] if self._master >= 0 else [])
                timeout = self._until_next(time.monotonic())
            ready, _, _ = select.select(ports, [], [], timeout)
            if self._wake in ready:
                os.read(self._wake, 512)
            with self._lock:
                now = time.monotonic()
                self.board.advance(now)
                if self._master in ready:
                    self._receive(now)
                if self._received and now - self._received_at >= SILENCE_S:
                    self._end_of_frame(now)
                self._send_due(now)

    def stop_on(self, *numbers: signal.Signals) -> None:
        """End `run()` when one of the signals comes. Main thread only."""
        # A signal may be taken by another thread, or just before select(): only a byte in the pipe wakes it for certain.
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: self.stop())

    def stop(self) -> None:
        """End `run()`, from any thread or signal handler."""
        self._running = False
        self._wake_up()

    def close(self) -> None:
        """Remove the pseudo-terminal and its link, after `run()` ended."""
        self._unplug()
        os.close(self._wake)
        os.close(self._waker)

    def handle(self, verb: str, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request of the control socket: set, register, fault, clear, power_cycle, state.

        `state` counts requests, replies and frames not heard as requests, and lists the recent requests as (function, address), oldest first.

        Raises:
            ValueError: An unknown verb, channel, register or fault.
        """
        with self._lock:
            try:
                return self._handle(verb, request)
            finally:
                self._wake_up()

    def _wake_up(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it wakes up anyway
            os.write(self._waker, b"\0")

    def _handle(self, verb: str, request: dict[str, Any]) -> dict[str, Any]:
        match verb:
            case "set":
                levels = {channel_of(name): _boolean(level) for name, level in request["inputs"].items()}
                for channel, level in levels.items():
                    self.board.set_input(channel, level)
            case "register":
                self.board.set_register(int(request["address"]), int(request["value"]))
            case "fault":
                self._begin_fault(request["name"], {key: value for key, value in request.items() if key not in {"do", "name"}})
            case "clear":
                self._faults.clear()
                self.board.free_inputs()
                self._send_held()
                if self._master < 0:
                    self._plug()
            case "power_cycle":
                self.board.power_cycle()
                self._forget()
            case "state":
                return self._state()
            case _:
                msg = f"no verb {verb!r}; verbs are set, register, fault, clear, power_cycle, state, watch"
                raise ValueError(msg)
        return {}

    def _forget(self) -> None:
        self._received = b""
        self._due: list[tuple[float, int, bytes, bool]] = []
        self._held = b""
        self._requests = self._unheard = self._replies = 0
        self._recent: deque[tuple[int, int]] = deque(maxlen=16)

    def _state(self) -> dict[str, Any]:
        return {
            "inputs": {each.name.lower(): self.board.inputs[each] for each in Input},
            "coils": {each.name.lower(): self.board.coils[each] for each in Coil},
            "registers": list(self.board.registers),
            "watchdog_ms": self.board.watchdog_ms,
            "faults": self._faults.names,
            "requests": self._requests,
            "replies": self._replies,
            "unheard": self._unheard,
            "recent": list(self._recent),
        }

    def _begin_fault(self, name: str, fields: dict[str, Any]) -> None:
        self._faults.arm(name, fields)
        match name:
            case "stuck_input":
                value = fields.get("value")
                self.board.stick_input(channel_of(str(fields["channel"])), None if value is None else _boolean(value))
            case "noise":
                self._faults.use(name)
                self._write(bytes.fromhex(fields["hex"]))
            case "unplugged":
                self._unplug()

    def _plug(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._node = os.ttyname(self._slave)
        try:
            make_link(self._link, self._node)
        except OSError:
            self._hang_up()
            raise

    def _unplug(self) -> None:
        if self._master < 0:
            return
        remove_link(self._link, self._node)
        self._hang_up()
        self._received = self._held = b""
        self._due.clear()

    def _hang_up(self) -> None:
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1

    def _until_next(self, now: float) -> float | None:
        times = [due for due, *_ in self._due[:1]]
        if self._received:
            times.append(self._received_at + SILENCE_S)
        change = self.board.next_change()
        if change is not None:
            times.append(change)
        return max(0.0, min(times) - now) if times else None

    def _receive(self, now: float) -> None:
        try:
            self._received += os.read(self._master, 512)
        except BlockingIOError:
            return
        self._received_at = now
        length = rtu.request_length(self._received)
        if length is not None and len(self._received) >= length:
            self._end_of_frame(now)

    def _end_of_frame(self, now: float) -> None:
        received, self._received = self._received, b""
        if not self._is_for_this_board(received) or self._faults.use("silent") is not None:
            self._unheard += 1
            return
        unit, pdu = received[0], received[1:-2]
        self._requests += 1
        self._recent.append((pdu[0], int.from_bytes(pdu[1:3], "big")))
        self.board.hear(now)
        self._send_held()
        refusal = self._faults.use("exception")
        reply = rtu.answer(self.board, pdu, now) if refusal is None else rtu.exception(pdu[0], int(refusal.get("code", 4)))
        if unit != 0:
            self._reply(reply, len(received), now)

    def _is_for_this_board(self, received: bytes) -> bool:
        owed = turnaround_s(self._baud) if self._paced else 0.0
        return (
            self._received_at - self._sent_at >= owed
            and termios.tcgetattr(self._master)[5] == SPEEDS[self._baud]
            and rtu.is_intact(received)
            and received[0] in (0, self._unit)
        )

    def _reply(self, pdu: bytes, request_length: int, now: float) -> None:
        if self._faults.use("drop_one") is not None:
            return
        data = rtu.frame(self._unit + 1 if self._faults.use("wrong_unit") is not None else self._unit, pdu)
        if self._faults.use("crc") is not None:
            data = data[:-1] + bytes([data[-1] ^ 0x10])
        if self._faults.use("short") is not None:
            data = data[: len(data) // 2]
        late = self._faults.use("late")
        if late is not None and late.get("until_request"):
            self._held = data
            return
        due = now + (0.0 if late is None else float(late["delay_ms"]) / 1000)
        if self._paced:
            due += line_time_s(request_length + len(data), self._baud) + turnaround_s(self._baud)
        heapq.heappush(self._due, (due, self._requests, data, late is not None))
        self._send_due(now)

    def _send_held(self) -> None:
        if self._held:
            self._write(self._held)
            self._held = b""

    def _send_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            _, _, data, was_late = heapq.heappop(self._due)
            self._write(data)
            if was_late:
                self._publish({"event": "late_reply"})

    def _write(self, data: bytes) -> None:
        if self._master < 0:
            return
        self._sent_at = time.monotonic()  # before the write: the other side may be faster than this one
        # A full buffer means nobody reads; a line does not wait for a listener either.
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, data)
        self._replies += 1


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        msg = f"a level is true or false, not {value!r}"
        raise ValueError(msg)  # noqa: TRY004 -- the control socket answers a ValueError with its text
    return value
