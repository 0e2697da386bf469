"""Step 2: the fixed frame of a presentation and of the pass inside it, taken apart by hand.

The presentation's protected header is `{1: alg, 13: <the pass's own tag-18 item>, 16: 294}`. A pass alone, with no presentation
around it, is a static pass.

Does not look into the pass's protected header (the key table does, step 3) nor into a payload.
"""

from __future__ import annotations

from typing import NamedTuple

from gate_controller.cose.sign1 import FrameError, Sign1, parse_sign1

# {1: -8, 13: ... and {1: -19, 13: ...: EdDSA (RFC 9053) and Ed25519 (RFC 9864) name the same algorithm here.
_PRESENTATION_HEADS = (b"\xa3\x01\x27\x0d", b"\xa3\x01\x32\x0d")
_PRESENTATION_TAIL = b"\x10\x19\x01\x26"  # 16: 294
_PASS_AT = 4
_PASS_HEADS = (b"\xa3\x01\x27\x04\x48", b"\xa3\x01\x32\x04\x48")  # {1: alg, 4: 8 bytes
_PASS_TAIL = b"\x10\x19\xfd\xe9"  # 16: 65001
_PASS_HEADER_BYTES = 17


class PassFrame(NamedTuple):
    """A pass and the presentation around it, neither verified; None around a static pass."""

    pass_: Sign1
    presentation: Sign1 | None


def parse_frame(data: bytes) -> PassFrame:
    """Take a presentation apart, with the pass in its header; or a pass that stands alone.

    Raises:
        FrameError: Anything else than exactly one presentation with exactly one pass, or exactly one pass.
    """
    outer, end = parse_sign1(data)
    if end != len(data):
        raise FrameError(end, f"{len(data) - end} bytes after the presentation")
    protected = outer.protected
    if not protected.startswith(_PRESENTATION_HEADS):
        if is_pass_header(protected):
            return PassFrame(outer, None)
        raise FrameError(0, "the protected header is neither a presentation's nor a pass's")
    try:
        pass_, pass_end = parse_sign1(protected, _PASS_AT)
    except FrameError as error:
        raise FrameError(0, f"in the protected header's pass, {error}") from error
    # Head, pass, tail: nothing can stand before, between or behind them.
    if protected[pass_end:] != _PRESENTATION_TAIL:
        raise FrameError(0, f"in the protected header, byte {pass_end}: not the end of a presentation's header")
    return PassFrame(pass_, outer)


def is_pass_header(protected: bytes) -> bool:
    """Whether these are the bytes of `{1: alg, 4: kid, 16: 65001}` with one of the two algorithms, whoever's kid it is."""
    return len(protected) == _PASS_HEADER_BYTES and protected.startswith(_PASS_HEADS) and protected.endswith(_PASS_TAIL)
