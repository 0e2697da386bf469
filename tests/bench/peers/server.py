"""The pass verifier's peers, answering from an environment of their own (requirements/peers.lock): python-cwt and pycose need an older cbor2.

One JSON request a line on standard input, one JSON answer a line on standard output:

    {"load": {"pass": hex, "presentation_text": text, "pass_text": text, "claim169_text": text, "key": hex, "kid": hex}}  -> {"versions": {name: version}}
    {"time": n}          every measure n times in a row                                     -> {"ns": {measure: [integer, ...]}}
    {"accepts": {"token": hex, "claim169_text": text}}                                      -> {peer: "accepted" or the error's name}

Each peer is called as its documentation shows for one Ed25519 key that is known beforehand. Does not import the project.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import base45
import cbor2
import claim169
import cwt
from cwt import COSEKey
from pycose.keys import OKPKey
from pycose.keys.curves import Ed25519
from pycose.messages import Sign1Message

PACKAGES = {"python-cwt": "cwt", "pycose": "pycose", "claim169": "claim169"}


class Peers:
    def __init__(self, given: dict[str, str]) -> None:
        self._key = bytes.fromhex(given["key"])
        self._cwt_key = COSEKey.new({1: 1, -1: 6, -2: self._key, 2: bytes.fromhex(given["kid"]), 3: -8})
        self._pycose_key = OKPKey(crv=Ed25519, x=self._key)
        pass_, pass_text, presentation_text, claim169_text = (given[name] for name in ("pass", "pass_text", "presentation_text", "claim169_text"))
        token = bytes.fromhex(pass_)
        self.measures: dict[str, Callable[[], object]] = {
            "python-cwt, from QR text, one signature": lambda: self.python_cwt(base45.b45decode(pass_text)),
            "python-cwt, from QR text, two signatures": lambda: (base45.b45decode(presentation_text), self.python_cwt(token), self.python_cwt(token)),
            "pycose, from QR text, one signature": lambda: self.pycose(base45.b45decode(pass_text)),
            "pycose, from QR text, two signatures": lambda: (base45.b45decode(presentation_text), self.pycose(token), self.pycose(token)),
            "claim169, from QR text, one signature": lambda: self.claim169(claim169_text),
            "claim169, from QR text, two signatures": lambda: (self.claim169(claim169_text), self.claim169(claim169_text)),
        }

    def python_cwt(self, token: bytes) -> object:
        return cwt.decode(token, self._cwt_key)

    def pycose(self, token: bytes) -> object:
        message: Any = Sign1Message.decode(token)
        message.key = self._pycose_key
        if not message.verify_signature():
            raise ValueError("signature")
        return cbor2.loads(message.payload)

    def claim169(self, text: str) -> object:
        return claim169.decode(text, verify_with_ed25519=self._key)

    def times(self, count: int) -> dict[str, list[int]]:
        return {name: [taken(measure) for _ in range(count)] for name, measure in self.measures.items()}

    def accepts(self, given: dict[str, str]) -> dict[str, str]:
        token = bytes.fromhex(given["token"])
        return {
            "python-cwt": outcome(lambda: self.python_cwt(token)),
            "pycose": outcome(lambda: self.pycose(token)),
            "claim169": outcome(lambda: self.claim169(given["claim169_text"])),
        }


def taken(measure: Callable[[], object]) -> int:
    begin = time.perf_counter_ns()
    measure()
    return time.perf_counter_ns() - begin


def outcome(verify: Callable[[], object]) -> str:
    try:
        verify()
    except Exception as error:  # noqa: BLE001 - whatever a peer throws is a refusal
        return type(error).__name__
    return "accepted"


def main() -> None:
    """Answer until standard input ends."""
    peers: Peers | None = None
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        answer: dict[str, Any]
        if "load" in request:
            peers = Peers(request["load"])
            answer = {"versions": {name: importlib.metadata.version(package) for name, package in PACKAGES.items()}}
        elif peers is not None and "time" in request:
            answer = {"ns": peers.times(request["time"])}
        elif peers is not None and "accepts" in request:
            answer = peers.accepts(request["accepts"])
        else:
            sys.exit(f"not understood: {line[:80]}")
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
