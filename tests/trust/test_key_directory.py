"""The signed key directory: a genuine one gives its keys, anything else is refused whole, with one line and a remedy."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from nacl import bindings

from gate_controller.core.values import Region
from gate_controller.ports.errors import ConfigurationError, StoreError
from gate_controller.ports.services import KeyTable
from gate_controller.trust.directory import KeyDirectory, load_key_directory, protected_headers
from simulators.authority import Authorities, Authority, DirectoryKeeper, cose_key, encode

SMALL_ORDER = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")


class Published:
    """A genuine directory that a test may spoil, and sign again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.authorities = Authorities("trust")
        self.root_key = self.authorities.publish(path, not_before=100, not_after=200, version=7)
        self.hk, self.mo = self.authorities.issuers[Region.HK], self.authorities.issuers[Region.MO]
        self.hk_name = f"hk/{self.hk.kid.hex()}.cbor"

    def load(self, **options: Any) -> KeyDirectory:
        return load_key_directory(self.path, self.root_key, **options)

    def manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self.path / "manifest.json").read_bytes())
        return manifest

    def sign(self, manifest: object) -> None:
        self.authorities.keeper.sign_manifest(self.path, manifest)

    def resign(self, change: Callable[[dict[str, Any]], object]) -> None:
        manifest = self.manifest()
        change(manifest)
        self.sign(manifest)

    def put(self, name: str, content: bytes) -> None:
        """A file that the root has signed."""
        (self.path / name).parent.mkdir(exist_ok=True)
        (self.path / name).write_bytes(content)
        self.resign(lambda manifest: manifest["targets"].update({name: {"sha256": hashlib.sha256(content).hexdigest(), "not_before": 1, "not_after": 2}}))

    def put_key(self, folder: str, content: bytes) -> None:
        """The same, under its true kid."""
        self.put(f"{folder}/{hashlib.sha256(content).hexdigest()[:16]}.cbor", content)


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return Published(tmp_path / "keys")


def refusal(published: Published, **options: Any) -> str:
    with pytest.raises(StoreError) as caught:
        published.load(**options)
    assert "\n" not in str(caught.value)
    assert str(published.path) in caught.value.what
    assert caught.value.remedy
    return caught.value.what


def test_keys_by_their_protected_headers(published: Published) -> None:
    directory = published.load()
    table: KeyTable = directory
    assert directory.version == 7
    assert set(directory.keys) == {published.hk.kid, published.mo.kid}
    for authority in (published.hk, published.mo):
        for algorithm in (-8, -19):
            key = table.lookup(authority.protected_header(algorithm))
            assert key is not None
            assert (key.key, key.region, key.not_before, key.not_after) == (authority.public_key, authority.region, 100, 200)
    assert table.lookup(published.authorities.forger.protected_header()) is None
    assert table.lookup(b"") is None


def test_headers_are_what_a_cose_library_would_write() -> None:
    kid = bytes(range(8))
    assert protected_headers(kid) == tuple(cbor2.dumps({1: algorithm, 4: kid, 16: 65001}, canonical=True) for algorithm in (-8, -19))


def test_kid_is_the_key_s_thumbprint(published: Published) -> None:
    """RFC 9679: SHA-256 over the required members in deterministic encoding; the first 8 bytes."""
    thumbprint = hashlib.sha256(cbor2.dumps({1: 1, -1: 6, -2: published.hk.public_key}, canonical=True)).digest()
    assert thumbprint[:8] in published.load().keys


def test_a_region_without_keys_is_possible(tmp_path: Path) -> None:
    authorities = Authorities("trust")
    authorities.keeper.publish(tmp_path, [authorities.issuers[Region.MO]], not_before=0, not_after=1)
    assert [key.region for key in load_key_directory(tmp_path, authorities.keeper.root_key).keys.values()] == [Region.MO]


def test_the_region_is_the_folder_s(published: Published) -> None:
    moved = Authority(Region.MO, "trust", name="second")
    published.put_key("hk", moved.cose_key)
    key = published.load().lookup(moved.protected_header())
    assert key is not None
    assert key.region is Region.HK


@pytest.mark.parametrize("root_key", ["", "00", "zz" * 32, "00" * 32, "01" + "00" * 31, SMALL_ORDER.hex(), "ff" * 33, " " + "00" * 31 + " "])
def test_an_unusable_root_key_is_a_configuration_error(published: Published, root_key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_key_directory(published.path, root_key)
    assert caught.value.remedy


def test_another_root(published: Published) -> None:
    published.root_key = DirectoryKeeper("somebody else").root_key
    assert "not the pinned root's signature" in refusal(published)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig"])
def test_one_changed_byte_of_manifest_or_signature(published: Published, name: str) -> None:
    file = published.path / name
    genuine = file.read_bytes()
    for at in (0, len(genuine) // 2, len(genuine) - 1):
        file.write_bytes(genuine[:at] + bytes([genuine[at] ^ 1]) + genuine[at + 1 :])
        assert "not the pinned root's signature" in refusal(published)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64)])
def test_signatures_that_are_none(published: Published, signature: bytes) -> None:
    (published.path / "manifest.sig").write_bytes(signature)
    assert "not the pinned root's signature" in refusal(published)


def test_a_signature_with_a_part_of_the_manifest(published: Published) -> None:
    """64 + 1 bytes whose last one is the manifest's first would satisfy crypto_sign_open."""
    content, signature = (published.path / "manifest.json").read_bytes(), (published.path / "manifest.sig").read_bytes()
    (published.path / "manifest.sig").write_bytes(signature + content[:1])
    (published.path / "manifest.json").write_bytes(content[1:])
    assert "larger" in refusal(published)


def test_an_older_version(published: Published) -> None:
    assert published.load(minimum_version=7).version == 7
    assert "version 7, at least 8" in refusal(published, minimum_version=8)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig", "hk"])
def test_missing(published: Published, name: str) -> None:
    (published.path / name).rename(published.path.parent / "elsewhere")
    assert "missing" in refusal(published)


def test_a_missing_key_file(published: Published) -> None:
    (published.path / published.hk_name).unlink()
    assert published.hk_name in refusal(published)


def test_a_missing_directory(published: Published) -> None:
    published.path = published.path / "nowhere"
    assert "missing" in refusal(published)


def test_a_file_instead_of_the_directory(published: Published) -> None:
    published.path = published.path / "manifest.json"
    refusal(published)


@pytest.mark.parametrize("name", ["extra.txt", ".hidden", "hk/0011223344556677.cbor", "mo/readme", "sz/0011223344556677.cbor", "hk/\x1b[2J"])
def test_an_extra_file(published: Published, name: str) -> None:
    (published.path / name).parent.mkdir(exist_ok=True)
    (published.path / name).write_bytes(b"")
    what = refusal(published)
    assert "not named in the manifest" in what
    assert what.isprintable()


def test_an_oversized_manifest(published: Published) -> None:
    published.sign(json.dumps(published.manifest()).encode() + b" " * 70_000)
    assert "larger than" in refusal(published)


def test_an_oversized_key(published: Published) -> None:
    with (published.path / published.hk_name).open("ab") as file:
        file.truncate(1 << 30)  # sparse: nothing reads a gigabyte
    assert "larger than 40 bytes" in refusal(published)


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig", "hk", "key"])
def test_a_symbolic_link(published: Published, name: str) -> None:
    victim = published.path / (published.hk_name if name == "key" else name)
    target = victim.rename(published.path.parent / "elsewhere")
    victim.symlink_to(target)
    refusal(published)


def test_a_fifo_does_not_hang(published: Published) -> None:
    victim = published.path / published.hk_name
    victim.unlink()
    os.mkfifo(victim)
    assert "not a regular file" in refusal(published)


def test_a_directory_in_the_place_of_a_key(published: Published) -> None:
    victim = published.path / published.hk_name
    victim.unlink()
    victim.mkdir()
    refusal(published)


def test_hash_mismatch(published: Published) -> None:
    (published.path / published.hk_name).write_bytes(published.authorities.forger.cose_key)
    assert "another hash" in refusal(published)


def test_kid_mismatch(published: Published) -> None:
    published.put("hk/0011223344556677.cbor", published.authorities.forger.cose_key)
    assert "holds the key" in refusal(published)


@pytest.mark.parametrize("point", [SMALL_ORDER, b"\x01" + bytes(31), b"\xff" * 32, b"\xee" + b"\xff" * 30 + b"\x7f"])
def test_bad_point(published: Published, point: bytes) -> None:
    published.put_key("hk", encode(cose_key(point)))
    assert "not a valid Ed25519 point" in refusal(published)


def test_mixed_order_point(published: Published) -> None:
    published.put_key("hk", encode(cose_key(bindings.crypto_core_ed25519_add(published.hk.public_key, SMALL_ORDER))))
    assert "not a valid Ed25519 point" in refusal(published)


def other_keys(public: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "the bare key": public,
        "EC2": encode({1: 2, -1: 6, -2: public}),
        "X25519": encode({1: 1, -1: 4, -2: public}),
        "with alg": encode({1: 1, 3: -8, -1: 6, -2: public[:29]}),
        "unsorted": b"\xa3\x20\x06\x01\x01\x21\x58\x20" + public,
        "31 bytes": encode({1: 1, -1: 6, -2: public[:31]}),
        "long form": b"\xa3\x01\x01\x20\x06\x21\x59\x00\x20" + public[:31],
    }


@pytest.mark.parametrize("kind", other_keys(bytes(32)))
def test_another_kind_of_key(published: Published, kind: str) -> None:
    published.put_key("hk", other_keys(published.authorities.forger.public_key)[kind])
    assert "not an Ed25519 COSE_Key" in refusal(published)


def test_a_key_of_both_regions(published: Published) -> None:
    published.put_key("mo", published.hk.cose_key)
    assert "both regions" in refusal(published)


def test_a_key_that_is_never_valid(published: Published) -> None:
    published.resign(lambda manifest: manifest["targets"][published.hk_name].update(not_before=200))
    assert "never valid" in refusal(published)


FORMS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("another type", lambda m: m.update(type="something")),
    ("no type", lambda m: m.pop("type")),
    ("no version", lambda m: m.pop("version")),
    ("version true", lambda m: m.update(version=True)),
    ("version as text", lambda m: m.update(version="7")),
    ("version 0", lambda m: m.update(version=0)),
    ("no targets", lambda m: m.update(targets={})),
    ("targets in a list", lambda m: m.update(targets=[])),
    ("an unknown field", lambda m: m.update(expires=1)),
    ("an unknown field of a target", lambda m: next(iter(m["targets"].values())).update(region="HK")),
    ("a time as a float", lambda m: next(iter(m["targets"].values())).update(not_after=200.0)),
    ("a time before 1970", lambda m: next(iter(m["targets"].values())).update(not_before=-1)),
    ("a hash in upper case", lambda m: next(iter(m["targets"].values())).update(sha256="AB" * 32)),
    *[
        (f"a path {name!r}", lambda m, name=name: m["targets"].update({name: next(iter(m["targets"].values()))}))
        for name in (
            "../0011223344556677.cbor",
            "hk/../0011223344556677.cbor",
            "/etc/passwd",
            "hk/x.cbor",
            "HK/0011223344556677.cbor",
            "sz/0011223344556677.cbor",
            "hk/0011223344556677.cbor\n",
        )
    ],
    ("257 targets", lambda m: m["targets"].update({f"hk/{i:016x}.cbor": next(iter(m["targets"].values())) for i in range(257)})),
]


@pytest.mark.parametrize("change", [pytest.param(change, id=what) for what, change in FORMS])
def test_a_signed_manifest_of_another_form(published: Published, change: Callable[[dict[str, Any]], object]) -> None:
    published.resign(change)
    assert "manifest.json" in refusal(published)


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b"{", b"\xff\xfe", b'{"type": "pass-key-directory"}', b"[" * 60_000, b'{"version": NaN}', b"9" * 5000]
)
def test_a_signed_manifest_that_is_none(published: Published, content: bytes) -> None:
    published.sign(content)
    assert "manifest.json" in refusal(published)


def test_duplicate_names_in_the_manifest(published: Published) -> None:
    content = (published.path / "manifest.json").read_bytes()
    published.sign(content.replace(b'"version": 7', b'"version": 6, "version": 7'))
    assert "not JSON of the expected form" in refusal(published)


@pytest.mark.parametrize("name", [".", "manifest.json", "hk", "key"])
def test_what_may_not_be_read(open_directory: Path, without_root: Callable[[], contextlib.AbstractContextManager[None]], name: str) -> None:
    published = Published(open_directory / "keys")
    (published.path / (published.hk_name if name == "key" else name)).chmod(0)
    with without_root():
        assert "may not be read" in refusal(published)
    (published.path / (published.hk_name if name == "key" else name)).chmod(0o755)


def test_no_descriptor_is_left_open(published: Published) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    published.load()
    (published.path / published.hk_name).write_bytes(b"")
    refusal(published)
    published.path = published.path / "nowhere"
    refusal(published)
    assert open_files() == before
