"""Drains a capture on a thread of its own and keeps the newest frame; opens the capture again whenever it ends.

Without it a consumer slower than the camera lags seconds behind (measured: 2.3 s at 100 ms a frame; 20 ms with it).
Holds no policy about who is waiting: opencv.py does.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from copy import copy

import cv2

from drivers.camera.capture import Capture, OpenCapture, wrong_size
from drivers.camera.options import CameraOptions
from drivers.camera.trust import FrameTrust
from gate_controller.ports.clock import Clock
from gate_controller.ports.devices import Frame
from gate_controller.ports.errors import DeviceAbsentError, DeviceError, DeviceProtocolError, DeviceTimeoutError, DeviceUntrustedError

_BROKEN_FRAMES = 3

Opener = Callable[[CameraOptions, Clock], OpenCapture]


class Drain(threading.Thread):
    """One opening of a camera, from start() to stop().

    Attributes:
        changed: Notified after every frame and every fault; guards the attributes below.
        newest: The newest frame that may be used, whatever its age by now.
        arrived: Frames read from the capture so far, used or not.
        fault: Why the capture does not run at the moment, None while it does.
        untrusted: Why frames that come must not be used, None while they may.
        settling: Whether `untrusted` may still be the camera's start: exposure not found, a buffer of the former opening.
        repeats: Frames in a row that repeated the one before.
        facts: What the capture said of itself.
    """

    def __init__(self, options: CameraOptions, opener: Opener, clock: Clock, sequence: itertools.count[int], trust: FrameTrust) -> None:
        super().__init__(name=f"camera {options.endpoint}", daemon=True)  # OpenCV may block in the kernel for ever
        self._options = options
        self._opener = opener
        self._clock = clock
        self._sequence = sequence
        self._stopping = threading.Event()
        self._trust = trust
        self._settle_s = min(options.frozen_after_s, options.dark_after_s)
        self.changed = threading.Condition()
        self.newest: Frame | None = None
        self.arrived = 0
        self.fault: DeviceError | None = None
        self.untrusted: DeviceUntrustedError | None = None
        self.settling = False
        self.repeats = 0
        self.facts: dict[str, str] = {}

    def stop(self, timeout_s: float) -> None:
        """Ask the thread to end and wait up to `timeout_s`. A thread stuck in the kernel lets go of the device when it comes back."""
        self._stopping.set()
        if self.is_alive():
            self.join(timeout_s)

    def trust(self) -> FrameTrust:
        """What is known of the frames, for the next opening: a copy, as a thread stuck in the kernel may yet judge a frame."""
        with self.changed:
            return copy(self._trust)

    def run(self) -> None:
        """Open, read until the capture ends, wait, again."""
        wait_s = self._options.reopen_min_s
        while not self._stopping.is_set():
            before = self.arrived
            try:
                self._run_once()
            except DeviceError as error:
                self._failed(error)
            except Exception as error:  # noqa: BLE001 - nothing OpenCV throws may end the thread; the port shows it as a fault
                self._failed(DeviceError(f"{self._options.endpoint}: {type(error).__name__} in OpenCV", "restart the service; report it if it stays"))
            wait_s = self._options.reopen_min_s if self.arrived > before else min(2 * wait_s, self._options.reopen_max_s)
            self._stopping.wait(wait_s)

    def _run_once(self) -> None:
        opened = self._opener(self._options, self._clock)
        try:
            with self.changed:
                self.facts = opened.facts
            self._read_to_the_end(opened.capture)
        finally:
            opened.capture.release()

    def _read_to_the_end(self, capture: Capture) -> None:
        opened_at = self._clock.monotonic()
        frames = misses = 0
        while not self._stopping.is_set():
            asked_at = self._clock.monotonic()
            try:
                ok, image = capture.read()
            except cv2.error:
                ok, image = False, None
            now = self._clock.monotonic()
            if not ok or image is None:
                misses += 1
                timed_out = now - asked_at >= 0.9 * self._options.read_timeout_s
                # A stream that once said False never recovers. A device that did may only have sent a broken JPEG, which
                # many do first after every start: opening it again at once would never end.
                if self._options.is_url or timed_out or misses > _BROKEN_FRAMES:
                    raise self._why_it_ended(frames, timed_out)
                continue
            frames += 1
            misses = 0
            size_fault = None if image.shape == (self._options.height, self._options.width, 3) else wrong_size(self._options, *image.shape[1::-1])
            with self.changed:
                verdict = self._trust.judge(image, now)
                untrusted = size_fault or verdict.fault
                self.arrived += 1
                self.repeats = 0 if verdict.new else self.repeats + 1
                self.fault = None
                self.untrusted = untrusted
                self.settling = size_fault is None and untrusted is not None and now - opened_at < self._settle_s
                if untrusted is not None:
                    self.newest = None
                elif verdict.new:  # a repeated frame is not a fresh one: the last real one goes stale meanwhile
                    self.newest = Frame(image, now, next(self._sequence))
                self.changed.notify_all()
            if untrusted is not None and not verdict.new and now - opened_at >= self._options.frozen_after_s:
                return  # an unplugged camera may repeat its last frame for ever: only opening it again shows that it is gone

    def _why_it_ended(self, frames: int, timed_out: bool) -> DeviceError:
        where = self._options.endpoint
        if timed_out:
            return DeviceTimeoutError(f"{where}: no frame for {self._options.read_timeout_s:g} s", "look at the camera's cable and power")
        if frames == 0:
            return DeviceProtocolError(f"{where} sends nothing that decodes to frames", "look at the camera's cable; is fourcc right?")
        return DeviceAbsentError(f"{where}: the stream ended", "look at the camera's cable and power")

    def _failed(self, error: DeviceError) -> None:
        with self.changed:
            self.fault = error
            self.changed.notify_all()
