"""From QR text to decision, beside raw libsodium and beside other libraries, in the same run; each step's share; what the others accept.

    python tests/bench/bench_pass.py [--rounds N] [--json FILE] [--peers PYTHON]

The unit is two bare calls of libsodium, one for each signature. The measures take turns in short bursts, the peers' process (tests/bench/peers) too, so that a
busy machine slows all of them alike: compare the ratios, p50 of which is taken burst by burst; p10 is what the machine does when it is left alone.

The replay memory is in memory unless a row says otherwise, the keys and status lists are those of a verified trust repository. A holder "seen before" has
its key in the cache of checked points. The peers verify the same pass under one known key; "two signatures" is the presentation's Base45 and the pass
twice, since none of them can take a presentation apart. claim169 reads only its own credentials: one of the same size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from nacl._sodium import ffi, lib

from gate_controller.core.values import Direction, Region
from gate_controller.cose.ed25519 import is_valid_point, verify_signature
from gate_controller.passes.frame import parse_frame
from gate_controller.passes.payload import read_pass, read_presentation
from gate_controller.passes.replay import SqliteReplayMemory
from gate_controller.passes.text import decode_text
from gate_controller.passes.verifier import OfflinePassVerifier, PassPolicy
from gate_controller.ports.services import PassAccepted, PassRejected
from gate_controller.ports.trust import TrustView
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.repository import verify_repository
from gate_controller.trust.sources import DirectorySource
from gate_controller.trust.view import LatestTime, build_view
from simulators.authority import Authorities, Permit
from simulators.phone import Phone, base45
from simulators.repository import TrustRepository
from tests.bench.peers import malformed
from tests.bench.peers.client import PYTHON, NoPeersError, Peers
from tests.fuzz import fuzz_pass

PHONES = 64
BURST = 5  # times in a row that a measure is taken before the next one's turn
CORPUS = Path(fuzz_pass.__file__).with_name("corpus") / "pass"
RAW = "raw libsodium, both signatures"
SEEN = "gate, holder seen before"
STRANGER = "gate, holder never seen"

Measures = dict[str, Callable[[int], object]]


class OneView:
    """ports.trust.Trust with a view that stays."""

    def __init__(self, view: TrustView) -> None:
        self._view = view

    def current(self) -> TrustView:
        return self._view

    def observe(self, wall: float) -> None:
        """Nothing is remembered."""


class InMemory:
    """ports.services.ReplayMemory without a disk."""

    def __init__(self) -> None:
        self._rows: dict[bytes, int] = {}

    def last_presented(self, pass_id: bytes) -> int | None:
        return self._rows.get(pass_id)

    def claim(self, pass_id: bytes, issued_at: int, expires_at: int) -> bool:
        raise NotImplementedError

    def close(self) -> None:
        pass


class Bench:
    """Everything that is measured, made once.

    Args:
        directory: For the trust repository and the replay memory.
        rounds: As many strangers will come.
    """

    def __init__(self, directory: Path, rounds: int) -> None:
        self.now = int(time.time())  # the peers look at the clock of the machine
        self.authorities = Authorities("bench")
        self.hk = self.authorities.issuers[Region.HK]
        repository = TrustRepository(directory / "trust", self.authorities, self.now)
        verified = verify_repository(repository.first_root, DirectorySource(directory / "trust"), at=self.now)
        self.view = build_view(verified, FreshnessBudget(), LatestTime(self.now))
        self.policy = PassPolicy(
            lane_region=Region.MO, direction=Direction.HK_TO_MO, presentation_audiences=frozenset({"MO-GB"}), admitted_issuers=frozenset({Region.HK})
        )
        self.phones = [self._phone(number) for number in range(PHONES)]
        self.texts = [phone.present(self.now) for phone in self.phones]
        self._strangers = [self._phone(PHONES + number).present(self.now) for number in range(rounds)]
        self._on_disk = SqliteReplayMemory(directory / "replay.db", blind_until=None)

    def close(self) -> None:
        self._on_disk.close()

    def verifier(self, memory: Any = None) -> OfflinePassVerifier:
        return OfflinePassVerifier(self.policy, OneView(self.view), memory or InMemory())

    def decisions(self) -> Measures:
        """QR text to decision, and what it is compared with."""
        verifier, on_disk = self.verifier(), self.verifier(self._on_disk)
        forged = [text[:-1] + ("0" if text[-1] != "0" else "1") for text in self.texts]
        frames = [parse_frame(decode_text(text)) for text in self.texts]
        passes = [frame.pass_.signature + frame.pass_.signed for frame in frames]
        presentations = [frame.presentation.signature + frame.presentation.signed for frame in frames if frame.presentation]
        region, holders = self.hk.public_key, [phone.public_key for phone in self.phones]

        def raw(number: int) -> int:
            first, second, holder = passes[number % PHONES], presentations[number % PHONES], holders[number % PHONES]
            wrong: int = lib.crypto_sign_open(ffi.NULL, ffi.NULL, first, len(first), region)
            return wrong | lib.crypto_sign_open(ffi.NULL, ffi.NULL, second, len(second), holder)

        assert raw(0) == 0
        for verify in (verifier.verify, on_disk.verify):
            require(verify(self.texts[0], self.now), accepted=True)
        require(verifier.verify(forged[0], self.now), accepted=False)
        slowest, text, moment, fuzzed = slowest_fuzzed()
        return {
            RAW: raw,
            SEEN: lambda number: verifier.verify(self.texts[number % PHONES], self.now),
            STRANGER: lambda number: verifier.verify(self._strangers[number], self.now),
            "gate, holder seen before, replay memory on disk": lambda number: on_disk.verify(self.texts[number % PHONES], self.now),
            "gate, refused: last character changed": lambda number: verifier.verify(forged[number % PHONES], self.now),
            f"gate, slowest of the fuzz corpus ({slowest})": lambda _: fuzzed.verify(text, moment),
        }

    def steps(self) -> Measures:
        """Each step of a decision by itself, over the same texts, a holder seen before."""
        frames = [parse_frame(decode_text(text)) for text in self.texts]
        data = [decode_text(text) for text in self.texts]
        passes = [frame.pass_ for frame in frames]
        presentations = [frame.presentation for frame in frames if frame.presentation]
        claims = [read_pass(pass_.payload) for pass_ in passes]
        region, holders, view, memory = self.hk.public_key, [phone.public_key for phone in self.phones], self.view, InMemory()
        return {
            "1 text and Base45": lambda number: decode_text(self.texts[number % PHONES]),
            "2 frame": lambda number: parse_frame(data[number % PHONES]),
            "3 region key and freshness": lambda number: (view.lookup(passes[number % PHONES].protected), view.freshness(Region.HK, self.now)),
            "4 the region's signature": lambda number: verify_signature(passes[number % PHONES].signature, passes[number % PHONES].signed, region),
            "5, 6 pass: CBOR and types": lambda number: read_pass(passes[number % PHONES].payload),
            "7 holder key, from the cache": lambda number: is_valid_point(holders[number % PHONES]),
            "7 the holder's signature": lambda number: verify_signature(
                presentations[number % PHONES].signature, presentations[number % PHONES].signed, holders[number % PHONES]
            ),
            "5, 6 presentation: CBOR and types": lambda number: read_presentation(presentations[number % PHONES].payload),
            "8 status list": lambda number: view.status(Region.HK, claims[number % PHONES].status_uri, claims[number % PHONES].status_index),
            "9 replay memory": lambda number: memory.last_presented(claims[number % PHONES].pass_id),
        }

    def beside(self) -> Measures:
        """What a decision costs more in the other cases."""
        holders = [phone.public_key for phone in self.phones]
        return {
            "7 holder key, at first sight": lambda number: is_valid_point.__wrapped__(holders[number % PHONES]),
            "9 replay memory on disk": lambda number: self._on_disk.last_presented(number.to_bytes(16)),
        }

    def for_peers(self) -> dict[str, str]:
        """What tests/bench/peers/server.py loads."""
        pass_ = self.phones[0].pass_
        assert pass_ is not None
        credential = malformed.token(malformed.Shape(), self.hk, malformed.pass_header(self.hk), self._claim169())
        return {
            "pass": pass_.hex(),
            "pass_text": base45(pass_),
            "presentation_text": self.texts[0].removeprefix("ECH1:"),
            "claim169_text": malformed.claim169_text(credential),
            "key": self.hk.public_key.hex(),
            "kid": self.hk.kid.hex(),
        }

    def accepted(self, peers: Peers | None) -> dict[str, dict[str, str]]:
        """What each makes of every malformed token: "accepted", an error's name, or the gate's reason."""
        phone, header = self._phone(0), malformed.pass_header(self.hk)
        claims = self.hk.claims(phone.public_key, self._permit(0))
        answers = {}
        for name, shape in malformed.shapes(self.now, self.authorities.issuers[Region.MO].kid).items():
            token = malformed.token(shape, self.hk, header, claims)
            phone.load(token)
            result = self.verifier().verify(phone.present(self.now), self.now)
            answers[name] = {"gate": result.reason.code if isinstance(result, PassRejected) else "accepted"}
            if peers is not None:
                answers[name] |= peers.accepts(token, malformed.claim169_text(malformed.token(shape, self.hk, header, self._claim169())))
        return answers

    def _claim169(self) -> dict[Any, Any]:
        return malformed.claim169_claims(self.hk, self.now, self.phones[0].public_key)

    def _permit(self, number: int) -> Permit:
        return Permit(enrolment_reference=number.to_bytes(16), issued_at=self.now - 7200)

    def _phone(self, number: int) -> Phone:
        phone = Phone("bench", str(number), "MO-GB")
        phone.obtain(self.hk, self._permit(number))
        return phone


def require(result: PassAccepted | PassRejected, *, accepted: bool) -> None:
    if isinstance(result, PassAccepted) is not accepted:
        sys.exit(f"the benchmark's own pass was not decided as it must be: {result}")


def slowest_fuzzed() -> tuple[str, str, float, Any]:
    """Of the fuzzer's corpus the input that takes the verifier longest: name, QR text, moment, verifier."""
    inputs = {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir())}
    shown = {name: (fuzz_pass.shown(data)[0], fuzz_pass.verifier_of(data)) for name, data in inputs.items()}
    shortest = dict.fromkeys(shown, sys.maxsize)
    for _ in range(10):
        for name, (text, verifier) in shown.items():
            shortest[name] = min(shortest[name], taken(verifier.verify, text, fuzz_pass.NOW))
    slowest = max(shortest, key=lambda name: shortest[name])
    text, verifier = shown[slowest]
    return slowest, text, fuzz_pass.NOW, verifier


def taken(action: Callable[..., object], *arguments: object) -> int:
    begin = time.perf_counter_ns()
    action(*arguments)
    return time.perf_counter_ns() - begin


def measure(measures: Measures, rounds: int, peers: Peers | None) -> dict[str, list[int]]:
    """Nanoseconds: every measure in short bursts, in turns with all others and with the peers'."""
    times: dict[str, list[int]] = {name: [] for name in measures}
    for begin in range(0, rounds, BURST):
        for name, action in measures.items():
            times[name] += [taken(action, number) for number in range(begin, min(begin + BURST, rounds))]
        if peers is not None:
            for name, more in peers.times(BURST).items():
                times.setdefault(name, []).extend(more)
    return times


def p10_us(times: list[int]) -> float:
    return statistics.quantiles(times, n=10)[0] / 1000


def beside_raw(times: list[int], raw: list[int]) -> float:
    """The median, over all bursts, of the ratio to raw libsodium's burst of the same turn: what a busy machine does to both cancels out."""
    bursts = range(0, len(raw), BURST)
    return statistics.median(statistics.median(times[at : at + BURST]) / statistics.median(raw[at : at + BURST]) for at in bursts)


def decision_rows(times: dict[str, list[int]], names: Iterable[str]) -> dict[str, dict[str, float]]:
    raw = times[RAW]
    return {
        name: {
            "p10_us": round(p10_us(times[name]), 1),
            "p50_us": round(statistics.median(times[name]) / 1000, 1),
            "p10_ratio": round(p10_us(times[name]) / p10_us(raw), 2),
            "p50_ratio": round(beside_raw(times[name], raw), 2),
        }
        for name in names
    }


def step_rows(times: dict[str, list[int]], steps: Iterable[str], beside: Iterable[str]) -> dict[str, dict[str, float]]:
    """Of p10, since each step is taken by itself; the rest is what the steps leave of the whole."""
    whole, raw = p10_us(times[SEEN]), p10_us(times[RAW])
    each = {name: p10_us(times[name]) for name in steps}
    each["the rest: policy, times, facts, calls"] = whole - sum(each.values())
    each |= {f"({name})": p10_us(times[name]) for name in beside}
    return {name: {"p10_us": round(us, 1), "p10_ratio": round(us / raw, 2), "share_percent": round(100 * us / whole, 1)} for name, us in each.items()}


def show(title: str, table: dict[str, dict[str, float]], columns: dict[str, str]) -> None:
    print(f"\n{title:<62}" + "".join(f"{head:>10}" for head in columns.values()))
    for name, row in table.items():
        print(f"{name:<62}" + "".join(f"{row[key]:>10.2f}" if "ratio" in key else f"{row[key]:>10.1f}" for key in columns))


def show_accepted(answers: dict[str, dict[str, str]]) -> None:
    names = list(next(iter(answers.values())))
    print(f"\n{'signed by the genuine key':<32}" + "".join(f"{name:>14}" for name in names[1:]) + f"  {names[0]}")
    for token, outcome in answers.items():
        print(f"{token:<32}" + "".join(f"{'ACCEPTED' if outcome[name] == 'accepted' else 'refused':>14}" for name in names[1:]) + f"  {outcome['gate']}")


def main() -> None:
    parser = argparse.ArgumentParser(description="QR text to decision, beside raw libsodium and other libraries.")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--peers", type=Path, default=PYTHON, help="the python of the peers' environment")
    parser.add_argument("--rounds", type=int, default=1000, help="how often each measure is taken")
    arguments = parser.parse_args()
    if arguments.rounds < 20:
        parser.error("at least 20 rounds make percentiles")
    with tempfile.TemporaryDirectory() as name:
        bench, peers, why_none = Bench(Path(name), arguments.rounds), None, ""
        try:
            peers = Peers(bench.for_peers(), arguments.peers)
        except NoPeersError as error:
            why_none = str(error)
        decisions, steps, beside = bench.decisions(), bench.steps(), bench.beside()
        times = measure(decisions | steps | beside, arguments.rounds, peers)
        answers = bench.accepted(peers)
        bench.close()
    if peers is not None:
        peers.close()
    table = decision_rows(times, [name for name in times if name not in steps and name not in beside])
    parts = step_rows(times, steps, beside)
    if arguments.json:
        document = {"rounds": arguments.rounds, "decisions": table, "steps": parts, "malformed": answers, "peers": peers.versions if peers else why_none}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    show("from QR text to decision", table, {"p10_us": "p10 us", "p50_us": "p50 us", "p10_ratio": "x raw p10", "p50_ratio": "x raw p50"})
    show("steps of a decision, holder seen before", parts, {"p10_us": "p10 us", "p10_ratio": "x raw", "share_percent": "%"})
    show_accepted(answers)
    if why_none:
        print(f"\n{why_none}")


if __name__ == "__main__":
    main()
