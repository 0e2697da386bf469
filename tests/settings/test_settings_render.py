from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_controller.settings import load
from gate_controller.settings.gate_file import GateFile
from gate_controller.settings.render import PATHS, derive, to_toml

texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans()
tables = st.recursive(
    st.dictionaries(texts, numbers | texts, max_size=4),
    lambda inner: st.dictionaries(texts, inner | numbers | texts | st.lists(numbers | texts | inner, max_size=3), max_size=4),
    max_leaves=12,
)


@given(tables)
def test_what_is_written_reads_back(data: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(data)) == data


def test_what_toml_cannot_say_is_refused() -> None:
    for value in (None, object(), {1}, b"x"):
        with pytest.raises(TypeError, match="a configuration has no values of type"):
            to_toml({"x": value})


def test_a_derived_configuration_is_the_template_with_the_changes(laboratory: Any, tmp_path_factory: pytest.TempPathFactory, drivers: Any) -> None:
    elsewhere = tmp_path_factory.mktemp("run")
    laboratory.append("[policy.times]\nidentity_s = 5\n")
    changes = {"gate": {"id": "MO-GB-99"}, "journal": {"path": elsewhere / "j.db"}, "devices": {"fingerprint": {"port": "/dev/gate/f"}}, "kiosk": {"port": 0}}
    (elsewhere / "gate.toml").write_text(derive(laboratory.gate, changes), encoding="utf-8")
    original, derived = laboratory.load(), load(elsewhere / "gate.toml", drivers)
    assert (derived.gate.id, derived.journal.path, derived.kiosk.port) == ("MO-GB-99", elsewhere / "j.db", 0)
    assert derived.equipment["fingerprint"].endpoint == "/dev/gate/f"
    assert derived.gate.model_copy(update={"id": original.gate.id}) == original.gate
    assert (derived.keys, derived.enrolment, derived.replay, derived.models) == (original.keys, original.enrolment, original.replay, original.models)
    assert derived.policy == original.policy


def test_every_path_of_the_gates_file_is_known_to_be_one() -> None:
    found = set()
    for section, field in GateFile.model_fields.items():
        assert field.annotation is not None
        for key, inner in field.annotation.model_fields.items():
            if "Path" in str(inner.annotation):
                found.add((section, key))
    assert found == set(PATHS)
