"""QR codes from camera frames. Importing this package imports no decoder; building one does."""

from __future__ import annotations

from drivers.qr.options import QrOptions
from gate_controller.ports.devices import QrDecoder
from gate_controller.ports.drivers import Driver, DriverContext


def _build(options: QrOptions, context: DriverContext) -> QrDecoder:
    from drivers.qr.decoder import ZxingQrDecoder

    return ZxingQrDecoder(options, context.warn)


DRIVER: Driver[QrOptions, QrDecoder] = Driver(options=QrOptions, build=_build)
