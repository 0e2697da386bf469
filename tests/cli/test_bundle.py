"""The support bundle: its manifest comes first, and nothing personal is in it, whatever the gate, its files and its log hold."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from gate_controller.cli import bundle_content
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.main import main
from gate_controller.core.values import Direction, Region
from gate_controller.journal import SqliteJournal
from gate_controller.runtime.journald import entry
from gate_controller.settings.render import derive
from tests.cli.stub_daemon import STATUS, StubDaemon

ROOT = Path(__file__).parents[2]
OFFICER, REASON, NAME, DOCUMENT = "Chan Tai Man", "wheelchair of Mrs Lei", "WONG SIU MING", "H12345678"
PASS, CROSSING, PASSWORD, HOME = "ECH1:NCFOXN%TSMAHN", "9f1c7a52-crossing", 305419896, "/home/mary"
PERSONAL = [OFFICER, REASON, NAME, DOCUMENT, PASS, CROSSING, str(PASSWORD), "mary", "0x12345678", "Lei", "wheelchair"]
FILES = {
    "about.json",
    "doctor.json",
    "status.json",
    "diagnostics.json",
    "events.jsonl",
    "metrics.txt",
    "configuration.json",
    "journal.json",
    "log.jsonl",
    "units.txt",
}


def stream(events):
    return "".join(f"event: {kind}\ndata: {json.dumps(body)}\n\n" for kind, body in events).encode()


@pytest.fixture
def config(tmp_path_factory):
    directory = tmp_path_factory.mktemp("g")
    journal = SqliteJournal(directory / "journal.db")
    journal.admit(CROSSING, Region.HK, Direction.HK_TO_MO, 1.8e9)
    journal.event("officer_released", {"identity": OFFICER, "reason": REASON}, 1.8e9)
    journal.close()
    changes = {
        "control": {"socket": str(directory / "c.sock")},
        "journal": {"path": str(directory / "journal.db")},
        "devices": {"fingerprint": {"port": f"{HOME}/fingerprint", "password": PASSWORD, NAME: DOCUMENT}, "io_board": {"port": str(directory / "none")}},
        "kiosk": {"enabled": False},
        "sync": {"mirror": f"https://mary:{DOCUMENT}@mirror.example/keys"},
        "notes": {"officer": OFFICER},
    }
    path = directory / "gate.toml"
    path.write_text(derive(ROOT / "config/simulated.toml", changes))
    return path


@pytest.fixture
def stub(config):
    made = StubDaemon(config.with_name("c.sock"))
    call = {"reason": "face_mismatch", "escalation": 1, "acknowledged": True}
    made.answers["GET /v1/status"] = (200, {**STATUS, "officer_call": call, "traveller": NAME})
    record = {"crossing_id": CROSSING, "outcome": "released_by_officer", "reason": "face_mismatch", "officer": OFFICER, "name": NAME, "pass": PASS}
    events = [
        ("connected", {"run": "a", "sequence": 4}),
        ("crossing_recorded", {"sequence": 1, "at": 1.8e9, "fields": record}),
        ("crossing_recorded", {"sequence": 2, "at": 1.8e9, "fields": {**record, "outcome": "completed"}}),
        ("officer_acted", {"sequence": 3, "at": 1.8e9, "fields": {"action": "release", "uid": 1000, "identity": OFFICER, "reason": REASON}}),
        ("something_new", {"sequence": 4, "at": 1.8e9, "fields": {"name": NAME}}),
    ]
    made.answers["GET /v1/events"] = (200, stream(events))
    made.answers["GET /v1/metrics"] = (200, f'# HELP gate_up x\ngate_up 1.0\n{NAME}{{document="{DOCUMENT}"}} 1\n'.encode())
    made.answers["GET /v1/diagnostics"] = (200, {"version": "0.1.0", "devices": [{"device": "face", "last": NAME}], "inputs": {}, "session": {"name": NAME}})
    with made.served():
        yield made


def logged(event, level="info", **fields):
    """An entry as systemd's journal hands it out, made by what the daemon makes it with."""
    lines = entry("gate-controller", {"event": event, "level": level, **fields}).decode().splitlines()
    return {**dict(line.split("=", 1) for line in lines), "_TRANSPORT": "journal", "__REALTIME_TIMESTAMP": "1800000000000000", "_HOSTNAME": NAME}


LOG = [
    logged("pass refused", reason="pass_static", text=PASS, crossing_id=CROSSING),
    logged("officer acted", uid=1000, identity=OFFICER),
    logged("store lost", "error", what=f"{HOME}/journal.db: no space left", remedy="free some"),
    {"MESSAGE": f"print of {NAME}", "_TRANSPORT": "stdout", "SYSLOG_IDENTIFIER": "gate-controller"},
    {"MESSAGE": f"Started by {NAME}", "_TRANSPORT": "journal", "SYSLOG_IDENTIFIER": "systemd"},
    {"MESSAGE": None, "_TRANSPORT": "journal", "SYSLOG_IDENTIFIER": "gate-controller"},
]


@pytest.fixture
def bundled(config, stub, tmp_path, monkeypatch, capsys):
    text = "\n".join([*map(json.dumps, LOG), f"Traceback of {NAME}", "[1, 2]"])
    monkeypatch.setattr(bundle_content, "_output", lambda command: text if command[0] == "journalctl" else "Id=gate-controller.service")
    path = tmp_path / "b.tar.gz"
    code = main(["bundle", "--config", str(config), "--output", str(path), "--yes"])
    assert code == ExitCode.OK, capsys.readouterr().err
    return path, capsys.readouterr().out


def contents(path):
    with tarfile.open(path) as archive:
        return {Path(each.name).name: archive.extractfile(each).read().decode() for each in archive.getmembers()}


def test_nothing_personal_is_in_it(bundled):
    path, out = bundled
    found = contents(path)
    assert found.keys() == FILES
    assert [(name, each) for name, text in found.items() for each in PERSONAL if each in text] == []
    assert [each for each in PERSONAL if each in out] == []


def test_what_support_needs_is_in_it(bundled):
    found = {name: text for name, text in contents(bundled[0]).items() if name != "units.txt"}
    status = json.loads(found["status.json"])
    assert (status["state"], status["officer_call"]) == ("ready", {"reason": "face_mismatch", "escalation": 1, "acknowledged": True})
    events = [json.loads(line) for line in found["events.jsonl"].splitlines()]
    assert [each["kind"] for each in events] == ["crossing_recorded", "crossing_recorded", "officer_acted"]
    assert events[2]["fields"] == {"action": "release"}
    assert "gate_up 1.0" in found["metrics.txt"]
    assert json.loads(found["doctor.json"])["schema"] == 1
    values = json.loads(found["configuration.json"])["values"]
    assert values["gate.region"] == "MO"
    assert values["sync.mirror"] == "https://(hidden)@mirror.example/keys"
    assert values["devices.fingerprint.password"] == "(hidden)"
    assert values["devices.fingerprint.port"] == "/home/~/fingerprint"
    counts = json.loads(found["journal.json"])["counts"]
    assert {(each["kind"], each["label"]): each["count"] for each in counts}["event", "officer_released"] == 1
    log = [json.loads(line) for line in found["log.jsonl"].splitlines()]
    assert log[0] == {
        "at": 1.8e9,
        "priority": "6",
        "program": "gate-controller",
        "event": "pass refused",
        "reason": "pass_static",
        "crossing": log[0]["crossing"],
    }
    assert log[2]["what"] == "/home/~/journal.db: no space left"
    assert log[-1] == {"lines_left_out": 4}


def test_an_id_is_the_same_within_one_bundle_and_another_in_the_next(bundled, config, tmp_path):
    def hashes(path):
        found = contents(path)
        lines = found["events.jsonl"].splitlines()
        return {json.loads(line)["fields"]["crossing"] for line in lines if "crossing_recorded" in line} | {
            json.loads(found["log.jsonl"].splitlines()[0])["crossing"]
        }

    assert main(["bundle", "--config", str(config), "--output", str(tmp_path / "c.tar.gz"), "--yes"]) == ExitCode.OK
    first, second = hashes(bundled[0]), hashes(tmp_path / "c.tar.gz")
    assert len(first) == len(second) == 1
    assert first != second


def test_the_manifest_comes_first_and_nothing_is_written_without_a_yes(config, stub, tmp_path, monkeypatch, capsys):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    path = tmp_path / "b.tar.gz"
    assert main(["bundle", "--config", str(config), "--output", str(path)]) == 130
    assert set(FILES) <= set(capsys.readouterr().out.split())
    assert not path.exists()


def test_only_the_manifest(config, stub, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["bundle", "--config", str(config), "--manifest", "--json"]) == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    assert told["file"] is None
    assert {each["file"] for each in told["manifest"]} == FILES
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_overwritten_and_a_bundle_is_its_owners_alone(bundled, config):
    path, _ = bundled
    before = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert main(["bundle", "--config", str(config), "--output", str(path), "--yes"]) == ExitCode.CONFIGURATION
    assert path.read_bytes() == before


def test_without_a_daemon_and_a_configuration_there_still_is_a_bundle(tmp_path, capsys):
    path = tmp_path / "b.tar.gz"
    assert main(["bundle", "--config", str(tmp_path / "none.toml"), "--output", str(path), "--yes"]) == ExitCode.OK
    found = contents(path)
    assert "not_collected" in found["status.json"]
    assert json.loads(found["doctor.json"])["ok"] is False
