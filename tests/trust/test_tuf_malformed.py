"""Metadata that is no metadata, or says nonsense under a genuine signature; and any changed byte. Verified without a gate: nothing is written."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from securesystemslib.formats import encode_canonical

from gate_controller.trust.errors import TrustError, quoted
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.repository import VerifiedRepository, verify_repository
from gate_controller.trust.sources import MemorySource
from gate_controller.trust.view import LatestTime, build_view

NOW = 1_800_000_000


def verified(keepers: Any, files: dict[str, bytes]) -> VerifiedRepository:
    repository = verify_repository(keepers.files["metadata/1.root.json"], MemorySource(files, "stick"), at=NOW)
    build_view(repository, FreshnessBudget(), LatestTime(NOW))
    return repository


def refusal(keepers: Any, files: dict[str, bytes]) -> str:
    with pytest.raises(TrustError) as caught:
        verified(keepers, files)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    assert caught.value.remedy
    return caught.value.what


def signed(keepers: Any, role: str, signed: dict[str, Any]) -> bytes:
    """Metadata of any content, with the role's genuine signatures."""
    payload = str(encode_canonical(signed)).encode()
    return json.dumps({"signed": signed, "signatures": [signer.sign(payload).to_dict() for signer in keepers.signers[role]]}).encode()


NOT_METADATA: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1e999",
    "an empty map": b"{}",
    "cut off": b'{"signatures": [',
    "no text": b"\xff\xfe\x00",
    "UTF-16": '{"signed": {}}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "deep lists": b"[" * 16_000,
    "deep maps": b'{"a":' * 3_000,
    "a huge number": b'{"signed": {"version": ' + b"9" * 10_000 + b"}}",
    "signed is a list": b'{"signed": [], "signatures": []}',
    "signatures are a map": b'{"signed": {"_type": "timestamp"}, "signatures": {}}',
    "an unknown type": b'{"signed": {"_type": "mirrors"}, "signatures": []}',
    "control characters": b'{"signed": {"_type": "\\u001b[2J\\n"}, "signatures": []}',
    "HTML": b"<!DOCTYPE html><title>Log in</title>",
}


@pytest.mark.parametrize("content", [pytest.param(content, id=what) for what, content in NOT_METADATA.items()])
@pytest.mark.parametrize("file", ["timestamp.json", "2.root.json", "1.hk.json"])
def test_what_is_not_metadata(first_keepers: Any, file: str, content: bytes) -> None:
    assert refusal(first_keepers, {**first_keepers.files, f"metadata/{file}": content}).startswith(f"stick: metadata/{file}: is not TUF metadata (")


FIELDS: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("no version", lambda s: s.pop("version"), "is not TUF metadata ('version')"),
    ("version 0", lambda s: s.update(version=0), "version must be > 0"),
    ("version as text", lambda s: s.update(version="2"), "is not TUF metadata"),
    ("version in a list", lambda s: s.update(version=[2]), "is not TUF metadata"),
    ("spec_version 2", lambda s: s.update(spec_version="2.0.0"), "Unsupported spec_version 2.0.0"),
    ("spec_version missing", lambda s: s.pop("spec_version"), "is not TUF metadata"),
    ("spec_version a number", lambda s: s.update(spec_version=1), "is not TUF metadata"),
    ("expires without a zone", lambda s: s.update(expires="2027-01-20T00:00:00"), "does not match format"),
    ("expires in another zone", lambda s: s.update(expires="2027-01-20T00:00:00+08:00"), "does not match format"),
    ("expires a number", lambda s: s.update(expires=1_900_000_000), "is not TUF metadata"),
    ("expires before all time", lambda s: s.update(expires="1000-01-01T00:00:00Z"), "expired on"),
    ("expires at the end of time", lambda s: s.update(expires="9999-12-31T23:59:59Z"), "would last until 9999-12-31"),
    ("no meta", lambda s: s.pop("meta"), "is not TUF metadata"),
    ("meta of something else", lambda s: s.update(meta={"other.json": {"version": 1}}), "is not TUF metadata"),
    ("meta with version 0", lambda s: s["meta"]["snapshot.json"].update(version=0), "is not TUF metadata"),
    ("meta with version true", lambda s: s["meta"]["snapshot.json"].update(version=True), "stick: metadata/True.snapshot.json is missing"),
    ("meta with a path as version", lambda s: s["meta"]["snapshot.json"].update(version="../1"), "is not TUF metadata"),
    ("meta with a negative length", lambda s: s["meta"]["snapshot.json"].update(length=-1), "is not TUF metadata"),
    ("meta with a length that is too short", lambda s: s["meta"]["snapshot.json"].update(length=1), "1.snapshot.json: is too long"),
    ("meta with no hash", lambda s: s["meta"]["snapshot.json"].update(hashes={}), "is not TUF metadata"),
    ("meta with an unknown hash", lambda s: s["meta"]["snapshot.json"].update(hashes={"rot13": "00"}), "Unsupported algorithm 'rot13'"),
    ("meta with a hash of no length", lambda s: s["meta"]["snapshot.json"].update(hashes={"shake_128": "00"}), "Unsupported algorithm 'shake_128'"),
]


@pytest.mark.parametrize(("change", "says"), [pytest.param(change, says, id=what) for what, change, says in FIELDS])
def test_timestamp_that_says_nonsense(first_keepers: Any, change: Callable[[dict[str, Any]], object], says: str) -> None:
    content = copy.deepcopy(first_keepers.metadata["timestamp"].signed.to_dict())
    change(content)
    assert says in refusal(first_keepers, {**first_keepers.files, "metadata/timestamp.json": signed(first_keepers, "timestamp", content)})


ROOTS: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("threshold 0", lambda s: s["roles"]["root"].update(threshold=0), "threshold should be at least 1"),
    ("threshold nobody can reach", lambda s: s["roles"]["root"].update(threshold=4), "root was signed by 3/4 keys"),
    ("the same key id twice", lambda s: s["roles"]["root"]["keyids"].append(s["roles"]["root"]["keyids"][0]), "Nonunique keyids"),
    ("no role timestamp", lambda s: s["roles"].pop("timestamp"), "is not TUF metadata"),
    ("a role of its own", lambda s: s["roles"].update(hk=s["roles"]["root"]), "is not TUF metadata"),
    ("a key of an unknown kind", lambda s: next(iter(s["keys"].values())).update(keytype="crystal"), "Unsupported public key crystal"),
    ("a key that is no text", lambda s: next(iter(s["keys"].values()))["keyval"].update(public=1), "is not TUF metadata"),
    (
        "a key that is no key",
        lambda s: s["keys"].update(x={"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": "x"}}),
        "has a key that cannot be used",
    ),
]


@pytest.mark.parametrize(("change", "says"), [pytest.param(change, says, id=what) for what, change, says in ROOTS])
def test_root_that_says_nonsense(first_keepers: Any, change: Callable[[dict[str, Any]], object], says: str) -> None:
    content = copy.deepcopy(first_keepers.metadata["root"].signed.to_dict())
    content["version"] = 2
    change(content)
    assert says in refusal(first_keepers, {**first_keepers.files, "metadata/2.root.json": signed(first_keepers, "root", content)})


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1.5", b"1e2"])
@pytest.mark.parametrize("field", [b'"version": ', b'"x": '])
def test_numbers_that_canonical_json_does_not_know(first_keepers: Any, number: bytes, field: bytes) -> None:
    """Nobody can have signed them: what is signed has no floating point at all."""
    content = first_keepers.files["metadata/timestamp.json"]
    changed = content.replace(b'"version": 1\n }', field + number + (b', "version": 1}' if b"x" in field else b"}"))
    assert changed != content
    refusal(first_keepers, {**first_keepers.files, "metadata/timestamp.json": changed})


@pytest.mark.parametrize("file", ["timestamp", "1.snapshot", "1.targets", "1.hk"])
def test_any_changed_byte_is_refused_or_without_effect(first_keepers: Any, file: str) -> None:
    """A space that is no part of what is signed may change; what is believed may not."""
    files, name = first_keepers.files, f"metadata/{file}.json"
    believed = verified(first_keepers, files)
    chance = random.Random(file)
    refused: list[str] = []
    for at in chance.sample(range(len(files[name])), 15):
        content = bytearray(files[name])
        content[at] ^= 1 << chance.randrange(8)
        try:
            found = verified(first_keepers, {**files, name: bytes(content)})
        except TrustError as error:
            refused.append(str(error))
        else:
            assert (found.versions, found.expires, found.targets) == (believed.versions, believed.expires, believed.targets)
    assert len(refused) > 3
    assert all(line.isprintable() for line in refused)


def test_a_third_signature_may_be_anything(first_keepers: Any) -> None:
    """Two of three are enough."""
    metadata = json.loads(first_keepers.files["metadata/1.hk.json"])
    metadata["signatures"][2]["sig"] = "zz"
    assert verified(first_keepers, {**first_keepers.files, "metadata/1.hk.json": json.dumps(metadata).encode()})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("two\nlines\r\n and\ttabs", "two lines and tabs"),
        ("\x1b[2J\u202e", "?[2J?"),
        ("x" * 300, "x" * 200 + "..."),
        (ValueError("why"), "why"),
        ("", ""),
    ],
)
def test_foreign_text_is_one_printable_line(text: object, expected: str) -> None:
    assert quoted(text) == expected
