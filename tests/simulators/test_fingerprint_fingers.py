"""The model of simulated fingers: same finger near, other finger far, and nothing known by name after the capture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_controller.ports.devices import Family
from simulators.fingerprint import enrolment_template
from simulators.fingerprint.families import PROFILES
from simulators.fingerprint.fingers import (
    Capture,
    Condition,
    Unreadable,
    capture,
    compare,
    condition_of,
    decode_template,
    extract,
    image_of,
    threshold,
)

names = st.text(st.characters(exclude_characters="#", codec="utf-8"), min_size=1, max_size=20)


def views(finger: str, family: Family = Family.R503) -> list[np.ndarray]:
    decoded = decode_template(enrolment_template(finger, family), family, PROFILES[family].template_bytes)
    assert decoded is not None
    return decoded


@given(names, st.integers(0, 1000), st.sampled_from(Family))
def test_a_finger_is_recognised_at_every_level_by_any_of_its_touches(name: str, touch: int, family: Family) -> None:
    image = image_of(capture(name, str(touch)), PROFILES[family].image_bytes, str(touch))
    features = extract(image)
    assert not isinstance(features, Unreadable)
    assert compare([features], views(name, family)) >= threshold(5)


@given(names, names)
def test_another_finger_is_recognised_at_no_level(name: str, other: str) -> None:
    score = compare([capture(other, "x").features], views(name))
    assert (score >= threshold(5)) if name == other else (score < threshold(1))


@given(names)
def test_worn_and_resembling_fingers_lie_between(name: str) -> None:
    worn = compare([capture(f"{name}#worn", "x").features], views(name))
    alike = compare([capture(f"{name}#alike", "x").features], views(name))
    assert threshold(3) <= worn < threshold(4)
    assert threshold(1) <= alike < threshold(2)


def test_thresholds_rise_with_the_level() -> None:
    levels = [threshold(level) for level in range(1, 6)]
    assert levels == sorted(set(levels))


def test_touches_differ_and_repeat() -> None:
    assert not np.array_equal(capture("ada", "1").features, capture("ada", "2").features)
    assert np.array_equal(capture("ada", "1").features, capture("ada", "1").features)


@pytest.mark.parametrize("size", [18_432, 36_864])
def test_unreadable_images(size: int) -> None:
    assert extract(image_of(capture("ada#dry", "1"), size, "1")) is Unreadable.TOO_FEW_FEATURES
    assert extract(image_of(capture("ada#smudged", "1"), size, "1")) is Unreadable.TOO_MESSY
    assert extract(bytes(size)) is Unreadable.TOO_FEW_FEATURES
    assert extract(np.random.default_rng(1).bytes(size)) is Unreadable.TOO_MESSY


def test_what_is_seen_decides_and_not_what_it_is_called() -> None:
    ada = capture("ada", "1")
    assert isinstance(ada, Capture)
    assert not hasattr(ada, "finger")
    assert b"ada" not in image_of(ada, 18_432, "1") + enrolment_template("ada", Family.R503)


@pytest.mark.parametrize("family", Family)
def test_templates_are_refused_when_anything_about_them_is_wrong(family: Family) -> None:
    size = PROFILES[family].template_bytes
    good = enrolment_template("ada", family)
    assert decode_template(good, family, size) is not None
    for position in (0, 2, 3, 12, 15, 16, 255, 256, size - 1):
        bad = bytearray(good)
        bad[position] ^= 1
        assert decode_template(bytes(bad), family, size) is None
    for other in set(Family) - {family}:
        assert decode_template(good, other, size) is None


@given(st.binary(max_size=1600))
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    for family in Family:
        assert decode_template(data, family, len(data)) is None or len(data) < 256


def test_names() -> None:
    assert condition_of("hk-001/right-index") is Condition.NORMAL
    assert condition_of("hk-001/right-index#dry") is Condition.DRY
    for wrong in ("", "#dry", "ada#sleepy"):
        with pytest.raises(ValueError):
            condition_of(wrong)
    with pytest.raises(ValueError, match="cannot be enrolled"):
        enrolment_template("ada#dry", Family.R503)
