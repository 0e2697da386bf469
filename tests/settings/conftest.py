"""A small configuration on disk that tests change, and drivers that open nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gate_controller.ports.drivers import Driver
from gate_controller.settings import InvalidConfigurationError, Settings, load

GATE = """\
[gate]
id = "MO-GB-07"
region = "MO"
checkpoint = "MO-GB"
direction = "hk_to_mo"
mode = "simulation"
policy = "policy.toml"

[devices.qr_camera]
driver = "still"
source = "/dev/gate/qr"

[devices.face_camera]
driver = "still"
source = 3

[devices.fingerprint]
driver = "pad"
port = "./finger"
password = 123456789

[devices.io_board]
driver = "contacts"
port = "/dev/gate/io"
counter = { by = "mat", zero = 4 }

[devices.face_matcher]
driver = "eyes"

[devices.qr_decoder]
driver = "eyes"

[devices.pad]
driver = "eyes"

[keys]
cache = "trust"
floor = "floor.db"
pinned_root = "root.json"
pinned_root_sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

[enrolment]
store = "enrolment.db"
master_key_file = "master.key"

[journal]
path = "/var/lib/gate/journal.db"
signing_key_credential = "journal-signing"

[replay]
path = "../replay.db"

[models]
directory = "models"
"""


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraOptions(_Options):
    source: Annotated[int, Field(ge=0, strict=True)] | str = Field(description="Device as a number or a path.")
    fps: float = Field(30.0, ge=1, le=240, description="Frames a second")


class FingerprintOptions(_Options):
    port: str = Field(description="Serial device")
    baud: int = Field(57600, ge=9600, le=115200, multiple_of=9600, description="Baud rate")
    security_level: int = Field(3, ge=1, le=5, description="Threshold of the module")
    password: int = Field(0, ge=0, le=0xFFFFFFFF, repr=False, description="The module's password")


class MatCounter(_Options):
    by: Literal["mat"] = Field(description="Counts by a mat")
    zero: int = Field(ge=0, le=15, description="Contact for nobody")


class RegisterCounter(_Options):
    by: Literal["register"] = Field(description="Counts by a register")
    address: int = Field(ge=0, le=0xFFFF, description="Register")


class IoBoardOptions(_Options):
    port: str = Field(pattern=r"^/", description="Serial device")
    counter: Annotated[MatCounter | RegisterCounter, Field(discriminator="by")] = Field(description="The people counter")
    entry_door: Literal["wired", "not_wired"] = Field("wired", description="The entry door")
    low_s: float = Field(1.0, description="Shortest")
    high_s: float = Field(2.0, description="Longest")

    @property
    def has_entry_door(self) -> bool:
        return self.entry_door == "wired"

    @model_validator(mode="after")
    def _ordered(self) -> IoBoardOptions:
        if self.low_s > self.high_s:
            raise ValueError("low_s is larger than high_s")
        return self


class ModelOptions(_Options):
    model: str = Field("sface-2021dec", description="Name of the model")


def _build(_options: BaseModel, _context: object) -> None:
    raise AssertionError("a configuration is checked without building anything")


DRIVERS: Mapping[str, Driver[Any, Any]] = {
    "camera.still": Driver(CameraOptions, _build, lambda options: f"/dev/video{options.source}" if isinstance(options.source, int) else options.source),
    "camera.moving": Driver(CameraOptions, _build),
    "fingerprint.pad": Driver(FingerprintOptions, _build, lambda options: options.port),
    "io_board.contacts": Driver(IoBoardOptions, _build, lambda options: options.port),
    "face.eyes": Driver(ModelOptions, _build),
    "qr.eyes": Driver(_Options, _build),
    "pad.eyes": Driver(_Options, _build),
    "pad_challenge.eyes": Driver(_Options, _build),
}


class Laboratory:
    """gate.toml and policy.toml in a directory, which tests change by replacing text."""

    def __init__(self, directory: Path) -> None:
        self.gate = directory / "gate.toml"
        self.policy = directory / "policy.toml"
        self.gate.write_text(GATE, encoding="utf-8")
        self.policy.write_text((Path(__file__).parents[2] / "config" / "policy.toml").read_text(encoding="utf-8"), encoding="utf-8")

    def change(self, old: str, new: str, file: str = "gate") -> int:
        """Replace a text that must occur exactly once; returns the line it stood on."""
        path = getattr(self, file)
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return text[: text.index(old)].count("\n") + 1

    def append(self, text: str, file: str = "gate") -> int:
        """Add text at the end; returns the line it begins on."""
        path = getattr(self, file)
        content = path.read_text(encoding="utf-8")
        path.write_text(content + text, encoding="utf-8")
        return content.count("\n") + 1

    def load(self, drivers: Mapping[str, Driver[Any, Any]] | None = DRIVERS) -> Settings:
        return load(self.gate, drivers)

    def complaints(self, drivers: Mapping[str, Driver[Any, Any]] | None = DRIVERS) -> list[str]:
        """The lines that loading complains with; the files' directory taken out."""
        with pytest.raises(InvalidConfigurationError) as caught:
            load(self.gate, drivers)
        error = caught.value
        lines = str(error).split("\n")
        assert len(lines) == len(error.problems), "a problem has more than one line"
        assert all(line.isprintable() for line in lines)
        return [line.replace(f"{self.gate.parent}/", "") for line in lines]


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path)


@pytest.fixture
def drivers() -> Mapping[str, Driver[Any, Any]]:
    return DRIVERS


@pytest.fixture
def make_laboratory(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Laboratory]:
    return lambda: Laboratory(tmp_path_factory.mktemp("configuration"))
