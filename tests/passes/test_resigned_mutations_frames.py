"""The frame of both COSE_Sign1 in every other shape, around content and a signature that are genuine: all of it is refused in step 2.

Each shape is put around the presentation and around the pass within it. The Sig_structure never covers the frame, so the signatures hold.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest

from gate_controller.core.reasons import Reason
from gate_controller.ports.services import PassAccepted, PassRejected
from simulators.phone import qr_text

R = Reason
DOCUMENT = Path(__file__).parents[2] / "docs" / "attacks.md"
Parts = tuple[bytes, bytes, bytes]


def item(content: bytes) -> bytes:
    return cbor2.dumps(content)


def indefinite(content: bytes) -> bytes:
    return b"\x5f" + item(content[:1]) + item(content[1:]) + b"\xff"


def build(
    protected: Callable[[bytes], bytes] = item,
    payload: Callable[[bytes], bytes] = item,
    signature: Callable[[bytes], bytes] = item,
    *,
    start: bytes = b"\xd2\x84",
    unprotected: bytes = b"\xa0",
    end: bytes = b"",
) -> Callable[[Parts], bytes]:
    return lambda parts: start + protected(parts[0]) + unprotected + payload(parts[1]) + signature(parts[2]) + end


def in_long_form(content: bytes) -> bytes:
    """A byte string with the length in the next longer head."""
    size = len(item(content)) - len(content)  # of the shortest head
    code, width = {1: (0x58, 1), 2: (0x59, 2), 3: (0x5A, 4)}[size]
    return bytes([code]) + len(content).to_bytes(width) + content


def as_text(content: bytes) -> bytes:
    whole = item(content)
    return bytes([whole[0] + 0x20]) + whole[1:]


FRAMES: dict[str, Callable[[Parts], bytes]] = {
    # tag
    "no tag": build(start=b"\x84"),
    "tag in the long form": build(start=b"\xd8\x12\x84"),
    "tag in the longest form": build(start=b"\xdb" + (18).to_bytes(8) + b"\x84"),
    "COSE_Mac0 (17)": build(start=b"\xd1\x84"),
    "COSE_Encrypt0 (16)": build(start=b"\xd0\x84"),
    "COSE_Sign (98)": build(start=b"\xd8\x62\x84"),
    "COSE_Sign (98), with a list of signatures": build(signature=lambda content: b"\x81\x83\x40\xa0" + item(content), start=b"\xd8\x62\x84"),
    "CWT (61) around it": build(start=b"\xd8\x3d\xd2\x84"),
    "CWT (61) for it": build(start=b"\xd8\x3d\x84"),
    "self-described (55799)": build(start=b"\xd9\xd9\xf7\xd2\x84"),
    "tag twice": build(start=b"\xd2\xd2\x84"),
    "encoded CBOR (24) around it": lambda parts: b"\xd8\x18" + item(build()(parts)),
    "in a byte string": lambda parts: item(build()(parts)),
    "in an array": build(start=b"\x81\xd2\x84"),
    # array
    "array of 3": build(start=b"\xd2\x83"),
    "array of 3, no signature": build(signature=lambda _: b"", start=b"\xd2\x83"),
    "array of 5": build(start=b"\xd2\x85", end=b"\xf6"),
    "array of 5, signed twice": lambda parts: build(start=b"\xd2\x85", end=item(parts[2]))(parts),
    "array in the long form": build(start=b"\xd2\x98\x04"),
    "array of indefinite length": build(start=b"\xd2\x9f", end=b"\xff"),
    "a map": build(start=b"\xd2\xa2"),
    # protected
    "protected header in the long form": build(protected=in_long_form),
    "protected header of indefinite length": build(protected=indefinite),
    "protected header as text": build(protected=as_text),
    "protected header not in a byte string": build(protected=lambda content: content),
    "protected header null": build(protected=lambda _: b"\xf6"),
    # unprotected
    "alg in the unprotected header too": build(unprotected=b"\xa1\x01\x27"),
    "alg only in the unprotected header": build(protected=lambda _: b"\x40", unprotected=b"\xa1\x01\x27"),
    "kid in the unprotected header": build(unprotected=b"\xa1\x04\x48" + bytes(8)),
    "typ in the unprotected header": build(unprotected=b"\xa1\x10\x19\xfd\xe9"),
    "text in the unprotected header": build(unprotected=b"\xa1\x63alg\x65EdDSA"),
    "unprotected header in the long form": build(unprotected=b"\xb8\x00"),
    "unprotected header of indefinite length": build(unprotected=b"\xbf\xff"),
    "unprotected header null": build(unprotected=b"\xf6"),
    "unprotected header an array": build(unprotected=b"\x80"),
    "no unprotected header": build(unprotected=b"", start=b"\xd2\x83"),
    # payload
    "payload detached (null)": build(payload=lambda _: b"\xf6"),
    "payload undefined": build(payload=lambda _: b"\xf7"),
    "payload in the long form": build(payload=in_long_form),
    "payload of indefinite length": build(payload=indefinite),
    "payload as text": build(payload=as_text),
    "payload not in a byte string": build(payload=lambda content: content),
    "payload under tag 24": build(payload=lambda content: b"\xd8\x18" + item(content)),
    "payload longer than the rest": build(payload=lambda content: b"\x59\x7f\xff" + content),
    "payload of 2^64 - 1 bytes": build(payload=lambda content: b"\x5b" + b"\xff" * 8 + content),
    # signature
    "no signature": build(signature=lambda _: b""),
    "signature empty": build(signature=lambda _: b"\x40"),
    "signature null": build(signature=lambda _: b"\xf6"),
    "signature of 63 bytes": build(signature=lambda content: item(content[:63])),
    "signature of 65 bytes": build(signature=lambda content: item(content + b"\0")),
    "signature of 65 bytes, the last one the message's first": build(signature=lambda content: item(content + b"\x84")),
    "signature of 128 bytes": build(signature=lambda content: item(content * 2)),
    "signature in the long form": build(signature=in_long_form),
    "signature of indefinite length": build(signature=indefinite),
    "signature as text": build(signature=as_text),
    "signature under a tag": build(signature=lambda content: b"\xd8\x3d" + item(content)),
    # behind it
    "a byte behind it": build(end=b"\0"),
    "null behind it": build(end=b"\xf6"),
    "itself behind it": lambda parts: build()(parts) * 2,
    "a byte short": lambda parts: build()(parts)[:-1],
}


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in FRAMES.items()])
def test_around_the_presentation_and_around_the_pass(laboratory: Any, make: Callable[[Parts], bytes]) -> None:
    for text in (qr_text(make(laboratory.parts())), laboratory.presented(make(laboratory.pass_parts()))):
        result = laboratory.verify(text)
        assert isinstance(result, PassRejected)
        assert (result.reason, result.step) == (R.PASS_BAD_FRAME, 2)


def test_the_right_frame_is_accepted(laboratory: Any) -> None:
    assert isinstance(laboratory.verify(qr_text(build()(laboratory.parts()))), PassAccepted)
    assert isinstance(laboratory.verify(laboratory.presented(build()(laboratory.pass_parts()))), PassAccepted)


def test_the_document_says_how_many_there_are() -> None:
    assert f"({2 * len(FRAMES)})" in DOCUMENT.read_text()
