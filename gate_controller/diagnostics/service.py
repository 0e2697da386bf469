"""Checks of the running gate controller: whether it answers, what it says of itself and of its devices. Starts and stops nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from gate_controller.control.client import NotPermittedError
from gate_controller.diagnostics.answers import SUDO, failed, passed, skipped, warned
from gate_controller.diagnostics.catalogue import check_of, device_ids
from gate_controller.diagnostics.findings import Finding
from gate_controller.diagnostics.lane import told_by_daemon
from gate_controller.diagnostics.site import Mode, Site
from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import GateError

IDS = ("service.socket", "service.version", "service.unit", "service.lane", "service.officer", "kiosk.port", "metrics.textfile")
UNIT = "gate-controller.service"
KIOSK_SOCKET = "gate-controller-kiosk.socket"
OLD_TIMES, OLD_S = 4, 60.0
"""How many times [metrics] every_s old the metrics' file may be, and how many seconds in any case."""
_TEXTFILE = "the gate's user must be able to write in that directory, and the unit to reach it (ReadWritePaths=); the disk: df -h"
KIOSK_S = 3.0
"""After so long without a sign of life the display says LANE CLOSED."""


def check(site: Site) -> Iterator[Finding]:
    """Socket, version, unit, lane."""
    yield _socket(site)
    answer = site.answer if isinstance(site.answer, dict) else None
    yield _version(site) if answer is not None else skipped("service.version", "no gate controller answers")
    yield _unit(site)
    if answer is None:
        yield skipped("service.lane", "no gate controller answers")
        yield skipped("service.officer", "no gate controller answers")
    else:
        yield _lane(answer)
        yield _call(answer)
    yield _kiosk(site)
    yield _textfile(site)


def _socket(site: Site) -> Finding:
    path, error = site.control_socket, site.answer
    if isinstance(error, dict):
        return passed("service.socket", f"{path}: a gate controller answers; it is asked")
    if site.mode is Mode.DEVICES:
        if path.exists() and not path.is_socket():
            return failed("service.socket", f"{path} is there, and is no socket: the gate controller does not start", "what made it? put it elsewhere")
        if not site.simulated and not path.parent.is_dir():
            made = "systemctl start gate-controller.socket makes it; [control] socket names it"
            return warned("service.socket", f"no gate controller runs, and {path.parent} for its socket is not there", made)
        if site.simulated or not path.exists():
            return passed("service.socket", "no gate controller runs; the devices are asked themselves")
        return warned("service.socket", f"{path} is there, and nobody listens at it", "a gate controller was killed; the next start takes the socket over")
    if site.settings is None:
        return skipped("service.socket", "without a configuration neither a gate controller nor a device is asked")
    if isinstance(error, NotPermittedError):
        return failed("service.socket", error.what, "join the group gate-read (operator, officer, engineer), or: sudo gatectl doctor")
    if site.journal_held and not site.listening:
        return failed(
            "service.socket",
            f"a gate controller writes the journal, and nobody answers at {path}",
            "is --socket or [control] socket another's? else restart it",
        )
    return failed("service.socket", error.what, error.remedy or f"sudo systemctl restart {UNIT}")


def _version(site: Site) -> Finding:
    own = version("gate-controller")
    told = site.answer.get("version") if isinstance(site.answer, dict) else None
    theirs = told or site.diagnostics.get("version")
    if not theirs:
        return skipped("service.version", "the gate controller does not tell its version to this user")
    if str(theirs) != own:
        return failed("service.version", f"the gate controller is {theirs}, this program {own}", f"sudo systemctl restart {UNIT}; gatectl install versions")
    return passed("service.version", own)


def _unit(site: Site) -> Finding:
    if site.simulated or shutil.which("systemctl") is None or not Path("/run/systemd/system").is_dir():
        return skipped("service.unit", "no systemd runs here")
    names = "LoadState,ActiveState,SubState,Result,NRestarts"
    command = ["systemctl", "show", UNIT, f"--property={names}"]
    try:
        said = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10).stdout  # noqa: S603 - a fixed command
    except (OSError, subprocess.TimeoutExpired):
        return failed("service.unit", "systemctl does not answer", "look at: systemctl status; journalctl -p err")
    told = dict(line.partition("=")[::2] for line in said.splitlines())
    state = f"{told.get('ActiveState', '?')} ({told.get('SubState', '?')}), {told.get('NRestarts', '?')} restarts"
    if told.get("LoadState") != "loaded":
        return skipped("service.unit", f"{UNIT} is not installed")
    if told.get("ActiveState") == "failed" or told.get("SubState") == "auto-restart":
        return failed("service.unit", f"{state}, {told.get('Result', '')}", f"journalctl -u {UNIT} -n 50; then sudo systemctl restart {UNIT}")
    if told.get("ActiveState") != "active":
        return warned("service.unit", state, f"sudo systemctl start {UNIT}")
    return passed("service.unit", state)


def _lane(status: JsonObject) -> Finding:
    state, reason = str(status.get("state")), status.get("reason")
    text = f"{state}{f': {reason}' if reason else ''}"
    if state in {"out_of_service", "emergency"}:
        remedy = "the checks that fail name the cause; docs/handbook.md has it by symptom"
        emergency = "; after it: gatectl officer rearm --identity WHO" if state == "emergency" or reason == "emergency" else ""
        return failed("service.lane", text, remedy + emergency)
    if state == "maintenance":
        return warned("service.lane", text, "give the lane back: gatectl maintenance off")
    return passed("service.lane", text)


def _call(status: JsonObject) -> Finding:
    call = status.get("officer_call")
    if not isinstance(call, dict):
        return passed("service.officer", "none")
    taken = "acknowledged" if call.get("acknowledged") else "nobody has acknowledged it"
    return warned("service.officer", f"{call.get('reason')}: {taken}", "gatectl officer calls; gatectl officer acknowledge --identity WHO")


def _kiosk(site: Site) -> Finding:
    settings = site.settings
    if settings is None:
        return skipped("kiosk.port", "the configuration does not tell the port")
    if not settings.kiosk.enabled or settings.kiosk.port == 0:
        return skipped("kiosk.port", "the configuration has no display")
    port = settings.kiosk.port
    who_has_it = f"sudo ss -tnp 'sport = :{port}' names who is connected, sudo ss -ltnp 'sport = :{port}' who listens"
    try:
        with socket.create_connection((settings.kiosk.host, port), timeout=KIOSK_S) as line:
            if site.mode is Mode.FILES and (site.listening or site.journal_held or isinstance(site.answer, NotPermittedError)):
                return skipped("kiosk.port", f"port {port} is held, it seems by the gate controller that does not answer here: service.socket comes first")
            if site.mode is not Mode.DAEMON:
                if _systemd_listens():
                    return passed("kiosk.port", f"port {port} is held by {KIOSK_SOCKET} for the gate")
                return failed("kiosk.port", f"port {port} is held by another program", f"sudo ss -ltnp 'sport = :{port}' names it")
            if _beats(line, port, site.clock.monotonic):
                return passed("kiosk.port", f"port {port}: the page's signs of life come")
            return failed("kiosk.port", f"port {port} gives no sign of life within {KIOSK_S:g} s: the display shows LANE CLOSED", who_has_it)
    except ConnectionResetError:
        return failed("kiosk.port", f"port {port} hangs up: more connections than it takes, or another program", who_has_it)
    except OSError:
        if site.mode is Mode.DAEMON:
            return failed("kiosk.port", f"nothing answers at port {port}", f"sudo systemctl restart {UNIT}")
        return passed("kiosk.port", f"port {port} is free")


def _systemd_listens() -> bool:
    """Whether systemd holds the page's port until the gate controller starts."""
    if shutil.which("systemctl") is None or not Path("/run/systemd/system").is_dir():
        return False
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        command = ["systemctl", "is-active", "--quiet", KIOSK_SOCKET]
        return subprocess.run(command, check=False, timeout=10).returncode == 0  # noqa: S603 - a fixed command
    return False


def _textfile(site: Site) -> Finding:
    file = site.settings.metrics.textfile if site.settings is not None else None
    if site.settings is None or file is None:
        return skipped("metrics.textfile", "the configuration names none")
    if not os.path.isdir(file.parent):  # noqa: PTH112 - Path raises where this user may not look
        if not site.as_gate:
            return skipped("metrics.textfile", f"this user does not see {file.parent}", SUDO)
        return failed("metrics.textfile", f"{file.parent} is not there", "install prometheus-node-exporter, or leave [metrics] textfile out")
    try:
        age_s = site.clock.wall() - file.stat().st_mtime
    except OSError as error:
        if isinstance(error, PermissionError) and not site.as_gate:
            return skipped("metrics.textfile", "this user is not the gate's", SUDO)
        if site.mode is not Mode.DAEMON:
            return passed("metrics.textfile", "there is none while no gate controller runs")
        return failed("metrics.textfile", f"{file}: {error.strerror}", f"{_TEXTFILE}; journalctl -u {UNIT} | grep metrics")
    if site.mode is Mode.DAEMON and age_s > max(OLD_TIMES * site.settings.metrics.every_s, OLD_S):
        return failed("metrics.textfile", f"{file}: written {age_s:.0f} s ago", _TEXTFILE)
    if site.mode is Mode.DEVICES:
        return warned(
            "metrics.textfile", f"{file}: left behind {age_s:.0f} s ago, and no gate controller runs", "it goes with the next start in good order, or: rm"
        )
    return passed("metrics.textfile", f"written {age_s:.0f} s ago")


def _beats(line: socket.socket, port: int, now: Callable[[], float]) -> bool:
    """Whether the kiosk page's stream tells that the gate lives, as the display waits for it.

    Raises:
        ConnectionResetError: It was hung up on.
    """
    line.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    until, heard = now() + KIOSK_S, b""
    with contextlib.suppress(TimeoutError):
        while (left := until - now()) > 0:
            line.settimeout(left)
            part = line.recv(65536)
            if not part:
                raise ConnectionResetError
            heard = heard[-64:] + part
            if b"event: heartbeat" in heard:
                return True
    return False


def lost_by(site: Site, device: str, finding: Finding) -> Finding:
    """The finding, unless the gate controller has lost what it is about: files may be whole that it cannot use, or gone that it still has open."""
    devices = site.answer.get("devices") if isinstance(site.answer, dict) else None
    known = devices.get(device) if isinstance(devices, dict) else None
    if finding.result == "fail" or not isinstance(known, dict) or known.get("state") != "lost":
        return finding
    return failed(finding.id, f"the gate controller says: {known.get('detail') or known.get('code')}", str(known.get("remedy", "")))


def device(name: str) -> Callable[[Site], Iterator[Finding]]:
    """What the gate controller says of a device, as the checks of that device."""

    def check(site: Site) -> Iterator[Finding]:
        answer = site.answer
        if isinstance(answer, GateError):
            raise answer
        devices = answer.get("devices")
        known = devices.get(name) if isinstance(devices, dict) else None
        state = known.get("state") if isinstance(known, dict) else None
        blamed = ""
        if isinstance(known, dict) and state == "lost":
            blamed = check_of(name, str(known.get("code")))
        for each in device_ids(name):
            if each == blamed and isinstance(known, dict):
                yield failed(each, str(known.get("detail") or known.get("code")), str(known.get("remedy", "")))
                break
            if state == "ready" and not each.endswith((".speed", ".transfer", ".damage")):
                yield passed(each, "the gate controller works with it")
            elif each.endswith((".speed", ".transfer", ".damage")):
                yield skipped(each, "measured in maintenance: gatectl fingerprint test, face test, qr test, io show")
            elif state != "lost":
                yield warned(each, f"the gate controller says: {state or 'nothing'}", "wait a few seconds and ask again")
        if name == "io_board" and state == "ready":
            inputs = site.diagnostics.get("inputs")
            yield from told_by_daemon(answer, inputs if isinstance(inputs, dict) else {})

    return check
