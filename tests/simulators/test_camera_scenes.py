import itertools

import cv2
import numpy as np
import pytest

from simulators.camera.optics import black
from simulators.camera.render import render
from simulators.camera.scenes import FACES, EmptyScene, FaceScene, PhoneScene, parse

WIDTH, HEIGHT = 640, 480
SCENES = {
    "empty": {"kind": "empty"},
    "phone": {"kind": "phone", "text": "ECH1:ABC"},
    "live": {"kind": "face", "person": "person01"},
    "portrait": {"kind": "face", "person": "person02", "picture": "3"},
    "print": {"kind": "face", "person": "person03", "picture": "print"},
    "screen": {"kind": "face", "person": "person04", "picture": "screen"},
    "beside": {"kind": "face", "person": "person05", "second": "person06"},
    "background": {"kind": "face", "person": "person07", "second": "person08", "second_place": "background"},
}


@pytest.fixture(params=SCENES.values(), ids=SCENES.keys())
def scene(request):
    return parse(request.param)


def frames(scene, numbers, seed=0):
    return [render(scene, number, WIDTH, HEIGHT, seed) for number in numbers]


def test_a_frame_is_a_function_of_scene_number_and_seed(scene):
    one, same, other_seed = (frames(scene, [3], seed)[0] for seed in (1, 1, 2))
    assert one.shape == (HEIGHT, WIDTH, 3)
    assert one.dtype == np.uint8
    assert (one == same).all()
    assert (one != other_seed).any()


def test_no_two_consecutive_frames_are_identical(scene):
    pictures = frames(scene, range(scene.period + 1))
    assert all((earlier != later).any() for earlier, later in itertools.pairwise(pictures))
    assert (pictures[0] == pictures[-1]).all(), "after a period everything repeats"


def test_a_covered_lens_is_dark_and_noisy():
    one, other = black(0, WIDTH, HEIGHT), black(1, WIDTH, HEIGHT)
    assert one.max() < 20
    assert (one != other).any()


FACE = np.s_[180:330, 240:400]


def motion_px(scene, before, after, window=FACE):
    """How far the window's content moved, median over its pixels."""
    one, other = (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in frames(scene, [before, after]))
    flow = cv2.calcOpticalFlowFarneback(one, other, None, 0.5, 3, 21, 3, 5, 1.1, 0)[window]
    return np.hypot(*np.median(flow, axis=(0, 1)))


def test_a_live_head_moves_before_a_background_that_stands_still():
    scene = FaceScene(person="person01", noise=0.5)
    assert max(motion_px(scene, 0, number) for number in (7, 14, 21, 28)) > 0.4
    background = [picture[20:100, 20:120].astype(int) for picture in frames(scene, [0, 14])]
    assert np.abs(np.mean(background[0] - background[1])) < 1


@pytest.mark.parametrize("picture", ["print", "screen", "replay"])
def test_an_attack_is_moved_by_the_hand_that_holds_it(picture):
    scene = FaceScene(person="person01", picture=picture, noise=0.5)
    assert max(motion_px(scene, 0, number) for number in (4, 8, 12)) > 1


def test_what_moves_goes_there_and_back():
    scene = FaceScene(person="person01", noise=0.5)
    one, other = (frame.astype(int) for frame in frames(scene, [5, scene.period - 5]))
    assert np.abs(one - other).mean() < 1.5


def test_a_portrait_stands_still():
    assert motion_px(FaceScene(person="person01", picture="1", noise=0.5), 0, 8) < 0.2


@pytest.mark.parametrize(("place", "window"), [("beside", np.s_[150:350, 480:620]), ("background", np.s_[80:250, 40:140])])
def test_a_second_person_is_in_view(place, window):
    alone, together = FaceScene(person="person01"), FaceScene(person="person01", second="person02", second_place=place)
    difference = np.abs(frames(alone, [0])[0].astype(int) - frames(together, [0])[0].astype(int))
    assert difference[window].mean() > 20
    assert difference[:, 230:410].mean() < 1, "the first person is not touched"


@pytest.mark.parametrize("person", [f"person{number:02}" for number in range(1, 13)])
def test_every_person_has_every_picture(person):
    names = [*(str(number) for number in range(1, 5)), *(f"live{number}" for number in range(6)), "print", "screen"]
    assert all((FACES / f"{person}_{name}.jpg").is_file() for name in names)


def test_light_is_dimmed_before_the_sensor_adds_its_noise():
    light, dim = (render(EmptyScene(dim=share), 0, WIDTH, HEIGHT).astype(float) for share in (1.0, 0.1))
    assert dim.mean() == pytest.approx(light.mean() / 10, rel=0.1)
    assert dim.std() > 1.5


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "crowd"},
        {"kind": "empty", "text": "x"},
        {"kind": "empty", "noise": 0},
        {"kind": "phone"},
        {"kind": "phone", "text": ""},
        {"kind": "phone", "text": "x", "tilt_deg": 90},
        {"kind": "phone", "text": "x", "tilt": 20},
        {"kind": "face"},
        {"kind": "face", "person": "person99"},
        {"kind": "face", "person": "../person01"},
        {"kind": "face", "person": "person01", "picture": "5"},
        {"kind": "face", "person": "person01", "second": "nobody"},
    ],
    ids=str,
)
def test_a_scene_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError):
        parse(wrong)


def test_a_code_larger_than_the_frame_is_refused():
    with pytest.raises(ValueError, match="the frame has 480"):
        render(PhoneScene(text="x" * 400, px_per_module=8), 0, WIDTH, HEIGHT)
