"""The bench of the face pipelines gives every pipeline every frame."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench import bench_face


@pytest.mark.filterwarnings("ignore:pkg_resources is deprecated")
def test_every_pipeline_scores_the_enrolled_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_face, "WARM_UP", 0)
    figures: dict[str, dict[str, Any]] = bench_face.measure(640, 480, 1)
    names = (bench_face.GATE, "face.dlib, net by OpenCV", "face.dlib, net by dlib", bench_face.NAIVE)
    assert {name: row["scored"] for name, row in figures.items()} == dict.fromkeys(names, 1)
    assert all(row["p50_ms"] > 0 and row["cpu_p50_ms"] > 0 for row in figures.values())


@pytest.mark.parametrize(
    ("wall", "processor", "ratio", "words"),
    [
        (24.4, 24.0, 14.0, ("(met)", "(met)", "met")),
        (26.0, 25.1, 13.9, ("(NOT MET)", "(NOT MET)", "NOT MET")),
        (30.0, 24.0, 15.0, ("(NOT MET)", "(met)", "met")),
    ],
)
def test_what_should_be_reached_stands_beside_what_was(wall: float, processor: float, ratio: float, words: tuple[str, str, str]) -> None:
    row = {"pipeline": bench_face.GATE, "width": 1280, "p50_ms": wall, "cpu_p50_ms": processor, "times_as_fast": ratio}
    first, second = bench_face.verdict([{**row, "width": 640, "cpu_p50_ms": 1.0, "times_as_fast": 99.0}, row]).split("; ")
    assert first.endswith(f"{wall:g} on the wall {words[0]}, {processor:g} of the processor {words[1]}, reach 25")
    assert second.endswith(f"reach 14: {words[2]}")
