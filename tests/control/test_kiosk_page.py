"""The kiosk page in a real browser (skipped where there is no Chromium): what it shows, how, and when it closes the lane."""

import json
import shutil
import subprocess
from importlib import resources

import pytest

from gate_controller.control import kiosk
from gate_controller.control.texts import Language, text
from gate_controller.core.prompts import Prompt

TABLE = json.loads(resources.files("gate_controller.control").joinpath("static", "prompts.json").read_text(encoding="utf-8"))
PANELS = {  # width and height in pixels, millimetres a pixel
    "21.5 inch upright": (1080, 1920, 0.248),
    "10.1 inch": (1280, 800, 0.170),
}
CAPITALS_MM = 8.6  # EN 301 549 5.1.4 at 70 cm

LOOK = """
(() => {
  const box = (element) => element.getBoundingClientRect();
  const inside = (inner, outer) => inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1 && inner.left >= outer.left - 1 && inner.right <= outer.right + 1;
  const capital = (element) => {
    const style = getComputedStyle(element), pen = document.createElement("canvas").getContext("2d");
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    return pen.measureText("H").actualBoundingBoxAscent;
  };
  const colours = (element, background) => [getComputedStyle(element).color, getComputedStyle(background).backgroundColor];
  const $ = (selector) => document.querySelector(selector), all = (selector) => [...document.querySelectorAll(selector)];
  return all("nav button").map((button) => {
    button.click();
    const words = all("section > *");
    return {
      prompt: document.body.dataset.prompt,
      language: document.documentElement.lang,
      button: button.lang,
      pressed: all("nav button[aria-pressed=true]").map((element) => element.lang),
      document_title: document.title,
      title: [$("h1").lang, $("h1").textContent],
      detail: [$(".detail").lang, $(".detail").textContent],
      others: all(".other").map((element) => [element.lang, element.textContent]),
      pictures: all("figure svg").filter((element) => box(element).width > 0).map((element) => element.id),
      fits: document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth
        && words.every((element) => element.scrollWidth <= element.clientWidth && inside(box(element), box($("main"))))
        && all("nav button").every((element) => element.scrollWidth <= element.clientWidth && inside(box(element), box($("nav")))),
      picture_mm_px: Math.min(box($("figure svg:not([hidden])")).width, box($("figure svg:not([hidden])")).height),
      capitals: {main: Math.min(capital($("h1")), capital($(".detail"))), other: Math.min(...all(".other, nav button").map(capital))},
      colours: [...words.map((element) => colours(element, document.body)), colours($("figure"), $("figure")), ...all("nav button").map((element) => colours(element, element))],
    };
  });
})()
"""


@pytest.fixture
def page(chromium, serve, eventually):
    """Opens the page of a server; waits for prompts."""

    class Page:
        def __init__(self):
            self.browser = chromium
            chromium.complaints.clear()

        def open(self, served):
            chromium.open(served.server.kiosk_url)
            eventually(
                lambda: chromium.evaluate("document.readyState") == "complete" and chromium.evaluate("!!document.querySelector('h1')"), "the page is loaded"
            )

        def shows(self, prompt, served=None):
            if served is not None:
                served.feed.publish("prompt", {"prompt": prompt.value})
            eventually(lambda: self.prompt() == prompt.value, f"the page shows {prompt.value}")

        def prompt(self):
            return chromium.evaluate("document.body.dataset.prompt")

    chromium.size(1080, 1920)
    yield Page()
    chromium.open("about:blank")


def luminance(colour):
    channels = [int(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(foreground, background):
    """Contrast ratio of WCAG 2.2."""
    lighter, darker = sorted((luminance(foreground), luminance(background)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.fixture
def gates_fonts():
    """The fonts that a gate's display has; in others capitals have other heights, and some letters none."""
    listed = [] if shutil.which("fc-list") is None else ["fc-list", ":", "family"]
    if not listed or "Noto Sans CJK HK" not in subprocess.run(listed, capture_output=True, text=True, check=True).stdout:
        pytest.skip("Noto Sans CJK is not installed (Debian: apt install fonts-noto-cjk)")


@pytest.mark.usefixtures("gates_fonts")
@pytest.mark.parametrize("panel", PANELS)
def test_every_prompt_in_every_language_can_be_read(page, serve, panel):
    served = serve()
    width, height, mm = PANELS[panel]
    page.browser.size(width, height)
    page.open(served)
    for prompt in Prompt:
        page.shows(prompt, served)
        looks = page.browser.evaluate(LOOK)
        while any(look["prompt"] != prompt.value for look in looks):  # this machine stood still for 3 s, and the page closed the lane
            page.shows(prompt)
            looks = page.browser.evaluate(LOOK)
        for language, seen in zip(Language, looks, strict=True):
            where = f"{prompt.value} in {language.value} at {panel}"
            wording = text(prompt, language)
            assert seen["language"] == seen["button"] == language.value, where
            assert seen["pressed"] == [language.value], where
            assert seen["document_title"] == wording.title, where
            assert seen["title"] == [language.value, wording.title], where
            assert seen["detail"] == [language.value, wording.detail], where
            assert seen["others"] == [[other.value, text(prompt, other).title] for other in Language if other is not language], where
            assert seen["pictures"] == [f"picture-{TABLE[prompt.value]['picture']}"], where
            assert seen["fits"], where
            assert seen["picture_mm_px"] * mm > 60, where
            assert seen["capitals"]["main"] * mm >= CAPITALS_MM, where
            assert panel != "21.5 inch upright" or seen["capitals"]["other"] * mm >= CAPITALS_MM, where
            assert min(contrast(*pair) for pair in seen["colours"][:5] + seen["colours"][6:]) >= 7, where
            assert contrast("rgb(255, 255, 255)", seen["colours"][5][1]) >= 7, where
            assert seen["colours"][5][0] == "rgb(255, 255, 255)", where
    assert page.browser.complaints == []


@pytest.mark.parametrize(("region", "official"), [("HK", ["zh-Hant", "en"]), ("MO", ["zh-Hant", "pt"])])
def test_the_official_languages_of_the_passs_region_come_first_unless_somebody_chose(page, serve, eventually, region, official):
    served = serve()
    page.open(served)
    served.feed.publish("prompt", {"prompt": "step_in", "region": region})
    shown = "[...document.querySelectorAll('h1, .other')].map((line) => line.lang)"
    eventually(lambda: page.browser.evaluate(shown)[:2] == official, f"{official} come first")
    assert page.browser.evaluate("document.querySelector('.second').lang") == official[1]
    page.browser.evaluate("document.querySelector('nav button[lang=zh-Hans]').click()")
    assert page.browser.evaluate(shown)[:3] == ["zh-Hans", *official]
    for panel in PANELS.values():
        page.browser.size(*panel[:2])
        assert all(look["fits"] for look in page.browser.evaluate(LOOK))


def test_pictures_tell_prompts_apart_without_colour_or_words():
    pictures = {}
    for prompt in Prompt:
        pictures.setdefault(TABLE[prompt.value]["picture"], []).append(prompt)
    assert [prompts for prompts in pictures.values() if len(prompts) > 1] == []


def test_the_page_is_closed_before_it_hears_anything():
    markup = resources.files("gate_controller.control").joinpath("static", "index.html").read_text(encoding="utf-8")
    assert 'data-prompt="lane_closed" data-tone="stop"' in markup
    for language in Language:
        assert f'lang="{language.value}">{text(Prompt.LANE_CLOSED, language).title}<' in markup
    assert markup.count('<svg id="picture-') - markup.count('focusable="false" hidden>') == 1


def test_the_lane_is_shown_closed_when_the_daemon_dies_and_open_when_it_is_back(page, serve):
    served = serve()
    page.open(served)
    page.shows(Prompt.SHOW_CODE, served)
    served.server.stop()
    page.shows(Prompt.LANE_CLOSED)
    again = serve(kiosk_port=served.port, path=served.path)
    page.shows(Prompt.STEP_IN, again)


def test_the_lane_is_shown_closed_while_the_gate_is_silent_though_its_server_lives(page, serve, gate):
    served = serve()
    page.open(served)
    page.shows(Prompt.SHOW_CODE, served)
    gate.failing = True
    page.shows(Prompt.LANE_CLOSED)
    gate.failing = False
    page.shows(Prompt.SHOW_CODE)


def test_an_emergency_stays_on_the_page_when_the_daemon_dies(page, serve):
    served = serve()
    page.open(served)
    page.shows(Prompt.EMERGENCY_EXIT, served)
    served.server.stop()
    page.browser.call("Runtime.evaluate", expression="new Promise((done) => setTimeout(done, 3600))", awaitPromise=True)  # the page's clock: past its 3 s
    assert page.prompt() == "emergency_exit"
    again = serve(kiosk_port=served.port, path=served.path)
    page.shows(Prompt.LANE_CLOSED, again)


def test_a_changed_prompt_is_announced_and_a_heartbeat_is_not(page, serve, eventually):
    served = serve()
    page.open(served)
    page.shows(Prompt.SHOW_CODE, served)
    assert page.browser.evaluate("(({role, ariaLive, ariaAtomic}) => [role, ariaLive, ariaAtomic])(document.querySelector('section'))") == [
        "status",
        "assertive",
        "true",
    ]
    page.browser.evaluate(
        "globalThis.changes = 0; new MutationObserver(() => changes++).observe(document.querySelector('section'), {childList: true, subtree: true, characterData: true}), 0"
    )
    served.status_calls(10, eventually)  # ten heartbeats
    page.shows(Prompt.CHECKING_CODE, served)
    assert page.browser.evaluate("changes") == 1


def test_who_wants_no_motion_sees_none(page, serve):
    served = serve()
    page.open(served)
    moving = "[...document.querySelectorAll('figure svg:not([hidden]) *')].filter((element) => getComputedStyle(element).animationName !== 'none').length"
    for prompt in (Prompt.SHOW_CODE, Prompt.STEP_IN, Prompt.STARTING, Prompt.CHECKING_CODE):
        page.shows(prompt, served)
        page.browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
        assert page.browser.evaluate(moving) == 0
        page.browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "no-preference"}])
        assert page.browser.evaluate(moving) > 0


def test_what_moves_beside_the_text_comes_to_rest_within_5_s(page, serve):
    """WCAG 2.2.2; what says that the lane works may go on."""
    page.open(serve())
    lasts = page.browser.evaluate(
        "[...document.querySelectorAll('figure svg *')].map((element) => [element.getAttribute('class'), getComputedStyle(element)])"
        ".filter(([, style]) => style.animationName !== 'none')"
        ".map(([name, style]) => [name.split(' ').at(-1), style.animationIterationCount === 'infinite' ? -1 : style.animationIterationCount * parseFloat(style.animationDuration)])"
    )
    assert {name for name, seconds in lasts if seconds == -1} == {"turns", "spins"}
    assert all(seconds < 5 for _, seconds in lasts)
    assert len(lasts) > 20


def test_a_language_that_was_chosen_lasts_the_whole_crossing_and_a_minute_after_it(page, serve, eventually):
    served = serve()
    page.open(served)
    page.shows(Prompt.SHOW_CODE, served)
    page.browser.evaluate("(() => { const now = performance.now.bind(performance); globalThis.ahead = 0; performance.now = () => now() + ahead; })()")
    page.browser.evaluate("document.querySelector('nav button[lang=en]').click()")
    for prompt in (Prompt.STEP_IN, Prompt.PLACE_FINGER) * 40:  # 80 s of a crossing, by the page's clock
        page.browser.evaluate("globalThis.ahead += 1000, 0")
        page.shows(prompt, served)
    assert page.browser.evaluate("document.documentElement.lang") == "en"
    page.shows(Prompt.SHOW_CODE, served)
    assert page.browser.evaluate("document.documentElement.lang") == "en", "whoever was sent back reads on"
    page.browser.evaluate("globalThis.ahead += 61000, 0")
    eventually(lambda: page.browser.evaluate("document.documentElement.lang") == "zh-Hant", "the next traveller finds the first language")


def test_a_page_that_is_older_than_the_controller_loads_itself_anew_but_not_in_an_emergency(page, serve, eventually, monkeypatch):
    served = serve()
    page.open(served)
    page.shows(Prompt.EMERGENCY_EXIT, served)
    page.browser.evaluate("globalThis.old = true")
    served.server.stop()
    files = kiosk._file_handler
    monkeypatch.setattr(kiosk, "_file_handler", lambda body, kind: files(body.replace(b"Please use another lane", b"Another lane, please"), kind))
    again = serve(kiosk_port=served.port, path=served.path)
    again.feed.publish("prompt", {"prompt": "emergency_exit"})
    again.status_calls(80, eventually)  # it has come back, and has looked at what is new
    assert page.browser.evaluate("globalThis.old") is True
    again.feed.publish("prompt", {"prompt": "show_code"})

    def is_new():
        try:
            return page.browser.evaluate("globalThis.old === undefined && document.body?.dataset.prompt === 'show_code'")
        except AssertionError:  # asked just while the page was loading
            return False

    eventually(is_new, "the page is a new one")


@pytest.mark.usefixtures("gates_fonts")
def test_each_chinese_is_set_in_its_own_glyphs(page, serve, eventually):
    served = serve()
    page.open(served)
    page.shows(Prompt.SHOW_CODE, served)

    def fonts(selector):
        root = page.browser.call("DOM.getDocument")["root"]["nodeId"]
        node = page.browser.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        return {font["familyName"] for font in page.browser.call("CSS.getPlatformFontsForNode", nodeId=node)["fonts"]}

    for selector, family in (("h1:lang(zh-Hant)", "Noto Sans CJK HK"), (".other:lang(zh-Hans)", "Noto Sans CJK SC"), (".other:lang(pt)", "Noto Sans CJK HK")):
        assert eventually(lambda selector=selector: fonts(selector), f"{selector} is laid out") == {family}
