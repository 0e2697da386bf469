"""Status lists as a region publishes them (draft-ietf-oauth-status-list, CWT form), simulated.

Written without a line of the gate's reader. Does not decide who is revoked.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from gate_controller.ports.trust import PassStatus
from simulators.authority import EDDSA, Authority, encode

TYP_STATUS_LIST = "application/statuslist+cwt"
SUB, EXP, IAT, STATUS_LIST, TTL = 2, 4, 6, 65533, 65534


def packed(statuses: Mapping[int, PassStatus], size: int, bits: int = 2) -> bytes:
    """The list's bytes, not compressed: `bits` for each of `size` passes, the first in the lowest bits; VALID unless named (section 4.1)."""
    per_byte = 8 // bits
    content = bytearray(-(-size // per_byte))
    for index, status in statuses.items():
        if not (0 <= index < size and status.value < 1 << bits):
            msg = f"{status.name} at {index} does not fit a list of {size} passes with {bits} bits each"
            raise ValueError(msg)
        content[index // per_byte] |= status.value << (index % per_byte) * bits
    return bytes(content)


def claims(uri: str, content: bytes, issued_at: int, *, bits: int = 2, expires_at: int | None = None, ttl_s: int | None = None) -> dict[int, Any]:
    """The claims of a status list token (section 5.2); a test may change them before signing."""
    optional = {EXP: expires_at, TTL: ttl_s}
    return {
        SUB: uri,
        IAT: issued_at,
        STATUS_LIST: {"bits": bits, "lst": zlib.compress(content, 9)},
        **{key: value for key, value in optional.items() if value is not None},
    }


def protected_header(authority: Authority, algorithm: int = EDDSA) -> bytes:
    """The protected header of a region's status lists."""
    return encode({1: algorithm, 4: authority.kid, 16: TYP_STATUS_LIST})


def token(authority: Authority, listed: Mapping[int, Any], algorithm: int = EDDSA) -> bytes:
    """A signed status list token out of its claims."""
    return authority.sign(encode(dict(listed)), protected_header(authority, algorithm))
