"""How a simulation watches its gate: by the control socket alone, as `gatectl` does.

Takes the gate's prompts to the simulated world's display, its records to whoever waits for them, and an officer's acts to the gate.
Decides nothing.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from gate_controller.control.client import GateClient
from gate_controller.core.prompts import Prompt
from gate_controller.ports.control import JsonObject
from gate_controller.ports.errors import GateError
from simulators.lane.simulation import GroundTruth, LaneSimulation
from simulators.world import Violation

Put = Callable[[str, object], None]
"""Takes what was seen: its kind, and what it was."""


class WorldEvents:
    """A simulators.lane.simulation.LaneEvents that hands on "truth" and "violation".

    Args:
        put: Where to.
    """

    def __init__(self, put: Put) -> None:
        self._put = put

    def traveller_started(self, name: str) -> None:
        """Nothing to note: the gate's records tell when it noticed."""

    def traveller_left(self, name: str, truth: GroundTruth) -> None:
        """They are gone."""
        del name
        self._put("truth", truth)

    def invariant_violated(self, violation: Violation) -> None:
        """The world's monitor saw the interlock broken."""
        self._put("violation", violation)


class SocketDesk:
    """The officer's desk is the control socket, as `gatectl officer` uses it."""

    def __init__(self, client: GateClient) -> None:
        self._client = client

    def acknowledge(self, identity: str) -> None:
        """See OfficerDesk."""
        self._act("acknowledge", identity, "")

    def return_traveller(self, identity: str, reason: str) -> None:
        """See OfficerDesk."""
        self._act("return", identity, reason)

    def release(self, identity: str, reason: str) -> None:
        """See OfficerDesk."""
        self._act("release", identity, reason)

    def _act(self, action: str, identity: str, reason: str) -> None:
        # From a thread of its own: the world does not stand still while an officer presses a button.
        def press() -> None:
            with contextlib.suppress(GateError):
                self._client.officer(action, identity, reason, self._client.pending_call())

        threading.Thread(target=press, name=f"officer {action}", daemon=True).start()


class GateWatcher:
    """Follows the gate's event stream.

    Prompts go to the world's display, every event is handed on as "event", and a record as "record" with the name of whoever stands at the lane.

    Args:
        client: The gate's control socket.
        simulation: The world.
        put: Where records are handed on to.
    """

    def __init__(self, client: GateClient, simulation: LaneSimulation, put: Put) -> None:
        self._client = client
        self._simulation = simulation
        self._put = put
        self._stopping = threading.Event()
        self._stream: contextlib.AbstractContextManager[object] | None = None
        self._thread = threading.Thread(target=self._run, name="gate watcher", daemon=True)

    def start(self) -> None:
        """Start following."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up."""
        self._stopping.set()
        stream = self._stream
        if stream is not None:
            stream.__exit__(None, None, None)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        after: int | None = 0
        while not self._stopping.is_set():
            with contextlib.suppress(GateError), self._client.events(after=after) as stream:
                self._stream = stream
                for event in stream:
                    after = event.sequence or after
                    self._take(event.kind, event.fields)
            self._simulation.show_prompt(None)
            self._put("event", ("gone", {}))
            self._stopping.wait(0.1)

    def _take(self, kind: str, fields: JsonObject) -> None:
        self._put("event", (kind, fields))
        if kind == "prompt":
            self._simulation.show_prompt(Prompt(fields["prompt"]))
        elif kind == "crossing_recorded" and self._simulation.presenter is not None:
            self._put("record", (self._simulation.presenter, fields))
