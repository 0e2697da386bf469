"""Checks of the configuration. The settings do the checking; this only tells what cannot be read from what is wrong."""

from __future__ import annotations

import errno
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

from gate_controller.diagnostics.answers import SUDO, failed, passed, warned
from gate_controller.diagnostics.findings import Finding
from gate_controller.diagnostics.site import Site
from gate_controller.settings import InvalidConfigurationError

_SHOWN = 3
"""Of one file. A misspelt key makes two mistakes: one that is unknown, one that is missing."""
IDS = ("configuration.file", "configuration.valid")


def check(site: Site) -> Iterator[Finding]:
    """Both files, then their content."""
    unreadable = _unreadable(site.config)
    policy = _policy_named(site.config)
    if not unreadable and policy is not None:
        unreadable = _unreadable(policy)
    if unreadable:
        remedy = "gatectl config check; the shipped examples are in /opt/gate-controller/current/share/config"
        if unreadable.endswith(os.strerror(errno.EACCES)):
            remedy = "the gate's user must be able to read it: compare owner and mode with ls -l" if site.as_gate else SUDO
        yield failed("configuration.file", unreadable, remedy)
        return
    yield passed("configuration.file", f"{site.config}{f' and {policy}' if policy else ''}")
    settings = site.settings
    if settings is not None and site.other_gate:
        text = f"{site.config} is of gate {settings.gate.id}, and the gate controller at {site.control_socket} is {site.other_gate}"
        yield failed(
            "configuration.valid",
            text,
            "name its own with --config (systemctl cat gate-controller), or this gate's socket with --socket; what follows is of two gates",
        )
        return
    if settings is not None:
        changed = [path for path in (site.config, policy) if path is not None and _is_newer(path, site)]
        if changed:
            text = f"{' and '.join(map(str, changed))}: changed since the gate controller started, which works with what it read then"
            yield warned("configuration.valid", text, "if the change is meant: sudo systemctl restart gate-controller, when nobody is in the lane")
        else:
            yield passed("configuration.valid", f"gate {settings.gate.id}, {settings.gate.mode}, {settings.gate.lane.value}")
        return
    yield failed("configuration.valid", "; ".join(_first_of_each_file(site)), "gatectl config check lists every mistake with its line")


def _first_of_each_file(site: Site) -> list[str]:
    """A file that is cut short or of another version has many mistakes, and their number tells so."""
    if not isinstance(site.loaded, InvalidConfigurationError):
        return list(site.problems)
    by_file: dict[str, list[str]] = {}
    for problem in site.loaded.problems:
        by_file.setdefault(problem.file, []).append(str(problem))
    shown = (f"{'; '.join(each[:_SHOWN])}{f' and {len(each) - _SHOWN} more in this file' if len(each) > _SHOWN else ''}" for each in by_file.values())
    return list(shown)


def _unreadable(path: Path) -> str:
    try:
        tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"{path}: {error.strerror}"
    except UnicodeDecodeError:
        return f"{path}: is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        return f"{path}: is not TOML: {error}"
    return ""


def _is_newer(path: Path, site: Site) -> bool:
    """Whether the file was written after the gate controller that runs had read it."""
    uptime_s = site.answer.get("uptime_s") if isinstance(site.answer, dict) else None
    if not isinstance(uptime_s, int | float):
        return False
    try:
        return path.stat().st_mtime > site.clock.wall() - uptime_s
    except OSError:
        return False


def _policy_named(config: Path) -> Path | None:
    try:
        gate = tomllib.loads(config.read_text(encoding="utf-8")).get("gate")
    except (OSError, ValueError):
        return None
    named = gate.get("policy") if isinstance(gate, dict) else None
    return config.parent / named if isinstance(named, str) and named else None
