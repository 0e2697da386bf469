"""Says each prompt aloud, with speech-dispatcher (spd-say) or espeak-ng, whichever is there.

The newest prompt counts: it cuts off what is still being said. A program that is missing, fails or hangs is logged once and holds nobody up. Brings no
voices and chooses no sound device: both are the speech program's.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from gate_controller.control.texts import Language, text
from gate_controller.core.prompts import Prompt

log = structlog.get_logger("gate.control")

SAY_LIMIT_S = 15.0
CANCEL_LIMIT_S = 1.0
VOICES = {Language.TRADITIONAL_CHINESE: "yue", Language.SIMPLIFIED_CHINESE: "cmn", Language.PORTUGUESE: "pt", Language.ENGLISH: "en"}
"""BCP 47 tags of what is spoken: those who read traditional characters at these borders speak Cantonese, the others Mandarin."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A speech program.

    Attributes:
        say: Its command but for language and text.
        language: The option that names the language.
        cancel: What silences it besides ending the command; empty when that is enough.
    """

    say: tuple[str, ...]
    language: str
    cancel: tuple[str, ...] = ()

    def command(self, language: Language, words: str) -> tuple[str, ...]:
        """The command that says `words` and ends when they are said."""
        return (*self.say, self.language, VOICES[language], "--", words)


def find_speaker(which: Callable[[str], str | None] = shutil.which) -> Speaker | None:
    """The speech program of this machine, or None."""
    if program := which("spd-say"):
        return Speaker((program, "--wait"), "--language", (program, "--cancel"))
    if program := which("espeak-ng"):
        return Speaker((program,), "-v")
    return None


class VoiceDisplay:
    """A TravellerDisplay that speaks, on a thread of its own.

    Args:
        languages: In which languages each prompt is said, one after the other.
        speaker: The program; None is silent, and says so once in the log.
    """

    def __init__(self, languages: Sequence[Language], speaker: Speaker | None) -> None:
        self._languages = tuple(languages)
        self._speaker = speaker
        self._changed = threading.Condition()
        self._prompt: Prompt | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = False
        self._failing: set[Language] = set()
        if speaker is None:
            log.warning("no voice: neither spd-say nor espeak-ng is installed", remedy="install speech-dispatcher or espeak-ng, or leave [kiosk] voice empty")
        self._thread = threading.Thread(target=self._run, name="voice", daemon=True)
        self._thread.start()

    def show(self, prompt: Prompt) -> None:
        """See TravellerDisplay; returns at once."""
        with self._changed:
            self._prompt = prompt
            self._hush()
            self._changed.notify_all()

    def close(self, timeout_s: float = 2.0) -> None:
        """Fall silent; a program that does not end is left behind after `timeout_s`."""
        with self._changed:
            self._closing = True
            self._hush()
            self._changed.notify_all()
        self._thread.join(timeout_s)

    def _hush(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._prompt is not None or self._closing)
                if self._closing:
                    return
                prompt, self._prompt = self._prompt, None
            if prompt is None or self._speaker is None:
                continue
            for language in self._languages:
                if not self._say(self._speaker, language, prompt):
                    break

    def _say(self, speaker: Speaker, language: Language, prompt: Prompt) -> bool:
        """Say it; False when it was cut off."""
        wording = text(prompt, language)
        try:
            with self._changed:
                if self._prompt is not None or self._closing:
                    return False
                self._process = _start(speaker.command(language, f"{wording.title}. {wording.detail}."))
            code = self._process.wait(SAY_LIMIT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            self._note(language, type(error).__name__)
            return True
        finally:
            with self._changed:
                process, self._process = self._process, None
                if process is not None and process.poll() is None:
                    process.kill()
                    process.wait()
        if code < 0:  # cut off
            if speaker.cancel:
                with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                    _start(speaker.cancel).wait(CANCEL_LIMIT_S)
            return False
        self._note(language, f"exit code {code}" if code else None)
        return True

    def _note(self, language: Language, failure: str | None) -> None:
        if failure is None:
            self._failing.discard(language)
        elif language not in self._failing:
            self._failing.add(language)
            log.warning("the voice fails", language=language.value, failure=failure, remedy="try spd-say or espeak-ng in this language as the daemon's user")


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command
