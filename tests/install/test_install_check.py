"""`gatectl install --check` and `gatectl install devices`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gate_controller.cli.install_check import check
from gate_controller.cli.install_devices import rules, usb_devices
from gate_controller.cli.install_layout import Layout
from gate_controller.cli.main import main
from tests.install.test_install_switch import FakeMachine, make_version
from tests.settings.test_settings_files import rooted

TOP = Path(__file__).parents[2]


def found(layout: Layout) -> dict[str, str]:
    """The worst result of each id."""
    order = ["skip", "pass", "warn", "fail"]
    worst: dict[str, str] = {}
    for each in check(layout, FakeMachine(layout)):
        worst[each.id] = max(worst.get(each.id, "skip"), each.result, key=order.index)
    return worst


@pytest.fixture
def installed(tmp_path: Path) -> Layout:
    """An installation that lacks nothing but its owners, who are not on this machine."""
    make_version(tmp_path, "0.1.0")
    layout = Layout(tmp_path)
    layout.point_to("0.1.0")
    for link, target in layout.links("0.1.0"):
        layout.at(link).parent.mkdir(parents=True)
        layout.at(link).symlink_to(target)
    for copy, source in layout.copies("0.1.0"):
        layout.at(copy).parent.mkdir(parents=True)
        layout.at(copy).write_bytes(source.read_bytes())
    users = ("gate-controller", "gate-sync", "gate-kiosk")
    groups = (*users, "gate-trust", "gate-read", "gate-operator", "gate-officer", "gate-engineer")
    me = (tmp_path).stat().st_uid
    config = layout.at("/etc/gate-controller")
    config.mkdir(parents=True)
    layout.at("/etc/passwd").write_text("".join(f"{name}:x:{me}:{me}::/:/bin/false\n" for name in users))
    layout.at("/etc/group").write_text("".join(f"{name}:x:{900 + number}:\n" for number, name in enumerate(groups)))
    for name in ("/run/gate-controller", "/var/lib/gate-trust", "/etc/udev/rules.d"):
        layout.at(name).mkdir(parents=True)
    layout.at("/var/lib/gate-trust").chmod(0o2770)
    (config / "gate.toml").write_text(rooted((TOP / "config/gate.toml").read_text()))
    (config / "policy.toml").write_text((TOP / "config/policy.toml").read_text())
    for name in ("enrolment-master", "journal-signing"):
        (config / f"{name}.cred").write_text("sealed")
        (config / f"{name}.cred").chmod(0o600)
    floor = layout.at("/var/lib/gate-trust/floor.db")
    floor.write_text("")
    floor.chmod(0o660)
    lines = [f'SUBSYSTEM=="tty", SYMLINK+="gate/{name}"' for name in ("qr-camera", "face-camera", "fingerprint", "io-board")]
    layout.at("/etc/udev/rules.d/70-gate-controller.rules").write_text("\n".join(lines))
    return layout


def test_an_installation_that_lacks_nothing(installed):
    results = found(installed)
    assert "fail" not in {name: result for name, result in results.items() if name != "zbar"}.values(), results


def test_nothing_installed_reaches_its_end_and_says_what_to_do(tmp_path):
    findings = list(check(Layout(tmp_path), FakeMachine(Layout(tmp_path))))
    assert {each.id for each in findings} >= {"version", "accounts", "directories", "configuration", "devices", "services"}
    assert all(each.remedy for each in findings if each.result == "fail")


@pytest.mark.parametrize(
    ("spoil", "check_id"),
    [
        (lambda at: at("/opt/gate-controller/0.1.0/bin/gatectl").write_text("half"), "files"),
        (lambda at: at("/usr/bin/gatectl").unlink(), "links"),
        (lambda at: at("/opt/gate-controller/current").unlink(), "version"),
        (lambda at: at("/etc/group").write_text(""), "accounts"),
        (lambda at: at("/var/lib/gate-trust").chmod(0o755), "directories"),
        (lambda at: at("/run/gate-controller").rmdir(), "directories"),
        (lambda at: at("/etc/gate-controller/gate.toml").write_text("[gate]\n"), "configuration"),
        (lambda at: at("/etc/gate-controller/enrolment-master.cred").unlink(), "credentials"),
        (lambda at: at("/var/lib/gate-trust/floor.db").chmod(0o640), "trust"),
        (lambda at: at("/var/lib/gate-trust/floor.db").unlink(), "trust"),
        (lambda at: at("/etc/udev/rules.d/70-gate-controller.rules").write_text('#SYMLINK+="gate/io-board"'), "devices"),
    ],
)
def test_what_is_missing_or_wrong_is_named(installed, spoil, check_id):
    spoil(installed.at)
    assert found(installed)[check_id] == "fail"


def test_a_socket_elsewhere_than_in_the_configuration(installed):
    units = installed.at("/opt/gate-controller/0.1.0/share/systemd")
    units.mkdir()
    for name in ("gate-controller.socket", "gate-controller-officer.socket", "gate-controller-kiosk.socket"):
        (units / name).write_text((TOP / "systemd" / name).read_text())
    assert found(installed)["listeners"] == "pass"
    config = installed.at("/etc/gate-controller/gate.toml")
    config.write_text(config.read_text().replace("port = 808\n", "port = 8090\n"))
    assert found(installed)["listeners"] == "warn"


def test_the_command(installed, capsys):
    assert main(["install", "--check", "--json", "--root", str(installed.root)]) in {0, 1}
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert {"id", "result", "found", "remedy"} == set(checks[0])
    assert main(["install"]) == 2


def test_every_link_of_a_version_leads_to_a_file_that_is_shipped():
    lines = [line.split() for line in (TOP / "packaging/links").read_text().splitlines() if line and not line.startswith("#")]
    shipped = {"share/systemd": TOP / "systemd", "share/kiosk": TOP / "packaging/kiosk"}
    for link, target, *_copy in lines:
        directory, _, name = target.rpartition("/")
        assert link.startswith(("/usr/", "/etc/chromium/"))
        assert directory in {"bin", "share/completion"} or (shipped[directory] / name).is_file(), target
    # A link would be followed by `systemctl enable`, to the one version.
    units = {Path(target).name for path, target, *copy in lines if "systemd/system" in path and copy == ["copy"]}
    assert units == {path.name for path in (TOP / "systemd").iterdir() if path.suffix in {".service", ".socket", ".timer"}}


def plug_in(sys: Path, node: str, subsystem: str, port: str, **attributes: str) -> None:
    device = sys / "devices/usb1" / port
    interface = device / f"{port}:1.0"
    interface.mkdir(parents=True, exist_ok=True)
    for name, value in attributes.items():
        (device / name).write_text(value + "\n")
    entry = sys / "class" / subsystem / node
    entry.mkdir(parents=True)
    (entry / "device").symlink_to(interface)
    if subsystem == "video4linux":
        (entry / "index").write_text("0\n")


def test_devices_as_rules_to_choose_from(tmp_path):
    plug_in(tmp_path, "ttyUSB0", "tty", "1-1", idVendor="0403", idProduct="6001", serial="A50285BI", manufacturer="FTDI", product="FT232R USB UART")
    plug_in(tmp_path, "ttyUSB1", "tty", "1-2", idVendor="1a86", idProduct="7523", product="USB Serial")
    plug_in(tmp_path, "video0", "video4linux", "1-3", idVendor="046d", idProduct="0825", serial='A"; RUN+="/bin/sh')
    plug_in(tmp_path, "video2", "video4linux", "1-4", idVendor="046d", idProduct="0825", serial="D4A2C1F0")
    text = rules(usb_devices(tmp_path))
    assert 'ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6001", ATTRS{serial}=="A50285BI", SYMLINK+="NAME"' in text
    assert 'KERNELS=="1-2"' in text
    assert "must stay in it" in text
    assert "RUN+=" not in text
    assert 'KERNELS=="1-3"' in text
    assert 'SUBSYSTEM=="video4linux", ATTR{index}=="0", SUBSYSTEMS=="usb", ATTRS{idVendor}=="046d", ATTRS{idProduct}=="0825", ATTRS{serial}=="D4A2C1F0"' in text


def test_two_devices_of_one_serial_number_are_known_by_their_sockets(tmp_path):
    for number in (1, 2):
        plug_in(tmp_path, f"ttyUSB{number}", "tty", f"1-{number}", idVendor="10c4", idProduct="ea60", serial="0001")
    text = rules(usb_devices(tmp_path))
    assert 'KERNELS=="1-1"' in text
    assert 'KERNELS=="1-2"' in text
    assert "ATTRS{serial}" not in text


def test_nothing_is_plugged_in(tmp_path):
    assert "Nothing is plugged in" in rules(usb_devices(tmp_path))
