"""What each prompt says, in the four languages; read from the file that the kiosk page reads.

Does not choose a language and does not show anything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import resources

from gate_controller.core.prompts import Prompt


class Language(Enum):
    """A language of the lane, as its BCP 47 tag."""

    TRADITIONAL_CHINESE = "zh-Hant"
    SIMPLIFIED_CHINESE = "zh-Hans"
    PORTUGUESE = "pt"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Text:
    """What one prompt says in one language: the instruction, and one line that helps to follow it."""

    title: str
    detail: str


def text(prompt: Prompt, language: Language) -> Text:
    """What `prompt` says in `language`."""
    return _texts()[prompt, language]


@cache
def _texts() -> dict[tuple[Prompt, Language], Text]:
    table = json.loads(resources.files("gate_controller.control").joinpath("static", "prompts.json").read_text(encoding="utf-8"))
    return {(prompt, language): Text(*table[prompt.value][language.value]) for prompt in Prompt for language in Language}
