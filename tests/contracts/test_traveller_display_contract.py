"""What every TravellerDisplay keeps to: each prompt reaches what it shows on, in order, and no failure reaches whoever shows it."""

import io
import threading

import pytest
import structlog

from gate_controller.control.displays import BackgroundDisplay, ConsoleDisplay, FanOutDisplay, FeedDisplay
from gate_controller.control.texts import Language, text
from gate_controller.core.prompts import Prompt

PATIENCE_S = 30.0
PROMPTS = list(Prompt)


class Lines:
    """A console; fails when it is unplugged."""

    def __init__(self):
        self.stream = io.StringIO()
        self.display = ConsoleDisplay(self.stream, Language.ENGLISH, prefix="")
        self._wordings = {f"{wording.title} - {wording.detail}": prompt for prompt in Prompt for wording in [text(prompt, Language.ENGLISH)]}

    def shown(self):
        return [self._wordings[line] for line in self.stream.getvalue().splitlines()]


class Events:
    """The event feed."""

    def __init__(self):
        self.events = []
        self.display = FeedDisplay(self)

    def publish(self, kind, fields):
        self.events.append((kind, fields))

    def shown(self):
        assert {kind for kind, _ in self.events} <= {"prompt"}
        return [Prompt(fields["prompt"]) for _, fields in self.events]


class Several:
    """A console and the feed; both must have shown the same."""

    def __init__(self):
        self.parts = [Lines(), Events()]
        self.display = FanOutDisplay(*(part.display for part in self.parts))

    def shown(self):
        first, second = (part.shown() for part in self.parts)
        assert first == second
        return first


class Background:
    """A console behind a thread; looks only once everything that waits was shown."""

    def __init__(self):
        self.console = Lines()
        self.display = BackgroundDisplay(self.console.display, depth=len(PROMPTS) + 1)  # and the end

    def shown(self):
        self.close()
        return self.console.shown()

    def close(self):
        self.display.close(PATIENCE_S)


@pytest.fixture(params=[Lines, Events, Several, Background])
def screen(request):
    screen = request.param()
    yield screen
    getattr(screen, "close", lambda: None)()


def test_every_prompt_is_shown_in_order(screen):
    for prompt in PROMPTS:
        screen.display.show(prompt)
    assert screen.shown() == PROMPTS


def test_a_prompt_given_again_is_shown_again(screen):
    # A display that was switched off meanwhile must show it, too.
    for prompt in (Prompt.STEP_IN, Prompt.LOOK_HERE, Prompt.STEP_IN, Prompt.STEP_IN):
        screen.display.show(prompt)
    assert screen.shown() == [Prompt.STEP_IN, Prompt.LOOK_HERE, Prompt.STEP_IN, Prompt.STEP_IN]


def test_two_prompts_never_look_alike():
    # Else the order above would prove less than it says.
    assert len({text(prompt, Language.ENGLISH) for prompt in Prompt}) == len(PROMPTS)


# ----- displays that hold others up or fail: what the gate hands its prompts to


class Broken:
    """Fails at some prompts, and remembers those it was asked to show."""

    def __init__(self, *failing):
        self.asked = []
        self._failing = failing

    def show(self, prompt):
        self.asked.append(prompt)
        if prompt in self._failing:
            raise OSError("unplugged")


class Stuck:
    """Blocks until it is let go."""

    def __init__(self):
        self.entered = threading.Event()
        self.go = threading.Event()
        self.shown = []

    def show(self, prompt):
        self.entered.set()
        assert self.go.wait(PATIENCE_S)
        self.shown.append(prompt)


GUARDS = {"fan-out": FanOutDisplay, "background": BackgroundDisplay}


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
def test_a_failure_reaches_nobody_and_the_next_prompt_is_tried_again(guard):
    broken = Broken(Prompt.STEP_IN)
    with structlog.testing.capture_logs() as logs:
        display = guard(broken)
        for prompt in (Prompt.STEP_IN, Prompt.STEP_IN, Prompt.LOOK_HERE):
            display.show(prompt)
        getattr(display, "close", lambda _limit: None)(PATIENCE_S)
    assert broken.asked == [Prompt.STEP_IN, Prompt.STEP_IN, Prompt.LOOK_HERE]
    assert [entry["display"] for entry in logs] == ["Broken"]


def test_a_hanging_and_a_failing_display_keep_no_prompt_from_the_others():
    stuck, broken, feed = Stuck(), Broken(*Prompt), Events()
    background = BackgroundDisplay(stuck, depth=2)
    display = FanOutDisplay(background, broken, feed.display)
    with structlog.testing.capture_logs():
        display.show(PROMPTS[0])
        assert stuck.entered.wait(PATIENCE_S)
        for prompt in PROMPTS[1:]:
            display.show(prompt)
        assert feed.shown() == broken.asked == PROMPTS
        assert stuck.shown == []
        stuck.go.set()
        background.close(PATIENCE_S)
    # Some were dropped while it hung: never the newest, and never the order.
    assert (stuck.shown[0], stuck.shown[-1]) == (PROMPTS[0], PROMPTS[-1])
    assert stuck.shown == sorted(stuck.shown, key=PROMPTS.index)
