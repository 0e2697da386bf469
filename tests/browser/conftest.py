"""A simulated gate with its panel, and a real browser. Not part of `make test`: run by `make browser`."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gate_controller.cli.simulation import Plan, SimulatedGate
from gate_controller.cli.simulation_panel import panel, play, playable
from gate_controller.ports.errors import GateError
from tests.control.conftest import Chromium, eventually, gate, serve, socket_path

__all__ = ["eventually", "gate", "serve", "socket_path"]

TOP = Path(__file__).parents[2]
AXE = TOP / "build" / "browser" / "axe.min.js"
PATIENCE_S = 120.0
RULES = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']"


class Played:
    """A running simulated gate with its panel; what a page would post, and what the gate recorded."""

    def __init__(self, gate: SimulatedGate, url: str, kiosk_url: str) -> None:
        self.gate = gate
        self.url = url
        self.kiosk_url = kiosk_url
        self.crossings: list[dict[str, Any]] = []

    def post(self, path: str, **body: object) -> dict[str, Any]:
        """Do what the panel's page does when somebody clicks."""
        host = self.url.removeprefix("http://").rstrip("/")
        connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
        try:
            connection.request("POST", f"/{path}", json.dumps(body), {"Content-Type": "application/json", "Origin": f"http://{host}"})
            answer = connection.getresponse()
            said = json.loads(answer.read())
        finally:
            connection.close()
        assert answer.status == 200, said
        return said

    def until(self, wanted: Callable[[], object], what: str) -> Any:
        """Wait for a condition; generous, since only the order of things is under test."""
        limit = time.monotonic() + PATIENCE_S
        while not (found := wanted()):
            assert time.monotonic() < limit, f"never: {what}; {self.gate.client.status()}"
            time.sleep(0.02)
        return found

    def free(self) -> None:
        """Wait until nobody is at the lane and it is ready for the next."""

        def ready() -> bool:
            with contextlib.suppress(GateError):
                return not self.gate.simulation.busy and self.gate.client.status()["prompt"] == "show_code"
            return False

        self.until(ready, "the lane is free")

    def crossing(self, traveller: str, trick: str) -> dict[str, Any]:
        """Send somebody, and give the record of what came of it."""
        self.free()
        name = self.post("play", traveller=traveller, trick=trick)["name"]
        return self.until(lambda: next((record for record in self.crossings if record["name"] == name), None), f"{name} is recorded")


class Browser(Chromium):
    """Chromium with axe-core and a camera."""

    def violations(self) -> list[str]:
        """What axe-core has to say against the page: rule, and the elements."""
        if not self.evaluate("'axe' in globalThis"):
            self.evaluate(AXE.read_text(encoding="utf-8") + "; 0")
        # A frame is looked at on its own: the kiosk page is.
        run = f"axe.run(document, {{runOnly: {RULES}, rules: {{'color-contrast-enhanced': {{enabled: true}}}}, iframes: false}})"
        said = self.call("Runtime.evaluate", expression=f"{run}.then((found) => found.violations)", awaitPromise=True, returnByValue=True)
        return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in said["result"]["value"]]  # type: ignore[index]

    def picture(self, path: Path) -> None:
        """Photograph the page."""
        path.write_bytes(base64.b64decode(str(self.call("Page.captureScreenshot")["data"])))


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium here (Debian: apt install chromium)")
    if not AXE.is_file():
        pytest.skip("no axe-core in build/browser: run `make browser`, or requirements/setup browser")
    browser = Browser(program, tmp_path_factory.mktemp("chromium"))
    browser.call("Page.setBypassCSP", enabled=True)  # of the test alone: axe-core is no part of the page
    browser.size(1440, 900)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def played() -> Iterator[Played]:
    plan = playable(Plan(kiosk_port=0, models=TOP / "var" / "models", pad=False))
    with SimulatedGate(plan) as simulated, panel(simulated, 0) as site:
        everything = Played(simulated, site.url, f"{site.url}kiosk/")

        def follow() -> None:
            with contextlib.suppress(GateError):  # it ends with the gate
                play(simulated, site, everything.crossings.append)

        threading.Thread(target=follow, name="player", daemon=True).start()
        yield everything
