"""One worker thread for one blocking device: opens it, works, reports it lost, opens it again.

A worker decides nothing about the crossing: it carries out commands and posts events. Whatever goes wrong in it, a bug included, ends as
DeviceLost (INV-4), never as an answer.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from gate_controller.core import events as e
from gate_controller.core.commands import Command
from gate_controller.core.values import Device
from gate_controller.ports.clock import Clock
from gate_controller.ports.devices import OpenableDevice
from gate_controller.ports.errors import DeviceError, GateError
from gate_controller.runtime.errands import Errands, Turns
from gate_controller.runtime.options import RuntimeOptions

OPEN_WITHIN_S = 5.0
CHECK_MARGIN_S = 1.0
STEADY_S = 5.0
"""Only a device that worked for this long is opened again quickly when it is lost the next time."""
log = structlog.get_logger("gate.worker")


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """State of a device for status and journal. `state` is "starting", "ready" or "lost"."""

    device: Device
    state: str
    code: str = ""
    detail: str = ""
    remedy: str = ""


class Post(Protocol):
    """Hands an event (and, with it, a device's report) to the decision thread."""

    def __call__(self, event: e.Event, report: DeviceReport | None = None) -> None:
        """Never blocks."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every worker is given."""

    clock: Clock
    post: Post
    options: RuntimeOptions


def step_back() -> None:
    """Let this thread, and those it begins, compute as any other program does, not under the real-time policy of those that decide and move doors (sched(7)).

    Pictures keep a processor busy for longer than real time may: the kernel then holds back everything real-time on it, 50 ms a second
    (sched_rt_runtime_us), an emergency's doors among them. Every thread may leave the policy, under RestrictRealtime= too; where even this is forbidden, all go on as equals.
    """
    if os.sched_getscheduler(0) in {os.SCHED_RR, os.SCHED_FIFO}:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class DeviceWorker(threading.Thread):
    """Base of the device workers.

    Args:
        device: Which device.
        port: Its port.
        around: Clock, inbox, options.
    """

    urgent = False
    """Whether this thread comes before those that compute, where the process runs under a real-time policy."""

    def __init__(self, device: Device, port: OpenableDevice, around: Surroundings) -> None:
        super().__init__(name=device.value, daemon=True)
        self.device = device
        self.around = around
        self.clock = around.clock
        self.beat = around.clock.monotonic()
        self._port = port
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._is_open = False
        self._told_ready = False
        self._report_anew = threading.Event()
        self._told_lost = ""
        self._retry_s = around.options.retry_s[0]
        self._works_since: float | None = None
        self.errands = Errands()
        self.info: Mapping[str, str] = {}
        """What the device said of itself when it last became ready. Replaced as a whole, so any thread may look."""

    def submit(self, command: Command) -> None:
        """Queue a command for this device."""
        self._commands.put(command)

    def stop(self) -> None:
        """Ask the thread to end; `join()` waits for it."""
        self._stopping.set()

    def run(self) -> None:
        """The thread's body."""
        if not self.urgent:
            step_back()
        while not self._stopping.is_set():
            self.beat = self.clock.monotonic()
            try:
                if not self._is_open:
                    self._port.open(self.clock.monotonic() + OPEN_WITHIN_S)
                    self._is_open = True
                    self.opened()
                self.step()
                self.errands.turn()
            except GateError as error:
                self._lose(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, it ends as a lost device
                self._lose(DeviceError(f"{self.device.value}: {type(error).__name__} in the worker", "this is a bug: send a support bundle"), error)
        self.errands.fail(DeviceError("the controller is stopping", "ask again once it runs"))
        try:
            self.leave()
        except GateError as error:
            log.warning("device not left in order", device=self.device.value, code=getattr(error, "code", ""))
        finally:
            self._port.close()

    def examine(self) -> Turns:
        """The device's test, for an engineer (device_tests.py)."""
        raise NotImplementedError

    def opened(self) -> None:
        """The device was opened. It counts as ready only once it has done something: a silent device can be opened, too."""

    def step(self) -> None:
        """One piece of work; must return within about a second."""
        raise NotImplementedError

    def leave(self) -> None:
        """The last thing before the device is closed for good."""

    def ready(self) -> None:
        """The device has just worked; reported once."""
        now = self.clock.monotonic()
        if self._works_since is None:
            self._works_since = now
        if now >= self._works_since + STEADY_S:
            self._retry_s = self.around.options.retry_s[0]
        if not self._told_ready or self._report_anew.is_set():
            self._report_anew.clear()
            self._told_ready, self._told_lost = True, ""
            self.info = self._port.describe()
            self.around.post(e.DeviceReady(self.device), DeviceReport(self.device, "ready"))

    def check_limit(self, timeout_s: float) -> float:
        """Monotonic time at which a check that starts now must have answered: before the core, which started its time-out earlier, gives up."""
        return self.clock.monotonic() + max(timeout_s - CHECK_MARGIN_S, timeout_s / 2)

    def report_anew(self) -> None:
        """Report the device ready once more as soon as it works: the decision thread has taken it for lost. For any thread."""
        self._report_anew.set()

    def take(self, wait_s: float) -> Command | None:
        """The next command, or None after `wait_s`."""
        try:
            return self._commands.get(timeout=wait_s) if wait_s > 0 else self._commands.get_nowait()
        except queue.Empty:
            return None

    def lost(self) -> None:
        """The device was lost; a subclass may clean up."""

    def _lose(self, error: GateError, bug: Exception | None = None) -> None:
        self._port.close()
        self._is_open = self._told_ready = False
        self._works_since = None
        code = error.code if isinstance(error, DeviceError) else "store"
        if self._told_lost != code:
            self._told_lost = code
            self.around.post(e.DeviceLost(self.device, code), DeviceReport(self.device, "lost", code, error.what, error.remedy))
        self.lost()
        self.errands.fail(error)
        if bug is not None:
            log.error("worker failed", device=self.device.value, exc_info=bug)
        self._stopping.wait(self._retry_s)
        self._retry_s = min(self._retry_s * 2, self.around.options.retry_s[1])


Sender = Callable[[Command], None]
