"""One trust repository (The Update Framework), verified from the pinned root: metadata, delegations, and every target of both regions.

python-tuf's client verifies signatures, thresholds, versions, hashes and expiry. What it leaves open is decided here:

    - it believes the system's clock; here it is told the time, or told not to judge expiry at all (freshness does then);
    - it takes any delegation; here `targets` lists nothing itself and delegates to the regions alone, each to its own folder, by keys
      that no other region has, and a region delegates nothing further;
    - it counts key ids; here no public key may have two of them, or one officer would be a threshold of two;
    - it takes any hash it knows; here SHA-256 must be among them;
    - it fetches targets one by one; here a repository is all of its targets, and there are limits to them.

Keeps nothing on disk, so that being killed leaves nothing there. Does not know what was in force before (floor.py), and does not look
into the targets (view.py).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from tuf.api import exceptions
from tuf.api.metadata import Key, Metadata, Root, Signed, TargetFile, Targets
from tuf.api.serialization import DeserializationError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from gate_controller.core.values import Region
from gate_controller.cose.ed25519 import is_valid_point
from gate_controller.ports.errors import ConfigurationError, GateError, StoreError
from gate_controller.trust.errors import TrustError, quoted
from gate_controller.trust.floor import MAX_VERSION
from gate_controller.trust.names import metadata_name
from gate_controller.trust.sources import NotInSource, Source

REGION_ROLES: Mapping[str, Region] = {region.value.lower(): region for region in Region}
"""Role, and folder, of each region: "hk" and "mo"."""
TOP_ROLES = ("root", "timestamp", "snapshot", "targets")

MAX_TARGETS = 256
"""Targets of one region."""
MAX_TARGET_BYTES = 32 << 20
"""All targets of all regions together."""

_CLIENT = UpdaterConfig(
    max_root_rotations=256,
    max_delegations=len(REGION_ROLES) + 1,
    root_max_length=128 << 10,
    timestamp_max_length=16 << 10,
    snapshot_max_length=64 << 10,
    targets_max_length=512 << 10,
)
_KEY_NAME = re.compile(r"[0-9a-f]{16}\.cbor")
_STATUS_NAME = re.compile(r"status/[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_ANY_KEY = "0" * 16 + ".cbor"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PINNED = "the pinned root"
_TIME = "%Y-%m-%d %H:%M UTC"
_TAKE_ANOTHER = "take the repository from the mirror or its keepers again"
_ASK_KEEPERS = "tell the keepers of the repository: they signed what no gate takes"
_EXPIRED = "take a current repository; if this one is, the gate's clock is or was ahead: set it, then gatectl keys forget-time"


class Target(NamedTuple):
    """Content of one target, and its custom data as its role signed them."""

    content: bytes
    custom: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VerifiedRepository:
    """What was verified.

    Attributes:
        source: How messages call the source.
        versions: Version by role: root, timestamp, snapshot, targets, hk, mo.
        expires: Expiry by role, seconds since the epoch.
        files: Every file as it was fetched, by its published name: a repository again.
        targets: Every target of the regions, by its name, e.g. "hk/status/1".
    """

    source: str
    versions: Mapping[str, int]
    expires: Mapping[str, float]
    files: Mapping[str, bytes] = field(repr=False)
    targets: Mapping[str, Target] = field(repr=False)


def verify_repository(pinned_root: bytes, source: Source, *, at: float | None) -> VerifiedRepository:
    """Fetch a repository from `source` and verify all of it.

    Args:
        pinned_root: Root metadata to start from; its own hash was compared before.
        source: Where the files are.
        at: The time to judge expiry by, seconds since the epoch; None: do not judge it.

    Raises:
        TrustError: Its content breaks any rule; the message names the file and the reason.
        SourceError: A file cannot be read.
        StoreError: There is no room for temporary files.
        ConfigurationError: The installed python-tuf is not the one this was written for.
    """
    recorder = _Recorder(source)
    try:
        return _Verification(pinned_root, recorder, at).result()
    except GateError:
        raise
    except OSError as error:
        msg = f"{source.name} cannot be verified: temporary files: {error.strerror or type(error).__name__}"
        raise StoreError(msg, f"free space in {tempfile.gettempdir()}, or let this user write there") from error
    except Exception as error:  # whatever a parser or a client throws at hostile bytes is a refusal, named or not
        raise _refusal(error, recorder) from error


class _Recorder(FetcherInterface):
    """Hands the source's files to the client and keeps what it took.

    Attributes:
        files: Complete files by name.
        asked: The file asked for last: what an error is about.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.files: dict[str, bytes] = {}
        self.asked = _PINNED

    def _fetch(self, url: str) -> Iterator[bytes]:
        self.asked = url
        content = bytearray()
        try:
            for chunk in self.source.read(url):
                content += chunk
                yield chunk
        except NotInSource as error:
            raise exceptions.DownloadHTTPError("is missing", 404) from error
        self.files[url] = bytes(content)


class _MemoryClient(Updater):
    """The client without its cache of metadata. What it may call by other names in a later release would fail to write to this place, not pass unnoticed."""

    def __init__(self, pinned_root: bytes, fetcher: FetcherInterface) -> None:
        super().__init__(os.devnull, "metadata/", fetcher=fetcher, config=_CLIENT, bootstrap=pinned_root)

    def _load_local_metadata(self, rolename: str) -> bytes:
        raise FileNotFoundError(rolename)

    def _persist_metadata(self, rolename: str, data: bytes) -> None:
        pass

    def _persist_root(self, version: int, data: bytes) -> None:
        pass

    def _update_root_symlink(self) -> None:
        pass


class _Verification:
    """One run of the client."""

    def __init__(self, pinned_root: bytes, recorder: _Recorder, at: float | None) -> None:
        self._pinned_root = pinned_root
        self._recorder = recorder
        self._client = _MemoryClient(pinned_root, recorder)
        self._trusted = self._client._trusted_set  # noqa: SLF001 - there is no other way to tell the client the time
        if not isinstance(getattr(self._trusted, "reference_time", None), datetime):
            raise ConfigurationError("the installed python-tuf cannot be told the time", "install the release that the lock file names")
        self._trusted.reference_time = datetime.min.replace(tzinfo=UTC) if at is None else datetime.fromtimestamp(at, UTC)

    def result(self) -> VerifiedRepository:
        """Everything verified."""
        try:
            return self._result()
        except exceptions.ExpiredMetadataError as error:
            raise self._expired() from error

    def _result(self) -> VerifiedRepository:
        self._client.refresh()
        self._check_roots()
        self._check_delegations()
        for role in REGION_ROLES:
            self._client.get_targetinfo(f"{role}/{_ANY_KEY}")  # has the role's metadata loaded, if such a path is the role's
            if role not in self._trusted:
                raise self._refuse("targets", f"delegates no pass keys to {role}")
        signed: dict[str, Signed] = {role: self._trusted[role] for role in (*TOP_ROLES, *REGION_ROLES)}
        for role, metadata in signed.items():
            if type(metadata.version) is not int or metadata.version > MAX_VERSION:
                raise self._refuse(role, f"its version is not a number up to {MAX_VERSION}")
        return VerifiedRepository(
            source=self._recorder.source.name,
            versions={role: metadata.version for role, metadata in signed.items()},
            expires={role: metadata.expires.timestamp() for role, metadata in signed.items()},
            targets=self._targets(),
            files=self._recorder.files,
        )

    def _check_roots(self) -> None:
        """Every root of the chain: one with a key under two ids would have let that key alone sign the next."""
        if self._trusted.root.consistent_snapshot is not True:
            raise self._refuse("root", "consistent snapshots are not switched on")
        fetched = {name: content for name, content in self._recorder.files.items() if name.endswith(".root.json")}
        for name, content in {_PINNED: self._pinned_root, **fetched}.items():
            root: Root = Metadata[Root].from_bytes(content).signed
            self._require_distinct(name, root.keys)

    def _check_delegations(self) -> None:
        targets = self._trusted.targets
        delegations = targets.delegations
        if targets.targets:
            raise self._refuse("targets", f"lists {quoted(next(iter(targets.targets)))!a} itself, past the regions")
        if delegations is None or delegations.roles is None or delegations.roles.keys() != REGION_ROLES.keys():
            raise self._refuse("targets", f"does not delegate to {' and '.join(REGION_ROLES)}, or not to them alone")
        for role, delegated in delegations.roles.items():
            if not delegated.paths or any(path.partition("/")[0] != role for path in delegated.paths):
                raise self._refuse("targets", f"delegates to {role} other paths than those below {role}/")
        self._require_distinct(self._file("targets"), delegations.keys)
        officers = [keyid for delegated in delegations.roles.values() for keyid in delegated.keyids]
        if len(set(officers)) != len(officers):
            raise self._refuse("targets", "has one officer's key for both regions")

    def _require_distinct(self, file: str, keys: Mapping[str, Key]) -> None:
        try:
            distinct = {_public_key(key) for key in keys.values()}
        except ValueError as error:
            raise _error(self._recorder, file, f"has a key that cannot be used: {quoted(error)}", _ASK_KEEPERS) from error
        if len(distinct) != len(keys):
            raise _error(self._recorder, file, "has one public key under two key ids, so that one signature would count twice", _ASK_KEEPERS)

    def _targets(self) -> dict[str, Target]:
        found: dict[str, Target] = {}
        room = MAX_TARGET_BYTES
        for role in REGION_ROLES:
            listed = cast("Targets", self._trusted[role])
            if listed.delegations is not None:
                raise self._refuse(role, "delegates further")
            if len(listed.targets) > MAX_TARGETS:
                raise self._refuse(role, f"lists {len(listed.targets)} targets, more than {MAX_TARGETS}")
            for name, info in listed.targets.items():
                self._check_target(role, name, info)
                room -= info.length
                if room < 0:
                    raise self._refuse(role, f"with {name} the targets are larger than {MAX_TARGET_BYTES >> 20} MiB in all")
                folder, _, base = name.rpartition("/")
                content = self._recorder.download_bytes(f"targets/{folder}/{info.hashes['sha256']}.{base}", info.length)
                info.verify_length_and_hashes(content)
                found[name] = Target(content, info.custom if isinstance(info.custom, dict) else {})
        return found

    def _check_target(self, role: str, name: str, info: TargetFile) -> None:
        folder, _, rest = name.partition("/")
        if folder != role or not (_KEY_NAME.fullmatch(rest) or _STATUS_NAME.fullmatch(rest)):
            raise self._refuse(role, f"lists {quoted(name)!a}, which is no key and no status list of {role}")
        if self._client.get_targetinfo(name) is not info:
            raise self._refuse(role, f"lists {name}, which is not delegated to {role}")
        if not _SHA256.fullmatch(info.hashes.get("sha256", "")):
            raise self._refuse(role, f"has no SHA-256 of {name}")

    def _expired(self) -> TrustError:
        """What the client found expired, with the times, which it does not say."""
        at = self._trusted.reference_time
        loaded: list[Signed] = [self._trusted[role] for role in TOP_ROLES if role in self._trusted]
        expired = next((signed for signed in loaded if signed.is_expired(at)), None)
        if expired is None:  # one that is not loaded when it is expired: targets, or a region's
            expired = Metadata[Any].from_bytes(self._recorder.files[self._recorder.asked]).signed
            file = self._recorder.asked
        else:
            file = self._file(expired.type)
        return _error(self._recorder, file, f"expired on {expired.expires:{_TIME}}; here it is {at:{_TIME}}", _EXPIRED)

    def _file(self, role: str) -> str:
        return metadata_name(role, self._trusted[role].version)

    def _refuse(self, role: str, how: str) -> TrustError:
        return _error(self._recorder, self._file(role), how, _ASK_KEEPERS)


def _refusal(error: Exception, recorder: _Recorder) -> TrustError:
    """The client's exception as one line about the file it was looking at."""
    match error:
        case exceptions.DownloadHTTPError(__cause__=NotInSource() as missing):
            return TrustError(missing.what, missing.remedy)
        case exceptions.DownloadLengthMismatchError():
            how = f"is too long ({quoted(error)})"
        case exceptions.UnsignedMetadataError():
            how = f"has too few valid signatures ({quoted(error)})"
        case DeserializationError():
            how = f"is not TUF metadata ({quoted(error.__cause__ or error)})"
        case exceptions.RepositoryError():
            how = quoted(error) or type(error).__name__
        case _:
            how = f"cannot be verified ({type(error).__name__}: {quoted(error)})"
    return _error(recorder, recorder.asked, how, _TAKE_ANOTHER)


def _error(recorder: _Recorder, file: str, how: str, remedy: str) -> TrustError:
    return TrustError(f"{recorder.source.name}: {file}: {how}", remedy)


def _public_key(key: Key) -> bytes:
    """The key itself, whatever it is called and however it is spelled.

    Raises:
        ValueError: It is none.
    """
    public = key.keyval["public"]
    if key.keytype != "ed25519":
        return load_pem_public_key(public.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    raw = bytes.fromhex(public)
    if not is_valid_point(raw):
        raise ValueError("not a valid Ed25519 point")
    return raw
