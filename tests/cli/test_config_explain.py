"""gatectl config explain: every key can be looked up, by its whole name or its end."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from gate_controller.cli.config import config_group


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(config_group, ["explain", *arguments])


def test_a_key_with_bounds_unit_and_default() -> None:
    result = explain("runtime.poll_s")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "runtime.poll_s",
        "  Time between two readings of the inputs; an emergency must win within 0.1 s.",
        "  value: a number, at least 0.005, at most 0.05",
        "  unit: seconds",
        "  default: 0.03",
    ]


def test_a_key_that_must_be_given() -> None:
    assert explain("policy.admission.minimum_age").output.splitlines() == [
        "policy.admission.minimum_age",
        "  Completed years of age.",
        "  value: a whole number, at least 0, at most 120",
        "  default: none: it must be given",
    ]


@pytest.mark.parametrize(
    ("key", "first"),
    [
        ("ttl_s", "policy.presentation.ttl_s"),
        ("presentation.ttl_s", "policy.presentation.ttl_s"),
        ("face.sface-2021dec.fmr", "policy.face.*.fmr"),
        ("policy.face.anything.population", "policy.face.*.population"),
        ("devices.fingerprint.baud", "devices.fingerprint.baud (fingerprint.zhiantec)"),
        ("issuers", "policy.admission.issuers"),
        ("direction", "gate.direction"),
        ("occupancy.zero.channel", "devices.io_board.occupancy.zero.channel (io_board.modbus)"),
    ],
)
def test_a_key_is_found_by_its_end(key: str, first: str) -> None:
    result = explain(key)
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == first


def test_a_key_of_several_devices_is_explained_for_each() -> None:
    names = [line for line in explain("min_face_px").output.splitlines() if not line.startswith(" ")]
    assert [name for name in names if name] == [
        f"devices.{device}.min_face_px ({driver})" for device in ("face_matcher", "face_matcher_2") for driver in ("face.dlib", "face.sface")
    ]


def test_a_section_is_listed() -> None:
    lines = explain("kiosk").output.splitlines()
    assert [line.split(":")[0] for line in lines] == ["kiosk.enabled", "kiosk.host", "kiosk.port", "kiosk.voice"]


def test_all_keys_are_listed_with_their_meaning() -> None:
    lines = explain().output.splitlines()
    assert len(lines) > 100
    assert all(line.split(": ", 1)[1] for line in lines)


@pytest.mark.parametrize(
    ("key", "hint"),
    [("bauds", "did you mean 'baud'?"), ("gate.regoin", "did you mean 'gate.region'?"), ("zzz", "gatectl config explain lists all"), ("..", "lists all")],
)
def test_an_unknown_key_is_a_usage_error(key: str, hint: str) -> None:
    result = explain(key)
    assert result.exit_code == 2
    assert hint in result.output
