"""The units as systemd reads them: nothing it complains of, and how much of the machine each leaves open."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"
SERVICES = sorted(path.name for path in SYSTEMD.glob("*.service"))
UNITS = sorted(path for path in SYSTEMD.iterdir() if path.suffix in {".service", ".socket", ".timer"})
CURRENT = "/opt/gate-controller/current"
LISTENERS = ("gate-controller.socket", "gate-controller-officer.socket", "gate-controller-kiosk.socket")

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here (Debian's package systemd)")


def settings(name: str, section: str = "Service") -> list[tuple[str, str]]:
    """Assignments of one section, in order; systemd allows a key several times."""
    lines = (SYSTEMD / name).read_text().replace("\\\n", " ").splitlines()
    current, found = "", []
    for line in lines:
        if line.startswith("["):
            current = line.strip("[]")
        elif current == section and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.append((key, value))
    return found


def values(name: str, key: str, section: str = "Service") -> list[str]:
    return [value for known, value in settings(name, section) if known == key]


@needs_systemd
def test_systemd_complains_of_no_unit(tmp_path: Path):
    # The programs the units start are not on this machine: stand-ins at the same paths below another root.
    for command in {command.split()[0] for name in SERVICES for command in values(name, "ExecStart")}:
        stand_in = tmp_path / command.lstrip("/")
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        stand_in.write_text("#!/bin/sh\n")
        stand_in.chmod(0o755)
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for name in ("sysinit.target", "basic.target", "shutdown.target", "multi-user.target", "timers.target", "sockets.target", "graphical.target"):
        (units / name).write_text("[Unit]\nDescription=stand-in\n")
    for name in (unit.name for unit in UNITS):
        shutil.copy(SYSTEMD / name, units)
    names = [unit.name for unit in UNITS]
    done = subprocess.run(["systemd-analyze", f"--root={tmp_path}", "--man=no", "verify", *names], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if not re.search(r"Failed to (add|load) .*(not found|No such file)", line)]
    assert (said, done.returncode) == ([], 0)


@needs_systemd
@pytest.mark.parametrize(("name", "at_most"), [("gate-controller", 0.8), ("gate-keys-sync", 1.3), ("gate-lane-closed", 0.8)])
def test_what_a_service_leaves_open(name: str, at_most: float):
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", str(SYSTEMD / f"{name}.service")], capture_output=True, text=True, check=False)
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    if match is None:
        pytest.skip(f"this systemd-analyze cannot judge a unit offline: {done.stderr.strip()}")
    assert float(match[1]) <= at_most


def test_the_controllers_threads_may_leave_the_real_time_policy_and_nothing_else_of_resources():
    filters = values("gate-controller.service", "SystemCallFilter")
    assert filters == ["@system-service", "~@privileged @resources", "sched_setscheduler"]
    assert values("gate-controller.service", "SystemCallErrorNumber") == ["EPERM"]
    assert values("gate-controller.service", "CPUSchedulingPolicy") == ["rr"]


def test_the_one_who_asks_can_be_known_and_a_serial_line_told_from_a_pseudo_terminal():
    for key in ("PrivateUsers", "ProcSubset", "PrivateDevices"):
        assert values("gate-controller.service", key) == [], key


def test_the_controller_has_devices_and_no_network_the_sync_a_network_and_no_devices():
    assert values("gate-controller.service", "PrivateNetwork") == ["yes"]
    assert values("gate-controller.service", "RestrictAddressFamilies") == ["AF_UNIX"]
    assert values("gate-keys-sync.service", "PrivateDevices") == ["yes"]
    assert values("gate-keys-sync.service", "DeviceAllow") == []
    assert values("gate-keys-sync.service", "User") != values("gate-controller.service", "User")


def test_a_lane_that_was_stopped_or_failed_is_not_started_by_whoever_connects():
    for name in LISTENERS:
        assert values(name, "PartOf", "Unit") == ["gate-controller.service"]
        assert values(name, "Conflicts", "Unit") == ["gate-lane-closed.service"]
        assert values(name, "Service", "Socket") == ["gate-controller.service"]
    names = {value for name in LISTENERS for value in values(name, "FileDescriptorName", "Socket")}
    assert names == {"control", "officer", "kiosk"}
    assert set(values("gate-controller.service", "Requires", "Unit")[0].split()) == set(LISTENERS)


def test_no_account_of_the_machine_can_listen_in_the_displays_place():
    template = (SYSTEMD.parent / "config/gate.toml").read_text()
    port = re.search(r"^port = ([0-9]+)$", template, re.MULTILINE)
    assert port is not None
    assert int(port[1]) < 1024
    assert values("gate-controller-kiosk.socket", "ListenStream", "Socket") == [f"127.0.0.1:{port[1]}"]


def test_only_officers_reach_the_officers_page():
    assert values("gate-controller-officer.socket", "SocketGroup", "Socket") == ["gate-officer"]
    assert values("gate-controller-officer.socket", "SocketMode", "Socket") == ["0660"]


def test_the_display_can_become_nobody_else_and_reads_nobodys_keys():
    assert values("gate-kiosk.service", "NoNewPrivileges") == ["yes"]
    assert values("gate-kiosk.service", "CapabilityBoundingSet") == [""]
    joined = {line.split()[2] for line in (SYSTEMD / "sysusers.conf").read_text().splitlines() if line.startswith("m") and line.split()[1] == "gate-kiosk"}
    assert joined <= {"render"}


def test_the_local_seat_is_not_given_the_cameras():
    # After 70-uaccess.rules marked them, before 73-seat-late.rules acts on the mark.
    (rules,) = SYSTEMD.glob("*-gate-controller-seat.rules")
    assert "70-uaccess.rules" < rules.name < "73-seat-late.rules"
    assert re.search(r'^SUBSYSTEM=="video4linux".*TAG-="uaccess"$', rules.read_text(), re.MULTILINE)
    assert f"/usr/lib/udev/rules.d/{rules.name} share/systemd/{rules.name}" in (SYSTEMD.parent / "packaging/links").read_text()


def test_stopping_gives_an_open_crossing_its_time():
    gate = (SYSTEMD.parent / "config/gate.toml").read_text()
    drain = re.search(r"#stop_drain_s = ([0-9.]+)", gate)
    assert drain is not None
    assert float(values("gate-controller.service", "TimeoutStopSec")[0]) > float(drain[1]) + 10


def test_what_runs_is_the_current_version():
    for name in SERVICES:
        for command in values(name, "ExecStart"):
            assert command.startswith((CURRENT, "/usr/bin/cage")), name


def test_each_user_that_a_unit_names_is_made():
    made = {line.split()[1] for line in (SYSTEMD / "sysusers.conf").read_text().splitlines() if line and line[0] in "ug"}
    for name in SERVICES:
        for key in ("User", "Group", "SupplementaryGroups"):
            for value in values(name, key):
                assert set(value.split()) <= made, f"{name} {key}={value}"
    assert {"gate-read", "gate-operator", "gate-officer", "gate-engineer"} <= made


def test_the_display_begins_on_a_page_that_needs_nobody_else():
    kiosk = SYSTEMD.parent / "packaging/kiosk"
    page = (kiosk / "start.html").read_text()
    assert set(re.findall(r"(?:https?|file)://[^\"' <]+", page)) == {"http://127.0.0.1:808/"}
    assert set(re.findall(r'<p lang="([^"]+)"', page)) == {"zh-Hant-HK", "zh-Hans", "pt", "en"}
    allowed = json.loads((kiosk / "policy.json").read_text())["URLAllowlist"]
    command = values("gate-kiosk.service", "ExecStart")[0]
    assert any(command.endswith(address) for address in allowed)
    assert values("gate-controller-kiosk.socket", "ListenStream", "Socket") == ["127.0.0.1:808"]
