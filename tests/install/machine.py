"""A Debian container with systemd as its pid 1, and commands in it. Needs root and systemd-nspawn; what runs in it is for others to say."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.install import container

SERVICE = "gate-controller.service"
WAIT_S = 180.0
"""For what a loaded machine may take its time with; nothing here is a measurement of speed but where it says so."""


class Booted:
    """A running container.

    Args:
        leader: Process id of its pid 1, seen from outside.
    """

    def __init__(self, leader: int) -> None:
        self.leader = leader
        self.failed: list[str] = []

    def run(self, *command: str, timeout_s: float = WAIT_S) -> subprocess.CompletedProcess[str]:
        """A command inside."""
        enter = ["nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
        return subprocess.run(
            [*enter, *command], capture_output=True, text=True, check=False, timeout=timeout_s, env=container.ENVIRONMENT, stdin=subprocess.DEVNULL
        )

    def says(self, *command: str) -> str:
        done = self.run(*command)
        return (done.stdout + done.stderr).strip()

    def shows(self, name: str, unit: str = SERVICE) -> str:
        """A property of a unit."""
        return self.says("systemctl", "show", "-P", name, unit)

    def step(self, what: str, holds: bool, found: object = "") -> None:
        """Print what a step came to."""
        print(f"{'ok' if holds else 'FAILED':<6} {what}" + (f": {found}" if found != "" else ""), flush=True)
        if not holds:
            self.failed.append(what)

    def until(self, what: str, judge: Callable[[], bool], wait_s: float = WAIT_S, found: Callable[[], object] = lambda: "") -> float:
        """Wait for a condition; the seconds that it took."""
        began = time.monotonic()
        while not (holds := judge()) and time.monotonic() - began < wait_s:
            time.sleep(0.2)
        took = time.monotonic() - began
        self.step(what, holds, found() or f"after {took:.1f} s")
        return took


@contextlib.contextmanager
def booted(root: Path) -> Iterator[Booted]:
    """Boot the copy; powered off, if need be killed, in the end."""
    # A register of machines (machined, D-Bus) is not needed, and there is none where pid 1 is no systemd. The unified hierarchy is what a gate PC has.
    nspawn = ["systemd-nspawn", "--quiet", f"--directory={root}", "--register=no", "--keep-unit", "--private-network", "--console=pipe", "--boot"]
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    with (
        (container.CACHE / "boot.log").open("w") as log,
        subprocess.Popen(nspawn, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment) as process,
    ):
        try:
            yield Booted(_leader(process))
        finally:
            for _ in range(3):  # the first asks it to halt, the second ends it at once
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                    break
            else:
                process.kill()


def _leader(process: subprocess.Popen[bytes]) -> int:
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        if process.poll() is not None:
            sys.exit(f"systemd-nspawn ended: {(container.CACHE / 'boot.log').read_text()[-2000:]}")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        time.sleep(0.2)
    return sys.exit("the container's systemd did not come up")
