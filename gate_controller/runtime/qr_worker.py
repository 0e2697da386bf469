"""Looks for QR codes all the time: at every frame while the lane is ready, slowly otherwise (a phone still held up must not look new afterwards).

A frame that is looked at as it is costs 2 ms, one with all repairs 15. So every frame is looked at as it is, for a code that is shown well need not wait; and
the repairs come only so often, for an empty hall must not keep a processor busy day and night.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from gate_controller.core import events as e
from gate_controller.core.values import Device
from gate_controller.ports.devices import Camera, QrDecoder
from gate_controller.runtime.device_tests import camera_test, one_picture, qr_look
from gate_controller.runtime.errands import Turns
from gate_controller.runtime.presentations import PresentationFilter
from gate_controller.runtime.worker import DeviceWorker, Surroundings

THOROUGH_INTERVAL_S = 0.08
READY_INTERVAL_S = 0.02
"""Least time between two frames, however fast the camera is."""
BUSY_INTERVAL_S = 0.4


class QrWorker(DeviceWorker):
    """The QR camera's worker.

    Args:
        camera: The camera.
        decoder: Finds codes in its frames.
        around: Clock, inbox, options.
        wanted: Whether the lane is waiting for a code.
    """

    def __init__(self, camera: Camera, decoder: QrDecoder, around: Surroundings, wanted: Callable[[], bool]) -> None:
        super().__init__(Device.QR_CAMERA, camera, around)
        self._camera = camera
        self._decoder = decoder
        self._wanted = wanted
        self._sequence = -1
        self._thorough_at = float("-inf")
        self.presentations = PresentationFilter(around.options.forget_presentation_s)

    def opened(self) -> None:
        """Ready only once a frame came."""
        self._sequence = -1

    def examine(self) -> Turns:
        """See DeviceWorker."""
        return camera_test(self._camera, self.clock, qr_look(self._decoder))

    def picture(self) -> Turns:
        """One frame's image."""
        return one_picture(self._camera, self.clock)

    def step(self) -> None:
        """One frame, decoded; every text in it that the core has not taken yet is posted."""
        began = self.clock.monotonic()
        frame = self._camera.frame(self._sequence, began + self.around.options.camera_lost_after_s)
        self._sequence = frame.sequence
        self.ready()
        quick = began < self._thorough_at + THOROUGH_INTERVAL_S
        if not quick:
            self._thorough_at = began
        texts = self._decoder.decode(frame.image, quick=quick)
        for text in self.presentations.new_texts(texts, self.clock.monotonic(), quick=quick):
            self.around.post(e.PassRead(secrets.token_hex(8), text))
        pause = READY_INTERVAL_S if self._wanted() else BUSY_INTERVAL_S
        self._stopping.wait(max(0.0, began + pause - self.clock.monotonic()))
