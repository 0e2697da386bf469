"""What the control API and the kiosk page need of the running gate.

Does not hold transport: the control package speaks HTTP, the runtime implements `GateControl`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gate_controller.ports.devices import Image  # numpy, which gatectl status has no time to import

JsonObject = dict[str, Any]


DEVICES = ("fingerprint", "face", "qr", "io")
"""Devices that can be tested while an engineer has the lane."""
MOVES_PEOPLE = frozenset({"release", "return"})
"""Officers' acts that open a door for somebody: whoever asks for one says for which call."""
CAMERAS = ("qr", "face")
"""Cameras an engineer may look through."""


class EventSink(Protocol):
    """Where the runtime publishes what happens, for whoever watches. Never blocks, never raises."""

    def publish(self, kind: str, fields: JsonObject) -> None:
        """Publish one event.

        Kinds: "status" (the whole of `GateControl.status()`), "prompt" {"prompt", "region" of the pass, or null}, "crossing_recorded" {"crossing_id",
        "outcome", "reason", "steps": [[name, at_s]], ...}, "device" {"device", "state", "code", "detail", "remedy"},
        "officer_called" {"reason", "escalation"}, "officer_call_ended" {}, "officer_acted" {"action", "uid"}, "maintenance_switched"
        {"on", "uid"}, "freshness" {"region", "from", "to", "cause", "reminder", "next_state", "next_in_s", "restricted_in_s", "closed_in_s"}, "trust_taken" {"versions"}, "trust_refused" {"what", "remedy"}.
        None carries personal data.
        """
        ...


class GateControl(Protocol):
    """The running gate, as an operator may see and move it. All calls are thread-safe; they return at once, but for those that say otherwise."""

    def status(self) -> JsonObject:
        """State of the lane, without personal data.

        {"gate", "region", "direction", "state", "reason", "prompt", "occupancy", "doors": {...},
        "devices": {name: {"state", "code", "detail", "remedy"}},
        "officer_call": null | {"number", "reason", "escalation", "acknowledged", "since_s"}, "since_s", "uptime_s",
        "trust": {region: {"state", "cause", "remedy", "next_state", "next_cause", "next_in_s", "restricted_in_s", "closed_in_s"}},
        "trust_store": {"versions": {role: version}, "problem": null | {"what", "remedy"}, "failures", "latest_seen", "clock_behind_s"},
        "enrolments": {region: {"snapshot", "delta", "records", "issued_at"}}}

        Of the trust, the regions whose passes the lane admits; seconds to come are 0 when it is so already, null when it never will be.

        Raises:
            GateError: The gate does not decide any more, so there is no status; the kiosk page closes the lane then.
        """
        ...

    def officer(self, action: str, identity: str, reason: str, uid: int | None = None, call: int | None = None) -> None:
        """An officer's act: "acknowledge", "assist", "release", "return", "rearm". The core decides whether the state allows it.

        Args:
            action: One of the four.
            identity: Who acts, as the officer gave it.
            reason: Why; may be empty except for a release.
            uid: User id of the process that asked (SO_PEERCRED), for the journal; None when nobody but this process asked.
            call: Number of the call that the act answers, as the officer saw it; the act is refused if another is pending by now. None: whichever is.

        Raises:
            ValueError: Unknown action, or identity or (for release) reason empty.
            RefusedByStateError: The lane's state does not allow the act; nothing was done.
        """
        ...

    def calls(self) -> list[JsonObject]:
        """Calls for an officer that are not ended: {"number", "reason", "since_s", "acknowledged" (who, or null), "escalations", "state", "prompt"}."""
        ...

    def maintenance(self, on: bool, identity: str, uid: int | None = None) -> None:
        """An engineer takes the lane, or gives it back.

        Args:
            on: Whether the engineer takes it.
            identity: Who acts.
            uid: As in officer().

        Raises:
            ValueError: The identity is empty.
            RefusedByStateError: Somebody is inside or being dealt with, an emergency stands, or the lane is as it is asked to be.
        """
        ...

    def diagnostics(self) -> JsonObject:
        """What an engineer wants to know beyond status(). No personal data.

        {"uptime_s", "devices": [{"device", "state", "reason", "detail", "remedy", "since_s", "info"}],
        "inputs": {name: "clear" | "active" | "unknown", doors and occupancy by their own words}, "stores", "trust", "queues"}

        Raises:
            GateError: As status().
        """
        ...

    def test_device(self, device: str) -> JsonObject:
        """Let a device's own worker try it: {"device", "result": "pass" | "warn" | "fail", "findings": [line], "values": {name: number or text}}.

        Blocks for some seconds. A device that does not answer is a result ("fail"), not an error.

        Args:
            device: One of DEVICES.

        Raises:
            RefusedByStateError: The lane is not in maintenance.
        """
        ...

    def snapshot(self, camera: str) -> Image:
        """One frame of a camera, for the engineer's eyes: height x width x 3, BGR. It is kept nowhere.

        Args:
            camera: One of CAMERAS.

        Raises:
            RefusedByStateError: The lane is not in maintenance, or its chamber is not known to be empty.
            DeviceError: The camera gives no frame.
        """
        ...

    def note(self, kind: str, fields: Mapping[str, str]) -> None:
        """Put a note into the journal; returns once it is written, or kept because the journal is lost, or after some seconds."""
        ...
