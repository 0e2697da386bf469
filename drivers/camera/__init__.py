"""Cameras through OpenCV: V4L2 devices, and network streams for simulation.

Importing this package does not import OpenCV; building a camera does.
"""

from __future__ import annotations

from drivers.camera.options import CameraOptions
from gate_controller.ports.devices import Camera
from gate_controller.ports.drivers import Driver, DriverContext


def _build(options: CameraOptions, context: DriverContext) -> Camera:
    from drivers.camera.opencv import OpenCvCamera

    return OpenCvCamera(options, context.clock)


DRIVER: Driver[CameraOptions, Camera] = Driver(options=CameraOptions, build=_build, endpoint=lambda options: options.endpoint)
