"""Fuzz target: QR text to decision, and the inspection of the same text.

The first byte chooses what the rest stands for, the second the circumstances:

    byte 0, modulo 8    0 the text itself  1 its bytes, to be put in Base45  2 a pass's payload  3 a presentation's payload  4 a pass's header
                        5 a presentation's header  6 both payloads, the first after its length in two bytes  7 the payload of a pass without a presentation
    byte 1              bits 0-1 freshness  2 algorithm of the pass  3 of the presentation  4-5 who signs the pass  6 static passes are admitted
                        7 only Hong Kong's passes are

Headers and payloads are signed with the genuine keys, so that they get past the signatures, as no attacker's would. The verifier must accept exactly what the
oracle accepts, find the same facts, and say the same thing twice; neither it nor the inspection may raise.
"""

from __future__ import annotations

import random

from gate_controller.passes.inspection import inspect
from gate_controller.passes.text import TextError, decode_text
from gate_controller.ports.services import PassAccepted, PassRejected, PassVerifier
from gate_controller.ports.trust import Freshness
from tests.fuzz import mutate, oracle
from tests.fuzz.scene import FRESHNESS, NOW, SIGNERS, Presented, Scene, qr_text

TEXT, BYTES, PASS_PAYLOAD, PRESENTATION_PAYLOAD, PASS_HEADER, PRESENTATION_HEADER, PAYLOADS, STATIC = MODES = range(8)
ALGORITHMS = (-8, -19)
scene = Scene()


def packed(
    mode: int,
    content: bytes,
    *,
    state: Freshness = Freshness.FRESH,
    algorithms: tuple[int, int] = (-8, -8),
    signer: str = "hk",
    static: bool = False,
    only_hk: bool = False,
) -> bytes:
    """The input that means this: for seeds."""
    circumstances = (
        FRESHNESS.index(state)
        | ALGORITHMS.index(algorithms[0]) << 2
        | ALGORITHMS.index(algorithms[1]) << 3
        | SIGNERS.index(signer) << 4
        | static << 6
        | only_hk << 7
    )
    return bytes((mode, circumstances)) + content


def shown(data: bytes) -> tuple[str, Presented | None]:
    """The QR text an input stands for, and what is in it when that was genuinely signed."""
    mode, circumstances, content = data[0] % len(MODES), data[1], data[2:]
    if mode in (TEXT, BYTES):
        text = content.decode(errors="surrogateescape") if mode == TEXT else qr_text(content)
        return text, scene.known.get(text.strip("\r\n"))
    signer, algorithms = SIGNERS[circumstances >> 4 & 3], (ALGORITHMS[circumstances >> 2 & 1], ALGORITHMS[circumstances >> 3 & 1])
    cut = 2 + int.from_bytes(content[:2], "big")
    match mode:
        case 2:
            presented = scene.presented(signer, algorithms=algorithms, pass_payload=content)
        case 3:
            presented = scene.presented(signer, algorithms=algorithms, presentation_payload=content)
        case 4:
            presented = scene.presented(signer, algorithms=algorithms, pass_header=content)
        case 5:
            presented = scene.presented(signer, algorithms=algorithms, presentation_header=content)
        case 6:
            presented = scene.presented(signer, algorithms=algorithms, pass_payload=content[2:cut], presentation_payload=content[cut:])
        case _:
            presented = scene.static(signer, algorithms[0], content)
    return qr_text(scene.data(presented)), presented


def decided(data: bytes) -> PassAccepted | PassRejected:
    """The verifier's decision."""
    return verifier_of(data).verify(shown(data)[0], NOW)


def one_input(data: bytes) -> None:
    """Decide, and compare with the oracle."""
    if len(data) < 2:
        return
    text, presented = shown(data)
    decoded = oracle.decoded(text)
    assert _decoded(text) == decoded, "Base45 was decoded otherwise"
    verifier = verifier_of(data)
    result = verifier.verify(text, NOW)
    assert verifier.verify(text, NOW) == result, "the same text was decided differently the second time"
    expected = None
    if presented is not None and decoded is not None:
        expected = oracle.facts(scene, presented, _state(data), static_admitted=_static_admitted(data), only_hk=_only_hk(data))
    found = result.facts if isinstance(result, PassAccepted) else None
    assert found == expected, f"decided {result}, expected {expected}"
    inspection = inspect(text)
    assert all(isinstance(value, str) and value.isascii() and value.isprintable() for field in inspection.fields for value in field), "not printable"
    if found is not None and presented is not None:
        static = presented.presentation_header is None
        assert (inspection.kind, inspection.stopped is None) == (("static pass", False) if static else ("presentation", True)), (
            "accepted, but the inspection says no"
        )


def _decoded(text: str) -> bytes | None:
    try:
        return decode_text(text)
    except TextError:
        return None


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A text with some of its characters changed; or a payload or two, with the CBOR changed as CBOR.

    This input's, if it has any that can be read; else, or by chance, what is genuine.
    """
    mode, content = data[0] % len(MODES), data[2:]
    if mode == TEXT:
        text = content if content.startswith(b"ECH1:") and rng.random() < 0.7 else rng.choice(list(scene.known)).encode()
        return data[:2] + mutate.mutated_text(text, rng)
    if mode not in (PASS_PAYLOAD, PRESENTATION_PAYLOAD, PAYLOADS, STATIC):
        mode, content = rng.choice((PASS_PAYLOAD, PRESENTATION_PAYLOAD, PAYLOADS, STATIC)), b""
    head = bytes((mode,)) + data[1:2]
    signer = SIGNERS[data[1] >> 4 & 3]
    if mode == PRESENTATION_PAYLOAD:
        return head + mutate.mutated(content, scene.presentation_payload(), rng)
    genuine = scene.pass_payload(signer, static=mode == STATIC)
    if mode != PAYLOADS:
        return head + mutate.mutated(content, genuine, rng)
    cut = 2 + int.from_bytes(content[:2], "big")
    changes = rng.choice(((True, False), (False, True), (True, True)))
    parts = [
        mutate.mutated(part, right, rng) if changed else right
        for part, right, changed in zip((content[2:cut], content[cut:]), (genuine, scene.presentation_payload()), changes, strict=True)
    ]
    return head + (len(parts[0]) & 0xFFFF).to_bytes(2, "big") + b"".join(parts)


def _state(data: bytes) -> Freshness:
    return FRESHNESS[data[1] & 3]


def _static_admitted(data: bytes) -> bool:
    return bool(data[1] >> 6 & 1)


def _only_hk(data: bytes) -> bool:
    return bool(data[1] >> 7)


def verifier_of(data: bytes) -> PassVerifier:
    """The verifier that an input is shown to."""
    return scene.verifiers[_state(data), _static_admitted(data), _only_hk(data)]
