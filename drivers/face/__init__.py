"""Face drivers: `face.sface` (YuNet and SFace through OpenCV, the default) and `face.dlib` (YuNet and dlib's model).

Both are 1:1 matchers without a threshold. Thresholds belong to the policy; what they stand for, as L2 distance:

=================  =========  =================================================================================================
model              threshold  measured as
=================  =========  =================================================================================================
sface-2021dec      1.0265     FMR 1e-4 among the 545 East Asian images of LFW, FNMR .62 %: the policy's default
sface-2021dec      1.0876     FMR 1e-3 there (.21 % FNMR)
sface-2021dec      0.82       only for the synthetic people, who are more alike than people are (12 % of their pairs lie below 1.0265)
dlib-resnet-v1     0.40       a safe one; it refuses a quarter of genuine East Asian pairs. face_recognition's customary 0.6 accepts 40 %
                              of impostors of the same origin there: a lane takes dlib as its second judge. Measured with dlib's own
                              detector, and not again with YuNet before it, as here: a site measures (tests.bench.face_accuracy)
=================  =========  =================================================================================================

SFace's distances are between unit vectors (0 to 2), dlib's between its own. Accuracy differs between groups of people, so a site measures on its
own population before it trusts any of these figures.

OpenCV's thread count is one for the whole process: `threads` sets it when a matcher is built. The default of 1 leaves the second core of a small
gate PC to the decision thread and the other workers; there, a second thread made a frame faster by up to a third while the other core was idle, by
nothing while it was busy, for the same work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drivers.face.weights import DLIB_RESNET_V1, SFACE_2021DEC, YUNET_2023MAR, Weights, read_checked
from gate_controller.ports.devices import FaceModel
from gate_controller.ports.drivers import Driver, DriverContext

if TYPE_CHECKING:  # OpenCV takes a quarter of a second to import: only a gate that uses a driver pays for it
    from drivers.face.matcher import Encoder, YunetMatcher

FILE = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"
SHA256 = r"^[0-9a-f]{64}$"


class DetectorOptions(BaseModel):
    """What both drivers let one set: the detector."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    detector: str = Field(YUNET_2023MAR.file, pattern=FILE, description="YuNet's weights file in the directory of models")
    detector_sha256: str = Field(YUNET_2023MAR.sha256, pattern=SHA256, description="sha256 of that file")
    detection_confidence: float = Field(0.6, ge=0.3, le=0.95, description="detections below it are dropped")
    min_face_px: int = Field(80, ge=24, le=2000, description="least width of the traveller's face in the frame, pixels")
    second_face_px: int = Field(48, ge=16, le=2000, description="least width of a further face that counts as a person in the chamber, pixels")
    threads: int = Field(1, ge=1, le=64, description="threads OpenCV may use, in the whole process: of two matchers the second one's number counts")

    @model_validator(mode="after")
    def _a_probe_is_counted(self) -> Self:
        if self.second_face_px > self.min_face_px:
            msg = "second_face_px must not be greater than min_face_px: the traveller's own face is counted too"
            raise ValueError(msg)
        return self


class SfaceOptions(DetectorOptions):
    """Options of face.sface."""

    recogniser: str = Field(SFACE_2021DEC.file, pattern=FILE, description="weights file of SFace, or of a net with SFace's input, in the directory of models")
    recogniser_sha256: str = Field(SFACE_2021DEC.sha256, pattern=SHA256, description="sha256 of that file")
    model: str = Field("sface-2021dec", pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$", description="name of the model in templates")

    @model_validator(mode="after")
    def _a_name_stands_for_its_weights(self) -> Self:
        """A policy's threshold, and the largest that is known to be safe, go by the name."""
        for name, weights in (("sface-2021dec", SFACE_2021DEC), ("dlib-resnet-v1", DLIB_RESNET_V1)):
            if (self.model == name) != (self.recogniser_sha256 == weights.sha256):
                msg = f"model {name} and weights {weights.sha256[:8]} go together: another recogniser needs another model name, and a threshold of its own in the policy"
                raise ValueError(msg)
        return self


class DlibOptions(DetectorOptions):
    """Options of face.dlib. Its recogniser comes with the package face_recognition_models."""

    model: ClassVar[str] = "dlib-resnet-v1"
    recogniser_sha256: ClassVar[str] = DLIB_RESNET_V1.sha256

    net: Literal["opencv", "dlib"] = Field(
        "opencv", description="what runs dlib's net: opencv (the same encodings, several times as fast) or dlib, through face_recognition"
    )


def _build_sface(options: SfaceOptions, context: DriverContext) -> YunetMatcher:
    weights = read_checked(context.models, Weights(options.recogniser, options.recogniser_sha256))
    from drivers.face.sface import SfaceEncoder

    return _matcher(options, context, SfaceEncoder(weights, FaceModel(options.model, options.recogniser_sha256)))


def _build_dlib(options: DlibOptions, context: DriverContext) -> YunetMatcher:
    if options.net == "opencv":
        from drivers.face.dlib_opencv import DlibOpencvEncoder

        return _matcher(options, context, DlibOpencvEncoder())
    from drivers.face.dlib_encoder import DlibEncoder

    return _matcher(options, context, DlibEncoder())


def _matcher(options: DetectorOptions, context: DriverContext, encoder: Encoder) -> YunetMatcher:
    weights = read_checked(context.models, Weights(options.detector, options.detector_sha256))
    import cv2

    from drivers.face.detection import Detector
    from drivers.face.dlib_landmarks import RollMeter
    from drivers.face.matcher import Plausibility, YunetMatcher

    cv2.setNumThreads(options.threads)
    return YunetMatcher(Detector(weights, options.detection_confidence), encoder, RollMeter(), Plausibility(options.min_face_px, options.second_face_px))


SFACE = Driver(SfaceOptions, _build_sface)
DLIB = Driver(DlibOptions, _build_dlib)
