"""The files in config/: valid, complete, and true to the models they document."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import drivers.face as drivers_face
from gate_controller.composition.registry import load_drivers
from gate_controller.settings import InvalidConfigurationError, load
from gate_controller.settings.fields import keys_of
from gate_controller.settings.gate_file import PLACEHOLDER_SHA256, GateFile
from gate_controller.settings.policy_file import MAX_DECISION_THRESHOLDS, PolicyFile
from simulators.wiring import modbus_options

CONFIG = Path(__file__).parents[2] / "config"
OPTIONAL = re.compile(r"^#(?=[a-z_0-9]+ = |\[[a-z])", re.MULTILINE)
"""A commented line that shows an optional key: `#key = value` or `#[section]`, without a space."""


@pytest.fixture(scope="module")
def drivers() -> Any:
    return load_drivers()


def rooted(text: str) -> str:
    """A configuration with the hash of a root in the place of the placeholder."""
    return text.replace(PLACEHOLDER_SHA256, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


@pytest.fixture
def production(tmp_path: Path) -> Path:
    """The shipped production files with the hash of a root."""
    path = tmp_path / "production" / "gate.toml"
    path.parent.mkdir()
    path.write_text(rooted((CONFIG / "gate.toml").read_text(encoding="utf-8")), encoding="utf-8")
    path.with_name("policy.toml").write_bytes((CONFIG / "policy.toml").read_bytes())
    return path


@pytest.fixture
def everything_set(production: Path, tmp_path: Path) -> Path:
    """The same with every commented key put into force."""
    for name in ("gate.toml", "policy.toml"):
        text = production.with_name(name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(OPTIONAL.sub("", text), encoding="utf-8")
    return tmp_path / "gate.toml"


def test_the_shipped_configurations_are_valid(production: Path, drivers: Any) -> None:
    for path, mode in ((production, "production"), (CONFIG / "simulated.toml", "simulation")):
        settings = load(path, drivers)
        assert settings.gate.mode == mode
        assert set(settings.equipment) - {"pad"} == {"qr_camera", "face_camera", "fingerprint", "io_board", "face_matcher", "qr_decoder"}


def test_the_shipped_gate_lacks_nothing_but_the_hash_of_its_root(drivers: Any) -> None:
    with pytest.raises(InvalidConfigurationError) as caught:
        load(CONFIG / "gate.toml", drivers)
    assert [problem.key for problem in caught.value.problems] == ["[keys] pinned_root_sha256"]


def test_the_largest_thresholds_are_those_the_drivers_state() -> None:
    """The table of the face drivers' documentation, of which the largest for each model is the limit."""
    stated = re.findall(r"^(\S+) +([\d.]+) +(.*)$", drivers_face.__doc__ or "", re.MULTILINE)
    largest = {model: max(float(threshold) for name, threshold, _ in stated if name == model) for model, _, _ in stated}
    assert largest == MAX_DECISION_THRESHOLDS


def test_commented_keys_show_the_defaults(production: Path, everything_set: Path, drivers: Any) -> None:
    plain, full = load(production, drivers), load(everything_set, drivers)
    for section in GateFile.model_fields:
        if section not in {"gate", "devices"}:
            assert getattr(full, section) == getattr(plain, section)
    assert full.gate.stop_drain_s == plain.gate.stop_drain_s
    for name, device in plain.equipment.items():
        for key, value in full.equipment[name].options:
            if value != getattr(device.options, key):
                # A key without a default is shown by an example.
                assert getattr(device.options, key) is None, f"[devices.{name}] {key}"
    assert set(full.policy.face) - set(plain.policy.face) == {"dlib-resnet-v1"}


def test_every_key_is_in_the_files(everything_set: Path, drivers: Any) -> None:
    gate = everything_set.read_text(encoding="utf-8")
    data = tomllib.loads(gate)

    def there(node: Any, path: tuple[str, ...]) -> bool:
        if not path:
            return True
        if path[0] == "*":
            return any(there(value, path[1:]) for value in node.values())
        return isinstance(node, dict) and path[0] in node and there(node[path[0]], path[1:])

    def told(path: tuple[str, ...]) -> bool:
        """An alternative that excludes the one in force is only told of, in a comment."""
        return re.search(rf"^#   {path[-1]} = ", gate, re.MULTILINE) is not None or (
            len(path) > 1 and re.search(rf"^#   {path[-2]} = .*\b{path[-1]} = ", gate, re.MULTILINE) is not None
        )

    missing = [key.path for key in keys_of(GateFile) if not there(data, key.path) and not told(key.path)]
    policy = tomllib.loads(everything_set.with_name("policy.toml").read_text(encoding="utf-8"))
    missing += [key.path for key in keys_of(PolicyFile) if not there(policy, key.path)]
    for name, device in load(everything_set, drivers).equipment.items():
        section = data["devices"][name]
        for key in keys_of(device.driver.options):
            pin = key.path[-1] in {"channel", "active"}  # shown once, at the first input
            if not there(section, key.path) and not told(key.path) and not (pin and re.search(rf"\b{key.path[-1]} = ", gate)):
                missing.append((name, *key.path))
    assert missing == []


def test_every_key_is_explained_by_a_comment() -> None:
    for name in ("gate.toml", "policy.toml"):
        text = (CONFIG / name).read_text(encoding="utf-8")
        for block in re.split(r"\n\n+", text):
            assert re.search(r"^# ", block, re.MULTILINE) or set(re.findall(r"^#?([a-z_0-9]+) = ", block, re.MULTILINE)) <= {"emergency_opens_entry"}, block


def test_every_key_has_a_description(drivers: Any) -> None:
    for model in (GateFile, PolicyFile, *(drivers[name].options for name in drivers)):
        assert [key.path for key in keys_of(model) if not key.description] == []


def test_the_simulated_wiring_is_that_of_the_simulated_board(drivers: Any) -> None:
    settings = load(CONFIG / "simulated.toml", drivers)
    board = settings.equipment["io_board"]
    wired = board.driver.options.model_validate(modbus_options(board.endpoint))
    assert board.options.model_copy(update={"reply_timeout_s": wired.reply_timeout_s}) == wired


def test_the_simulation_is_stricter_with_faces_and_wider_with_regions_only(production: Path, drivers: Any) -> None:
    simulated, real = load(CONFIG / "simulated.toml", drivers), load(production, drivers)
    assert simulated.face_threshold("sface-2021dec") == 0.82 < real.face_threshold("sface-2021dec")
    assert "synthetic" in simulated.policy.face["sface-2021dec"].population
    differ = ("face", "admission", "times", "presentation", "biometrics")
    assert simulated.policy.model_copy(update={name: getattr(real.policy, name) for name in differ}) == real.policy
    assert simulated.policy.biometrics.model_copy(update={"pad_rule": real.policy.biometrics.pad_rule}) == real.policy.biometrics
    assert simulated.policy.admission.model_copy(update={"issuers": real.policy.admission.issuers}) == real.policy.admission


def test_the_simulated_configuration_is_not_one_for_production(tmp_path: Path, drivers: Any) -> None:
    (tmp_path / "policy.toml").write_text((CONFIG / "policy.toml").read_text(encoding="utf-8"), encoding="utf-8")
    text = (CONFIG / "simulated.toml").read_text(encoding="utf-8")
    path = tmp_path / "gate.toml"
    path.write_text(text.replace('mode = "simulation"', 'mode = "production"'), encoding="utf-8")
    with pytest.raises(InvalidConfigurationError) as caught:
        load(path, drivers)
    lines = text.splitlines()
    told = {lines[problem.line - 1].split(" = ")[0] for problem in caught.value.problems}
    assert told == {"source", "path", "pinned_root_sha256", "[policy.admission.issuers]", "fmr"}
    assert len(caught.value.problems) == 6


REGISTER = 'by = "register"\naddress = 40'


@pytest.mark.invariant("INV-5")
@pytest.mark.parametrize(
    ("opens_exit", "counter", "baud", "told"),
    [
        (False, "", 9600, ""),
        (True, "", 9600, "94 ms until both doors are open"),
        (False, REGISTER, 9600, "94 ms until the door is open"),
        (True, REGISTER, 19200, ""),
    ],
)
def test_the_boards_line_is_fast_enough_for_an_emergency(production: Path, drivers: Any, opens_exit: bool, counter: str, baud: int, told: str) -> None:
    text = production.read_text(encoding="utf-8")
    start = text.index("#baud = 9600")
    text = text[:start] + text[start:].replace("#baud = 9600", f"baud = {baud}", 1)
    if counter:
        head, _, rest = text.partition("[devices.io_board.occupancy]\n")
        text = f"{head}[devices.io_board.occupancy]\n{counter}\n\n[{rest.partition(chr(10) + '[')[2]}"
    production.write_text(text, encoding="utf-8")
    policy = production.with_name("policy.toml")
    policy.write_text(
        policy.read_text(encoding="utf-8").replace("emergency_opens_exit = false", f"emergency_opens_exit = {str(opens_exit).lower()}"), encoding="utf-8"
    )
    if not told:
        assert load(production, drivers)
        return
    with pytest.raises(InvalidConfigurationError) as caught:
        load(production, drivers)
    (problem,) = caught.value.problems
    assert str(problem).endswith(
        f"[devices.io_board] baud: is too slow: in an emergency the line alone could take {told}, at most 75 of the 100 ms are the line's "
        "(set 19200 or more, here and at the board (its manual tells how))"
    )
    assert text.splitlines()[problem.line - 1] == f"baud = {baud}"
