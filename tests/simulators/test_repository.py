"""The simulated trust repository, as python-tuf's own client sees it: rotations, thresholds, status lists, going on later, pruning."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cbor2
import pytest
from tuf.api.exceptions import DownloadHTTPError, RepositoryError, UnsignedMetadataError
from tuf.ngclient import Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from gate_controller.core.values import Region
from gate_controller.ports.errors import StoreError
from gate_controller.ports.trust import PassStatus
from simulators.authority import Authorities, Authority
from simulators.repository import DAY_S, THRESHOLDS, Remembered, TrustRepository

NOW = 1_800_000_000
HOUR_S = 3600


@dataclass
class FromDirectory(FetcherInterface):
    directory: Path

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = self.directory / url.removeprefix("file:///")
        if not path.is_file():
            raise DownloadHTTPError("not there", 404)
        yield path.read_bytes()


@dataclass
class Client:
    """A gate that pinned the first root."""

    repository: TrustRepository
    scratch: Path

    def refreshed(self, at: float = NOW) -> Updater:
        metadata, targets = self.scratch / "metadata", self.scratch / "targets"
        shutil.rmtree(self.scratch, ignore_errors=True)
        metadata.mkdir(parents=True)
        targets.mkdir()
        updater = Updater(
            str(metadata),
            "file:///metadata/",
            str(targets),
            "file:///targets/",
            FromDirectory(self.repository.directory),
            UpdaterConfig(),
            bootstrap=self.repository.first_root,
        )
        updater._trusted_set.reference_time = datetime.fromtimestamp(at, UTC)
        updater.refresh()
        return updater

    def target(self, name: str, at: float = NOW) -> bytes | None:
        return found(self.refreshed(at), name)

    def status_list(self, uri: str) -> dict[int, object]:
        return listed_by(self.target(uri))


def found(updater: Updater, name: str) -> bytes | None:
    info = updater.get_targetinfo(name)
    return None if info is None else Path(updater.download_target(info)).read_bytes()


def listed_by(token: bytes | None) -> dict[int, object]:
    """The claims of a status list token."""
    assert token is not None
    return cbor2.loads(cbor2.loads(token).value[2])  # type: ignore[no-any-return] # CBOR is untyped


@pytest.fixture
def repository(tmp_path: Path) -> TrustRepository:
    return TrustRepository(tmp_path / "repository", Authorities("repository"), NOW)


@pytest.fixture
def client(repository: TrustRepository, tmp_path: Path) -> Client:
    return Client(repository, tmp_path / "client")


def key_name(authority: Authority) -> str:
    return f"{authority.region.value.lower()}/{authority.kid.hex()}.cbor"


def everything_is_found(client: Client, at: float = NOW) -> None:
    updater = client.refreshed(at)
    for region, issuer in client.repository.authorities.issuers.items():
        assert found(updater, key_name(issuer)) == issuer.cose_key
        assert listed_by(found(updater, f"{region.value.lower()}/status/1"))[2] == f"{region.value.lower()}/status/1"


def test_a_client_finds_keys_with_their_validity_and_lists(client: Client) -> None:
    everything_is_found(client)
    info = client.refreshed().get_targetinfo(key_name(client.repository.authorities.issuers[Region.HK]))
    assert info is not None
    assert info.custom == {"not_before": 0, "not_after": 1 << 33}
    assert client.target("hk/status/2") is None


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        TrustRepository(tmp_path / name, Authorities("repository"), NOW)
    files = [{str(path.relative_to(tmp_path / name)): path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()} for name in ("a", "b")]
    assert files[0] == files[1]
    assert len(files[0]) == 10


@pytest.mark.parametrize("role", THRESHOLDS)
def test_every_role_is_rotated_twice_and_an_old_pin_follows(client: Client, role: str) -> None:
    for generation in (1, 2):
        client.repository.rotate(role, NOW)
        everything_is_found(client)
        assert client.repository.generations[role] == generation
    delegator = client.repository.metadata["root" if role in ("root", "timestamp", "snapshot", "targets") else "targets"].signed
    assert set(delegator.get_delegated_role(role).keyids) == {signer.public_key.keyid for signer in client.repository.make_signers(role, 2)}


@pytest.mark.parametrize("role", ["targets", "hk", "mo", "snapshot", "timestamp"])
def test_what_the_old_keys_sign_after_a_rotation_is_refused(client: Client, role: str) -> None:
    old = client.repository.signers[role]
    client.repository.rotate(role, NOW)
    metadata = client.repository.metadata[role].signed
    client.repository.write(role, metadata, old)  # in the place of what the new keys signed
    with pytest.raises(RepositoryError, match=role):
        everything_is_found(client)


@pytest.mark.parametrize(("old", "new", "good"), [(2, 2, True), (3, 3, True), (1, 3, False), (3, 1, False), (0, 3, False), (3, 0, False)])
def test_a_new_root_needs_the_threshold_of_the_old_keepers_and_of_the_new(client: Client, old: int, new: int, good: bool) -> None:
    repository = client.repository
    signers = [*repository.make_signers("root", 0)[:old], *repository.make_signers("root", 1)[3 - new :]]
    repository.rotate("root", NOW, signers=signers)
    assert len(repository.signed_by("root")) == old + new
    if good:
        everything_is_found(client)
    else:
        with pytest.raises(UnsignedMetadataError):
            client.refreshed()


@pytest.mark.parametrize(("role", "keepers"), [("hk", "targets"), ("mo", "targets"), ("targets", "root"), ("timestamp", "root")])
def test_new_keys_are_named_by_a_threshold_of_their_keepers(client: Client, role: str, keepers: str) -> None:
    client.repository.rotate(role, NOW, signers=client.repository.signers[keepers][1:])
    everything_is_found(client)
    assert client.repository.signed_by(keepers) == [(0, 2), (0, 3)]
    client.repository.rotate(role, NOW, signers=client.repository.signers[keepers][:1])
    with pytest.raises(UnsignedMetadataError):
        client.refreshed()


def test_any_two_officers_of_a_region_are_enough_and_one_is_not(client: Client) -> None:
    officers = client.repository.signers["hk"]
    for present in (officers[:2], officers[1:], [officers[0], officers[2]]):
        client.repository.signers["hk"] = present
        client.repository.publish(NOW)
        everything_is_found(client)
    client.repository.signers["hk"] = officers[:1]
    client.repository.publish(NOW)
    assert client.target(key_name(client.repository.authorities.issuers[Region.MO])) is not None
    with pytest.raises(RepositoryError, match="hk"):
        client.target(key_name(client.repository.authorities.issuers[Region.HK]))


def test_one_officer_who_signs_twice_is_one_officer(client: Client) -> None:
    signer = client.repository.signers["hk"][0]
    client.repository.signers["hk"] = [signer, signer]
    client.repository.publish(NOW)
    with pytest.raises(RepositoryError, match="hk"):
        everything_is_found(client)


def test_a_region_cannot_publish_for_the_other(client: Client) -> None:
    client.repository.regions[Region.HK].extra["mo/0011223344556677.cbor"] = b"anything"
    client.repository.publish(NOW)
    assert client.target("mo/0011223344556677.cbor") is None


@pytest.mark.parametrize("role", ["root", "targets"])
def test_root_and_targets_are_renewed_with_the_same_keys(client: Client, role: str) -> None:
    client.repository.renew(role, NOW + 50 * DAY_S, signers=client.repository.signers[role][:2])
    metadata = client.repository.metadata[role].signed
    assert (metadata.version, metadata.expires.timestamp()) == (2, NOW + 50 * DAY_S + client.repository.lifetimes_s[role])
    assert client.repository.generations[role] == 0
    everything_is_found(client, NOW + 50 * DAY_S)


def test_a_region_that_stops_publishing_grows_old_alone(client: Client) -> None:
    client.repository.publish(NOW + HOUR_S, regions=[Region.HK])
    assert client.status_list("hk/status/1")[6] == NOW + HOUR_S
    assert client.status_list("mo/status/1")[6] == NOW
    assert {role: metadata.signed.version for role, metadata in client.repository.metadata.items()} == {
        "root": 1,
        "targets": 1,
        "hk": 2,
        "mo": 1,
        "snapshot": 2,
        "timestamp": 2,
    }


def test_metadata_alone_and_the_timestamp_alone_are_published(client: Client) -> None:
    client.repository.publish(NOW + HOUR_S, status_lists=False)
    assert client.status_list("hk/status/1")[6] == NOW
    client.repository.touch(NOW + 2 * HOUR_S)
    everything_is_found(client)
    assert client.repository.metadata["timestamp"].signed.version == 3
    assert client.repository.metadata["snapshot"].signed.version == 2


@pytest.mark.parametrize(("bits", "statuses"), [(1, {0: 1, 9: 1, 99: 1}), (2, {0: 1, 9: 2, 98: 3, 99: 1})])
def test_several_lists_of_a_region_each_of_its_shape(client: Client, bits: int, statuses: dict[int, int]) -> None:
    uri = client.repository.add_status_list(Region.MO, "visitors", bits=bits, size=100)
    for index, status in statuses.items():
        client.repository.revoke(Region.MO, index, PassStatus(status), uri)
    client.repository.revoke(Region.MO, 5)
    client.repository.publish(NOW)
    listed = client.status_list("mo/status/visitors")[65533]
    assert isinstance(listed, dict)
    content = zlib.decompress(listed["lst"])
    assert (listed["bits"], len(content)) == (bits, 100 * bits // 8 + (100 * bits % 8 > 0))
    number = int.from_bytes(content, "little")
    assert {index: number >> index * bits & (1 << bits) - 1 for index in range(100) if number >> index * bits & (1 << bits) - 1} == statuses
    first = client.status_list("mo/status/1")[65533]
    assert zlib.decompress(first["lst"])[1] == 0b01_00  # type: ignore[index] # CBOR is untyped


def test_a_status_that_does_not_fit_is_an_error_and_nothing_is_published(client: Client) -> None:
    uri = client.repository.add_status_list(Region.MO, "small", bits=1, size=8)
    client.repository.revoke(Region.MO, 3, PassStatus.SUSPENDED, uri)
    with pytest.raises(ValueError, match="SUSPENDED at 3"):
        client.repository.publish(NOW + HOUR_S)
    everything_is_found(client)


def test_lists_are_signed_with_the_newest_key_that_is_valid(client: Client) -> None:
    def signer() -> object:
        token = client.target("hk/status/1")
        assert token
        return cbor2.loads(cbor2.loads(token).value[0])[4]

    issuer, tomorrow = client.repository.authorities.issuers[Region.HK], Authority(Region.HK, "repository", "tomorrow")
    client.repository.add_pass_key(tomorrow, NOW + DAY_S)
    client.repository.publish(NOW)
    assert signer() == issuer.kid
    client.repository.publish(NOW + DAY_S)
    assert signer() == tomorrow.kid
    client.repository.withdraw_pass_key(issuer)
    client.repository.publish(NOW)
    assert signer() == tomorrow.kid
    assert client.target(key_name(issuer)) is None


# -- going on later ------------------------------------------------------------------------------------------------------


def reopened(repository: TrustRepository, *, generations: dict[str, int] | None = None, seed: str = "repository") -> TrustRepository:
    remembered = Remembered(repository.regions, generations or repository.generations)
    return TrustRepository(repository.directory, Authorities(seed), NOW, remembered=remembered)


def test_a_reopened_repository_goes_on_as_if_it_had_stayed_open(client: Client, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for role in ("root", "hk"):
        client.repository.rotate(role, NOW)
    shutil.copytree(client.repository.directory, copy)
    again = reopened(client.repository)
    again.directory = copy
    for repository in (client.repository, again):
        repository.rotate("targets", NOW + HOUR_S)
        repository.touch(NOW + 2 * HOUR_S)
    names = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert all((copy / name).read_bytes() == (client.repository.directory / name).read_bytes() for name in names)
    everything_is_found(Client(again, tmp_path / "client"))


def test_a_rotation_that_was_not_remembered_is_recognised(client: Client) -> None:
    before = dict(client.repository.generations)
    for role in ("root", "mo"):
        client.repository.rotate(role, NOW)
    again = reopened(client.repository, generations=before)
    assert again.generations == client.repository.generations
    again.rotate("mo", NOW)
    everything_is_found(Client(again, client.scratch))


def test_a_rotation_that_was_cut_short_is_repaired_by_renewing(client: Client) -> None:
    """Killed after the new root and before the targets that the new keys sign."""
    before = {path: path.read_bytes() for path in client.repository.directory.rglob("*") if path.is_file()}
    client.repository.rotate("targets", NOW)
    for path in [path for path in client.repository.directory.rglob("*") if path.is_file() and path not in before and path.name != "2.root.json"]:
        path.unlink()
    (client.repository.directory / "metadata" / "timestamp.json").write_bytes(before[client.repository.directory / "metadata" / "timestamp.json"])
    with pytest.raises(RepositoryError, match="targets"):
        client.refreshed()
    again = reopened(client.repository)
    again.renew("targets", NOW)
    everything_is_found(Client(again, client.scratch))


def change_to(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize("damage", [Path.unlink, change_to(b""), change_to(b"{}"), change_to(b"\xff" * 9), change_to(json.dumps({"signed": 1}).encode())])
@pytest.mark.parametrize("name", ["1.root.json", "timestamp.json", "1.hk.json"])
def test_damage_is_one_line_that_names_the_file(repository: TrustRepository, damage: Callable[[Path], object], name: str) -> None:
    damage(repository.directory / "metadata" / name)
    with pytest.raises(StoreError) as caught:
        reopened(repository)
    assert name in caught.value.what
    assert "\n" not in caught.value.what
    assert caught.value.remedy


def test_another_seed_or_another_roles_metadata_is_refused(repository: TrustRepository) -> None:
    with pytest.raises(StoreError, match="not those of this seed"):
        reopened(repository, seed="another")
    metadata = repository.directory / "metadata"
    shutil.copy(metadata / "1.hk.json", metadata / "1.snapshot.json")
    with pytest.raises(StoreError, match=r"1\.snapshot\.json is metadata of another role"):
        reopened(repository)


# -- files ---------------------------------------------------------------------------------------------------------------


def files_of(repository: TrustRepository) -> set[str]:
    return {str(path.relative_to(repository.directory)) for path in repository.directory.rglob("*") if path.is_file()}


def test_pruning_leaves_what_a_client_needs_and_the_last_versions(client: Client) -> None:
    repository = client.repository
    repository.rotate("root", NOW)
    for hour in range(1, 6):
        repository.publish(NOW + hour * HOUR_S)
    assert repository.prune(keep=2) > 0
    everything_is_found(client, NOW + 5 * HOUR_S)
    kept = {f"metadata/{version}.{role}.json" for version in (6, 7) for role in ("snapshot", "hk", "mo")}
    kept |= {"metadata/1.root.json", "metadata/2.root.json", "metadata/1.targets.json", "metadata/timestamp.json"}
    assert {name for name in files_of(repository) if name.startswith("metadata/")} == kept
    assert len([name for name in files_of(repository) if "/status/" in name]) == 4
    assert repository.prune(keep=2) == 0
    assert repository.prune(keep=1) > 0
    assert files_of(repository) == set(repository.current_files())
    everything_is_found(client, NOW + 5 * HOUR_S)


def test_a_download_that_began_before_a_publication_ends_after_the_pruning(client: Client) -> None:
    updater = client.refreshed()
    client.repository.publish(NOW + HOUR_S)
    client.repository.prune(keep=2)
    info = updater.get_targetinfo("mo/status/1")
    assert info is not None
    assert updater.download_target(info)


def test_pruning_takes_what_an_interrupted_write_left(repository: TrustRepository) -> None:
    (repository.directory / "metadata" / "timestamp.json.new").write_bytes(b"half")
    assert repository.prune() == 1


def test_current_files_name_nothing_that_comes_later(client: Client) -> None:
    client.repository.rotate("root", NOW)
    names = client.repository.current_files()
    order = [name.rsplit(".", 2)[-2] if name.startswith("metadata/") else "target" for name in names]
    assert order == ["target"] * 4 + ["root"] * 2 + ["hk", "mo", "targets", "snapshot", "metadata/timestamp"]
    assert set(names) <= files_of(client.repository)
