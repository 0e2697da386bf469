"""The text of the one QR code in a picture file, for `gatectl pass`. Looks at no camera and judges no text."""

from __future__ import annotations

from pathlib import Path

import click

from gate_controller.composition.registry import load_drivers
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import QrDecoder
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import ConfigurationError, GateError

_DECODER = "qr.zxing"
_MAX_FILE_BYTES = 32 << 20


class UnusablePictureError(click.UsageError):
    """Not a picture, or a file that cannot be read."""


class NoSingleCodeError(GateError):
    """The picture shows no QR code, or several."""


def text_in(path: Path) -> str:
    """The text of the code, as the gate's own decoder reads it.

    Raises:
        UnusablePictureError: Not a picture, or a file that cannot be read.
        NoSingleCodeError: No code, or several.
    """
    import cv2
    import numpy as np

    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise UnusablePictureError(message) from error
    if len(content) > _MAX_FILE_BYTES:
        message = f"{path} is larger than {_MAX_FILE_BYTES >> 20} MiB"
        raise UnusablePictureError(message)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    except (cv2.error, MemoryError):  # larger than OpenCV takes
        image = None
    if image is None:
        message = f"{path} is not a picture that can be decoded (PNG, JPEG, ...)"
        raise UnusablePictureError(message)
    texts = _decoder().decode(np.asarray(image, np.uint8))
    if len(texts) == 1:
        return texts[0]
    if texts:
        raise NoSingleCodeError(f"{path} shows {len(texts)} QR codes", "give a picture of one")  # noqa: EM102
    raise NoSingleCodeError(f"no QR code found in {path}", "is it whole, sharp and lit?")  # noqa: EM102


def _decoder() -> QrDecoder:
    driver = load_drivers().get(_DECODER)
    if driver is None:
        message = f'driver "{_DECODER}" is not installed'
        raise ConfigurationError(message, "install the package again")
    context = DriverContext(clock=SystemClock(), models=Path(), warn=lambda line: click.echo(f"gatectl: {line}", err=True))
    # A picture comes once, so ZBar is asked about it, too.
    decoder: QrDecoder = driver.build(driver.options(second_opinion_every=1), context)
    return decoder
