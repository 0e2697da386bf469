"""One gate's configuration with its trust files, and the repository that its regions publish."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gate_controller.cli.main import gatectl, main
from gate_controller.settings.render import derive
from gate_controller.trust.cache import TrustCache
from gate_controller.trust.floor import Floor
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.importing import import_trust
from gate_controller.trust.sources import DirectorySource
from simulators.authority import Authorities
from simulators.repository import TrustRepository

SIMULATED = Path(__file__).parents[2] / "config" / "simulated.toml"
NOW = 1_800_000_000
DAY_S = 86_400


class TrustSite:
    """A gate's files, and its clock.

    Attributes:
        now: What the clock shows, seconds since the epoch.
        repository: What the regions publish, in `published`.
    """

    def __init__(self, directory: Path, published: Path, repository: TrustRepository) -> None:
        directory.mkdir()
        self.directory = directory
        self.published = published
        self.repository = repository
        self.now: float = NOW
        self.cache = directory / "trust"
        self.floor = directory / "floor.db"
        self.root = directory / "root.json"
        self.root.write_bytes(repository.first_root)
        self._written: object = None
        self.changes: dict[str, dict[str, object]] = {
            "keys": {
                "cache": str(self.cache),
                "floor": str(self.floor),
                "pinned_root": str(self.root),
                "pinned_root_sha256": hashlib.sha256(repository.first_root).hexdigest(),
            }
        }

    def config(self) -> Path:
        """The configuration, with the changes made so far."""
        path = self.directory / "gate.toml"
        if self._written != self.changes:
            path.write_text(derive(SIMULATED, self.changes))
            self._written = deepcopy(self.changes)
        return path

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def keys(self, *arguments: str | Path) -> int:
        """gatectl keys with these arguments; its exit code."""
        return main(["keys", *map(str, arguments), "--config", str(self.config())], partial(gatectl, obj=self))

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """A mirror of what is published; yields its URL."""

        class Quiet(SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(self.published)))
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def installed(self) -> TrustSite:
        """With a floor, and what is published imported."""
        with contextlib.closing(Floor.create(self.floor, self.now)) as floor:
            import_trust(DirectorySource(self.published), TrustCache(self.cache), self.root.read_bytes(), floor, FreshnessBudget(), self.now)
        return self

    def another(self) -> TrustSite:
        """Another gate under the same regions."""
        return TrustSite(self.directory.with_name("another"), self.published, self.repository)


@pytest.fixture
def trust_site(tmp_path: Path) -> TrustSite:
    return TrustSite(tmp_path / "gate", tmp_path / "published", TrustRepository(tmp_path / "published", Authorities("keys command"), NOW))


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was printed since the last call, errors last."""

    def read() -> str:
        captured = capsys.readouterr()
        return captured.out + captured.err

    return read


@pytest.fixture
def json_of(trust_site: Any, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """The JSON object that a command prints; its exit code is in `code`."""

    def read(*arguments: str | Path) -> dict[str, Any]:
        capsys.readouterr()
        code = trust_site.keys(*arguments, "--json")
        captured = capsys.readouterr()
        told = json.loads(captured.out)
        assert bool(captured.err) is not told["ok"]
        return {"code": code, **told}

    return read
