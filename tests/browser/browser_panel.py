"""The simulator panel in real Chromium: what a person clicks, and what the gate answers; and axe-core."""

import pytest

DECISIONS = "[...document.querySelectorAll('#crossings li')].map((item) => [item.querySelector('strong').textContent, item.querySelector('code')?.textContent ?? null, item.firstChild.textContent])"


@pytest.fixture
def page(chromium, played):
    """The panel as a person has it before them."""

    class Page:
        def click(self, selector):
            """Click where the element is, with the mouse: what is covered or disabled is not clicked."""
            box = chromium.evaluate(
                f"(() => {{ const it = document.querySelector({selector!r}); it.scrollIntoView({{block: 'center'}});"
                " const {left, top, width, height} = it.getBoundingClientRect(); return [left + width / 2, top + height / 2]; })()"
            )
            for kind in ("mousePressed", "mouseReleased"):
                chromium.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

        def says(self, expression, what):
            return played.until(lambda: chromium.evaluate(expression), what)

        def decides(self, count):
            return self.says(f"document.querySelectorAll('#crossings li').length === {count} && {DECISIONS}", f"{count} decisions")[0]

        def free(self):
            played.free()
            self.says("document.querySelector('[data-trick=none]').disabled === false", "the next traveller may come")

    chromium.size(1440, 900)
    played.crossings.clear()
    chromium.open("about:blank")
    chromium.complaints.clear()
    chromium.open(played.url)
    page = Page()
    page.says("document.querySelectorAll('#tricks button').length === 12", "there is something to choose")
    page.says("document.body.dataset.state === 'ready'", "the gate is ready")
    yield page
    page.free()


def test_a_person_plays_three_tricks_and_the_gate_answers(page, chromium, played):
    already = chromium.evaluate("document.querySelectorAll('#crossings li').length")
    for number, (trick, outcome, reason) in enumerate(
        [("screenshot", "refused", "presentation_stale"), ("wrong_finger", "returned", "fingerprint_mismatch"), ("tailgate", "returned", "tailgating")], 1
    ):
        page.free()
        page.click("#travellers label:nth-of-type(2)")
        page.click(f"[data-trick={trick}]")
        page.says("document.querySelectorAll('#people > g').length > 0", "somebody walks up")
        told = page.decides(already + number)
        assert told[:2] == [outcome, reason]
        assert "as expected" in told[2]
    assert chromium.complaints == []


def test_an_honest_traveller_is_seen_from_above_by_the_cameras_and_on_the_kiosk(page, chromium):
    already = chromium.evaluate("document.querySelectorAll('#crossings li').length")
    page.click("[data-trick=none]")
    seen = set()

    def crossed():
        kiosk = "document.querySelector('iframe').contentDocument.body.dataset.prompt"
        lane = "[...document.querySelectorAll('.door.open')].map((door) => door.id).join()"
        seen.add(chromium.evaluate(f"{kiosk} + ' ' + {lane}"))
        return chromium.evaluate(f"document.querySelectorAll('#crossings li').length === {already + 1}")

    page.says("document.querySelector('[data-trick=none]').disabled", "nobody else may come meanwhile")
    while not crossed():
        pass
    assert chromium.evaluate("document.querySelector('#crossings strong').textContent") == "completed"
    prompts, doors = {each.split(" ")[0] for each in seen}, {each.split(" ")[1] for each in seen}
    assert {"step_in", "finger_and_face", "step_out"} <= prompts
    assert {"", "entry", "exit"} <= doors
    assert "entry,exit" not in doors
    assert all(chromium.evaluate(f"document.querySelector('#camera-{name}').naturalWidth") > 0 for name in ("qr", "face"))


def test_a_pulled_cable_and_a_fire_alarm_are_answered(page, chromium):
    page.click("[data-mishap=fingerprint_cable]")
    page.says("document.querySelector('#state').textContent.includes('lost: fingerprint')", "the gate misses its fingerprint module")
    page.click("[data-mishap=fingerprint_cable]")
    page.says("document.body.dataset.state === 'ready'", "the gate is ready again")
    page.click("[data-mishap=fire_alarm]")
    page.says("document.body.dataset.state === 'emergency' && document.querySelector('#entry').classList.contains('open')", "the entry opens")
    page.click("[data-mishap=fire_alarm]")
    page.says("document.querySelector('[data-mishap=fire_alarm]').getAttribute('aria-pressed') === 'false'", "the alarm is over")

    def rearmed():
        page.click("[data-action=rearm]")
        return chromium.evaluate("document.body.dataset.state") == "ready"

    while not rearmed():
        pass


def test_what_cannot_be_is_said_and_not_done(page, chromium):
    page.click("[data-action=release]")
    page.says("document.querySelector('#refused').textContent.length > 0", "the refusal is shown")
    assert chromium.evaluate("document.body.dataset.state") == "ready"


@pytest.mark.parametrize("size", [(1440, 900), (1280, 720), (800, 1200), (390, 844)])
def test_axe_finds_nothing_and_nothing_overflows(page, chromium, size):
    chromium.size(*size)
    assert chromium.violations() == []
    assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth")
