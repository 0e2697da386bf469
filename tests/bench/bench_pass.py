"""How long a pass takes, from QR text to decision, beside a bare libsodium verification in the same run.

    python tests/bench/bench_pass.py [--json] [--rounds N]

The measures take turns round by round, so that a busy machine slows all of them alike: the ratios are what to compare. The durable
claim is measured by itself afterwards: its fsyncs are the disk's business and would chill the caches of the others. The directory is
the system's for temporary files; a claim on tmpfs says nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from nacl import bindings

from gate_controller.core.values import Direction, Region
from gate_controller.passes.frame import parse_frame
from gate_controller.passes.payload import read_pass
from gate_controller.passes.replay import SqliteReplayMemory
from gate_controller.passes.text import decode_text
from gate_controller.passes.verifier import OfflinePassVerifier, PassPolicy
from gate_controller.ports.services import PassAccepted, PassRejected, VerifyingKey
from gate_controller.ports.trust import Freshness, PassStatus, RegionFreshness, TrustView
from simulators.authority import Authorities, Permit
from simulators.phone import Phone

NOW = 1_800_000_000
PHONES = 64
CLAIMS = 100
RAW = "raw libsodium verify (one signature)"


def measure(measures: dict[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Microseconds of each measure, all of them once a round."""
    times: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds):
        for name, action in measures.items():
            start = time.perf_counter_ns()
            action(number)
            times[name].append((time.perf_counter_ns() - start) / 1000)
    return times


class FreshTrust:
    """Trust and its only view in one: the authorities' keys, nobody revoked, nothing old."""

    def __init__(self, authorities: Authorities) -> None:
        self.versions: dict[str, int] = {}
        self._keys = {issuer.protected_header(): VerifyingKey(issuer.public_key, region, 0, 1 << 33) for region, issuer in authorities.issuers.items()}
        self._freshness = {region: RegionFreshness(region, Freshness.FRESH) for region in Region}

    def current(self) -> TrustView:
        return self

    def observe(self, wall: float) -> None:
        """Nothing is remembered."""

    def lookup(self, protected: bytes) -> VerifyingKey | None:
        return self._keys.get(protected)

    def status(self, region: Region, uri: str, index: int) -> PassStatus | None:
        return PassStatus.VALID

    def freshness(self, region: Region, now: float) -> RegionFreshness:
        return self._freshness[region]


def build(memory: SqliteReplayMemory, rounds: int) -> dict[str, Callable[[int], object]]:
    """The measures, over a real replay memory.

    The holders "seen before" have their keys in the verifier's cache after the first few rounds; a stranger comes once.
    """
    authorities = Authorities("bench")
    policy = PassPolicy(
        lane_region=Region.MO, direction=Direction.HK_TO_MO, presentation_audiences=frozenset({"MO-GB"}), admitted_issuers=frozenset({Region.HK})
    )
    verifier = OfflinePassVerifier(policy, FreshTrust(authorities), memory)

    def presentation(number: int) -> str:
        phone = Phone("bench", str(number), "MO-GB")
        phone.obtain(authorities.issuers[Region.HK], Permit(enrolment_reference=number.to_bytes(16), issued_at=NOW - 60))
        return phone.present(NOW)

    texts = [presentation(number) for number in range(PHONES)]
    strangers = [presentation(PHONES + number) for number in range(rounds)]
    data = [decode_text(text) for text in texts]
    frames = [parse_frame(each) for each in data]
    signed = [frame.pass_.signature + frame.pass_.signed for frame in frames]
    region_key = authorities.issuers[Region.HK].public_key
    forged = texts[0][:-1] + ("0" if texts[0][-1] != "0" else "1")

    def verify(text: str) -> None:
        result = verifier.verify(text, NOW)
        if not isinstance(result, PassAccepted):
            sys.exit(f"the benchmark's pass was refused: {result.reason.code}")

    def refuse(number: int) -> None:
        if not isinstance(verifier.verify(forged, NOW), PassRejected):
            sys.exit("a forged pass was accepted")

    return {
        RAW: lambda number: bindings.crypto_sign_open(signed[number % PHONES], region_key),
        "QR text to decision, holder seen before": lambda number: verify(texts[number % PHONES]),
        "QR text to decision, holder never seen": lambda number: verify(strangers[number]),
        "QR text to refusal, last character changed": refuse,
        "step 1, text and Base45": lambda number: decode_text(texts[number % PHONES]),
        "step 2, frame": lambda number: parse_frame(data[number % PHONES]),
        "steps 5 and 6, pass CBOR and types": lambda number: read_pass(frames[number % PHONES].pass_.payload),
        "step 9, replay memory read": lambda number: memory.last_presented(number.to_bytes(16)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="QR text to decision, beside raw libsodium.")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--rounds", type=int, default=1000, help="how often each measure is taken")
    arguments = parser.parse_args()
    if arguments.rounds < 20:
        parser.error("at least 20 rounds make percentiles")
    with tempfile.TemporaryDirectory() as name, SqliteReplayMemory(Path(name) / "replay.db", blind_until=None) as memory:
        times = measure(build(memory, arguments.rounds), arguments.rounds)
        times |= measure({"durable claim (the disk's fsyncs)": lambda number: memory.claim(number.to_bytes(16), NOW + number, NOW + number + 60)}, CLAIMS)
    rows = {}
    raw = statistics.median(times[RAW])
    for name, values in times.items():
        cuts = statistics.quantiles(values, n=100)
        rows[name] = {"p50_us": round(cuts[49], 1), "p95_us": round(cuts[94], 1), "p50_ratio_to_raw": round(cuts[49] / raw, 2)}
    if arguments.json:
        arguments.json.write_text(json.dumps({"rounds": arguments.rounds, "measures": rows}, indent=2) + "\n")
    print(f"{'':<44}{'p50 us':>10}{'p95 us':>10}{'x raw':>8}")
    for name, row in rows.items():
        print(f"{name:<44}{row['p50_us']:>10.1f}{row['p95_us']:>10.1f}{row['p50_ratio_to_raw']:>8.2f}")


if __name__ == "__main__":
    main()
