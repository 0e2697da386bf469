"""Which input of the pass corpus takes longest from QR text to decision: python tests/fuzz/slowest.py [--rounds 20]

`slowest()` gives it to the benchmark. Only the verifier is timed; the point check of the holder key is cached, as it is for somebody who comes back.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gate_controller.ports.services import PassAccepted
from tests.fuzz import fuzz_pass
from tests.fuzz.scene import NOW

CORPUS = Path(__file__).with_name("corpus") / "pass"


@dataclass(frozen=True)
class Timed:
    """One input: its file's name, its least time in microseconds, its text's length, the decision, and a call that decides once more."""

    name: str
    us: float
    characters: int
    decision: str
    decide: Callable[[], object]


def timed(path: Path, rounds: int) -> Timed:
    """Measure one input of the corpus."""
    data = path.read_bytes()
    text = fuzz_pass.shown(data)[0]
    decide = partial(fuzz_pass.verifier_of(data).verify, text, NOW)
    result = decide()
    least = min(_ns(decide) for _ in range(rounds))
    return Timed(path.name, least / 1000, len(text), "accepted" if isinstance(result, PassAccepted) else result.reason.code, decide)


def slowest(rounds: int = 20) -> list[Timed]:
    """All inputs of the corpus, the slowest first."""
    return sorted((timed(path, rounds) for path in CORPUS.iterdir()), key=lambda each: -each.us)


def _ns(act: Callable[[], object]) -> int:
    began = time.perf_counter_ns()
    act()
    return time.perf_counter_ns() - began


def main() -> None:
    """Print the ten slowest."""
    parser = argparse.ArgumentParser(description="The slowest inputs of the fuzz corpus")
    parser.add_argument("--rounds", type=int, default=20, help="how often each is decided; the least time counts")
    ranking = slowest(parser.parse_args().rounds)
    print(f"{len(ranking)} inputs\n{'us':>8}{'characters':>12}  {'decision':<28}file")
    for each in ranking[:10]:
        print(f"{each.us:>8.1f}{each.characters:>12}  {each.decision:<28}{each.name}")


if __name__ == "__main__":
    main()
