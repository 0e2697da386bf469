"""Presentation attack detection: `pad.passive` (cues over frames), `pad.onnx` (a model of the operator's), `pad_challenge.landmarks` (ask for something).

None is certified, and none was measured on real attacks: docs/pad.md says what was measured on what.
Importing this package does not import OpenCV; building a judge does.
"""

from __future__ import annotations

from drivers.face.weights import Weights, read_checked
from drivers.pad.options import ChallengeOptions, OnnxOptions, PassiveOptions
from gate_controller.ports.drivers import Driver, DriverContext
from gate_controller.ports.errors import ConfigurationError
from gate_controller.ports.pad import PadChallenger, PadJudge


def _build_passive(options: PassiveOptions, context: DriverContext) -> PadJudge:
    from drivers.pad.fusion import load
    from drivers.pad.passive import PassiveJudge

    if options.coefficients is None or options.coefficients_sha256 is None:
        return PassiveJudge(*load())
    return PassiveJudge(*load(_read(context, options.coefficients, options.coefficients_sha256)))


def _read(context: DriverContext, file: str, sha256: str) -> bytes:
    try:
        return read_checked(context.models, Weights(file, sha256))
    except ConfigurationError as error:
        msg = error.what.replace("face model", "PAD model", 1)
        raise ConfigurationError(msg, "put the file into the directory of models, and its own sha256 into the configuration") from error


def _build_onnx(options: OnnxOptions, context: DriverContext) -> PadJudge:
    weights = _read(context, options.model, options.model_sha256)
    from drivers.pad.onnx import EitherJudge, OnnxJudge

    model = OnnxJudge(weights, options)
    return EitherJudge((_build_passive(PassiveOptions(), context), model)) if options.with_passive else model


def _build_challenger(options: ChallengeOptions, _context: DriverContext) -> PadChallenger:
    import secrets

    from drivers.pad.challenge import LandmarkChallenger

    return LandmarkChallenger(options, secrets.choice)


PASSIVE: Driver[PassiveOptions, PadJudge] = Driver(PassiveOptions, _build_passive)
ONNX: Driver[OnnxOptions, PadJudge] = Driver(OnnxOptions, _build_onnx)
CHALLENGE: Driver[ChallengeOptions, PadChallenger] = Driver(ChallengeOptions, _build_challenger)
