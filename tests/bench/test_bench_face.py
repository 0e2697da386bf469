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
