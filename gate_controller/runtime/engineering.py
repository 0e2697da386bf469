"""What an engineer asks of a running gate: how its parts are, a device's test, a camera's picture.

Looks from outside: it touches no device (their workers do, errands.py) and posts no event. Does not switch maintenance on: acts.py asks the core for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gate_controller.core.machine import Controller
from gate_controller.core.states import State
from gate_controller.core.values import Device, Occupancy
from gate_controller.ports.clock import Clock
from gate_controller.ports.control import JsonObject
from gate_controller.ports.devices import Image
from gate_controller.ports.errors import DeviceError, RefusedByStateError
from gate_controller.runtime.desk import Desk
from gate_controller.runtime.device_tests import inputs_by_name
from gate_controller.runtime.face_worker import FaceWorker
from gate_controller.runtime.fingerprint_worker import FingerprintWorker
from gate_controller.runtime.io_worker import IoWorker
from gate_controller.runtime.qr_worker import QrWorker
from gate_controller.runtime.worker import DeviceReport, DeviceWorker

HUNG_S = 10.0
"""A worker that gave no sign for this long hangs; longer than any of its calls may take, opening (5 s) included."""


WAIT_S, COUNTED_WITHIN = 0.01, 100
"""How often it is looked whether the counter was read, and how many times; it is read every [runtime] poll_s."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of the lane's devices."""

    io: IoWorker
    fingerprint: FingerprintWorker
    face: FaceWorker
    qr: QrWorker

    def all(self) -> tuple[DeviceWorker, ...]:
        """The one that moves the doors first."""
        return self.io, self.fingerprint, self.face, self.qr


class Engineering:
    """For any thread.

    Args:
        controller: The core; only looked at.
        workers: The devices' workers.
        desk: The stores' thread.
        reports: The last report of each device, and when each came (monotonic seconds).
        clock: The gate's clocks.
    """

    def __init__(
        self,
        controller: Controller,
        workers: Workers,
        desk: Desk,
        reports: Callable[[], tuple[Mapping[Device, DeviceReport], Mapping[Device, float]]],
        clock: Clock,
    ) -> None:
        self._controller = controller
        self._workers = workers
        self._desk = desk
        self._reports = reports
        self._clock = clock

    def diagnostics(self) -> JsonObject:
        """See ports.control.GateControl.diagnostics(), but for "uptime_s" and "trust"."""
        now = self._clock.monotonic()
        reports, reported_at = self._reports()
        infos = {worker.device: worker.info for worker in self._workers.all()}
        devices = [
            {
                "device": device.value,
                "state": report.state,
                "reason": report.code,
                "detail": report.detail,
                "remedy": report.remedy,
                "since_s": round(max(0.0, now - reported_at[device]), 1),
                "info": dict(infos.get(device, {})),
            }
            for device, report in reports.items()
        ]
        desk = self._desk.figures()
        return {"devices": devices, "inputs": inputs_by_name(self._controller.inputs), "stores": desk.stores, "queues": desk.queues}

    def test_device(self, device: str) -> JsonObject:
        """See ports.control.GateControl."""
        workers: dict[str, DeviceWorker] = {
            "fingerprint": self._workers.fingerprint,
            "face": self._workers.face,
            "qr": self._workers.qr,
            "io": self._workers.io,
        }
        worker = workers[device]
        self._in_maintenance()
        try:
            found: JsonObject = worker.errands.run(worker.examine, self._in_maintenance)
        except DeviceError as error:
            findings = [f"{error.what}: {error.remedy}" if error.remedy else error.what]
            return {"device": device, "result": "fail", "findings": findings, "values": {"code": error.code}}
        return {"device": device, **found}

    def snapshot(self, camera: str) -> Image:
        """See ports.control.GateControl."""
        cameras: dict[str, FaceWorker | QrWorker] = {"face": self._workers.face, "qr": self._workers.qr}
        worker = cameras[camera]
        self._nobody_to_be_seen()
        picture: Image = worker.errands.run(worker.picture, self._nobody_to_be_seen)
        self._counted_after(self._clock.monotonic())
        self._nobody_to_be_seen()  # somebody may have come in while it was taken
        return picture

    def ailment(self) -> str | None:
        """Why the process should be started anew, if anything but the decision thread does not work any more; None: all is well.

        A camera or a reader whose worker hangs closes the lane, but is no reason to end what opens the doors in an emergency.
        """
        for thread in (*self._workers.all(), self._desk):
            if not thread.is_alive():
                return f"the {thread.name} thread has ended"
        if self._clock.monotonic() - self._workers.io.beat > HUNG_S:
            return "the worker of the doors hangs"
        return None

    def _counted_after(self, moment: float) -> None:
        """Wait until the counter has been read after this moment (monotonic seconds)."""
        for _ in range(COUNTED_WITHIN):
            if self._workers.io.last_read > moment:
                return
            time.sleep(WAIT_S)
        raise RefusedByStateError("the counter is not read any more", "look at the I/O board: gatectl status")

    def _in_maintenance(self) -> None:
        if self._controller.state is not State.MAINTENANCE:
            what = f"the lane is not in maintenance, but in state {self._controller.state.value}"
            raise RefusedByStateError(what, "gatectl maintenance on --identity WHO --reason WHY")

    def _nobody_to_be_seen(self) -> None:
        self._in_maintenance()
        counted = (self._workers.io.newest.occupancy, self._controller.inputs.occupancy)
        occupancy = next((each for each in counted if each is not Occupancy.ZERO), None)
        if occupancy is not None:
            what = f"the chamber is not known to be empty: the counter says {occupancy.value}"
            raise RefusedByStateError(what, "no picture is taken while anybody may be inside; let them out, or test the counter")
