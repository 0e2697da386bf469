"""Driver of serial fingerprint modules that speak the ZhianTec protocol (ZFM-20, AS608, R305, R307, R503 and kin).

Compares a live finger with a template sent to the module (1:1), and makes templates for an enrolment desk. Does not search (1:N).
"""

from __future__ import annotations

from functools import partial

from drivers.fingerprint.enrolling import EnrollingReader
from drivers.fingerprint.options import FingerprintOptions
from drivers.fingerprint.reader import ZhianTecReader
from drivers.fingerprint.serial_port import SerialPort
from gate_controller.ports.devices import FingerprintReader
from gate_controller.ports.drivers import Driver, DriverContext

__all__ = ["DRIVER", "EnrollingReader", "FingerprintOptions", "ZhianTecReader"]


def _build(options: FingerprintOptions, context: DriverContext) -> FingerprintReader:
    return EnrollingReader(options, context.clock, partial(SerialPort, options.port), context.warn)


DRIVER: Driver[FingerprintOptions, FingerprintReader] = Driver(FingerprintOptions, _build, lambda options: options.port)
