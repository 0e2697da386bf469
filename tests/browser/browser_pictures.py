"""Draws the pictures of docs/images: `make browser PICTURES=1 ARGS="-k pictures"`. Skipped otherwise."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from gate_controller.control.texts import Language
from gate_controller.core.prompts import Prompt
from tests.browser.browser_officer import forward, officer
from tests.control.conftest import FakeGate
from tests.control.test_officer_page import CalledGate

__all__ = ["forward", "officer"]

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SHOWN = {
    "kiosk-languages": [
        (Prompt.SHOW_CODE, Language.TRADITIONAL_CHINESE, "HK"),
        (Prompt.STEP_IN, Language.SIMPLIFIED_CHINESE, "HK"),
        (Prompt.FINGER_AND_FACE, Language.PORTUGUESE, "MO"),
        (Prompt.COME_CLOSER, Language.ENGLISH, "HK"),
    ],
    "kiosk-endings": [
        (Prompt.STEP_OUT, Language.TRADITIONAL_CHINESE, "MO"),
        (Prompt.GO_BACK, Language.ENGLISH, "HK"),
        (Prompt.WAIT_FOR_OFFICER, Language.PORTUGUESE, "MO"),
        (Prompt.EMERGENCY_EXIT, Language.TRADITIONAL_CHINESE, "HK"),
    ],
}
pytestmark = pytest.mark.skipif(not os.environ.get("PICTURES"), reason="PICTURES=1 draws docs/images anew")


def shoot(chromium, path):
    chromium.picture(path)
    return cv2.imread(str(path))


def kiosk(chromium, served, eventually, prompt, language, region):
    served.feed.publish("prompt", {"prompt": prompt.value, "region": region})
    eventually(lambda: chromium.evaluate("document.body.dataset.prompt") == prompt.value, f"the page shows {prompt.value}")
    chromium.evaluate(f"document.querySelector('nav button[lang={language.value}]').click()")


def save(name, picture):
    IMAGES.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(IMAGES / f"{name}.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])


@pytest.fixture
def gate(request):
    """The officers' page wants a gate with a call that has a number; the others take any."""
    if "officer" not in request.fixturenames:
        return FakeGate()
    return CalledGate()


@pytest.fixture
def page(chromium, serve, eventually):
    served = serve()
    chromium.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    chromium.size(360, 640)
    chromium.open(served.server.kiosk_url)
    eventually(lambda: chromium.evaluate("document.readyState") == "complete" and chromium.evaluate("!!document.querySelector('h1')"), "the page is loaded")
    return served


@pytest.mark.parametrize("name", SHOWN)
def test_pictures_of_the_kiosk(page, chromium, eventually, tmp_path, name):
    rows = []
    for prompt, language, region in SHOWN[name]:
        kiosk(chromium, page, eventually, prompt, language, region)
        rows += [shoot(chromium, tmp_path / "one.png"), np.full((640, 12, 3), 255, np.uint8)]
    save(name, np.hstack(rows[:-1]))


def test_pictures_of_all_prompts(page, chromium, eventually, tmp_path):
    """A sheet of every pictogram, for docs/kiosk.md and for whoever changes one."""
    tiles = []
    for prompt in Prompt:
        kiosk(chromium, page, eventually, prompt, Language.ENGLISH, "HK")
        whole = shoot(chromium, tmp_path / "one.png")
        tile = cv2.resize(whole[: 640 * 57 // 100 - 20], (168, 162), interpolation=cv2.INTER_AREA)
        tiles.append(
            cv2.putText(cv2.copyMakeBorder(tile, 0, 22, 2, 2, cv2.BORDER_CONSTANT, value=(255,) * 3), prompt.value, (4, 178), 0, 0.38, (0,) * 3, 1, 16)
        )
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % 8)
    save("kiosk-pictograms", np.vstack([np.hstack(tiles[at : at + 8]) for at in range(0, len(tiles), 8)]))


def test_picture_of_the_officers_page(officer, chromium, tmp_path):
    chromium.call("Emulation.setEmulatedMedia", features=[])
    chromium.size(1024, 760)
    officer.waits_for(link="live", call="pending")
    save("officer-page", shoot(chromium, tmp_path / "officer.png"))


def test_pictures_of_the_panel(chromium, played, tmp_path):
    chromium.call("Emulation.setEmulatedMedia", features=[])
    chromium.size(1440, 960)
    chromium.open(played.url)
    for trick in ("screenshot", "none"):
        played.crossing("b", trick)
    played.free()
    name = played.post("play", traveller="c", trick="wrong_finger")["name"]  # whoever tries again and again stands still for a picture

    def stands_inside():
        world = played.gate.simulation.world
        return any(body.name == name and body.finger for body in world.bodies()) and chromium.evaluate("document.body.dataset.state") == "identity_check"

    played.until(stands_inside, "they stand inside")
    picture = "Number(document.querySelector('#camera-face').src.split('?')[1])"
    taken = chromium.evaluate(picture)
    played.until(lambda: (chromium.evaluate(picture) or 0) > taken + 1, "the panel has had a new picture of the face camera")
    save("simulator-panel", shoot(chromium, tmp_path / "panel.png"))
    played.post("mishap", name="fire_alarm", on=True)
    entry = "document.body.dataset.state === 'emergency' && document.querySelector('#entry').classList.contains('open')"
    played.until(lambda: chromium.evaluate(entry), "the entry opens")
    save("simulator-panel-emergency", shoot(chromium, tmp_path / "panel.png"))
    played.post("mishap", name="fire_alarm", on=False)
