"""Puts a version in force, and the one before it again when the lane does not come up with it.

    the version is whole -> it accepts the configuration -> the lane stops, its crossing ended -> `current` -> users, directories, units -> the lane
    starts and is ready -> no check fails that did not fail before

Stopping waits for the crossing that is open ([gate] stop_drain_s); nothing is stopped before the new version has accepted the configuration. A lane
that was not running is not started. Does not unpack anything and never overwrites a configuration.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gate_controller.cli.install_layout import CONFIG, TEMPLATES, Layout
from gate_controller.ports.errors import ConfigurationError, GateError

SERVICE = "gate-controller.service"
STOP_S = 120.0
START_S = 150.0
CHECK_S = 120.0
COMMAND_S = 60.0
NOT_FOUND = 127


class SwitchError(GateError):
    """A version was not put in force; what was in force before is so again."""


class Machine(Protocol):
    """Where commands are run."""

    def has_systemd(self) -> bool:
        """Whether services run here; not in an image that is being prepared, and not in a container without pid 1."""
        ...

    def run(self, command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        """Exit code and output; 127 where there is no such command, 124 when it took too long."""
        ...


class ThisMachine:
    """The machine this runs on.

    Args:
        root: Directory that stands for /.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def has_systemd(self) -> bool:
        """See Machine (sd_booted(3))."""
        return self._root == Path("/") and Path("/run/systemd/system").is_dir()

    def run(self, command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        """See Machine."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 - fixed commands, no shell
        except FileNotFoundError:
            return NOT_FOUND, f"{command[0]}: not found"
        except subprocess.TimeoutExpired:
            return 124, f"{' '.join(command)}: not done after {timeout_s:g} s"
        return done.returncode, done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Switch:
    """Switches versions.

    Attributes:
        layout: The installation.
        machine: Where commands are run.
        say: Called with each step, one line.
    """

    layout: Layout
    machine: Machine
    say: Callable[[str], None]

    def activate(self, version: str, *, was_running: bool | None = None, doctor_before: str | None = None) -> None:
        """Put `version` in force.

        Args:
            version: One of layout.versions().
            was_running: Whether the lane is to run afterwards; None: as now.
            doctor_before: What `gatectl doctor --json` said while the lane ran, if somebody else has stopped it; None: asked now.

        Raises:
            ConfigurationError: The version is not there or not whole, or it refuses the configuration; nothing was touched.
            SwitchError: The lane did not come up; the version before is in force, and runs if it ran.
        """
        self.layout.require(version)
        if damaged := self.layout.damaged(version):
            message = f"version {version} is damaged: {', '.join(damaged[:3])}{' ...' if len(damaged) > 3 else ''}"
            raise ConfigurationError(message, "install it again; if that happens twice, check the disk (dmesg, smartctl)")
        running = self._is_running()
        wanted = running if was_running is None else was_running
        before, earlier = self.layout.current(), self.layout.previous()
        self._require_configuration(version, wanted)
        if doctor_before is None and running and before is not None:
            doctor_before = self._doctor(before)
        if running:
            self.say("stopping the lane; a crossing that is open ends first")
            self._service("stop", STOP_S)
        self.layout.point_to(version)
        self.say(f"version {version} is in force" + (f" (before: {before})" if before not in {None, version} else ""))
        try:
            self._settle(version)
            if wanted:
                self._start(version, doctor_before)
        except SwitchError as error:
            if before is None or before == version:
                raise
            self._go_back(before, earlier, wanted)
            message = f"version {version} was taken back: {error.what}"
            raise SwitchError(message, f"{error.remedy}; version {before} is in force again") from error

    def rollback(self) -> str:
        """Put the version before in force again; returns it.

        Raises:
            ConfigurationError: There is none, or it refuses the configuration.
            SwitchError: The lane did not come up with it.
        """
        before = self.layout.previous()
        if before is None or before == self.layout.current():
            raise ConfigurationError("there is no version to go back to", "gatectl install versions shows what is there")
        self.activate(before)
        return before

    def _require_configuration(self, version: str, wanted: bool) -> None:
        if not wanted or not self.layout.at(CONFIG / "gate.toml").exists():
            return
        code, said = self.machine.run([str(self.layout.tree(version) / "bin/gatectl"), "config", "check", "--config", str(CONFIG / "gate.toml")], CHECK_S)
        if code:
            message = f"version {version} does not accept this gate's configuration: {_last(said)}"
            raise ConfigurationError(message, "change what it names, then try again; nothing was stopped")

    def _settle(self, version: str) -> None:
        """Users, directories, units and rules as this version has them; links and templates where they are missing."""
        for link, target in self.layout.links(version):
            path = self.layout.at(link)
            if not path.is_symlink():
                if path.exists():
                    self.say(f"{link} is not a link of ours and stays as it is")
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(target)
        for copy, source in self.layout.copies(version):
            _copy(source, self.layout.at(copy))
        config = self.layout.at(CONFIG)
        config.mkdir(parents=True, exist_ok=True)
        for name in TEMPLATES:
            if not (config / name).exists():
                shutil.copyfile(self.layout.tree(version) / "share/config" / name, config / name)
                (config / name).chmod(0o644)
                self.say(f"{CONFIG / name}: the template; change what is marked CHANGE")
        root = [] if self.layout.root == Path("/") else [f"--root={self.layout.root}"]
        self._do("systemd-sysusers", *root, "gate-controller.conf")
        self._do("systemd-tmpfiles", *root, "--create", "gate-controller.conf")
        if self.machine.has_systemd():
            self._do("systemctl", "daemon-reload")
            self.machine.run(["udevadm", "control", "--reload"], COMMAND_S)

    def _do(self, *command: str) -> None:
        code, said = self.machine.run(command, COMMAND_S)
        if code == NOT_FOUND:
            self.say(f"{command[0]} is not here: left out")
        elif code:
            message = f"{' '.join(command)}: {_last(said)}"
            raise SwitchError(message, "mend what it complains of")

    def _start(self, version: str, doctor_before: str | None) -> None:
        self.say("starting the lane")
        self.machine.run(["systemctl", "reset-failed", SERVICE], COMMAND_S)
        code, said = self.machine.run(["systemctl", "start", SERVICE], START_S)
        if code:
            message = f"the lane does not start: {_last(said)}"
            raise SwitchError(message, "see: journalctl -u gate-controller")
        new = failing(self._doctor(version)) - failing(doctor_before) if doctor_before is not None else frozenset()
        if new:
            message = f"checks fail that did not fail before: {', '.join(sorted(new))}"
            raise SwitchError(message, "see: gatectl doctor")
        if not self._is_running():
            raise SwitchError("the lane started and ended again", "see: journalctl -u gate-controller")

    def _go_back(self, before: str, earlier: str | None, wanted: bool) -> None:
        self.say(f"going back to version {before}")
        self._service("stop", STOP_S)
        self.layout.take_back(before, earlier)
        with contextlib.suppress(SwitchError):
            self._settle(before)
        if wanted:
            self.machine.run(["systemctl", "reset-failed", SERVICE], COMMAND_S)
            code, said = self.machine.run(["systemctl", "start", SERVICE], START_S)
            if code:
                self.say(f"version {before} does not start either: {_last(said)}")

    def _doctor(self, version: str) -> str:
        return self.machine.run([str(self.layout.tree(version) / "bin/gatectl"), "doctor", "--json"], CHECK_S)[1]

    def _is_running(self) -> bool:
        return self.machine.has_systemd() and self.machine.run(["systemctl", "is-active", "--quiet", SERVICE], COMMAND_S)[0] == 0

    def _service(self, verb: str, timeout_s: float) -> None:
        if self.machine.has_systemd():
            self.machine.run(["systemctl", verb, SERVICE], timeout_s)


def _copy(source: Path, target: Path) -> None:
    """Replace `target` in one step, if it differs."""
    content = source.read_bytes()
    if not target.is_symlink() and target.is_file() and target.read_bytes() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.new")
    draft.write_bytes(content)
    draft.chmod(0o644)
    draft.replace(target)


def failing(doctor: str) -> frozenset[str]:
    """Ids of the checks that fail in the output of `gatectl doctor --json`; none where it is no such output (a version without a doctor)."""
    try:
        checks: Any = json.loads(doctor[doctor.index("{") :])["checks"]
        return frozenset(str(check["id"]) for check in checks if check["result"] == "fail")
    except (ValueError, KeyError, TypeError):
        return frozenset()


def _last(said: str) -> str:
    """The line of an output that says most: its last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
