"""Checks of the devices: each opened through its own driver, asked, measured and closed again. Only where no gate controller runs.

The I/O board is only looked at: no door, lamp or setting is changed. Stores no picture and no template.
"""

from __future__ import annotations

import os
import socket
import statistics
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gate_controller.diagnostics.answers import failed, passed, skipped, warned
from gate_controller.diagnostics.catalogue import check_of, device_ids
from gate_controller.diagnostics.findings import Finding
from gate_controller.diagnostics.lane import at_rest
from gate_controller.diagnostics.site import Mode, Site, holders
from gate_controller.ports.devices import Camera, FingerprintReader, Image, IoBoard
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import DeviceError, DeviceTimeoutError, DeviceUntrustedError
from gate_controller.runtime.device_tests import BRIGHT, DAMAGE_REMEDY, TRANSFER_WITHIN_S, looks_damaged
from gate_controller.runtime.worker import OPEN_WITHIN_S
from gate_controller.settings import Settings
from gate_controller.settings.device_nodes import NodeKind, examine

OPEN_S = 12.0
CALL_S = 3.0
READINGS = 15
FINGER_LOOKS = 5
FINGER_WATCH_S = 2.0
"""How long at least the module is looked at: one whose power fails now and then starts anew within it."""
FINGER_SLOW_S, FINGER_TOO_SLOW_S = 0.6, 1.2
"""A look at the sensor; a module answers one in 0.1 to 0.3 s."""
EMERGENCY_S = 0.1
"""An emergency must win within it (INV-5); two readings must fit."""
WATCH_S = 1.0
"""How long a camera is watched beyond its own limits for a frozen and for a dark picture."""
FEWEST_FPS = 11.0
NO_PICTURES_FPS = 3.0
MANY_DAMAGED = 0.1
"""Share of the pictures."""
_SLOW = "its cable, its converter or hub, its power: what follows tells how slow it is"
_PLUG = "plug it in, check cable and power; gatectl install devices shows what the machine sees"


def fingerprint(site: Site) -> Iterator[Finding]:
    """The fingerprint module on its line."""

    def ask(device: FingerprintReader, warnings: list[str]) -> Iterator[Finding]:
        transfer = _transfer(device, site)  # first: it may have to go down to smaller packets, which is a warning
        yield _settings("fingerprint", device.describe(), warnings)
        yield transfer
        typical = statistics.median(_times(site, FINGER_LOOKS, lambda: device.finger_present(site.clock.monotonic() + CALL_S), FINGER_WATCH_S))
        if typical > FINGER_SLOW_S:
            say = failed if typical > FINGER_TOO_SLOW_S else warned
            yield say("fingerprint.speed", f"{typical * 1000:.0f} ms a look at the sensor", "check the line for noise; raise baud in [devices.fingerprint]")
        else:
            yield passed("fingerprint.speed", f"{typical * 1000:.0f} ms a look at the sensor")

    yield from _device(site, "fingerprint", ask)


def _transfer(device: FingerprintReader, site: Site) -> Finding:
    try:
        if device.check_transfer(site.clock.monotonic() + TRANSFER_WITHIN_S):
            return passed("fingerprint.transfer", "it takes a template, and gives back what was sent")
    except DeviceUntrustedError as error:
        return failed("fingerprint.transfer", error.what, error.remedy)
    return skipped("fingerprint.transfer", "it shows nothing of a template that is nobody's; it does with a finger on it: gatectl fingerprint test")


def io_board(site: Site) -> Iterator[Finding]:
    """The I/O board, and what it says of the lane."""

    def ask(device: IoBoard, warnings: list[str]) -> Iterator[Finding]:
        yield _settings("io_board", device.describe(), warnings)
        took = _times(site, READINGS, lambda: device.read(site.clock.monotonic() + CALL_S))
        typical = statistics.median(took)
        if typical > EMERGENCY_S / 2:
            say = failed if typical > EMERGENCY_S else warned
            how = f"{typical * 1000:.0f} ms a reading; an emergency must win within {EMERGENCY_S * 1000:.0f} ms"
            yield say("io_board.speed", how, "check the line's length, its termination and baud in [devices.io_board]")
        else:
            yield passed("io_board.speed", f"{typical * 1000:.0f} ms a reading, {max(took) * 1000:.0f} ms at most")
        yield from at_rest(device.read(site.clock.monotonic() + CALL_S))

    yield from _device(site, "io_board", ask, to_look=True)


def camera(name: str) -> Callable[[Site], Iterator[Finding]]:
    """The checks of that camera."""

    def check(site: Site) -> Iterator[Finding]:
        yield from _device(site, name, lambda device, _warnings: _watch(site, name, device))

    return check


def _watch(site: Site, name: str, device: Camera) -> Iterator[Finding]:
    """Take frames for as long as a frozen or a dark picture needs to be known for one."""
    watch_s = max(site.option(name, "frozen_after_s") or 2.0, site.option(name, "dark_after_s") or 2.0) + WATCH_S
    began = now = site.clock.monotonic()
    sequence, first, frames, shape, damaged = 0, 0, 0, "", 0
    last: deque[Image] = deque(maxlen=3)
    while now < began + watch_s:
        frame = device.frame(sequence, now + CALL_S)
        first = first or frame.sequence
        sequence, shape, frames = frame.sequence, f"{frame.image.shape[1]}x{frame.image.shape[0]}", frames + 1
        last.append(frame.image)
        damaged += len(last) == last.maxlen and looks_damaged(last[1], last[0], last[2])
        now = site.clock.monotonic()
    yield passed(f"{name}.stream", f"{frames} pictures looked at")
    if (brightness := float(last[-1][::4, ::4].mean())) > BRIGHT:
        light = "the sun or a lamp shines into it: turn it away, shade it; else its exposure (v4l2-ctl --list-ctrls)"
        yield warned(f"{name}.picture", f"{shape}, brightness {brightness:.0f} of 255: next to nothing can be seen", light)
    else:
        yield passed(f"{name}.picture", f"{shape}, light in it, changing")
    if damaged:
        say = failed if damaged > MANY_DAMAGED * frames else warned
        yield say(f"{name}.damage", f"{damaged} of {frames} pictures look damaged", DAMAGE_REMEDY)
    else:
        yield passed(f"{name}.damage", "they look whole")
    rate = (sequence - first) / (now - began)
    if rate < FEWEST_FPS:
        say = failed if rate < NO_PICTURES_FPS else warned
        yield say(
            f"{name}.speed", f"{rate:.1f} pictures a second", "more light (a camera in the dark exposes longer); a USB port of its own; fps in its section"
        )
    else:
        yield passed(f"{name}.speed", f"{rate:.1f} pictures a second")


def _settings(name: str, described: dict[str, str], warnings: list[str]) -> Finding:
    """The device's settings as read back; what the driver had to put right first is a sign of something else."""
    if warnings:
        return warned(f"{name}.settings", "; ".join(warnings), "if it comes back: what else is connected to the line, what else has it open?")
    return passed(f"{name}.settings", _facts(described))


def _device(site: Site, name: str, ask: Callable[[Any, list[str]], Iterator[Finding]], *, to_look: bool = False) -> Iterator[Finding]:
    """Node, rights, holders; then open it and let `ask` do the rest. An error goes to the check that it is about."""
    settings = site.settings
    if settings is None:
        return
    if site.mode is not Mode.DEVICES:
        for check in device_ids(name):
            yield skipped(check, "a gate controller may have it open: service.socket comes first")
        return
    before = list(_before(site, settings, name))
    yield from before
    if any(each.result == "fail" for each in before):
        return
    configured = settings.equipment[name]
    warnings: list[str] = []
    device = configured.driver.build(configured.options, DriverContext(site.clock, settings.models.directory, warnings.append))
    reported = {each.id for each in before}
    try:
        began = site.clock.monotonic()
        (device.open_to_look if to_look else device.open)(began + OPEN_S)
        took = site.clock.monotonic() - began
        yield from (passed(check, value) for check, value in _opened(name) if check not in reported)
        if took > OPEN_WITHIN_S:
            yield failed(f"{name}.answer", f"it could be opened only after {took:.1f} s; the lane gives up after {OPEN_WITHIN_S:g} s", _SLOW)
        else:
            yield passed(f"{name}.answer", "it answers")
        reported |= {*dict(_opened(name)), f"{name}.answer"}
        for finding in ask(device, warnings):
            reported.add(finding.id)
            yield finding
    except DeviceError as error:
        yield from _blamed(name, check_of(name, error.code), error, reported)
    finally:
        device.close()


def _opened(name: str) -> tuple[tuple[str, str], ...]:
    """What is known once a device could be opened."""
    return (
        (f"{name}.node", "it is there"),
        (f"{name}.permission", "it may be opened"),
        (f"{name}.held", "no other program has it"),
    )


def _blamed(name: str, check: str, error: DeviceError, reported: set[str]) -> Iterator[Finding]:
    """The check that the error is about has failed; those before it have not."""
    for each in device_ids(name):
        if each == check:
            swapped = isinstance(error, DeviceTimeoutError) and check.endswith(".answer") and not name.endswith("camera")
            yield failed(each, error.what, f"{error.remedy}; two adapters of one kind may be swapped: gatectl install devices" if swapped else error.remedy)
            return
        if each not in reported:
            yield passed(each, "as it should be")


def _before(site: Site, settings: Settings, name: str) -> Iterator[Finding]:
    """What can be seen without opening it."""
    endpoint = settings.equipment[name].endpoint
    if "://" in endpoint:
        yield from _address(name, endpoint)
        return
    if not endpoint.startswith("/"):
        return  # a driver that does not tell: its own errors do
    kind = examine(endpoint)
    path = Path(endpoint)
    if kind is NodeKind.ABSENT or not path.exists():  # a pseudo-terminal is known by its name, also when it has gone
        leads = f", which leads to {os.path.realpath(endpoint)}," if path.is_symlink() else ""
        yield failed(f"{name}.node", f"{endpoint}{leads} is not there", _PLUG)
        return
    allowed = {NodeKind.CAMERA} if name.endswith("camera") else {NodeKind.SERIAL}
    if settings.gate.mode == "simulation":
        allowed |= {NodeKind.PSEUDO_TERMINAL, NodeKind.VIRTUAL_CAMERA}
    if kind not in allowed:
        yield failed(f"{name}.node", f"{endpoint} is {kind.value}", "compare the udev rules with: gatectl install devices")
        return
    yield passed(f"{name}.node", f"{endpoint} is {kind.value}")
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        if site.as_gate:
            yield failed(
                f"{name}.permission", f"{os.path.realpath(endpoint)} may not be opened", "sudo udevadm trigger; gatectl install --check looks at the rules"
            )
        else:
            yield failed(f"{name}.permission", "this user is not the gate's", "sudo gatectl doctor")
        return
    yield passed(f"{name}.permission", "read and write")
    held = holders(path)
    if site.simulated or settings.gate.mode == "simulation":
        held = []  # the simulator itself has the other end open
    if held:
        yield failed(f"{name}.held", f"open in: {', '.join(held)}", "end that program; ModemManager is kept off by the rules of gatectl install devices")


def _address(name: str, url: str) -> Iterator[Finding]:
    """A camera on the network, which only a simulation may have."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=CALL_S):
            pass
    except TimeoutError:
        yield failed(f"{name}.node", f"{parts.hostname}:{parts.port} does not answer", _PLUG)
        return
    except OSError as error:
        yield failed(f"{name}.node", f"{parts.hostname}:{parts.port}: {error.strerror}", _PLUG)
        return
    yield passed(f"{name}.node", f"{parts.hostname}:{parts.port} takes connections")
    yield passed(f"{name}.permission", "a network camera of a simulation")
    yield passed(f"{name}.held", "a network camera of a simulation")


def _times(site: Site, count: int, call: Callable[[], object], for_s: float = 0.0) -> list[float]:
    """How long each call that was answered took, seconds, of so many and for so long at least; one lost answer among them is tolerated.

    Raises:
        DeviceError: More than one failed.
    """
    took: list[float] = []
    lost = 0
    until = site.clock.monotonic() + for_s
    while len(took) < count or site.clock.monotonic() < until:
        began = site.clock.monotonic()
        try:
            call()
        except DeviceTimeoutError:
            lost += 1
            if lost > 1:
                raise
            until = site.clock.monotonic() + for_s  # it must answer again, and go on answering
            continue
        took.append(site.clock.monotonic() - began)
    return took


def _facts(described: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in described.items() if value)
