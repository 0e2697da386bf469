"""The fingerprint driver and a simulated module on a virtual line. Holds no test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from drivers.fingerprint.options import FingerprintOptions
from drivers.fingerprint.reader import ZhianTecReader
from gate_controller.ports.devices import Family, FingerprintOutcome, FingerprintTemplate
from simulators.fingerprint import enrolment_template
from simulators.fingerprint.loopback import LoopbackPort, VirtualClock
from simulators.fingerprint.module import Module


@dataclass
class Rig:
    """The driver and a module on a virtual line."""

    family: Family = Family.R503
    options: dict[str, Any] = field(default_factory=dict)
    module_baud: int = 57600
    module_password: int = 0
    imaging_s: float = 0.0
    extraction_s: float = 0.0

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.module = Module(self.family, baud=self.module_baud, password=self.module_password, imaging_s=self.imaging_s, extraction_s=self.extraction_s)
        self.port = LoopbackPort(self.module, self.clock, self.module_baud)
        self.warnings: list[str] = []
        options = FingerprintOptions(port="virtual", family=self.family, **self.options)
        self.reader = ZhianTecReader(options, self.clock, self._open_port, self.warnings.append)

    def _open_port(self, baud: int) -> LoopbackPort:
        self.port = LoopbackPort(self.module, self.clock, baud)
        return self.port

    def soon(self, seconds: float = 10.0) -> float:
        return self.clock.monotonic() + seconds

    def fault(self, name: str, **parameters: float) -> None:
        self.port.inject(self.module.fault(name, parameters, self.clock.monotonic()))

    def open(self) -> None:
        self.reader.open(self.soon())

    def template(self, finger: str, size: int | None = None) -> FingerprintTemplate:
        return FingerprintTemplate(self.reader.template_format, 2, enrolment_template(finger, self.family, size))

    def load(self, finger: str = "ada") -> None:
        self.reader.load_reference(self.template(finger), self.soon())

    def attempt(self, finger: str | None = None) -> FingerprintOutcome:
        if finger:
            self.module.place(finger)
        elif finger == "":
            self.module.remove()
        return self.reader.verify(self.soon()).outcome

    def crossing(self, finger: str = "ada") -> list[FingerprintOutcome]:
        """Load ada's reference, lift, and try a finger."""
        self.load()
        return [self.attempt(""), self.attempt(finger)]


def opened(family: Family = Family.R503, **options: Any) -> Rig:
    rig = Rig(family, options)
    rig.open()
    return rig
