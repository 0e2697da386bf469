"""A bare Debian to install into: built once with debootstrap, kept as a tar file, unpacked anew for each run. Needs root.

Takes the mirror that this machine's apt uses, and the certificates and proxy settings by which it is reached; INSTALL_TEST_CACHE says where the base
is kept. After that nothing needs a network: what the package depends on is in the base. Starts nothing by itself.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

CACHE = Path(os.environ.get("INSTALL_TEST_CACHE", "/var/cache/gate-controller-tests"))
PACKAGES = ("ca-certificates", "python3", "libzbar0", "systemd", "systemd-sysv", "dbus", "udev", "libpam-systemd", "acl", "libcap2-bin", "util-linux")
"""Python and libzbar0 as a gate PC has them, systemd as pid 1 with what it needs; acl to look at access lists."""
ENVIRONMENT = {"HOME": "/srv", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def require_root() -> None:
    """End at once where this cannot work; from here on a SIGTERM cleans up as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if os.geteuid() != 0:
        sys.exit("this needs root: it makes a Debian of its own (debootstrap, chroot)")
    missing = [name for name in ("debootstrap", "unshare", "tar") if shutil.which(name) is None]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}; apt-get install debootstrap util-linux tar")


def base() -> Path:
    """The base system as a tar file; made by the first call (some minutes)."""
    suite = _suite()
    kept = CACHE / f"base-{suite}.tar"
    if kept.exists():
        return kept
    CACHE.mkdir(parents=True, exist_ok=True)
    print(f"[container] building a bare Debian ({suite}) with {', '.join(PACKAGES)}; kept in {kept}", flush=True)
    with tempfile.TemporaryDirectory(prefix="base-", dir=CACHE) as name:
        root = Path(name)
        log = CACHE / "debootstrap.log"
        with log.open("w") as out:
            done = subprocess.run(
                ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, str(root), _mirror()], stdout=out, stderr=out, check=False
            )
        if done.returncode:
            sys.exit(f"debootstrap failed: {log.read_text().splitlines()[-1:]}; the whole of it is in {log}")
        root.chmod(0o755)
        part = kept.with_suffix(".part")
        subprocess.run(["tar", "-C", str(root), "-cf", str(part), "--exclude=./var/cache/apt/archives/*.deb", "."], check=True)
        part.rename(kept)
    return kept


@contextlib.contextmanager
def system() -> Iterator[Path]:
    """A fresh copy of the base; removed in the end."""
    kept = base()
    root = Path(tempfile.mkdtemp(prefix="copy-", dir=CACHE))
    try:
        root.chmod(0o755)
        subprocess.run(["tar", "-C", str(root), "-xf", str(kept)], check=True)
        root.chmod(0o755)
        # A power cut may cost this copy: dpkg need not bring each of 10,000 files to the disk.
        (root / "etc/dpkg/dpkg.cfg.d/tests").write_text("force-unsafe-io\n")
        yield root
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", str(root)], check=False)
        (CACHE / f".#{root.name}.lck").unlink(missing_ok=True)  # systemd-nspawn's


_ENTER = """
set -eu
root=$1; shift
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"; mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir -p "$root/dev/pts" "$root/dev/shm"
for node in null zero full random urandom tty; do touch "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"; ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ip link set lo up 2>/dev/null || true
chroot "$root" "$@" || exit $?  # not as process 1, which no command on a gate PC is
exit 0
"""


def run(root: Path, *command: str, timeout_s: float = 600.0) -> subprocess.CompletedProcess[str]:
    """Run a command in the copy, in namespaces of its own: without a network, and nothing of it outlives the command."""
    enter = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", _ENTER, "enter"]
    return subprocess.run(
        [*enter, str(root), *command], capture_output=True, text=True, check=False, timeout=timeout_s, env=ENVIRONMENT, stdin=subprocess.DEVNULL
    )


def put(root: Path, files: Sequence[Path], directory: str) -> None:
    """Copy files into a directory of the copy."""
    target = root / directory.lstrip("/")
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, target)


def _suite() -> str:
    release = Path("/etc/os-release").read_text(encoding="utf-8")
    match = re.search(r"^VERSION_CODENAME=(\w+)", release, re.MULTILINE)
    return match[1] if match and "ID=debian" in release else "bookworm"


def _mirror() -> str:
    lines = [
        line
        for path in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.sources")))
        if path.exists()
        for line in path.read_text().splitlines()
    ]
    for line in lines:
        if match := re.match(r"(?:URIs:|deb(?: \[[^]]*\])?) +(https?://\S+debian/?)(?:\s|$)", line):
            return match[1]
    raise SystemExit("no Debian mirror is named in /etc/apt/sources.list or /etc/apt/sources.list.d: name one")
