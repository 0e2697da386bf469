"""Looks at an installation: what is missing or differs, and the command that mends it. Changes nothing.

Does not ask the devices or the running gate: `gatectl doctor` does.
"""

from __future__ import annotations

import ctypes.util
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate_controller.cli.install_layout import CONFIG, HOME, Layout
from gate_controller.cli.install_switch import COMMAND_S, Machine
from gate_controller.composition.registry import load_drivers
from gate_controller.ports.errors import GateError
from gate_controller.settings.load import Settings, load

Result = Literal["pass", "warn", "fail", "skip"]

USERS = ("gate-controller", "gate-sync", "gate-kiosk")
GROUPS = ("gate-controller", "gate-trust", "gate-read", "gate-operator", "gate-officer", "gate-engineer")
DIRECTORIES = (("/run/gate-controller", "gate-controller"), ("/var/lib/gate-trust", "gate-sync"))
TRUST_MODE = 0o2770
RULES = Path("/etc/udev/rules.d/70-gate-controller.rules")
KIOSK_PROGRAMS = {"/usr/bin/cage": "cage", "/usr/bin/chromium": "chromium", "/usr/share/fonts/opentype/noto": "fonts-noto-cjk"}
MAKE_USERS = "sudo systemd-sysusers gate-controller.conf"
MAKE_DIRECTORIES = "sudo systemd-tmpfiles --create gate-controller.conf"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        id: Stable name of the check.
        result: pass, warn, fail, or skip where it could not look.
        found: What it saw, one line.
        remedy: What to do about it; "" when there is nothing to do.
    """

    id: str
    result: Result
    found: str
    remedy: str = ""


def check(layout: Layout, machine: Machine) -> Iterator[Finding]:
    """Every check, in the order in which things are installed; always reaches its end."""
    version = layout.current()
    yield _version(layout, version)
    if version is not None and version in layout.versions():
        yield _files(layout, version)
        yield _links(layout, version)
    yield _accounts(layout)
    yield from _directories(layout)
    yield _library()
    settings, found = _configuration(layout)
    yield found
    if settings is not None:
        yield from _secrets(layout, settings)
        yield _floor(layout, settings)
        yield from _display(layout, settings)
        yield from _listeners(layout, settings)
    yield _rules(layout)
    yield from _units(machine, settings)


def _version(layout: Layout, version: str | None) -> Finding:
    there = ", ".join(layout.versions()) or "none"
    if version is None:
        return Finding("version", "fail", f"no version is in force; there are: {there}", "sudo gatectl install activate VERSION")
    if version not in layout.versions():
        return Finding("version", "fail", f"{HOME}/current names {version}, which is not there; there are: {there}", "sudo gatectl install activate VERSION")
    return Finding("version", "pass", f"{version} in force, before it {layout.previous() or 'none'}; there are: {there}")


def _files(layout: Layout, version: str) -> Finding:
    damaged = layout.damaged(version)
    if damaged:
        more = " ..." if len(damaged) > 3 else ""
        return Finding(
            "files", "fail", f"{len(damaged)} files of {version} are missing or altered: {', '.join(damaged[:3])}{more}", "install the package again"
        )
    return Finding("files", "pass", f"every file of {version} is as it was installed")


def _links(layout: Layout, version: str) -> Finding:
    wrong = [str(link) for link, target in layout.links(version) if not layout.at(link).is_symlink() or layout.at(link).readlink() != target]
    for copy, source in layout.copies(version):
        path = layout.at(copy)
        if not path.is_file() or path.read_bytes() != source.read_bytes():
            wrong.append(str(copy))
    if wrong:
        return Finding("links", "fail", f"missing or not ours: {', '.join(wrong)}", f"move away what lies there, then: sudo gatectl install activate {version}")
    return Finding("links", "pass", "units, users, rules and programs are those of the version in force")


def _accounts(layout: Layout) -> Finding:
    missing = [f"user {name}" for name in USERS if name not in _names(layout, "passwd")] + [
        f"group {name}" for name in GROUPS if name not in _names(layout, "group")
    ]
    if missing:
        return Finding("accounts", "fail", f"missing: {', '.join(missing)}", MAKE_USERS)
    return Finding("accounts", "pass", f"{len(USERS)} users and {len(GROUPS)} groups are there")


def _directories(layout: Layout) -> Iterator[Finding]:
    ids = _names(layout, "passwd")
    for name, owner in DIRECTORIES:
        path = layout.at(name)
        if not path.is_dir():
            yield Finding("directories", "fail", f"{name} is missing", MAKE_DIRECTORIES)
        elif owner in ids and path.stat().st_uid != ids[owner]:
            yield Finding("directories", "fail", f"{name} belongs to user {path.stat().st_uid}, not to {owner}", MAKE_DIRECTORIES)
        elif name.endswith("gate-trust") and stat.S_IMODE(path.stat().st_mode) != TRUST_MODE:
            yield Finding("directories", "fail", f"{name} has mode {stat.S_IMODE(path.stat().st_mode):04o}, not {TRUST_MODE:04o}", MAKE_DIRECTORIES)
        else:
            yield Finding("directories", "pass", f"{name} is {owner}'s")


def _library() -> Finding:
    if ctypes.util.find_library("zbar") is None:
        return Finding("zbar", "fail", "libzbar is not there: the second QR decoder cannot be asked", "sudo apt-get install libzbar0")
    return Finding("zbar", "pass", "libzbar is there")


def _configuration(layout: Layout) -> tuple[Settings | None, Finding]:
    path = layout.at(CONFIG / "gate.toml")
    if not path.exists():
        return None, Finding(
            "configuration",
            "fail",
            f"{CONFIG}/gate.toml is missing",
            f"sudo cp {HOME}/current/share/config/*.toml {CONFIG}/, then change what is marked CHANGE",
        )
    try:
        settings = load(path, load_drivers())
    except GateError as error:
        lines = [line for line in error.what.splitlines() if line.strip()]
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        return None, Finding("configuration", "fail", f"{lines[0] if lines else path}{more}", "gatectl config check")
    return settings, Finding("configuration", "pass", f"{CONFIG}/gate.toml: gate {settings.gate.id}, {settings.gate.mode}")


def _secrets(layout: Layout, settings: Settings) -> Iterator[Finding]:
    named = {
        "enrolment master key": settings.enrolment.master_key_credential,
        "journal signing key": settings.journal.signing_key_credential,
    }
    for what, name in named.items():
        if name is None:
            continue  # a file instead, whose mode the gate checks itself
        path = CONFIG / f"{name}.cred"
        there = layout.at(path)
        if not there.exists():
            yield Finding("credentials", "fail", f"{path} ({what}) is missing: the service does not start", 'docs/installing.md, step "Keys"')
        elif there.stat().st_mode & 0o077:
            yield Finding("credentials", "warn", f"{path} ({what}) can be read by others; it is encrypted, but nobody else needs it", f"sudo chmod 600 {path}")
        else:
            yield Finding("credentials", "pass", f"{path} ({what}) is there")


def _floor(layout: Layout, settings: Settings) -> Finding:
    path = layout.root / settings.keys.floor.relative_to("/")
    init = "sudo -u gate-sync -g gate-trust sh -c 'umask 007; gatectl keys init'"
    try:
        found = path.stat()
    except FileNotFoundError:
        return Finding("trust", "fail", f"{settings.keys.floor} was never made", init)
    except PermissionError:
        return Finding("trust", "skip", f"{settings.keys.floor} cannot be seen by this user", "sudo gatectl install --check")
    if stat.S_IMODE(found.st_mode) & 0o060 != 0o060:
        return Finding(
            "trust", "fail", f"{settings.keys.floor} has mode {stat.S_IMODE(found.st_mode):04o}: the gate and the sync both write it", MAKE_DIRECTORIES
        )
    return Finding("trust", "pass", f"{settings.keys.floor} is there")


def _display(layout: Layout, settings: Settings) -> Iterator[Finding]:
    if not settings.kiosk.enabled:
        yield Finding("display", "skip", "the configuration has no display")
        return
    missing = [package for path, package in KIOSK_PROGRAMS.items() if not layout.at(path).exists()]
    if missing:
        yield Finding("display", "warn", f"the display needs: {', '.join(missing)}", f"sudo apt-get install {' '.join(missing)}")
    else:
        yield Finding("display", "pass", "browser and fonts are there")


def _listeners(layout: Layout, settings: Settings) -> Iterator[Finding]:
    """The socket units and the configuration must mean the same."""
    wanted = {"gate-controller.socket": str(settings.control.socket), "gate-controller-officer.socket": str(settings.control.officer_socket)}
    if settings.kiosk.enabled:
        wanted["gate-controller-kiosk.socket"] = f"{settings.kiosk.host}:{settings.kiosk.port}"
    for unit, address in wanted.items():
        try:
            text = layout.at(f"/opt/gate-controller/current/share/systemd/{unit}").read_text(encoding="utf-8")
        except OSError:
            yield Finding("listeners", "skip", f"{unit} cannot be read")
            continue
        listens = re.findall(r"^ListenStream=(.*)$", text, re.MULTILINE)
        if listens == [address]:
            yield Finding("listeners", "pass", f"{unit} listens at {address}, as configured")
        else:
            found = f"{unit} listens at {', '.join(listens)}, the configuration says {address}"
            yield Finding("listeners", "warn", found, f"take the configuration's default, or override the unit, too: sudo systemctl edit {unit}")


def _rules(layout: Layout) -> Finding:
    rules = layout.at(RULES)
    if not rules.exists():
        return Finding("devices", "fail", f"{RULES} is missing: the devices have no names", f"gatectl install devices | sudo tee {RULES}")
    named = re.findall(r"^[^#\n]*SYMLINK\+=\"gate/([a-z-]+)\"", rules.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    missing = {"qr-camera", "face-camera", "fingerprint", "io-board"} - set(named)
    if missing:
        return Finding(
            "devices", "fail", f"{RULES} does not name: {', '.join(sorted(missing))}", f"gatectl install devices shows what is plugged in; edit {RULES}"
        )
    return Finding("devices", "pass", f"{RULES} names the four devices")


def _units(machine: Machine, settings: Settings | None) -> Iterator[Finding]:
    if not machine.has_systemd():
        yield Finding("services", "skip", "no systemd runs here")
        return
    wanted = ["gate-controller.service"]
    if settings is not None and settings.sync.mirror is not None:
        wanted.append("gate-keys-sync.timer")
    if settings is not None and settings.kiosk.enabled:
        wanted.append("gate-kiosk.service")
    for unit in wanted:
        code, said = machine.run(["systemctl", "is-enabled", unit], COMMAND_S)
        if code:
            yield Finding(
                "services", "fail", f"{unit} is {said.strip() or 'unknown'}: it will not start with the machine", f"sudo systemctl enable --now {unit}"
            )
        else:
            yield Finding("services", "pass", f"{unit} starts with the machine")


def _names(layout: Layout, file: str) -> dict[str, int]:
    """Names and numbers of the root's own passwd or group file."""
    try:
        lines = layout.at(f"/etc/{file}").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    fields = (line.split(":") for line in lines)
    return {each[0]: int(each[2]) for each in fields if len(each) > 2 and each[2].isdecimal()}
