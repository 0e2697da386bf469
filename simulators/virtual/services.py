"""What a traveller shows, and the biometric devices as the core experiences them: answers after a latency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import CheckOutcome, Device, EnrolmentFacts, Modality, PassFacts
from simulators.virtual.agenda import Agenda
from simulators.virtual.profile import Profile

CHECK_MARGIN_S = 1.0
"""A check answers so long before the core gives up waiting for it, as the real workers do."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """What a phone shows, and the truth about it.

    Attributes:
        text: The code; unique.
        holder: Name of the person whom the pass belongs to.
        facts: What a verifier that accepts it tells.
        enrolment: The holder's enrolment; None when there is none.
        refused: Why it must not be accepted; None when it is good.
        by_enrolment: It is the enrolment that must be refused; the pass itself verifies.
    """

    text: str
    holder: str
    facts: PassFacts
    enrolment: EnrolmentFacts | None
    refused: Reason | None = None
    by_enrolment: bool = False


AFTER_FACE_S = 0.1
"""That no face was seen is told before that none could be judged."""
NOTHING_SEEN = {
    Modality.FINGERPRINT: Reason.FINGERPRINT_NOT_CAPTURED,
    Modality.FACE: Reason.FACE_NOT_CAPTURED,
    Modality.PAD: Reason.PAD_UNDETERMINED,
}
"""Why a check ends that saw nothing in its time."""

Look = Callable[[Modality], tuple[CheckOutcome, Reason | None] | None]
"""What a biometric device would find now; None while there is nothing before it."""


class Biometrics:
    """Fingerprint reader and face camera: look again and again until there is something to decide on, or the time is over.

    Attributes:
        lost: Devices that are unplugged.
        judge: Whether presentation attack detection gives anything; the face was watched since the entry opened, so it answers soon.
    """

    def __init__(self, agenda: Agenda, rng: Random, profile: Profile, look: Look, post: Callable[[e.Event], object]) -> None:
        self._agenda = agenda
        self._rng = rng
        self._latency = {Modality.FINGERPRINT: profile.finger_latency, Modality.FACE: profile.face_latency, Modality.PAD: profile.pad_latency}
        self._look = look
        self._post = post
        self._run = 0
        self.lost: dict[Device, None] = {}
        self.judge = True

    def detach(self) -> None:
        """The process died, or the checks are over."""
        self._run += 1

    def submit(self, command: c.Command) -> None:
        """Start a check, or end all."""
        if isinstance(command, c.EndBiometrics):
            self._run += 1
        elif isinstance(command, c.StartCheck):
            until = self._agenda.now + max(command.timeout_s - CHECK_MARGIN_S, command.timeout_s / 2)
            if command.modality is Modality.PAD:
                until += AFTER_FACE_S
            self._agenda.after(self._latency[command.modality].draw(self._rng), self._attempt, self._run, command, until)

    def lose(self, device: Device) -> None:
        """A device is unplugged; its check never ends."""
        if device not in self.lost:
            self.lost[device] = None
            self._post(e.DeviceLost(device, "absent"))

    def find_again(self, device: Device) -> None:
        """It is back."""
        if device in self.lost:
            del self.lost[device]
            self._post(e.DeviceReady(device))

    def _attempt(self, run: int, check: c.StartCheck, until: float) -> None:
        device = Device.FINGERPRINT if check.modality is Modality.FINGERPRINT else Device.FACE_CAMERA
        if run != self._run or device in self.lost:
            return
        judged = check.modality is Modality.PAD
        found = (CheckOutcome.NOT_SUPPORTED, Reason.PAD_NOT_PERFORMED) if judged and not self.judge else self._look(check.modality)
        if found is None and self._agenda.now < until:
            if not judged:
                wanted = Prompt.PLACE_FINGER if check.modality is Modality.FINGERPRINT else Prompt.LOOK_HERE
                self._post(e.CheckProgressed(check.crossing_id, check.modality, wanted))
            self._agenda.after(min(1.5, until - self._agenda.now), self._attempt, run, check, until)
            return
        outcome, reason = found or (CheckOutcome.UNDETERMINED, NOTHING_SEEN[check.modality])
        self._post(e.CheckEnded(check.crossing_id, check.modality, outcome, reason))
