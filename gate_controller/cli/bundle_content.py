"""What goes into a support bundle: lists of allowed fields, and nothing that is not on them.

Whoever acted, whoever crossed, free text of people, secrets, pictures and templates are on no list. An id of a crossing is replaced by a keyed hash whose
key is made for each bundle and thrown away: within one bundle the same id stays the same, and outside it means nothing. Writes no file.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import platform
import re
import secrets
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gate_controller.cli.config import key_name, known_keys
from gate_controller.cli.config_diff import shown as without_secrets
from gate_controller.cli.config_diff import values_of
from gate_controller.diagnostics import Report, Site, all_groups, examine
from gate_controller.journal import JournalReader
from gate_controller.ports.errors import GateError
from gate_controller.settings import InvalidConfigurationError

SCHEMA = 1
EVENTS = 2000
LOG_LINES = 2000
COMMAND_S = 20.0
UNITS = ("gate-controller.service", "gate-keys-sync.service", "gate-keys-sync.timer", "gate-kiosk.service", "gate-lane-closed.service")

DEVICE_FIELDS = ("device", "driver", "state", "code", "reason", "detail", "remedy", "since_s", "info")
STATUS_FIELDS = ("gate", "region", "direction", "state", "reason", "prompt", "occupancy", "doors", "trust", "trust_store", "since_s", "uptime_s")
CALL_FIELDS = ("reason", "escalation")
DIAGNOSTICS_FIELDS = ("version", "uptime_s", "inputs", "stores", "trust", "queues")
EVENT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "status": ("state", "reason", "prompt", "occupancy", "doors"),
    "prompt": ("prompt",),
    "crossing_recorded": ("outcome", "reason", "admitted", "direction", "degraded", "truth", "checks", "steps", "by_officer"),
    "device": ("device", "state", "code", "detail", "remedy"),
    "officer_called": ("reason", "escalation"),
    "officer_call_ended": (),
    "officer_acted": ("action",),
    "freshness": ("region", "from", "to", "cause", "next_state", "next_in_s", "restricted_in_s", "closed_in_s"),
    "trust_taken": ("versions",),
    "trust_refused": ("what", "remedy"),
}
LOG_FIELDS = ("device", "code", "state", "reason", "door", "region", "step", "what", "remedy", "failures", "versions")
UNIT_FIELDS = "Id,LoadState,ActiveState,SubState,Result,NRestarts,ExecMainStatus,ActiveEnterTimestamp"
PROGRAMS = ("gate-controller", "gate-keys")
"""What the programs call themselves in systemd's journal."""
_FIELDS_OF_MESSAGE = re.compile(r" [a-z_]+=")
_METRIC = re.compile(r"^(# (HELP|TYPE) )?(gate|process|python)_[a-z_]+")
_HOME = re.compile(r"(/home|/Users)/[^/\s:'\"]+")
_HASHED = 12

Hashed = Callable[[str], str]
Part = tuple[str, bytes]
"""What it holds, in words for the manifest; and its bytes."""


def collect(site: Site) -> dict[str, Part]:
    """Every part by file name; one that cannot be had says why, in its own place."""
    key = secrets.token_bytes(32)

    def hashed(text: str) -> str:
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:_HASHED]

    parts: dict[str, tuple[str, Callable[[], str]]] = {
        "about.json": ("versions of the program and the system", lambda: _about(site)),
        "doctor.json": ("findings of gatectl doctor", lambda: _doctor(site)),
        "status.json": ("the lane's state, devices and trust", lambda: _status(site)),
        "diagnostics.json": ("devices, inputs, stores and queues", lambda: _diagnostics(site)),
        "events.jsonl": (f"the last {EVENTS} events in memory; ids hashed", lambda: _events(site, hashed)),
        "metrics.txt": ("counters and times", lambda: _metrics(site)),
        "configuration.json": ("configuration and policy; no password", lambda: _configuration(site)),
        "journal.json": ("how many rows of which kind; no row", lambda: _journal(site)),
        "log.jsonl": (f"the services' last {LOG_LINES} log lines; ids hashed, known fields only", lambda: _log(hashed)),
        "units.txt": ("what systemd says of the units", _units),
    }
    return {name: (holds, _part(make)) for name, (holds, make) in parts.items()}


def _part(make: Callable[[], str]) -> bytes:
    try:
        text = make()
    except GateError as error:
        text = json.dumps({"not_collected": error.what})
    except (OSError, ValueError, sqlite3.Error, subprocess.TimeoutExpired) as error:
        text = json.dumps({"not_collected": type(error).__name__})
    return _HOME.sub(r"\1/~", text).encode("utf-8", "replace")


def chosen(fields: object, names: tuple[str, ...]) -> dict[str, Any]:
    """The allowed fields of an object."""
    return {name: fields[name] for name in names if name in fields} if isinstance(fields, Mapping) else {}


def _about(site: Site) -> str:
    known = {
        "schema": SCHEMA,
        "version": version("gate-controller"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }
    with contextlib.suppress(OSError):
        known["distribution"] = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    return json.dumps({**known, "machine": platform.machine(), "cpus": os.cpu_count(), "at": round(site.clock.wall())}, indent=1)


def _doctor(site: Site) -> str:
    mistakes = "; ".join(_places(site))
    # What is wrong with a file may be anything that somebody wrote into it: only where it stands goes in.
    findings = tuple(replace(each, value=mistakes) if each.id == "configuration.valid" and mistakes else each for each in examine(all_groups(site)))
    gate = site.settings.gate.id if site.settings is not None else ""
    return json.dumps(Report(gate, version("gate-controller"), site.mode.value, round(site.clock.wall()), findings).as_json(), indent=1)


def _answer(site: Site) -> Mapping[str, Any]:
    if isinstance(site.answer, GateError):
        raise site.answer
    return site.answer


def _status(site: Site) -> str:
    status = _answer(site)
    call = status.get("officer_call")
    shown = chosen(status, STATUS_FIELDS)
    devices = status.get("devices")
    shown["devices"] = {name: chosen(each, DEVICE_FIELDS) for name, each in devices.items()} if isinstance(devices, Mapping) else {}
    shown["officer_call"] = {**chosen(call, CALL_FIELDS), "acknowledged": bool(call.get("acknowledged"))} if isinstance(call, Mapping) else None
    return json.dumps(shown, indent=1)


def _diagnostics(site: Site) -> str:
    told = site.diagnostics
    devices = told.get("devices")
    listed = [chosen(each, DEVICE_FIELDS) for each in devices] if isinstance(devices, list) else []
    return json.dumps({**chosen(told, DIAGNOSTICS_FIELDS), "devices": listed}, indent=1)


def _events(site: Site, hashed: Hashed) -> str:
    _answer(site)
    lines: list[str] = []
    with site.client.events(after=0) as stream:
        newest = 0
        for event in stream:
            if event.kind == "connected":
                newest = int(event.fields.get("sequence", 0))
            elif event.kind in EVENT_FIELDS:
                fields = chosen(event.fields, EVENT_FIELDS[event.kind])
                if "crossing_id" in event.fields:
                    fields["crossing"] = hashed(str(event.fields["crossing_id"]))
                lines.append(json.dumps({"at": event.at, "kind": event.kind, "fields": fields}))
            if (event.sequence or 0) >= newest:
                break
    return "\n".join(lines[-EVENTS:])


def _metrics(site: Site) -> str:
    _answer(site)
    return "\n".join(line for line in site.client.metrics().splitlines() if _METRIC.match(line))


def _configuration(site: Site) -> str:
    known = {key_name(each) for _, each in known_keys(site.drivers)}
    patterns = [re.compile(re.escape(key).replace(r"\*", "[^.]+")) for key in known if "*" in key]
    shown: dict[str, Any] = {}
    unknown = 0
    for key, value in values_of(site.config).items():
        allowed = key in known or any(pattern.fullmatch(key) for pattern in patterns) or key.endswith(".driver")
        if allowed:
            shown[key] = without_secrets(key, value)
        else:
            unknown += 1
    return json.dumps({"values": shown, "unknown_keys": unknown, "mistakes": _places(site)}, indent=1)


def _places(site: Site) -> list[str]:
    """File and line of each mistake."""
    if isinstance(site.loaded, InvalidConfigurationError):
        return [f"{Path(each.file).name}:{each.line}" for each in site.loaded.problems]
    return [type(site.loaded).__name__] if isinstance(site.loaded, GateError) else []


def _journal(site: Site) -> str:
    named = values_of(site.config).get("journal.path")  # a configuration that is not valid names it, too
    with JournalReader(site.config.absolute().parent / str(named)) as reader:
        counted = reader.connection.execute("SELECT kind, coalesce(label, ''), count(*) FROM entries GROUP BY 1, 2").fetchall()
        known = {"rows": reader.last_id(), "checkpoints": len(reader.checkpoints())}
    return json.dumps({**known, "counts": [{"kind": kind, "label": label, "count": count} for kind, label, count in counted]}, indent=1)


def _log(hashed: Hashed) -> str:
    command = ["journalctl", "-u", UNITS[0], "-u", UNITS[1], "-n", str(LOG_LINES), "-o", "json", "--no-pager"]
    return "\n".join(json.dumps(line) for line in _log_lines(_output(command), hashed))


def _log_lines(text: str, hashed: Hashed) -> Iterator[dict[str, Any]]:
    """Entries that the programs made (runtime/journald.py), reduced to known fields; of the others only how many there were."""
    others = 0
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or entry.get("SYSLOG_IDENTIFIER") not in PROGRAMS or entry.get("_TRANSPORT") != "journal":
            others += 1
            continue
        # The message repeats every field, so only what stands before them is taken.
        event = _FIELDS_OF_MESSAGE.split(str(entry.get("MESSAGE", "")).partition("\n")[0], maxsplit=1)[0]
        at = str(entry.get("__REALTIME_TIMESTAMP", ""))
        kept = {"at": int(at) / 1e6 if at.isdecimal() else None, "priority": entry.get("PRIORITY"), "program": entry["SYSLOG_IDENTIFIER"], "event": event}
        kept |= {name: entry[field] for name in LOG_FIELDS if (field := f"GATE_{name.upper()}") in entry}
        if "GATE_CROSSING_ID" in entry:
            kept["crossing"] = hashed(str(entry["GATE_CROSSING_ID"]))
        yield kept
    if others:
        yield {"lines_left_out": others}


def _units() -> str:
    return _output(["systemctl", "show", f"--property={UNIT_FIELDS}", *UNITS])


def _output(command: list[str]) -> str:
    if shutil.which(command[0]) is None or not Path("/run/systemd/system").is_dir():
        return json.dumps({"not_collected": "no systemd runs here"})
    return subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", timeout=COMMAND_S).stdout  # noqa: S603 - fixed commands
