"""Is whoever is inside helped when nothing but time passes (INV-4), and how soon? A question to the graph that a search leaves, not to the core."""

from __future__ import annotations

from dataclasses import dataclass

Waits = dict[int, list[tuple[float, int]]]
"""From each node with somebody inside who is not helped: how long each thing that is waited for may still take (seconds), and where it leads."""


class NotHelpedError(AssertionError):
    """Somebody is inside, nobody is called, no door is open, and time does not change it. `node` is where."""

    def __init__(self, what: str, node: int) -> None:
        super().__init__(what)
        self.node = node


@dataclass(frozen=True, slots=True)
class Wait:
    """The longest wait for help: `times` that run out one after another at most, and at most so many `seconds`."""

    times: int = 0
    seconds: float = 0.0


def longest_wait(waits: Waits) -> Wait:
    """How long whoever is inside waits for help, at most, when nothing but time passes.

    A time that runs out and leads nowhere (a call that nobody made is not made louder) does not count, however often: all that is waited for beside
    it goes on meanwhile. The first of several runs out when the shortest of them is over, at the latest.

    Args:
        waits: Nodes that are not among its keys are fine.

    Raises:
        NotHelpedError: Time leads nowhere, or round in circles.
    """
    leading = {node: [(seconds, after) for seconds, after in afters if after != node] for node, afters in waits.items()}
    longest: dict[int, Wait] = {}
    for start in leading:
        path, on_path = [start], {start}
        while path:
            node = path[-1]
            if not leading[node]:
                raise NotHelpedError("INV-4: somebody is inside, nobody is called, no door is open, and nothing more is due", node)
            afters = [after for _, after in leading[node] if after in leading]
            unknown = next((after for after in afters if after not in longest), None)
            if unknown is None:
                on = [longest[after] for after in afters]
                here = min(seconds for seconds, _ in leading[node])
                longest[node] = Wait(1 + max((wait.times for wait in on), default=0), here + max((wait.seconds for wait in on), default=0.0))
                on_path.discard(path.pop())
            elif unknown in on_path:
                raise NotHelpedError("INV-4: somebody is inside, nobody is called, no door is open, and time leads round in circles", node)
            else:
                path.append(unknown)
                on_path.add(unknown)
    return Wait(max((wait.times for wait in longest.values()), default=0), max((wait.seconds for wait in longest.values()), default=0.0))
