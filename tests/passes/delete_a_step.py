"""Deletes each check of the pass verifier in turn, in a copy of the tree, and shows which test notices.

    python tests/passes/delete_a_step.py [--only WORD] [--list]

A deletion is made on the syntax tree: a `raise` or a refusing `return` goes, a step is not called, one operand of a condition or one
comparison of a chain goes, a boolean answer loses one of its reasons. One line each as it ends; the exit code is 1 when a deletion survives that is
not among those explained in EQUIVALENT. Takes some minutes; the tree itself is not touched.

Does not change a check into another one (boundaries are the tests' own rows): it shows that none is there for nothing.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
FILES = (
    "gate_controller/passes/text.py",
    "gate_controller/cose/sign1.py",
    "gate_controller/passes/frame.py",
    "gate_controller/cose/ed25519.py",
    "gate_controller/cose/deterministic.py",
    "gate_controller/passes/payload.py",
    "gate_controller/passes/claims.py",
    "gate_controller/passes/verifier.py",
)
TESTS = (
    "tests/passes/test_pass_refused_claims.py",
    "tests/passes/test_pass_refused_frames.py",
    "tests/passes/test_pass_verifier.py",
    "tests/passes/test_pass_status.py",
    "tests/passes/test_static_pass.py",
    "tests/passes/test_base45_text.py",
    "tests/cose",
    "tests/passes/test_pass_payload.py",
    "tests/passes/test_resigned_mutations.py",
    "tests/passes/test_resigned_mutations_bounds.py",
    "tests/passes/test_resigned_mutations_frames.py",
)
COPIED = ("gate_controller", "drivers", "simulators", "tests", "docs", "pyproject.toml")
TIMEOUT_S = 300

STEP = re.compile(r"_?(require|admit)_\w+")
"""Functions that refuse by raising; a call of one can be left out."""

INSTEAD = {"made_at": "int(now)", "degraded": "False"}
"""What the verifier would take for the result of a step that is left out."""

EQUIVALENT = {
    "verifier.py _require_holder: `key is None` of `key is None or not is_valid_point(key)`": "never None here: only a static pass may be without; says so to mypy",
}
"""Deletions that change no decision: what is printed of them, and why that is right."""


Change = Callable[[Any], None]
"""Deletes something at a node of the syntax tree."""


class Deletion(NamedTuple):
    """One deletion: the file, how it is printed, and the file's text after it."""

    file: str
    what: str
    source: str


def deletions(file: str) -> Iterator[Deletion]:
    """Every deletion of a file, in the order of its lines."""
    tree = ast.parse((ROOT / file).read_text())
    seen: Counter[str] = Counter()
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for number, node in enumerate(ast.walk(function)):
            for what, change in changes(node):
                other = copy.deepcopy(tree)
                twin = _nth(other, function, number)
                change(twin)
                label = f"{Path(file).name} {function.name}: {what}"
                seen[label] += 1
                again = f" ({seen[label]})" if seen[label] > 1 else ""
                yield Deletion(file, label + again, ast.unparse(ast.fix_missing_locations(other)))


def _nth(tree: ast.Module, function: ast.FunctionDef, number: int) -> ast.AST:
    twin = next(each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef) and each.lineno == function.lineno)
    return list(ast.walk(twin))[number]


def changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """What can be deleted at a node: (what is printed, a function that does it to the same node of a copy)."""
    for field in ("body", "orelse"):
        block = getattr(node, field, None)
        if isinstance(block, list):
            for at, statement in enumerate(block):
                if (what := _deleted_statement(statement)) is not None:
                    yield what, _replacing(field, at)
    if isinstance(node, ast.ExceptHandler):
        return
    if isinstance(node, (ast.If, ast.Return, ast.IfExp, ast.UnaryOp, ast.BoolOp)):
        for field in ("test", "value", "operand"):
            yield from _conditions(node, field)
    if isinstance(node, ast.Return) and isinstance(node.value, ast.IfExp) and _is_no(node.value.orelse):
        yield f"condition of `{_short(node)}`", lambda twin: setattr(twin, "value", twin.value.body)


def _deleted_statement(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.Raise):
        return f"`{_short(statement)}`"
    if isinstance(statement, ast.Return) and _is_no(statement.value):
        return f"`{_short(statement)}`"
    if isinstance(statement, (ast.Expr, ast.Assign)) and isinstance(statement.value, ast.Call) and STEP.fullmatch(_name(statement.value.func)):
        return f"call of {_name(statement.value.func)}"
    return None


def _replacing(field: str, at: int) -> Change:
    def change(twin: Any) -> None:
        block = getattr(twin, field)
        statement = block[at]
        if isinstance(statement, ast.Assign):
            statement.value = ast.parse(INSTEAD[ast.unparse(statement.targets[0])], mode="eval").body
        else:
            block[at] = ast.Pass()

    return change


def _conditions(node: ast.AST, field: str) -> Iterator[tuple[str, Change]]:
    condition = getattr(node, field, None)
    if isinstance(condition, ast.BoolOp):
        for at, operand in enumerate(condition.values):
            yield f"`{_short(operand)}` of `{_short(condition)}`", _dropping_operand(field, at)
    elif isinstance(condition, ast.Compare) and len(condition.ops) > 1:
        for at in range(len(condition.ops)):
            pair = ast.Compare([condition.left, *condition.comparators][at], [condition.ops[at]], [condition.comparators[at]])
            yield f"`{_short(pair)}` of `{_short(condition)}`", _dropping_comparison(field, at)


def _dropping_operand(field: str, at: int) -> Change:
    def change(twin: Any) -> None:
        values = getattr(twin, field).values
        del values[at]
        if len(values) == 1:
            setattr(twin, field, values[0])

    return change


def _dropping_comparison(field: str, at: int) -> Change:
    """a <= b < c without its first comparison is b < c; without its last, a <= b; without one in the middle, both halves."""

    def change(twin: Any) -> None:
        chain = getattr(twin, field)
        sides = [chain.left, *chain.comparators]
        pairs = [ast.Compare(sides[i], [op], [sides[i + 1]]) for i, op in enumerate(chain.ops) if i != at]
        setattr(twin, field, pairs[0] if len(pairs) == 1 else ast.BoolOp(ast.And(), pairs))

    return change


def _is_no(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value in (None, False))


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else f"{text[:87]}..."


def killer_of(tree: Path) -> str | None:
    """Run the tests on the tree; the name of the first that fails, None when all pass."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--basetemp", str(tree / ".tmp"), *TESTS]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_STORAGE_DIRECTORY": str(tree / ".hypothesis")}
    try:
        run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return "(no end)"
    if run.returncode == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", run.stdout, re.MULTILINE)
    return failed.group(1).removeprefix("tests/") if failed else f"(pytest ended with {run.returncode})"


def main() -> int:
    parser = argparse.ArgumentParser(description="Delete each check of the pass verifier and see which test notices.")
    parser.add_argument("--only", default="", help="only deletions whose line contains this")
    parser.add_argument("--list", action="store_true", help="show the deletions and run nothing")
    arguments = parser.parse_args()
    found = [each for file in FILES for each in deletions(file) if arguments.only in each.what]
    if arguments.list:
        print("\n".join(each.what for each in found))
        return 0
    survivors = []
    with tempfile.TemporaryDirectory(prefix="delete-a-step-") as name:
        tree = Path(name)
        for each in COPIED:
            source = ROOT / each
            if source.is_dir():
                shutil.copytree(source, tree / each, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, tree / each)
        if (broken := killer_of(tree)) is not None:
            print(f"the tests fail with nothing deleted: {broken}")
            return 1
        for number, each in enumerate(found, 1):
            original = (tree / each.file).read_text()
            (tree / each.file).write_text(each.source)
            started = time.monotonic()
            killer = killer_of(tree)
            (tree / each.file).write_text(original)
            verdict = killer or ("equivalent: " + EQUIVALENT[each.what] if each.what in EQUIVALENT else "SURVIVES")
            if killer is None and each.what not in EQUIVALENT:
                survivors.append(each.what)
            print(f"{number}/{len(found)} {time.monotonic() - started:4.1f} s  {each.what}\n{'':10}-> {verdict}", flush=True)
    unused = [what for what in EQUIVALENT if arguments.only in what and all(each.what != what for each in found)]
    print(f"{len(found)} deletions, {len(survivors)} unexplained survivors", *survivors, sep="\n  ")
    for what in unused:
        print(f"explained, but not there any more: {what}")
    return 1 if survivors or unused else 0


if __name__ == "__main__":
    sys.exit(main())
