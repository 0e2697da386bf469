"""What the control API and the kiosk page need of the running gate.

Does not hold transport: the control package speaks HTTP, the runtime implements `GateControl`.
"""

from __future__ import annotations

from typing import Any, Protocol

JsonObject = dict[str, Any]


class EventSink(Protocol):
    """Where the runtime publishes what happens, for whoever watches. Never blocks, never raises."""

    def publish(self, kind: str, fields: JsonObject) -> None:
        """Publish one event.

        Kinds: "status" (the whole of `GateControl.status()`), "prompt" {"prompt"}, "crossing_recorded" {"crossing_id",
        "outcome", "reason", "steps": [[name, at_s]], ...}, "device" {"device", "state", "code", "detail", "remedy"},
        "officer_called" {"reason", "escalation"}, "officer_call_ended" {}, "freshness" {"region", "from", "to", "cause", "reminder",
        "next_state", "next_in_s", "restricted_in_s", "closed_in_s"}, "trust_taken" {"versions"}, "trust_refused" {"what", "remedy"}.
        None carries personal data.
        """
        ...


class GateControl(Protocol):
    """The running gate, as an operator may see and move it. All calls are thread-safe and return at once."""

    def status(self) -> JsonObject:
        """State of the lane, without personal data.

        {"gate", "region", "direction", "state", "reason", "prompt", "occupancy", "doors": {...},
        "devices": {name: {"state", "code", "detail", "remedy"}},
        "officer_call": null | {"reason", "escalation", "acknowledged_by"}, "since_s", "uptime_s",
        "trust": {region: {"state", "cause", "remedy", "next_state", "next_cause", "next_in_s", "restricted_in_s", "closed_in_s"}},
        "trust_store": {"versions": {role: version}, "problem": null | {"what", "remedy"}, "failures", "latest_seen", "clock_behind_s"}}

        Of the trust, the regions whose passes the lane admits; seconds to come are 0 when it is so already, null when it never will be.

        Raises:
            GateError: The gate does not decide any more, so there is no status; the kiosk page closes the lane then.
        """
        ...

    def officer(self, action: str, identity: str, reason: str, uid: int | None = None) -> None:
        """An officer's act: "acknowledge", "assist", "release", "return", "rearm". The core decides whether the state allows it.

        Args:
            action: One of the four.
            identity: Who acts, as the officer gave it.
            reason: Why; may be empty except for a release.
            uid: User id of the process that asked (SO_PEERCRED), for the journal; None when nobody but this process asked.

        Raises:
            ValueError: Unknown action, or identity or (for release) reason empty.
            RefusedByStateError: The lane's state does not allow the act; nothing was done.
        """
        ...
