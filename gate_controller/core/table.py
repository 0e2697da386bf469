"""The crossing, row by row: on TRIGGER in STATE, if all guards hold, do ACTIONS and go to NEXT STATE.

How to read it. Rows of one state and trigger are tried from top to bottom; the first whose guards hold is taken. `evaluate` is
tried after every event and every deadline, again and again until no row holds. A row without a next state stays where it is.
Guards are methods of `guards.Guards`, actions of `actions.Actions`. A row with an outcome fixes how the crossing will be recorded;
a row with a reason says why the next state was entered. A reason in quotes is asked of the facts at that moment (`why.Why`).

What each state does when it is entered (lamps, prompts, doors to close, checks to start) stands in `actions.ENTER`; its deadlines in
`states.DEADLINES`. This module holds no logic.
"""

from __future__ import annotations

from dataclasses import dataclass

from gate_controller.core.reasons import Reason
from gate_controller.core.states import State
from gate_controller.core.values import Outcome


@dataclass(frozen=True, slots=True)
class Row:
    """One transition.

    Attributes:
        trigger: Name of the event's trigger, or "evaluate".
        sources: States it applies in.
        target: Next state; None stays without entering again.
        when: Guards that must all hold; a leading "!" negates.
        do: Actions, before the next state is entered.
        outcome: Fixes the crossing's outcome (with `reason`).
        reason: Why; a string names a method of `why.Why` that gives it.
    """

    trigger: str
    sources: tuple[State, ...]
    target: State | None
    when: tuple[str, ...] = ()
    do: tuple[str, ...] = ()
    outcome: Outcome | None = None
    reason: Reason | str | None = None


S, O, R = State, Outcome, Reason  # noqa: E741 - the table is read by column, short names keep it one line a row
EVALUATE = "evaluate"
NOT_EMERGENCY = tuple(state for state in State if state is not State.EMERGENCY)
INSIDE = (S.OCCUPANCY_CHECK, S.IDENTITY_CHECK)

TABLE: tuple[Row, ...] = (
    # An emergency wins in every state (INV-5).
    Row(EVALUATE, NOT_EMERGENCY, S.EMERGENCY, ("emergency_reported",), (), O.EMERGENCY, R.EMERGENCY),
    Row(EVALUATE, (S.EMERGENCY,), None, ("expired_renew",), ("hold_emergency_doors",)),
    Row(EVALUATE, (S.EMERGENCY,), None, ("expired_officer",), ("escalate",)),
    Row("device_ready", (S.EMERGENCY,), None, ("io_back",), ("hold_emergency_doors",)),
    Row("rearmed", (S.EMERGENCY,), S.OUT_OF_SERVICE, ("verified_empty",), ("note_rearmed",), None, R.EMERGENCY),
    Row("rearmed", (S.EMERGENCY,), None, (), ("note_rearm_refused",)),
    Row("officer_acknowledged", (S.EMERGENCY,), None, (), ("acknowledge",)),
    Row("stop_requested", (S.EMERGENCY,), None, ("forced_stop",), ("hold_emergency_doors",)),  # the board's timer has them from then on
    # Stopping and maintenance: at once when idle; a crossing is finished first unless the stop is forced.
    Row("stop_requested", NOT_EMERGENCY, S.OUT_OF_SERVICE, ("forced_stop",), (), O.ABORTED, R.STOPPING),
    Row("maintenance_switched", (S.OUT_OF_SERVICE, S.READY), S.MAINTENANCE, ("switched_on", "!somebody_inside"), ("note_maintenance",), None, R.MAINTENANCE),
    Row("maintenance_switched", (S.MAINTENANCE,), S.OUT_OF_SERVICE, ("!switched_on",), ("note_maintenance",), None, "closed_reason"),
    Row("maintenance_switched", (S.OUT_OF_SERVICE,), None, ("!switched_on", "maintenance_latched"), ("note_maintenance",)),  # after an emergency, or a restart
    # An engineer is there, but perhaps not with whoever was called for: a call ends when the chamber is known to be empty.
    Row(EVALUATE, (S.MAINTENANCE,), None, ("call_pending", "nobody_inside"), ("end_call",)),
    Row(EVALUATE, (S.MAINTENANCE,), None, ("call_pending", "expired_officer"), ("escalate",)),
    Row("officer_acknowledged", (S.MAINTENANCE,), None, ("call_pending",), ("acknowledge",)),
    # Out of service: back when every device works and the lane is verified empty and shut.
    Row(EVALUATE, (S.OUT_OF_SERVICE,), S.RETURN_PATH, ("walked_in", "!being_stopped"), (), None, R.WALKED_IN),
    Row(EVALUATE, (S.OUT_OF_SERVICE,), S.OFFICER_REFERRAL, ("io_ready", "somebody_inside", "!being_stopped"), (), None, R.REVERSE_ENTRY),
    Row(EVALUATE, (S.OUT_OF_SERVICE,), None, ("somebody_inside", "being_stopped", "!call_pending"), ("call",)),
    Row(EVALUATE, (S.OUT_OF_SERVICE,), S.READY, ("in_service",)),
    Row(EVALUATE, (S.OUT_OF_SERVICE,), S.OUT_OF_SERVICE, ("closed_reason_changed", "!being_stopped"), (), None, "closed_reason"),
    Row(EVALUATE, (S.OUT_OF_SERVICE,), None, ("expired_officer", "!call_pending", "!nobody_inside"), ("escalate", "call")),
    Row(EVALUATE, (S.OUT_OF_SERVICE,), None, ("expired_officer",), ("escalate",)),
    Row("rearmed", (S.OUT_OF_SERVICE, S.OFFICER_REFERRAL), None, ("emergency_latched", "!verified_empty"), ("note_rearm_refused",)),
    Row("rearmed", (S.OUT_OF_SERVICE,), None, (), ("note_rearmed",)),
    Row("officer_acknowledged", (S.OUT_OF_SERVICE,), None, ("call_pending",), ("acknowledge",)),
    Row("officer_returned", (S.OUT_OF_SERVICE,), S.RETURN_PATH, ("officer_may_release",), ("by_officer_hand",), O.RETURNED, R.OFFICER_RETURNED),
    Row(
        "officer_released",
        (S.OUT_OF_SERVICE,),
        S.EXIT_OPEN,
        ("officer_may_release", "!nobody_inside"),
        ("by_officer_hand", "close_entry", "open_exit"),  # a forced stop may have opened the way back
        O.RELEASED_BY_OFFICER,
        R.OFFICER_RELEASED,
    ),
    # Ready for the next traveller.
    Row(EVALUATE, (S.READY,), S.OUT_OF_SERVICE, ("a_door_forced",), ("latch",), None, R.DOOR_FORCED),
    Row(EVALUATE, (S.READY,), S.RETURN_PATH, ("walked_in",), (), None, R.WALKED_IN),
    Row(EVALUATE, (S.READY,), S.OUT_OF_SERVICE, ("must_close",), (), None, "closed_reason"),
    Row(EVALUATE, (S.READY,), None, ("expired_refusal_shown",), ("show_ready",)),
    Row("pass_read", (S.READY,), S.PASS_CHECK, ("clear_to_admit",), ("begin_crossing", "verify_pass")),
    # The pass: verified, enrolled, eligible, claimed and journalled; only then the entry.
    Row(EVALUATE, (S.PASS_CHECK,), S.OUT_OF_SERVICE, ("a_door_forced",), ("latch",), O.REFUSED, R.DOOR_FORCED),
    Row(EVALUATE, (S.PASS_CHECK,), S.RETURN_PATH, ("walked_in",), (), O.REFUSED, R.WALKED_IN),
    Row(EVALUATE, (S.PASS_CHECK,), S.OUT_OF_SERVICE, ("must_close",), (), O.REFUSED, "closed_reason"),
    Row(EVALUATE, (S.PASS_CHECK,), S.READY, ("expired_pass_check",), ("show_refusal",), O.REFUSED, R.PASS_CHECK_TIMED_OUT),
    Row("pass_refused", (S.PASS_CHECK,), S.READY, ("mine",), ("show_refusal",), O.REFUSED, "event_reason"),
    Row("pass_verified", (S.PASS_CHECK,), None, ("mine", "!pass_known"), ("note_pass", "find_enrolment")),
    Row("enrolment_not_found", (S.PASS_CHECK,), S.READY, ("mine", "!authorised"), ("show_refusal",), O.REFUSED, R.NOT_ENROLLED),
    Row("enrolment_found", (S.PASS_CHECK,), S.READY, ("mine", "pass_known", "!authorised", "!eligible"), ("show_refusal",), O.REFUSED, "ineligible_reason"),
    Row("enrolment_found", (S.PASS_CHECK,), None, ("mine", "pass_known", "!authorised"), ("authorise", "record_admission")),
    Row("admission_recorded", (S.PASS_CHECK,), S.ENTRY_OPEN, ("mine", "authorised", "clear_to_admit"), ("admit", "open_entry", "prepare_biometrics")),
    Row("admission_recorded", (S.PASS_CHECK,), S.READY, ("mine", "authorised"), ("show_refusal",), O.REFUSED, R.INPUTS_UNKNOWN),
    # The entry is open.
    Row(EVALUATE, (S.ENTRY_OPEN,), S.OFFICER_REFERRAL, ("io_lost",), (), None, R.IO_BOARD_LOST),
    Row(EVALUATE, (S.ENTRY_OPEN,), S.OFFICER_REFERRAL, ("exit_forced",), ("latch",), None, "forced_reason"),
    Row(EVALUATE, (S.ENTRY_OPEN,), S.RETURN_PATH, ("many_inside", "exit_closed"), (), O.RETURNED, R.TAILGATING),
    Row(EVALUATE, (S.ENTRY_OPEN,), S.RETURN_PATH, ("lost_inside", "somebody_inside", "exit_closed"), (), O.RETURNED, "lost_reason"),
    Row(EVALUATE, (S.ENTRY_OPEN,), S.CLEARING, ("lost_inside", "nobody_inside"), ("close_entry",), O.ABORTED, "lost_reason"),
    Row(EVALUATE, (S.ENTRY_OPEN,), S.OFFICER_REFERRAL, ("inputs_unknown",), (), None, "unknown_reason"),
    Row(EVALUATE, (S.ENTRY_OPEN,), S.OFFICER_REFERRAL, ("exit_unconfirmed",), (), None, "doubt_reason"),
    Row(EVALUATE, (S.ENTRY_OPEN,), S.OFFICER_REFERRAL, ("one_inside", "entry_beam_blind"), ("latch",), None, R.BEAM_BLIND),
    Row(EVALUATE, (S.ENTRY_OPEN,), S.OCCUPANCY_CHECK, ("one_inside", "entry_beam_clear"), ("close_entry",)),
    Row(
        EVALUATE,
        (S.ENTRY_OPEN,),
        S.CLEARING,
        ("expired_door_moves", "entry_closed", "!entry_was_ajar"),
        ("close_entry", "latch"),
        O.ABORTED,
        R.ENTRY_DOOR_DID_NOT_OPEN,
    ),
    Row(EVALUATE, (S.ENTRY_OPEN,), S.CLEARING, ("expired_entry_open", "nobody_inside", "entry_beam_clear"), ("close_entry",), O.ABANDONED, R.NOBODY_ENTERED),
    Row(EVALUATE, (S.ENTRY_OPEN,), S.OCCUPANCY_CHECK, ("expired_entry_open",), ("close_entry",)),
    # Exactly one inside, entry closed behind them.
    Row(EVALUATE, INSIDE, S.OFFICER_REFERRAL, ("exit_forced",), ("latch",), None, R.DOOR_FORCED),
    Row(EVALUATE, (S.IDENTITY_CHECK,), S.OFFICER_REFERRAL, ("entry_forced",), ("latch",), None, R.DOOR_FORCED),
    Row(EVALUATE, INSIDE, S.OFFICER_REFERRAL, ("tampered",), (), None, R.TAMPER),
    Row(EVALUATE, INSIDE, S.OFFICER_REFERRAL, ("lost_inside",), (), None, "lost_reason"),
    Row(EVALUATE, INSIDE, S.RETURN_PATH, ("many_inside", "exit_closed"), (), O.RETURNED, R.TAILGATING),
    Row(EVALUATE, (S.OCCUPANCY_CHECK,), S.CLEARING, ("nobody_inside", "entry_closed"), (), O.ABANDONED, R.BACKED_OUT),
    Row(EVALUATE, (S.OCCUPANCY_CHECK,), S.RETURN_PATH, ("counted_before", "somebody_inside", "entry_beam_clear"), (), O.RETURNED, "present_reason"),
    Row(EVALUATE, (S.OCCUPANCY_CHECK,), S.IDENTITY_CHECK, ("one_inside", "doors_closed", "entry_beam_clear", "exit_beam_clear"), ("note_entered",)),
    Row(EVALUATE, (S.OCCUPANCY_CHECK,), S.OFFICER_REFERRAL, ("expired_entry_close", "!entry_closed"), (), None, R.ENTRY_DOOR_DID_NOT_CLOSE),
    Row(EVALUATE, (S.OCCUPANCY_CHECK,), S.OFFICER_REFERRAL, ("expired_occupancy",), (), None, R.OCCUPANCY_UNKNOWN),
    Row("assistance_requested", INSIDE, S.OFFICER_REFERRAL, (), ("note_assistance",), None, R.ASSISTANCE_REQUESTED),
    # The right person. By a doorless entry they may go, and somebody else may come: whoever is inside then is not known to be who was checked.
    Row(EVALUATE, (S.IDENTITY_CHECK,), S.OCCUPANCY_CHECK, ("doorless_entry", "entry_beam_interrupted"), ("end_biometrics",), None, R.TAILGATING),
    Row(EVALUATE, (S.IDENTITY_CHECK,), S.OCCUPANCY_CHECK, ("doorless_entry", "!entry_beam_clear"), ("end_biometrics",), None, R.INPUTS_UNKNOWN),
    Row(EVALUATE, (S.IDENTITY_CHECK,), S.CLEARING, ("nobody_inside", "doorless_entry"), (), O.ABANDONED, R.BACKED_OUT),
    Row(EVALUATE, (S.IDENTITY_CHECK,), S.CLEARING, ("nobody_inside",), ("latch",), O.ABORTED, R.LEFT_UNSEEN),
    Row(EVALUATE, (S.IDENTITY_CHECK,), S.OFFICER_REFERRAL, ("check_failed",), (), None, "failed_check"),
    Row(EVALUATE, (S.IDENTITY_CHECK,), S.OFFICER_REFERRAL, ("officer_must_confirm",), (), None, R.OFFICER_CONFIRMATION),
    Row(EVALUATE, (S.IDENTITY_CHECK,), S.OFFICER_REFERRAL, ("expired_identity",), (), None, R.IDENTITY_TIMED_OUT),
    Row(EVALUATE, (S.IDENTITY_CHECK,), S.EXIT_OPEN, ("release_allowed",), ("note_verified", "open_exit"), O.COMPLETED),
    Row("check_progressed", (S.IDENTITY_CHECK,), None, ("mine",), ("show_progress",)),
    Row("check_ended", (S.IDENTITY_CHECK,), None, ("only_pad_missing",), ("note_pad_awaited",)),
    # The exit is open.
    Row(EVALUATE, (S.EXIT_OPEN,), S.OFFICER_REFERRAL, ("io_lost",), ("annul",), None, R.IO_BOARD_LOST),
    Row(EVALUATE, (S.EXIT_OPEN,), S.OFFICER_REFERRAL, ("entry_forced",), ("annul", "latch"), None, R.BOTH_DOORS_OPEN),
    Row(EVALUATE, (S.EXIT_OPEN,), S.OFFICER_REFERRAL, ("inputs_unknown",), ("annul",), None, "unknown_reason"),
    Row(EVALUATE, (S.EXIT_OPEN,), S.OFFICER_REFERRAL, ("entry_unconfirmed",), ("annul",), None, "doubt_reason"),
    Row(EVALUATE, (S.EXIT_OPEN,), S.OFFICER_REFERRAL, ("doorless_entry", "entry_beam_interrupted", "!by_officer"), ("annul",), None, R.TAILGATING),
    Row(EVALUATE, (S.EXIT_OPEN,), S.OFFICER_REFERRAL, ("doorless_entry", "!entry_beam_clear", "!by_officer"), ("annul",), None, R.INPUTS_UNKNOWN),
    Row(EVALUATE, (S.EXIT_OPEN,), S.OFFICER_REFERRAL, ("many_inside", "!by_officer"), ("annul",), None, R.REVERSE_ENTRY),
    Row(EVALUATE, (S.EXIT_OPEN,), S.CLEARING, ("nobody_inside", "exit_beam_clear", "passed_exit_beam", "exit_was_ajar"), ("close_exit", "note_exited")),
    Row(EVALUATE, (S.EXIT_OPEN,), S.CLEARING, ("nobody_inside", "exit_beam_clear", "expired_exit_open"), ("close_exit", "latch"), O.ABORTED, R.LEFT_UNSEEN),
    Row(
        EVALUATE,
        (S.EXIT_OPEN,),
        S.OFFICER_REFERRAL,
        ("expired_door_moves", "exit_closed", "!exit_was_ajar"),
        ("annul", "latch"),
        None,
        R.EXIT_DOOR_DID_NOT_OPEN,
    ),
    Row(EVALUATE, (S.EXIT_OPEN,), S.OFFICER_REFERRAL, ("expired_exit_open", "nobody_inside"), ("annul",), None, R.BEAM_BLOCKED),
    Row(EVALUATE, (S.EXIT_OPEN,), S.OFFICER_REFERRAL, ("expired_exit_open",), ("annul",), None, R.NEVER_EXITED),
    # The lane must be verified empty and shut; then the crossing is recorded, with the outcome fixed above.
    Row(EVALUATE, (S.CLEARING,), S.OUT_OF_SERVICE, ("io_lost",), (), O.ABORTED, R.IO_BOARD_LOST),
    Row(EVALUATE, (S.CLEARING,), S.OFFICER_REFERRAL, ("a_door_forced",), ("annul", "latch"), None, R.DOOR_FORCED),
    Row(EVALUATE, (S.CLEARING,), S.READY, ("in_service",), ("note_cleared",)),
    Row(EVALUATE, (S.CLEARING,), S.OUT_OF_SERVICE, ("chamber_clear",), ("note_cleared",), None, "closed_reason"),
    Row(EVALUATE, (S.CLEARING,), S.RETURN_PATH, ("somebody_inside", "doors_closed", "may_return"), (), O.RETURNED, R.STAYED_INSIDE),
    # Counted though nobody came by the doorless entry: whoever stood in the exit, where nobody is counted, may have stepped back.
    Row(
        EVALUATE,
        (S.CLEARING,),
        S.OFFICER_REFERRAL,
        ("doorless_entry", "to_be_completed", "somebody_inside", "entry_beam_blind"),
        ("annul", "doubt_exit"),
        None,
        R.REVERSE_ENTRY,
    ),
    Row(EVALUATE, (S.CLEARING,), S.CLEARING, ("expired_clearing", "walked_in"), ("show_go_back",), None, R.WALKED_IN),
    Row(EVALUATE, (S.CLEARING,), S.OFFICER_REFERRAL, ("expired_clearing", "somebody_inside"), ("annul",), None, "unclear_reason"),
    Row(EVALUATE, (S.CLEARING,), S.OFFICER_REFERRAL, ("expired_clearing",), (), None, "unclear_reason"),
    # The way back through the entry; also for whoever walked into a single-door lane without a pass, which is no alarm.
    Row(EVALUATE, (S.RETURN_PATH,), S.OFFICER_REFERRAL, ("io_lost",), (), None, R.IO_BOARD_LOST),
    Row(EVALUATE, (S.RETURN_PATH,), S.OFFICER_REFERRAL, ("exit_forced",), ("annul", "latch"), None, "forced_reason"),
    Row(EVALUATE, (S.RETURN_PATH,), S.OFFICER_REFERRAL, ("exit_unconfirmed",), ("annul",), None, "doubt_reason"),
    Row(EVALUATE, (S.RETURN_PATH,), S.CLEARING, ("nobody_inside", "entry_beam_clear", "entry_was_ajar"), ("close_entry",)),
    Row(EVALUATE, (S.RETURN_PATH,), S.OFFICER_REFERRAL, ("expired_door_moves", "entry_closed", "!entry_was_ajar"), ("latch",), None, R.ENTRY_DOOR_DID_NOT_OPEN),
    Row(EVALUATE, (S.RETURN_PATH,), S.OFFICER_REFERRAL, ("expired_return_path",), (), None, "return_reason"),
    # An officer is called, until acknowledged by identity; whoever came in with a pass gets the way back if nobody comes (INV-4).
    Row("officer_acknowledged", (S.OFFICER_REFERRAL, S.RETURN_PATH), None, ("call_pending",), ("acknowledge",)),
    Row(
        "officer_returned",
        (S.OFFICER_REFERRAL,),
        S.RETURN_PATH,
        ("officer_may_release", "perhaps_beyond"),
        ("by_officer_hand",),
        O.ABORTED,  # whoever is sent back may be somebody else
        "present_reason",
    ),
    Row("officer_returned", (S.OFFICER_REFERRAL,), S.RETURN_PATH, ("officer_may_release",), ("by_officer_hand",), O.RETURNED, "present_reason"),
    Row(
        "officer_released",
        (S.OFFICER_REFERRAL,),
        S.EXIT_OPEN,
        ("officer_may_release",),
        ("by_officer_hand", "open_exit"),
        O.RELEASED_BY_OFFICER,
        R.OFFICER_RELEASED,
    ),
    # With a counter that gives no answer, the officer's re-arm is the word that the chamber was looked at and is empty; but it completes nothing.
    Row(
        "rearmed",
        (S.OFFICER_REFERRAL,),
        S.OUT_OF_SERVICE,
        ("officer_may_release", "!somebody_inside", "verdict_reached", "!to_be_completed"),
        ("note_rearmed",),
        None,
        "present_reason",
    ),
    Row("rearmed", (S.OFFICER_REFERRAL,), S.OUT_OF_SERVICE, ("officer_may_release", "!somebody_inside"), ("note_rearmed",), O.ABORTED, "present_reason"),
    Row("rearmed", (S.OFFICER_REFERRAL,), None, (), ("note_rearm_refused",)),
    Row(EVALUATE, (S.OFFICER_REFERRAL,), S.OFFICER_REFERRAL, ("a_door_forced",), ("annul", "latch"), None, R.DOOR_FORCED),
    Row(EVALUATE, (S.OFFICER_REFERRAL,), S.CLEARING, ("chamber_clear", "verdict_reached")),
    Row(EVALUATE, (S.OFFICER_REFERRAL,), S.OUT_OF_SERVICE, ("chamber_clear", "no_crossing"), (), None, "closed_reason"),
    Row(EVALUATE, (S.OFFICER_REFERRAL,), S.CLEARING, ("chamber_clear", "left_late", "by_officer"), ("note_exited",), O.RELEASED_BY_OFFICER, R.OFFICER_RELEASED),
    Row(EVALUATE, (S.OFFICER_REFERRAL,), S.CLEARING, ("chamber_clear", "left_late", "verified"), ("note_exited",), O.COMPLETED),
    Row(EVALUATE, (S.OFFICER_REFERRAL,), S.CLEARING, ("chamber_clear", "backed_out"), (), O.ABANDONED, R.BACKED_OUT),
    Row(EVALUATE, (S.OFFICER_REFERRAL,), S.CLEARING, ("chamber_clear",), ("latch",), O.ABORTED, R.LEFT_UNSEEN),
    Row(
        EVALUATE,
        (S.OFFICER_REFERRAL,),
        S.RETURN_PATH,
        ("expired_officer", "way_back_left", "doors_closed", "io_ready"),
        ("note_nobody_came",),
        O.RETURNED,
        "present_reason",
    ),
    Row(EVALUATE, (S.OFFICER_REFERRAL,), None, ("expired_officer",), ("escalate",)),
)
