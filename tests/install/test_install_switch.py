"""Versions side by side: which one is in force, how it is switched, and back when the lane does not come up."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
from pathlib import Path

import pytest

from gate_controller.cli.install_layout import Layout
from gate_controller.cli.install_switch import NOT_FOUND, SERVICE, Switch, SwitchError
from gate_controller.cli.main import main
from gate_controller.ports.durable import write_new
from gate_controller.ports.errors import ConfigurationError


def make_version(root: Path, version: str, links: str = "") -> Path:
    tree = root / "opt/gate-controller" / version
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/gatectl").write_text(version)
    (tree / "share/config").mkdir(parents=True)
    for name in ("gate.toml", "policy.toml"):
        (tree / "share/config" / name).write_text(f"# {name} of {version}\n")
    (tree / "share/gate.service").write_text(f"# {version}\n")
    (tree / "share/links").write_text(links or "# comment\n/usr/bin/gatectl bin/gatectl\n/usr/lib/systemd/system/gate.service share/gate.service copy\n")
    files = [path for path in tree.rglob("*") if path.is_file()]
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(tree)}\n" for path in files]
    (tree / "share/manifest.sha256").write_text("".join(lines))
    return tree


class FakeMachine:
    """A machine whose lane starts with some versions and not with others."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.running = False
        self.systemd = True
        self.does_not_start: set[str] = set()
        self.refuses: set[str] = set()
        self.silent: set[str] = set()
        self.failing: dict[str, list[str]] = {}
        self.comes_up_after = 0
        self.states: list[str] = []
        self.on_stop = lambda: None
        self.slept: list[float] = []
        self.ran: list[str] = []

    def has_systemd(self) -> bool:
        return self.systemd

    def run(self, command, timeout_s):
        words = [Path(word).name if word.startswith("/") else word for word in command]
        self.ran.append(" ".join(words))
        if words[0] == "gatectl":
            return self._gatectl(Path(command[0]).parents[1].name, words[1])
        if command[:2] == ["systemctl", "stop"]:
            self.running = False
            self.on_stop()
        if command == ["systemctl", "start", SERVICE]:
            self.running = self.layout.current() not in self.does_not_start
            return (0, "") if self.running else (1, "Job for gate-controller.service failed.\nSee systemctl status.")
        if command[:2] == ["systemctl", "is-active"]:
            return (0 if self.running else 3), ""
        return (NOT_FOUND, "") if words[0] == "udevadm" else (0, "")

    def sleep(self, seconds):
        self.slept.append(seconds)

    def _gatectl(self, version: str, what: str) -> tuple[int, str]:
        if what == "config":
            return (8, "gate.toml:3: [gate] idd: is not a key here") if version in self.refuses else (0, "")
        if what == "status":
            return 0, json.dumps({"state": self.states.pop(0) if self.states else "ready"})
        if version in self.silent:
            return 124, "gatectl doctor --json: not done after 120 s"
        if self.comes_up_after and len(self.slept) >= self.comes_up_after:
            self.failing = {}
        checks = [{"id": name, "result": "fail"} for name in self.failing.get(version, [])] + [{"id": "clock", "result": "pass"}]
        return 1, "a warning\n" + json.dumps({"checks": checks})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    for version in ("0.9.0", "0.10.0"):
        make_version(tmp_path, version)
    return Layout(tmp_path)


@pytest.fixture
def machine(layout: Layout) -> FakeMachine:
    return FakeMachine(layout)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def switch(layout, machine, said) -> Switch:
    return Switch(layout, machine, said.append)


@pytest.fixture
def running(switch: Switch, machine: FakeMachine) -> FakeMachine:
    """The lane runs with 0.9.0."""
    switch.activate("0.9.0")
    machine.running = True
    machine.ran.clear()
    return machine


def test_versions_are_sorted_as_numbers(layout):
    assert layout.versions() == ["0.9.0", "0.10.0"]


def test_a_version_half_unpacked_is_none(layout, switch):
    (layout.tree("0.10.0") / "share/manifest.sha256").unlink()
    assert layout.versions() == ["0.9.0"]
    with pytest.raises(ConfigurationError, match=r"0\.10\.0 is not in"):
        switch.activate("0.10.0")


@pytest.mark.parametrize("name", ["../0.9.0", "", "current", "0.9.0/bin", "."])
def test_what_is_no_version_is_refused(switch, name):
    with pytest.raises(ConfigurationError):
        switch.activate(name)


def test_a_damaged_version_is_refused_before_anything_is_stopped(layout, switch, running):
    (layout.tree("0.10.0") / "bin/gatectl").write_text("half")
    with pytest.raises(ConfigurationError, match="damaged: bin/gatectl"):
        switch.activate("0.10.0")
    assert running.running
    assert layout.current() == "0.9.0"


def test_a_first_installation_starts_nothing_and_lays_out_links_and_templates(layout, switch, machine):
    switch.activate("0.9.0")
    assert layout.current() == "0.9.0"
    assert layout.previous() is None
    assert not machine.running
    assert layout.at("/usr/bin/gatectl").readlink() == Path("/opt/gate-controller/current/bin/gatectl")
    assert layout.at("/etc/gate-controller/gate.toml").read_text() == "# gate.toml of 0.9.0\n"
    assert f"systemd-sysusers --root={layout.root} sysusers.conf" in machine.ran
    assert f"systemd-tmpfiles --root={layout.root} --create tmpfiles.conf" in machine.ran


def test_units_are_copies_of_the_version_in_force(layout, switch, running):
    unit = layout.at("/usr/lib/systemd/system/gate.service")
    running.does_not_start.add("0.10.0")
    with pytest.raises(SwitchError):
        switch.activate("0.10.0")
    assert unit.read_text() == "# 0.9.0\n"
    running.does_not_start.clear()
    switch.activate("0.10.0")
    assert not unit.is_symlink()
    assert unit.read_text() == "# 0.10.0\n"


def test_a_configuration_is_never_overwritten(layout, switch, running):
    layout.at("/etc/gate-controller/gate.toml").write_text("mine")
    switch.activate("0.10.0")
    assert layout.at("/etc/gate-controller/gate.toml").read_text() == "mine"


def test_what_lies_where_a_link_belongs_is_left_alone(layout, switch, said):
    layout.at("/usr/bin").mkdir(parents=True)
    layout.at("/usr/bin/gatectl").write_text("somebody else's")
    switch.activate("0.9.0")
    assert layout.at("/usr/bin/gatectl").read_text() == "somebody else's"
    assert any("stays as it is" in line for line in said)


def test_a_running_lane_is_stopped_switched_and_started(layout, switch, running):
    switch.activate("0.10.0")
    assert (layout.current(), layout.previous(), running.running) == ("0.10.0", "0.9.0", True)
    order = [line for line in running.ran if "config" in line or " stop" in line or "start" in line]
    assert order == ["gatectl config check --config gate.toml", f"systemctl stop {SERVICE}", f"systemctl start {SERVICE}"]


def test_a_version_that_refuses_the_configuration_stops_nothing(layout, switch, running):
    running.refuses.add("0.10.0")
    with pytest.raises(ConfigurationError, match="is not a key here"):
        switch.activate("0.10.0")
    assert layout.current() == "0.9.0"
    assert not any(" stop" in line for line in running.ran)


def test_a_version_that_does_not_start_is_taken_back(layout, switch, running):
    running.does_not_start.add("0.10.0")
    with pytest.raises(SwitchError, match=r"taken back: the lane does not start: Job for gate-controller\.service failed"):
        switch.activate("0.10.0")
    assert (layout.current(), layout.previous(), running.running) == ("0.9.0", None, True)  # a rollback does not lead to what has failed


def test_a_check_that_fails_only_with_the_new_version_takes_it_back(layout, switch, running):
    running.failing = {"0.9.0": ["camera.qr"], "0.10.0": ["camera.qr", "store.journal"]}
    with pytest.raises(SwitchError, match=r"did not fail before: store\.journal"):
        switch.activate("0.10.0")
    assert (layout.current(), running.running) == ("0.9.0", True)


def test_a_check_that_failed_before_holds_nothing_up(layout, switch, running):
    running.failing = {"0.9.0": ["camera.qr"], "0.10.0": ["camera.qr"]}
    switch.activate("0.10.0")
    assert layout.current() == "0.10.0"


def test_devices_may_take_their_time_after_the_start(switch, layout, running):
    running.failing = {"0.10.0": ["camera.qr", "fingerprint"]}
    running.comes_up_after = 3
    switch.activate("0.10.0")
    assert (layout.current(), len(running.slept)) == ("0.10.0", 3)


def test_a_version_whose_doctor_is_silent_is_taken_back(switch, layout, running):
    running.silent.add("0.10.0")
    with pytest.raises(SwitchError, match="its doctor gives no answer"):
        switch.activate("0.10.0")
    assert (layout.current(), running.running) == ("0.9.0", True)


def test_where_the_doctor_before_was_silent_nothing_is_compared(switch, layout, running):
    running.silent.add("0.9.0")
    running.failing = {"0.10.0": ["camera.qr"]}
    switch.activate("0.10.0")
    assert layout.current() == "0.10.0"


@pytest.mark.parametrize("state", ["officer_referral", "emergency", "return_path"])
def test_nobody_who_waits_inside_is_left_behind_a_stopped_lane(switch, layout, running, said, state):
    running.states = [state] * 3 + ["ready"]
    switch.activate("0.10.0")
    assert (layout.current(), len(running.slept)) == ("0.10.0", 3)
    assert running.ran.index(f"systemctl stop {SERVICE}") > running.ran.index("gatectl status --json")
    assert any("waiting until that has ended" in line for line in said)


def test_a_call_that_nobody_ends_stops_nothing(switch, layout, running):
    running.states = ["officer_referral"] * 1000
    with pytest.raises(SwitchError, match="somebody waits for an officer; nothing was stopped"):
        switch.activate("0.10.0")
    assert (layout.current(), running.running) == ("0.9.0", True)
    assert not any(" stop" in line for line in running.ran)


def test_a_full_disk_after_the_stop_ends_in_a_lane_that_runs(switch, layout, running, monkeypatch):
    def full(self, source, target=None):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    running.on_stop = lambda: monkeypatch.setattr(Path, "symlink_to", full)
    with pytest.raises(SwitchError, match="No space left on device") as caught:
        switch.activate("0.10.0")
    assert "df -h" in caught.value.remedy
    assert (layout.current(), running.running) == ("0.9.0", True)


def test_a_full_disk_while_units_are_written_takes_the_version_back(switch, layout, running, monkeypatch):
    def full(path, content, mode=0o644):
        if b"0.10.0" in content:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_new(path, content, mode)

    monkeypatch.setattr("gate_controller.cli.install_switch.write_new", full)
    with pytest.raises(SwitchError, match=r"0\.10\.0 was taken back"):
        switch.activate("0.10.0")
    assert (layout.current(), running.running) == ("0.9.0", True)
    assert layout.at("/usr/lib/systemd/system/gate.service").read_text() == "# 0.9.0\n"


def test_a_template_is_whole_or_not_there(layout, switch, monkeypatch):
    def cut(path, content, mode=0o644):
        path.write_bytes(content[:3])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("gate_controller.cli.install_switch.write_new", cut)
    with pytest.raises(SwitchError):
        switch.activate("0.9.0")
    assert not layout.at("/etc/gate-controller/gate.toml").exists()
    monkeypatch.undo()
    switch.activate("0.9.0")
    assert layout.at("/etc/gate-controller/gate.toml").read_text() == "# gate.toml of 0.9.0\n"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_lost_connection_does_not_leave_the_lane_stopped(layout, running, number):
    def gone(line):
        raise OSError(errno.EIO, "Input/output error")

    running.on_stop = lambda: os.kill(os.getpid(), number)
    before = signal.getsignal(number)
    Switch(layout, running, gone).activate("0.10.0")
    assert (layout.current(), running.running) == ("0.10.0", True)
    assert signal.getsignal(number) is before


def test_two_do_not_switch_at_the_same_time(switch, layout, running):
    def another():
        with pytest.raises(SwitchError, match="another switch of versions is going on"):
            Switch(layout, running, lambda _line: None).activate("0.10.0")

    running.on_stop = another
    switch.activate("0.10.0")
    assert layout.current() == "0.10.0"


def test_back_and_forth(layout, switch, running):
    switch.activate("0.10.0")
    assert switch.rollback() == "0.9.0"
    assert (layout.current(), layout.previous(), running.running) == ("0.9.0", "0.10.0", True)


def test_a_lane_that_was_stopped_stays_so(layout, switch, running):
    running.running = False
    switch.activate("0.10.0")
    assert (layout.current(), running.running) == ("0.10.0", False)


def test_there_is_nothing_to_go_back_to(switch):
    switch.activate("0.9.0")
    with pytest.raises(ConfigurationError, match="no version to go back to"):
        switch.rollback()


def test_the_same_again_changes_nothing(layout, switch):
    switch.activate("0.9.0")
    switch.activate("0.10.0")
    switch.activate("0.10.0")
    assert (layout.current(), layout.previous()) == ("0.10.0", "0.9.0")


def test_without_systemd_nothing_is_started_or_stopped(layout, switch, machine):
    machine.systemd = False
    machine.running = True
    switch.activate("0.10.0", start=False)
    assert not any(line.startswith("systemctl") for line in machine.ran)


def test_versions_and_switches_as_json(layout, capsys, monkeypatch):
    monkeypatch.setattr("gate_controller.cli.install.ThisMachine", lambda _root: FakeMachine(layout))
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def told(*arguments: str) -> dict[str, object]:
        assert main(["install", *arguments, "--json", "--root", str(layout.root)]) == 0
        return json.loads(capsys.readouterr().out)

    both = ["0.9.0", "0.10.0"]
    assert told("versions") == {"schema": 1, "versions": both, "in_force": None, "before": None}
    assert told("activate", "0.9.0") == {"schema": 1, "versions": both, "in_force": "0.9.0", "before": None}
    assert told("activate", "0.10.0") == {"schema": 1, "versions": both, "in_force": "0.10.0", "before": "0.9.0"}
    assert told("rollback") == {"schema": 1, "versions": both, "in_force": "0.9.0", "before": "0.10.0"}
