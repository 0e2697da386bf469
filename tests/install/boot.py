"""Boots the package's units under a real systemd in a container, and does to them what happens to a gate PC.

    python -m tests.install.boot [--package FILE] [--only PART ...] [--keep]      (make boot-test; root, debootstrap, systemd-nspawn)

The configuration is the shipped one with simulated authorities' root and absent devices: the lane is out of service, and serves. Prints a line for
each step, ends with 1 if one failed. No device and no traveller: those are the lane tests' part.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.install import container
from tests.install.deb import TOP, newest_package, renamed, version_of
from tests.install.machine import SERVICE, Booted, booted
from tests.install.officers import officers_page

ROLES = ("gate-read", "gate-operator", "gate-officer", "gate-engineer")
PARTS = ("sync", "ready", "looked_at", "permissions", "officers_page", "display", "hardening", "watchdog", "stop", "upgrade", "closed")
NEWER, BROKEN = "99.0.0", "99.1.0"
SWITCH_S = 900.0
"""For dpkg with a switch of versions in it, which may go back, on a loaded machine."""

PREPARE = r"""
set -eu
dpkg -i /srv/package.deb >/dev/null
/opt/gate-controller/current/bin/gate-authority create /srv/authorities --seed boot >/dev/null
cd /etc/gate-controller
cp /srv/authorities/root.json root.json
sed -i "s/^mode = .*/mode = \"simulation\"/; s/^pinned_root_sha256 = .*/pinned_root_sha256 = \"$(sha256sum <root.json | cut -d' ' -f1)\"/" gate.toml
sed -i 's|^#   mirror = .*|mirror = "http://127.0.0.1:8088"|' gate.toml
gatectl config check
mkdir -p /srv && cp -r /srv/authorities/repository /srv/repository && chmod -R a+rX /srv
for role in gate-read gate-operator gate-officer gate-engineer; do useradd --no-create-home --groups "$role" "person-$role"; done
useradd --no-create-home stranger
"""
FIRST_START = r"""
set -eu
systemd-creds setup
for name in enrolment-master journal-signing; do
  head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' | systemd-creds encrypt --with-key=host --name=$name - /etc/gate-controller/$name.cred
done
systemd-tmpfiles --create gate-controller.conf
runuser -u gate-sync -g gate-trust -- sh -c 'umask 007; gatectl keys init'
"""
ASK = """
import json, socket, sys
peer = socket.socket(socket.AF_UNIX); peer.settimeout(30); peer.connect("/run/gate-controller/control.sock")
peer.sendall(b"GET /v1/%s HTTP/1.1\\r\\nHost: gate\\r\\nConnection: close\\r\\n\\r\\n" % sys.argv[1].encode())
said = b""
while part := peer.recv(65536): said += part
print(said.decode())
"""
KNOCK = """
import socket, time
while True:
    time.sleep(0.2)
    for family, address in ((socket.AF_INET, ("127.0.0.1", 808)), (socket.AF_UNIX, "/run/gate-controller/control.sock")):
        with socket.socket(family) as peer:
            peer.settimeout(1)
            peer.connect_ex(address)
"""
"""A display and a monitor that try again and again."""
FLOOD = """
import select, socket, time
held, told = [], 0.0
while True:
    while len(held) < 200:
        peer = socket.create_connection(("127.0.0.1", 808))
        peer.sendall(b"GET /events HTTP/1.1\\r\\nHost: 127.0.0.1:808\\r\\n\\r\\n")
        held.append(peer)
    time.sleep(0.2)
    for peer in select.select(held, [], [], 0)[0]:
        try:
            alive = peer.recv(65536)
        except OSError:
            alive = b""
        if not alive:
            held.remove(peer)
            peer.close()
    if time.monotonic() > told + 2:
        told = time.monotonic()
        print("it has", len(held), flush=True)
"""
"""An account that wants all of the display's connections."""
PAGE = """
import urllib.request
with urllib.request.urlopen("http://127.0.0.1:808/events", timeout=10) as page:
    for line in page:
        if line.startswith(b"event: heartbeat"):
            print("heartbeat")
            break
"""
THREADS = "for task in /proc/$(systemctl show -P MainPID gate-controller)/task/*; do chrt -p ${task##*/} | sed -n 's/.*policy: //p'; done"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, help="package to test; default: the one in build/")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="parts to do, in this order; default: all")
    parser.add_argument("--keep", action="store_true", help="show the journal of the controller in the end")
    options = parser.parse_args(arguments)
    container.require_root()
    if shutil.which("systemd-nspawn") is None:
        sys.exit("there is no systemd-nspawn here: apt-get install systemd-container")
    with container.system() as root:
        package = options.package or newest_package()
        shutil.copy(package, root / "srv/package.deb")
        with tempfile.TemporaryDirectory(dir=container.CACHE) as scratch:
            shutil.copy(renamed(package, NEWER, Path(scratch)), root / "srv/newer.deb")
            shutil.copy(renamed(package, BROKEN, Path(scratch), spoil), root / "srv/broken.deb")
        done = container.run(root, "sh", "-c", PREPARE)
        if done.returncode:
            print(f"FAILED preparing: {done.stdout}{done.stderr}")
            return 1
        with booted(root) as machine:
            try:
                walk(machine, version_of(package), options.only)
            finally:
                if options.keep or machine.failed:
                    print(machine.says("journalctl", "--no-pager", "-n", "120", "-o", "short-monotonic", "-u", "gate-*"))
            failed = machine.failed
    print("every step did what it must" if not failed else f"{len(failed)} failed: {'; '.join(failed)}")
    return 1 if failed else 0


def walk(machine: Booted, version: str, parts: Sequence[str]) -> None:
    machine.until(
        "systemd is up",
        lambda: machine.says("systemctl", "is-system-running") in {"running", "degraded"},
        found=lambda: machine.says("systemctl", "is-system-running"),
    )
    done = machine.run("sh", "-c", FIRST_START)
    machine.step("keys, users, floor", done.returncode == 0, done.stderr.strip())
    steps: dict[str, Callable[[Booted], None]] = {
        "sync": sync,
        "ready": ready,
        "looked_at": looked_at,
        "permissions": permissions,
        "officers_page": officers_page,
        "display": display,
        "hardening": hardening,
        "watchdog": watchdog,
        "stop": stop,
        "upgrade": lambda machine: upgrade(machine, version),
        "closed": closed,
    }
    for part in parts:
        if part not in {"sync", "ready", "closed"}:
            machine.run("systemctl", "start", SERVICE)  # where the part that does so was left out
        steps[part](machine)


def sync(machine: Booted) -> None:
    """The key sync fetches, as its own user, what the controller can read."""
    machine.run("systemd-run", "--unit=mirror", "-p", "WorkingDirectory=/srv/repository", "python3", "-m", "http.server", "--bind", "127.0.0.1", "8088")
    machine.until(
        "the mirror serves",
        lambda: (
            "timestamp" in machine.says("python3", "-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8088/metadata/timestamp.json').read())")
        ),
    )
    done = machine.run("systemctl", "start", "gate-keys-sync.service")
    machine.step(
        "the key sync has taken what the mirror has",
        done.returncode == 0,
        machine.says("journalctl", "--no-pager", "-o", "cat", "-n", "3", "-u", "gate-keys-sync").replace("\n", " | ")[:300],
    )
    machine.step(
        "the controller can read it and write the floor",
        machine.run(
            "runuser",
            "-u",
            "gate-controller",
            "-G",
            "gate-trust",
            "--",
            "sh",
            "-c",
            "cat /var/lib/gate-trust/cache/current && test -w /var/lib/gate-trust/floor.db",
        ).returncode
        == 0,
    )
    machine.step(
        "the sync cannot read the controller's state", machine.run("runuser", "-u", "gate-sync", "--", "ls", "/var/lib/gate-controller").returncode != 0
    )


def ready(machine: Booted) -> None:
    """Started by systemctl, which waits for READY=1."""
    began = time.monotonic()
    done = machine.run("systemctl", "start", SERVICE)
    machine.step(
        "ready",
        done.returncode == 0 and machine.shows("ActiveState") == "active",
        f"after {time.monotonic() - began:.1f} s; {done.stderr.strip() or machine.shows('StatusText')}",
    )
    machine.step("it told systemd so itself", machine.shows("Type") == "notify")
    page = machine.says("python3", "-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:808/', timeout=30).status)")
    machine.step("the display gets its page from outside the controller's network", page == "200", page[-80:])
    pid = machine.shows("MainPID")
    links = machine.says("nsenter", "--target", pid, "--net", "sh", "-c", "ls /sys/class/net; cat /proc/net/dev | sed 1,2d | cut -d: -f1")
    machine.step(
        "which has no network but a loopback of its own",
        "host" not in links and len(machine.says("nsenter", "--target", pid, "--net", "sh", "-c", "sed 1,2d /proc/net/dev").splitlines()) == 1,
        links.split()[-1],
    )


def looked_at(machine: Booted) -> None:
    """What the installation's own check and the doctor say of it: nothing but that there are no devices."""
    machine.run("systemctl", "enable", "gate-controller", "gate-kiosk", "gate-keys-sync.timer")
    failing = _failing(machine.run("gatectl", "install", "--check", "--json").stdout)
    machine.step("gatectl install --check misses the devices' names and nothing else", failing == {"devices"}, failing)
    failing = _failing(machine.run("runuser", "-u", "person-gate-engineer", "--", "gatectl", "doctor", "--json").stdout)
    away = {name for name in failing if re.match(r"(qr_camera|face_camera|fingerprint|io_board|enrolment|udev|service\.lane|lane)", name)}
    machine.step("gatectl doctor misses devices and enrolments and nothing else", bool(failing) and failing == away, failing)


def _failing(answer: str) -> set[str]:
    try:
        return {check["id"] for check in json.loads(answer)["checks"] if check["result"] == "fail"}
    except ValueError:
        return {f"no JSON: {answer[-200:]}"}


def permissions(machine: Booted) -> None:
    """Who may connect, and as what."""
    machine.step(
        "the socket's access",
        True,
        machine.says("sh", "-c", "stat -c '%U:%G %a %n' /run/gate-controller /run/gate-controller/control.sock").replace("\n", ", "),
    )
    for role in ROLES:
        said = machine.says("runuser", "-u", f"person-{role}", "--", "python3", "-c", ASK, "whoami")
        match = re.search(r'"roles": ?\[([^]]*)\]', said)
        roles = set(re.findall(r"\w+", match[1])) if match else set()
        machine.step(f"{role} may connect and has its role", roles >= {role.removeprefix("gate-")} and "200 OK" in said, " ".join(sorted(roles)) or said[-200:])
        code = machine.run("runuser", "-u", f"person-{role}", "--", "gatectl", "status").returncode
        machine.step(f"{role} sees the status", code == 0, f"exit code {code}")
    for name in ("stranger", "gate-sync", "gate-kiosk"):
        code = machine.run("runuser", "-u", name, "--", "gatectl", "status").returncode
        machine.step(f"{name} may not connect", code == 5, f"exit code {code}")
    maintenance = 'import sys; sys.argv = ["", "maintenance"]\n' + ASK.replace(
        "GET /v1/%s HTTP/1.1\\r\\nHost: gate\\r\\n", "POST /v1/%s HTTP/1.1\\r\\nHost: gate\\r\\nContent-Type: application/json\\r\\nContent-Length: 43\\r\\n"
    ).replace('\\r\\n\\r\\n" %', '\\r\\n\\r\\n{\\"on\\":true,\\"identity\\":\\"e1\\",\\"reason\\":\\"boot\\"}" %')
    for role in ROLES:
        said = machine.says("runuser", "-u", f"person-{role}", "--", "python3", "-c", maintenance)
        status = said.split(" ")[1] if said.startswith("HTTP/1.1 ") else said[-120:]
        allowed = role == "gate-engineer"
        machine.step(f"{role} {'may' if allowed else 'may not'} ask for maintenance", status in ({"200", "409"} if allowed else {"403"}), status)


def display(machine: Booted) -> None:
    """The display gets its page, whatever another account connects."""
    machine.run("systemd-run", "--unit=flood", "-p", "User=stranger", "python3", "-c", FLOOD)
    flood = lambda: machine.says("journalctl", "--no-pager", "-o", "cat", "-n", "1", "-u", "flood")  # noqa: E731
    machine.until("an account that wants 200 connections to the display's page", lambda: flood().startswith("it has"), found=flood)
    said = [machine.says("runuser", "-u", "gate-kiosk", "--", "python3", "-c", PAGE)[-200:] for _ in range(5)]
    machine.step("does not keep the display out", set(said) == {"heartbeat"}, set(said))
    machine.step("and has few", int(re.sub(r"\D", "", flood()) or "200") <= 8, flood())
    machine.run("systemctl", "stop", "flood")


def hardening(machine: Booted) -> None:
    """What the running process can do."""
    pid = machine.shows("MainPID")
    status = machine.says("cat", f"/proc/{pid}/status")
    machine.step(
        "no capability, no new privileges, system calls filtered",
        all(re.search(rf"^{line}$", status, re.MULTILINE) for line in (r"CapEff:\t0+", r"CapBnd:\t0+", r"NoNewPrivs:\t1", r"Seccomp:\t2")),
    )
    policies = machine.says("sh", "-c", THREADS).splitlines()
    real_time, ordinary = policies.count("SCHED_RR"), policies.count("SCHED_OTHER")
    machine.step(
        "the doors' thread and the decision are real-time, the three that look at pictures and fingers are not",
        real_time >= 2 and ordinary >= 3,
        f"{real_time} real-time, {ordinary} ordinary",
    )
    machine.step(
        "it cannot write its own programs, and sees no home",
        "ro" in machine.says("nsenter", "--target", pid, "--mount", "--root", "sh", "-c", "touch /opt/gate-controller/x 2>/dev/null || echo ro"),
    )
    exposure = machine.says("sh", "-c", "systemd-analyze security gate-controller gate-keys-sync --no-pager 2>/dev/null | grep Overall")
    machine.step("systemd's judgement of the units as loaded", "SAFE" in exposure, exposure.replace("\n", " "))


def watchdog(machine: Booted) -> None:
    """A process that hangs is ended and begins anew; so does one that was killed."""
    pid, before = machine.shows("MainPID"), int(machine.shows("NRestarts"))
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", SERVICE)
    machine.until(
        "a controller that hangs is ended by the watchdog and runs again",
        lambda: int(machine.shows("NRestarts")) > before and machine.shows("SubState") == "running",
    )
    log = machine.says("journalctl", "--no-pager", "-o", "cat", "-u", SERVICE)
    machine.step("systemd says why", "Watchdog timeout" in log, next((line for line in log.splitlines() if "Watchdog timeout" in line), "no such line"))
    pid = machine.shows("MainPID")
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", SERVICE)
    machine.until("one that was killed runs again", lambda: machine.shows("MainPID") not in {"0", pid} and machine.shows("SubState") == "running")


def stop(machine: Booted) -> None:
    """What was stopped by hand stays stopped."""
    began = time.monotonic()
    done = machine.run("systemctl", "stop", SERVICE)
    machine.step(
        "stopped in good order",
        done.returncode == 0 and machine.shows("Result") == "success" and machine.shows("ActiveState") == "inactive",
        f"after {time.monotonic() - began:.1f} s, exit status {machine.shows('ExecMainStatus')}",
    )
    states = {unit: machine.shows("ActiveState", unit) for unit in ("gate-controller.socket", "gate-controller-kiosk.socket", "gate-lane-closed.service")}
    machine.step("its listeners are gone with it", set(states.values()) == {"inactive"}, states)
    code = machine.run("runuser", "-u", "person-gate-read", "--", "gatectl", "status").returncode
    page = machine.run("python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:808/', timeout=5)").returncode
    machine.step("nobody who connects starts it", code == 4 and page == 1 and machine.shows("ActiveState") == "inactive", f"gatectl status: exit code {code}")


def upgrade(machine: Booted, version: str) -> None:
    """dpkg over a lane that runs: the new version, and back where it does not come up."""
    machine.run("systemctl", "start", SERVICE)
    in_force = lambda: machine.says("readlink", "/opt/gate-controller/current")  # noqa: E731
    machine.run("dpkg", "--unpack", "/srv/newer.deb", timeout_s=SWITCH_S)
    machine.run("systemctl", "restart", SERVICE)
    machine.step(
        "with the power cut after unpacking, the version before starts again",
        in_force() == version and machine.shows("ActiveState") == "active",
        in_force(),
    )
    pid = machine.shows("MainPID")
    machine.run("sed", "-i", 's/^region = .*/region = "XX"/', "/etc/gate-controller/gate.toml")
    done = machine.run("dpkg", "--configure", "-a", timeout_s=SWITCH_S)
    machine.step(
        "a configuration that the new version refuses stops nothing",
        done.returncode != 0 and in_force() == version and machine.shows("MainPID") == pid,
        next((line for line in done.stderr.splitlines() if "does not accept" in line), done.stderr[-300:]),
    )
    machine.run("sed", "-i", 's/^region = .*/region = "MO"/', "/etc/gate-controller/gate.toml")
    done = machine.run("dpkg", "--configure", "-a", timeout_s=SWITCH_S)
    machine.step(
        "an upgrade stops the lane, switches, and starts it", done.returncode == 0 and in_force() == NEWER and machine.shows("ActiveState") == "active"
    )
    maps = f"/proc/{machine.shows('MainPID')}/maps"
    machine.step("what runs is the new version", machine.run("grep", "-q", f"/opt/gate-controller/{NEWER}/", maps).returncode == 0)
    done = machine.run("dpkg", "-i", "/srv/broken.deb", timeout_s=SWITCH_S)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "taken back" in line]
    machine.step(
        "a version that does not start is taken back, and dpkg says why",
        done.returncode != 0 and in_force() == NEWER and bool(said),
        said or done.stderr[-300:],
    )
    machine.step("the lane runs with the version before", machine.shows("ActiveState") == "active")
    machine.run("dpkg", "-i", "/srv/package.deb", timeout_s=SWITCH_S)
    machine.step("the first package again, over both", in_force() == version and machine.shows("ActiveState") == "active", in_force())
    machine.run("systemctl", "stop", SERVICE)


def spoil(tree: Path) -> None:
    """A version whose controller ends at once."""
    program = tree / "bin/gatectl"
    lines = program.read_text().splitlines()
    program.write_text("\n".join([lines[0], "import sys", "if sys.argv[1:2] == ['run']:", "    sys.exit(3)", *lines[1:]]) + "\n")


def closed(machine: Booted) -> None:
    """A controller that keeps failing closes the lane, says so, and is tried again, whoever connects meanwhile."""
    machine.run("systemd-run", "--unit=display", "python3", "-c", KNOCK)
    machine.run("sed", "-i", 's/^region = .*/region = "XX"/', "/etc/gate-controller/gate.toml")
    machine.run("systemctl", "start", SERVICE)
    machine.until("a configuration that cannot be used ends it for good", lambda: machine.shows("ActiveState") == "failed")
    machine.step("by exit code 8", machine.shows("ExecMainStatus") == "8", machine.shows("ExecMainStatus"))
    log = lambda: machine.says("journalctl", "--no-pager", "-o", "cat", "-p", "alert", "-u", "gate-lane-closed")  # noqa: E731
    machine.until(
        "LANE CLOSED stands in the journal as an alert, with the reason", lambda: "LANE CLOSED: the gate controller cannot use its configuration" in log()
    )
    machine.step(
        "it will be tried again",
        machine.shows("ActiveState", "gate-controller-retry.timer") == "active",
        machine.shows("ActiveState", "gate-controller-retry.timer"),
    )
    time.sleep(5)
    states = [machine.shows("ActiveState", unit) for unit in (SERVICE, "gate-lane-closed.service", "gate-controller-retry.timer")]
    machine.step("whoever connects neither starts it nor ends that", states == ["failed", "active", "active"], states)
    machine.run("sed", "-i", 's/^region = .*/region = "MO"/', "/etc/gate-controller/gate.toml")
    machine.until("and comes back by itself once the configuration is right", lambda: machine.shows("ActiveState") == "active")
    machine.until(
        "the closed lane has ended",
        lambda: {machine.shows("ActiveState", unit) for unit in ("gate-lane-closed.service", "gate-controller-retry.timer")} == {"inactive"},
    )
    for _ in range(20):  # as often as it takes: on a busy machine a kill may fall between two starts, and the limit is one of starts in a time
        if machine.shows("ActiveState") == "failed":
            break
        pid = machine.shows("MainPID")
        machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", SERVICE)
        with contextlib.suppress(TimeoutError):
            _wait(lambda pid=pid: machine.shows("MainPID") not in {"0", pid} or machine.shows("ActiveState") == "failed", 30)
    machine.until(
        "one that dies again and again is given up for a minute",
        lambda: machine.shows("ActiveState") == "failed" and machine.shows("ActiveState", "gate-controller-retry.timer") == "active",
    )
    machine.until("and an alert says that the lane is closed", lambda: "keeps failing" in log())
    time.sleep(5)
    states = [machine.shows("ActiveState", unit) for unit in (SERVICE, "gate-lane-closed.service", "gate-controller-retry.timer")]
    machine.step("whoever connects does not end that either", states == ["failed", "active", "active"], states)
    machine.run("systemctl", "stop", SERVICE)
    states = [machine.shows("ActiveState", unit) for unit in ("gate-lane-closed.service", "gate-controller-retry.timer")]
    machine.step("whoever stops it by hand ends the trying, too", "active" not in states, states)


def _wait(judge: Callable[[], bool], wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while not judge():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.1)


if __name__ == "__main__":
    os.chdir(TOP)
    sys.exit(main())
