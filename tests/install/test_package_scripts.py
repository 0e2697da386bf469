"""The package's scripts as dpkg calls them, below a directory that stands for /: what a version is made of, and what a purge leaves. No dpkg, no root."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
HOME = "opt/gate-controller"
GATECTL = """#!/bin/sh
echo "$@" >>"{root}/ran"
[ ! -e "{root}/refuses" ] || exit 8
ln -sfn "$(readlink "{home}/current")" "{home}/previous"
ln -sfn "$3" "{home}/current"
"""


def script(root: Path, name: str, *words: str, version: str = "2.0.0") -> subprocess.CompletedProcess[str]:
    """Run one of the package's scripts below `root`."""
    text = (TOP / "packaging/debian" / name).read_text().replace("@VERSION@", version)
    text = re.sub(r"(?<![\w.}$/])/(?=(opt|var|etc|run)/)", f"{root}/", text)
    # Whoever runs the tests cannot give files away, and asks no service manager.
    stand_ins = root / "stand-ins"
    stand_ins.mkdir(exist_ok=True)
    for command in ("chown", "systemctl"):
        (stand_ins / command).write_text(f'#!/bin/sh\necho "{command} $@" >>"{root}/ran"\n')
        (stand_ins / command).chmod(0o755)
    environment = {**os.environ, "PATH": f"{stand_ins}:{os.environ['PATH']}"}
    return subprocess.run(["sh", "-c", text, name, *words], capture_output=True, text=True, check=False, env=environment)


def unpacked(root: Path, version: str, content: str = "program") -> Path:
    """What dpkg has unpacked."""
    tree = root / HOME / ".package" / version
    (tree / "bin").mkdir(parents=True, exist_ok=True)
    (tree / "share").mkdir(exist_ok=True)
    for name, text in (("bin/gatectl", GATECTL.format(root=root, home=root / HOME)), ("bin/other", content)):
        (tree / name).unlink(missing_ok=True)  # as dpkg: a new file under the old name
        (tree / name).write_text(text)
        (tree / name).chmod(0o755)
    sums = subprocess.run(["sh", "-c", "sha256sum ./bin/*"], cwd=tree, capture_output=True, text=True, check=True).stdout
    (tree / "share/manifest.sha256").unlink(missing_ok=True)
    (tree / "share/manifest.sha256").write_text(sums)
    return tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Version 1.0.0 is installed, and 2.0.0 unpacked."""
    unpacked(tmp_path, "1.0.0")
    assert script(tmp_path, "postinst", "configure", "", version="1.0.0").returncode == 0
    subprocess.run(["rm", "-rf", str(tmp_path / HOME / ".package/1.0.0")], check=True)  # as dpkg does once it has the new one
    unpacked(tmp_path, "2.0.0")
    (tmp_path / "ran").unlink()
    return tmp_path


def versions(root: Path) -> list[str]:
    return sorted(path.name for path in (root / HOME).iterdir())


def test_the_version_in_force_is_whole_before_during_and_after_an_upgrade(root):
    assert (root / HOME / "current/bin/gatectl").is_file()  # dpkg has unpacked, and removed what it had before
    assert script(root, "postinst", "configure", "1.0.0").returncode == 0
    assert (root / "ran").read_text() == "install activate 2.0.0\n"
    assert (root / HOME / "current").readlink() == Path("2.0.0")
    assert versions(root) == [".package", "1.0.0", "2.0.0", "current", "previous"]


def test_an_upgrade_stops_nothing_before_the_switch_does(root):
    assert script(root, "prerm", "upgrade", "2.0.0", version="1.0.0").returncode == 0
    assert not (root / "ran").exists()
    assert not (TOP / "packaging/debian/preinst").exists()


def test_a_removal_stops_and_disables(root):
    if not Path("/run/systemd/system").is_dir():
        pytest.skip("no systemd runs here, so the script stops nothing")
    assert script(root, "prerm", "remove").returncode == 0
    assert "systemctl stop gate-controller.service" in (root / "ran").read_text()


def test_a_new_version_that_is_refused_leaves_the_old_one_and_fails(root):
    (root / "refuses").touch()
    assert script(root, "postinst", "configure", "1.0.0").returncode == 8
    assert (root / HOME / "current").readlink() == Path("1.0.0")
    (root / "refuses").unlink()
    assert script(root, "postinst", "configure", "1.0.0").returncode == 0  # dpkg --configure -a
    assert (root / HOME / "current").readlink() == Path("2.0.0")


@pytest.mark.parametrize("left", [".draft", ".old"])
def test_what_a_power_cut_left_is_cleared_away(root, left):
    (root / HOME / left / "bin").mkdir(parents=True)
    assert script(root, "postinst", "configure", "1.0.0").returncode == 0
    assert versions(root) == [".package", "1.0.0", "2.0.0", "current", "previous"]


def test_of_older_versions_the_one_before_is_kept(root):
    assert script(root, "postinst", "configure", "1.0.0").returncode == 0
    unpacked(root, "3.0.0")
    assert script(root, "postinst", "configure", "2.0.0", version="3.0.0").returncode == 0
    assert [name for name in versions(root) if name[0].isdigit()] == ["2.0.0", "3.0.0"]


def test_the_same_version_again_mends_a_damaged_file_and_touches_no_whole_one(root):
    assert script(root, "postinst", "configure", "1.0.0").returncode == 0
    whole = (root / HOME / "2.0.0").stat().st_ino
    assert script(root, "postinst", "configure", "2.0.0").returncode == 0
    assert (root / HOME / "2.0.0").stat().st_ino == whole
    (root / HOME / "2.0.0/bin/other").write_text("damaged")  # in both, for they are one file
    unpacked(root, "2.0.0")
    assert script(root, "postinst", "configure", "2.0.0").returncode == 0
    assert (root / HOME / "2.0.0/bin/other").read_text() == "program"


def stores(root: Path) -> Path:
    state, trust, etc = root / "var/lib/gate-controller", root / "var/lib/gate-trust", root / "etc/gate-controller"
    for directory in (state, trust, etc):
        directory.mkdir(parents=True)
    for path in (
        state / "journal.db",
        state / "journal.db-wal",
        state / "journal.db.last-signed",
        state / "enrolments.db",
        state / "trust-floor.db",
        trust / "floor.db",
    ):
        path.write_text(path.name)
    for path in (trust / "cache", etc / "gate.toml", etc / "enrolment-master.cred"):
        path.write_text("")
    return state


def test_a_removal_keeps_every_store_and_key(root):
    state = stores(root)
    assert script(root, "postrm", "remove").returncode == 0
    assert not (root / HOME).exists()
    assert (state / "enrolments.db").exists()
    assert (root / "etc/gate-controller/enrolment-master.cred").exists()


def test_a_purge_puts_the_journal_and_the_floor_aside_and_says_where(root):
    state = stores(root)
    done = script(root, "postrm", "purge")
    assert done.returncode == 0
    (kept,) = state.parent.glob("gate-controller.kept-*")
    assert str(kept) in done.stdout
    assert kept.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in kept.iterdir()} == {"journal.db", "journal.db-wal", "journal.db.last-signed", "trust-floor.db", "floor.db"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept.iterdir())
    assert not state.exists()
    assert not (root / "etc/gate-controller").exists()


def test_a_purge_that_cannot_put_the_journal_aside_deletes_nothing(root):
    state = stores(root)
    (root / "stand-ins").mkdir(exist_ok=True)
    (root / "stand-ins/mv").write_text("#!/bin/sh\nexit 1\n")
    (root / "stand-ins/mv").chmod(0o755)
    assert script(root, "postrm", "purge").returncode != 0
    assert (state / "journal.db").exists()
    assert (state / "enrolments.db").exists()


def test_a_purge_of_a_gate_that_never_ran_leaves_nothing(root):
    done = script(root, "postrm", "purge")
    assert (done.returncode, done.stdout) == (0, "")
    assert not (root / "var").exists()
