"""Where the versions of the gate lie on a gate PC, and which one is in force.

    /opt/gate-controller/<version>/    one version, whole and never changed: bin, lib, models, share
    /opt/gate-controller/current       link to the version in force; replaced in one step
    /opt/gate-controller/previous      link to the one that was in force before it: what a rollback goes back to

What is seen outside (users, rules, /usr/bin/gatectl) are links through `current`, listed in share/links of each version; so one rename switches them.
Units are copies, since `systemctl enable` would follow a link to the one version. Does not start or stop anything.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gate_controller.ports.durable import sync
from gate_controller.ports.errors import ConfigurationError

HOME = Path("/opt/gate-controller")
CONFIG = Path("/etc/gate-controller")
TEMPLATES = ("gate.toml", "policy.toml")
"""Put into CONFIG where they are missing, and never overwritten."""

_VERSION = re.compile(r"[0-9][A-Za-z0-9.+~-]*")
_MANIFEST = "share/manifest.sha256"


@dataclass(frozen=True, slots=True)
class Layout:
    """An installation.

    Attributes:
        root: Directory that stands for /; another one is an image that is being prepared.
    """

    root: Path = Path("/")

    def at(self, path: Path | str) -> Path:
        """An absolute path of the gate PC, below the root."""
        return self.root / Path(path).relative_to("/")

    def tree(self, version: str) -> Path:
        """Directory of a version, there or not."""
        return self.at(HOME) / version

    def versions(self) -> list[str]:
        """The versions that are there whole, oldest first."""
        home = self.at(HOME)
        names = sorted(path.name for path in home.iterdir() if _VERSION.fullmatch(path.name)) if home.is_dir() else []
        return sorted((name for name in names if (home / name / _MANIFEST).is_file()), key=_order)

    def current(self) -> str | None:
        """The version in force; None where there is none."""
        return self._named("current")

    def previous(self) -> str | None:
        """The version that was in force before."""
        return self._named("previous")

    def point_to(self, version: str) -> None:
        """Put a version in force; killed at any moment, it is the old one or the new one.

        Raises:
            ConfigurationError: It is not there.
            OSError: The links cannot be written.
        """
        self.require(version)
        before = self.current()
        if before == version:
            return
        if before is not None:
            self._link("previous", before)
        self._link("current", version)

    def take_back(self, version: str, previous: str | None) -> None:
        """Put `version` in force again, as if nothing else had been: a rollback must not lead to what has just failed.

        Args:
            version: What was in force.
            previous: What was in force before it, then.

        Raises:
            OSError: The links cannot be written.
        """
        self._link("current", version)
        if previous is not None and previous in self.versions():
            self._link("previous", previous)
        else:
            (self.at(HOME) / "previous").unlink(missing_ok=True)

    def require(self, version: str) -> None:
        """Refuse a version that is not there whole.

        Raises:
            ConfigurationError: It is not.
        """
        if not _VERSION.fullmatch(version) or version not in self.versions():
            message = f"version {version} is not in {self.at(HOME)}"
            there = ", ".join(self.versions()) or "none"
            raise ConfigurationError(message, f"there are: {there}; install it first: dpkg -i gate-controller_{version}_amd64.deb")

    def links(self, version: str) -> Iterator[tuple[Path, Path]]:
        """Each link outside, as (path of the link, what it must lead to), both as on the gate PC."""
        return ((path, HOME / "current" / target) for path, target, is_copy in self._outside(version) if not is_copy)

    def copies(self, version: str) -> Iterator[tuple[Path, Path]]:
        """Each copy outside, as (its path on the gate PC, the file in the version's tree)."""
        return ((path, self.tree(version) / target) for path, target, is_copy in self._outside(version) if is_copy)

    def _outside(self, version: str) -> Iterator[tuple[Path, str, bool]]:
        for line in (self.tree(version) / "share/links").read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                path, target, *copy = line.split()
                yield Path(path), target, copy == ["copy"]

    def damaged(self, version: str) -> list[str]:
        """Files of a version that are missing or not what was installed; reads all of it (half a gigabyte)."""
        tree = self.tree(version)
        wrong: list[str] = []
        for line in (tree / _MANIFEST).read_text(encoding="utf-8").splitlines():
            wanted, _, name = line.partition("  ")
            try:
                with (tree / name).open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                found = ""
            if found != wanted:
                wrong.append(name.removeprefix("./"))
        return wrong

    def _named(self, link: str) -> str | None:
        try:
            return str((self.at(HOME) / link).readlink())
        except OSError:
            return None

    def _link(self, name: str, version: str) -> None:
        home = self.at(HOME)
        draft = home / f".{name}.new"
        draft.unlink(missing_ok=True)
        draft.symlink_to(version)
        draft.replace(home / name)
        sync(home)


def _order(version: str) -> list[tuple[int, int, str]]:
    """Numbers as numbers: 0.10.0 is newer than 0.9.0."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"[.+~-]", version)]
