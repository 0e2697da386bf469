"""Every act through the control socket on record: who (uid), in which role, what, why, and how it ended.

Acts that were carried out are always noted. Those that were denied or refused are noted, too, but only so many of one user in a time: else anybody who
can connect could fill the disk, and a full disk closes the lane. What was left out is counted in that user's next note.

Identity and reason go into the gate's journal and nowhere else; the log gets act, uid, role and outcome.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import structlog

from gate_controller.control.accounts import Accounts
from gate_controller.control.roles import Caller, Role
from gate_controller.ports.clock import Clock
from gate_controller.ports.control import GateControl

NOTE = "control_act"
DONE, REFUSED, DENIED, FAILED, UNKNOWN = "done", "refused", "denied", "failed", "unknown"
BURST = 20
REFILL_S = 6.0
USERS = 64
"""Users whose refused acts are counted apart; beyond them all share one count."""
log = structlog.get_logger("gate.control")


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody asks of the gate.

    Attributes:
        name: What, e.g. "officer.release"; never text that the caller chose.
        caller: Who.
        role: The role that allows it; None: none does.
        identity: Who acts, as they say.
        reason: Why, as they say.
    """

    name: str
    caller: Caller
    role: Role | None
    identity: str = ""
    reason: str = ""


@dataclass(slots=True)
class _Allowance:
    left: float
    at: float
    omitted: int = 0


class ActLog:
    """Notes acts; for several threads.

    Args:
        gate: Whose journal takes the notes.
        clock: The gate's clocks.
    """

    def __init__(self, gate: GateControl, clock: Clock) -> None:
        self._gate = gate
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts = Accounts()
        self._allowances: dict[int, _Allowance] = {}

    def note(self, act: Act, outcome: str) -> None:
        """Note how an act ended; returns once it is written, or kept because the journal is lost.

        Raises:
            GateError: The gate does not take the note.
        """
        omitted = self._omitted(act.caller.uid, counts=outcome in {REFUSED, DENIED})
        if omitted is None:
            return
        fields = {
            "act": act.name,
            "identity": act.identity or f"uid {act.caller.uid}",
            "omitted": str(omitted),
            "outcome": outcome,
            "reason": act.reason,
            "role": act.role.value if act.role is not None else "",
            "uid": str(act.caller.uid),
        }
        (log.info if outcome == DONE else log.warning)("act", act=act.name, uid=act.caller.uid, role=fields["role"], outcome=outcome, omitted=omitted)
        self._gate.note(NOTE, fields)

    def _omitted(self, uid: int, *, counts: bool) -> int | None:
        """How many notes of this user were left out before this one; None: this one is, too."""
        with self._lock:
            now = self._clock.monotonic()
            uid = self._accounts.account(uid) or 0
            key = uid if uid in self._allowances or len(self._allowances) < USERS else -1
            mine = self._allowances.setdefault(key, _Allowance(BURST, now))
            mine.left = min(BURST, mine.left + (now - mine.at) / REFILL_S)
            mine.at = now
            if counts and mine.left < 1:
                mine.omitted += 1
                return None
            mine.left -= counts
            omitted, mine.omitted = mine.omitted, 0
            return omitted
