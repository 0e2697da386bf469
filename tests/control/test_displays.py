"""Displays and their texts."""

import io
import json
import threading
from importlib import resources

import pytest
import structlog

from gate_controller.control.displays import BackgroundDisplay, ConsoleDisplay, FanOutDisplay, FeedDisplay
from gate_controller.control.texts import Language, text
from gate_controller.core.prompts import Prompt

TABLE = json.loads(resources.files("gate_controller.control").joinpath("static", "prompts.json").read_text(encoding="utf-8"))
TRADITIONAL_ONLY = set("請進閉鏡頭門關機對準掃後過職員櫃檯為緊況離開內碼現額維將並時獲識齊隨紋")
SIMPLIFIED_ONLY = set("请进闭镜头门关机对扫过职员柜为紧况离开内码现额维将时获识齐随纹带")


class Recording:
    def __init__(self):
        self.shown = []

    def show(self, prompt):
        self.shown.append(prompt)


class Failing:
    def __init__(self):
        self.failing = True

    def show(self, prompt):
        if self.failing:
            raise OSError("unplugged")


class Hanging:
    """Blocks in its first prompt until it is let go."""

    def __init__(self):
        self.shown = []
        self.entered = threading.Event()
        self.go = threading.Event()

    def show(self, prompt):
        self.entered.set()
        assert self.go.wait(30)
        self.shown.append(prompt)


class Sink:
    def __init__(self):
        self.events = []

    def publish(self, kind, fields):
        self.events.append((kind, fields))


@pytest.mark.parametrize("prompt", Prompt)
@pytest.mark.parametrize("language", Language)
def test_every_prompt_has_a_short_text_in_every_language(prompt, language):
    wording = text(prompt, language)
    chinese = language in {Language.TRADITIONAL_CHINESE, Language.SIMPLIFIED_CHINESE}
    for line, limit in ((wording.title, 10 if chinese else 32), (wording.detail, 14 if chinese else 40)):
        assert 0 < len(line) <= limit
        assert line == line.strip()
        assert any("\u4e00" <= character <= "\u9fff" for character in line) == chinese


def test_the_two_chinese_scripts_are_not_mixed_up():
    simplified = "".join("".join(entry["zh-Hans"]) for entry in TABLE.values())
    traditional = "".join("".join(entry["zh-Hant"]) for entry in TABLE.values())
    assert not set(simplified) & TRADITIONAL_ONLY
    assert not set(traditional) & SIMPLIFIED_ONLY


def test_the_table_holds_the_prompts_of_the_core_and_nothing_else():
    assert set(TABLE) == {prompt.value for prompt in Prompt}
    assert all(set(entry) == {"tone", "picture"} | {language.value for language in Language} for entry in TABLE.values())


def test_a_traveller_is_never_told_what_the_gate_suspects():
    words = json.dumps(TABLE, ensure_ascii=False).lower()
    for word in ("attack", "fake", "fraud", "mismatch", "match", "suspect", "ataque", "fraude", "suspeit", "偽", "伪", "假", "不符", "嫌"):
        assert word not in words


def test_the_console_prints_one_line_a_prompt():
    stream = io.StringIO()
    display = ConsoleDisplay(stream, Language.PORTUGUESE, prefix="ecrã: ")
    display.show(Prompt.STEP_IN)
    assert stream.getvalue() == "ecrã: Entre - Só uma pessoa\n"


def test_a_console_without_the_characters_still_prints():
    raw = io.BytesIO()
    display = ConsoleDisplay(io.TextIOWrapper(raw, encoding="ascii"), Language.TRADITIONAL_CHINESE)
    display.show(Prompt.STEP_IN)
    assert raw.getvalue() == b"display: ??? - ????\n"


def test_the_feed_gets_the_prompts_name():
    sink = Sink()
    FeedDisplay(sink).show(Prompt.LOOK_HERE)
    assert sink.events == [("prompt", {"prompt": "look_here"})]


def test_one_failing_display_affects_no_other_and_is_logged_once_a_failure():
    before, failing, after = Recording(), Failing(), Recording()
    display = FanOutDisplay(before, failing, after)
    with structlog.testing.capture_logs() as logs:
        display.show(Prompt.STEP_IN)
        display.show(Prompt.STEP_OUT)
        failing.failing = False
        display.show(Prompt.GO_BACK)
        failing.failing = True
        display.show(Prompt.LOOK_HERE)
    assert before.shown == after.shown == [Prompt.STEP_IN, Prompt.STEP_OUT, Prompt.GO_BACK, Prompt.LOOK_HERE]
    assert len(logs) == 2


def test_a_hanging_display_holds_nobody_up_and_shows_the_newest_when_it_is_back():
    hanging, other = Hanging(), Recording()
    background = BackgroundDisplay(hanging, depth=2)
    display = FanOutDisplay(background, other)
    display.show(Prompt.SHOW_CODE)
    assert hanging.entered.wait(30)
    prompts = [Prompt.STEP_IN, Prompt.WAIT_INSIDE, Prompt.LOOK_HERE, Prompt.STEP_OUT]
    for prompt in prompts:
        display.show(prompt)
    assert other.shown == [Prompt.SHOW_CODE, *prompts]
    hanging.go.set()
    background.close(30)
    assert hanging.shown[0] is Prompt.SHOW_CODE
    assert hanging.shown[-1] is Prompt.STEP_OUT


def test_a_background_display_survives_a_failure():
    failing = Failing()
    background = BackgroundDisplay(failing)
    with structlog.testing.capture_logs() as logs:
        background.show(Prompt.STEP_IN)
        background.close(30)
    assert len(logs) == 1
