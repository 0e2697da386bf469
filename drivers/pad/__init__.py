"""Presentation attack detection: `pad.passive` (cues over frames) and `pad.onnx` (a model of the operator's or a vendor's).

Neither is certified, and neither was measured on real attacks: docs/pad.md says what was measured on what.
Importing this package does not import OpenCV; building a judge does.
"""

from __future__ import annotations

from drivers.pad.options import PassiveOptions
from gate_controller.ports.drivers import Driver, DriverContext
from gate_controller.ports.pad import PadJudge


def _build_passive(options: PassiveOptions, context: DriverContext) -> PadJudge:
    from drivers.pad.fusion import load
    from drivers.pad.passive import PassiveJudge

    content = None
    if options.coefficients is not None:
        from drivers.face.weights import Weights, read_checked

        content = read_checked(context.models, Weights(options.coefficients, options.coefficients_sha256 or ""))
    return PassiveJudge(*load(content))


PASSIVE: Driver[PassiveOptions, PadJudge] = Driver(PassiveOptions, _build_passive)
