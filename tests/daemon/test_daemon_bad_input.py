"""What is wrong with the surroundings ends in one clear line with the remedy and a documented exit code, or in a fail-secure state; never in a traceback."""

from __future__ import annotations

import socket

import pytest

pytestmark = pytest.mark.lane


def complains(done, *words: str) -> None:
    assert done.returncode == 8, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert len([line for line in done.stderr.strip().splitlines() if not line.startswith("timestamp=")]) <= 3, done.stderr


def test_a_missing_configuration(site):
    complains(site.run(site.directory / "nothing.toml"), "nothing.toml")


def test_a_wrong_value_is_named_with_its_line(site):
    text = site.config.read_text()
    wrong = site.directory / "wrong.toml"
    wrong.write_text(text.replace('region = "MO"', 'region = "XX"'))
    line = next(number for number, content in enumerate(text.splitlines(), 1) if content.startswith("region"))
    complains(site.run(wrong), f"wrong.toml:{line}: [gate] region")


def test_a_missing_pinned_root(site):
    (site.directory / "root.json").unlink()
    complains(site.run(), "root.json cannot be read: No such file", "came with the contract")


def test_another_root_than_the_pinned_one(site):
    (site.directory / "root.json").write_bytes(b"{}")
    complains(site.run(), "[keys] pinned_root_sha256: is not the SHA-256 of", "root.json")


def _not_a_floor(site):
    (site.directory / "trust-floor.db").unlink()
    return "trust", ("trust-floor.db", "gatectl keys init")


def _damaged_enrolments(site):
    (site.directory / "enrolment.db" / "hk.current").resolve().write_bytes(b"not a database" * 100)
    return "enrolment", ("enrolment.db",)


def _an_open_master_key(site):
    site.key.chmod(0o644)
    return "enrolment", ("master.key",)


def _another_file_for_a_journal(site):
    (site.directory / "journal.db").write_bytes(b"not a database" * 100)
    return "journal", ("journal.db", "not a database")


def _no_directory_for_the_journal(site):
    site.changes["journal"]["path"] = str(site.directory / "nowhere" / "journal.db")
    return "journal", ("nowhere", "the directory must exist")


def _an_emptied_replay_memory(site):
    (site.directory / "replay.db").touch()
    return "pass_verifier", ("replay.db", "it was truncated")


@pytest.mark.parametrize(
    "harms",
    [
        (_not_a_floor, _damaged_enrolments, _another_file_for_a_journal, _an_emptied_replay_memory),
        (_an_open_master_key, _no_directory_for_the_journal),
    ],
)
def test_a_store_that_cannot_be_used_closes_the_lane_by_its_name_with_the_remedy(site, run_daemon, harms):
    harmed = dict(harm(site) for harm in harms)
    daemon = run_daemon()
    status = daemon.wait_status(lambda status: all(status["devices"][name]["code"] == "store" for name in harmed))
    for name, words in harmed.items():
        told = status["devices"][name]
        assert told["state"] == "lost"
        assert all(word in f"{told['detail']} {told['remedy']}" for word in words), told
    assert status["state"] == "out_of_service"
    code, log = daemon.stop()
    assert (code, "Traceback" in log) == (0, False), log


def test_missing_models(site):
    (site.directory / "models").mkdir()
    site.changes["models"]["directory"] = str(site.directory / "models")
    complains(site.run(), "make models")


def test_the_kiosks_port_is_in_use(site):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        site.changes["kiosk"]["port"] = taken.getsockname()[1]
        complains(site.run(), str(taken.getsockname()[1]))


def test_another_gate_runs_already(site, run_daemon):
    first = run_daemon()
    first.wait_status(lambda _status: True)
    complains(site.run(), "another process writes it")
    assert first.stop()[0] == 0


def test_without_trust_the_lane_stays_closed_until_some_is_imported(site, run_daemon):
    daemon = run_daemon()
    status = daemon.wait_status(lambda status: status["devices"]["trust"]["state"] == "lost")
    assert (status["devices"]["trust"]["code"], status["trust"]["HK"]["state"]) == ("no_trust", "closed")
    assert "gatectl keys import" in status["devices"]["trust"]["remedy"]
    site.trust.bring(site.config)
    status = daemon.wait_status(lambda status: status["devices"]["trust"]["state"] == "ready")
    assert (status["trust"]["HK"]["state"], status["trust_store"]["problem"]) == ("fresh", None)
    code, log = daemon.stop()
    assert (code, "Traceback" in log) == (0, False)
    assert "freshness_changed" in log


def test_absent_devices_keep_the_lane_closed_each_named_with_its_remedy(run_daemon):
    daemon = run_daemon()
    absent = ("qr_camera", "face_camera", "fingerprint", "io_board")
    status = daemon.wait_status(lambda status: all(status["devices"][name]["state"] == "lost" for name in absent))
    assert status["state"] == "out_of_service"
    assert status["reason"] == "io_board_lost"
    assert status["officer_call"]["reason"] == "io_board_lost"
    assert {status["devices"][name]["code"] for name in absent} == {"absent"}
    assert all(status["devices"][name]["remedy"] for name in absent)
    code, log = daemon.stop()
    assert code == 0
    assert "Traceback" not in log


def test_a_stop_signal_ends_it_and_removes_the_socket(site, run_daemon):
    daemon = run_daemon()
    daemon.wait_status(lambda _status: True)
    assert daemon.stop()[0] == 0
    assert not (site.directory / "c.sock").exists()
