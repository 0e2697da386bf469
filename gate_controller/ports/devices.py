"""Device ports. All are synchronous; every call takes an absolute deadline on `Clock.monotonic()`.

A call returns what the device said, or raises a DeviceError (ports.errors). Nothing is retried behind the
caller's back beyond what a port's docstring states. A port object is used by one thread at a time.

Lifecycle of every device: `open()` may be called again after a `close()` or an error; `close()` never raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from gate_controller.core.values import Door, Lamp, LaneInputs

if TYPE_CHECKING:  # numpy takes a tenth of a second to import, and `gatectl status` comes by here
    import numpy as np
    from numpy.typing import NDArray

Image: TypeAlias = "NDArray[np.uint8]"
"""Height x width x 3, BGR, uint8."""


class OpenableDevice(Protocol):
    """What all devices share."""

    def open(self, deadline: float) -> None:
        """Make the device ready, with every setting set and read back.

        Raises:
            DeviceError: It is not there, not permitted, held by another, or its settings do not read back.
        """
        ...

    def close(self) -> None:
        """Let go of the device. Never raises; closing twice is harmless."""
        ...

    def describe(self) -> dict[str, str]:
        """What is known of the device for diagnostics (model, serial, endpoint, settings); no personal data."""
        ...


@dataclass(frozen=True, slots=True)
class Frame:
    """One camera frame.

    Attributes:
        image: Height x width x 3, BGR, uint8.
        stamp: Monotonic seconds at which the frame arrived.
        sequence: Grows by at least one a frame; never repeats while the process lives.
    """

    image: Image
    stamp: float
    sequence: int


class Camera(OpenableDevice, Protocol):
    """A camera that always gives its newest frame."""

    def frame(self, newer_than: int, deadline: float) -> Frame:
        """The newest frame whose sequence is greater than `newer_than`; waits for one until the deadline.

        Raises:
            DeviceTimeoutError: No fresh frame before the deadline (stalled, stale).
            DeviceAbsentError: The stream is gone and could not be reopened so far.
            DeviceUntrustedError: Frames come but are frozen (identical), dark (no light at all) or of another size than configured.
            DeviceProtocolError: What comes does not decode to frames.
        """
        ...


class Family(Enum):
    """Families of serial fingerprint modules that speak the ZhianTec protocol."""

    ZFM20 = "zfm20"
    R307 = "r307"
    R503 = "r503"


@dataclass(frozen=True, slots=True)
class FingerprintTemplate:
    """One enrolled finger. Vendor-proprietary bytes, so the template names its format.

    Attributes:
        format: "zhiantec/<family>/<bytes>", e.g. "zhiantec/r503/1536".
        position: Finger position code of ISO/IEC 19794-2 (1 right thumb .. 10 left little; 0 unknown).
        data: The template as the module's UpChar gave it.
    """

    format: str
    position: int
    data: bytes


class FingerprintOutcome(Enum):
    """What one attempt at a verification gave. Faults are raised, never returned."""

    MATCH = "match"
    NO_MATCH = "no_match"
    NO_FINGER = "no_finger"
    NOT_LIFTED = "not_lifted"
    TOO_MESSY = "too_messy"
    TOO_FEW_FEATURES = "too_few_features"
    CAPTURE_FAILED = "capture_failed"


@dataclass(frozen=True, slots=True)
class FingerprintResult:
    """One attempt. `score` is the module's own and has no common scale; None unless a match was computed."""

    outcome: FingerprintOutcome
    score: int | None = None


class FingerprintLight(Enum):
    """What the reader's light tells the traveller; a reader without one ignores it."""

    OFF = "off"
    READY = "ready"
    BUSY = "busy"
    GOOD = "good"
    BAD = "bad"


class FingerprintReader(OpenableDevice, Protocol):
    """A fingerprint module that compares a live finger with one template sent to it (1:1)."""

    @property
    def template_format(self) -> str:
        """Format of templates this module accepts, known after open()."""
        ...

    def load_reference(self, template: FingerprintTemplate, deadline: float) -> None:
        """Send the reference into the module; afresh for every traveller.

        Raises:
            DeviceRejectedError: The module refuses the template (broken, all FF, wrong size or format).
            DeviceError: Any other fault.
        """
        ...

    def clear_reference(self) -> None:
        """Forget the reference: verify() refuses to run until the next load_reference()."""
        ...

    def wipe(self, deadline: float) -> bool:
        """One step of overwriting what the module itself still holds of a finger, for an idle lane; voids the reference.

        Returns:
            Whether nothing is left that can be overwritten; else call it again.

        Raises:
            DeviceError: Any fault of the line or module; a module that merely refuses is not one.
        """
        ...

    def finger_present(self, deadline: float) -> bool:
        """Whether a finger lies on the sensor now."""
        ...

    def verify(self, deadline: float) -> FingerprintResult:
        """One attempt: assert the security level, take an image, extract, match with the reference.

        Returns NOT_LIFTED until the finger was seen absent after the previous attempt that computed a match and
        after load_reference().

        Raises:
            DeviceError: No reference loaded, level changed behind our back, or any fault of the line or module.
        """
        ...

    def check_transfer(self, deadline: float) -> bool:
        """Send a template that is nobody's and read it back, to find out whether the module takes any; voids the reference.

        Returns:
            Whether it was seen to take it: what was sent was read back. False: it shows nothing of what is no template; after a check_image() that gave None
            it does, unless clear_reference() or wipe() came between.

        Raises:
            DeviceUntrustedError: It takes none, or not what was sent.
            DeviceError: Any other fault of the line or module.
        """
        ...

    def check_image(self, deadline: float) -> FingerprintOutcome | None:
        """Take an image, or a few, and see whether it could be used; nothing is compared, and the reference is void. A check_transfer() should follow.

        Returns:
            None: it could. Else NO_FINGER, CAPTURE_FAILED, TOO_MESSY or TOO_FEW_FEATURES.

        Raises:
            DeviceError: Any fault of the line or module.
        """
        ...

    def light(self, light: FingerprintLight, deadline: float) -> None:
        """Set the light; does nothing on modules without one."""
        ...


class IoBoard(OpenableDevice, Protocol):
    """Doors, lamps, beams, emergency loop and occupancy counter of the lane."""

    def open_to_look(self, deadline: float) -> None:
        """Open without ordering anything: doors, lamps and the board's own settings stay as they are. For whoever looks for a fault.

        Afterwards only `read()`, `describe()` and `close()` are to be called.

        Raises:
            DeviceError: As `open()`.
        """
        ...

    def read(self, deadline: float) -> LaneInputs:
        """One consistent reading of all inputs.

        Raises:
            DeviceTimeoutError: No answer. Every input is unknown from now until a reading succeeds.
            DeviceUntrustedError: Within the quarantine after a time-out (a late reply could be taken for this one's).
            DeviceError: Any other fault.
        """
        ...

    def hold_open(self, door: Door, duration_s: float, deadline: float) -> None:
        """Command `door` open for `duration_s` (0.1 s steps), timed by the board: a dead controller cannot hold it.

        The acknowledge proves nothing; only the door's position input does.

        Raises:
            DeviceRejectedError: The lane has no such door, or the board refuses.
            DeviceError: As `read()`.
        """
        ...

    def release(self, door: Door, deadline: float) -> None:
        """End an opening early: the door closes by itself. Nothing for a door that the lane has not."""
        ...

    def set_lamp(self, lamp: Lamp, on: bool, deadline: float) -> None:
        """Switch a lamp; a lamp that is not wired is ignored."""
        ...

    def set_officer_call(self, on: bool, deadline: float) -> None:
        """Switch the officer-call output; ignored when it is not wired."""
        ...

    def refresh_outputs(self, deadline: float) -> bool:
        """Compare the outputs with what was last commanded, and set again what the board has forgotten; called after each reading that leaves time for it.

        One exchange at most for each call; whether there was one. A board that has no need of it does nothing.

        Raises:
            DeviceError: As `read()`.
        """
        ...


@dataclass(frozen=True, slots=True)
class FaceModel:
    """Which model made a template: templates of different models never compare.

    Attributes:
        name: e.g. "sface-2021dec".
        weights_sha256: Hex digest of the weights file.
    """

    name: str
    weights_sha256: str

    @property
    def label(self) -> str:
        """For people: the name, and of the weights what tells them from others of that name."""
        return f"{self.name} ({self.weights_sha256[:8]})"

    def clashes_with(self, other: FaceModel) -> bool:
        """Whether the two can not judge beside each other: the same net would always agree with itself, and of two under one name one threshold would judge both."""
        return self.name == other.name or self.weights_sha256 == other.weights_sha256


@dataclass(frozen=True, slots=True)
class FaceTemplate:
    """An enrolled face: the model that made it and its embedding (float32 little-endian; of unit length for sface, of dlib's own length for dlib)."""

    model: FaceModel
    data: bytes


@dataclass(frozen=True, slots=True)
class FacePlace:
    """Where the traveller's face is in a frame.

    Attributes:
        box: x, y, width, height in pixels.
        landmarks: 5 x 2, pixels: right eye, left eye, nose tip, right and left mouth corner (right and left are the person's).
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """Measures of the traveller's face.

    Attributes:
        eye_distance_px: Distance between the eyes in pixels.
        sharpness: Variance of the Laplacian over the face crop.
        brightness: Mean luma of the face crop, 0..255.
        off_centre: Distance of the face from the frame's centre, in frame widths.
        roll_deg: Head roll in degrees, absolute.
        score: One number 0..1 to choose the best frame by; larger is better.
        turn: How far the head is turned to a side: the nose's way from between the eyes along their line, in eye distances, absolute.
        eyes: How much there is to see of the eyes: the spread of grey in their patches of the crop, in shares of its brightness; the smaller of the
            two. A hand or dark glasses leave none; closed lids leave as much as some open eyes have.
        share: Width of the face, in frame heights.
        mouth: The same of the mouth as `eyes`. A plain mask, a scarf or a hand leaves none; a mask with folds or a pattern leaves as much as a mouth.
    """

    eye_distance_px: float
    sharpness: float
    brightness: float
    off_centre: float
    roll_deg: float
    score: float
    turn: float = 0.0
    eyes: float = 1.0
    share: float = 0.35
    mouth: float = 1.0


@dataclass(frozen=True, slots=True)
class FaceProbe:
    """The largest central face of a frame, encoded."""

    model: FaceModel
    embedding: NDArray[np.float32]
    quality: FaceQuality


@dataclass(frozen=True, slots=True)
class FaceAnalysis:
    """One frame looked at.

    Attributes:
        faces: All faces of a plausible size. A second one is somebody else in the chamber; a small one in the background is not counted.
        probe: The largest central face; None when there is none, and from `locate()`.
        place: Where that face is.
        quality: How good it is.
        distant: There is a face in the middle, but none that is large enough.
    """

    faces: int
    probe: FaceProbe | None
    place: FacePlace | None = None
    quality: FaceQuality | None = None
    distant: bool = False


class FaceMatcher(Protocol):
    """Detects, aligns, encodes and compares faces. Holds no threshold: the policy does."""

    @property
    def model(self) -> FaceModel:
        """The model in use."""
        ...

    def locate(self, image: Image) -> FaceAnalysis:
        """Detect and measure faces without encoding any: a quarter of the work of `analyse()`.

        Raises:
            ValueError: Not an image as defined here.
            DeviceError: The model failed; never because there is no face or a bad one.
        """
        ...

    def analyse(self, image: Image) -> FaceAnalysis:
        """Detect faces and encode the largest central one.

        Raises:
            ValueError: Not an image as defined here.
            DeviceError: The model failed; never because there is no face or a bad one.
        """
        ...

    def template(self, probe: FaceProbe) -> FaceTemplate:
        """The probe as a template, to compare others with.

        Raises:
            ValueError: The probe is broken, or another model's.
        """
        ...

    def compare(self, probe: FaceProbe, reference: FaceTemplate) -> float:
        """Distance between probe and reference: the model's own L2, 0 identical; up to 2 on unit vectors (sface). Thresholds are per model.

        Raises:
            ValueError: The reference was made by another model, or is broken.
        """
        ...


class QrDecoder(Protocol):
    """Finds QR codes in a frame."""

    def decode(self, image: Image, *, quick: bool = False) -> list[str]:
        """Texts of the QR codes in the frame (Latin-1 view of the raw bytes), in no particular order, no duplicates.

        Args:
            image: The frame.
            quick: Only what takes few milliseconds: a code that is shown badly may be missed. For who looks at every frame of a camera.

        Raises:
            DeviceProtocolError: `image` is no picture: nothing was looked at.
        """
        ...
