"""Faults of the lane's hardware and surroundings that a test or a scenario can inject. Holds no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field

from gate_controller.core.values import Door, Occupancy


@dataclass(slots=True)
class WorldFaults:
    """What is broken now; change the fields while the world runs.

    Attributes:
        stuck_doors: Doors whose leaf does not move.
        stuck_inputs: Inputs that stay at a level, by name of the input (a stuck contact, a cut or shorted wire).
        forced_doors: Doors somebody holds open by force, with the leaf position they hold (0..1).
        objects: Doorways with an object left in them: it interrupts the beam and obstructs the leaf.
        counter: What the counter reports whatever is under it; UNKNOWN for nothing at all; None when it works.
    """

    stuck_doors: set[Door] = field(default_factory=set)
    stuck_inputs: dict[str, bool] = field(default_factory=dict)
    forced_doors: dict[Door, float] = field(default_factory=dict)
    objects: set[Door] = field(default_factory=set)
    counter: Occupancy | None = None

    def clear(self) -> None:
        """Repair everything."""
        self.stuck_doors.clear()
        self.stuck_inputs.clear()
        self.forced_doors.clear()
        self.objects.clear()
        self.counter = None

    def names(self) -> tuple[str, ...]:
        """Every fault that is present, as short texts for a report."""
        return (
            *sorted(f"{door.value} stuck" for door in self.stuck_doors),
            *(f"{name} stuck at {int(level)}" for name, level in sorted(self.stuck_inputs.items())),
            *(f"{door.value} forced to {to:.2f}" for door, to in sorted(self.forced_doors.items(), key=lambda item: item[0].value)),
            *sorted(f"object in {door.value}" for door in self.objects),
            *((f"counter reports {self.counter.value}",) if self.counter else ()),
        )
