"""The slot for an operator's or a vendor's model: an ONNX file run by OpenCV on a crop around the face, its score smoothed over frames.

No model ships with the gate: none known bears a border by licence and by measurement. Whoever names one answers for both.
Keeps a bounded number of scores, and no picture.
"""

from __future__ import annotations

import math
from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.face.detection import as_buffer, nets_from_bytes
from drivers.pad.options import OnnxOptions
from drivers.pad.presentation import Presentation
from gate_controller.ports.devices import Frame, Image
from gate_controller.ports.errors import ConfigurationError, DeviceRejectedError, DeviceUntrustedError
from gate_controller.ports.pad import Cue, FacePlace, PadAssessment, PadJudge


class OnnxJudge:
    """A PadJudge around one net.

    Args:
        weights: The file's bytes, already checked.
        options: Form of its input and output.

    Raises:
        ConfigurationError: OpenCV cannot build or run the net, or its output is not of the form the options say.
    """

    def __init__(self, weights: bytes, options: OnnxOptions) -> None:
        self._options = options
        with nets_from_bytes("PAD model"):
            self._net = cv2.dnn.readNetFromONNX(as_buffer(weights))
            blank = np.zeros((options.height, options.width, 3), np.uint8)
            self._run(blank)  # the first run is the slow one, and tells whether its form is right
        self._presentation = Presentation()
        self.begin()

    @property
    def name(self) -> str:
        """See PadJudge."""
        return f"onnx {self._options.model} ({self._options.model_sha256[:8]})"

    def begin(self) -> None:
        """See PadJudge."""
        self._presentation.begin()
        self._scores: deque[float] = deque(maxlen=self._options.frames)

    def end(self) -> None:
        """See PadJudge."""
        self.begin()

    def observe(self, frame: Frame, face: FacePlace | None) -> None:
        """See PadJudge.

        Raises:
            ValueError: Not an image, or a stamp that does not grow.
            DeviceRejectedError: OpenCV failed on it.
            DeviceUntrustedError: The net's answer is no score.
        """
        restarts = self._presentation.restarts
        judged = self._presentation.takes(frame, face)
        if judged is None:
            return
        if self._presentation.restarts > restarts:
            self._scores.clear()
        try:
            raw = self._run(self._crop(frame.image, judged))
        except cv2.error as error:
            msg = f"PAD model {self._options.model} failed: {error.err}"
            raise DeviceRejectedError(msg, "check the file and its input form in the configuration") from error
        except ConfigurationError as error:
            raise DeviceUntrustedError(error.what, error.remedy) from error
        self._scores.append(self._scaled(raw))

    def assess(self) -> PadAssessment:
        """See PadJudge. The median of the newest scores: one odd frame decides nothing."""
        seen = self._presentation
        if not self._scores:
            return PadAssessment(None, seen.frames, seen.span_s, seen.restarts)
        score = float(np.median(self._scores))
        return PadAssessment(score, seen.frames, seen.span_s, seen.restarts, (Cue(self._options.model, score, _log_odds(score)),))

    def _crop(self, image: Image, face: FacePlace) -> Image:
        options = self._options
        x, y, width, height = face.box
        side = options.crop * max(width / options.width, height / options.height)
        left, top = x + width / 2 - side * options.width / 2, y + height / 2 - side * options.height / 2
        place = np.array([[1 / side, 0, -left / side], [0, 1 / side, -top / side]])
        flags = cv2.INTER_LINEAR
        return np.asarray(cv2.warpAffine(image, place, (options.width, options.height), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)

    def _run(self, crop: Image) -> float:
        """Probability-like number that it is an attack, by the model's own reckoning."""
        options = self._options
        pixels = crop[..., ::-1] if options.colours == "rgb" else crop
        scaled = (pixels.astype(np.float32) - np.array(options.mean, np.float32)) * np.float32(options.scale)
        self._net.setInput(np.ascontiguousarray(scaled.transpose(2, 0, 1))[None])
        answer: NDArray[np.float64] = np.asarray(self._net.forward(), np.float64).ravel()
        if len(answer) != options.outputs or not np.isfinite(answer).all():
            msg = f"PAD model {options.model}: {len(answer)} outputs, {options.outputs} configured, or not finite"
            raise ConfigurationError(msg, "correct outputs, or name another model")
        return _activated(answer, options)

    def _scaled(self, raw: float) -> float:
        """The model's own threshold becomes 0.5, so that one pair of limits in the policy fits every judge."""
        at = self._options.threshold
        return 0.5 * raw / at if raw <= at else 0.5 + 0.5 * (raw - at) / (1 - at)


def _activated(answer: NDArray[np.float64], options: OnnxOptions) -> float:
    if options.activation == "softmax":
        answer = np.exp(answer - answer.max())
        answer = answer / answer.sum()
    elif options.activation == "sigmoid":
        answer = 1 / (1 + np.exp(-answer))
    value = float(answer[options.index])
    if not 0 <= value <= 1:
        msg = f"PAD model {options.model}: output {value:g} is no score from 0 to 1"
        raise ConfigurationError(msg, "set activation to softmax or sigmoid, or name another model")
    return 1 - value if options.index_is == "live" else value


def _log_odds(score: float) -> float:
    inside = min(max(score, 1e-6), 1 - 1e-6)
    return math.log(inside / (1 - inside))


class EitherJudge:
    """Several judges, all of which must be content.

    Each is decided on by itself (ports.pad.decide): one that can see nothing (a plain wall, a slow camera) makes nobody live, and hides no other's alarm.
    """

    def __init__(self, judges: tuple[PadJudge, ...]) -> None:
        self._judges = judges

    @property
    def name(self) -> str:
        """See PadJudge."""
        return " + ".join(judge.name for judge in self._judges)

    def begin(self) -> None:
        """See PadJudge."""
        for judge in self._judges:
            judge.begin()

    def observe(self, frame: Frame, face: FacePlace | None) -> None:
        """See PadJudge."""
        for judge in self._judges:
            judge.observe(frame, face)

    def assess(self) -> PadAssessment:
        """See PadJudge. The score is the highest of theirs, frames and time are those of the judge that saw least."""
        parts = tuple(judge.assess() for judge in self._judges)
        return PadAssessment(
            score=max((part.score for part in parts if part.score is not None), default=None),
            frames=min(part.frames for part in parts),
            span_s=min(part.span_s for part in parts),
            restarts=sum(part.restarts for part in parts),  # whichever began anew, the face may be another
            cues=tuple(cue for part in parts for cue in part.cues),
            parts=parts,
        )

    def end(self) -> None:
        """See PadJudge."""
        for judge in self._judges:
            judge.end()
