"""The fields that each command prints with --json are those of the table (tests/reference/json_fields.toml): none is missing, none is new without a word."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import syslog
from pathlib import Path
from types import SimpleNamespace

import click
import cv2
import numpy as np
import pytest

from gate_controller.cli import door, install, simulate
from gate_controller.cli.enrolment_shared import CheckFailedError
from gate_controller.cli.exit_codes import ExitCode
from gate_controller.cli.install_devices import UsbDevice
from gate_controller.cli.install_layout import Layout
from gate_controller.cli.json_output import asks_for_json
from gate_controller.cli.main import gatectl, main
from gate_controller.cli.simulation import Visit
from gate_controller.control import schemas
from gate_controller.core.values import DoorPosition, Outcome, Region
from gate_controller.journal import JournalReader, SqliteJournal
from gate_controller.ports.errors import GateError
from gate_controller.settings.render import derive
from simulators.authority import Permit
from simulators.phone import Phone
from tests.cli.stub_daemon import STATUS, StubDaemon
from tests.cli.test_cli_replay import keep
from tests.cli.test_commands import ALL, NO_DATA
from tests.cli.test_engineer_commands import Board
from tests.enrolment.test_desk_path import BORN, Desk, Town
from tests.enrolment.test_enrolment_cli import Site, reference
from tests.install.test_install_switch import FakeMachine, make_version
from tests.journal.conftest import KEY
from tests.reference.pages import told_json
from tests.runtime.test_trace import Recorded

ROOT = Path(__file__).parents[2]
NOW = 1_800_000_000
WHO = ("--identity", "staff 7", "--reason", "lens cleaned")
TOLD = told_json()
FORMS = {(command, each["what"]) for each in TOLD["objects"] for command in each["commands"]}
COVERED: set[str] = set()
"""Commands that a test below compares."""
MET: set[tuple[str, str]] = set()
"""What the test that runs has compared: the command, and which of its objects."""


def covers(*commands):
    """A test that compares every object of these commands."""

    def wrapped(test):
        COVERED.update(commands)

        @functools.wraps(test)
        def checked(*arguments, **named):
            MET.clear()
            test(*arguments, **named)
            assert {form for form in FORMS if form[0] in commands} == MET

        return checked

    return wrapped


def compared(words, capsys, code=ExitCode.OK, run=gatectl):
    """Run a command, and compare each line that it prints with the table."""
    capsys.readouterr()
    given = [str(word) for word in words]
    assert main([*given, "--json"], run) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines
    command = max((name for name in ALL if given[: len(name.split())] == name.split()), key=len)
    forms = [each for each in TOLD["objects"] if command in each["commands"]]
    for line in lines:
        told = json.loads(line)
        form = next((form for form in forms if fits(told, form)), None)
        assert form is not None, (command, sorted(told))
        MET.add((command, form["what"]))
    return json.loads(lines[-1])


def fits(told, form):
    must = form["fields"].keys() - set(form.get("may_lack", ()))
    numbered = {"schema"} if form.get("schema", True) else set()
    names = told.keys() - numbered
    return told.keys() >= must | numbered and ("others" in form or names <= form["fields"].keys()) and (not numbered or told["schema"] == 1)


# --- what a running gate answers ------------------------------------------------------------------------------------------------


def answer(schema):
    """An answer of the control API with every field that its schema has: what the server really answers is held to the schema by its own tests."""
    return (200, dict.fromkeys(schema["properties"]))


@pytest.fixture
def config(tmp_path_factory):
    directory = tmp_path_factory.mktemp("g")
    changes = {
        "control": {"socket": str(directory / "c.sock")},
        "journal": {"path": str(directory / "journal.db"), "signing_key_file": str(directory / "journal.key")},
    }
    path = directory / "gate.toml"
    path.write_text(derive(ROOT / "config/simulated.toml", changes))
    return path


@pytest.fixture
def stub(config):
    made = StubDaemon(config.with_name("c.sock"))
    made.answers["GET /v1/status"] = answer(schemas.STATUS)
    acted, switched = answer(schemas.ACTED)[1], answer(schemas.SWITCHED)[1]
    made.answers |= {"POST /v1/officer": (200, {**acted, "accepted": True}), "POST /v1/maintenance": (200, {**switched, "accepted": True})}
    made.answers |= {f"POST /v1/devices/{name}/test": answer(schemas.TESTED) for name in ("qr", "fingerprint", "face")}
    events = [("connected", {"run": "a", "sequence": 1}), ("prompt", {"sequence": 1, "at": 1.8e9, "fields": {"prompt": "wait"}})]
    made.answers["GET /v1/events"] = (200, "".join(f"event: {kind}\ndata: {json.dumps(body)}\n\n" for kind, body in events).encode())
    picture = cv2.imencode(".jpg", np.full((48, 64, 3), 128, np.uint8))[1].tobytes()
    made.answers["GET /v1/cameras/qr/snapshot"] = (200, picture)
    with made.served():
        yield made


@covers("status", "events", "officer calls", *(f"officer {action}" for action in schemas.ACTIONS), "maintenance on", "maintenance off")
def test_over_the_socket(stub, capsys):
    acts = [["officer", action, *WHO, "--call", "5"] for action in schemas.ACTIONS]
    for words in (["status"], ["events"], ["officer", "calls"], *acts, ["maintenance", "on", *WHO], ["maintenance", "off", *WHO]):
        compared([*words, "--socket", stub.path], capsys)


@covers("lanes", "whoami")
def test_of_lanes_and_users(stub, config, capsys):
    stub.answers["GET /v1/status"] = (200, {**STATUS, "officer_call": None})
    compared(["lanes", stub.path], capsys)
    compared(["whoami", "--socket", stub.path], capsys)


@covers("qr test", "fingerprint test", "face test", "fingerprint info", "io show")
def test_of_devices(stub, config, capsys):
    for words in (["qr", "test"], ["fingerprint", "test"], ["face", "test"], ["fingerprint", "info"], ["io", "show"]):
        compared([*words, "--config", config], capsys)


@covers("io watch", "camera snapshot", "camera preview")
def test_in_maintenance(stub, config, capsys, tmp_path):
    compared(["io", "watch", "--seconds", "0", "--config", config], capsys)
    compared(["camera", "snapshot", "qr", "-o", tmp_path / "lens.jpg", "--config", config], capsys)
    told = compared(["camera", "preview", "qr", "--seconds", "0", "--config", config], capsys)
    assert (told["width"], told["height"], told["sharpness"]) == (64, 48, 0.0)
    assert abs(told["brightness"] - 128) < 2


@covers("door cycle")
def test_of_a_door(config, capsys, monkeypatch):
    board = Board([DoorPosition.CLOSED, DoorPosition.OPEN, DoorPosition.CLOSED])
    monkeypatch.setattr(door, "daemon", lambda _site: None)
    monkeypatch.setattr(door, "opened", lambda _site, _name: contextlib.nullcontext(board))
    compared(["door", "cycle", "exit", "--yes", "--config", config], capsys)


@covers("doctor", "bundle")
def test_of_the_whole_gate(stub, config, capsys):
    assert compared(["doctor", "--config", config], capsys, ExitCode.CHECK_FAILED)["checks"]
    compared(["bundle", "--manifest", "--config", config], capsys)


# --- files ----------------------------------------------------------------------------------------------------------------------


@covers("keys init", "keys import", "keys list", "keys status", "keys export", "keys forget-time")
def test_of_the_trust(trust_site, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(syslog, "syslog", lambda *_: None)
    run = functools.partial(gatectl, obj=trust_site)
    for words, code in (
        (["init"], 0),
        (["import", trust_site.published], 0),
        (["list"], 0),
        (["status"], 0),
        (["export", tmp_path / "stick"], 0),
        (["forget-time", "--reason", "x"], ExitCode.NOTHING_TO_DO),
    ):
        compared(["keys", *words, "--config", trust_site.config()], capsys, code, run)


@covers(
    "enrolment key", "enrolment import", "enrolment stats", "enrolment show", "enrolment verify", "enrolment rotate", "enrolment erase", "enrolment desk-key"
)
def test_of_the_enrolments(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(syslog, "syslog", lambda *_: None)
    site = Site(tmp_path)
    site.publish()
    site.trust()
    run = functools.partial(gatectl, obj=site.clock)
    for words in (
        ["key"],
        ["import", *sorted(site.out.iterdir())],
        ["stats"],
        ["show", reference(2), "--reason", "x"],
        ["verify"],
        ["rotate"],
        ["erase", reference(2), "--reason", "x"],
    ):
        compared(["enrolment", *words, "--config", site.config], capsys, 0, run)
    (tmp_path / "junk").write_text("junk")
    refused = compared(["enrolment", "import", tmp_path / "junk", "--config", site.config], capsys, ExitCode.CHECK_FAILED, run)
    assert (refused["ok"], refused["exit_code"]) == (False, 1)
    compared(["enrolment", "desk-key", site.key], capsys)


@covers("enrol")
def test_of_the_desk(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(syslog, "syslog", lambda *_: None)
    town = Town(Site(tmp_path), capsys, monkeypatch)
    monkeypatch.setattr(
        town.site, "gate", lambda *words: compared([*words, "--config", town.site.config], capsys, 0, functools.partial(gatectl, obj=town.site.clock))
    )
    assert town.enrol(Desk(), *BORN)["ok"]


@covers("pass inspect", "pass verify")
def test_of_a_pass(trust_site, capsys):
    trust_site.changes["replay"] = {"path": str(trust_site.directory / "replay.db")}
    site = trust_site.installed()
    phone = Phone("fields", "phone", "MO-SIM")
    phone.obtain(site.repository.authorities.issuers[Region.HK], Permit(enrolment_reference=bytes(16), issued_at=NOW - 3600))
    text = phone.present(NOW)
    compared(["pass", "inspect", text], capsys)
    for code, moment in ((0, []), (ExitCode.CHECK_FAILED, ["--at", "1900000000"])):
        compared(["pass", "verify", text, *moment, "--config", site.config()], capsys, code, functools.partial(gatectl, obj=site))


@covers("journal init", "journal key", "journal tail", "journal show", "journal verify", "journal checkpoint", "journal export", "journal prove", "replay")
def test_of_the_journal(config, capsys):
    compared(["journal", "init", "--config", config], capsys)
    compared(["journal", "key", "--config", config], capsys)
    path = config.with_name("copy.db")
    with contextlib.closing(SqliteJournal(path, KEY)) as journal:
        keep(journal, Recorded().start().admit().verify().leave(), "x")
    with JournalReader(path) as reader:
        last = reader.last_id()
    for words in (["tail"], ["show", "1"], ["verify", "--key", str(KEY.key)], ["checkpoint"], ["export"], ["prove", last]):
        compared(["journal", *words, "--journal", path], capsys)
    compared(["replay", "x", "--journal", path], capsys)


@covers("config check", "config explain", "config diff")
def test_of_the_configuration(config, capsys):
    compared(["config", "check", "--config", config], capsys)
    compared(["config", "explain", "kiosk.port"], capsys)
    compared(["config", "diff", "--config", config], capsys, ExitCode.CHECK_FAILED)


@covers("install", "install versions", "install activate", "install rollback", "install devices")
def test_of_the_installation(tmp_path, capsys, monkeypatch):
    for version in ("0.9.0", "0.10.0"):
        make_version(tmp_path, version)
    monkeypatch.setattr(install, "ThisMachine", lambda _root: FakeMachine(Layout(tmp_path)))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(install, "usb_devices", lambda: [UsbDevice("ttyUSB0", "tty", "1a86", "7523", "", "1-3", "QinHeng CH340")])
    for words in (["versions"], ["activate", "0.9.0"], ["activate", "0.10.0"], ["rollback"]):
        compared(["install", *words, "--root", tmp_path], capsys)
    compared(["install", "--check", "--root", tmp_path], capsys, ExitCode.CHECK_FAILED)
    (found,) = compared(["install", "devices"], capsys)["devices"]
    assert (found["node"], found["port"]) == ("ttyUSB0", "1-3")
    assert 'KERNELS=="1-3"' in found["rule"]


# --- simulation -----------------------------------------------------------------------------------------------------------------


class OneVisit:
    """A simulated gate to which one traveller comes."""

    control_socket = Path("/nowhere")
    violations = ()

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def visits(self):
        member = SimpleNamespace(name="a", kind=Outcome.COMPLETED, region=Region.HK, expected=SimpleNamespace(outcome=Outcome.COMPLETED, reason=None))
        yield Visit(1, member, [{"outcome": "completed", "reason": None}])


@covers("simulate")
def test_of_a_simulation(capsys, monkeypatch):
    compared(["simulate", "--virtual", "--travellers", "20"], capsys)
    compared(["simulate", "--virtual", "--only", "0"], capsys)
    monkeypatch.setattr(simulate, "SimulatedGate", OneVisit)
    monkeypatch.setattr(simulate.signal, "signal", lambda *_: None)
    compared(["simulate", "--travellers", "1", "--no-pad"], capsys)


# --- errors ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ALL.keys() - NO_DATA.keys()))
def test_whatever_is_wrong_is_one_object(name, capsys):
    assert main([*name.split(), "--json", "--qqqqqqqq"]) == ExitCode.USAGE
    captured = capsys.readouterr()
    (line,) = captured.out.splitlines()
    told = json.loads(line)
    assert told == {
        "schema": 1,
        "ok": False,
        "exit_code": 2,
        "what": "No such option '--qqqqqqqq'.",
        "remedy": f"see gatectl {name} --help",
        "reason": "usage",
    }
    assert captured.err.endswith(f"gatectl: {told['what']}\ngatectl: remedy: {told['remedy']}\n")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(GateError("the board\x1b[2J\nis gone", "plug\x07 it in"), None), (CheckFailedError("no", ""), None), (ZeroDivisionError("H1234567"), "bug")],
)
def test_an_error_has_the_fields_of_the_table(error, reason, capsys):
    def raises(**_: object) -> None:
        raise error

    code = main(["status", "--json"], raises)
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"schema", *TOLD["error"]} - ({"reason"} if reason is None else set())
    assert (told["ok"], told["exit_code"], told.get("reason")) == (False, code, reason)
    assert "\x1b" not in told["what"] + told["remedy"]
    assert "H1234567" not in told["what"] + told["remedy"]


def test_a_stream_ends_with_what_ended_it(capsys):
    def streams(**_: object) -> None:
        print(json.dumps({"schema": 1, "kind": "x"}))
        raise GateError("the gate controller went", "look at its log")

    assert main(["events", "--follow", "--json"], streams) == ExitCode.CHECK_FAILED
    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["kind"] == "x"
    assert (last["ok"], last["what"]) == (False, "the gate controller went")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, EOFError])
def test_an_interruption_is_no_error(interruption, capsys):
    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def stops(as_json: bool) -> None:
        raise interruption

    assert main(["--json"], stops) == 130
    assert capsys.readouterr().out.strip() == ""


def test_nobody_asked_for_json(capsys):
    assert main(["status", "--nonsense"]) == ExitCode.USAGE
    assert capsys.readouterr().out == ""
    assert not asks_for_json(["pass", "inspect", "--", "--json"])
    assert asks_for_json(["status", "--json=1"]), "a mistake of usage is told to programs, too"


def test_a_picture_that_is_not_there_is_told_as_everything_else(capsys, tmp_path):
    assert main(["qr", "test", "--file", str(tmp_path / "none.png"), "--json"]) == ExitCode.USAGE
    captured = capsys.readouterr()
    usage, what, remedy = captured.err.splitlines()
    assert usage.startswith("Usage: gatectl qr test")
    assert what == f"gatectl: {tmp_path / 'none.png'} cannot be read: No such file or directory"
    assert remedy == "gatectl: remedy: see gatectl qr test --help"
    assert json.loads(captured.out)["exit_code"] == 2


def test_every_form_of_the_table_is_told_apart():
    for one, other in itertools.combinations(TOLD["objects"], 2):
        assert one["what"] != other["what"] or not set(one["commands"]) & set(other["commands"])


def test_every_command_of_the_table_is_compared():
    assert {command for command, _ in FORMS} == COVERED
