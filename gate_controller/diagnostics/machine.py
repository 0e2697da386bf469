"""Checks of the machine: clock, disk, memory, rights on files, udev. Reads /proc, /sys and file attributes; sets nothing."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gate_controller.composition.trust import trust_parts
from gate_controller.diagnostics.answers import SUDO, failed, passed, skipped, warned
from gate_controller.diagnostics.findings import Finding
from gate_controller.diagnostics.site import Site
from gate_controller.ports.errors import GateError
from gate_controller.ports.spans import duration
from gate_controller.settings import Settings
from gate_controller.settings.device_nodes import NodeKind, examine
from gate_controller.trust.floor import Floor

CLOCK_IDS = ("clock.time", "clock.behind", "clock.synchronised")
DISK_IDS = ("disk.space", "disk.inodes", "disk.writable", "memory.free")
FILE_IDS = ("permissions.stores",)
UDEV_IDS = ("udev.rules", "udev.names")

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
LATEST = datetime(2046, 1, 1, tzinfo=UTC)
"""A gate is looked after for ten years; a clock beyond twice that has lost its battery or its driver."""
SET_CLOCK = "set it: sudo timedatectl set-time 'YYYY-MM-DD HH:MM:SS'; if it does not keep it, replace the battery of the main board"
FREE_LEAST, FREE_LITTLE = 100 * 2**20, 2**30
INODES_LEAST = 1000
BESIDE = (".lock", "-wal", "-shm", "-journal", ".last-signed")
"""What the stores and SQLite keep beside a database."""
WITHIN = ("lock", "floor")
"""What the enrolments keep in their directory and write."""
MEMORY_LEAST, MEMORY_LITTLE = 200 * 2**20, 500 * 2**20
_TIME_ERROR = 5
_STA_UNSYNC = 0x40
RULES = ("/etc/udev/rules.d/70-gate-controller.rules", "/usr/lib/udev/rules.d/70-gate-controller.rules")


def clock(site: Site) -> Iterator[Finding]:
    """The wall clock."""
    now = site.clock.wall()
    try:
        shown = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S UTC}"
    except (OverflowError, ValueError, OSError):
        shown = f"{now:.0f} s after 1970"
    if EARLIEST.timestamp() <= now <= LATEST.timestamp():
        yield passed("clock.time", shown)
    else:
        yield failed("clock.time", f"{shown}: not between {EARLIEST.year} and {LATEST.year}", SET_CLOCK)
    yield _behind(site, now)
    yield _synchronised(site)


def _behind(site: Site, now: float) -> Finding:
    settings = site.settings
    if settings is None:
        return skipped("clock.behind", "the configuration does not tell where the floor is")
    try:
        parts = trust_parts(settings)
        with contextlib.closing(Floor.open(parts.floor, "read")) as floor:
            latest = floor.latest_seen()
    except GateError as error:
        return skipped("clock.behind", f"trust.floor: {error.what}")
    behind = latest - now
    if behind > parts.budget.clock_tolerance_s:
        remedy = f"{SET_CLOCK}; if it is right and was wrong before: gatectl keys forget-time"
        return failed("clock.behind", f"{duration(behind)} behind the latest time seen", remedy)
    return passed("clock.behind", f"{duration(behind)} behind the latest time seen" if behind >= 1 else "not behind")


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as it is looked at."""

    _fields_ = (("modes", ctypes.c_uint), *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")), ("status", ctypes.c_int))
    _fields_ += (("rest", ctypes.c_byte * 256),)


def _synchronised(site: Site) -> Finding:
    if site.simulated:
        return skipped("clock.synchronised", "of no matter to a simulation")
    state = _Timex()
    try:
        code = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(state))
    except (OSError, AttributeError):
        code = -1
    if code < 0:
        return skipped("clock.synchronised", "the kernel does not tell")
    if code == _TIME_ERROR or state.status & _STA_UNSYNC:
        return warned(
            "clock.synchronised", "no", "without a network: compare it with a watch each month, and set it when it is 2 s off; else: timedatectl status"
        )
    return passed("clock.synchronised", f"yes, within {state.maxerror / 1000:.0f} ms")


def disk(site: Site) -> Iterator[Finding]:
    """File systems of the stores, and the memory."""
    settings = site.settings
    if settings is None:
        return
    systems = _file_systems(settings)
    findings: dict[str, list[tuple[str, str]]] = {"disk.space": [], "disk.inodes": [], "disk.writable": []}
    seen: list[str] = []
    for path, found in systems.items():
        free = found.f_bavail * found.f_frsize
        seen.append(f"{path}: {_bytes(free)} free")
        if free < FREE_LITTLE:
            findings["disk.space"].append(
                ("fail" if free < FREE_LEAST else "warn", f"{path}: {_bytes(free)} free of {_bytes(found.f_blocks * found.f_frsize)}")
            )
        if found.f_files and found.f_favail < INODES_LEAST:
            findings["disk.inodes"].append(("fail", f"{path}: room for {found.f_favail} more files"))
        if found.f_flag & os.ST_RDONLY:
            findings["disk.writable"].append(("fail", f"{path}: mounted read-only"))
    remedies = {
        "disk.space": "free space: sudo journalctl --vacuum-size=100M; du -xh / | sort -h | tail",
        "disk.inodes": "something makes many small files: du --inodes -x / | sort -n | tail",
        "disk.writable": "see dmesg for errors of the disk; then sudo mount -o remount,rw, or replace the disk",
    }
    for check, bad in findings.items():
        if not bad:
            yield passed(check, "; ".join(seen) if check == "disk.space" else "yes" if check == "disk.writable" else "enough")
            continue
        text = "; ".join(what for _, what in bad)
        yield failed(check, text, remedies[check]) if any(how == "fail" for how, _ in bad) else warned(check, text, remedies[check])
    yield _memory()


def _file_systems(settings: Settings) -> dict[Path, os.statvfs_result]:
    """By the first store on each; stores that are not there yet count by the directory they will be made in."""
    found: dict[int, tuple[Path, os.statvfs_result]] = {}
    for path in _stores(settings):
        # Not Path.exists(): it raises for an engineer, who may not look into the gate's own directories.
        there = next((each for each in (path, *path.parents) if os.access(each, os.F_OK)), Path("/"))
        with contextlib.suppress(OSError):
            found.setdefault(there.stat().st_dev, (there, os.statvfs(there)))
    return dict(found.values())


def _stores(settings: Settings) -> list[Path]:
    return [settings.journal.path, settings.replay.path, settings.enrolment.store, settings.keys.floor, settings.keys.cache]


def _memory() -> Finding:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
        free = int(re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024  # type: ignore[index]
    except (OSError, TypeError, ValueError):
        return skipped("memory.free", "the kernel does not tell")
    remedy = "see what takes it: ps aux --sort=-rss | head"
    if free < MEMORY_LITTLE:
        return (failed if free < MEMORY_LEAST else warned)("memory.free", f"{_bytes(free)} available", remedy)
    return passed("memory.free", f"{_bytes(free)} available")


def files(site: Site) -> Iterator[Finding]:
    """Whether the gate may use its stores."""
    settings = site.settings
    if settings is None:
        return
    denied = list(_denied(settings))
    if not denied:
        yield passed("permissions.stores", "read and write")
    elif site.as_gate:
        names = ", ".join(map(str, denied))
        yield failed("permissions.stores", f"not permitted: {names}", f"sudo chown -R gate-controller {denied[0]}; sudo gatectl install --check")
    else:
        yield skipped("permissions.stores", "this user is not the gate's", SUDO)


def _denied(settings: Settings) -> Iterator[Path]:
    for path in (settings.journal.path, settings.replay.path, settings.enrolment.store, settings.keys.floor):
        try:
            mode = path.stat().st_mode
        except PermissionError:
            yield path
            continue
        except OSError:
            if path.parent.is_dir() and not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
                yield path.parent
            continue
        want = os.R_OK | os.W_OK | (os.X_OK if stat.S_ISDIR(mode) else 0)
        if not os.access(path, want, effective_ids=True):
            yield path
        # What lies beside it is of whoever made it: a gate that was started by hand as root leaves a lock that the service may not open.
        for beside in (path / name for name in WITHIN) if stat.S_ISDIR(mode) else (path.with_name(f"{path.name}{ending}") for ending in BESIDE):
            if os.path.lexists(beside) and not os.access(beside, os.R_OK | os.W_OK, effective_ids=True):
                yield beside


def udev(site: Site) -> Iterator[Finding]:
    """Names of the devices."""
    settings = site.settings
    if settings is None:
        return
    endpoints = {name: device.endpoint for name, device in settings.equipment.items() if device.endpoint.startswith("/dev/")}
    named = {name: Path(end).relative_to("/dev") for name, end in endpoints.items() if end.startswith("/dev/gate/")}
    if not named:
        yield skipped("udev.rules", "the configuration names no device below /dev/gate")
    else:
        yield _rules({str(each) for each in named.values()})
    if endpoints:
        yield _names(endpoints)
        return
    shared = _shared({name: device.endpoint for name, device in settings.equipment.items() if device.endpoint.startswith("/")})
    yield shared or skipped("udev.names", "no device of this configuration has a name below /dev")


def _rules(named: set[str]) -> Finding:
    path = next((Path(each) for each in RULES if Path(each).exists()), None)
    if path is None:
        return failed("udev.rules", f"{RULES[0]} is missing", f"gatectl install devices | sudo tee {RULES[0]}")
    text = path.read_text(encoding="utf-8", errors="replace")
    missing = sorted(named - set(re.findall(r"^[^#\n]*SYMLINK\+=\"([^\"]+)\"", text, re.MULTILINE)))
    if missing:
        return failed("udev.rules", f"{path} does not name: {', '.join(missing)}", f"gatectl install devices shows what is plugged in; edit {RULES[0]}")
    return passed("udev.rules", f"{path} names all {len(named)}")


def _names(endpoints: dict[str, str]) -> Finding:
    real: dict[str, str] = {}
    for name, endpoint in endpoints.items():
        target = os.path.realpath(endpoint)
        if not os.path.exists(target):  # noqa: PTH110 - a string of realpath
            continue  # the device's own check says so
        wanted = NodeKind.CAMERA if name.endswith("camera") else NodeKind.SERIAL
        kind = examine(endpoint)
        if kind is not wanted:
            return failed("udev.names", f"{endpoint} ({name}) leads to {target}, which is {kind.value}", "compare the rules with: gatectl install devices")
        real[target] = name
    if shared := _shared(endpoints):
        return shared
    if not real:
        return warned("udev.names", "none of the names is there", "are the devices plugged in? then: sudo udevadm control --reload; sudo udevadm trigger")
    return passed("udev.names", ", ".join(f"{name} {target}" for target, name in real.items()))


def _shared(endpoints: dict[str, str]) -> Finding | None:
    """Two names of one device."""
    real: dict[str, str] = {}
    for name, endpoint in endpoints.items():
        target = os.path.realpath(endpoint)
        if target in real:
            return failed("udev.names", f"{name} and {real[target]} lead to the same device, {target}", "give each its own serial number in the rules")
        real[target] = name
    return None


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.1f} {unit}" if count < 10 and unit != "B" else f"{count:.0f} {unit}"
