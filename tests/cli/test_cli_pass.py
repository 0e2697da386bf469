"""gatectl pass inspect: fields and steps, honest exit codes, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from gate_controller.cli.passes import pass_group
from gate_controller.core.values import Region
from simulators.authority import Authorities, Permit
from simulators.phone import Phone, qr_text

NOW = 1_800_000_000


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(pass_group, ["inspect", *arguments], input=stdin)


@pytest.fixture(scope="module")
def phone() -> Phone:
    phone = Phone("cli", "phone", "MO-GB")
    phone.obtain(Authorities("cli").issuers[Region.HK], Permit(enrolment_reference=bytes(16), issued_at=NOW))
    return phone


def test_a_presentation(phone: Phone) -> None:
    result = run(phone.present(NOW))
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "kind: presentation (nothing here is verified against a region's key)"
    assert any(line.split()[:3] == ["pass", "iss", '"HK"'] for line in lines)
    assert any("4 pass signature" in line and "not performed" in line for line in lines)
    assert any("8 status list" in line and "not performed" in line for line in lines)
    assert lines[-1] == "everything decodes"


def test_json(phone: Phone) -> None:
    result = run("--json", phone.present(NOW))
    assert result.exit_code == 0
    document = json.loads(result.output)
    assert (document["kind"], document["decoded"]) == ("presentation", True)
    assert document["fields"]["presentation aud"] == '"MO-GB"'
    assert [step["number"] for step in document["steps"]] == [1, 2, 3, 4, 5, 6, 7, 5, 6, 8, 9]


def test_standard_input(phone: Phone) -> None:
    assert run("-", stdin=phone.present(NOW).encode() + b"\r\n").exit_code == 0
    assert run("-", stdin=b"").exit_code == 1
    assert run("-", stdin=bytes(range(256)) * 400).exit_code == 1


@pytest.mark.parametrize("text", ["", "x", "ECH1:", "ECH1:BB8", "ECH1:" + "0" * 3000, "ECH1:\x00", "\ud800", "ECH1:\udcff", "香港"])
def test_what_does_not_decode(text: str) -> None:
    for arguments in ((text,), ("--json", text)):
        result = run(*arguments)
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit)
    assert json.loads(result.output)["decoded"] is False


def test_a_static_pass_does_not_count_as_decoded(phone: Phone) -> None:
    assert phone.pass_
    result = run(qr_text(phone.pass_))
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("step 2 failed: a static pass")


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=1500))
def test_any_standard_input(data: bytes) -> None:
    for content in (data, b"ECH1:" + data):
        result = run("-", stdin=content)
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit)
        assert result.output.isascii()


def test_as_a_program_with_bytes_that_are_no_text() -> None:
    """Arguments and input that are not UTF-8, as a shell may hand them over."""
    code = "from gate_controller.cli.passes import pass_group; pass_group(['inspect', *__import__('sys').argv[1:]])"
    result = subprocess.run([sys.executable, "-c", code, b"ECH1:\xff\xfe"], capture_output=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (1, b"")
    assert result.stdout.isascii()
