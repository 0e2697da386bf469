"""gate-authority as a test runs it, and the gate that looks at what it published."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gate_controller.cli.exit_codes import ExitCode
from gate_controller.core.values import Direction, Region
from gate_controller.passes.verifier import OfflinePassVerifier, PassPolicy
from gate_controller.ports.services import PassAccepted
from gate_controller.ports.trust import TrustView
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.repository import verify_repository
from gate_controller.trust.sources import DirectorySource
from gate_controller.trust.view import LatestTime, build_view
from simulators.authority_cli import main

NOW = 1_800_000_000
DAY_S = 86_400


@dataclass
class FakeClock:
    """Stands still; raises KeyboardInterrupt, as Ctrl-C does, instead of sleeping longer than a test wants."""

    now: float = NOW
    sleeps: list[float] = field(default_factory=list)
    at_most: int = 0

    def wall(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        if len(self.sleeps) == self.at_most:
            raise KeyboardInterrupt
        self.sleeps.append(seconds)
        self.now += seconds


class Tool:
    """gate-authority in a scratch directory, with authorities made in `a`."""

    def __init__(self, scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.scratch = scratch
        self.clock = FakeClock()
        self._capsys = capsys
        self.directory = scratch / "a"
        self.published = self.directory / "repository"

    def __call__(self, words: str, code: int = 0) -> str:
        """Run a command; words with a slash or dot are files in the scratch directory. Returns its standard output."""
        arguments = [str(self.scratch / word[1:]) if word.startswith("@") else word for word in words.split()]
        assert main(arguments, self.clock) == code, self._capsys.readouterr()
        self.out, self.err = self._capsys.readouterr()
        return self.out

    def refused(self, words: str, code: ExitCode) -> str:
        """Run a command that must fail with one line and a remedy; returns the line."""
        assert self(words, code) == ""
        line, remedy = self.err.splitlines()
        assert remedy.startswith("gate-authority: remedy: ")
        assert "Traceback" not in self.err
        return line.removeprefix("gate-authority: ")

    def view(self, at: float | None = None, directory: Path | None = None) -> TrustView:
        """What a gate that pinned the first root makes of it."""
        now = self.clock.now if at is None else at
        repository = verify_repository((self.directory / "root.json").read_bytes(), DirectorySource(directory or self.published), at=now)
        return build_view(repository, FreshnessBudget(), LatestTime(now))

    def verdict(self, text: str, **policy: object) -> str:
        """What a gate answers to a QR text."""
        values: dict[str, object] = {
            "lane_region": Region.MO,
            "direction": Direction.HK_TO_MO,
            "presentation_audiences": frozenset({"MO-GB"}),
            "admitted_issuers": frozenset(Region),
            "admitted_classes": frozenset({1, 2}),
        }
        view = self.view()

        class Trusted:
            def current(self) -> TrustView:
                return view

            def observe(self, wall: float) -> None:
                pass

        class NeverUsed:
            def last_presented(self, pass_id: bytes) -> None:
                return None

        result = OfflinePassVerifier(PassPolicy(**(values | policy)), Trusted(), NeverUsed()).verify(text, self.clock.now)  # type: ignore[arg-type] # test doubles
        return "accepted" if isinstance(result, PassAccepted) else result.reason.code

    def shown(self, words: str = "phone show @phone --pass @pass --text") -> str:
        return self(words).removesuffix("\n")  # Base45 has spaces

    def files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.scratch.rglob("*") if path.is_file() and path.name != "authority.lock"}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made") / "a"
    assert main(["create", str(directory), "--seed", "s"], FakeClock()) == 0
    return directory


@pytest.fixture
def tool(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tool:
    tool = Tool(tmp_path, capsys)
    shutil.copytree(made, tool.directory)
    return tool


@pytest.fixture
def traveller(tool: Tool) -> Tool:
    """With a phone and a pass of Hong Kong."""
    tool("phone new @phone --seed p")
    tool("issue @a hk --holder @phone -o @pass")
    return tool
