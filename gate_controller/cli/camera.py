"""gatectl camera: what a camera sees, for adjusting it. Only while the lane is in maintenance and its chamber is known to be empty.

The picture goes to the file or the terminal that was named, and nowhere else. Where no gate controller runs, the same is demanded of the I/O board.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from gate_controller.cli.asking import CALL_S, daemon, opened, site_options
from gate_controller.cli.json_output import print_json
from gate_controller.core.values import Occupancy
from gate_controller.diagnostics.site import Site
from gate_controller.ports.devices import Image, IoBoard
from gate_controller.ports.errors import ConfigurationError, DeviceProtocolError, RefusedByStateError

CAMERAS = {"qr": "qr_camera", "face": "face_camera"}
EVERY_S = 1.0
_SHADES = " .:-=+*#%@"
_CELL = 2.0
"""Height of a terminal's cell in its widths."""
camera_argument = click.argument("camera", type=click.Choice(list(CAMERAS)))


@click.group("camera")
def camera_group() -> None:
    """Look through a camera, in maintenance with an empty chamber only."""


@camera_group.command("snapshot")
@site_options
@camera_argument
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File for the JPEG picture; only its owner may read it.")
def snapshot_command(site: Site, as_json: bool, camera: str, output: Path) -> None:
    """Take one picture. It is written to the named file, readable by you alone; delete it when it has served.

    Exit code: 0 taken, 5 not an engineer, 6 no camera, 7 not in maintenance, or the chamber is not known to be empty.
    """
    picture = _jpeg(site, camera)
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(picture)
    except OSError as error:
        what = f"{output}: {error.strerror}"
        raise ConfigurationError(what, "name a file in a directory that you may write") from error
    if as_json:
        print_json({"camera": camera, "file": str(output), "bytes": len(picture)})
    else:
        click.echo(f"{output}: {len(picture)} bytes")


@camera_group.command("preview")
@site_options
@camera_argument
@click.option("--seconds", type=click.FloatRange(min=0), default=30.0, show_default=True, help="How long.")
def preview_command(site: Site, as_json: bool, camera: str, seconds: float) -> None:
    """Show what the camera sees in the terminal, a picture a second: enough to aim and to focus over SSH.

    With --json its measures, an object a picture, and not the picture.

    Exit code: as snapshot.
    """
    until = time.monotonic() + seconds
    while True:
        picture = _decoded(_jpeg(site, camera))
        if as_json:
            print_json({"camera": camera, **measured(picture)})
        else:
            columns, rows = shutil.get_terminal_size((80, 24))
            if sys.stdout.isatty():
                click.clear()
            click.echo(drawn(picture, columns, rows - 2))
        if time.monotonic() >= until:
            return
        time.sleep(EVERY_S)


def drawn(image: Image, columns: int, rows: int) -> str:
    """The picture in characters, at most so many columns and rows; plain ASCII, so that every terminal shows it."""
    height, width = image.shape[:2]
    wide = max(1, min(columns, int(rows * _CELL * width / height)))
    high = max(1, min(rows, int(wide * height / width / _CELL)))
    down = np.linspace(0, height - 1, high).astype(int)
    across = np.linspace(0, width - 1, wide).astype(int)
    grey = image[down][:, across].mean(axis=2)
    shades = (grey / 256 * len(_SHADES)).astype(int)
    return "\n".join("".join(_SHADES[shade] for shade in row) for row in shades)


def measured(image: Image) -> dict[str, float]:
    """How large, bright and sharp the picture is: brightness from 0 to 255; sharpness is comparable between pictures of one scene."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    return {"width": image.shape[1], "height": image.shape[0], "brightness": round(float(grey.mean()), 1), "sharpness": round(sharpness, 1)}


def _jpeg(site: Site, camera: str) -> bytes:
    client = daemon(site)
    if client is not None:
        return client.snapshot(camera)
    with opened(site, "io_board", to_look=True) as board, opened(site, CAMERAS[camera]) as device:
        _require_empty(site, board)
        image = device.frame(0, site.clock.monotonic() + CALL_S).image
        _require_empty(site, board)  # whoever came in meanwhile may be on it
    import cv2

    done, data = cv2.imencode(".jpg", image)
    if not done:
        raise DeviceProtocolError("the camera's picture cannot be encoded", "gatectl doctor")
    return bytes(data)


def _require_empty(site: Site, board: IoBoard) -> None:
    occupancy = board.read(site.clock.monotonic() + CALL_S).occupancy
    if occupancy is not Occupancy.ZERO:
        what = f"the counter says {occupancy.value}: the chamber is not known to be empty"
        raise RefusedByStateError(what, "clear the chamber; gatectl io show tells every input")


def _decoded(picture: bytes) -> Image:
    import cv2

    image: Any = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise DeviceProtocolError("the picture does not decode", "run gatectl and the daemon of one version")
    return np.asarray(image, np.uint8)
