"""The kiosk page of a simulated gate in real Chromium: a crossing, a refusal, an emergency and a lost daemon, in four languages; and axe-core."""

import pytest

from gate_controller.control.texts import Language, text
from gate_controller.core.prompts import Prompt

WATCH = """
(() => {
  globalThis.seen = [];
  const note = () => {
    const shown = [document.body.dataset.prompt, document.querySelector("h1").lang, document.querySelector("h1").textContent];
    if (seen.length === 0 || seen.at(-1).join() !== shown.join()) seen.push(shown);
  };
  new MutationObserver(note).observe(document.body, {attributes: true, childList: true, subtree: true});
  document.querySelector("nav button[lang=LANGUAGE]").click();
  globalThis.seen = [];
  note();
})()
"""


@pytest.fixture(params=Language, ids=lambda language: language.value)
def language(request):
    return request.param


@pytest.fixture
def shown(chromium, played, language):
    """Opens the page in a language; gives what it has shown since, having checked that each wording is the prompt's."""
    chromium.size(1080, 1920)
    played.free()
    chromium.open(played.kiosk_url)
    played.until(lambda: chromium.evaluate("document.readyState") == "complete", "the page is loaded")
    played.until(lambda: chromium.evaluate("document.body.dataset.prompt") == "show_code", "the page has heard of the gate")
    chromium.evaluate(WATCH.replace("LANGUAGE", language.value))

    def look(until):
        played.until(lambda: until.value in [prompt for prompt, *_ in chromium.evaluate("seen")], f"the page shows {until.value}")
        seen = chromium.evaluate("seen")
        assert all((lang, title) == (language.value, text(Prompt(prompt), language).title) for prompt, lang, title in seen), seen
        return [Prompt(prompt) for prompt, *_ in seen]

    return look


def in_order(wanted, seen):
    """Whether these came in this order; one that lasts milliseconds may be overtaken by the next before the page hears of it."""
    rest = iter(seen)
    return all(prompt in rest for prompt in wanted)


def test_a_whole_crossing(shown, played):
    record = played.crossing("a", "none")
    assert record["outcome"] == "completed", record
    prompts = shown(Prompt.STEP_OUT)
    assert in_order([Prompt.SHOW_CODE, Prompt.STEP_IN, Prompt.FINGER_AND_FACE, Prompt.STEP_OUT], prompts), prompts


def test_a_refusal_says_what_to_do_and_accuses_nobody(shown, played):
    assert played.crossing("b", "revoked")["reason"] == "pass_revoked"
    assert in_order([Prompt.SHOW_CODE, Prompt.GO_TO_COUNTER], shown(Prompt.GO_TO_COUNTER))


def test_an_emergency_and_its_end(shown, played):
    played.post("mishap", name="fire_alarm", on=True)
    assert shown(Prompt.EMERGENCY_EXIT)[-1] is Prompt.EMERGENCY_EXIT
    played.post("mishap", name="fire_alarm", on=False)

    def rearmed():
        try:
            return played.post("officer", action="rearm") == {}
        except AssertionError:  # not yet: the doors are still moving
            return False

    played.until(rearmed, "the lane is armed again")
    played.free()


def test_a_lost_daemon_closes_the_lane_and_its_return_opens_it(shown, played, chromium):
    played.post("crash")
    assert shown(Prompt.LANE_CLOSED)[-1] is Prompt.LANE_CLOSED
    played.until(lambda: chromium.evaluate("document.body.dataset.prompt") == "show_code", "the page has come back")
    played.free()


@pytest.mark.parametrize(
    ("size", "language"),
    [*(((1080, 1920), language) for language in Language), ((1280, 800), Language.PORTUGUESE)],  # Portuguese is the longest
    ids=lambda value: getattr(value, "value", str(value)),
)
def test_axe_finds_nothing_against_any_prompt(chromium, serve, eventually, size, language):
    served = serve()
    chromium.size(*size)
    chromium.open(served.server.kiosk_url)
    eventually(lambda: chromium.evaluate("document.readyState") == "complete" and chromium.evaluate("!!document.querySelector('h1')"), "the page is loaded")
    found = {}
    for prompt in Prompt:
        served.feed.publish("prompt", {"prompt": prompt.value, "region": "MO"})
        eventually(lambda prompt=prompt: chromium.evaluate("document.body.dataset.prompt") == prompt.value, f"the page shows {prompt.value}")
        chromium.evaluate(f"document.querySelector('nav button[lang={language.value}]').click()")
        if violations := chromium.violations():
            found[prompt.value] = violations
    assert found == {}
