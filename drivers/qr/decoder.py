"""The QrDecoder port over zxing-cpp, with two repairs of the picture and ZBar as a second opinion.

Model 2 QR codes only: no Micro QR, no bar codes. Judges no text: whether it is a pass is for the verifier. Keeps no
picture and tracks nothing over frames: a whole 720p frame takes about 2 ms when a code is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from drivers.qr.options import QrOptions
from gate_controller.ports.devices import Image
from gate_controller.ports.errors import DeviceProtocolError

Gray = NDArray[np.uint8]
SecondOpinion = Callable[[Gray], list[str]]


class ZxingQrDecoder:
    """Implements ports.devices.QrDecoder. Used by one thread at a time.

    The first of these that finds a code ends the search: the frame as it is; blurred (sigma 0.9) and stretched, which
    takes noise and dim light away; the blurred one sharpened (sigma 1.5, amount 7), which undoes a lens out of focus; ZBar, every so many frames.

    Args:
        options: How often ZBar is asked.
        warn: Told once, here, when ZBar is not installed.
        load_second_opinion: Makes the second decoder; raises ImportError when it is missing.
    """

    def __init__(
        self,
        options: QrOptions,
        warn: Callable[[str], None],
        load_second_opinion: Callable[[], SecondOpinion] | None = None,
    ) -> None:
        self._every = options.second_opinion_every
        self._unread_frames = 0
        self._second_opinion: SecondOpinion | None = None
        if self._every:
            try:
                self._second_opinion = (load_second_opinion or load_zbar)()
            except ImportError as error:
                warn(f"no second opinion on QR codes, zxing-cpp goes on alone: {error} (apt install libzbar0)")

    def decode(self, image: Image, *, quick: bool = False) -> list[str]:
        """Texts of the QR codes in the frame.

        Args:
            image: Height x width x 3, BGR, or height x width, gray; uint8.
            quick: Look at the frame only as it is: 2 ms of some 15 for a 720p frame without a code.

        Returns:
            Texts as the Latin-1 view of the codes' bytes, no duplicates, in no particular order.

        Raises:
            DeviceProtocolError: `image` is no picture (empty, other dimensions, not uint8): nothing was looked at.
        """
        gray = _gray(image)
        for picture in (gray,) if quick else _repaired(gray):
            texts = _read(picture)
            if texts:
                return texts
        if quick or self._second_opinion is None:
            return []
        self._unread_frames += 1
        return self._second_opinion(gray) if self._unread_frames % self._every == 0 else []


def load_zbar() -> SecondOpinion:
    """ZBar through pyzbar.

    Raises:
        ImportError: pyzbar or its shared library (Debian: libzbar0) is not installed.
    """
    from pyzbar import pyzbar

    def read(gray: Gray) -> list[str]:
        found = pyzbar.decode(gray, symbols=[pyzbar.ZBarSymbol.QRCODE])
        # ZBar re-encodes what is not ASCII by a guess, so the code's own bytes are lost. A pass is ASCII.
        return list(dict.fromkeys(code.data.decode("ascii") for code in found if code.data.isascii()))

    return read


def _gray(image: Image) -> Gray:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.size == 0:
        raise DeviceProtocolError("a frame for the QR decoder is empty or not 8-bit", "a defect in the camera driver: please report it")
    if image.ndim == 2:
        return np.ascontiguousarray(image)
    if image.ndim == 3 and image.shape[2] == 3:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2GRAY), np.uint8)
    raise DeviceProtocolError("a frame for the QR decoder is neither BGR nor gray", "a defect in the camera driver: please report it")


def _repaired(gray: Gray) -> Iterator[Gray]:
    yield gray
    soft = cv2.GaussianBlur(gray, (0, 0), 0.9)
    yield np.asarray(cv2.normalize(soft, np.empty_like(soft), 0, 255, cv2.NORM_MINMAX), np.uint8)
    # Sharpened from the blurred one: the frame's own noise, sharpened, costs zxing-cpp three times as long and hides more than it shows.
    # A further blur of 1.2 makes one of 1.5 of the frame.
    yield np.asarray(cv2.addWeighted(soft, 8.0, cv2.GaussianBlur(soft, (0, 0), 1.2), -7.0, 0), np.uint8)


def _read(gray: Gray) -> list[str]:
    # The defaults try_rotate, try_downscale and try_invert stay on: without them most codes on screens go unread.
    # .text would rewrite control characters; .bytes is what the code holds.
    codes = zxingcpp.read_barcodes(gray, formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2]))
    return list(dict.fromkeys(code.bytes.decode("latin-1") for code in codes))
