"""Every input that fuzzing ever kept, once more and without the fuzzer; and that the oracle and the seeds are what they are said to be."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from gate_controller.ports.services import PassAccepted
from tests.fuzz import fuzz_pass, fuzz_repository, fuzz_status_list
from tests.fuzz.slowest import slowest

TARGETS = {"pass": fuzz_pass, "status_list": fuzz_status_list, "repository": fuzz_repository}
CORPUS = Path(__file__).with_name("corpus")


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_of_the_corpus_is_a_finding(target: str) -> None:
    inputs = sorted((CORPUS / target).iterdir())
    assert len(inputs) > 30
    for path in inputs:
        try:
            TARGETS[target].one_input(path.read_bytes())
        except BaseException as error:
            error.add_note(f"input: {path}")
            raise


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 200_000


def test_the_seeds_reach_every_step_and_many_are_accepted() -> None:
    results = [fuzz_pass.decided(path.read_bytes()) for path in (CORPUS / "pass").glob("seed-*")]
    steps = Counter(result.step for result in results if not isinstance(result, PassAccepted))
    assert set(steps) == set(range(1, 10))
    assert sum(isinstance(result, PassAccepted) for result in results) > 20


@pytest.mark.parametrize("mode", fuzz_pass.MODES)
def test_a_verifier_and_an_oracle_that_disagree_are_a_finding(mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle that expects no acceptance is contradicted as soon as something genuine comes."""
    genuine = next(data for data in (path.read_bytes() for path in sorted((CORPUS / "pass").glob("seed-*"))) if data[0] == mode and _accepted(data))
    fuzz_pass.one_input(genuine)
    monkeypatch.setattr(fuzz_pass.oracle, "facts", lambda *_, **__: None)
    with pytest.raises(AssertionError, match="expected None"):
        fuzz_pass.one_input(genuine)


def _accepted(data: bytes) -> bool:
    return isinstance(fuzz_pass.decided(data), PassAccepted)


def test_the_slowest_input_is_found() -> None:
    first, *_, last = slowest(rounds=1)
    assert first.us >= last.us > 0
    assert first.decision


def test_without_a_target_the_driver_names_them() -> None:
    ended = subprocess.run([sys.executable, str(CORPUS.with_name("run.py"))], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("usage: run.py {pass,status_list,repository}")


@pytest.mark.parametrize("target", [fuzz_pass, fuzz_status_list])
def test_cbor_is_changed_as_cbor(target: ModuleType) -> None:
    """A few hundred changes of what is right: none is a finding."""
    rng = random.Random(1)
    genuine = (
        fuzz_pass.packed(fuzz_pass.PASS_PAYLOAD, fuzz_pass.scene.pass_payload())
        if target is fuzz_pass
        else fuzz_status_list.packed(fuzz_status_list.CLAIMS, b"")
    )
    changed = [target.mutated(genuine, rng) for _ in range(200)]
    for data in changed:
        target.one_input(data)
    assert len(set(changed)) > 100
