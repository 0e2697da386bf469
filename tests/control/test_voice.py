"""The voice: says the newest prompt in its languages, and neither a missing nor a failing nor a hanging program holds anybody up."""

import sys
import threading

import pytest
import structlog

from gate_controller.control.texts import Language, text
from gate_controller.control.voice import VOICES, Speaker, VoiceDisplay, find_speaker
from gate_controller.core.prompts import Prompt

PATIENCE_S = 30.0
BOTH = (Language.TRADITIONAL_CHINESE, Language.ENGLISH)


@pytest.fixture
def said(tmp_path):
    """A speech program that writes down what it is told; the words name what it does besides."""
    heard = tmp_path / "heard"
    heard.touch()
    script = f"import sys, time; open({str(heard)!r}, 'a').write('|'.join(sys.argv[1:]) + chr(10)); MORE"

    def speaker(more="pass"):
        return Speaker((sys.executable, "-c", script.replace("MORE", more)), "-v")

    speaker.lines = lambda: heard.read_text(encoding="utf-8").splitlines()
    return speaker


def line(language, prompt):
    words = text(prompt, language)
    return f"-v|{VOICES[language]}|--|{words.title}. {words.detail}."


def test_a_prompt_is_said_in_each_language(said, eventually):
    voice = VoiceDisplay(BOTH, said())
    voice.show(Prompt.STEP_IN)
    eventually(lambda: len(said.lines()) == 2, "both languages are said")
    voice.close(PATIENCE_S)
    assert said.lines() == [line(language, Prompt.STEP_IN) for language in BOTH]


def test_an_emergency_cuts_off_what_is_being_said(said, eventually):
    voice = VoiceDisplay(BOTH, said("time.sleep(600 if 'Place' in sys.argv[-1] or '指紋' in sys.argv[-1] else 0)"))
    voice.show(Prompt.PLACE_FINGER)
    eventually(said.lines, "it begins to speak")
    voice.show(Prompt.EMERGENCY_EXIT)
    eventually(lambda: len(said.lines()) == 3, "the emergency is said")
    voice.close(PATIENCE_S)
    assert said.lines() == [line(BOTH[0], Prompt.PLACE_FINGER), *(line(language, Prompt.EMERGENCY_EXIT) for language in BOTH)]


def test_a_program_that_hangs_holds_nobody_up_and_ends_with_the_daemon(said, eventually):
    voice = VoiceDisplay(BOTH, said("time.sleep(600)"))
    for prompt in Prompt:
        voice.show(prompt)  # returns at once: nothing here waits for the program
    eventually(said.lines, "it speaks")
    voice.close(PATIENCE_S)
    assert "voice" not in {thread.name for thread in threading.enumerate()}


def test_a_failing_language_is_logged_once_and_the_other_is_said(said, eventually):
    fails = said("sys.exit('yue' in sys.argv)")
    with structlog.testing.capture_logs() as logs:
        voice = VoiceDisplay(BOTH, fails)
        for count, prompt in enumerate((Prompt.STEP_IN, Prompt.STEP_OUT), 1):
            voice.show(prompt)
            eventually(lambda count=count: len(said.lines()) == 2 * count, "both are tried")
        voice.close(PATIENCE_S)
    assert [(entry["event"], entry["language"]) for entry in logs] == [("the voice fails", "zh-Hant")]


@pytest.mark.parametrize(("speaker", "wanted"), [(None, 1), (Speaker(("/nowhere/spd-say",), "-l"), 2)])
def test_a_missing_program_is_logged_and_nothing_else(speaker, wanted, eventually):
    with structlog.testing.capture_logs() as logs:
        voice = VoiceDisplay(BOTH, speaker)
        for prompt in (Prompt.STEP_IN, Prompt.STEP_OUT):
            voice.show(prompt)
            eventually(lambda: len(logs) == wanted, "it is logged")
        voice.close(PATIENCE_S)
    assert len(logs) == wanted


def test_speech_dispatcher_is_preferred_and_nothing_is_found_where_nothing_is():
    assert find_speaker(lambda name: f"/bin/{name}") == Speaker(("/bin/spd-say", "--wait"), "--language", ("/bin/spd-say", "--cancel"))
    assert find_speaker({"espeak-ng": "/bin/espeak-ng"}.get) == Speaker(("/bin/espeak-ng",), "-v")
    assert find_speaker({}.get) is None


def test_no_prompt_looks_like_an_option():
    assert Speaker(("espeak-ng",), "-v").command(Language.ENGLISH, "-w /tmp/x")[-2:] == ("--", "-w /tmp/x")
