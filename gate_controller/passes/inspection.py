"""A decoded view of a QR text for people. It trusts nothing and decides nothing.

No region key is looked up, no clock, no lane, no replay memory: the steps that need one are reported as not performed. What
can be decoded is shown even when a step before it failed. Never raises because of the text.

Every value is printable ASCII: a text from a stranger must not drive a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import cbor2

from gate_controller.cose.deterministic import FEW_TAGS, CborError, parse_deterministic
from gate_controller.cose.ed25519 import is_valid_point, verify_signature
from gate_controller.cose.sign1 import FrameError, Sign1
from gate_controller.passes import claims as c
from gate_controller.passes.frame import is_pass_header, parse_frame
from gate_controller.passes.text import TextError, decode_text
from gate_controller.passes.verifier import Check
from gate_controller.ports.services import VerificationStep

_MAX_VALUE_CHARS = 200
_MAX_SHOWN_DEPTH = 6
_KID_BYTES = 8
_TIMES = frozenset({c.EXP, c.NBF, c.IAT})
_CLAIM_NAMES = {c.ISS: "iss", c.SUB: "sub", c.AUD: "aud", c.EXP: "exp", c.NBF: "nbf", c.IAT: "iat", c.CTI: "cti", c.CNF: "cnf", c.STATUS: "status"}
_ALGORITHMS = {0x27: "-8 (EdDSA)", 0x32: "-19 (Ed25519)"}

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a text holds.

    Attributes:
        kind: "presentation", "static pass" (no presentation; admitted by policy only) or "unknown".
        fields: (name, value) in the order of the format; names are unique, values printable ASCII.
        steps: As the verifier's; passed is None for what was not reached or needs keys, a clock or a store.
    """

    kind: str
    fields: tuple[tuple[str, str], ...]
    steps: tuple[VerificationStep, ...]

    @property
    def stopped(self) -> VerificationStep | None:
        """The first step that failed, or None when everything decodes."""
        return next((step for step in self.steps if step.passed is False), None)


def inspect(text: str) -> Inspection:
    """Decode `text` as far as possible."""
    return _Inspector().run(text)


class _Inspector:
    def __init__(self) -> None:
        self._fields: dict[str, str] = {}
        self._outcomes: dict[Check, tuple[bool | None, str]] = {
            Check.REGION_KEY: (None, "not performed: no keys are consulted"),
            Check.PASS_SIGNATURE: (None, "not performed: needs the region's key"),
            Check.STATUS: (None, "not performed: no status list is consulted"),
            Check.REPLAY: (None, "not performed: no replay memory is consulted"),
        }

    def run(self, text: str) -> Inspection:
        self._fields["characters"] = str(len(text))
        kind = "unknown"
        data = self._attempt(Check.TEXT, lambda: decode_text(text))
        if data is not None:
            self._fields["bytes"] = str(len(data))
            kind = self._frames(data)
        steps = tuple(VerificationStep(check.number, check.label, *self._outcomes.get(check, (None, ""))) for check in Check)
        return Inspection(kind, tuple(self._fields.items()), steps)

    def _frames(self, data: bytes) -> str:
        frame = self._attempt(Check.FRAME, lambda: parse_frame(data))
        if frame is None:
            return "unknown"
        presentation = frame.presentation
        if presentation is None:
            self._outcomes[Check.FRAME] = (False, "a static pass: no presentation around it, and no gate admits it unless its policy says so")
            self._pass(frame.pass_, static=True)
            return "static pass"
        holder_key = self._pass(frame.pass_)
        self._fields["presentation alg"] = _ALGORITHMS[presentation.protected[2]]
        value = self._payload(Check.PRESENTATION_CBOR, presentation.payload)
        self._claims("presentation", value, {**_CLAIM_NAMES, c.CTI: "nonce"})
        if self._outcomes[Check.PRESENTATION_CBOR][0]:
            self._attempt(Check.PRESENTATION_CLAIMS, lambda: c.parse_presentation_claims(value))
        if holder_key is not None:
            self._outcomes[Check.HOLDER] = _holder(presentation, holder_key)
        return "presentation"

    def _pass(self, pass_: Sign1, *, static: bool = False) -> bytes | None:
        """Show the pass; returns the holder key when the claims are whole."""
        if (header := _pass_header(pass_.protected)) is not None:
            self._fields["pass alg"], self._fields["pass kid"] = header
        else:
            self._fields["pass header"] = _shown(pass_.protected)
            self._outcomes[Check.REGION_KEY] = (False, "not the protected header of a pass: no key can have it")
        value = self._payload(Check.PASS_CBOR, pass_.payload)
        self._claims("pass", value, _CLAIM_NAMES)
        if not self._outcomes[Check.PASS_CBOR][0]:
            return None
        parsed = self._attempt(Check.PASS_CLAIMS, lambda: c.parse_pass_claims(value, holder_required=not static))
        return None if parsed is None else parsed.holder_key

    def _payload(self, check: Check, payload: bytes) -> object:
        """The payload's value; what is only not deterministic is still decoded, for display."""
        if (value := self._attempt(check, lambda: parse_deterministic(payload))) is not None:
            return value
        try:
            lax: object = cbor2.loads(payload, max_depth=_MAX_SHOWN_DEPTH, semantic_decoders=FEW_TAGS)
        except Exception:  # noqa: BLE001 - the step already says that it is not CBOR
            return None
        return lax

    def _claims(self, prefix: str, value: object, names: dict[int, str]) -> None:
        if type(value) is not dict:
            self._fields[f"{prefix} payload"] = _shown(value)
            return
        for key, claim in value.items():
            name = names.get(key) if type(key) is int else None
            if type(key) is int and key == c.SCHEME and type(claim) is dict:
                self._scheme(prefix, claim)
            elif type(key) is int and key in _TIMES:
                self._fields[f"{prefix} {name}"] = _time(claim)
            else:
                self._fields[f"{prefix} {name or f'claim {_shown(key)}'}"] = _shown(claim)

    def _scheme(self, prefix: str, claim: dict[object, object]) -> None:
        names = {c.CLASS: "class", c.DIRECTIONS: "directions", c.PERMIT_UNTIL: "permit-until"}
        for key, value in claim.items():
            name = names.get(key) if type(key) is int else None
            self._fields[f"{prefix} {name or f'claim {c.SCHEME}/{_shown(key)}'}"] = _time(value) if name == "permit-until" else _shown(value)

    def _attempt(self, check: Check, action: Callable[[], _Result]) -> _Result | None:
        try:
            result = action()
        except (TextError, FrameError, CborError, c.ClaimError) as error:
            self._outcomes[check] = (False, str(error))
            return None
        self._outcomes[check] = (True, "")
        return result


def _holder(presentation: Sign1, key: bytes) -> tuple[bool, str]:
    if not is_valid_point(key):
        return False, "the pass's holder key is not a valid Ed25519 point"
    if not verify_signature(presentation.signature, presentation.signed, key):
        return False, "not signed by the pass's holder key"
    return True, "signed by the key the pass names; whether the pass is genuine is not known"


def _pass_header(protected: bytes) -> tuple[str, str] | None:
    """Algorithm and kid of `{1: alg, 4: kid, 16: 65001}`, or None for any other header."""
    return (_ALGORITHMS[protected[2]], protected[5 : 5 + _KID_BYTES].hex()) if is_pass_header(protected) else None


def _time(value: object) -> str:
    if type(value) is int and 0 <= value <= c.MAX_TIME:
        return f"{value} ({datetime.fromtimestamp(value, UTC):%Y-%m-%dT%H:%M:%SZ})"
    return _shown(value)


def _shown(value: object, depth: int = 0) -> str:
    """Printable ASCII, bounded in length and depth."""
    if depth >= _MAX_SHOWN_DEPTH:
        return "..."
    if type(value) is bytes:
        shown = f"h'{value.hex()}'"
    elif type(value) is str:
        shown = json.dumps(value)
    elif type(value) is dict:
        shown = "{" + ", ".join(f"{_shown(key, depth + 1)}: {_shown(item, depth + 1)}" for key, item in value.items()) + "}"
    elif type(value) is list:
        shown = "[" + ", ".join(_shown(item, depth + 1) for item in value) + "]"
    elif value is None or type(value) in (bool, float):
        shown = json.dumps(value)
    elif type(value) is int:
        shown = str(value) if value.bit_length() <= 64 else "an integer of more than 64 bits"
    else:
        shown = type(value).__name__
    return shown if len(shown) <= _MAX_VALUE_CHARS else shown[: _MAX_VALUE_CHARS - 3] + "..."
