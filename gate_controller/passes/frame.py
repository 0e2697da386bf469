"""Step 2: the fixed frame of a presentation and of the pass inside it, taken apart by hand.

The presentation's protected header is `{1: alg, 13: <the pass's own tag-18 item>, 16: 294}`.

Does not look into the pass's protected header (the key table does, step 3) nor into a payload.
"""

from __future__ import annotations

from dataclasses import dataclass

from gate_controller.cose.sign1 import FrameError, Sign1, parse_sign1

# {1: -8, 13: ... and {1: -19, 13: ...: EdDSA (RFC 9053) and Ed25519 (RFC 9864) name the same algorithm here.
PRESENTATION_HEADS = (b"\xa3\x01\x27\x0d", b"\xa3\x01\x32\x0d")
_PASS_HEADS = (b"\xa3\x01\x27\x04\x48", b"\xa3\x01\x32\x04\x48")
_PASS_TAIL = b"\x10\x19\xfd\xe9"  # 16: 65001
_PASS_HEADER_BYTES = 17
_PRESENTATION_TAIL = b"\x10\x19\x01\x26"  # 16: 294


class StaticPassError(FrameError):
    """A pass alone, without a presentation around it."""


@dataclass(frozen=True, slots=True)
class PresentationFrame:
    """A presentation and the pass in its header, neither verified."""

    presentation: Sign1
    pass_: Sign1


def parse_presentation(data: bytes) -> PresentationFrame:
    """Take a presentation apart, with the pass in its header.

    Raises:
        StaticPassError: A pass alone.
        FrameError: Anything else but exactly one presentation with exactly one pass.
    """
    presentation, end = parse_sign1(data)
    if end != len(data):
        raise FrameError(end, f"{len(data) - end} bytes after the presentation")
    protected = presentation.protected
    head = next((head for head in PRESENTATION_HEADS if protected.startswith(head)), None)
    if head is None:
        if is_pass_header(protected):
            raise StaticPassError(0, "a pass alone, without a presentation")
        raise FrameError(0, "the protected header is not a presentation's")
    try:
        pass_, pass_end = parse_sign1(protected, len(head))
    except FrameError as error:
        raise FrameError(0, f"in the protected header's pass, {error}") from error
    # Re-built from the pass's own bytes and compared: nothing can stand before, between or behind.
    if protected != head + protected[len(head) : pass_end] + _PRESENTATION_TAIL:
        raise FrameError(0, f"in the protected header, byte {pass_end}: not the end of a presentation's header")
    return PresentationFrame(presentation, pass_)


def is_pass_header(protected: bytes) -> bool:
    """Whether these are the bytes of `{1: alg, 4: kid, 16: 65001}` with one of the two algorithms, whoever's kid it is."""
    return len(protected) == _PASS_HEADER_BYTES and protected.startswith(_PASS_HEADS) and protected.endswith(_PASS_TAIL)
