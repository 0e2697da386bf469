from __future__ import annotations

from gate_controller.runtime.presentations import FRAMES_WITHOUT, PresentationFilter


def test_a_code_held_up_is_new_until_the_core_took_it():
    seen = PresentationFilter(2.0)
    assert seen.new_texts(["A"], 0.0) == ["A"]
    assert seen.new_texts(["A"], 0.1) == ["A"]
    seen.handed_on("A", 0.1)
    assert seen.new_texts(["A", "B"], 0.2) == ["B"]
    assert seen.new_texts(["A"], 100.0) == [], "still in sight, however long ago the last frame was"


def test_a_code_is_new_again_after_it_was_out_of_sight():
    seen = PresentationFilter(2.0)
    seen.handed_on("A", 0.0)
    for frame in range(FRAMES_WITHOUT + 1):
        assert seen.new_texts([], 0.1 * frame) == []
    assert seen.new_texts(["A"], 1.0) == [], "a moment away"
    for frame in range(FRAMES_WITHOUT + 1):
        seen.new_texts([], 2.0 + frame)
    assert seen.new_texts(["A"], 10.0) == ["A"]


def test_a_machine_that_stood_still_takes_nothing_out_of_sight():
    seen = PresentationFilter(2.0)
    seen.handed_on("A", 0.0)
    seen.new_texts([], 60.0)
    assert seen.new_texts(["A"], 61.0) == []


def test_frames_that_were_looked_at_quickly_take_nothing_out_of_sight():
    # A code that is shown badly is read with repairs only, and those come every few frames.
    seen = PresentationFilter(2.0)
    seen.handed_on("A", 0.0)
    for frame in range(10 * FRAMES_WITHOUT):
        assert seen.new_texts([], float(frame), quick=True) == []
    assert seen.new_texts(["A"], 61.0, quick=True) == []
