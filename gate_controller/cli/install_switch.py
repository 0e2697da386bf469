"""Puts a version in force, and the one before it again when the lane does not come up with it.

    the version is whole -> it accepts the configuration -> nobody waits for an officer, no emergency -> the lane stops, its crossing ended ->
    `current` -> users, directories, units -> the lane starts and is ready -> no check fails that did not fail before

Stopping waits for the crossing that is open ([gate] stop_drain_s); nothing is stopped before the new version has accepted the configuration. From
the stop on a lost terminal, Ctrl-C and a full disk end in a lane that runs, with one version or the other. A lane that was not running is not
started. Does not unpack anything and never overwrites a configuration.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gate_controller.cli.install_layout import CONFIG, HOME, TEMPLATES, Layout
from gate_controller.ports.durable import sync, write_new
from gate_controller.ports.errors import ConfigurationError, GateError

SERVICE = "gate-controller.service"
STOP_S = 120.0
START_S = 150.0
CHECK_S = 120.0
COMMAND_S = 60.0
NOT_FOUND = 127
OCCUPIED = {
    "officer_referral": "somebody waits for an officer",
    "return_path": "somebody is on the way back",
    "emergency": "an emergency is not re-armed",
}
"""States that may last longer than a stop waits: none is interrupted by a switch of versions."""
OCCUPIED_POLL_S = 5.0
OCCUPIED_TRIES = 60
SETTLING_S = 5.0
SETTLING_TRIES = 8
"""A lane is ready before its devices are: a check that fails right after the start is asked again."""


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

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
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
            # A session of its own: a terminal that goes away takes only this process's children with it.
            done = subprocess.run(  # noqa: S603 - fixed commands, no shell
                command, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False, stdin=subprocess.DEVNULL, start_new_session=True
            )
        except FileNotFoundError:
            return NOT_FOUND, f"{command[0]}: not found"
        except subprocess.TimeoutExpired:
            return 124, f"{' '.join(command)}: not done after {timeout_s:g} s"
        return done.returncode, done.stdout + done.stderr

    def sleep(self, seconds: float) -> None:
        """See Machine."""
        time.sleep(seconds)


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

    def activate(self, version: str, *, start: bool | None = None) -> None:
        """Put `version` in force.

        Args:
            version: One of layout.versions().
            start: Whether the lane is to run afterwards; None: as now.

        Raises:
            ConfigurationError: The version is not there or not whole, or it refuses the configuration; nothing was touched.
            SwitchError: Another switch is going on, or the lane is occupied (nothing was touched); or the lane did not come up: the version before is
                in force, and runs if it ran.
        """
        self.layout.require(version)
        with self._alone():
            self._activate(version, start)

    def _activate(self, version: str, start: bool | None) -> None:
        if damaged := self.layout.damaged(version):
            message = f"version {version} is damaged: {', '.join(damaged[:3])}{' ...' if len(damaged) > 3 else ''}"
            raise ConfigurationError(message, "install it again; if that happens twice, check the disk (dmesg, smartctl)")
        running = self._is_running()
        wanted = running if start is None else start
        before, earlier = self.layout.current(), self.layout.previous()
        self._require_configuration(version, wanted)
        failed_before = None
        if running and before is not None:
            self._wait_until_free(before)
            failed_before = failing(self._doctor(before))
        with _uninterrupted():
            try:
                if running:
                    self._tell("stopping the lane; a crossing that is open ends first")
                    self._service("stop", STOP_S)
                self.layout.point_to(version)
                self._tell(f"version {version} is in force" + (f" (before: {before})" if before not in {None, version} else ""))
                self._settle(version)
                if wanted:
                    self._start(version, failed_before)
            except (SwitchError, OSError) as error:
                raise self._taken_back(version, before, earlier, wanted, error) from error

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

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Two engineers, or one and dpkg, do not switch at the same time."""
        descriptor = os.open(self.layout.at(HOME), os.O_RDONLY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SwitchError("another switch of versions is going on", "wait until it has ended: gatectl install versions") from error
            yield
        finally:
            os.close(descriptor)

    def _tell(self, line: str) -> None:
        """A step; a terminal that is gone is no reason to leave a lane half switched."""
        with contextlib.suppress(OSError):
            self.say(line)

    def _wait_until_free(self, version: str) -> None:
        """Wait while somebody may be inside for longer than a stop waits.

        Raises:
            SwitchError: It does not end.
        """
        for attempt in range(OCCUPIED_TRIES):
            why = OCCUPIED.get(_state(self.machine.run([str(self.layout.tree(version) / "bin/gatectl"), "status", "--json"], COMMAND_S)[1]))
            if why is None:
                return
            if not attempt:
                self._tell(f"{why}: waiting until that has ended, {OCCUPIED_POLL_S * OCCUPIED_TRIES:.0f} s at most")
            self.machine.sleep(OCCUPIED_POLL_S)
        message = f"{why}; nothing was stopped"
        raise SwitchError(message, "let an officer end it (gatectl officer calls), then try again")

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
                    self._tell(f"{link} is not a link of ours and stays as it is")
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(target)
        for copy, source in self.layout.copies(version):
            _copy(source, self.layout.at(copy))
        config = self.layout.at(CONFIG)
        config.mkdir(parents=True, exist_ok=True)
        for name in TEMPLATES:
            if not (config / name).exists():
                _copy(self.layout.tree(version) / "share/config" / name, config / name)
                self._tell(f"{CONFIG / name}: the template; change what is marked CHANGE")
        users = directories = "gate-controller.conf"
        root: list[str] = []
        if self.layout.root != Path("/"):  # in an image the links outside, which both would follow, lead to this machine's own /opt
            shipped = self.layout.tree(version) / "share/systemd"
            users, directories, root = str(shipped / "sysusers.conf"), str(shipped / "tmpfiles.conf"), [f"--root={self.layout.root}"]
        self._do("systemd-sysusers", *root, users)
        self._do("systemd-tmpfiles", *root, "--create", directories)
        if self.machine.has_systemd():
            self._do("systemctl", "daemon-reload")
            self.machine.run(["udevadm", "control", "--reload"], COMMAND_S)

    def _do(self, *command: str) -> None:
        code, said = self.machine.run(command, COMMAND_S)
        if code == NOT_FOUND:
            self._tell(f"{command[0]} is not here: left out")
        elif code:
            message = f"{' '.join(command)}: {_last(said)}"
            raise SwitchError(message, "mend what it complains of")

    def _start(self, version: str, failed_before: frozenset[str] | None) -> None:
        self._tell("starting the lane")
        self.machine.run(["systemctl", "reset-failed", SERVICE], COMMAND_S)
        code, said = self.machine.run(["systemctl", "start", SERVICE], START_S)
        if code:
            message = f"the lane does not start: {_first(said)}"
            raise SwitchError(message, "see: journalctl -u gate-controller")
        if failed_before is not None:
            self._compare(version, failed_before)
        if not self._is_running():
            raise SwitchError("the lane started and ended again", "see: journalctl -u gate-controller")

    def _compare(self, version: str, failed_before: frozenset[str]) -> None:
        for attempt in range(SETTLING_TRIES):
            if attempt:
                self.machine.sleep(SETTLING_S)
            now = failing(self._doctor(version))
            if now is not None and now <= failed_before:
                return
        if now is None:
            raise SwitchError("its doctor gives no answer", "see: gatectl doctor")
        message = f"checks fail that did not fail before: {', '.join(sorted(now - failed_before))}"
        raise SwitchError(message, "see: gatectl doctor")

    def _taken_back(self, version: str, before: str | None, earlier: str | None, wanted: bool, error: SwitchError | OSError) -> SwitchError:
        """Go back to the version before, if there is one, with a lane that runs if it is to run; returns what to raise."""
        what, remedy = (error.what, error.remedy) if isinstance(error, SwitchError) else (str(error), "see: df -h /opt /etc, dmesg")
        if before is None or before == version:
            self._run_again(version, wanted)
            return SwitchError(what, remedy)
        self._tell(f"going back to version {before}")
        self._service("stop", STOP_S)
        with contextlib.suppress(OSError):  # a full disk may have kept the links from being changed at all
            self.layout.take_back(before, earlier)
        with contextlib.suppress(SwitchError, OSError):
            self._settle(before)
        self._run_again(before, wanted)
        if self.layout.current() != before:
            return SwitchError(f"{what}; version {version} could not be taken back", f"{remedy}; then: sudo gatectl install activate {before}")
        return SwitchError(f"version {version} was taken back: {what}", f"{remedy}; version {before} is in force again")

    def _run_again(self, version: str, wanted: bool) -> None:
        if wanted and not self._is_running():
            self.machine.run(["systemctl", "reset-failed", SERVICE], COMMAND_S)
            code, said = self.machine.run(["systemctl", "start", SERVICE], START_S)
            if code:
                self._tell(f"version {version} does not start either: {_first(said)}")

    def _doctor(self, version: str) -> str:
        return self.machine.run([str(self.layout.tree(version) / "bin/gatectl"), "doctor", "--json"], CHECK_S)[1]

    def _is_running(self) -> bool:
        return self.machine.has_systemd() and self.machine.run(["systemctl", "is-active", "--quiet", SERVICE], COMMAND_S)[0] == 0

    def _service(self, verb: str, timeout_s: float) -> None:
        if self.machine.has_systemd():
            self.machine.run(["systemctl", verb, SERVICE], timeout_s)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """From the stop to the start neither Ctrl-C nor the end of an SSH connection leaves the lane stopped."""
    signals = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, lambda *_: None) for each in signals]  # SIG_IGN would be inherited by what is started
    try:
        yield
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def _copy(source: Path, target: Path) -> None:
    """Replace `target` in one step, if it differs; after a power cut it is the old file or the new one, whole."""
    content = source.read_bytes()
    if not target.is_symlink() and target.is_file() and target.read_bytes() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.new")
    draft.unlink(missing_ok=True)
    write_new(draft, content)
    draft.chmod(0o644)  # whatever the umask of the shell is
    draft.replace(target)
    sync(target.parent)


def failing(doctor: str) -> frozenset[str] | None:
    """Ids of the checks that fail in the output of `gatectl doctor --json`; None where it is no such output."""
    try:
        checks: Any = json.loads(doctor[doctor.index("{") :])["checks"]
        return frozenset(str(check["id"]) for check in checks if check["result"] == "fail")
    except (ValueError, KeyError, TypeError):
        return None


def _state(status: str) -> str:
    """The lane's state in the output of `gatectl status --json`; "" where it is no such output."""
    try:
        return str(json.loads(status[status.index("{") :])["state"])
    except (ValueError, KeyError, TypeError):
        return ""


def _first(said: str) -> str:
    """What systemctl says first is what happened; its last line only names commands."""
    return said.strip().partition("\n")[0] or "it says nothing"


def _last(said: str) -> str:
    """The line of an output that says most: its last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
