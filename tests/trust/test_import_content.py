"""Targets, keys, status lists and sticks that no gate takes, each signed for real unless it says otherwise.

The table of docs/trust.md names these tests.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from nacl import bindings
from tuf.api.metadata import TargetFile

from gate_controller.core.values import Region
from gate_controller.trust import view
from gate_controller.trust.sources import DirectorySource
from simulators import status_list
from simulators.authority import Authority, cose_key, encode

SMALL_ORDER = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
NO_COSE_KEY = "is not an Ed25519 COSE_Key in deterministic CBOR"
NO_POINT = "is not a valid Ed25519 point"
NO_VALIDITY = "must have not_before and not_after as its custom data, and nothing else"


@pytest.mark.parametrize(
    "listed",
    [
        "mo/status/2",
        "hk/readme.txt",
        "hk/../mo/0011223344556677.cbor",
        "hk/status/../x",
        "/etc/passwd",
        "hk/status/.hidden",
        "hk/status/",
        "hk/0011223344556677.CBOR",
    ],
)
def test_target_that_is_no_key_and_no_list_of_the_region(story: Any, listed: str) -> None:
    story.refuses(story.list_target("hk", listed, b""), f"metadata/2.hk.json: lists '{listed}', which is no key and no status list of hk")


def test_target_named_with_control_characters(story: Any) -> None:
    story.refuses(story.list_target("hk", "hk/status/a\x1b[2J\n", b""), "metadata/2.hk.json: lists 'hk/status/a?[2J', which is no key")


def a_target(gate: Any) -> str:
    name: str = gate.keepers.target_file(Region.HK, f"hk/{gate.keepers.authorities.issuers[Region.HK].kid.hex()}.cbor")
    return name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(lambda content: content[:-1] + b"\0", "cbor: Observed hash", id="with another content"),
        pytest.param(lambda content: content[:-1], "cbor: Observed length 39 does not match expected length 40", id="cut off"),
        pytest.param(lambda content: content + b"\0", "cbor: is too long", id="with more than its length"),
    ],
)
def test_target_content(story: Any, change: Callable[[bytes], bytes], says: str) -> None:
    files = story.files
    story.refuses({**files, a_target(story): change(files[a_target(story)])}, says)


def test_target_missing(story: Any) -> None:
    files = story.files
    del files[a_target(story)]
    story.refuses(files, "stick: targets/hk/", "is missing")


def test_too_many_targets(story: Any) -> None:
    target = TargetFile(40, {"sha256": "00" * 32}, "")
    story.refuses(
        story.sign_anew("hk", lambda signed: signed.targets.update({f"hk/{number:016x}.cbor": target for number in range(255)})),
        "metadata/2.hk.json: lists 257 targets, more than 256",
    )


def test_too_large_targets(story: Any) -> None:
    """Refused by what is listed; none of it is fetched."""
    story.refuses(
        story.list_target("mo", "mo/status/2", b"", length=32 << 20), "metadata/2.mo.json: with mo/status/2 the targets are larger than 32 MiB in all"
    )


@pytest.mark.parametrize(
    ("hashes", "says"),
    [
        pytest.param({"md5": "00" * 16}, "metadata/2.hk.json: has no SHA-256 of hk/status/2", id="with a weak hash alone"),
        pytest.param({"sha256": "../../x"}, "metadata/2.hk.json: has no SHA-256 of hk/status/2", id="with a path for a hash"),
        pytest.param({"sha256": EMPTY_SHA256, "whirlpool2": "00"}, "Unsupported algorithm 'whirlpool2'", id="with an unknown hash"),
    ],
)
def test_target_hashes(story: Any, hashes: dict[str, str], says: str) -> None:
    story.refuses(story.list_target("hk", "hk/status/2", b"", hashes=hashes), says)


def public_key(gate: Any) -> bytes:
    key: bytes = gate.keepers.authorities.forger.public_key
    return key


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda key: b"\xa3\x20\x06\x01\x01\x21\x58\x20" + key, NO_COSE_KEY, id="not in deterministic cbor"),
        pytest.param(lambda key: encode({1: 2, -1: 6, -2: key}), NO_COSE_KEY, id="of another kind"),
        pytest.param(lambda key: encode({1: 1, -1: 4, -2: key}), NO_COSE_KEY, id="that is x25519"),
        pytest.param(lambda key: encode(cose_key(key)) + b"\0", NO_COSE_KEY, id="with bytes after it"),
        pytest.param(lambda _: encode(cose_key(SMALL_ORDER)), NO_POINT, id="of small order"),
        pytest.param(lambda key: encode(cose_key(bindings.crypto_core_ed25519_add(key, SMALL_ORDER))), NO_POINT, id="of mixed order"),
        pytest.param(lambda _: encode(cose_key(b"\xff" * 32)), NO_POINT, id="that is no point"),
    ],
)
def test_key_content(story: Any, make: Callable[[bytes], bytes], says: str) -> None:
    story.refuses(story.list_key("hk", make(public_key(story))), says)


def test_key_under_another_kid(story: Any) -> None:
    story.refuses(
        story.list_target("hk", "hk/0011223344556677.cbor", encode(cose_key(public_key(story))), {"not_before": 0, "not_after": 1}),
        "stick: hk/0011223344556677.cbor holds the key ",
    )


def test_key_of_both_regions(story: Any) -> None:
    story.refuses(story.list_key("mo", story.keepers.authorities.issuers[Region.HK].cose_key), ".cbor is a key of both regions")


@pytest.mark.parametrize(
    ("custom", "says"),
    [
        pytest.param({}, NO_VALIDITY, id="without validity"),
        pytest.param([1, 2], NO_VALIDITY, id="with custom data that is no map"),
        pytest.param({"not_before": 0, "not_after": 1, "only_for": "staff"}, NO_VALIDITY, id="with an unknown condition"),
        pytest.param({"not_before": 0, "not_after": 1, "use": "passes"}, NO_VALIDITY, id="with an unknown use"),
        pytest.param({"not_before": 0, "not_after": 1, "use": ["enrolment"]}, NO_VALIDITY, id="with a use that is no text"),
        pytest.param({"not_after": 1, "use": "enrolment"}, NO_VALIDITY, id="with a use instead of a validity"),
        pytest.param({"not_before": 2, "not_after": 1}, "is never valid: not_before is not before not_after", id="with validity reversed"),
        pytest.param({"not_before": 0, "not_after": "1"}, "has no time from 0 to 2^33 as not_after", id="with a time as text"),
        pytest.param({"not_before": 0, "not_after": True}, "has no time from 0 to 2^33 as not_after", id="with a truth value as time"),
        pytest.param({"not_before": -1, "not_after": 1}, "has no time from 0 to 2^33 as not_before", id="with a time before 1970"),
    ],
)
def test_key_validity(story: Any, custom: object, says: str) -> None:
    story.refuses(story.list_key("hk", encode(cose_key(public_key(story))), custom), says)


def token(gate: Any, uri: str = "hk/status/2", by: Authority | None = None, issued_at: int | None = None) -> bytes:
    listed = status_list.claims(uri, bytes(16), gate.real if issued_at is None else issued_at)
    return status_list.token(by or gate.keepers.authorities.issuers[Region.HK], listed)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda _: b"hello", "stick: hk/status/2 is no status list of this gate's: not a COSE_Sign1", id="that is none"),
        pytest.param(lambda gate: token(gate, by=gate.keepers.authorities.forger), "no published key has the kid", id="by a forger"),
        pytest.param(lambda gate: token(gate, by=gate.keepers.authorities.issuers[Region.MO]), "signed by a key of MO, not of HK", id="by the other region"),
        pytest.param(lambda gate: token(gate, uri="hk/status/1"), "sub (2) is not the uri", id="of another uri"),
        pytest.param(
            lambda gate: token(gate, issued_at=gate.real + 600),
            "hk/status/2 was signed on 2027-01-15 08:10 UTC, and here it is 2027-01-15 08:00 UTC",
            id="from the future",
        ),
    ],
)
def test_status_list_content(story: Any, make: Callable[[Any], bytes], says: str) -> None:
    story.refuses(story.list_target("hk", "hk/status/2", make(story)), says)


def test_status_lists_too_large_together(story: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may inflate to 16 MiB, but 256 of them would fill the memory."""
    monkeypatch.setattr(view, "MAX_STATUS_BYTES", 1 << 19)
    story.refuses(story.list_target("hk", "hk/status/2", token(story)), "mo/status/1 is no status list of this gate's: lst inflates to more than 262128 bytes")


def test_symbolic_link_on_the_stick(story: Any) -> None:
    stick = story.stick()
    (stick / "metadata" / "timestamp.json").rename(stick / "elsewhere")
    (stick / "metadata" / "timestamp.json").symlink_to(stick / "elsewhere")
    story.refuses(DirectorySource(stick), "metadata/timestamp.json is a symbolic link, not a plain file")


def test_symbolic_link_to_a_directory(story: Any) -> None:
    stick = story.stick()
    (stick / "targets").rename(stick / "elsewhere")
    (stick / "targets").symlink_to(stick / "elsewhere")
    story.refuses(DirectorySource(stick), "targets is a symbolic link, not a directory")


def test_pipe_on_the_stick(story: Any) -> None:
    stick = story.stick()
    (stick / "metadata" / "1.mo.json").unlink()
    os.mkfifo(stick / "metadata" / "1.mo.json")
    story.refuses(DirectorySource(stick), "metadata/1.mo.json is a pipe, not a plain file")


def test_half_copied_stick(story: Any) -> None:
    stick = story.stick()
    (stick / story.keepers.target_file(Region.MO, "mo/status/1")).unlink()
    story.refuses(DirectorySource(stick), "targets/mo/status/", "is missing")


def test_half_copied_file(story: Any) -> None:
    stick = story.stick()
    path = stick / "metadata" / "1.hk.json"
    path.write_bytes(path.read_bytes()[:500])
    story.refuses(DirectorySource(stick), "metadata/1.hk.json: is not TUF metadata")


def test_empty_stick(story: Any) -> None:
    (story.path / "stick").mkdir()
    story.refuses(DirectorySource(story.path / "stick"), "holds no trust repository")
