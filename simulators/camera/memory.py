"""The Camera port in memory and in virtual time: no threads, no sockets, no sleeping; same scenes and faults as the server.

Frames lie on a grid of 1/fps from the first open(). Time only passes when the clock says so: `wait` lets a caller of
`frame()` wait for the next one; without it, a frame that is not there yet is a time-out at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import cv2

from gate_controller.ports.clock import Clock
from gate_controller.ports.devices import Frame
from gate_controller.ports.errors import DeviceAbsentError, DeviceError, DeviceProtocolError, DeviceTimeoutError, DeviceUntrustedError
from simulators.camera.film import Film
from simulators.camera.optics import Picture, black
from simulators.camera.scenes import EmptyScene, Scene, parse
from simulators.camera.server import FAULTS, SLOW

_WHERE = "simulated camera"
_REPEATS = 3
_SILENT = frozenset({"stall", "drop", "refuse", "corrupt"})


class MemoryCamera:
    """Implements ports.devices.Camera over a scene.

    Args:
        clock: Virtual time.
        wait: Lets virtual time pass until the absolute time it is called with.
        fps: Frames a second.
        width: Of a frame, pixels.
        height: Of a frame, pixels.
        seed: Of the noise.
        stale_after_s: A frame older than this is not given out.
        frozen_after_s: Identical content for this long is a fault.
        dark_after_s: No light for this long is a fault.
    """

    def __init__(
        self,
        clock: Clock,
        wait: Callable[[float], None] | None = None,
        *,
        fps: float = 15.0,
        width: int = 640,
        height: int = 480,
        seed: int = 0,
        stale_after_s: float = 0.5,
        frozen_after_s: float = 2.0,
        dark_after_s: float = 2.0,
    ) -> None:
        self._clock = clock
        self._wait = wait
        self._fps = fps
        self._size = width, height
        self._seed = seed
        self._stale_after_s = stale_after_s
        self._frozen_after_s = frozen_after_s
        self._dark_after_s = dark_after_s
        self._origin = clock.monotonic()
        self._open = False
        self._film = self._developed(EmptyScene())
        self._faults: dict[str, float] = {}
        self._dark_since: float | None = None
        self._silent_after: int | None = None  # number of the last frame before a fault that lets no new one through
        self._last: Picture | None = None  # that frame
        self._first = 0  # the first frame since the camera was opened or the faults were cleared

    def scene(self, **fields: object) -> None:
        """Show a scene, given as in a control request: kind="phone", text=...

        Raises:
            ValueError: There is no such scene, or it cannot be drawn.
        """
        self.show(parse(dict(fields)))

    def show(self, scene: Scene) -> None:
        """Show a scene from now on."""
        film = self._developed(scene)
        film.frame(0)
        self._film = film
        self._watch_darkness()

    def fault(self, name: str) -> None:
        """Add a fault, see server.FAULTS. "damage" changes nothing here: the frames never were JPEG."""
        if name not in FAULTS:
            msg = f"unknown fault {name!r}: {', '.join(FAULTS)}"
            raise ValueError(msg)
        if self._silent_after is None and (name in _SILENT or name == "freeze"):
            self._silent_after = self._number(self._clock.monotonic())
            self._last = self._picture(self._silent_after)
        self._faults.setdefault(name, self._clock.monotonic())
        self._watch_darkness()

    def clear(self) -> None:
        """End all faults; frames go on with the next of the grid."""
        if self._silent_after is not None:
            self._first = self._number(self._clock.monotonic()) + 1
        self._faults.clear()
        self._silent_after = self._last = None
        self._watch_darkness()

    def state(self) -> dict[str, object]:
        """What is shown, and which faults are on."""
        return {"scene": self._film.scene.model_dump(), "faults": sorted(self._faults)}

    def open(self, deadline: float) -> None:
        """See OpenableDevice: waits for a first frame as a real camera does."""
        self._open = False
        self._watch_darkness()
        fault = self._broken() or self._untrusted(self._clock.monotonic())
        if fault is not None:
            raise fault
        self._open = True
        self._first = self._number(self._clock.monotonic())
        if deadline < self._clock.monotonic():
            self._open = False
            what = f"{_WHERE}: no first frame before the deadline"
            raise DeviceTimeoutError(what, "give it more time")

    def close(self) -> None:
        """See OpenableDevice."""
        self._open = False

    def describe(self) -> dict[str, str]:
        """See OpenableDevice."""
        return {"endpoint": "", "size": f"{self._size[0]}x{self._size[1]}", "backend": "memory"}

    def frame(self, newer_than: int, deadline: float) -> Frame:
        """See Camera."""
        if not self._open:
            what = f"{_WHERE}: the camera is not open"
            raise DeviceAbsentError(what, "open it first")
        while True:
            now = self._clock.monotonic()
            fault = self._untrusted(now)
            if fault is not None:
                raise fault
            number = self._number(now)
            if self._silent_after is not None:
                number = min(number, self._silent_after)
            if "slow" in self._faults:
                number -= number % SLOW
            stamp = self._stamp(number)
            if number >= self._first and number + 1 > newer_than and now - stamp <= self._stale_after_s:
                return Frame(self._picture(number).copy(), stamp, number + 1)
            next_at = self._next_change(now)
            if next_at > deadline or self._wait is None:
                if self._wait is not None and deadline > now:
                    self._wait(deadline)
                raise self._broken() or self._repeating() or DeviceTimeoutError(f"{_WHERE}: no fresh frame before the deadline", "look at its faults")
            self._wait(next_at)

    def _next_change(self, now: float) -> float:
        """When the answer may become another one: the next frame, or the time at which a fault is noticed."""
        noticed = [
            since + limit
            for since, limit in ((self._faults.get("freeze"), self._frozen_after_s), (self._dark_since, self._dark_after_s))
            if since is not None and since + limit > now
        ]
        return min([self._stamp(self._number(now) + 1), *noticed])

    def _untrusted(self, now: float) -> DeviceUntrustedError | None:
        if self._faults.keys() & _SILENT:
            return None  # nothing comes that could be judged
        frozen_since = self._faults.get("freeze")
        if frozen_since is not None and now - frozen_since >= self._frozen_after_s:
            return DeviceUntrustedError(f"{_WHERE} is frozen: the picture has not changed for {self._frozen_after_s:g} s", "clear its fault")
        if self._dark_since is not None and now - self._dark_since >= self._dark_after_s:
            return DeviceUntrustedError(f"{_WHERE} is dark: no light for {self._dark_after_s:g} s", "clear its fault")
        return None

    def _repeating(self) -> DeviceUntrustedError | None:
        frozen_since = self._faults.get("freeze")
        if frozen_since is None or (self._clock.monotonic() - frozen_since) * self._fps < _REPEATS:
            return None
        return DeviceUntrustedError(f"{_WHERE} is frozen: it gives the same frame again and again", "clear its fault")

    def _broken(self) -> DeviceError | None:
        if self._faults.keys() & {"drop", "refuse"}:
            return DeviceAbsentError(f"{_WHERE}: the stream is gone", "clear its fault")
        if "stall" in self._faults:
            return DeviceTimeoutError(f"{_WHERE}: no frames come", "clear its fault")
        if "corrupt" in self._faults:
            return DeviceProtocolError(f"{_WHERE} sends nothing that decodes to frames", "clear its fault")
        return None

    def _number(self, now: float) -> int:
        return math.floor((now - self._origin) * self._fps + 1e-6)

    def _stamp(self, number: int) -> float:
        return self._origin + number / self._fps

    def _picture(self, number: int) -> Picture:
        if self._last is not None:
            return self._last
        return _covered(number % 8, *self._size, self._seed) if "black" in self._faults else self._film.frame(number)

    def _watch_darkness(self) -> None:
        # The scene's brightness does not change over its frames, so one of them tells.
        dark = int(cv2.blur(self._picture(0), (32, 32)).max()) < 12
        if not dark:
            self._dark_since = None
        elif self._dark_since is None:
            self._dark_since = self._clock.monotonic()

    def _developed(self, scene: Scene) -> Film[Picture]:
        return Film(scene, *self._size, self._seed, lambda picture: picture)


@lru_cache(maxsize=16)
def _covered(number: int, width: int, height: int, seed: int) -> Picture:
    return black(number, width, height, seed)
