from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from gate_controller.core.values import Direction, Region
from gate_controller.ports.errors import ConfigurationError
from gate_controller.settings import InvalidConfigurationError, load


def test_a_valid_configuration(laboratory: Any) -> None:
    settings = laboratory.load()
    base = laboratory.gate.parent
    assert (settings.gate.region, settings.gate.direction, settings.gate.mode) == (Region.MO, Direction.HK_TO_MO, "simulation")
    assert settings.audiences() == {"MO-GB", "MO-GB-07"}
    assert settings.admitted_issuers() == {Region.HK}
    assert settings.face_threshold("sface-2021dec") == 1.0265
    assert (settings.keys.cache, settings.journal.path) == (base / "trust", Path("/var/lib/gate/journal.db"))
    assert (settings.sync.mirror, settings.sync.every_s) == (None, 3600)
    assert settings.enrolment.master_key_credential is None
    assert {name: device.endpoint for name, device in settings.equipment.items()} == {
        "qr_camera": "/dev/gate/qr",
        "face_camera": "/dev/video3",
        "fingerprint": str(base / "finger"),
        "io_board": "/dev/gate/io",
        "face_matcher": "",
        "qr_decoder": "",
        "pad": "",
    }
    assert settings.equipment["fingerprint"].options.baud == 57600


def test_without_drivers_devices_are_not_looked_into(laboratory: Any) -> None:
    laboratory.change('port = "./finger"', "port = 17")
    assert laboratory.load(None).equipment == {}


def test_paths_start_from_the_file_and_not_from_the_working_directory(laboratory: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(Path("gate.toml"), None)
    assert settings.keys.cache == tmp_path / "trust"
    assert settings.gate.policy == tmp_path / "policy.toml"


def test_settings_do_not_change(laboratory: Any) -> None:
    with pytest.raises(ValueError, match="frozen"):
        laboratory.load().kiosk.port = 1


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('region = "MO"', 'region = "XX"', "[gate] region: Input should be 'HK' or 'MO' (Region whose lane it is; \"HK\" or \"MO\")"),
        ('region = "MO"', 'region = "HK"', "[gate] checkpoint: Input should begin with HK-, the gate's region"),
        ('checkpoint = "MO-GB"', 'checkpoint = "MO-TP"', "[gate] checkpoint: Input should be the beginning of the gate's id"),
        ('id = "MO-GB-07"', 'id = "gate seven"', "[gate] id: Input should match "),
        ('direction = "hk_to_mo"', 'direction = "north"', "[gate] direction: Input should be 'hk_to_mo' or 'mo_to_hk' (Direction of travel"),
        ('direction = "hk_to_mo"', "direction = 1", "[gate] direction: Input should be 'hk_to_mo' or 'mo_to_hk'"),
        ('direction = "hk_to_mo"', "direction = [1]", "[gate] direction: Input should be 'hk_to_mo' or 'mo_to_hk'"),
        ('mode = "simulation"', 'mode = "test"', "[gate] mode: Input should be 'production' or 'simulation'"),
        ('mode = "simulation"', "mode = true", "[gate] mode: Input should be 'production' or 'simulation'"),
        ('mode = "simulation"', "mode = 2024-01-01", "[gate] mode: Input should be 'production' or 'simulation'"),
        ('mode = "simulation"\n', "", "[gate] mode: is missing (production refuses everything simulated; simulation may override the policy"),
        (
            'mode = "simulation"',
            'mode = "simulation"\nmodus = 1',
            '[gate] modus: no such key (did you mean "mode"? known: checkpoint, direction, id, lane, mode,',
        ),
        ('"trust"', '""', "[keys] cache: Input should be a path, and is empty"),
        ('"trust"', '"tru\\u0000st"', "[keys] cache: Input should be a path of printable characters"),
        ('"00112233', '"0011223', "[keys] pinned_root_sha256: Input should match ^[0-9a-f]{64}$ (SHA-256 of the pinned root"),
        ('"floor.db"', '"enrolment.db"', "[enrolment] store: is the same file as [keys] floor (give each a file of its own)"),
        ('"floor.db"', '"trust/floor.db"', "[keys] floor: is inside [keys] cache (keep it elsewhere"),
        ('"root.json"', '"./x/../trust/a/b"', "[keys] pinned_root: is inside [keys] cache (keep it elsewhere"),
        ('"root.json"', '"."', "[keys] pinned_root: Input should be a path, and is empty"),
        ('"root.json"', '"/"', "[keys] pinned_root: / cannot be read: Is a directory (put there the root metadata"),
        ('"root.json"', '"/dev/null"', "[keys] pinned_root: /dev/null is not a regular file (name the root metadata"),
        ('"root.json"', '"gate.toml"', "[keys] pinned_root_sha256: is not the SHA-256 of "),
        ('master_key_file = "master.key"', "", "[enrolment]: Input should have either master_key_file or master_key_credential"),
        ('master_key_file = "master.key"', 'master_key_file = "k"\nmaster_key_credential = "k"', "[enrolment]: Input should have either master_key_file or"),
        ('"/var/lib/gate/journal.db"', '"../replay.db"', "[replay] path: is the same file as [journal] path (give each a file of its own)"),
        ('[models]\ndirectory = "models"\n', "", "[models]: is missing (Weights of the face models"),
        ('driver = "pad"\n', "", "[devices.fingerprint] driver: is missing (Name of the driver, e.g. opencv; a text)"),
        ('driver = "pad"', 'driver = "Pad!"', "[devices.fingerprint] driver: Input should match"),
        ('driver = "pad"', "driver = 3", "[devices.fingerprint] driver: Input should be a valid string (Name of the driver, e.g. opencv; a text)"),
        (
            'driver = "pad"',
            'driver = "pat"',
            '[devices.fingerprint] driver: there is no driver "fingerprint.pat" (did you mean "pad"? fingerprint drivers installed: pad)',
        ),
        (
            'port = "./finger"',
            'port = "./finger"\nbaut = 1',
            '[devices.fingerprint] baut: no such key (did you mean "baud"? known: baud, password, port, security_level)',
        ),
        ('port = "./finger"', "baud = 9601", "[devices.fingerprint] port: is missing (Serial device; a text)"),
        (
            'port = "./finger"',
            'port = "./finger"\nbaud = 0',
            "[devices.fingerprint] baud: Input should be greater than or equal to 9600 (Baud rate; a whole number, at least 9600, at most 115200, a multiple of 9600)",
        ),
        ("source = 3", "source = 1.5", "[devices.face_camera] source: Input should be a valid integer; or: Input should be a valid string"),
        ("source = 3", 'source = "/dev/gate/qr"', "[devices.face_camera] source: [devices.qr_camera] has the same device (each device is opened once)"),
        (
            'counter = { by = "mat", zero = 4 }',
            'counter = { by = "mat", zero = 99 }',
            "[devices.io_board.counter] zero: Input should be less than or equal to 15",
        ),
        ('counter = { by = "mat", zero = 4 }', 'counter = { by = "mat" }', "[devices.io_board.counter] zero: is missing (Contact for nobody"),
        ('counter = { by = "mat", zero = 4 }', 'counter = { by = "ma", zero = 4 }', "[devices.io_board.counter]: Input tag 'ma' found using 'by'"),
        ('counter = { by = "mat", zero = 4 }', 'counter = { by = "mat", zero = 4, one = 5 }', "[devices.io_board.counter] one: no such key (known: "),
        ('port = "/dev/gate/io"', 'port = "COM3"', "[devices.io_board] port: Input should match ^/ (Serial device; a text)"),
        ('port = "/dev/gate/io"', 'port = "/dev/gate/io"\nlow_s = 9', "[devices.io_board]: low_s is larger than high_s"),
        ("password = 123456789", "password = 99999999999", "[devices.fingerprint] password: Input should be less than or equal to 4294967295"),
        ("password = 123456789", "security_level = 1", "[devices.fingerprint] security_level: is 1, and the policy demands at least 3 (raise it"),
        (
            'mode = "simulation"',
            'mode = "simulation"\nlane = "single_door"',
            '[gate] lane: is "single_door", and the I/O board has an entry door (wire no entry door: "not_wired" for entry_door,',
        ),
        (
            'port = "/dev/gate/io"',
            'port = "/dev/gate/io"\nentry_door = "not_wired"',
            '[gate] lane: is "two_door", and the I/O board has no entry door (set lane = "single_door", or wire the entry door in',
        ),
        ('mode = "simulation"', 'mode = "simulation"\nlane = "no_door"', "[gate] lane: Input should be 'two_door' or 'single_door' (Which doors the lane has"),
        (
            '[devices.face_matcher]\ndriver = "eyes"',
            '[devices.face_matcher]\ndriver = "eyes"\nmodel = "mine"',
            'there is no decision threshold for the face model "mine"',
        ),
    ],
)
def test_a_mistake_is_told_with_its_key_and_remedy(laboratory: Any, old: str, new: str, complaint: str) -> None:
    laboratory.change(old, new)
    assert any(complaint in line for line in laboratory.complaints()), laboratory.complaints()


def test_complaints_stand_at_their_lines(laboratory: Any) -> None:
    tricks = laboratory.change('[devices.qr_decoder]\ndriver = "eyes"', '[devices.qr_decoder]\ndriver = "eyes"\ntricks = 1') + 2
    lines = {
        "[gate] mode": laboratory.change('mode = "simulation"', "mode = 3"),
        "[devices.face_camera] source": laboratory.change("source = 3", "source = -1"),
        "[devices.io_board.counter] zero": laboratory.change("zero = 4", "zero = -4"),
        "[devices.qr_decoder] tricks": tricks,
        "[keys] pinned_root_sha256": laboratory.change("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "q"),
    }
    policy_lines = {
        "[admission] minimum_age": laboratory.change("minimum_age = 11", 'minimum_age = "11"', "policy"),
        "[face.sface-2021dec] fmr": laboratory.change("\nfmr = 0.0001", "\nfmr = 0", "policy") + 1,
        "[times] identity_s": laboratory.change("identity_s = 20.0", "identity_s = 20000", "policy"),
    }
    complaints = laboratory.complaints()
    assert len(complaints) == len(lines) + len(policy_lines), complaints
    for key, line in lines.items():
        assert any(told.startswith(f"gate.toml:{line}: {key}: ") for told in complaints), (key, line, complaints)
    for key, line in policy_lines.items():
        assert any(told.startswith(f"policy.toml:{line}: {key}: ") for told in complaints), (key, line, complaints)
    assert complaints == sorted(complaints, key=lambda told: (told.split(":")[0], int(told.split(":")[1])))


def test_a_complaint_never_repeats_a_value(laboratory: Any) -> None:
    laboratory.change("password = 123456789", 'password = "geheim"')
    assert "geheim" not in "".join(laboratory.complaints())


def test_a_section_that_does_not_exist(laboratory: Any) -> None:
    line = laboratory.append("[kioks]\nport = 1\n")
    assert laboratory.complaints() == [
        f'gate.toml:{line}: [kioks]: no such key (did you mean "kiosk"? known: control, devices, enrolment, gate, journal, keys, kiosk, metrics, models, replay, runtime, sync)'
    ]


def test_a_device_that_does_not_exist(laboratory: Any) -> None:
    line = laboratory.append("[devices.iris]\ndriver = 'x'\n")
    assert laboratory.complaints()[0].startswith(f"gate.toml:{line}: [devices.iris]: no such key (known: face_camera, face_matcher,")


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ('[kiosk]\nhost = "0.0.0.0"', "[kiosk] host: Input should be 127.0.0.1: the page is for the gate's own display, never for a network"),
        ("[kiosk]\nport = 70000", "[kiosk] port: Input should be less than or equal to 65535"),
        ('[kiosk]\nport = "80"', "[kiosk] port: Input should be a valid integer"),
        ("[kiosk]\nenabled = 1", "[kiosk] enabled: Input should be a valid boolean"),
        ("[runtime]\npoll_s = 0.5", "[runtime] poll_s: Input should be less than or equal to 0.05 (Time between two readings"),
        ("[runtime]\npoll_s = nan", "[runtime] poll_s: Input should be a finite number"),
        ("[runtime]\npoll_s = 0.05\nio_lost_after_s = 0.06", "[runtime] io_lost_after_s: Input should be at least twice poll_s"),
        ("[runtime]\nretry_s = [2.0, 0.2]", "[runtime] retry_s: Input should be two waits, the shorter one first"),
        ("[runtime]\nretry_s = [2.0]", "[runtime] retry_s[1]: is missing"),
        ("[runtime]\nretry_s = [2.0, -1]", "[runtime] retry_s[1]: Input should be greater than 0"),
        (f'[control]\nsocket = "/{"x" * 107}"', "[control] socket: Input should be a path of at most 107 bytes"),
        ('[sync]\nmirror = "https://"', "[sync] mirror: Input should be a URL like https://host/path"),
        ('[sync]\nmirror = "trust.example.org"', "[sync] mirror: Input should be a URL like https://host/path"),
        ('[sync]\nmirror = "file:///media/stick"', "[sync] mirror: Input should be a URL like https://host/path"),
        ('[sync]\nmirror = "https://[::1"', "[sync] mirror: Input should be a URL like https://host/path"),
        ('[sync]\nmirror = "https://host:99999/"', "[sync] mirror: Input should be a URL like https://host/path"),
        ('[sync]\nmirror = "https://host/?a=b"', "[sync] mirror: Input should be a URL like https://host/path, without ? and #"),
        ('[sync]\nmirror = "https://host/a b"', "[sync] mirror: Input should be a URL like https://host/path"),
        ('[sync]\nmirror = "https://user:secret@host/"', "[sync] mirror: Input should be a URL without a user or password"),
        ('[sync]\nmirror = "http://trust.example.org/"', "[sync] mirror: Input should be a URL with https; only a simulation's mirror on this machine"),
        ("[sync]\nevery_s = 1", "[sync] every_s: Input should be greater than or equal to 60"),
        ("[sync]\nevery_s = 60.0", "[sync] every_s: Input should be a valid integer"),
        ("kiosk = 3", ""),
    ],
)
def test_optional_sections(laboratory: Any, section: str, complaint: str) -> None:
    if section.startswith("kiosk"):
        laboratory.gate.write_text(section + "\n" + laboratory.gate.read_text(encoding="utf-8"), encoding="utf-8")
        complaint = "gate.toml:1: kiosk: Input should be an object"
    else:
        laboratory.append(section)
    assert any(complaint in line for line in laboratory.complaints()), laboratory.complaints()


# The files themselves


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[gate]\nid = \n", "gate.toml:2: not TOML: Invalid value, column 6 (a value needs quotes"),
        (b"[gate]\nid = 'x'\nid = 'y'\n", "gate.toml:3: not TOML: Cannot overwrite a value"),
        (b"[gate\n", "gate.toml:1: not TOML: "),
        (b"[gate]\n[gate]\n", "gate.toml:2: not TOML: Cannot declare ('gate',) twice"),
        (b'[gate]\nid = "x', "gate.toml:2: not TOML: Unterminated string at the end of the file"),
        (b"[gate]\nid = '''\n\n\n", "gate.toml:2: not TOML: Expected \"'''\" at the end of the file"),
        (b"[gate]\n\n# caf\xe9\n", "gate.toml:3: not UTF-8 (save the file in the encoding UTF-8)"),
        (b"\xff\xfeg\x00", "gate.toml:1: not UTF-8"),
        (b"[gate]\nid = 1" + b"0" * 5000, "gate.toml:2: a number is too long"),
        (b"x = " + b"[" * 5000 + b"]" * 5000, "gate.toml:1: keys, lists or tables are nested too deeply"),
        (b"y = 1\nx" + b".x" * 16 + b" = 1", "gate.toml:2: keys, lists or tables are nested too deeply"),
        (b"x = " + b"{x=" * 17 + b"1" + b"}" * 17, "gate.toml:1: keys, lists or tables are nested too deeply"),
        (b"#" * (128 * 1024 + 1), "gate.toml: larger than 128 KiB"),
        (b"", "gate.toml:1: [gate]: is missing (Which gate this is; a table)"),
    ],
)
def test_a_file_that_cannot_be_used(laboratory: Any, content: bytes, complaint: str) -> None:
    laboratory.gate.write_bytes(content)
    assert any(line.startswith(complaint) for line in laboratory.complaints()), laboratory.complaints()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, what in (
        (tmp_path / "none.toml", "cannot be read: No such file"),
        (tmp_path, "Is a directory"),
        (fifo, "not a regular file"),
        (Path("a\0b"), ""),
    ):
        with pytest.raises(InvalidConfigurationError, match=what or "cannot be read") as caught:
            load(path)
        assert len(caught.value.problems) == 1


def test_a_file_that_may_not_be_read(open_directory: Path, without_root: Callable[[], AbstractContextManager[None]]) -> None:
    path = open_directory / "gate.toml"
    path.touch(mode=0o000)
    with without_root(), pytest.raises(InvalidConfigurationError, match="Permission denied"):
        load(path)


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        ('policy = "none.toml"', "gate.toml:7: [gate] policy: none.toml: cannot be read: No such file or directory (is the path right"),
        ('policy = "."', "gate.toml:7: [gate] policy: Input should be a path, and is empty"),
        ('policy = ""', "gate.toml:7: [gate] policy: Input should be a path, and is empty"),
        ("policy = 3", "gate.toml:7: [gate] policy: Input should be a valid"),
        ("", "gate.toml:1: [gate] policy: is missing (The policy file; a path)"),
    ],
)
def test_a_policy_that_cannot_be_found(laboratory: Any, policy: str, complaint: str) -> None:
    laboratory.change('policy = "policy.toml"', policy)
    assert any(line.startswith(complaint) for line in laboratory.complaints()), laboratory.complaints()


def test_a_policy_with_a_syntax_error_and_a_wrong_gate_are_told_together(laboratory: Any) -> None:
    laboratory.policy.write_text("[admission]\nclasses = 1]\n", encoding="utf-8")
    laboratory.change('mode = "simulation"', "mode = 1")
    first, second = laboratory.complaints()
    assert first.startswith("gate.toml:6: [gate] mode: ")
    assert second.startswith("policy.toml:2: not TOML: ")


def test_an_error_is_a_configuration_error_with_its_problems(laboratory: Any) -> None:
    laboratory.change('mode = "simulation"', "mode = 1")
    with pytest.raises(ConfigurationError) as caught:
        laboratory.load()
    assert isinstance(caught.value, InvalidConfigurationError)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.key) == (str(laboratory.gate), 6, "[gate] mode")


def test_a_driver_that_cannot_be_loaded_is_told_at_its_line(laboratory: Any, drivers: Any) -> None:
    class Broken(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            if name == "qr.eyes":
                raise ConfigurationError("driver qr.eyes cannot be imported", "reinstall it")
            return super().__getitem__(name)

    assert laboratory.complaints(Broken(drivers)) == ["gate.toml:31: [devices.qr_decoder] driver: driver qr.eyes cannot be imported (reinstall it)"]
