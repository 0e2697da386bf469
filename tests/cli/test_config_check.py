"""gatectl config check: one exact line a mistake, honest exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gate_controller.cli.config import config_group
from gate_controller.cli.main import main

CONFIG = Path(__file__).parents[2] / "config"


def check(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(config_group, ["check", "--config", str(path), *arguments])


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for name in ("gate.toml", "policy.toml", "simulated.toml"):
        shutil.copy(CONFIG / name, tmp_path)
    replace(tmp_path / "gate.toml", "0" * 64, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    return tmp_path / "gate.toml"


def replace(path: Path, old: str, new: str) -> int:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize("name", ["gate.toml", "simulated.toml"])
def test_the_shipped_files_with_the_hash_of_a_root_pass(copied: Path, name: str) -> None:
    path = copied.with_name(name)
    result = check(path)
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"{path}: ok\n")
    assert "fingerprint fingerprint.zhiantec" in result.output


def test_the_shipped_gate_lacks_the_hash_of_its_root_and_nothing_else() -> None:
    path = CONFIG / "gate.toml"
    line = next(number for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if text.startswith("pinned_root_sha256"))
    result = check(path)
    assert result.exit_code == 8
    (told,) = result.output.splitlines()
    assert told.startswith(f"{path}:{line}: [keys] pinned_root_sha256: is still the placeholder of zeros (put in ")


def test_every_mistake_is_one_exact_line(copied: Path) -> None:
    gate_line = replace(copied, 'family = "r503"', 'family = "r504"')
    line = replace(copied, "entry_beam_clear = { channel = 4 }", "entry_beam_clear = { channel = 4, activ = 'low' }")
    policy_line = replace(copied.with_name("policy.toml"), "ttl_s = 60", "ttl_s = 0")
    result = check(copied)
    assert result.exit_code == 8
    family = 'Family of the module: zfm20 (also AS608, R305), r307 (also JM-101B, FPM10A) or r503; "zfm20" or "r307" or "r503"'
    ttl = "Oldest presentation accepted, after it was signed by the phone; a whole number, at least 1, at most 600; seconds"
    policy = copied.with_name("policy.toml")
    assert result.output.splitlines() == [
        f"{copied}:{gate_line}: [devices.fingerprint] family: Input should be 'zfm20', 'r307' or 'r503' ({family})",
        f'{copied}:{line}: [devices.io_board.inputs.entry_beam_clear] activ: no such key (did you mean "active"? known: active, channel)',
        f"{policy}:{policy_line}: [presentation] ttl_s: Input should be greater than or equal to 1 ({ttl})",
    ]


def test_json(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(check(copied, "--json").output) == {"schema": 1, "ok": True, "problems": []}
    line = replace(copied, 'driver = "zxing"', 'driver = "zxin"')
    assert main(["config", "check", "--config", str(copied), "--json"]) == 8
    what = f'{copied}:{line}: [devices.qr_decoder] driver: there is no driver "qr.zxin" (did you mean "zxing"? qr drivers installed: zxing)'
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1,
        "ok": False,
        "exit_code": 8,
        "what": what,
        "remedy": "",
        "problems": [
            {
                "file": str(copied),
                "line": line,
                "key": "[devices.qr_decoder] driver",
                "text": 'there is no driver "qr.zxin"',
                "remedy": 'did you mean "zxing"? qr drivers installed: zxing',
            }
        ],
    }


def test_simulated_devices_in_production(copied: Path) -> None:
    simulated = copied.with_name("simulated.toml")
    replace(simulated, 'mode = "simulation"', 'mode = "production"')
    result = check(simulated)
    assert result.exit_code == 8
    assert result.output.count("a URL: a gate's devices are on its own buses") == 2


def test_a_missing_file(tmp_path: Path) -> None:
    result = check(tmp_path / "none.toml")
    assert (result.exit_code, result.output) == (
        8,
        f"{tmp_path}/none.toml: cannot be read: No such file or directory (is the path right, and may this user read it?)\n",
    )


def test_the_command_as_installed(copied: Path) -> None:
    line = replace(copied, 'region = "MO"', "region = 7")
    command = [sys.executable, "-m", "gate_controller.cli.main", "config", "check", "--config", "gate.toml"]
    done = subprocess.run(command, check=False, cwd=copied.parent, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (8, "")
    assert done.stdout.startswith(f"gate.toml:{line}: [gate] region: Input should be 'HK' or 'MO' (")
