"""The accuracy tool, on the synthetic people in LFW's layout and on numbers whose answer is known."""

import itertools
import json
import math

import numpy as np
import pytest

from tests.bench import face_accuracy as tool

PEOPLE = [f"person{number:02}" for number in range(1, 13)]
SIMULATED = 0.82
FACES = tool.TOP / "simulators" / "data" / "faces"


@pytest.fixture(scope="session")
def lfw(tmp_path_factory):
    """The four portraits of everybody: DIR/NAME/NAME_0001.jpg; pairs: all of each, and everybody's first with everybody else's."""
    top = tmp_path_factory.mktemp("lfw")
    for name in PEOPLE:
        (top / name).mkdir()
        for number in range(1, 5):
            (top / name / f"{name}_{number:04}.jpg").symlink_to(FACES / f"{name}_{number}.jpg")
    genuine = [f"{name}\t{one}\t{other}" for name in PEOPLE for one, other in itertools.combinations(range(1, 5), 2)]
    impostor = [f"{one}\t1\t{other}\t1" for index, one in enumerate(PEOPLE) for other in PEOPLE[index + 1 :]]
    pairs = top / "pairs.txt"
    pairs.write_text("\n".join([f"1\t{len(genuine)}", *genuine, *impostor]) + "\n")
    groups = top / "groups.txt"
    groups.write_text("".join(f"{name} {'odd' if index % 2 else 'even'}\n" for index, name in enumerate(PEOPLE)))
    return top


def test_synthetic_people_at_their_own_threshold(lfw, tmp_path, capsys):
    figures = tmp_path / "figures.json"
    wanted = ["--images", lfw, "--pairs", lfw / "pairs.txt", "--groups", lfw / "groups.txt", "--threshold", SIMULATED, "--all-impostors", "--json", figures]
    assert tool.main([str(word) for word in wanted]) == 0
    read = json.loads(figures.read_text())
    assert (read["fta"]["count"], read["fta"]["total"]) == (0, 48)
    assert (read["fnmr"]["count"], read["fnmr"]["total"]) == (0, 12 * 6), "all genuine accepted"
    assert (read["fmr"]["count"], read["fmr"]["total"]) == (0, 48 * 44 // 2), "all impostors refused"
    assert read["eer"] == 0
    assert read["at_fmr"]["0.01"]["fnmr"]["count"] == 0
    assert read["at_fmr"]["0.001"]["fnmr"]["count"] == 0
    assert read["at_fmr"]["0.0001"] is None
    assert set(read["groups"]) == {"odd", "even", tool.MIXED}
    assert read["groups"]["odd"]["fmr"]["total"] == 24 * 20 // 2
    shown = capsys.readouterr().out
    assert "not measured: that takes at least 10,000 impostor pairs" in shown
    assert "do not show FMR 0.1 %" in shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no pairs"),
        ("10\t300\n", "no pairs"),
        ("person01 1\n", "pairs.txt:1: 2 words are no pair"),
        ("person01 1 2\nperson01 one 2\n", "pairs.txt:2: 3 words are no pair"),
        ("person01 1 1\n", "pairs.txt:1: a photo compared with itself"),
        ("person01 1 5\n", "person01_0005.jpg: no such photo"),
        ("../person01 1 2\n", "'../person01' is no name of a person"),
        ("person01 1 2\n", "1 genuine and 0 impostor pairs"),
    ],
)
def test_unusable_pairs_are_one_line_with_a_remedy(lfw, tmp_path, capsys, text, says):
    pairs = tmp_path / "pairs.txt"
    pairs.write_text(text)
    assert tool.main(["--images", str(lfw), "--pairs", str(pairs), "--threshold", "1"]) == 8
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert error.rstrip().endswith(")")


@pytest.mark.parametrize(
    ("option", "content", "says"),
    [
        ("--pairs", None, "No such file"),
        ("--pairs", b"\xff\xfe\x00", "is no UTF-8 text"),
        ("--groups", b"person01\n", "not NAME GROUP"),
        ("--groups", b"person01 a\nperson01 b\n", "person01 is in two groups"),
        ("--policy", b"face = 1\n", "no decision threshold for sface-2021dec"),
        ("--policy", b"[face\n", "policy"),
    ],
)
def test_unusable_files(lfw, tmp_path, capsys, option, content, says):
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    options = {"--images": lfw, "--pairs": lfw / "pairs.txt", option: file}
    assert tool.main([str(word) for item in options.items() for word in item]) == 8
    assert says in capsys.readouterr().err


def test_a_file_that_is_no_picture_is_named(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    for number in (1, 2):
        (tmp_path / "a" / f"a_000{number}.png").write_bytes(b"no picture")
    (tmp_path / "pairs").write_text("a 1 2\n")
    assert tool.main(["--images", str(tmp_path), "--pairs", str(tmp_path / "pairs"), "--threshold", "1"]) == 8
    assert "a_0001.png: not a picture" in capsys.readouterr().err


def test_a_photo_without_a_face_counts_as_not_acquired(lfw, tmp_path):
    import cv2

    for name in ("person01", "person02"):
        (tmp_path / name).symlink_to(lfw / name)
    (tmp_path / "wall").mkdir()
    cv2.imwrite(str(tmp_path / "wall" / "wall_0001.png"), np.full((200, 200, 3), 128, np.uint8))
    (tmp_path / "pairs").write_text("person01 1 2\nperson01 1 person02 1\nperson01 1 wall 1\n")
    figures = tmp_path / "figures.json"
    assert tool.main(["--images", str(tmp_path), "--pairs", str(tmp_path / "pairs"), "--threshold", "0.82", "--json", str(figures)]) == 0
    read = json.loads(figures.read_text())
    assert (read["fta"]["count"], read["fta"]["total"]) == (1, 4)
    assert read["fmr"]["total"] == 1, "the pair with the wall is not compared"


@pytest.mark.parametrize("image", [np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (20_000, 20_000, 3)), None], ids=["20,000 x 20,000", "larger still"])
def test_a_photo_that_is_too_large_is_one_line(lfw, tmp_path, capsys, monkeypatch, image):
    def read(_path, _flags):
        if image is None:
            raise tool.cv2.error("more than OpenCV takes")
        return image

    monkeypatch.setattr(tool.cv2, "imread", read)
    (tmp_path / "pairs").write_text("person01 1 2\nperson01 1 person02 1\n")
    assert tool.main(["--images", str(lfw), "--pairs", str(tmp_path / "pairs"), "--threshold", "1"]) == 8
    assert "person01_0001.jpg: " in capsys.readouterr().err


def test_the_configured_threshold_is_the_policys():
    assert tool.configured_threshold(tool.TOP / "config" / "policy.toml", "sface-2021dec") == 1.0265


def test_rates_and_intervals():
    low, high = tool.Rate(5, 100).bounds
    assert (low, high) == (pytest.approx(0.0215, abs=5e-4), pytest.approx(0.1118, abs=5e-4))  # Wilson's own tables
    assert tool.Rate(0, 3000).bounds == (0, 0.001)
    assert tool.Rate(3000, 3000).bounds == (0.999, 1)
    assert math.isnan(tool.Rate(0, 0).value)
    assert str(tool.Rate(0, 0)) == "none"


def test_error_rates_on_known_distances():
    impostor = np.arange(1, 1001, dtype=np.float32)  # 1 .. 1000
    genuine = np.array([0.5] * 98 + [5.5, 2000], np.float32)
    at = tool.threshold_at(impostor, 1e-2)
    assert tool.accepted(impostor, at).count == 10, "exactly the ten that FMR 0.01 allows"
    assert tool.rejected(genuine, at).count == 1
    assert tool.threshold_at(impostor, 1e-4) is None
    eer, threshold = tool.equal_error(genuine, impostor)
    assert eer == pytest.approx(0.01)
    assert threshold == 10
