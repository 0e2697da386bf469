"""Looks for QR codes all the time: quickly while the lane is ready, slowly otherwise (a phone still held up must not look new afterwards)."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from gate_controller.core import events as e
from gate_controller.core.values import Device
from gate_controller.ports.devices import Camera, QrDecoder
from gate_controller.runtime.presentations import PresentationFilter
from gate_controller.runtime.worker import DeviceWorker, Surroundings

FRAME_WITHIN_S = 1.0
READY_INTERVAL_S = 0.08
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
        self.presentations = PresentationFilter(around.options.forget_presentation_s)

    def opened(self) -> None:
        """Ready only once a frame came."""
        self._sequence = -1

    def step(self) -> None:
        """One frame, decoded; every text in it that the core has not taken yet is posted."""
        began = self.clock.monotonic()
        frame = self._camera.frame(self._sequence, began + FRAME_WITHIN_S)
        self._sequence = frame.sequence
        self.ready()
        for text in self.presentations.new_texts(self._decoder.decode(frame.image), self.clock.monotonic()):
            self.around.post(e.PassRead(secrets.token_hex(8), text))
        pause = READY_INTERVAL_S if self._wanted() else BUSY_INTERVAL_S
        self._stopping.wait(max(0.0, began + pause - self.clock.monotonic()))
