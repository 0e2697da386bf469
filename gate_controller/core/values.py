"""Values that the core, its events and its commands are made of.

Does not hold devices, images, templates or anything that identifies a person: a crossing is known by
an opaque id, and a template never enters the core.
"""

from __future__ import annotations

from dataclasses import dataclass

from gate_controller.core.singletons import Singletons


class TriState(Singletons):
    """A two-valued input that may also be unknown. UNKNOWN never counts in favour (INV-3)."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"


class Door(Singletons):
    """One of a lane's doors; ENTRY faces the queue, EXIT faces the border."""

    ENTRY = "entry_door"
    EXIT = "exit_door"

    @property
    def other(self) -> Door:
        """The opposite door."""
        return Door.EXIT if self is Door.ENTRY else Door.ENTRY


class DoorPosition(Singletons):
    """Position reported by a door's contacts, never inferred from what was commanded."""

    CLOSED = "closed"
    OPEN = "open"
    MOVING = "moving"
    UNKNOWN = "unknown"


class Occupancy(Singletons):
    """People in the chamber by the configured counter; beams and faces never stand in for it."""

    ZERO = "zero"
    ONE = "one"
    MANY = "many"
    UNKNOWN = "unknown"


class Region(Singletons):
    """An issuing region, and the region a lane belongs to."""

    HK = "HK"
    MO = "MO"


class Direction(Singletons):
    """Direction of travel through a lane; the value is the bit in the pass's directions claim."""

    HK_TO_MO = 1
    MO_TO_HK = 2


class Device(Singletons):
    """A device (or store) whose loss the core must know about."""

    QR_CAMERA = "qr_camera"
    FACE_CAMERA = "face_camera"
    FINGERPRINT = "fingerprint"
    IO_BOARD = "io_board"
    PASS_VERIFIER = "pass_verifier"
    TRUST = "trust"
    ENROLMENT = "enrolment"
    JOURNAL = "journal"


class CheckOutcome(Singletons):
    """How one check ended (BSI TR-03135). ABORTED never feeds a decision."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    UNDETERMINED = "undetermined"
    NOT_SUPPORTED = "not_supported"
    ABORTED = "aborted"


class Modality(Singletons):
    """What is checked of the traveller inside; each check ends on its own."""

    FINGERPRINT = "fingerprint"
    FACE = "face"
    PAD = "pad"
    """Presentation attack detection: whether a living face is before the camera. It says nothing of whose."""


BIOMETRICS = (Modality.FINGERPRINT, Modality.FACE)
"""The checks that tell whether it is the holder: what the biometric rule counts."""


class Outcome(Singletons):
    """How a crossing ended; every crossing has exactly one (INV-6)."""

    COMPLETED = "completed"
    REFUSED = "refused"
    RETURNED = "returned"
    RELEASED_BY_OFFICER = "released_by_officer"
    ABANDONED = "abandoned"
    ABORTED = "aborted"
    EMERGENCY = "emergency"


class Lamp(Singletons):
    """A signal lamp the I/O board drives."""

    ENTRY_GREEN = "entry_green"
    ENTRY_RED = "entry_red"
    EXIT_GREEN = "exit_green"


@dataclass(frozen=True, slots=True)
class LaneInputs:
    """One consistent reading of the lane's inputs.

    Attributes:
        entry_door: Position of the entry door; CLOSED in a lane that has none.
        exit_door: Position of the exit door.
        entry_beam: ACTIVE when interrupted (beams are normally closed; a cut wire interrupts).
        exit_beam: As entry_beam, at the exit.
        emergency: ACTIVE when the board reports the emergency loop open. A silent board is UNKNOWN.
        tamper: ACTIVE when a housing is open.
        occupancy: People in the chamber by the configured counter.
    """

    entry_door: DoorPosition = DoorPosition.UNKNOWN
    exit_door: DoorPosition = DoorPosition.UNKNOWN
    entry_beam: TriState = TriState.UNKNOWN
    exit_beam: TriState = TriState.UNKNOWN
    emergency: TriState = TriState.UNKNOWN
    tamper: TriState = TriState.UNKNOWN
    occupancy: Occupancy = Occupancy.UNKNOWN

    def door(self, door: Door) -> DoorPosition:
        """Position of `door`."""
        return self.entry_door if door is Door.ENTRY else self.exit_door


UNKNOWN_INPUTS = LaneInputs()
"""What the lane looks like while the I/O board is silent: nothing is known (INV-3)."""


@dataclass(frozen=True, slots=True)
class PassFacts:
    """What the core may know of a verified pass: nothing that names a person.

    Attributes:
        pass_id: The pass's cti, 16 bytes.
        enrolment_reference: The pass's sub, opaque, 16 bytes.
        issuer: Region whose key verified the pass.
        traveller_class: 1 permanent resident, 2 other resident.
        issued_at: iat of the presentation, seconds since the epoch.
        pass_issued_at: iat of the pass, seconds since the epoch.
        pass_expires_at: exp of the pass, seconds since the epoch.
        degraded: Verified against a status list that is good for low-risk travellers only; age is still to be looked at.
    """

    pass_id: bytes
    enrolment_reference: bytes
    issuer: Region
    traveller_class: int
    issued_at: int
    pass_issued_at: int
    pass_expires_at: int = 0
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class EnrolmentFacts:
    """What the core may know of an enrolment record; templates stay outside the core.

    Attributes:
        age_years: Completed years of age at the time of the look-up.
        registered_with: Regions the traveller is enrolled with.
        registered_for_s: Seconds since the registration, never negative.
        suspended: True when the enrolment is suspended.
        fingers: Number of fingerprint templates usable by this lane's reader.
        face: True when a face template of this lane's model exists.
    """

    age_years: int
    registered_with: frozenset[Region]
    registered_for_s: float
    suspended: bool
    fingers: int
    face: bool
