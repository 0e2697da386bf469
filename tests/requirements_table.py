"""The table of what the gate shall do and which tests check it (docs/requirements.md), written from requirements.toml and the tests' markers.

Run as a module to write it anew; test_requirements_table.py checks that it is current and that no row is without a test. Reads the tests' source only
and runs none of them.
"""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parent
DATA = TESTS / "requirements.toml"
PAGE = TESTS.parent / "docs" / "requirements.md"
MARKER = "pytest.mark.invariant"
HEAD = """# What the gate shall do, and what checks it

Generated from `tests/requirements.toml` and the tests' markers by `python -m tests.requirements_table`; do not edit. Besides these tests,
[the exhaustive exploration](exploration.md) and [the simulation](simulation.md) judge every step by monitors of their own. What may go wrong, case by case, has
[a table of its own](exceptions.md).

| id | shall | tests |
|---|---|---|
"""


def requirements() -> dict[str, str]:
    """What the gate shall do, by id."""
    return {each["id"]: each["shall"] for each in tomllib.loads(DATA.read_text())["requirement"]}


def marked() -> dict[str, list[str]]:
    """Tests by the id they bear, each as file::name."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        whole = [
            decorator
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
            for decorator in _listed(node.value)
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for requirement in sorted({each for decorator in [*whole, *node.decorator_list] for each in _ids(decorator)}):
                    found[requirement].append(f"{path.relative_to(TESTS)}::{node.name}")
    return dict(found)


def page() -> str:
    """The page's text."""
    tests = marked()
    rows = [f"| {each} | {shall} | {'<br>'.join(f'`{test}`' for test in tests.get(each, []))} |" for each, shall in requirements().items()]
    return HEAD + "\n".join(rows) + "\n"


def _listed(value: ast.expr) -> list[ast.expr]:
    return list(value.elts) if isinstance(value, (ast.List, ast.Tuple)) else [value]


def _ids(decorator: ast.expr) -> list[str]:
    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == MARKER:
        return [str(argument.value) for argument in decorator.args if isinstance(argument, ast.Constant)]
    return []


if __name__ == "__main__":
    PAGE.write_text(page())
