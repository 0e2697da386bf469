from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import BaseModel

from gate_controller.composition.registry import GROUP, DriverRegistry, load_drivers
from gate_controller.ports.drivers import Driver
from gate_controller.ports.errors import ConfigurationError

GOOD = Driver(BaseModel, lambda _options, _context: None)
NOT_A_DRIVER = object()


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


HERE = "tests_composition_registry_module"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])


def test_the_drivers_of_this_project_are_installed_and_load() -> None:
    drivers = load_drivers()
    assert {"camera.opencv", "fingerprint.zhiantec", "io_board.modbus", "face.sface", "face.dlib", "qr.zxing"} <= set(drivers)
    for name in drivers:
        assert isinstance(drivers[name], Driver)
        assert drivers[name].options.model_config.get("extra") == "forbid", name
        assert drivers[name].options.model_config.get("frozen"), name


def test_listing_drivers_imports_none_of_them() -> None:
    """A misspelt driver must not cost a second of imports, nor fail because of another driver."""
    code = (
        "import sys; from gate_controller.composition.registry import load_drivers; names = list(load_drivers()); "
        "assert 'camera.opencv' in names and 'x' not in load_drivers(); print([name for name in sys.modules if name in ('cv2', 'drivers')])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_driver_is_loaded_by_its_name() -> None:
    registry = DriverRegistry([point("camera.x", f"{HERE}:GOOD")])
    assert registry["camera.x"] is GOOD
    assert dict(registry) == {"camera.x": GOOD}
    assert len(registry) == 1


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        DriverRegistry([])["camera.x"]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("no_such_package:DRIVER", "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"),
        (f"{HERE}:MISSING", "cannot be imported: AttributeError: "),
        (f"{HERE}:NOT_A_DRIVER", "is no gate_controller.ports.drivers.Driver"),
    ],
)
def test_a_driver_that_cannot_be_used_is_a_configuration_error(value: str, complaint: str) -> None:
    registry = DriverRegistry([point("camera.x", value)])
    with pytest.raises(ConfigurationError) as caught:
        registry["camera.x"]
    assert f'driver "camera.x" ({value}) {complaint}' in caught.value.what
    assert "\n" not in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize("error", ["SystemExit", "RuntimeError"])
def test_a_driver_whose_import_crashes_is_a_configuration_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    (tmp_path / f"crashing_{error}.py").write_text(f"raise {error}('two\\nlines')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match=f"{error}: two lines"):
        DriverRegistry([point("camera.x", f"crashing_{error}:DRIVER")])["camera.x"]


def test_two_packages_with_one_name_are_an_error_when_it_is_used() -> None:
    registry = DriverRegistry([point("camera.x", f"{HERE}:GOOD"), point("camera.x", "vendor:DRIVER"), point("camera.y", f"{HERE}:GOOD")])
    assert registry["camera.y"] is GOOD
    with pytest.raises(ConfigurationError, match="is offered twice") as caught:
        registry["camera.x"]
    assert "uninstall" in caught.value.remedy


def test_one_package_found_twice_is_one_driver() -> None:
    assert DriverRegistry([point("camera.x", f"{HERE}:GOOD")] * 2)["camera.x"] is GOOD
