"""What rows order of the traveller's display. One prompt stands until the next.

Does not choose words or pictures: a prompt is a name, and the display knows what to show for it.
"""

from __future__ import annotations

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.why import Why


class DisplayActions(Why):
    """The actions that show something, and the commands collected so far."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type] # handed on as they are
        self.out: list[c.Command] = []
        self._row_reason: Reason | None = Reason.STARTING
        self._prompt: Prompt | None = None

    def show_refusal(self) -> None:
        """Keep the refusal on the display for a while."""
        self.refusal = self._row_reason

    def show_ready(self) -> None:
        """Invite the next traveller, or tell the last one why not."""
        if self.expired("refusal_shown"):
            self.refusal = None
        self._show(self.refusal.prompt if self.refusal else Prompt.SHOW_CODE)

    def show_progress(self) -> None:
        """A running check has something to tell."""
        if isinstance(self.event, e.CheckProgressed):
            self._show(self.event.prompt)

    def show_reason(self) -> None:
        """Tell what the reason tells."""
        self._show(self.reason.prompt if self.reason else Prompt.LANE_CLOSED)

    def show_closed(self) -> None:
        """The lane is closed, or just starting."""
        self._show(Prompt.STARTING if self.reason is Reason.STARTING else Prompt.LANE_CLOSED)

    def show_checking(self) -> None:
        """The code is being checked."""
        self._show(Prompt.CHECKING_CODE)

    def show_step_in(self) -> None:
        """Come in."""
        self._show(Prompt.STEP_IN)

    def show_wait_inside(self) -> None:
        """Wait a moment."""
        self._show(Prompt.WAIT_INSIDE)

    def show_finger_and_face(self) -> None:
        """Finger and face."""
        self._show(Prompt.FINGER_AND_FACE)

    def show_step_out(self) -> None:
        """Go out."""
        self._show(Prompt.STEP_OUT)

    def show_go_back(self) -> None:
        """Go back; one at a time, if that was the reason."""
        self._show(Prompt.ONE_AT_A_TIME if self.reason is Reason.TAILGATING else Prompt.GO_BACK)

    def show_wait_for_officer(self) -> None:
        """Somebody is coming."""
        self._show(Prompt.WAIT_FOR_OFFICER)

    def _show(self, prompt: Prompt) -> None:
        if prompt is not self._prompt:
            self._prompt = prompt
            self.out.append(c.ShowPrompt(prompt))

    @property
    def prompt(self) -> Prompt | None:
        """What the display shows."""
        return self._prompt
