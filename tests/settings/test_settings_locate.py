from __future__ import annotations

import random
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_controller.settings.locate import KeyPath, key_lines

EXAMPLE = '''\
title = "x" # [not.a.table]

[a]
b.c = 1
b."d e" = 'f = 2'

[ a . "g.h" ]
list = [
  1, # comment ]
  [2, "]"],
  { x = 3, y.z = """
[no.table]
key = 1
""" },
]
[[people]]
name = "one"
[people.address]
street = \'\'\'
[[people]]
\'\'\'
[[people]]
name = "two"
[[people.phones]]
number = 1
[[people.phones]]
number = 2
[b]
quoted = "\\"[x]\\"" # " ' """
last = 1979-05-27 07:32:00
'''


def test_every_key_of_an_example() -> None:
    assert key_lines(EXAMPLE) == {
        ("title",): 1,
        ("a",): 3,
        ("a", "b"): 4,
        ("a", "b", "c"): 4,
        ("a", "b", "d e"): 5,
        ("a", "g.h"): 7,
        ("a", "g.h", "list"): 8,
        ("a", "g.h", "list", 0): 9,
        ("a", "g.h", "list", 1): 10,
        ("a", "g.h", "list", 1, 0): 10,
        ("a", "g.h", "list", 1, 1): 10,
        ("a", "g.h", "list", 2): 11,
        ("a", "g.h", "list", 2, "x"): 11,
        ("a", "g.h", "list", 2, "y"): 11,
        ("a", "g.h", "list", 2, "y", "z"): 11,
        ("people",): 16,
        ("people", 0): 16,
        ("people", 0, "name"): 17,
        ("people", 0, "address"): 18,
        ("people", 0, "address", "street"): 19,
        ("people", 1): 22,
        ("people", 1, "name"): 23,
        ("people", 1, "phones"): 24,
        ("people", 1, "phones", 0): 24,
        ("people", 1, "phones", 0, "number"): 25,
        ("people", 1, "phones", 1): 26,
        ("people", 1, "phones", 1, "number"): 27,
        ("b",): 28,
        ("b", "quoted"): 29,
        ("b", "last"): 30,
    }


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "\r\n# x\r\n\t\n"])
def test_a_file_without_keys(text: str) -> None:
    assert key_lines(text) == {}


@pytest.mark.parametrize(
    "value",
    ['""""a" ""b\\"""" # """', '""""""', '"""x"""""', "''''a' ''b'''", "''''''", "'''x'''''", '""', "''", "'\\'", '"\\\\"', '"\\""', '"""\\""""""'],
)
def test_quotes_in_strings_do_not_confuse(value: str) -> None:
    text = f"a = {value}\nb = 1"
    assert tomllib.loads(text)["b"] == 1
    assert key_lines(text) == {("a",): 1, ("b",): 2}


def paths(node: Any, path: KeyPath = ()) -> set[KeyPath]:
    found = {path} if path else set()
    if isinstance(node, dict):
        found.update(*(paths(value, (*path, key)) for key, value in node.items()))
    elif isinstance(node, list):
        found.update(*(paths(value, (*path, index)) for index, value in enumerate(node)))
    return found


class Writer:
    """Writes TOML in every style there is, as a seeded choice; each leaf has a number of its own."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.leaves = 0

    def leaf(self) -> str:
        self.leaves += 1
        text = f"v{self.leaves}"
        return self.choose.choice(
            [
                str(self.leaves),
                f"{self.leaves}.5",
                "true",
                f'"{text} [x] # \\" = \\\\"',
                f"'{text} \" [[y]] = {{'",
                f'"""\n{text} "" \\"""\n[z]\n k = 1 """""',
                f"'''{text}\n[[z]]\n'' k = 1'''",
                "1979-05-27T07:32:00Z",
                "-inf",
            ]
        )

    def key(self) -> str:
        self.leaves += 1
        return self.choose.choice([f"k{self.leaves}", f'"k{self.leaves} ]=#"', f"'k{self.leaves}.x'", f'"k{self.leaves} \\" é"', f"{self.leaves}"])

    def dotted(self) -> str:
        return self.choose.choice([".", " . ", "\t."]).join(self.key() for _ in range(self.choose.choice([1, 1, 1, 2, 3])))

    def value(self, depth: int) -> str:
        kind = self.choose.random()
        if depth < 3 and kind < 0.2:
            gap = self.choose.choice(["", " ", "\n", " # ] comment\n "])
            items = [gap + self.value(depth + 1) + gap for _ in range(self.choose.randrange(4))]
            return f"[{','.join(items)}{self.choose.choice(['', ',']) if items else ''}{gap}]"
        if depth < 3 and kind < 0.35:
            return "{ " + ", ".join(f"{self.dotted()} = {self.value(depth + 1)}" for _ in range(self.choose.randrange(3))) + " }"
        return self.leaf()

    def document(self) -> str:
        lines = []
        arrays: list[str] = []
        for _ in range(self.choose.randrange(12)):
            kind = self.choose.random()
            if kind < 0.15:
                lines.append(f"[ {self.dotted()} ]" + self.choose.choice(["", " # [x]"]))
            elif kind < 0.3:
                arrays.append(self.choose.choice(arrays) if arrays and self.choose.random() < 0.6 else self.key())
                lines.append(f"[[{arrays[-1]}]]")
                if self.choose.random() < 0.5:
                    lines.append(f"[{arrays[-1]}.{self.dotted()}]")
            elif kind < 0.4:
                lines.append(self.choose.choice(["", "# [c] = {", "   ", "\t# x"]))
            else:
                lines.append(
                    f"{self.choose.choice(['', '  '])}{self.dotted()} {self.choose.choice(['', ' '])}= {self.value(0)}{self.choose.choice(['', ' # c = 1'])}"
                )
        return self.choose.choice(["\n", "\r\n"]).join(lines).replace("\r\n\n", "\n") + self.choose.choice(["", "\n"])


@given(st.integers(0, 2**32))
def test_the_keys_found_are_those_of_tomllib(seed: int) -> None:
    writer = Writer(seed)
    text = writer.document()
    lines = key_lines(text)
    assert set(lines) == paths(tomllib.loads(text))
    shown = text.split("\n")
    for path, line in lines.items():
        if isinstance(path[-1], str):
            assert path[-1].split(" ")[0].split(".")[0] in shown[line - 1], (path, line)
