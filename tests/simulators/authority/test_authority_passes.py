"""gate-authority issue and phone: the gate's own verifier judges what they make."""

from __future__ import annotations

import sys
from typing import Any

import cv2
import pytest
import zxingcpp

from gate_controller.cli.exit_codes import ExitCode

NOW = 1_800_000_000


def test_a_phone_shows_its_pass_and_only_its_own_is_good(traveller: Any) -> None:
    assert traveller.verdict(traveller.shown()) == "accepted"
    traveller("phone new @thief")
    copied = traveller.shown("phone show @thief --pass @pass --text")
    assert "bound to another phone" in traveller.err
    assert traveller.verdict(copied) == "presentation_bad_signature"
    assert traveller.verdict(traveller.shown("phone show @phone --pass @pass --text --audience HK-LMC")) == "pass_wrong_audience"
    assert traveller.verdict(traveller.shown("phone show @phone --pass @pass --text --static"), static_passes=True) == "presentation_bad_signature"


def test_options_of_a_pass(traveller: Any) -> None:
    def verdict(options: str, later_s: int = 0) -> str:
        traveller(f"issue @a hk --holder @phone -o @other {options}")
        traveller.clock.now += later_s
        return traveller.verdict(traveller.shown("phone show @phone --pass @other --text"))

    assert verdict("--class 3") == "pass_class_not_admitted"
    assert verdict("--directions mo-to-hk") == "pass_wrong_direction"
    assert verdict("--directions hk-to-mo --reference 00112233445566778899aabbccddeeff") == "accepted"
    assert verdict("--key forger") == "pass_unknown_key"
    assert verdict(f"--permit-until {NOW}") == "pass_permit_ended"
    assert verdict("--valid-for 30m", later_s=1799) == "accepted"
    assert verdict("--valid-for 30m", later_s=1800) == "pass_expired"


def test_a_static_pass_is_good_where_the_policy_says_so(tool: Any) -> None:
    tool("phone new @paper")
    tool("issue @a mo --static -o @pass")
    text = tool.shown("phone show @paper --pass @pass --text --static")
    assert tool.err == ""
    assert (tool.verdict(text), tool.verdict(text, static_passes=True)) == ("pass_static", "accepted")


def test_a_phone_that_follows_signs_anew_every_half_minute(traveller: Any) -> None:
    traveller.clock.at_most = 4
    texts = traveller("phone show @phone --pass @pass --text --follow").splitlines()
    assert len(set(texts)) == len(texts) == 5
    assert traveller.clock.sleeps[1:] == [30.0] * 3
    assert 0 < traveller.clock.sleeps[0] <= 30
    assert traveller.verdict(texts[-1]) == "accepted"
    assert traveller.verdict(texts[0]) == "presentation_stale"


def test_the_drawn_code_and_the_image_are_read_again(traveller: Any) -> None:
    text = traveller.shown()
    drawn = traveller("phone show @phone --pass @pass")
    assert drawn.splitlines()[0] == text
    assert len([line for line in drawn.splitlines() if "█" in line]) > 40
    assert "QR version 15-M" in traveller("phone show @phone --pass @pass --png @code.png")
    image = cv2.imread(str(traveller.scratch / "code.png"), cv2.IMREAD_GRAYSCALE)
    assert [found.text for found in zxingcpp.read_barcodes(image)] == [text]


def test_without_the_package_that_draws(traveller: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    assert traveller.refused("phone show @phone --pass @pass", ExitCode.CHECK_FAILED).startswith("segno")
    assert traveller.verdict(traveller.shown()) == "accepted"


def test_a_phone_is_not_overwritten(traveller: Any) -> None:
    assert traveller.refused("phone new @phone", ExitCode.REFUSED_BY_STATE).endswith("phone exists")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"seed": 1}', b"\xd2\x84", b"x" * 5000, b"\xd2\x84\x40\xa0\x41\xa0\x40"])
def test_files_that_are_no_phone_and_no_pass(traveller: Any, content: bytes) -> None:
    (traveller.scratch / "bad").write_bytes(content)
    for words in ("phone show @bad --pass @pass", "issue @a hk --holder @bad -o @x"):
        assert traveller.refused(words, ExitCode.CONFIGURATION).endswith("bad is not a phone")
    assert traveller.refused("revoke @a hk --pass @bad", ExitCode.CONFIGURATION).endswith("bad is not a pass")
