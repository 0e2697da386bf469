"""gatectl qr, fingerprint, face: what a device is, and whether it works. No picture, no code's text and no template is shown or kept.

Asks the gate controller, which tests only in maintenance; where none runs, the devices themselves.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gate_controller.cli.asking import CALL_S, built, daemon, opened, site_options
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.json_output import print_json
from gate_controller.cli.socket_option import one_line
from gate_controller.diagnostics.site import Site
from gate_controller.ports.devices import FingerprintOutcome
from gate_controller.ports.errors import DeviceAbsentError, DeviceTimeoutError

Values = dict[str, Any]
WATCH_S = 3.0
FINGER_WAIT_S = 15.0
reason_option = click.option("--reason", default="tried with gatectl", show_default=True, help="Why; journalled by the gate controller.")


@click.group("qr")
def qr_group() -> None:
    """Try the QR camera and the decoder."""


@click.group("fingerprint")
def fingerprint_group() -> None:
    """Look at the fingerprint module, and try it."""


@click.group("face")
def face_group() -> None:
    """Try the face camera and the face matcher."""


@qr_group.command("test")
@site_options
@reason_option
@click.option("--file", "picture", type=click.Path(path_type=Path), help="A picture of a code, instead of the camera.")
def qr_test_command(site: Site, as_json: bool, reason: str, picture: Path | None) -> int:
    """Whether the camera gives pictures and codes in them are read: hold a code up. Its text is not shown; gatectl pass inspect does that.

    Exit code: 0 it works, 1 it does not, 4 to 8 as everywhere.
    """
    if picture is not None:
        return _tell(_file_test(picture), as_json)
    return _test(site, "qr", reason, as_json, lambda: _qr(site))


@fingerprint_group.command("info")
@site_options
def fingerprint_info_command(site: Site, as_json: bool) -> None:
    """What the module says of itself: model, serial number, settings."""
    client = daemon(site)
    if client is None:
        with opened(site, "fingerprint") as reader:
            info = dict(reader.describe())
    else:
        devices = client.diagnostics().get("devices", [])
        told: Values = next((each for each in devices if each.get("device") == "fingerprint"), {})
        if told.get("state") == "lost":
            from gate_controller.cli.failures import CommandFailedError

            code = ExitCode.DEVICE_ABSENT if told.get("reason") == DeviceAbsentError.code else ExitCode.CHECK_FAILED
            what = f"the gate controller has lost it: {told.get('detail')}"
            raise CommandFailedError(what, str(told.get("remedy", "")), code)
        info = told.get("info", {})
    if as_json:
        print_json(info)
    else:
        click.echo("\n".join(f"{one_line(name):<16} {one_line(value)}" for name, value in info.items()))


@fingerprint_group.command("test")
@site_options
@reason_option
def fingerprint_test_command(site: Site, as_json: bool, reason: str) -> int:
    """Whether the module answers, takes templates, and can read a finger that is laid on and lifted. No finger is compared or kept.

    Exit code: as `gatectl qr test`.
    """
    return _test(site, "fingerprint", reason, as_json, lambda: _fingerprint(site))


@face_group.command("test")
@site_options
@reason_option
def face_test_command(site: Site, as_json: bool, reason: str) -> int:
    """How well the face before the camera can be used: distance, sharpness, light, and how long a picture takes.

    Exit code: as `gatectl qr test`.
    """
    return _test(site, "face", reason, as_json, lambda: _face(site))


def _test(site: Site, device: str, reason: str, as_json: bool, directly: Any) -> int:
    client = daemon(site)
    return _tell(client.device_test(device, reason) if client is not None else directly(), as_json)


def _tell(result: Values, as_json: bool) -> int:
    if as_json:
        print_json(result)
    else:
        click.echo(f"{one_line(result.get('device'))}: {one_line(result.get('result'))}")
        for line in result.get("findings", []):
            click.echo(f"  {one_line(line)}")
        for name, value in result.get("values", {}).items():
            click.echo(f"  {one_line(name):<18} {one_line(value)}")
    return ExitCode.CHECK_FAILED if result.get("result") == "fail" else ExitCode.OK


def _result(device: str, findings: list[str], values: Values, *, failed: bool) -> Values:
    return {"device": device, "result": "fail" if failed else "warn" if findings else "pass", "findings": findings, "values": values}


def _file_test(picture: Path) -> Values:
    from gate_controller.cli.pass_image import text_in

    return _result("qr", [], {"codes": 1, "characters": len(text_in(picture))}, failed=False)


def _frames(site: Site, camera: Any, for_s: float) -> Iterator[Any]:
    """Frames for that long.

    Raises:
        DeviceError: None comes.
    """
    until, sequence = site.clock.monotonic() + for_s, 0
    while (now := site.clock.monotonic()) < until:
        frame = camera.frame(sequence, now + CALL_S)
        sequence = frame.sequence
        yield frame


def _qr(site: Site) -> Values:
    decoder = built(site, "qr_decoder")
    looked, read, characters = 0, 0, 0
    with opened(site, "qr_camera") as camera:
        click.echo(f"hold a code before the camera ({WATCH_S:g} s)", err=True)
        for frame in _frames(site, camera, WATCH_S):
            texts = decoder.decode(frame.image)
            looked, read = looked + 1, read + bool(texts)
            characters = max([characters, *map(len, texts)])
    findings = [] if read else ["no code was seen; was one held up, lit and within the picture?"]
    return _result("qr", findings, {"pictures": looked, "with_a_code": read, "characters": characters}, failed=not looked)


def _fingerprint(site: Site) -> Values:
    from gate_controller.runtime.device_tests import IMAGE_WITHIN_S, PRINTS, transferred

    took: list[float] = []
    failures: list[str] = []
    image: FingerprintOutcome | None = FingerprintOutcome.NO_FINGER
    transfer = ""
    seen = lifted = False
    with opened(site, "fingerprint") as reader:
        click.echo(f"lay a finger on the sensor and lift it ({FINGER_WAIT_S:g} s)", err=True)
        until = site.clock.monotonic() + FINGER_WAIT_S
        while site.clock.monotonic() < until and not lifted:
            began = time.monotonic()
            present = reader.finger_present(site.clock.monotonic() + CALL_S)
            took.append(time.monotonic() - began)
            seen, lifted = seen or present, seen and not present
            if present and image is not None:
                image = reader.check_image(site.clock.monotonic() + IMAGE_WITHIN_S)
                transfer = transferred(reader, site.clock, failures) if image is None else transfer
        if not transfer:
            transfer = transferred(reader, site.clock, failures)
    findings = [] if lifted else ["no finger was seen" if not seen else "the finger was not seen lifted: wipe the sensor"]
    if image in PRINTS:
        findings.append(f"the finger could not be read ({image.value}): {PRINTS[image]}")
    values = {
        "finger_seen": seen,
        "finger_lifted": lifted,
        "answer_ms": round(statistics.median(took) * 1000, 1) if took else None,
        "takes_templates": transfer,
        "print": "usable" if image is None else image.value,
    }
    return _result("fingerprint", failures + findings, values, failed=bool(failures))


def _face(site: Site) -> Values:
    matcher = built(site, "face_matcher")
    took: list[float] = []
    qualities = []
    faces = 0
    with opened(site, "face_camera") as camera:
        click.echo(f"look at the camera ({WATCH_S:g} s)", err=True)
        for frame in _frames(site, camera, WATCH_S):
            began = time.monotonic()
            analysis = matcher.analyse(frame.image)
            took.append(time.monotonic() - began)
            faces = max(faces, analysis.faces)
            if analysis.quality is not None:
                qualities.append(analysis.quality)
    if not took:
        raise DeviceTimeoutError("the face camera gave no picture", "gatectl doctor")
    values: Values = {"pictures": len(took), "faces": faces, "picture_ms": round(statistics.median(took) * 1000, 1)}
    if qualities:
        best = max(qualities, key=lambda each: each.score)
        values |= {name: round(getattr(best, name), 2) for name in ("score", "eye_distance_px", "sharpness", "brightness", "roll_deg")}
    findings = [] if qualities else ["no face was seen; was somebody there, lit and close enough?"]
    if faces > 1:
        findings.append("more than one face was seen: a poster or a mirror behind the traveller?")
    return _result("face", findings, values, failed=False)
