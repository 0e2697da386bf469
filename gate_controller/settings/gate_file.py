"""gate.toml: which gate this is, its devices, and where its files are.

Does not know the options of a driver: each driver brings a model of its own (devices.py applies it).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from gate_controller.core.policy import LaneKind
from gate_controller.core.values import Region
from gate_controller.settings.types import DirectionName, FilePath, Section

KIOSK_HOST = "127.0.0.1"

Wait = Annotated[float, Field(gt=0, le=60)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]
GroupName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
CredentialName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]

DEVICE_KINDS = {
    "qr_camera": "camera",
    "face_camera": "camera",
    "fingerprint": "fingerprint",
    "io_board": "io_board",
    "face_matcher": "face",
    "qr_decoder": "qr",
    "face_matcher_2": "face",
    "pad": "pad",
    "pad_challenge": "pad_challenge",
}
"""Every device of a gate, and the kind of driver it takes: `driver = "NAME"` means the entry point "<kind>.NAME". The last three may be left out."""


class GateSection(Section):
    """Which gate this is."""

    id: str = Field(pattern=r"^(HK|MO)-[A-Z]{2,4}-[A-Z0-9]{1,8}$", description="Name of the gate: its checkpoint, a hyphen, its number, e.g. MO-GB-07")
    region: Region = Field(description="Region whose lane it is")
    checkpoint: str = Field(pattern=r"^(HK|MO)-[A-Z]{2,4}$", description="Checkpoint the gate stands at; presentations name it or the gate")
    direction: DirectionName = Field(description="Direction of travel through the lane")
    lane: LaneKind = Field(LaneKind.TWO_DOOR, description="Which doors the lane has; single_door: the exit only, the entry is an opening with a beam")
    mode: Literal["production", "simulation"] = Field(description="production refuses everything simulated; simulation may override the policy")
    policy: FilePath = Field(description="The policy file")
    stop_drain_s: float = Field(
        60.0, ge=0, le=60, description="When asked to stop, how long an open crossing may take to end; the unit ends the process after 75 s"
    )

    @field_validator("checkpoint")
    @classmethod
    def _checkpoint_is_of_the_region(cls, value: str, info: ValidationInfo) -> str:
        region = info.data.get("region")
        if region is not None and not value.startswith(f"{region.value}-"):
            message = f"Input should begin with {region.value}-, the gate's region"
            raise ValueError(message)
        if "id" in info.data and not info.data["id"].startswith(f"{value}-"):
            raise ValueError("Input should be the beginning of the gate's id")
        return value


class DeviceSection(Section):
    """One device: its driver's name, and whatever options that driver has."""

    model_config = ConfigDict(extra="allow")

    driver: str = Field(pattern=r"^[a-z0-9_]{1,32}$", description="Name of the driver, e.g. opencv")

    @property
    def options(self) -> dict[str, Any]:
        """The driver's options, not yet checked."""
        return dict(self.model_extra or {})


class DevicesSection(Section):
    """The devices of the lane."""

    qr_camera: DeviceSection = Field(description="Camera that looks at the traveller's phone")
    face_camera: DeviceSection = Field(description="Camera that looks at the traveller's face")
    fingerprint: DeviceSection = Field(description="Fingerprint module")
    io_board: DeviceSection = Field(description="Doors, lamps, beams, loops and people counter")
    face_matcher: DeviceSection = Field(description="Program that finds and compares faces")
    qr_decoder: DeviceSection = Field(description="Program that reads QR codes")
    face_matcher_2: DeviceSection | None = Field(None, description="A second program that compares faces, with another model; both must agree")
    pad: DeviceSection | None = Field(None, description="Judge of presentation attacks: a living face, or a picture of one")
    pad_challenge: DeviceSection | None = Field(None, description="What may be asked of a traveller whose face stays undetermined")


PLACEHOLDER_SHA256 = "0" * 64
"""What the shipped gate.toml has for `pinned_root_sha256`. No file has this hash."""

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class KeysSection(Section):
    """The regions' public keys and status lists."""

    cache: FilePath = Field(description="Directory of the imported trust: keys and status lists as the regions published them, verified anew at each load")
    floor: FilePath = Field(description="File that remembers the newest versions and the latest time seen, so that nothing older is taken; outside the cache")
    own_floor: FilePath | None = Field(
        None,
        description="File in which the controller itself remembers the newest versions, where whoever brings current trust cannot write; made at its first start",
    )
    pinned_root: FilePath = Field(description="Root metadata that everything is verified from; comes with the contract, not over the network")
    pinned_root_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the pinned root: 64 hexadecimal digits in small letters"
    )


class SyncSection(Section):
    """How current trust gets to the gate by itself. Without a mirror it comes on a stick: gatectl keys import DIRECTORY."""

    mirror: Annotated[str, Field(max_length=1000)] | None = Field(None, description="URL of the regions' repository, https; none: trust is imported by hand")
    every_s: int = Field(3600, ge=60, le=86400, description="How often the mirror is asked")
    ca_file: FilePath | None = Field(None, description="Certificates (PEM) that the mirror's must be signed by; else the system's")

    @field_validator("mirror")
    @classmethod
    def _is_a_plain_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            url = urlsplit(value)
            plain = value.isascii() and value.isprintable() and " " not in value and url.port != 0
        except ValueError:  # no port, no address
            plain = False
        if not plain or url.scheme not in {"https", "http"} or not url.hostname or url.query or url.fragment:
            raise ValueError("Input should be a URL like https://host/path, without ? and #")
        if "@" in url.netloc:
            raise ValueError("Input should be a URL without a user or password: trust is signed, and this file is no place for secrets")
        if url.scheme == "http" and url.hostname not in LOOPBACK_NAMES:
            raise ValueError("Input should be a URL with https; only a simulation's mirror on this machine may have http")
        return value


class EnrolmentSection(Section):
    """The enrolments."""

    store: FilePath = Field(description="Directory of the enrolments: each region's sealed records; gatectl enrolment import makes and fills it")
    master_key_file: FilePath | None = Field(None, description="File of the store's master key, readable by its owner alone (mode 0600)")
    master_key_credential: CredentialName | None = Field(
        None, description="Name of the systemd credential that holds the master key (LoadCredentialEncrypted= in the unit)"
    )

    warn_after_days: int = Field(
        3, ge=1, le=3650, description="Age of a region's newest enrolments at which gatectl doctor warns: later suspensions are missing"
    )
    fail_after_days: int = Field(14, ge=1, le=3650, description="Age at which it calls that a fault; the lane goes on as long as the trust is fresh")

    @model_validator(mode="after")
    def _warned_first(self) -> Self:
        if self.warn_after_days > self.fail_after_days:
            raise ValueError("warn_after_days must not be greater than fail_after_days")
        return self

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.master_key_file is None) == (self.master_key_credential is None):
            raise ValueError("Input should have either master_key_file or master_key_credential")
        return self


class JournalSection(Section):
    """The record of crossings."""

    path: FilePath = Field(description="The journal; made at the first start")
    signing_key_file: FilePath | None = Field(None, description="File of the key that signs its checkpoints, readable by its owner alone (mode 0600)")
    signing_key_credential: CredentialName | None = Field(
        None, description="Name of the systemd credential that holds that key; a simulation with neither makes one beside the journal"
    )
    retention_days: int = Field(90, ge=1, le=3650, description="Days after which what is personal in it is deleted; its hashes stay and still verify")

    @model_validator(mode="after")
    def _at_most_one_key(self) -> Self:
        if self.signing_key_file is not None and self.signing_key_credential is not None:
            raise ValueError("Input should have either signing_key_file or signing_key_credential")
        return self


class ReplaySection(Section):
    """The memory of used presentations."""

    path: FilePath = Field(description="The memory; made at the first start")


class ModelsSection(Section):
    """Weights of the face models."""

    directory: FilePath = Field(description="Directory of the weights files; each is checked by its hash")


class RolesSection(Section):
    """Which groups of the machine may do what at the control socket. Two roles may have one group; a group that does not exist gives nobody its role."""

    read: GroupName = Field("gate-read", description="Group whose members may look at state, events and metrics; the other roles may, too")
    operator: GroupName = Field("gate-operator", description="Group whose members may acknowledge a call and take over whoever is inside")
    officer: GroupName = Field("gate-officer", description="Group whose members may do all that an officer does: release, return, re-arm")
    engineer: GroupName = Field("gate-engineer", description="Group whose members may take the lane into maintenance and test its devices")


class ControlSection(Section):
    """The control socket."""

    socket: FilePath = Field(Path("/run/gate-controller/control.sock"), description="Unix socket that gatectl talks to")
    officer_hosts: tuple[HostName, ...] = Field((), description="Names, besides localhost, by which a reverse proxy shows the officers' page")
    roles: RolesSection = Field(default_factory=RolesSection, description="Groups of the machine that have the roles")

    @property
    def officer_socket(self) -> Path:
        """Unix socket of the officers' page: "officer.sock" beside the control socket."""
        return self.socket.with_name("officer.sock")

    @field_validator("socket")
    @classmethod
    def _fits_the_kernel(cls, value: Path) -> Path:
        if len(str(value).encode()) > 107:
            raise ValueError("Input should be a path of at most 107 bytes: unix sockets cannot have a longer one")
        return value


class KioskSection(Section):
    """The page that the traveller's display shows."""

    enabled: bool = Field(False, description="Whether the page is served")
    host: str = Field(KIOSK_HOST, description=f"Address of the page: {KIOSK_HOST}, so that only this machine can see it")
    port: int = Field(8080, ge=0, le=65535, description="Port of the page; 0 takes a free one (simulation)")
    voice: tuple[Literal["zh-Hant", "zh-Hans", "pt", "en"], ...] = Field(
        (), description="Languages in which prompts are also said aloud, by spd-say or espeak-ng; none: no voice"
    )

    @field_validator("host")
    @classmethod
    def _is_loopback(cls, value: str) -> str:
        if value != KIOSK_HOST:
            message = f"Input should be {KIOSK_HOST}: the page is for the gate's own display, never for a network"
            raise ValueError(message)
        return value


class MetricsSection(Section):
    """Metrics for node_exporter's textfile collector. gatectl and the control socket give them in any case."""

    textfile: FilePath | None = Field(None, description="File that the metrics are written to, in the collector's directory; its name ends in .prom")
    every_s: float = Field(15.0, ge=1, le=3600, description="How often it is written")

    @field_validator("textfile")
    @classmethod
    def _is_collected(cls, value: Path | None) -> Path | None:
        if value is not None and value.suffix != ".prom":
            raise ValueError("Input should be a file whose name ends in .prom: node_exporter reads no other")
        return value


class RuntimeSection(Section):
    """How often devices are asked. Rarely changed."""

    poll_s: float = Field(0.03, ge=0.005, le=0.05, description="Time between two readings of the inputs; an emergency must win within 0.1 s")
    io_lost_after_s: float = Field(1.0, gt=0, le=5, description="The board is lost when no reading succeeded for this long; its inputs are unknown at once")
    camera_lost_after_s: float = Field(1.0, ge=0.2, le=5, description="A camera is lost when it gave no fresh frame for this long")
    idle_poll_s: float = Field(0.5, gt=0, le=10, description="How often an idle fingerprint reader is asked whether it still works")
    forget_presentation_s: float = Field(2.0, gt=0, le=60, description="A code held up all the time is looked at again after it was out of sight this long")
    retry_s: tuple[Wait, Wait] = Field((0.2, 2.0), description="First and longest wait before a lost device is opened again")

    @field_validator("io_lost_after_s")
    @classmethod
    def _is_several_readings(cls, value: float, info: ValidationInfo) -> float:
        if value < 2 * info.data.get("poll_s", 0):
            raise ValueError("Input should be at least twice poll_s")
        return value

    @field_validator("retry_s")
    @classmethod
    def _is_ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError("Input should be two waits, the shorter one first")
        return value


class GateFile(Section):
    """The whole of gate.toml, without the policy's overrides."""

    gate: GateSection = Field(description="Which gate this is")
    devices: DevicesSection = Field(description="The devices of the lane")
    keys: KeysSection = Field(description="The regions' public keys and status lists")
    sync: SyncSection = Field(default_factory=SyncSection, description="How current trust gets to the gate by itself")
    enrolment: EnrolmentSection = Field(description="The enrolment store")
    journal: JournalSection = Field(description="The record of crossings")
    replay: ReplaySection = Field(description="The memory of used presentations")
    models: ModelsSection = Field(description="Weights of the face models")
    control: ControlSection = Field(default_factory=ControlSection, description="The control socket")
    kiosk: KioskSection = Field(default_factory=KioskSection, description="The page that the traveller's display shows")
    metrics: MetricsSection = Field(default_factory=MetricsSection, description="Metrics for node_exporter")
    runtime: RuntimeSection = Field(default_factory=RuntimeSection, description="How often devices are asked")
