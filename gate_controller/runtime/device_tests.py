"""The tests of the devices, as their workers run them while an engineer has the lane (errands.py).

They look and count; they move no door, compare nobody, and keep no picture, text or template: what leaves them are numbers. Limits here are for an
engineer's attention only, and decide nothing of a traveller.
"""

from __future__ import annotations

import contextlib
import statistics
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from gate_controller.core.values import DoorPosition, LaneInputs, Occupancy, TriState
from gate_controller.ports.clock import Clock
from gate_controller.ports.control import JsonObject
from gate_controller.ports.devices import Camera, FaceMatcher, FingerprintLight, FingerprintOutcome, FingerprintReader, Image, QrDecoder
from gate_controller.ports.errors import DeviceError, DeviceRejectedError, DeviceUntrustedError
from gate_controller.runtime.errands import Turns

FRAMES, FRAMES_WITHIN_S = 8, 1.0
LEAST_FPS = 8.0
DAMAGE_REMEDY = "look at the camera's cable, its USB hub and its power"
DARK, BRIGHT = 40.0, 220.0
"""Mean luma, 0..255, below and above which a camera sees too little."""
BLURRED = 15.0
"""Variance of the Laplacian below which a lens is out of focus, dirty or covered."""
BROKEN, TIMES_WITHIN = 10.0, 3.0
"""How high a step between two rows of JPEG blocks is taken for damage: mean over the row, 0..255, and in times the highest within blocks."""
CALLS = 5
SLOW_READER_S, SLOW_BOARD_S = 0.5, 0.1
LOAD_WITHIN_S = 6.0
"""What a lane gives a template to be sent and read back; 1536 bytes at 9600 baud in packets of 128 take 3.5 s."""
TRANSFER_WITHIN_S = LOAD_WITHIN_S + 2.0
"""With what the module held before, which is read first."""
IMAGE_WITHIN_S = 6.0
"""An R503 takes four images, 0.7 s each with what is extracted, and shows 1536 bytes: 4.6 s at 9600 baud."""
FINGERPRINT_WITHIN_S = 20.0
"""The whole test. An R503 takes 6 s at 57600 baud, 14 s at 9600."""
PRINTS = {
    FingerprintOutcome.CAPTURE_FAILED: "hold it still",
    FingerprintOutcome.TOO_MESSY: "dry the finger, clean the sensor",
    FingerprintOutcome.TOO_FEW_FEATURES: "press it down, moisten it; a film on the sensor?",
}
"""What to do about a print that cannot be used."""
TRI_STATES = {TriState.ACTIVE: "active", TriState.INACTIVE: "clear", TriState.UNKNOWN: "unknown"}

Look = Callable[[list[Image]], tuple[list[str], dict[str, Any]]]
"""What a camera's own program makes of the frames: findings and values."""


def judged(failures: list[str], findings: list[str], values: dict[str, Any]) -> JsonObject:
    """A test's result: "fail" with failures, "warn" with findings, else "pass"."""
    return {"result": "fail" if failures else "warn" if findings else "pass", "findings": failures + findings, "values": values}


def inputs_by_name(inputs: LaneInputs) -> dict[str, str]:
    """Every input of the lane: clear, active or unknown; doors and occupancy by their own words."""
    found: dict[str, str] = {}
    for name in LaneInputs.__dataclass_fields__:
        value = getattr(inputs, name)
        found[name] = TRI_STATES[value] if isinstance(value, TriState) else str(value.value)
    return found


def camera_test(camera: Camera, clock: Clock, look: Look) -> Turns:
    """Some frames: how fast they come, how bright and sharp they are, and what the camera's program makes of them.

    Raises:
        DeviceError: No frames come, or the program fails.
    """
    began = clock.monotonic()
    frames = [camera.frame(-1, began + FRAMES_WITHIN_S)]
    while len(frames) < FRAMES and clock.monotonic() < began + FRAMES_WITHIN_S:
        frames.append(camera.frame(frames[-1].sequence, clock.monotonic() + FRAMES_WITHIN_S))
    yield
    span_s = frames[-1].stamp - frames[0].stamp
    fps = (len(frames) - 1) / span_s if span_s > 0 else 0.0
    brightness, sharpness = _brightness(frames[-1].image), statistics.median(_sharpness(frame.image) for frame in frames[-3:])
    yield
    findings, values = look([frame.image for frame in frames[-3:]])
    if fps < LEAST_FPS:
        findings.append(f"{fps:.1f} frames a second: look at the cable, the USB hub and the light")
    neighbours = zip(frames[1:-1], frames, frames[2:], strict=False)
    damaged = sum(looks_damaged(frame.image, before.image, after.image) for frame, before, after in neighbours)
    if damaged:
        findings.append(f"{damaged} of {len(frames) - 2} pictures look damaged: {DAMAGE_REMEDY}")
    if not DARK <= brightness <= BRIGHT:
        findings.append(f"brightness {brightness:.0f} of 255: look at the light before the camera")
    if sharpness < BLURRED and not values.get("codes", values.get("faces")):
        findings.append(
            f"sharpness {sharpness:.0f}: with a bare wall before it that is nothing; hold up something with edges, else clean the lens and focus it"
        )
    height, width = frames[-1].image.shape[:2]
    measured = {"frames": len(frames), "damaged": damaged, "fps": round(fps, 1), "width": width, "height": height}
    return judged([], findings, {**measured, "brightness": round(brightness, 1), "sharpness": round(sharpness, 1), **values})


def face_look(matcher: FaceMatcher) -> Look:
    """How many faces there are, and how good the middle one is for the matcher."""

    def look(images: list[Image]) -> tuple[list[str], dict[str, Any]]:
        seen = matcher.locate(images[-1])
        values: dict[str, Any] = {"model": matcher.model.name, "faces": seen.faces}
        if seen.quality is not None:
            measures = ("eye_distance_px", "sharpness", "brightness", "off_centre", "roll_deg", "score")
            values |= {f"face_{name}": round(float(getattr(seen.quality, name)), 3) for name in measures}
        return [], values

    return look


def qr_look(decoder: QrDecoder) -> Look:
    """How many codes are read. What they say is nobody's business here."""

    def look(images: list[Image]) -> tuple[list[str], dict[str, Any]]:
        return [], {"codes": max(len(decoder.decode(image)) for image in images)}

    return look


def fingerprint_test(reader: FingerprintReader, clock: Clock, deadline: Callable[[], float]) -> Turns:
    """The reader's light, how soon it answers, whether it takes a template, and what it makes of a finger that lies there.

    A finger that is always there is a dirty or broken sensor. The template that is sent is nobody's; nothing is compared.

    Raises:
        DeviceError: The reader does not answer.
    """
    ends = clock.monotonic() + FINGERPRINT_WITHIN_S
    failures: list[str] = []
    took: list[float] = []
    present = 0
    packets = reader.describe().get("packet_bytes")
    try:
        reader.light(FingerprintLight.BUSY, deadline())
        for _ in range(CALLS):
            began = clock.monotonic()
            present += reader.finger_present(min(deadline(), ends))
            took.append(clock.monotonic() - began)
            yield
        image = reader.check_image(min(clock.monotonic() + IMAGE_WITHIN_S, ends)) if present else FingerprintOutcome.NO_FINGER
        yield
        transfer = transferred(reader, clock, failures, ends)
    finally:  # also when the lane was given back meanwhile
        reader.clear_reference()
        with contextlib.suppress(DeviceError):
            reader.light(FingerprintLight.OFF, deadline())
    findings = ["a finger lies on the sensor all the time: lift it, or clean the sensor"] if present == CALLS and image is not None else []
    if max(took) > SLOW_READER_S:
        findings.append(f"an answer took {max(took):.2f} s: look at the line and its baud rate")
    if (found := reader.describe().get("packet_bytes")) != packets:
        findings.append(f"it takes templates only in packets of {found} bytes: set packet_bytes to that")
    if image in PRINTS:
        findings.append(f"the finger there cannot be read ({image.value}): {PRINTS[image]}")
    values = {
        "template_format": reader.template_format,
        "calls": CALLS,
        "slowest_s": round(max(took), 4),
        "finger_present": present > 0,
        "takes_templates": transfer,
        "print": "usable" if image is None else image.value,
    }
    return judged(failures, findings, values)


def transferred(reader: FingerprintReader, clock: Clock, failures: list[str], ends: float = float("inf")) -> str:
    """Whether the reader takes templates: "yes", "no" (and why in `failures`), or "not seen" where it does not show; until `ends` (monotonic seconds).

    Raises:
        DeviceError: The reader does not answer.
    """
    try:
        return "yes" if reader.check_transfer(min(clock.monotonic() + TRANSFER_WITHIN_S, ends)) else "not seen"
    except (DeviceRejectedError, DeviceUntrustedError) as error:
        failures += [f"{error.what}: {error.remedy}"]
        return "no"


def one_picture(camera: Camera, clock: Clock) -> Turns:
    """One frame, taken after this was asked for; its image.

    Raises:
        DeviceError: None comes.
    """
    first = camera.frame(-1, clock.monotonic() + FRAMES_WITHIN_S)
    yield
    return camera.frame(first.sequence, clock.monotonic() + FRAMES_WITHIN_S).image


def board_test(readings: deque[float], newest: Callable[[], LaneInputs]) -> Turns:
    """Some readings as they come: how soon the board answers, and whether what it says of the lane can be.

    Args:
        readings: How long each reading took, seconds; new ones come in at its end.
        newest: What the last one said.
    """
    readings.clear()
    while len(readings) < CALLS:
        yield
    took, inputs = list(readings), newest()
    unknown = [name for name, value in inputs_by_name(inputs).items() if value == "unknown"]
    failures = [f"{name} is unknown: look at its wires and at the wiring in gate.toml" for name in unknown]
    findings = [f"{name} is active" for name in ("tamper", "emergency") if getattr(inputs, name) is TriState.ACTIVE]
    if inputs.occupancy is Occupancy.MANY:
        findings.append("the counter says that several people are inside")
    if DoorPosition.MOVING in {inputs.entry_door, inputs.exit_door}:
        findings.append("a door is neither open nor closed")
    if max(took) > SLOW_BOARD_S:
        findings.append(f"an answer took {max(took):.3f} s: look at the line and its baud rate")
    return judged(failures, findings, {"calls": CALLS, "slowest_s": round(max(took), 4), "median_s": round(statistics.median(took), 4)})


def looks_damaged(image: Image, before: Image, after: Image) -> bool:
    """Whether a picture looks as if a part of its JPEG had been lost: it is decoded, and shown, without a word.

    JPEG codes blocks of 8 x 8: what is lost breaks off between two rows of them, at another place in each picture. So a step between two such rows is looked
    for that is in neither of the pictures next to it, and is far higher than any such one within blocks, which an edge that moves makes as well. On the
    simulated cameras it finds 9 of 10 pictures that are cut off, 8 of 10 with 5 wrong bytes, and no whole one, at any JPEG quality from 25 to 95, nor where an
    edge comes into the picture or moves in it.
    """
    if not image.shape == before.shape == after.shape:
        return False
    here = _row_steps(image)
    new = np.minimum(np.abs(here - _row_steps(before)), np.abs(here - _row_steps(after)))
    between = np.arange(len(new)) % 8 == 7
    return bool(new[between].max() > max(BROKEN, TIMES_WITHIN * new[~between].max()))


def _row_steps(image: Image) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How much each row differs from the next, mean over every fourth column, 0..255."""
    steps = np.abs(np.diff(image[:, ::4, 1].astype(np.int16), axis=0))
    return np.asarray(steps.mean(axis=1), dtype=np.float64)


def _brightness(image: Image) -> float:
    return float(image[::4, ::4].mean())


def _sharpness(image: Image) -> float:
    grey = image[:, :, 1].astype(np.int16)
    inner = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return float(inner.var())
