"""Is whoever is inside helped when nothing but time passes (INV-4)? A question to the graph that a search leaves, not to the core."""

from __future__ import annotations


class NotHelpedError(AssertionError):
    """Somebody is inside, nobody is called, no door is open, and time does not change it. `node` is where."""

    def __init__(self, what: str, node: int) -> None:
        super().__init__(what)
        self.node = node


def longest_wait(waits: dict[int, list[int]]) -> int:
    """How many times run out one after another, at most, before help.

    Args:
        waits: From each node with somebody inside who is not helped, where each time that runs out leads. Nodes that are not among them are fine.

    Raises:
        NotHelpedError: Time leads nowhere, or round in circles.
    """
    length: dict[int, int] = {}
    for start in waits:
        path: list[int] = [start]
        on_path = {start}
        while path:
            node = path[-1]
            if not waits[node]:
                raise NotHelpedError("INV-4: somebody is inside, nobody is called, no door is open, and nothing more is due", node)
            afters = [after for after in waits[node] if after in waits]
            unknown = next((after for after in afters if after not in length), None)
            if unknown is None:
                length[node] = 1 + max((length[after] for after in afters), default=0)
                on_path.discard(path.pop())
            elif unknown in on_path:
                raise NotHelpedError("INV-4: somebody is inside, nobody is called, no door is open, and time leads round in circles", node)
            else:
                path.append(unknown)
                on_path.add(unknown)
    return max(length.values(), default=0)
