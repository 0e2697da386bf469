"""gatectl journal on real files: what each command says and its exit code; that what it hands out satisfies a verifier of its own."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from gate_controller.cli.main import main
from gate_controller.core.commands import CrossingRecord, Step
from gate_controller.core.values import CheckOutcome, Direction, Modality, Outcome, Region
from gate_controller.journal import JournalReader, SqliteJournal
from gate_controller.settings.render import derive
from tests.journal import independent
from tests.journal.conftest import KEY, Days, Forger

SIMULATED = Path(__file__).parents[2] / "config" / "simulated.toml"
VERIFIER_KEY = str(KEY.key)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path, days = tmp_path_factory.mktemp("cli") / "journal.db", Days()
    with contextlib.closing(SqliteJournal(path, KEY)) as journal:
        days.fill(journal, 120)
    return path


@pytest.fixture
def path(template, tmp_path):
    (tmp_path / "journal.db").write_bytes(template.read_bytes())
    return tmp_path / "journal.db"


@pytest.fixture
def gatectl(path, capsys):
    """gatectl journal on the file; exit code, output, errors."""

    def run(*arguments):
        code = main(["journal", *map(str, arguments), "--journal", str(path)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_tail_prints_the_last_rows(gatectl):
    code, out, _ = gatectl("tail", "-n", 5)
    lines = out.splitlines()
    assert (code, len(lines)) == (0, 5)
    assert [line.split()[0] for line in lines] == ["116", "117", "118", "119", "120"]
    assert "device_lost" in lines[-1]
    assert 'text="über' in lines[-1]
    code, out, _ = gatectl("tail", "-n", 2, "--json")
    assert [json.loads(line)["row"] for line in out.splitlines()] == [119, 120]


def test_show_prints_a_row_or_a_crossing(gatectl, path):
    with JournalReader(path) as reader:
        name = reader.entry(1).crossing_id
    code, out, _ = gatectl("show", name)
    assert code == 0
    assert 'outcome: "returned"' in out
    assert "1 events: gatectl replay" in out
    code, out, _ = gatectl("show", "2", "--json")
    assert json.loads(out)["body"]["fields"] == {"identity": "officer 7"}
    code, out, err = gatectl("show", "nobody")
    assert (code, out) == (3, "")
    assert err.startswith("gatectl: no such row or crossing: nobody\n")
    assert gatectl("show", "500")[0] == 3


@pytest.mark.parametrize(
    ("checks", "steps", "marked", "waited"),
    [
        ({Modality.PAD: CheckOutcome.SUCCESSFUL}, {"entered": 1.0, "face_successful": 2.0, "pad_awaited": 2.0, "pad_successful": 2.7}, False, "700 ms"),
        ({Modality.PAD: CheckOutcome.NOT_SUPPORTED}, {"entered": 1.0, "pad_not_supported": 1.1, "face_successful": 2.0}, True, None),
        ({}, {"entered": 1.0, "face_successful": 2.0, "pad_awaited": 2.0}, False, "until the check was over"),
    ],
)
def test_show_tells_for_how_long_the_exit_waited_and_whether_nobody_judged(gatectl, path, checks, steps, marked, waited):
    written = tuple(Step(name, at) for name, at in steps.items())
    record = CrossingRecord("c-1", Outcome.COMPLETED, None, True, Region.HK, Direction.HK_TO_MO, steps=written, checks=checks)
    with contextlib.closing(SqliteJournal(path, KEY)) as journal:
        journal.record(record, 1_800_000_100.0)
    code, out, _ = gatectl("show", "c-1")
    assert code == 0
    told = [line.strip() for line in out.splitlines() if "attack detection" in line]
    assert told == ([f"the exit waited for presentation attack detection alone: {waited}"] if waited else [])
    assert ("nobody judged whether the face was live" in gatectl("tail", "-n", 3)[1]) is marked


def test_verify_tells_what_is_whole(gatectl, tmp_path):
    code, out, _ = gatectl("verify", "--key", VERIFIER_KEY)
    assert code == 0
    assert out.startswith("whole: 120 rows, 2 checkpoints, root ")
    assert "signed: rows 1 to 120" in out
    (tmp_path / "key").write_text(VERIFIER_KEY + "\n")
    code, out, _ = gatectl("verify", "--key", tmp_path / "key", "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["rows"], found["signed"], found["went_back"]) == (0, True, 120, 120, [])


def test_verify_names_the_break_in_one_line(gatectl, path):
    Forger(path)("UPDATE contents SET body = replace(body, 'io_board', 'nothing!') WHERE id = 5")
    code, out, err = gatectl("verify", "--key", VERIFIER_KEY)
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == f"gatectl: journal {path}: broken at row 5: it was changed: its body is not the one that was committed to"
    assert err.splitlines()[1].startswith("gatectl: remedy: ")
    code, out, err = gatectl("verify", "--key", VERIFIER_KEY, "--json")
    assert (code, json.loads(out)["ok"], json.loads(out)["what"]) == (1, False, err.splitlines()[0].removeprefix("gatectl: "))


def test_a_checkpoint_kept_elsewhere_finds_a_rollback(gatectl, path, tmp_path):
    code, note, _ = gatectl("checkpoint")
    assert code == 0
    (tmp_path / "kept").write_text(note)
    assert "contains the 1 checkpoints kept elsewhere" in gatectl("verify", "--key", VERIFIER_KEY, "--since", tmp_path / "kept")[1]
    Forger(path)("DELETE FROM entries WHERE id > 105", "DELETE FROM contents WHERE id > 105", "DELETE FROM checkpoints WHERE size > 105")
    assert gatectl("verify", "--key", VERIFIER_KEY)[0] == 0
    code, _, err = gatectl("verify", "--key", VERIFIER_KEY, "--since", tmp_path / "kept")
    assert code == 1
    assert "broken at row 106: the journal was rolled back" in err


def test_an_export_satisfies_the_independent_verifier(gatectl, tmp_path):
    code, out, _ = gatectl("export")
    lines = out.splitlines()
    assert (code, len(lines)) == (0, 121)
    _, note, _ = gatectl("checkpoint")
    assert len(independent.check_export(lines, VERIFIER_KEY, [note])) == 120
    code, out, _ = gatectl("export", "--first", 7, "--last", 9)
    assert list(independent.check_export(out.splitlines(), VERIFIER_KEY)) == [7, 8, 9]
    other = [lines[0], lines[5].replace("io_board", "nothing!")]
    with pytest.raises(independent.Refused, match="not the one that was committed to"):
        independent.check_export(other, VERIFIER_KEY)
    later = json.loads(lines[5])
    later["leaf"] |= {"number": 6}
    with pytest.raises(independent.Refused, match="does not lead to the root"):
        independent.check_export([lines[0], json.dumps(later)], VERIFIER_KEY)


def test_proofs_satisfy_the_independent_verifier(gatectl, path, tmp_path):
    code, proof, _ = gatectl("prove", 42)
    assert code == 0
    assert independent.check_proof(proof, VERIFIER_KEY)["number"] == 42
    with pytest.raises(independent.Refused):
        independent.check_proof(proof.replace("index 41", "index 40"), VERIFIER_KEY)
    with JournalReader(path) as reader:
        older = reader.checkpoints()[0][1]
    (tmp_path / "older").write_text(older)
    code, proof, _ = gatectl("prove", "--since", tmp_path / "older", "--key", VERIFIER_KEY)
    assert code == 0
    independent.check_continuation(proof, older, VERIFIER_KEY)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["prove"], 2, "name either a ROW or a checkpoint"),
        (["prove", "121"], 1, "row 121 is not under the newest checkpoint, of 120 rows"),
        (["verify", "--key", "name+00+AA"], 8, "not a verifier key"),
        (["verify", "--key", "/nowhere/key"], 8, "No such file or directory"),
        (["verify", "--config", "/nowhere/gate.toml"], 8, "the gate's public key is not known"),
        (["verify", "--key", VERIFIER_KEY, "--since", "/dev/null"], 1, "/dev/null: not a signed note"),
        (["prove", "--key", VERIFIER_KEY, "--since", "/dev/null"], 1, "/dev/null: not a signed note"),
        (["show"], 2, "Missing argument"),
    ],
)
def test_bad_arguments_end_with_one_line_and_an_exit_code(gatectl, arguments, code, says):
    found, _, err = gatectl(*arguments)
    assert found == code
    assert says in err
    assert "Traceback" not in err


def test_a_file_that_is_no_journal(tmp_path, capsys):
    for content, says in ((None, "is missing"), (b"not a database" * 500, "is not a database")):
        if content is not None:
            (tmp_path / "j.db").write_bytes(content)
        for command in (["tail"], ["verify", "--key", VERIFIER_KEY], ["export"], ["checkpoint"]):
            assert main(["journal", *command, "--journal", str(tmp_path / "j.db")]) == 8
            assert says in capsys.readouterr().err


def test_nothing_signed_yet(tmp_path, capsys):
    with contextlib.closing(SqliteJournal(tmp_path / "j.db", KEY)):
        for command, code in ((["checkpoint"], 3), (["export"], 1), (["prove", "1"], 1)):
            assert main(["journal", *command, "--journal", str(tmp_path / "j.db")]) == code
            assert "no checkpoint yet" in capsys.readouterr().err


def config(tmp_path, **journal):
    path = tmp_path / "gate.toml"
    path.write_text(derive(SIMULATED, {"journal": {"path": str(tmp_path / "journal.db"), **journal}}))
    return path


def test_init_makes_the_key_that_the_configuration_names(tmp_path, capsys):
    gate = config(tmp_path, signing_key_file=str(tmp_path / "signing.key"))
    assert main(["journal", "key", "--config", str(gate)]) == 8
    assert "journal key" in capsys.readouterr().err
    assert main(["journal", "init", "--config", str(gate)]) == 0
    out = capsys.readouterr().out
    assert (tmp_path / "signing.key").stat().st_mode & 0o777 == 0o600
    assert main(["journal", "key", "--config", str(gate)]) == 0
    key = capsys.readouterr().out.strip()
    assert key.startswith("e-channel/MO-SIM-1/journal+")
    assert out.endswith(f"{key}\n")
    assert main(["journal", "init", "--config", str(gate)]) == 8, "a key is never replaced"
    assert "there is one already" in capsys.readouterr().err


def test_init_has_nothing_to_make_for_a_credential(tmp_path, capsys):
    gate = config(tmp_path, signing_key_credential="journal-signing")
    assert main(["journal", "init", "--config", str(gate)]) == 3
    assert "names no signing_key_file" in capsys.readouterr().err


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path, capsys, mode):
    gate = config(tmp_path, signing_key_file=str(tmp_path / "signing.key"))
    main(["journal", "init", "--config", str(gate)])
    (tmp_path / "signing.key").chmod(mode)
    assert main(["journal", "key", "--config", str(gate)]) == 8
    assert "lets others at it" in capsys.readouterr().err
