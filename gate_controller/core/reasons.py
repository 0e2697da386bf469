"""Every reason the gate can give, each with a text for the engineer and a prompt for the traveller.

A traveller is never told that a presentation attack was suspected, nor which biometric failed.
"""

from __future__ import annotations

from gate_controller.core.prompts import Prompt
from gate_controller.core.singletons import Singletons


class Reason(Singletons):
    """A stable reason code (the name, in lower case), with `advice` for the engineer and `prompt` for the traveller."""

    def __init__(self, code: str, advice: str, prompt: Prompt) -> None:
        self.code = code
        self.advice = advice
        self.prompt = prompt

    # Pass, in the order of the verifier's steps
    PASS_TOO_LONG = ("pass_too_long", "step 1: longer than the largest QR code of a pass; another kind of code", Prompt.CODE_UNREADABLE)
    PASS_NOT_A_PASS = ("pass_not_a_pass", "step 1: does not begin with ECH1: - another kind of code", Prompt.CODE_UNREADABLE)
    PASS_BAD_BASE45 = ("pass_bad_base45", "step 1: not Base45 (RFC 9285)", Prompt.CODE_UNREADABLE)
    PASS_BAD_FRAME = ("pass_bad_frame", "step 2: not the fixed COSE_Sign1 frame of a presentation", Prompt.CODE_NOT_ACCEPTED)
    PASS_STATIC = ("pass_static", "step 2: a static pass, without a presentation; the policy admits none", Prompt.CODE_NOT_ACCEPTED)
    PASS_UNKNOWN_KEY = ("pass_unknown_key", "step 3: no key of a trusted region has this protected header; are the keys current?", Prompt.CODE_NOT_ACCEPTED)
    PASS_KEY_NOT_VALID_NOW = (
        "pass_key_not_valid_now",
        "step 3: the region's key is not valid at this time; are clock and keys current?",
        Prompt.CODE_NOT_ACCEPTED,
    )
    PASS_REGION_CLOSED = (
        "pass_region_closed",
        "step 3: what is known of that region's keys and passes is too old, or the clock is wrong; see gatectl keys status",
        Prompt.GO_TO_COUNTER,
    )
    PASS_BAD_SIGNATURE = ("pass_bad_signature", "step 4: the region's signature does not verify", Prompt.CODE_NOT_ACCEPTED)
    PASS_BAD_CBOR = ("pass_bad_cbor", "step 5: not deterministic CBOR (RFC 8949 4.2)", Prompt.CODE_NOT_ACCEPTED)
    PASS_BAD_CLAIM = ("pass_bad_claim", "step 6: a claim is missing, unknown, of the wrong type or out of range", Prompt.CODE_NOT_ACCEPTED)
    PASS_WRONG_ISSUER = ("pass_wrong_issuer", "step 6: iss is not the region whose key verified the pass", Prompt.CODE_NOT_ACCEPTED)
    PASS_NOT_YET_VALID = ("pass_not_yet_valid", "step 6: before nbf; is the gate's clock right?", Prompt.TRY_AGAIN_LATER)
    PASS_EXPIRED = ("pass_expired", "step 6: after exp; the phone must fetch a new pass", Prompt.CODE_EXPIRED)
    PASS_WRONG_AUDIENCE = ("pass_wrong_audience", "step 6: made for another scheme, checkpoint or gate", Prompt.CODE_NOT_ACCEPTED)
    PASS_WRONG_REGION = ("pass_wrong_region", "step 6: this lane does not admit passes of that region (policy)", Prompt.GO_TO_COUNTER)
    PASS_WRONG_DIRECTION = ("pass_wrong_direction", "step 6: not for this lane's direction", Prompt.GO_TO_COUNTER)
    PASS_CLASS_NOT_ADMITTED = ("pass_class_not_admitted", "step 6: the traveller's class is not admitted here (policy)", Prompt.GO_TO_COUNTER)
    PASS_PERMIT_ENDED = ("pass_permit_ended", "step 6: permit-until has passed", Prompt.GO_TO_COUNTER)
    PRESENTATION_BAD_SIGNATURE = ("presentation_bad_signature", "step 7: not signed by the pass's holder key: a copied pass", Prompt.CODE_NOT_ACCEPTED)
    PRESENTATION_BAD_KEY = ("presentation_bad_key", "step 7: the holder key is not a valid Ed25519 point", Prompt.CODE_NOT_ACCEPTED)
    PRESENTATION_STALE = ("presentation_stale", "step 6: older than the presentation's life: a screenshot, or a phone whose clock is slow", Prompt.CODE_EXPIRED)
    PRESENTATION_IN_FUTURE = ("presentation_in_future", "step 6: made later than now: the phone's or the gate's clock is wrong", Prompt.CODE_EXPIRED)
    PASS_REVOKED = ("pass_revoked", "step 8: revoked by its region", Prompt.GO_TO_COUNTER)
    PASS_SUSPENDED = ("pass_suspended", "step 8: suspended by its region", Prompt.GO_TO_COUNTER)
    PASS_STATUS_UNKNOWN = ("pass_status_unknown", "step 8: no such status list, or the pass's place in it does not exist", Prompt.GO_TO_COUNTER)
    PASS_STATUS_STALE = (
        "pass_status_stale",
        "step 8: the region's status list is too old for this traveller, who is not low-risk by the policy; import a newer one",
        Prompt.GO_TO_COUNTER,
    )
    PRESENTATION_REPLAYED = ("presentation_replayed", "step 9: this or a later presentation of the pass was used before", Prompt.CODE_EXPIRED)
    REPEATED_ATTEMPTS = (
        "repeated_attempts",
        "crossings with this pass failed inside too often of late (policy); an officer should see who holds it",
        Prompt.GO_TO_COUNTER,
    )
    PASS_CHECK_TIMED_OUT = ("pass_check_timed_out", "the pass check did not end in time; see the journal for a slow store", Prompt.TRY_AGAIN_LATER)

    # Enrolment and eligibility
    NOT_ENROLLED = ("not_enrolled", "no enrolment under the pass's reference", Prompt.GO_TO_COUNTER)
    NOT_REGISTERED_HERE = ("not_registered_here", "not enrolled with this lane's region", Prompt.GO_TO_COUNTER)
    REGISTERED_TOO_RECENTLY = ("registered_too_recently", "registration is usable only some hours after it was made (policy)", Prompt.TRY_AGAIN_LATER)
    ENROLMENT_SUSPENDED = ("enrolment_suspended", "the enrolment is suspended", Prompt.GO_TO_COUNTER)
    UNDER_AGE = ("under_age", "under the lane's minimum age (policy)", Prompt.GO_TO_COUNTER)
    NO_TEMPLATE = ("no_template", "the enrolment lacks a template that this lane's devices can use", Prompt.GO_TO_COUNTER)

    # Chamber
    NOBODY_ENTERED = ("nobody_entered", "the entry door opened and nobody came in", Prompt.SHOW_CODE)
    BACKED_OUT = ("backed_out", "the traveller went back out through the entry", Prompt.SHOW_CODE)
    TAILGATING = ("tailgating", "the counter sees more than one person, or somebody stood in a doorless entry behind the traveller", Prompt.ONE_AT_A_TIME)
    OCCUPANCY_UNKNOWN = ("occupancy_unknown", "the counter gives no clear answer", Prompt.WAIT_FOR_OFFICER)
    LEFT_UNSEEN = ("left_unseen", "the chamber became empty while both doors were closed: counter at fault or a door forced", Prompt.LANE_CLOSED)
    STAYED_INSIDE = ("stayed_inside", "the chamber was not left in time", Prompt.WAIT_FOR_OFFICER)
    NEVER_EXITED = ("never_exited", "authorised, but did not leave through the exit in time", Prompt.WAIT_FOR_OFFICER)
    WALKED_IN = ("walked_in", "single-door lane: somebody went in without a pass; they go back as they came, nobody is called", Prompt.GO_BACK)
    REVERSE_ENTRY = ("reverse_entry", "somebody is in the chamber who was not admitted", Prompt.LANE_CLOSED)

    # Biometrics
    FINGERPRINT_MISMATCH = ("fingerprint_mismatch", "no match in all attempts", Prompt.WAIT_FOR_OFFICER)
    FINGERPRINT_NOT_CAPTURED = ("fingerprint_not_captured", "no usable image of a finger in time", Prompt.WAIT_FOR_OFFICER)
    FACE_MISMATCH = ("face_mismatch", "the face is not the enrolled one", Prompt.WAIT_FOR_OFFICER)
    FACE_NOT_CAPTURED = ("face_not_captured", "no usable face in time", Prompt.WAIT_FOR_OFFICER)
    SEVERAL_FACES = ("several_faces", "a second face near the traveller: a tailgating signal", Prompt.ONE_AT_A_TIME)
    # The next three show the traveller what a mismatch shows: nobody is told that a picture was suspected.
    PAD_ALARM = ("pad_alarm", "a picture of a face was suspected before the camera", Prompt.WAIT_FOR_OFFICER)
    PAD_UNDETERMINED = ("pad_undetermined", "it could not be told in time whether a living face is before the camera", Prompt.WAIT_FOR_OFFICER)
    PAD_NOT_PERFORMED = (
        "pad_not_performed",
        "presentation attack detection did not run: no [devices.pad], or its judge failed; the log says why",
        Prompt.WAIT_FOR_OFFICER,
    )
    REFERENCE_REFUSED = ("reference_refused", "the reader refused the enrolled template: broken, or of another family", Prompt.WAIT_FOR_OFFICER)
    OFFICER_CONFIRMATION = ("officer_confirmation", "the biometric rule wants an officer to confirm the face", Prompt.WAIT_FOR_OFFICER)
    IDENTITY_TIMED_OUT = ("identity_timed_out", "the identity check did not end in time", Prompt.WAIT_FOR_OFFICER)

    # Doors and inputs
    ENTRY_DOOR_DID_NOT_OPEN = ("entry_door_did_not_open", "commanded open, position input disagrees: door unit, wiring, power", Prompt.LANE_CLOSED)
    ENTRY_DOOR_DID_NOT_CLOSE = ("entry_door_did_not_close", "obstructed, held, or its position contact is stuck", Prompt.WAIT_FOR_OFFICER)
    EXIT_DOOR_DID_NOT_OPEN = ("exit_door_did_not_open", "commanded open, position input disagrees: door unit, wiring, power", Prompt.WAIT_FOR_OFFICER)
    EXIT_DOOR_DID_NOT_CLOSE = ("exit_door_did_not_close", "obstructed, held, or its position contact is stuck", Prompt.WAIT_FOR_OFFICER)
    DOOR_FORCED = ("door_forced", "a door left its closed position without a command", Prompt.WAIT_FOR_OFFICER)
    BOTH_DOORS_OPEN = ("both_doors_open", "both doors are away from closed at once", Prompt.WAIT_FOR_OFFICER)
    DOOR_SENSORS_DISAGREE = (
        "door_sensors_disagree",
        "the contacts of a door contradict each other: both made at once, or none for too long; contact, wiring, magnet",
        Prompt.WAIT_FOR_OFFICER,
    )
    INPUTS_UNKNOWN = ("inputs_unknown", "the inputs of the lane are unknown", Prompt.LANE_CLOSED)
    BEAM_BLOCKED = (
        "beam_blocked",
        "a beam stays interrupted though nobody is counted: something left in the doorway, or a broken beam",
        Prompt.WAIT_FOR_OFFICER,
    )
    BEAM_BLIND = ("beam_blind", "single-door lane: somebody was counted in past an entry beam that saw nothing: beam or counter", Prompt.WAIT_FOR_OFFICER)
    TAMPER = ("tamper", "a housing is open", Prompt.LANE_CLOSED)

    # Devices, system, people
    QR_CAMERA_LOST = ("qr_camera_lost", "the QR camera gives no usable frames", Prompt.LANE_CLOSED)
    FACE_CAMERA_LOST = ("face_camera_lost", "the face camera gives no usable frames", Prompt.LANE_CLOSED)
    FINGERPRINT_LOST = ("fingerprint_lost", "the fingerprint reader does not answer", Prompt.LANE_CLOSED)
    IO_BOARD_LOST = ("io_board_lost", "the I/O board does not answer: doors and inputs are unknown", Prompt.LANE_CLOSED)
    PASS_VERIFIER_LOST = ("pass_verifier_lost", "keys or replay memory cannot be read or written", Prompt.LANE_CLOSED)
    TRUST_LOST = ("trust_lost", "no region of this lane has keys and status lists that are fresh enough, or the clock is wrong", Prompt.LANE_CLOSED)
    ENROLMENT_LOST = ("enrolment_lost", "the enrolment store cannot be read", Prompt.LANE_CLOSED)
    JOURNAL_LOST = ("journal_lost", "the journal cannot be written: disk full or file damaged", Prompt.LANE_CLOSED)
    STARTING = ("starting", "devices are being opened", Prompt.STARTING)
    INTERNAL_ERROR = ("internal_error", "a bug: the core or the runtime failed; the lane stays closed until a restart", Prompt.LANE_CLOSED)
    RESTARTED = ("restarted", "the controller was stopped or lost power during the crossing", Prompt.LANE_CLOSED)
    STOPPING = ("stopping", "the controller is being stopped", Prompt.LANE_CLOSED)
    MAINTENANCE = ("maintenance", "an engineer has the lane", Prompt.LANE_CLOSED)
    EMERGENCY = ("emergency", "the emergency loop is open", Prompt.EMERGENCY_EXIT)
    ASSISTANCE_REQUESTED = ("assistance_requested", "an officer took over: wheelchair, child, fall, somebody who cannot go on", Prompt.WAIT_FOR_OFFICER)
    OFFICER_RETURNED = ("officer_returned", "an officer sent the traveller back", Prompt.GO_BACK)
    OFFICER_RELEASED = ("officer_released", "an officer let the traveller through, by name and reason", Prompt.STEP_OUT)
    OFFICER_DID_NOT_COME = ("officer_did_not_come", "nobody acknowledged the call in time", Prompt.GO_BACK)
