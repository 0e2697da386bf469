"""Whatever is in the files, loading them either works or complains with file and line. Nothing else ever leaves the loader."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gate_controller.settings import InvalidConfigurationError, Problem, load

CONFIG = Path(__file__).parents[2] / "config"
GATE = (CONFIG / "gate.toml").read_text(encoding="utf-8")
VALUES = ["3", "-1", "1.5", "nan", "true", '""', '"x"', "[]", '["x"]', "{}", "{ x = 1 }", "1979-05-27", "07:32:00", '"\\u0000"', "9" * 40, "[[1], [2]]"]

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def complaints(path: Path, drivers: Any) -> tuple[Problem, ...]:
    """What loading complains about; nothing when it works."""
    try:
        load(path, drivers)
    except InvalidConfigurationError as caught:
        error = caught
    else:
        return ()
    assert error.problems
    for line, problem in zip(str(error).split("\n"), error.problems, strict=True):
        assert line.isprintable()
        assert problem.line >= 1
    return error.problems


@relaxed
@given(st.one_of(st.text(), st.binary(), st.text("[]{}=.\"'#\n\r\\ \tabc019-_:,+é\x00")))
@example("x" + ".x" * 3000 + " = 1")
@example("x = " + "{x=" * 900 + "1" + "}" * 900)
@example("[" + "x." * 3000 + "x]")
def test_arbitrary_content(laboratory: Any, drivers: Any, content: str | bytes) -> None:
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    for file in (laboratory.gate, laboratory.policy):
        before = file.read_bytes()
        file.write_bytes(data)
        complaints(laboratory.gate, drivers)
        file.write_bytes(before)


@relaxed
@given(st.integers(0, 2**32))
def test_a_damaged_configuration(make_laboratory: Callable[[], Any], drivers: Any, seed: int) -> None:
    choose = random.Random(seed)
    laboratory = make_laboratory()
    for file in (laboratory.gate, laboratory.policy):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        for _ in range(choose.randrange(4)):
            at = choose.randrange(len(lines))
            kind = choose.randrange(4)
            if kind == 0:
                del lines[at]
            elif kind == 1:
                lines.insert(at, choose.choice(lines))
            elif kind == 2 and "=" in lines[at]:
                lines[at] = f"{lines[at].split('=')[0]}= {choose.choice(VALUES)}\n"
            else:
                text = lines[at]
                place = choose.randrange(len(text))
                lines[at] = text[:place] + choose.choice("[]{}='\"#\n\\a1 é") + text[place + choose.randrange(2) :]
        file.write_text("".join(lines), encoding="utf-8")
    complaints(laboratory.gate, drivers)


@pytest.mark.parametrize("value", VALUES)
def test_a_wrong_value_is_told_at_its_line(tmp_path: Path, value: str, drivers: Any) -> None:
    lines = GATE.splitlines()
    (tmp_path / "policy.toml").write_text((CONFIG / "policy.toml").read_text(encoding="utf-8"), encoding="utf-8")
    path = tmp_path / "gate.toml"
    for at, line in enumerate(lines):
        key = line.split(" = ")[0]
        if key in {"id", "region", "mode", "direction", "driver", "pinned_root_sha256", "enabled"} and (key, value) != (
            "enabled",
            "true",
        ):
            path.write_text("\n".join([*lines[:at], f"{key} = {value}", *lines[at + 1 :]]), encoding="utf-8")
            assert at + 1 in {problem.line for problem in complaints(path, drivers if key == "driver" else None)}, line
