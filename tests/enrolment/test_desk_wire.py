"""The desk over the wire simulators: real drivers, a camera stream, a serial line. `make desk` goes on to a crossing."""

from __future__ import annotations

import json
import syslog
import tempfile
from functools import partial
from pathlib import Path

import pytest

from gate_controller.cli.main import main
from gate_controller.composition import enrolment_desk
from gate_controller.core.values import Region
from gate_controller.enrolment.desk import DeskTerms, face, fingers, session
from gate_controller.enrolment.desk.face import FaceDemands
from gate_controller.enrolment.desk.fingers import FingerDemands
from gate_controller.enrolment.desk.record_file import DeskKey
from simulators.enrolment_intake import intake_key, kid_of, take_in

MODELS = Path(__file__).parents[2] / "var" / "models"


@pytest.mark.wire
def test_a_simulated_person_is_enrolled(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "syslog", lambda *_: None)
    scratch, out, key = tmp_path / "s", tmp_path / "out", tmp_path / "desk.key"
    scratch.mkdir()
    out.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    # A machine that runs tests may be ten times slower than a desk: what is tested here is the way, not its time.
    monkeypatch.setattr(enrolment_desk, "FaceDemands", partial(FaceDemands, within_s=600.0))
    monkeypatch.setattr(enrolment_desk, "DeskTerms", partial(DeskTerms, fingers=FingerDemands(touch_within_s=300.0)))
    for module, limit in ((face, "_FRAME_WITHIN_S"), (fingers, "_CALL_WITHIN_S"), (session, "OPEN_WITHIN_S"), (fingers, "OPEN_WITHIN_S")):
        monkeypatch.setattr(module, limit, 60.0)
    desk, region = DeskKey.create(key), intake_key(Region.MO, "wire")
    arguments = ["enrol", "--region", "MO", "--desk-key", str(key), "--seal-to", bytes(region.public_key).hex(), "--out", str(out), "--json"]
    # Without a judge: it needs more frames a second than a machine that runs tests may give.
    arguments += ["--birth-date", "1990-05-17", "--simulated", "person04", "--no-pad", "--models", str(MODELS), "--family", "zfm20"]
    assert main(arguments) == 0, capsys.readouterr().err
    report = json.loads(capsys.readouterr().out)
    (file,) = out.iterdir()
    assert report["file"] == str(file)
    intake = take_in(file, {kid_of(desk.public): desk.public}, region, Region.MO, 1 << 32)
    assert intake.simulated
    assert [face.model.name for face in intake.record.faces] == ["sface-2021dec"]
    assert {(finger.position, finger.format, len(finger.data)) for finger in intake.record.fingers} == {
        (2, "zhiantec/zfm20/512", 512),
        (7, "zhiantec/zfm20/512", 512),
    }
    assert list(scratch.iterdir()) == [], "the simulated desk leaves nothing behind"
