"""Metadata that is signed by too few or by others, delegates what it must not, lasts too long, or has no end.

The table of docs/trust.md names these tests.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import DelegatedRole, Delegations, MetaFile, Root, Targets

from gate_controller.trust.sources import MemorySource
from simulators.authority import Authorities
from simulators.repository import TrustRepository

SMALL_ORDER = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
DAY_S = 86_400
TOO_FEW = "has too few valid signatures"


@pytest.mark.parametrize("role", ["root", "targets", "hk", "mo"])
def test_a_role_under_its_threshold(story: Any, role: str) -> None:
    stick = story.sign_anew(role, signers=story.keepers.signers[role][:1])
    story.refuses(stick, f"metadata/2.{role}.json: {TOO_FEW} ({role} was signed by 1/2 keys)")


@pytest.mark.parametrize("role", ["snapshot", "timestamp"])
def test_an_online_role_not_signed(story: Any, role: str) -> None:
    story.sign_anew(role, signers=[])
    stick = story.sign_anew("timestamp", lambda signed: setattr(signed, "snapshot_meta", MetaFile(2))) if role == "snapshot" else story.files
    story.refuses(stick, f"{role}.json: {TOO_FEW} ({role} was signed by 0/1 keys)")


@pytest.mark.parametrize(("role", "by"), [("hk", "mo"), ("mo", "hk"), ("hk", "targets"), ("targets", "hk"), ("root", "targets")])
def test_signed_by_others(story: Any, role: str, by: str) -> None:
    """The other region's officers; the keepers for a region; a region for the keepers."""
    stick = story.sign_anew(role, signers=story.keepers.signers[by])
    story.refuses(stick, f"metadata/2.{role}.json: {TOO_FEW} ({role} was signed by 0/2 keys)")


@pytest.mark.parametrize("old", [0, 1])
def test_new_root_without_the_old_keepers_threshold(story: Any, old: int) -> None:
    keepers = story.keepers
    keepers.rotate("root", story.real, signers=[*keepers.signers["root"][:old], *keepers.make_signers("root", 1)])
    story.refuses(story.files, f"metadata/2.root.json: {TOO_FEW} (root was signed by {old}/2 keys)")


def test_new_root_signed_by_the_old_keepers_alone(story: Any) -> None:
    story.keepers.rotate("root", story.real, signers=story.keepers.signers["root"])
    story.refuses(story.files, "metadata/2.root.json: has too few valid signatures (root was signed by 0/2 keys)")


def test_root_version_skipped(story: Any) -> None:
    story.keepers.renew("root", story.real)
    story.keepers.renew("root", story.real)
    files = story.files
    story.refuses({**files, "metadata/2.root.json": files["metadata/3.root.json"]}, "metadata/2.root.json: Expected root version 2 instead got version 3")


def test_a_stranger_s_repository(story: Any) -> None:
    stranger = TrustRepository(story.path / "stranger", Authorities("stranger"), story.real).directory
    story.refuses(
        {path.relative_to(stranger).as_posix(): path.read_bytes() for path in stranger.rglob("*") if path.is_file()},
        "metadata/timestamp.json: has too few valid signatures (timestamp was signed by 0/1 keys)",
    )


def test_one_signature_given_twice(story: Any) -> None:
    files = story.sign_anew("hk", lambda _: None, story.keepers.signers["hk"][:1])
    metadata = json.loads(files["metadata/2.hk.json"])
    metadata["signatures"] *= 2
    story.refuses(
        {**files, "metadata/2.hk.json": json.dumps(metadata).encode()}, "metadata/2.hk.json: is not TUF metadata (Multiple signatures found for keyid"
    )


def _under_two_ids(signed: Root | Targets, role: str, signer: Signer) -> None:
    """The same public key a second time, spelled otherwise, under an id of its own; it signs under both."""
    twin = copy.deepcopy(signer.public_key)
    twin.keyid = "00" * 32
    public = twin.keyval["public"]
    twin.keyval["public"] = f"\n{public}" if "BEGIN" in public else public.upper()
    signed.add_key(twin, role)


@pytest.mark.parametrize(("role", "of"), [("root", "root"), ("targets", "hk")])
def test_one_key_under_two_ids(story: Any, role: str, of: str) -> None:
    story.refuses(
        story.sign_anew(role, lambda signed: _under_two_ids(signed, of, story.keepers.signers[of][0])),
        f"metadata/2.{role}.json: has one public key under two key ids",
    )


def test_one_ecdsa_key_under_two_ids(story: Any) -> None:
    signer = CryptoSigner.generate_ecdsa()
    story.keepers.signers["hk"] = [signer]
    story.keepers.renew("targets", story.real)
    story.refuses(
        story.sign_anew("targets", lambda signed: _under_two_ids(signed, "hk", signer)), "metadata/3.targets.json: has one public key under two key ids"
    )


def test_officer_with_a_key_of_small_order(story: Any) -> None:
    def change(signed: Targets) -> None:
        key = copy.deepcopy(story.keepers.signers["hk"][0].public_key)
        key.keyid, key.keyval["public"] = "00" * 32, SMALL_ORDER
        signed.add_key(key, "hk")

    story.refuses(story.sign_anew("targets", change), "metadata/2.targets.json: has a key that cannot be used: not a valid Ed25519 point")


def test_officer_of_both_regions(story: Any) -> None:
    story.refuses(
        story.sign_anew("targets", lambda signed: signed.add_key(story.keepers.signers["mo"][0].public_key, "hk")),
        "metadata/2.targets.json: has one officer's key for both regions",
    )


OTHER_PATHS = "metadata/2.targets.json: delegates to hk other paths than those below hk/"


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        pytest.param(["hk/*", "mo/*"], OTHER_PATHS, id="also those of mo"),
        pytest.param(["*/*"], OTHER_PATHS, id="every path"),
        pytest.param(None, OTHER_PATHS, id="by their hash"),
        pytest.param(["hk/status/*"], "metadata/2.targets.json: delegates no pass keys to hk", id="no keys"),
        pytest.param(["hk/*"], "metadata/1.hk.json: lists hk/status/1, which is not delegated to hk", id="no status lists"),
    ],
)
def test_hk_is_delegated_other_paths(story: Any, paths: list[str] | None, says: str) -> None:
    def change(signed: Targets) -> None:
        assert signed.delegations is not None
        assert signed.delegations.roles is not None
        delegated = signed.delegations.roles["hk"]
        delegated.paths, delegated.path_hash_prefixes = paths, None if paths else ["0"]

    story.refuses(story.sign_anew("targets", change), says)


def test_delegation_to_a_third_role(story: Any) -> None:
    def change(signed: Targets) -> None:
        assert signed.delegations is not None
        assert signed.delegations.roles is not None
        signed.delegations.roles["sz"] = DelegatedRole("sz", [], 1, terminating=True, paths=["sz/*"])
        signed.add_key(story.keepers.signers["timestamp"][0].public_key, "sz")

    story.refuses(story.sign_anew("targets", change), "does not delegate to hk and mo, or not to them alone")


def test_no_delegation_at_all(story: Any) -> None:
    story.refuses(story.sign_anew("targets", lambda signed: setattr(signed, "delegations", None)), "does not delegate to hk and mo, or not to them alone")


def test_keepers_list_a_key_themselves(story: Any) -> None:
    target = story.keepers.write_target(f"hk/{story.keepers.authorities.forger.kid.hex()}.cbor", story.keepers.authorities.forger.cose_key)
    story.refuses(
        story.sign_anew("targets", lambda signed: signed.targets.update({target.path: target})),
        "metadata/2.targets.json: lists 'hk/",
        "itself, past the regions",
    )


def test_hk_delegates_further(story: Any) -> None:
    story.refuses(story.sign_anew("hk", lambda signed: setattr(signed, "delegations", Delegations({}, {}))), "metadata/2.hk.json: delegates further")


def test_no_consistent_snapshots(story: Any) -> None:
    """Files without a version in their name are overwritten while somebody downloads them."""
    story.sign_anew("root", lambda signed: setattr(signed, "consistent_snapshot", False))
    files = story.files
    story.refuses(
        {**files, **{f"metadata/{role}.json": files[f"metadata/1.{role}.json"] for role in ("snapshot", "targets", "hk", "mo")}},
        "metadata/2.root.json: consistent snapshots are not switched on",
    )


@pytest.mark.parametrize(("role", "longest"), [("timestamp", 3), ("snapshot", 14), ("targets", 60), ("hk", 60), ("mo", 60)])
def test_metadata_that_lasts_too_long(story: Any, role: str, longest: int) -> None:
    story.keepers.lifetimes_s[role] = longest * DAY_S + 3601
    if role == "targets":
        story.keepers.renew("targets", story.real)
    story.keepers.publish(story.real)
    story.refuses(story.files, f"stick: the metadata of {role} would last until", f"more than the {longest} d 1 h that are believed")


@pytest.mark.parametrize("version", [1 << 31, True])
def test_version_out_of_range(story: Any, version: int) -> None:
    story.refuses(
        story.sign_anew("timestamp", lambda signed: setattr(signed, "version", version)),
        "metadata/timestamp.json: its version is not a number up to 2147483647",
    )


@pytest.mark.parametrize(
    ("file", "size"), [("timestamp", 16 << 10), ("2.root", 128 << 10), ("1.snapshot", 64 << 10), ("1.targets", 512 << 10), ("1.hk", 512 << 10)]
)
def test_metadata_too_long(story: Any, file: str, size: int) -> None:
    """Spaces are no part of what is signed."""
    files = story.files
    name = f"metadata/{file}.json"
    story.refuses({**files, name: files.get(name, b"").ljust(size + 1)}, f"stick: {name}: is too long")


def test_timestamp_without_end(story: Any) -> None:
    class Endless(MemorySource):
        def read(self, name: str) -> Iterator[bytes]:
            while name == "metadata/timestamp.json":
                yield bytes(1024)
            yield from super().read(name)

    story.refuses(Endless(story.files, "stick"), "metadata/timestamp.json: is too long")


@pytest.mark.parametrize("file", ["timestamp", "1.snapshot", "1.targets", "1.hk", "1.mo"])
def test_metadata_missing(story: Any, file: str) -> None:
    files = story.files
    del files[f"metadata/{file}.json"]
    story.refuses(files, f"stick: metadata/{file}.json is missing")


def test_snapshot_as_timestamp(story: Any) -> None:
    files = story.files
    story.refuses({**files, "metadata/timestamp.json": files["metadata/1.snapshot.json"]}, "metadata/timestamp.json: Expected 'timestamp', got 'snapshot'")


def test_snapshot_with_another_hash_than_the_timestamp_says(story: Any) -> None:
    story.refuses(
        story.sign_anew("timestamp", lambda signed: setattr(signed, "snapshot_meta", MetaFile(1, hashes={"sha256": "00" * 32}))),
        "metadata/1.snapshot.json: Observed hash",
    )


def test_snapshot_without_a_region(story: Any) -> None:
    story.sign_anew("snapshot", lambda signed: signed.meta.pop("hk.json"))
    story.refuses(
        story.sign_anew("timestamp", lambda signed: setattr(signed, "snapshot_meta", MetaFile(2))), "Role hk was delegated but is not part of snapshot"
    )
