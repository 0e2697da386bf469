"""The lane as it truly is at one moment, as JSON for the panel's drawing. Ground truth of the simulation: the gate sees none of it."""

from __future__ import annotations

from typing import Any

from gate_controller.core.values import Door
from simulators.lane.simulation import LaneSimulation

LAMPS = ("entry_green", "entry_red", "exit_green", "officer_call")


def sizes(simulation: LaneSimulation) -> dict[str, float]:
    """Where things are, in metres along the lane; see LaneGeometry."""
    at = simulation.world.geometry
    return {
        "queue": at.queue_m,
        "reader": at.reader_m,
        "entry": at.plane_m(Door.ENTRY),
        "stand": at.stand_m,
        "exit": at.plane_m(Door.EXIT),
        "beyond": at.beyond_m,
    }


def look(simulation: LaneSimulation) -> dict[str, Any]:
    """Doors (0 shut .. 1 open), beams, counter, lamps and people (metres along the lane) now."""
    with simulation.lock:
        world = simulation.world
        inputs = world.inputs()
        return {
            "doors": {door.value: round(world.leaf(door).position, 3) if door in world.doors else None for door in Door},
            "beams": {"entry": not inputs["entry_beam_clear"], "exit": not inputs["exit_beam_clear"]},
            "counter": next((name for name in ("zero", "one", "many") if inputs[f"occupancy_{name}"]), "unknown"),
            "lamps": {name: world.coil(name) for name in LAMPS},
            "alarm": not world.emergency_loop_closed,
            "bag": Door.EXIT in world.faults.objects,
            "traveller": simulation.current,
            "people": [
                {
                    "name": body.name,
                    "at": round(body.position_m, 3),
                    "depth": body.depth_m,
                    "phone": body.phone_text is not None,
                    "finger": body.finger is not None,
                    "back": body.target_m is not None and body.target_m < body.position_m - 1e-6,
                }
                for body in world.bodies()
            ],
        }
