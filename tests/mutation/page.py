"""docs/mutation.md, written from the last complete run and from equivalent.toml."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from tests.mutation.checks import CHECKS
from tests.mutation.explained import explained, groups
from tests.mutation.mutant import Mutant
from tests.mutation.results import ROOT, Results

PAGE = ROOT / "docs" / "mutation.md"
INTRODUCTION = ROOT / "tests" / "mutation" / "introduction.md"


def write(mutants: Sequence[Mutant], sample: Sequence[Mutant], results: Results) -> None:
    """Write it anew."""
    parts = [INTRODUCTION.read_text(), _by_kind(mutants, results), _matrix(sample, results), _explanations()]
    PAGE.write_text("\n".join(parts))


def first_to_find(mutant: Mutant, results: Results) -> str | None:
    """The cheapest check that found it."""
    return next((check for check in CHECKS if (said := results.of(mutant.id, check)) is not None and said.by is not None), None)


def _by_kind(mutants: Sequence[Mutant], results: Results) -> str:
    rows: dict[str, Counter[str]] = {}
    known = explained()
    for mutant in mutants:
        for name in (mutant.kind, "all"):
            counts = rows.setdefault(name, Counter())
            counts["mutants"] += 1
            counts[first_to_find(mutant, results) or ("explained" if mutant.id in known else "open")] += 1
    rows["all"] = rows.pop("all")
    lines = [
        "## All mutants",
        "",
        "Checks are asked in this order until one finds the mutant. Open are those that no check that was asked has found and that nobody has explained: after a whole run, none.",
        "",
        "| what was done | mutants | " + " | ".join(f"found by {check}" for check in CHECKS) + " | equivalent | open |",
        "|---|---|" + "---|" * (len(CHECKS) + 2),
    ]
    lines += ["| " + " | ".join([name, *[str(counts[each]) for each in ("mutants", *CHECKS, "explained", "open")]]) + " |" for name, counts in rows.items()]
    return "\n".join(lines) + "\n"


def _matrix(sample: Sequence[Mutant], results: Results) -> str:
    whole = [mutant for mutant in sample if all(results.of(mutant.id, check) is not None for check in CHECKS)]
    found = {mutant.id: frozenset(check for check in CHECKS if results.of(mutant.id, check).by is not None) for mutant in whole}  # type: ignore[union-attr]
    alive = [each for each in found.values() if each]
    lines = [
        "## What each check finds by itself",
        "",
        f"{len(whole)} mutants, drawn by the digest of their ids, met every check, whatever another had found; {len(alive)} of them are found at all.",
        "",
        "| check | finds | of those that are found | finds alone |",
        "|---|---|---|---|",
    ]
    for check in CHECKS:
        count, alone = _count(alive, lambda each, c=check: c in each), _count(alive, lambda each, c=check: each == {c})
        lines.append(f"| {check} | {count} | {count / max(1, len(alive)):.0%} | {alone} |")
    judged = _count(alive, lambda each: bool(each - {CHECKS[0]}))
    lines += ["", f"Without the tests, properties, exploration and simulation together find {judged} of them, {judged / max(1, len(alive)):.0%}."]
    return "\n".join(lines) + "\n"


def _count(found: Sequence[frozenset[str]], holds: Callable[[frozenset[str]], bool]) -> int:
    return sum(map(holds, found))


def _explanations() -> str:
    """The part that does not depend on a run."""
    lines = ["## Those that no check can find", "", "From `tests/mutation/equivalent.toml`.", ""]
    for why, ids in groups():
        lines += [f"- {why}", *[f"  - `{each}`" for each in ids]]
    return "\n".join(lines) + "\n"
