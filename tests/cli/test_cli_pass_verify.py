"""gatectl pass verify against a gate's real files: every step shown, honest exit codes, nothing written; and codes out of pictures."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import segno

from gate_controller.cli.main import gatectl, main
from gate_controller.core.values import Region
from gate_controller.passes.replay import SqliteReplayMemory
from gate_controller.ports.trust import PassStatus
from simulators.authority import Authority, Permit
from simulators.phone import Phone, qr_text

NOW = 1_800_000_000
DAY_S = 86_400
PERMIT = Permit(enrolment_reference=bytes(range(16)), issued_at=NOW - 3600)


@pytest.fixture
def site(trust_site: Any) -> Any:
    """A gate in Macao for travellers from Hong Kong, with current trust and no replay memory yet."""
    trust_site.changes["replay"] = {"path": str(trust_site.directory / "replay.db")}
    return trust_site.installed()


@pytest.fixture
def phone(site: Any) -> Phone:
    phone = Phone("verify", "phone", "MO-SIM")
    phone.obtain(issuer(site), PERMIT)
    return phone


def issuer(site: Any) -> Authority:
    return site.repository.authorities.issuers[Region.HK]


def verify(site: Any, *arguments: str | Path) -> int:
    return main(["pass", "verify", *map(str, arguments), "--config", str(site.config())], partial(gatectl, obj=site))


def document(site: Any, capsys: Any, *arguments: str | Path) -> dict[str, Any]:
    capsys.readouterr()
    verify(site, "--json", *arguments)
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def files(directory: Path) -> dict[str, bytes]:
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_accepted_and_nothing_used_up(site: Any, phone: Phone, capsys: Any) -> None:
    site.config()
    before = files(site.directory)
    text = phone.present(NOW)
    assert verify(site, text) == 0
    assert verify(site, text) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "gate MO-SIM-1 at 2027-01-15 08:00:00 UTC"
    assert lines[1] == "trust: root 1 timestamp 1 snapshot 1 targets 1 hk 1 mo 1; HK fresh, MO fresh"
    assert "  8 status list               passed" in lines
    assert any(line.startswith("  9 replay") and "not performed: there is no replay memory" in line for line in lines)
    assert lines[-1].startswith("accepted: HK pass of class 1, good until 2027-01-16")
    assert files(site.directory) == before


def test_with_a_replay_memory_every_step_is_performed(site: Any, phone: Phone, capsys: Any) -> None:
    with SqliteReplayMemory(site.directory / "replay.db", blind_until=None) as memory:
        result = document(site, capsys, phone.present(NOW))
        assert result["accepted"]
        assert [(step["number"], step["passed"]) for step in result["steps"]] == [(number, True) for number in (1, 2, 3, 4, 5, 6, 7, 5, 6, 8, 9)]
        assert result["pass"]["presented_at"] == NOW
        assert memory.claim(issuer(site).claims(phone.public_key, PERMIT)[7], NOW, NOW + 60)  # the gate goes on using it
        result = document(site, capsys, phone.present(NOW))
        assert (result["accepted"], result["reason"], result["step"]) == (False, "presentation_replayed", 9)
        assert document(site, capsys, phone.present(NOW + 1))["accepted"]


def test_refused_says_where_and_why(site: Any, phone: Phone, capsys: Any) -> None:
    assert verify(site, phone.present(NOW - 200)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  6 presentation claims") and "REFUSED" in line and "made 200 s ago" in line for line in lines)
    assert "  8 status list               not reached" in lines
    assert lines[-1].startswith("REFUSED: presentation_stale: step 6: ")


def test_against_the_trust_that_is_configured(site: Any, phone: Phone, capsys: Any) -> None:
    forger = Phone("verify", "forger", "MO-SIM")
    forger.obtain(site.repository.authorities.forger, PERMIT)
    assert document(site, capsys, forger.present(NOW))["reason"] == "pass_unknown_key"
    listed = Authority.status_index(PERMIT)
    site.repository.revoke(Region.HK, listed, PassStatus.SUSPENDED)
    site.repository.publish(NOW)
    assert document(site, capsys, phone.present(NOW))["accepted"]  # not imported yet
    assert site.keys("import", site.published) == 0
    result = document(site, capsys, phone.present(NOW))
    assert (result["reason"], result["step"]) == ("pass_suspended", 8)


def test_at_another_time(site: Any, phone: Phone, capsys: Any) -> None:
    text = phone.present(NOW)
    site.now = NOW + 600
    assert document(site, capsys, text)["reason"] == "presentation_stale"
    for moment in (str(NOW + 5), "2027-01-15T08:00:05", "2027-01-15T08:00:05Z", "2027-01-15T09:00:05+01:00", "2027-01-15 08:00:05.5"):
        result = document(site, capsys, text, "--at", moment)
        assert result["accepted"]
        assert result["trust"]["freshness"] == {"HK": "fresh", "MO": "fresh"}
    # In a week this trust will be too old, whatever the clock says today.
    later = NOW + 7 * DAY_S
    phone.obtain(issuer(site), Permit(enrolment_reference=bytes(16), issued_at=NOW, lifetime_s=30 * DAY_S))
    assert document(site, capsys, phone.present(later), "--at", str(later))["reason"] == "pass_region_closed"


def test_a_clock_that_is_behind_closes_here_too(site: Any, phone: Phone, capsys: Any) -> None:
    site.now = NOW - DAY_S
    result = document(site, capsys, phone.present(NOW - DAY_S))
    assert (result["reason"], result["detail"]) == ("pass_region_closed", "clock_behind_signed")


def test_an_old_list_is_told(site: Any, phone: Phone, capsys: Any) -> None:
    site.now = NOW + 2 * DAY_S
    phone.obtain(issuer(site), Permit(enrolment_reference=bytes(16), issued_at=int(site.now) - 60))
    assert verify(site, phone.present(site.now)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("HK degraded, MO degraded")
    assert "degraded" in lines[-1]


def test_static_passes_by_policy(site: Any, capsys: Any) -> None:
    static = qr_text(issuer(site).issue(None, PERMIT))
    assert document(site, capsys, static)["reason"] == "pass_static"
    site.changes["policy"] = {"presentation": {"static_passes": True}}
    result = document(site, capsys, static)
    assert result["accepted"]
    assert [step["number"] for step in result["steps"] if step["passed"] is None] == [7, 5, 6, 9]


@pytest.mark.parametrize("at", ["tomorrow", "2027-13-01", "1e400", "99999-01-01", "--"])
def test_a_time_that_is_none(site: Any, phone: Phone, capsys: Any, at: str) -> None:
    assert verify(site, phone.present(NOW), "--at", at) == 2
    assert "--at" in capsys.readouterr().err


def test_what_cannot_be_used(site: Any, phone: Phone, capsys: Any, tmp_path: Path) -> None:
    text = phone.present(NOW)
    (site.directory / "replay.db").write_bytes(b"not a database at all" * 100)
    site.config()
    before = files(site.directory)
    assert verify(site, text) == 8
    assert "replay memory" in capsys.readouterr().err
    assert files(site.directory) == before
    (site.directory / "replay.db").unlink()
    site.floor.rename(tmp_path / "floor")
    assert verify(site, text) == 8
    (tmp_path / "floor").rename(site.floor)
    (site.cache / "current").unlink()
    assert verify(site, text) == 8
    assert main(["pass", "verify", text, "--config", str(tmp_path / "none.toml")]) == 8
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err


# -- pictures -----------------------------------------------------------------------------------------------------------


def picture(path: Path, *texts: str) -> Path:
    codes = []
    for text in texts:
        drawn = io.BytesIO()
        segno.make(text, error="m", boost_error=False).save(drawn, kind="png", scale=4, border=6)
        codes.append(cv2.imdecode(np.frombuffer(drawn.getvalue(), np.uint8), cv2.IMREAD_GRAYSCALE))
    height = max(code.shape[0] for code in codes)
    whole = np.hstack([np.pad(code, ((0, height - code.shape[0]), (0, 0)), constant_values=255) for code in codes])
    assert cv2.imwrite(str(path), whole)
    return path


def test_a_picture_of_a_code(site: Any, phone: Phone, capsys: Any, tmp_path: Path) -> None:
    image = picture(tmp_path / "code.png", phone.present(NOW))
    assert verify(site, "--image", image) == 0
    assert main(["pass", "inspect", "--image", str(image)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "everything decodes"


def test_pictures_without_one_code(phone: Phone, capsys: Any, tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    assert cv2.imwrite(str(blank), np.full((200, 300, 3), 200, np.uint8))
    several = picture(tmp_path / "several.png", phone.present(NOW), phone.present(NOW + 1))
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    empty = tmp_path / "empty.png"
    empty.touch()
    for path, code, said in (
        (blank, 1, "no QR code found in"),
        (several, 1, "shows 2 QR codes"),
        (text, 2, "not a picture"),
        (empty, 2, "not a picture"),
        (tmp_path / "none.png", 2, "cannot be read: No such file"),
        (tmp_path, 2, "cannot be read: Is a directory"),
    ):
        assert main(["pass", "inspect", "--image", str(path)]) == code
        out, err = capsys.readouterr()
        *_, what, remedy = err.splitlines()
        assert out == ""
        assert what.startswith("gatectl: ")
        assert remedy.startswith("gatectl: remedy: ")
        assert said in what
        assert str(path) in err


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_one_code_is_wanted(site: Any, capsys: Any, command: str, tmp_path: Path) -> None:
    config = ["--config", str(site.config())] if command == "verify" else []
    assert main(["pass", command, *config]) == 2
    assert main(["pass", command, "ECH1:", "--image", str(tmp_path / "code.png"), *config]) == 2
    assert "give either the TEXT" in capsys.readouterr().err
