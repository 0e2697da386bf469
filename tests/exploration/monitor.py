"""Judges the core's commands by what the core was told and has commanded before: a record of the world that never reads a flag of the core.

It knows the policy, hears every event before the core's answer, and every command of the answer in order. Its memory is small and finite, so that a
search can go through all of it. Does not judge texts, prompts or what the world really looks like (the lane's simulators do).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core.policy import BiometricRule, CrossingPolicy, LaneKind, PadRule
from gate_controller.core.values import BIOMETRICS, UNKNOWN_INPUTS, CheckOutcome, Device, Door, DoorPosition, LaneInputs, Modality, Occupancy, Outcome, TriState

NEEDED = frozenset({Device.IO_BOARD, Device.FINGERPRINT, Device.FACE_CAMERA, Device.JOURNAL})
"""Without these nobody is let through by the gate itself."""
NONE, READ, VERIFIED, ENROLLED, ORDERED, RECORDED, ADMITTED, HAND = range(8)
"""How far the one open crossing has come, by what was told and commanded. HAND: opened by an officer's act, for the record."""
NO_EMERGENCY, LATCHED, STANDS = range(3)
"""LATCHED: known from before a restart, and not re-armed since; the doors are shut. STANDS: reported to this process, and not re-armed since."""
NOTHING, DECIDED, AJAR, INTERRUPTED = 0, 1, 2, 4
"""Evidence of a way out, added up: the exit was ordered open on a decision; since then it was seen ajar; since then its beam was seen interrupted."""
SUCCESS = frozenset({CheckOutcome.SUCCESSFUL})
ONE_OR_MORE = frozenset({Occupancy.ONE, Occupancy.MANY})

MEMORY = {
    "inputs": UNKNOWN_INPUTS,  # as told last
    "steady": False,  # the counter has shown the same for long enough
    "someone": False,  # shown by the counter, and not yet shown to be gone
    "lost": frozenset(Device),
    "entry_open": 0.0,  # the hold of an opening that was ordered and neither ended nor ran out, in seconds
    "exit_open": 0.0,
    "called": False,  # an officer
    "emergency": NO_EMERGENCY,
    "engineer": False,  # has the lane
    "progress": NONE,
    "checking": frozenset(),  # what is being checked
    "good": frozenset(),  # checks whose first answer lets the exit open
    "exit_used": False,  # the exit was commanded open in this crossing
    "leaving": NOTHING,  # what was seen of the traveller's way out
    "biometrics": False,  # ordered to be prepared, not yet ended
    "lit": None,
}
OPENED = frozenset({DoorPosition.OPEN, DoorPosition.MOVING})
Must = Callable[[bool, str], None]


class BrokenInvariantError(AssertionError):
    """The monitor saw what must never be."""


class Monitor:
    """One lane's monitor."""

    __slots__ = ("doorless", "pad_passes", "policy", *MEMORY)

    def __init__(self, policy: CrossingPolicy) -> None:
        self.policy = policy
        self.doorless = policy.lane is LaneKind.SINGLE_DOOR
        """The entry is an opening: its door can neither open nor close, and whoever is inside can go back by it."""
        self.pad_passes = SUCCESS if policy.pad_rule is PadRule.REQUIRED else SUCCESS | {CheckOutcome.NOT_SUPPORTED}
        """Ends of presentation attack detection with which the exit may open: judged live, or where that is enough, not judged at all."""
        self.load(tuple(MEMORY.values()))

    def memory(self) -> tuple[Any, ...]:
        """All it remembers; `load` takes it back."""
        return (
            self.inputs,
            self.steady,
            self.someone,
            self.lost,
            self.entry_open,
            self.exit_open,
            self.called,
            self.emergency,
            self.engineer,
            self.progress,
            self.checking,
            self.good,
            self.exit_used,
            self.leaving,
            self.biometrics,
            self.lit,
        )

    def load(self, memory: tuple[Any, ...]) -> None:
        (
            self.inputs,
            self.steady,
            self.someone,
            self.lost,
            self.entry_open,
            self.exit_open,
            self.called,
            self.emergency,
            self.engineer,
            self.progress,
            self.checking,
            self.good,
            self.exit_used,
            self.leaving,
            self.biometrics,
            self.lit,
        ) = memory

    # -- what is told ----------------------------------------------------------------------------------------------------

    def counter_is_steady(self) -> None:
        """Time has passed: the counter has shown the same number for the policy's `stable_s`."""
        self.steady = True
        if self.inputs.occupancy is Occupancy.ZERO:
            self.someone = False

    def openings_run_out(self, before_s: float) -> None:
        """Time has passed: the board has ended by itself every opening with a hold shorter than this."""
        self.entry_open = 0.0 if self.entry_open < before_s else self.entry_open
        self.exit_open = 0.0 if self.exit_open < before_s else self.exit_open

    def hears(self, event: e.Event, mine: bool) -> None:
        """An event on its way to the core; `mine` when it is an answer for the open crossing."""
        match event:
            case e.InputsRead(inputs):
                self._see(inputs)
            case e.DeviceLost(device):
                self.lost |= {device}
                if device is Device.IO_BOARD:
                    self.entry_open = self.exit_open = 0.0  # ended by its own timer, or released first thing when it is back
                    self._see(UNKNOWN_INPUTS)
            case e.DeviceReady(device):
                self.lost -= {device}
            case e.PassVerified() if mine and self.progress == READ:
                self.progress = VERIFIED
            case e.EnrolmentFound(_, facts) if mine and self.progress == VERIFIED and facts.age_years >= self.policy.minimum_age:
                self.progress = ENROLLED
            case e.AdmissionRecorded() if mine and self.progress == ORDERED:
                self.progress = RECORDED
            case e.CheckEnded(_, modality, outcome, _) if mine and modality in self.checking:
                self.checking -= {modality}
                self.good |= {modality} if outcome in (self.pad_passes if modality is Modality.PAD else SUCCESS) else set()
            case e.CheckEnded(_, Modality.PAD, CheckOutcome.FAILED | CheckOutcome.UNDETERMINED, _) if mine:
                self.good -= {Modality.PAD}  # an alarm takes back what was judged live
            case e.StopRequested():
                self.engineer = False
            case e.Started(latched):
                self.emergency = LATCHED if latched is not None and latched.code == "emergency" else NO_EMERGENCY

    def _see(self, inputs: LaneInputs) -> None:
        if inputs.occupancy is not self.inputs.occupancy:
            self.steady = False
        self.someone |= inputs.occupancy in ONE_OR_MORE
        if inputs.emergency is TriState.ACTIVE:
            self.emergency, self.engineer = STANDS, False
        if self.doorless and inputs.entry_beam is not TriState.INACTIVE:
            self.good = frozenset()  # they may have gone, and somebody else come; unknown is never clear
        if self.leaving:
            self.leaving |= (AJAR if inputs.exit_door in OPENED else 0) | (INTERRUPTED if inputs.exit_beam is TriState.ACTIVE else 0)
        self.inputs = inputs

    # -- what is commanded -----------------------------------------------------------------------------------------------

    def judge(self, event: e.Event, commands: list[c.Command]) -> None:
        """Take the core's answer to `event`.

        Raises:
            BrokenInvariantError: naming the invariant by its id, or "order" for commands that make no sense after one another.
        """
        for command in commands:
            self._take(event, command)
        shut = any(isinstance(command, c.CloseDoor) and command.door is Door.EXIT for command in commands)
        if shut and self.inputs.exit_beam is not TriState.INACTIVE and not self.called:
            self.leaving = NOTHING  # shut upon whoever stands there: nobody knows on which side they are
        self.look_at_emergency()
        if isinstance(event, e.StopRequested) and event.now:
            self._must(self.progress == NONE, "INV-6: a forced stop left a crossing without a record")

    def look_at_emergency(self) -> None:
        """From its first reading to the re-arm, as long as the board works, the doors are under an order as the policy wants it.

        Raises:
            BrokenInvariantError: they are not.
        """
        if self.emergency == STANDS and Device.IO_BOARD not in self.lost:
            wanted = (self.policy.emergency_opens_entry and not self.doorless, self.policy.emergency_opens_exit)
            open_ones = (self.entry_open > 0.0, self.exit_open > 0.0)
            self._must(open_ones == wanted, "INV-5: an emergency is reported and the doors are not as the policy wants them")

    def _take(self, event: e.Event, command: c.Command) -> None:
        match command:
            case c.OpenDoor(door, hold_s, emergency=True):
                self._must(self.emergency == STANDS, "INV-5: a door was opened as in an emergency that nobody reported")
                self._must(
                    self.policy.emergency_opens_entry if door is Door.ENTRY else self.policy.emergency_opens_exit,
                    "INV-5: a door was opened in an emergency against the policy",
                )
                self._opened(door, hold_s)
            case c.OpenDoor(Door.ENTRY, hold_s):
                self._interlock(self.inputs.exit_door, self.exit_open > 0.0)
                if isinstance(event, e.AdmissionRecorded):
                    self._admission()
                else:
                    self._way_back(event)
                self._opened(Door.ENTRY, hold_s)
            case c.OpenDoor(Door.EXIT, hold_s):
                self._interlock(self.inputs.entry_door, self.entry_open > 0.0)
                self._must(isinstance(event, e.OfficerReleased) or self._positive(), "INV-2: the exit was released without a complete positive decision")
                self._opened(Door.EXIT, hold_s)
                self.exit_used = True
                if not isinstance(event, e.OfficerReleased):
                    self.leaving = DECIDED | (INTERRUPTED if self.inputs.exit_beam is TriState.ACTIVE else 0)
            case c.CloseDoor(Door.ENTRY):
                self.entry_open = 0.0
            case c.CloseDoor(Door.EXIT):
                self.exit_open = 0.0
            case c.VerifyPass():
                self._must(self.progress == NONE, "INV-6: a crossing began before the last one was recorded")
                self.progress = READ
            case c.FindEnrolment():
                self._must(self.progress == VERIFIED, "order: an enrolment was looked up for no verified pass")
            case c.RecordAdmission():
                self._must(self.progress == ENROLLED, "INV-8: an admission was ordered without pass and enrolment, or twice")
                self.progress = ORDERED
            case c.RecordCrossing(record):
                self._must(self.progress != NONE, "INV-6: a crossing was recorded twice, or never began")
                self._record(record)
                self.progress, self.checking, self.good, self.exit_used, self.leaving = NONE, frozenset(), frozenset(), False, NOTHING
            case c.PrepareBiometrics():
                if self.doorless:
                    self._admission()  # there is no door to open; the display says to step in
                self._must(self.progress == ADMITTED and not self.biometrics, "order: biometrics were prepared for nobody, or twice")
                self.biometrics = True
            case c.GatherPadEvidence():
                self._must(self.biometrics, "order: a face was to be watched of nobody")
            case c.StartCheck(_, modality):
                self._must(self.biometrics and modality not in self.checking, "order: a check was started without its reference, or twice")
                self.checking |= {modality}
            case c.EndBiometrics():
                self._must(self.biometrics, "order: biometrics were ended that were not begun")
                self.biometrics, self.checking, self.good = False, frozenset(), frozenset()
            case c.CallOfficer():
                self.called = True
            case c.EndOfficerCall():
                self._must(self.called, "order: a call was ended that nobody made")
                empty = self.inputs.occupancy is Occupancy.ZERO and self.steady
                self._must(empty or not self.engineer, "INV-4: an engineer's coming ended a call, and the chamber is not known to be empty")
                self.called = False
            case c.SetLamp(lamp, on):
                before = self.lit if self.lit is not None else frozenset()
                self.lit = before | {lamp} if on else before - {lamp}
            case c.NoteEvent(kind):
                self._note(event, kind)

    def _note(self, event: e.Event, kind: str) -> None:
        match kind:
            case "rearmed":
                gone = self.emergency == NO_EMERGENCY or (
                    self.inputs.emergency is TriState.INACTIVE and self.inputs.occupancy is Occupancy.ZERO and self.steady and Device.IO_BOARD not in self.lost
                )
                self._must(gone, "INV-5: re-armed while the emergency stands or the chamber is not verified empty")
                self.emergency = NO_EMERGENCY
                # The officer has looked: with a counter that gives no answer this is the word that nobody is inside.
                self._must(not (self.inputs.occupancy in ONE_OR_MORE and self.steady and self.called) or self.progress == NONE, "INV-4: re-armed over somebody")
                self.someone &= self.inputs.occupancy in ONE_OR_MORE
            case "maintenance_on":
                self.engineer = True
            case "maintenance_off":
                self.engineer = False
            case "officer_released" | "officer_returned":
                self._must(bool(getattr(event, "identity", "")) and bool(getattr(event, "reason", "")), "INV-2: an officer's act without identity and reason")
                self.progress = HAND if self.progress == NONE else self.progress
                self.leaving = NOTHING  # from here on it is the officer's crossing, and never completed

    def _interlock(self, other: DoorPosition, other_commanded: bool) -> None:
        self._must(other is DoorPosition.CLOSED and not other_commanded, "INV-1: a door was commanded open while the other is not confirmed closed")
        self._must(self.inputs.emergency is not TriState.ACTIVE, "INV-5: a door was opened as if there were no emergency")
        self._must(Device.IO_BOARD not in self.lost, "INV-3: a door was commanded while the I/O board is lost")

    def _admission(self) -> None:
        self._must(self.progress == RECORDED, "INV-8: the entry was opened before the admission was recorded, or twice for one")
        seen = self.inputs
        known = (
            seen.entry_door is DoorPosition.CLOSED
            and seen.exit_beam is TriState.INACTIVE
            and seen.emergency is TriState.INACTIVE
            and seen.tamper is TriState.INACTIVE
            and TriState.UNKNOWN is not seen.entry_beam
        )
        self._must(known and not self.lost, "INV-3: somebody was admitted while not everything is known and working")
        self._must(seen.occupancy is Occupancy.ZERO and self.steady, "INV-3: somebody was admitted to a chamber that is not known to be empty")
        self.progress = ADMITTED

    def _way_back(self, event: e.Event) -> None:
        self._must(self.progress in {ADMITTED, HAND}, "INV-2: the entry was opened for nobody")
        officer = isinstance(event, e.OfficerReturned)
        self._must(officer or not self.exit_used, "INV-4: the way back was opened though the exit had been, and no officer said so")

    def _positive(self) -> bool:
        rule, matched = self.policy.biometric_rule, self.good - {Modality.PAD}
        met = len(matched) == len(BIOMETRICS) if rule is BiometricRule.BOTH else bool(matched) and rule is BiometricRule.EITHER
        seen = self.inputs
        return (
            self.progress == ADMITTED
            and met
            and Modality.PAD in self.good
            and seen.occupancy is Occupancy.ONE
            and self.steady
            and seen.entry_door is DoorPosition.CLOSED
            and seen.exit_door is DoorPosition.CLOSED
            and TriState.UNKNOWN not in {seen.entry_beam, seen.exit_beam}
            and (seen.emergency, seen.tamper) == (TriState.INACTIVE, TriState.INACTIVE)
            and self.emergency == NO_EMERGENCY
            and not self.lost & NEEDED
        )

    def _record(self, record: c.CrossingRecord) -> None:
        admitted = self.progress == ADMITTED
        self._must(record.admitted == admitted, "INV-6: the record does not tell whether somebody was admitted")
        match record.outcome:
            case Outcome.COMPLETED:
                told = record.verified and record.exited
                self._must(admitted and told and self.leaving == DECIDED | AJAR | INTERRUPTED, "INV-6: recorded as completed without the evidence")
                seen = self.inputs
                shut = (seen.entry_door, seen.exit_door) == (DoorPosition.CLOSED, DoorPosition.CLOSED) and seen.exit_beam is TriState.INACTIVE
                self._must(
                    record.chamber_empty and shut and seen.occupancy is Occupancy.ZERO and self.steady, "INV-6: completed with the chamber not empty and shut"
                )
            case Outcome.REFUSED:
                self._must(not admitted, "INV-6: refused after the entry was opened")
            case Outcome.RELEASED_BY_OFFICER:
                self._must(record.officer is not None, "INV-2: released by an officer without a name")
        self._must((record.reason is None) == (record.outcome is Outcome.COMPLETED), "INV-6: an outcome without its reason")

    def _opened(self, door: Door, hold_s: float) -> None:
        taken = hold_s if Device.IO_BOARD not in self.lost else 0.0  # what is sent to a board that is lost is never carried out
        if door is Door.ENTRY:
            self._must(not self.doorless, "order: a door was commanded that the lane has not")
            self.entry_open = taken
        else:
            self.exit_open = taken

    # -- who is helped (INV-4) -----------------------------------------------------------------------------------------------

    def occupied(self) -> bool:
        """Somebody was shown to be inside and not yet shown to be gone, or was let in and is not accounted for."""
        return self.someone or self.progress == ADMITTED

    def helped(self) -> bool:
        """An officer is called or an engineer there, or a door is under an order to open that has not run out; where the entry has no door, it is."""
        return self.called or self.engineer or self.entry_open > 0.0 or self.exit_open > 0.0 or self.doorless

    @staticmethod
    def _must(holds: bool, what: str) -> None:
        if not holds:
            raise BrokenInvariantError(what)
