"""What can be wrong with a simulated module, by name. Holds the active faults; `module`, `instructions` and `wire` act on them.

CONDITIONS stay until cleared, or for `times` answers when that is given. EVENTS happen once, at once, and leave their effect behind.
Any parameter is an integer or a decimal number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CONDITIONS: Final[dict[str, str]] = {
    "silent": "no command is answered",
    "garbled": "one bit of every answer is flipped",
    "truncated": "only the first half of every answer is sent",
    "slow": "every answer comes delay_s late (default 0.3)",
    "unplugged": "the line hangs up and the device node is gone; clearing plugs it in again (new node, power-on)",
    "boot_zero": "a power-on sends 00 before the 55",
    "no_boot_byte": "a power-on sends nothing",
    "match_stray_01": "a 12-byte acknowledge 01 precedes the real one of Match",
    "match_only_01": "Match is answered by a 12-byte acknowledge 01 alone",
    "upchar_endless": "UpChar never sends a last data packet (PID 08)",
    "upchar_short": "UpChar leaves out its last data packet altogether",
    "downchar_fails_256": "data packets of 256 bytes are lost",
    "downchar_fails_128": "data packets of 128 bytes and more are lost",
    "downchar_fails_64": "data packets of 64 bytes and more are lost",
    "downchar_lost": "DownChar is acknowledged, its data is lost, the buffer keeps what it held",
    "downchar_refused": "DownChar is refused with 0E",
    "r551": "an R551: neither DownChar nor the fast search exists",
    "old_firmware": "an R503 of older firmware: no ProdInfo, templates of 768 bytes",
    "empty_upchar_refused": "UpChar of an empty buffer is refused with 0D instead of sending zeros",
    "settings_ignored": "SetSysPara is acknowledged and changes nothing",
    "no_status_bits": "the status register is always 0",
    "sensor_fault": "CheckSensor and GetImage give 29",
    "other_address": "a packet of another address precedes every answer",
    "answer": "instruction (number) is answered by code (number) without being carried out",
    "score_zero": "a match is reported with a score of 0",
}

EVENTS: Final[dict[str, str]] = {
    "power_cycle": "loses power and starts again: buffers and the verified password are gone",
    "foreign_password": "somebody set password (default 0x01020304): every instruction but VfyPwd gives 21",
    "level_lowered": "another user of the line set the security level to level (default 1)",
    "wrong_baud": "another user of the line left the module at baud (default 9600)",
    "noise": "the line carries bytes nobody sent",
}

FAULTS: Final = CONDITIONS | EVENTS

_NEEDED: Final = {"answer": ("instruction", "code")}


class Faults:
    """The conditions that are active now."""

    def __init__(self) -> None:
        self._active: dict[str, dict[str, float]] = {}

    @property
    def active(self) -> list[str]:
        """Names, in the order they were set."""
        return list(self._active)

    def add(self, name: str, parameters: Mapping[str, float]) -> None:
        """Set a condition, in place of the same one set before.

        Raises:
            ValueError: There is no such condition, or it lacks a parameter.
        """
        if name not in CONDITIONS:
            msg = f"no such fault: {name}"
            raise ValueError(msg)
        missing = [key for key in _NEEDED.get(name, ()) if key not in parameters]
        if missing:
            msg = f"fault {name} needs {', '.join(missing)}"
            raise ValueError(msg)
        self._active[name] = dict(parameters)

    def clear(self) -> None:
        """Undo all conditions."""
        self._active.clear()

    def __contains__(self, name: str) -> bool:
        return name in self._active

    def parameter(self, name: str, key: str, default: float) -> float:
        """A parameter of an active condition, or the default."""
        return self._active.get(name, {}).get(key, default)

    def strike(self, name: str) -> bool:
        """Whether the condition strikes this time; one with `times` is used up by it."""
        parameters = self._active.get(name)
        if parameters is None:
            return False
        if "times" in parameters:
            parameters["times"] -= 1
            if parameters["times"] <= 0:
                del self._active[name]
        return True
