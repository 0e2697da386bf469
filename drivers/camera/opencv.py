"""The Camera port over OpenCV 5's VideoCapture: V4L2 devices and network streams.

A frame's stamp is when it reached this process, not when the sensor saw it: what the camera or the kernel holds back is
not known here. A JPEG that is damaged but still decodes (cut short, bits flipped) comes as a frame, because OpenCV says
nothing about it; one that does not decode is a fault. Controls no exposure and no focus.
"""

from __future__ import annotations

import itertools

from drivers.camera.capture import open_capture
from drivers.camera.drain import Drain, Opener
from drivers.camera.options import CameraOptions
from drivers.camera.trust import FrameTrust, frozen
from gate_controller.ports.clock import Clock
from gate_controller.ports.devices import Frame
from gate_controller.ports.errors import DeviceAbsentError, DeviceError, DeviceTimeoutError, DeviceUntrustedError

_JOIN_MARGIN_S = 0.5
_REPEATS = 3
"""So many repeats in a row are no chance: a camera that lengthens its exposure in the dark gives each frame out two or three times."""


class OpenCvCamera:
    """Implements ports.devices.Camera. Several threads may wait in `frame()`; `open()` and `close()` belong to one.

    Args:
        options: Which camera, and its limits.
        clock: Stamps frames and judges deadlines; waiting itself takes real time.
        opener: Makes the capture; tests hand in their own.
    """

    def __init__(self, options: CameraOptions, clock: Clock, opener: Opener = open_capture) -> None:
        self._options = options
        self._clock = clock
        self._opener = opener
        self._sequence = itertools.count(1)  # goes on over reopenings: a sequence never repeats
        self._trust = FrameTrust(options)  # goes on over reopenings too: closing must not wash a frozen camera clean
        self._drain: Drain | None = None

    def open(self, deadline: float) -> None:
        """Start the drain and wait for its first frame; see OpenableDevice.

        After a success the camera reopens itself for as long as it is not closed; after an error it is closed. A camera that was
        closed frozen or dark opens only once its picture has changed or light came, for which it has the time of its own limits.

        Raises:
            DeviceError: Why there is no first frame; DeviceTimeoutError when the deadline came first.
        """
        self.close()
        drain = self._drain = Drain(self._options, self._opener, self._clock, self._sequence, self._trust)
        drain.start()
        error: DeviceError | None = None
        with drain.changed:
            while drain.newest is None and error is None:
                error = drain.fault if drain.settling else drain.untrusted or drain.fault
                remaining = deadline - self._clock.monotonic()
                if error is None and remaining <= 0:
                    error = drain.untrusted or self._repeating(drain)
                    error = error or DeviceTimeoutError(f"{self._options.endpoint}: no first frame before the deadline", "is the camera alive?")
                if error is None:
                    drain.changed.wait(remaining)
        if error is not None:
            self.close()
            raise _afresh(error)

    def close(self) -> None:
        """Stop the drain and release the capture; waits no longer than one open or read may take."""
        drain, self._drain = self._drain, None
        if drain is not None:
            drain.stop(self._options.longest_call_s + _JOIN_MARGIN_S)
            self._trust = drain.trust()

    def describe(self) -> dict[str, str]:
        """Endpoint, configured format, and what the device says of itself."""
        options = self._options
        facts = {"endpoint": options.endpoint, "size": f"{options.width}x{options.height}"}
        if not options.is_url:
            facts |= {"fps": f"{options.fps:g}", "fourcc": options.fourcc}
        drain = self._drain
        if drain is not None:
            with drain.changed:
                facts |= drain.facts
        return facts

    def frame(self, newer_than: int, deadline: float) -> Frame:
        """See Camera. A fault of the stream is raised at the deadline, since the stream may be back before; an untrusted one with the next frame.

        A repeated frame is never handed out. A stream of them is untrusted, too, when the deadline comes before `frozen_after_s`.

        Raises:
            DeviceTimeoutError: No fresh frame before the deadline (stalled, stale).
            DeviceAbsentError: The stream is gone and could not be reopened so far, or the camera is not open.
            DeviceUntrustedError: Frames come but are frozen, dark, or of another size than configured.
            DeviceProtocolError: What comes does not decode to frames.
            DevicePermissionError: The camera came back, but this user may not open it.
            DeviceBusyError: The camera came back, and another program took it.
        """
        drain = self._drain
        if drain is None:
            what = f"{self._options.endpoint}: the camera is not open"
            raise DeviceAbsentError(what, "open it first")
        with drain.changed:
            arrived_before = drain.arrived
            while True:
                now = self._clock.monotonic()
                newest = drain.newest
                if newest is not None and newest.sequence > newer_than and now - newest.stamp <= self._options.stale_after_s:
                    return newest
                # Waiting for one more frame paces a caller who asks again and again.
                if drain.untrusted is not None and drain.arrived > arrived_before:
                    raise _afresh(drain.untrusted)
                if now >= deadline:
                    raise _afresh(drain.fault or drain.untrusted or self._repeating(drain) or self._stale(newest, now))
                drain.changed.wait(deadline - now)

    def _repeating(self, drain: Drain) -> DeviceUntrustedError | None:
        return frozen(self._options, f"over {drain.repeats} frames") if drain.repeats >= _REPEATS else None

    def _stale(self, newest: Frame | None, now: float) -> DeviceTimeoutError:
        age = "" if newest is None else f"; the last is {max(0.0, now - newest.stamp):.1f} s old"
        return DeviceTimeoutError(f"{self._options.endpoint}: no fresh frame before the deadline{age}", "look at the camera's cable and power")


def _afresh(error: DeviceError) -> DeviceError:
    """A copy to raise: the drain's own is raised in several threads, and would collect their tracebacks."""
    return type(error)(error.what, error.remedy)
