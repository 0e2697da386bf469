"""What the gate shows of itself: its status, and a crossing's record, as JSON without personal data.

Does not publish; the gate does.
"""

from __future__ import annotations

from collections.abc import Mapping

from gate_controller.core import commands as c
from gate_controller.core.machine import Controller
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.values import Device
from gate_controller.ports.control import JsonObject
from gate_controller.runtime.worker import DeviceReport


def lane_status(gate_id: str, policy: CrossingPolicy, controller: Controller, reports: Mapping[Device, DeviceReport]) -> JsonObject:
    """The part of GateControl.status() that changes by what is decided, and not by time alone."""
    call = controller.officer_call
    return {
        "gate": gate_id,
        "region": policy.region.value,
        "direction": policy.direction.name,
        "state": controller.state.value,
        "reason": controller.reason.code if controller.reason else None,
        "prompt": controller.prompt.value if controller.prompt else None,
        "occupancy": controller.inputs.occupancy.value,
        "doors": {"entry_door": controller.inputs.entry_door.value, "exit_door": controller.inputs.exit_door.value},
        "devices": {
            device.value: {"state": report.state, "code": report.code, "detail": report.detail, "remedy": report.remedy} for device, report in reports.items()
        },
        "officer_call": None
        if call is None
        else {"number": controller.call_number, "reason": call[0].code, "escalation": call[1], "acknowledged": call[2] is not None},
    }


def record_as_json(record: c.CrossingRecord) -> JsonObject:
    """A record for the event "crossing_recorded"; who the officer was stays in the journal."""
    return {
        "crossing_id": record.crossing_id,
        "outcome": record.outcome.value,
        "reason": record.reason.code if record.reason else None,
        "admitted": record.admitted,
        "issuer": record.issuer.value if record.issuer else None,
        "direction": record.direction.name,
        "degraded": record.degraded,
        "truth": {name: getattr(record, name) for name in ("authorised", "entered", "verified", "exited", "chamber_empty")},
        "checks": {modality.value: outcome.value for modality, outcome in record.checks.items()},
        "steps": [[step.name, round(step.at_s, 4)] for step in record.steps],
        "by_officer": record.officer is not None,
    }
