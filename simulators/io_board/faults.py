"""Faults a simulated I/O board can be told to have, by name.

    silent                      hears nothing, says nothing (no power, wrong line)
    late    delay_ms=N          the reply leaves N ms after it should; with until_request=true it leaves when the faults are
                                cleared or when the next request arrives, just before that one's own reply
    crc                         a bit of the reply's checksum is wrong
    short                       only the first half of the reply is sent
    exception code=4            every request is refused with that exception code, and not carried out
    drop_one                    the request is carried out, its reply is lost; once
    wrong_unit                  replies carry another unit's address
    noise   hex="00ff"          those bytes come on the line now, unasked
    stuck_input channel, value  the input reports one level for ever (value left out: what it reports now)
    unplugged                   the serial port disappears

`late`, `crc`, `short`, `exception`, `silent` and `wrong_unit` last until cleared, or for `times` requests.
Does not carry the faults out: the wire and the in-memory board each do, in their own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_FIELDS: dict[str, frozenset[str]] = {
    "silent": frozenset({"times"}),
    "late": frozenset({"delay_ms", "until_request", "times"}),
    "crc": frozenset({"times"}),
    "short": frozenset({"times"}),
    "exception": frozenset({"code", "times"}),
    "drop_one": frozenset(),
    "wrong_unit": frozenset({"times"}),
    "noise": frozenset({"hex"}),
    "stuck_input": frozenset({"channel", "value"}),
    "unplugged": frozenset(),
}
_ONCE = ("drop_one", "noise")


@dataclass(slots=True)
class _Armed:
    fields: dict[str, Any]
    left: int | None


class Faults:
    """The faults a board has at present."""

    def __init__(self) -> None:
        self._armed: dict[str, _Armed] = {}

    def arm(self, name: str, fields: dict[str, Any]) -> None:
        """Begin a fault.

        Raises:
            ValueError: No such fault, a field it does not have, or one it needs and was not given.
        """
        known = _FIELDS.get(name)
        if known is None:
            msg = f"no fault {name!r}; faults are {', '.join(_FIELDS)}"
            raise ValueError(msg)
        if unknown := fields.keys() - known:
            msg = f"fault {name} has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known)) or 'no fields'}"
            raise ValueError(msg)
        if name == "late" and not fields.get("until_request") and not isinstance(fields.get("delay_ms"), int | float):
            msg = "fault late needs delay_ms, a number, or until_request=true"
            raise ValueError(msg)
        if name == "exception" and not 1 <= int(fields.get("code", 4)) <= 0xFF:
            msg = "an exception code is 1..255"
            raise ValueError(msg)
        left = 1 if name in _ONCE else fields.get("times")
        self._armed[name] = _Armed(dict(fields), None if left is None else int(left))

    def use(self, name: str) -> dict[str, Any] | None:
        """The fault's fields if the board has it, counting one use; None if not."""
        armed = self._armed.get(name)
        if armed is None:
            return None
        if armed.left is not None:
            armed.left -= 1
            if armed.left <= 0:
                del self._armed[name]
        return armed.fields

    def has(self, name: str) -> bool:
        """Whether the board has the fault; not counted as a use."""
        return name in self._armed

    def clear(self) -> None:
        """End all faults."""
        self._armed.clear()

    @property
    def names(self) -> list[str]:
        """Names of the present faults, in the order they began."""
        return list(self._armed)
