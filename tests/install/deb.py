"""Installs the Debian package in a bare Debian without a network, looks at what a person would look at, upgrades, rolls back, removes and purges.

    python -m tests.install.deb [--package FILE]      (make deb-test; root, debootstrap)

The newer package for the upgrade is the same one under another version number: what is shown is the machinery, not a release. Prints a line for each
step and ends with 1 at the first that fails. Boots nothing: `tests.install.boot` does.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.install import container

TOP = Path(__file__).parents[2]
NEXT = "99.0.0"


class FailedError(Exception):
    """A step did not do what it must."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, help="package to test; default: the one in build/")
    options = parser.parse_args(arguments)
    container.require_root()
    package = options.package or newest_package()
    with container.system() as root, tempfile.TemporaryDirectory() as scratch:
        newer = renamed(package, NEXT, Path(scratch))
        container.put(root, [package, newer], "/srv")
        try:
            walk(root, package.name, newer.name, version_of(package))
        except FailedError as error:
            print(f"FAILED: {error}")
            return 1
    print("every step did what it must")
    return 0


def walk(root: Path, first: str, newer: str, version: str) -> None:
    """From a bare Debian to nothing left."""
    told: list[str] = []

    def step(what: str, *command: str, code: int = 0, says: str = "") -> str:
        done = container.run(root, *command)
        output = done.stdout + done.stderr
        told.append(what)
        print(f"{'ok' if done.returncode == code and says in output else 'FAILED':<6} {what}", flush=True)
        if done.returncode != code or says not in output:
            msg = f"{' '.join(command)}: exit code {done.returncode}, expected {code}{f' and {says!r}' if says else ''}\n{output}"
            raise FailedError(msg)
        return output

    def holds(what: str, judge: Callable[[], bool]) -> None:
        print(f"{'ok' if judge() else 'FAILED':<6} {what}", flush=True)
        if not judge():
            raise FailedError(what)

    opt, etc = root / "opt/gate-controller", root / "etc/gate-controller"
    step("there is no pip, no compiler and no network", "sh", "-c", "! command -v pip gcc cc && ! ip route | grep -q default")
    step(f"install {version}", "dpkg", "-i", f"/srv/{first}")
    step("nothing is half installed", "sh", "-c", 'test -z "$(dpkg --audit)"')
    step("the version", "gatectl", "--version", says=version)
    step("users and groups", "sh", "-c", "id gate-controller && id gate-sync && getent group gate-read gate-operator gate-officer gate-engineer")
    step(
        "the access list of the socket's directory",
        "sh",
        "-c",
        "systemd-tmpfiles --create gate-controller.conf; getfacl -cp /run/gate-controller",
        says="group:gate-officer:--x",
    )
    step("the template says what is missing", "gatectl", "config", "check", code=8, says="pinned_root_sha256")
    step("what is missing yet is told with a remedy", "gatectl", "install", "--check", "--json", code=1, says='"id": "configuration"')
    step("a simulated configuration is accepted", "gatectl", "config", "check", "--config", "/opt/gate-controller/current/share/config/simulated.toml")
    step("the services can be enabled", "systemctl", "enable", "gate-controller", "gate-kiosk", "gate-keys-sync.timer")
    holds("and are", lambda: len([*(root / "etc/systemd/system").glob("*.wants/gate-*")]) >= 3)
    doctor(step, root)
    step(
        "each program's libraries are there",
        "sh",
        "-c",
        "/opt/gate-controller/current/bin/python -c 'import cv2, dlib, zxingcpp, pyzbar.pyzbar, nacl, tuf, aiohttp'",
    )
    step("crossings in virtual time", "gatectl", "simulate", "--virtual", "--travellers", "50", "--seed", "1")
    step("no service of ours writes where it lies", "sh", "-c", 'test -z "$(find /opt/gate-controller ! -user root -o -perm /022 ! -type l)"')
    step(
        "nothing in it names the machine it was built on",
        "sh",
        "-c",
        f"! grep -rIl -e '{TOP}/' -e '/build/deb\\.' /opt/gate-controller /usr/share/doc/gate-controller",
    )

    (etc / "gate.toml").write_text((etc / "gate.toml").read_text() + "\n# mine\n")
    step(f"upgrade to {NEXT}", "dpkg", "-i", f"/srv/{newer}")
    holds("the new version is in force, the old one is kept", lambda: (opt / "current").readlink() == Path(NEXT) and (opt / version / "bin/gatectl").is_file())
    holds("the configuration is as it was", lambda: (etc / "gate.toml").read_text().endswith("# mine\n"))
    holds("nothing that runs is dpkg's to remove", lambda: not (opt / ".package" / version).exists() and (opt / ".package" / NEXT).is_dir())
    step("roll back", "gatectl", "install", "rollback", says=f"version {version} is in force again")
    step("the old version runs", "gatectl", "install", "versions", says=f"{version}  in force")
    step("and forth", "gatectl", "install", "activate", NEXT)
    step(
        "a damaged version is refused",
        "sh",
        "-c",
        f"echo >>/opt/gate-controller/{version}/bin/gatectl; gatectl install activate {version}",
        code=8,
        says="damaged",
    )
    holds("what was in force still is", lambda: (opt / "current").readlink() == Path(NEXT))
    step(f"install {version} again, over the newer one", "dpkg", "-i", f"/srv/{first}", says="downgrading")
    step("it is whole again", "gatectl", "install", "versions", says=f"{version}  in force")
    step("remove", "dpkg", "-r", "gate-controller")
    holds(
        "programs and links are gone, configuration is not",
        lambda: not opt.exists() and not (root / "usr/bin/gatectl").is_symlink() and (etc / "gate.toml").exists(),
    )
    holds("no service is enabled any more", lambda: not [*(root / "etc/systemd/system").glob("*.wants/gate-*")])
    step(
        "purge puts the journal and the floor aside",
        "sh",
        "-c",
        "mkdir -p /var/lib/gate-controller; cd /var/lib/gate-controller; echo j >journal.db; echo s >journal.db.last-signed; echo e >enrolments.db;"
        " echo f >/var/lib/gate-trust/floor.db; dpkg -P gate-controller",
        says="are kept in /var/lib/gate-controller.kept-",
    )
    holds("configuration and stores are gone", lambda: not etc.exists() and not (root / "var/lib/gate-trust").exists())
    kept = [*(root / "var/lib").glob("gate-controller.kept-*")]
    holds(
        "nobody but root sees what was put aside, and no enrolment is in it",
        lambda: (
            len(kept) == 1
            and kept[0].stat().st_mode & 0o777 == 0o700
            and {path.name for path in kept[0].iterdir()} == {"journal.db", "journal.db.last-signed", "floor.db"}
        ),
    )
    step(
        "nothing is left that names it",
        "sh",
        "-c",
        "! find / -xdev -name '*gate-controller*' ! -path '/srv/*' ! -path '/proc/*' ! -path '/var/lib/systemd/*' ! -path '/var/lib/gate-controller.kept-*' | grep .",
    )


def doctor(step: Callable[..., str], root: Path) -> None:
    """The package's own doctor on simulated devices."""
    if container.run(root, "gatectl", "doctor", "--help").returncode:
        print("skip   gatectl doctor --simulated: this version has no doctor")
    else:
        step("gatectl doctor --simulated", "gatectl", "doctor", "--simulated")


def newest_package() -> Path:
    """The package of this tree's version."""
    version = re.search(r'^version = "(.*)"$', (TOP / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    found = sorted((TOP / "build").glob(f"gate-controller_{version[1]}_*.deb"))
    if not found:
        sys.exit("there is no package in build/; make it first: make deb")
    return found[-1]


def version_of(package: Path) -> str:
    return subprocess.run(["dpkg-deb", "-f", str(package), "Version"], capture_output=True, text=True, check=True).stdout.strip()


def renamed(package: Path, version: str, scratch: Path, spoil: Callable[[Path], None] = lambda _tree: None) -> Path:
    """The same package with another version number, everywhere the number counts; `spoil` may change programs in its bin."""
    old = version_of(package)
    tree = scratch / "tree"
    subprocess.run(["dpkg-deb", "-R", str(package), str(tree)], check=True)
    home = tree / "opt/gate-controller/.package"
    (home / old).rename(home / version)
    for script in (*(home / version / "bin").glob("gat*"), *(tree / "DEBIAN").glob("p*"), tree / "DEBIAN/control"):
        text = script.read_text().replace(f"/opt/gate-controller/{old}/", f"/opt/gate-controller/{version}/")
        if script.parent.name == "DEBIAN":
            text = re.sub(rf'(?<=[/"]){re.escape(old)}(?=[/"\n])', version, text).replace(f"Version: {old}\n", f"Version: {version}\n")
        script.write_text(text)
    spoil(home / version)
    manifest = home / version / "share/manifest.sha256"
    lines = [line for line in manifest.read_text().splitlines(keepends=True) if not line.split("  ")[1].startswith("./bin/gat")]
    hashed = subprocess.run(["sh", "-c", "sha256sum ./bin/gat*"], cwd=home / version, capture_output=True, text=True, check=True).stdout
    manifest.write_text("".join(lines) + hashed)
    made = scratch / package.name.replace(f"_{old}_", f"_{version}_")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(made)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", str(tree)], check=True)
    return made


if __name__ == "__main__":
    os.chdir(TOP)
    sys.exit(main())
