from __future__ import annotations

import hashlib
import os
import pty
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gate_controller.cli.simulation import SEED
from gate_controller.settings import InvalidConfigurationError, refuse_simulators
from gate_controller.settings.device_nodes import DeviceNodes, NodeKind, examine
from gate_controller.settings.simulators import SIMULATOR_ROOT_KEYS
from simulators.authority import Authorities
from simulators.repository import TrustRepository

NOW = 1_800_000_000
ROOT_SHA256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

REAL = {
    "qr_camera": "/dev/gate/qr",
    "face_camera": "/dev/video3",
    "fingerprint": "/dev/gate/finger",
    "io_board": "/dev/gate/io",
    "face_matcher": "",
    "qr_decoder": "",
}


@pytest.fixture
def terminal() -> Iterator[str]:
    """A pseudo-terminal, as a simulator opens one."""
    master, slave = pty.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def pin_root(laboratory: Any, content: str) -> int:
    """Put a pinned root there; returns the line of its key."""
    (laboratory.gate.parent / "root.json").write_text(content, encoding="utf-8")
    return laboratory.change(ROOT_SHA256, hashlib.sha256(content.encode()).hexdigest()) - 1


def genuine(endpoint: str) -> NodeKind:
    return NodeKind.CAMERA if "qr" in endpoint or "video" in endpoint else NodeKind.SERIAL


def refused(laboratory: Any, endpoints: Mapping[str, str], look: Any = genuine) -> list[str]:
    laboratory.change('mode = "simulation"', 'mode = "production"')
    settings = laboratory.load(None)
    with pytest.raises(InvalidConfigurationError) as caught:
        refuse_simulators(settings, endpoints, look)
    return [str(problem).replace(f"{laboratory.gate.parent}/", "") for problem in caught.value.problems]


def test_real_devices_pass(laboratory: Any) -> None:
    laboratory.change('mode = "simulation"', 'mode = "production"')
    refuse_simulators(laboratory.load(None), REAL, genuine)


def test_devices_that_are_not_there_now_are_not_judged(laboratory: Any) -> None:
    laboratory.change('mode = "simulation"', 'mode = "production"')
    refuse_simulators(laboratory.load(None), REAL, lambda _endpoint: NodeKind.ABSENT)


@pytest.mark.parametrize(
    ("device", "kind", "passes"),
    [
        ("fingerprint", NodeKind.SERIAL, True),
        ("fingerprint", NodeKind.CAMERA, False),
        ("fingerprint", NodeKind.PSEUDO_TERMINAL, False),
        ("fingerprint", NodeKind.FILE, False),
        ("fingerprint", NodeKind.OTHER, False),
        ("fingerprint", NodeKind.URL, False),
        ("io_board", NodeKind.PSEUDO_TERMINAL, False),
        ("io_board", NodeKind.NOTHING, False),
        ("qr_camera", NodeKind.CAMERA, True),
        ("qr_camera", NodeKind.URL, False),
        ("face_camera", NodeKind.VIRTUAL_CAMERA, False),
        ("face_camera", NodeKind.SERIAL, False),
        ("face_matcher", NodeKind.URL, False),
    ],
)
def test_a_simulation_takes_everything_and_production_only_the_real(laboratory: Any, device: str, kind: NodeKind, passes: bool) -> None:
    def look(endpoint: str) -> NodeKind:
        return kind if endpoint == "this one" else genuine(endpoint)

    endpoints = {**REAL, device: "this one"}
    refuse_simulators(laboratory.load(None), endpoints, look)
    if passes:
        laboratory.change('mode = "simulation"', 'mode = "production"')
        refuse_simulators(laboratory.load(None), endpoints, look)
    else:
        (told,) = refused(laboratory, endpoints, look)
        assert f"[devices.{device}]: {kind.value} (a production gate has real devices only" in told


def test_a_production_configuration_with_simulated_devices_does_not_load(laboratory: Any, terminal: str) -> None:
    link = laboratory.gate.parent / "finger"
    link.symlink_to(terminal)
    laboratory.change('mode = "simulation"', 'mode = "production"')
    line = laboratory.change('source = "/dev/gate/qr"', 'source = "http://127.0.0.1:8101/"')
    board = laboratory.change('port = "/dev/gate/io"', 'port = "/dev/null"')
    remedy = "(a production gate has real devices only; for a simulation set [gate] mode)"
    assert laboratory.complaints() == [
        f"gate.toml:{line}: [devices.qr_camera] source: a URL: a gate's devices are on its own buses {remedy}",
        f"gate.toml:19: [devices.fingerprint] port: a pseudo-terminal, behind which there is a program {remedy}",
        f"gate.toml:{board}: [devices.io_board] port: neither a serial line nor a camera {remedy}",
    ]


def test_a_production_gate_refuses_overrides_simulated_drivers_and_the_simulators_root(laboratory: Any) -> None:
    lines = [
        laboratory.append("[policy.times]\nidentity_s = 1\n"),
        laboratory.change('driver = "pad"', 'driver = "simulated_pad"'),
        pin_root(laboratory, f'{{"public": "{next(iter(SIMULATOR_ROOT_KEYS)).upper()}"}}'),
    ]
    laboratory.change('mode = "simulation"', 'mode = "production"')
    told = laboratory.complaints(None)
    assert len(told) == 3
    for line, text in zip(
        lines, ("[policy]: a production gate's policy cannot be overridden here", "a simulated driver", "a root of the simulators"), strict=True
    ):
        assert any(each.startswith(f"gate.toml:{line}: ") and text in each for each in told), told


def test_a_production_gate_refuses_a_simulated_root_of_any_seed(laboratory: Any, tmp_path: Path) -> None:
    line = pin_root(laboratory, TrustRepository(tmp_path / "published", Authorities("nobody's"), NOW).first_root.decode())
    laboratory.change('mode = "simulation"', 'mode = "production"')
    (told,) = laboratory.complaints(None)
    assert told.startswith(f"gate.toml:{line}: [keys] pinned_root: a root of the simulators")


def test_a_production_gate_refuses_a_threshold_without_a_proven_rate(laboratory: Any) -> None:
    laboratory.change('mode = "simulation"', 'mode = "production"')
    line = laboratory.change("\nfmr = 0.0001", "\nfmr = 0.046", "policy") + 1
    assert laboratory.complaints(None) == [
        f"policy.toml:{line}: [face.sface-2021dec] fmr: is more than 0.001 (BSI TR-03121-3.1) (choose a stricter decision_threshold, measured on people)"
    ]


@pytest.mark.parametrize(("model", "most", "more"), [("sface-2021dec", 1.0876, 1.0877), ("dlib-resnet-v1", 0.4, 0.41)])
def test_a_production_gate_refuses_a_threshold_known_to_be_too_large_whatever_rate_is_claimed(laboratory: Any, model: str, most: float, more: float) -> None:
    laboratory.change("[face.sface-2021dec]", f"[face.{model}]", "policy")
    line = laboratory.change("decision_threshold = 1.0265", f"decision_threshold = {more}", "policy")
    assert laboratory.load(None).face_threshold(model) == more, "a simulation may"
    laboratory.change('mode = "simulation"', 'mode = "production"')
    (told,) = laboratory.complaints(None)
    assert told.startswith(f"policy.toml:{line}: [face.{model}] decision_threshold: is more than {most}, the largest known to be safe for {model} (set it to ")
    laboratory.change(f"decision_threshold = {more}", f"decision_threshold = {most}", "policy")
    assert laboratory.load(None).face_threshold(model) == most


def test_a_model_of_which_nothing_is_known_is_bounded_by_its_rate_alone(laboratory: Any) -> None:
    laboratory.append("[face.mine]\ndecision_threshold = 1.9\nfmr = 0.0001\npopulation = 'x'\n", "policy")
    laboratory.change('mode = "simulation"', 'mode = "production"')
    assert laboratory.load(None).face_threshold("mine") == 1.9


def test_a_production_gate_refuses_the_placeholder_of_a_root(laboratory: Any) -> None:
    line = laboratory.change(ROOT_SHA256, "0" * 64)
    laboratory.load(None)
    laboratory.change('mode = "simulation"', 'mode = "production"')
    (told,) = laboratory.complaints(None)
    assert told.startswith(f"gate.toml:{line}: [keys] pinned_root_sha256: is still the placeholder of zeros (put in ")


def test_a_production_gate_refuses_a_mirror_without_tls(laboratory: Any) -> None:
    line = laboratory.append('[sync]\nmirror = "http://127.0.0.1:8000/trust"\n') + 1
    laboratory.load(None)
    laboratory.change('mode = "simulation"', 'mode = "production"')
    (told,) = laboratory.complaints(None)
    assert told == f"gate.toml:{line}: [sync] mirror: a mirror without TLS (a production gate's mirror has an https URL)"


def test_the_refused_root_keys_are_those_of_the_simulation(tmp_path: Path) -> None:
    repository = TrustRepository(tmp_path, Authorities(SEED), NOW)

    def root_keys() -> set[str]:
        root = repository.metadata["root"].signed
        return {root.keys[key_id].keyval["public"] for key_id in root.roles["root"].keyids}

    first = root_keys()
    repository.rotate("root", NOW)
    assert first | root_keys() == SIMULATOR_ROOT_KEYS


# What stands at a path


def test_a_pseudo_terminal_is_found_under_any_name(tmp_path: Path, terminal: str) -> None:
    (tmp_path / "a").symlink_to(terminal)
    (tmp_path / "b").symlink_to("a")
    for path in (terminal, "/dev/ptmx", str(tmp_path / "a"), str(tmp_path / "b"), f"{tmp_path}/./x/../b"):
        assert examine(path) is NodeKind.PSEUDO_TERMINAL


def test_a_link_to_a_pseudo_terminal_that_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/dev/pts/999999")
    assert examine(str(tmp_path / "a")) is NodeKind.PSEUDO_TERMINAL


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ("http://127.0.0.1/", NodeKind.URL),
        ("rfc2217://host:1", NodeKind.URL),
        ("loop://", NodeKind.URL),
        ("", NodeKind.NOTHING),
        ("COM3", NodeKind.NOTHING),
        ("dev/ttyS0", NodeKind.NOTHING),
        ("/dev/null", NodeKind.OTHER),
        ("/dev/zero", NodeKind.OTHER),
        ("/nowhere/ttyS0", NodeKind.ABSENT),
        ("/dev", NodeKind.FILE),
        (__file__, NodeKind.FILE),
    ],
)
def test_what_is_no_serial_line(endpoint: str, kind: NodeKind) -> None:
    assert examine(endpoint) is kind


DRIVERS = """\
/dev/tty             /dev/tty        5       0 system:/dev/tty
/dev/vc/0            /dev/vc/0       4       0 system:vtmaster
usbserial            /dev/ttyUSB   188 0-511 serial
acm                  /dev/ttyACM   166 0-255 serial
serial               /dev/ttyS       4 64-95 serial
pty_slave            /dev/pts      200 0-1048575 pty:slave
unknown              /dev/tty        4 1-63 console
broken line
"""


@pytest.mark.parametrize(
    ("major", "minor", "kind"),
    [
        (188, 0, NodeKind.SERIAL),
        (188, 512, NodeKind.OTHER),
        (166, 255, NodeKind.SERIAL),
        (4, 64, NodeKind.SERIAL),
        (4, 1, NodeKind.OTHER),
        (4, 0, NodeKind.OTHER),
        (200, 7, NodeKind.PSEUDO_TERMINAL),
        (136, 1, NodeKind.PSEUDO_TERMINAL),
        (3, 1, NodeKind.PSEUDO_TERMINAL),
        (5, 0, NodeKind.OTHER),
        (81, 0, NodeKind.CAMERA),
        (81, 1, NodeKind.VIRTUAL_CAMERA),
        (81, 9, NodeKind.CAMERA),
    ],
)
def test_a_device_node_is_judged_by_its_kernel_driver(tmp_path: Path, major: int, minor: int, kind: NodeKind) -> None:
    (tmp_path / "drivers").write_text(DRIVERS, encoding="ascii")
    for name, place, number in (("video0", "pci0000:00/usb1/video0", "81:0"), ("video1", "virtual/video4linux/video1", "81:1")):
        device = tmp_path / "sys" / "devices" / place
        device.mkdir(parents=True)
        (device / "dev").write_text(f"{number}\n", encoding="ascii")
        (tmp_path / "class").mkdir(exist_ok=True)
        (tmp_path / "class" / name).symlink_to(device)

    def status(_path: str) -> os.stat_result:
        node = [stat.S_IFCHR | 0o660, *[0] * 9]
        return os.stat_result(node, {"st_rdev": os.makedev(major, minor)})

    assert DeviceNodes(tmp_path / "drivers", tmp_path / "class", status).examine("/dev/thing") is kind


def test_without_the_kernels_list_a_terminal_is_not_trusted(tmp_path: Path) -> None:
    def status(_path: str) -> os.stat_result:
        return os.stat_result([stat.S_IFCHR, *[0] * 9], {"st_rdev": os.makedev(188, 0)})

    assert DeviceNodes(tmp_path / "none", tmp_path / "none", status).examine("/dev/ttyUSB0") is NodeKind.OTHER
