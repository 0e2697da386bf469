"""Do the drivers tell the synthetic people apart? Says nothing about accuracy on people."""

import importlib.abc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from drivers.face import dlib_encoder
from drivers.face.portrait import template_from
from drivers.face.weights import DLIB_RESNET_V1
from gate_controller.ports.errors import ConfigurationError

SIMULATED_PEOPLE = 0.82
DLIB_SAFE = 0.40
PROBES = ("2", "4", "live3")
ATTACKS = ("print", "screen")


@pytest.fixture(scope="module")
def gallery(sface, picture, people, enrolled):
    """Portraits' templates, and probes by person and picture."""
    templates = {person: enrolled(person) for person in people}
    analyses = {(person, name): sface.analyse(picture(f"{person}_{name}")) for person in people for name in PROBES + ATTACKS}
    return templates, analyses


def test_every_picture_shows_exactly_one_face_of_good_quality(gallery):
    _, analyses = gallery
    assert {analysis.faces for analysis in analyses.values()} == {1}
    assert min(analysis.probe.quality.score for analysis in analyses.values()) > 0.7


def test_every_person_is_accepted_as_themselves(gallery, sface):
    templates, analyses = gallery
    distances = {key: sface.compare(analysis.probe, templates[key[0]]) for key, analysis in analyses.items() if key[1] in PROBES}
    assert len(distances) == 36
    assert max(distances.values()) < SIMULATED_PEOPLE, max(distances, key=distances.get)
    assert min(distances.values()) > 0.01  # no probe is its own portrait


def test_nobody_is_accepted_as_somebody_else(gallery, sface):
    templates, analyses = gallery
    distances = {
        (key, other): sface.compare(analysis.probe, template)
        for key, analysis in analyses.items()
        for other, template in templates.items()
        if other != key[0] and key[1] in PROBES
    }
    assert len(distances) == 396
    assert min(distances.values()) > SIMULATED_PEOPLE, min(distances, key=distances.get)


def test_a_print_or_a_screen_matches_its_victim(gallery, sface):
    """Not wished for, but so: telling them apart is presentation attack detection's part, and nobody may think the matcher does it."""
    templates, analyses = gallery
    assert all(sface.compare(analysis.probe, templates[person]) < SIMULATED_PEOPLE for (person, name), analysis in analyses.items() if name in ATTACKS)


def test_dlib_tells_them_apart_too(dlib, picture, people):
    some = people[:4]
    templates = {person: template_from(dlib, picture(f"{person}_1")) for person in some}
    probes = {person: dlib.analyse(picture(f"{person}_4")).probe for person in some}
    for person in some:
        for other in some:
            distance = dlib.compare(probes[person], templates[other])
            assert (distance < DLIB_SAFE) == (person == other), (person, other, distance)


def test_dlib_keeps_its_own_length_and_names_its_weights(dlib, picture):
    probe = dlib.analyse(picture("person03_2")).probe
    assert 1.1 < np.linalg.norm(probe.embedding) < 1.6
    assert dlib.model.name == "dlib-resnet-v1"
    assert dlib.model.weights_sha256.startswith("55533b28")


def test_templates_of_the_two_models_never_compare(dlib, picture, enrolled):
    template = enrolled("person01")
    with pytest.raises(ValueError, match=r"of model sface-2021dec .* this is dlib-resnet-v1"):
        dlib.compare(dlib.analyse(picture("person01_1")).probe, template)


def test_importing_dlib_silences_one_warning_and_no_other():
    code = (
        "import warnings; from drivers.face.dlib_encoder import DlibEncoder; DlibEncoder()\n"
        "try: warnings.warn('pkg_resources is deprecated', UserWarning)\n"
        "except UserWarning: print('still an error afterwards')"
    )
    top = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, cwd=top, timeout=120)
    assert (run.returncode, run.stdout) == (0, "still an error afterwards\n"), run.stderr


@pytest.mark.parametrize("damage", ["other", "missing"])
def test_dlib_by_itself_takes_no_other_weights_either(tmp_path, monkeypatch, damage):
    if damage == "other":
        (tmp_path / DLIB_RESNET_V1.file).write_bytes(b"other weights")
    monkeypatch.setattr(dlib_encoder, "models", lambda: tmp_path)
    with pytest.raises(ConfigurationError, match="not the expected file" if damage == "other" else "No such file"):
        dlib_encoder.DlibEncoder()


def test_what_dlib_says_of_a_damaged_file_is_a_cause_and_no_bug(monkeypatch):
    class Damaged(importlib.abc.MetaPathFinder):
        def find_spec(self, name, _path=None, _target=None):
            if name == "face_recognition":
                raise RuntimeError("Unable to open shape_predictor_68_face_landmarks.dat")

    monkeypatch.delitem(sys.modules, "face_recognition", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Damaged(), *sys.meta_path])
    with pytest.raises(ConfigurationError, match="shape_predictor_68"):
        dlib_encoder.DlibEncoder()
