"""The regions' pass keys from a signed directory, pinned to one root key.

    <directory>/
      manifest.json             names every target with its SHA-256 and its validity; has a version
      manifest.sig              64 bytes: the root key's Ed25519 signature over manifest.json as it stands
      hk/<kid>.cbor             COSE_Key (RFC 9052, 7), deterministic CBOR, 40 bytes
      mo/<kid>.cbor

The targets lie as The Update Framework will have them: the region is the folder, the name is the kid (the first 8 bytes of the
COSE_Key's SHA-256, RFC 9679, in hex).

Rules, each a refusal of the whole directory (a part of a key set is never used):
    - the signature is checked before the manifest is parsed; the manifest's version is at least the configured floor;
    - every file is a regular file, not a link, not larger than its kind; nothing unnamed lies beside them;
    - content has the named hash, is exactly a COSE_Key of Ed25519, its kid is its name, its key is a valid point;
    - one key belongs to one region.

Does not fetch, does not rotate the root, has no expiry of its own beyond each key's: thresholds, roles and freshness come with
the TUF client. Reads once; a changed directory is read by loading it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from nacl import bindings
from nacl.exceptions import BadSignatureError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gate_controller.core.values import Region
from gate_controller.ports.errors import ConfigurationError, StoreError
from gate_controller.ports.services import VerifyingKey

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
MANIFEST_TYPE = "pass-key-directory"

_REGION_OF_FOLDER = {"hk": Region.HK, "mo": Region.MO}
_MAX_MANIFEST_BYTES = 64 * 1024
_MAX_KEYS = 256
_SIGNATURE_BYTES = 64
_KEY_BYTES = 32
_KID_BYTES = 8
_MAX_TIME = 1 << 33
# {1: 1 (OKP), -1: 6 (Ed25519), -2: <32 bytes>}; this order is the deterministic one.
_COSE_KEY_HEAD = b"\xa3\x01\x01\x20\x06\x21\x58\x20"
_COSE_KEY_BYTES = len(_COSE_KEY_HEAD) + _KEY_BYTES
_FETCH_AGAIN = "import the current key directory again"

_Time = Annotated[int, Field(ge=0, le=_MAX_TIME)]


class _Target(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    not_before: _Time
    not_after: _Time


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    type: Literal["pass-key-directory"]
    version: Annotated[int, Field(ge=1, le=_MAX_TIME)]
    targets: Annotated[dict[Annotated[str, Field(pattern=r"^(hk|mo)/[0-9a-f]{16}\.cbor$")], _Target], Field(min_length=1, max_length=_MAX_KEYS)]


class KeyDirectory:
    """Implements ports.services.KeyTable; immutable.

    Attributes:
        version: Version of the manifest.
        keys: The keys by kid.
    """

    def __init__(self, version: int, keys: Mapping[bytes, VerifyingKey]) -> None:
        self.version = version
        self.keys = dict(keys)
        self._table = {header: key for kid, key in keys.items() for header in protected_headers(kid)}

    def lookup(self, protected: bytes) -> VerifyingKey | None:
        """See ports.services.KeyTable."""
        return self._table.get(protected)


def protected_headers(kid: bytes) -> tuple[bytes, bytes]:
    """The only two protected headers a pass of this key may carry: `{1: alg, 4: kid, 16: 65001}`, alg -8 and -19.

    EdDSA (-8, RFC 9053) and Ed25519 (-19, RFC 9864) mean the same with these keys, so both are rows of the table.
    """
    after_alg = b"\x04\x48" + kid + b"\x10\x19\xfd\xe9"
    return b"\xa3\x01\x27" + after_alg, b"\xa3\x01\x32" + after_alg


def load_key_directory(path: Path, root_key: str, *, minimum_version: int = 1) -> KeyDirectory:
    """Read and verify a key directory.

    Args:
        path: The directory.
        root_key: The pinned root's public key, 64 hex digits.
        minimum_version: Oldest manifest version accepted: an old, genuine directory brings withdrawn keys back.

    Raises:
        ConfigurationError: `root_key` is not a usable Ed25519 public key.
        StoreError: The directory cannot be read, or breaks any rule of this module.
    """
    root = _root_key(root_key)
    with _Reader(path) as reader:
        manifest = _manifest(reader, path, root)
        if manifest.version < minimum_version:
            msg = f"key directory {path} has version {manifest.version}, at least {minimum_version} expected"
            raise StoreError(msg, _FETCH_AGAIN)
        reader.require_only(manifest.targets.keys())
        keys: dict[bytes, VerifyingKey] = {}
        for name, target in manifest.targets.items():
            kid, key = _key(reader, path, name, target)
            if kid in keys:
                msg = f"key directory {path}: {name} is a key of both regions"
                raise StoreError(msg, "ask the regions which of them owns it")
            keys[kid] = key
    return KeyDirectory(manifest.version, keys)


def _root_key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if not bindings.has_crypto_core_ed25519:
        raise ConfigurationError("libsodium cannot validate Ed25519 points (a minimal build)", "install a full libsodium, or the pynacl wheel that bundles one")
    if len(text) != 2 * _KEY_BYTES or len(key) != _KEY_BYTES or not bindings.crypto_core_ed25519_is_valid_point(key):
        raise ConfigurationError("the pinned root key is not an Ed25519 public key", "give its 64 hex digits")
    return key


def _manifest(reader: _Reader, path: Path, root: bytes) -> _Manifest:
    content = reader.read(MANIFEST, _MAX_MANIFEST_BYTES)
    signature = reader.read(SIGNATURE, _SIGNATURE_BYTES)
    if not _is_signed(signature, content, root):
        msg = f"key directory {path}: {SIGNATURE} is not the pinned root's signature over {MANIFEST}"
        raise StoreError(msg, f"{_FETCH_AGAIN}, and compare the pinned root key")
    try:
        return _Manifest.model_validate(json.loads(content, object_pairs_hook=_no_duplicates))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"key directory {path}: {MANIFEST}: {where!a}: {first['msg']}"
        raise StoreError(msg, "the root signed a manifest of another form: ask its keeper") from error
    except (ValueError, RecursionError) as error:
        msg = f"key directory {path}: {MANIFEST} is not JSON of the expected form"
        raise StoreError(msg, "the root signed a manifest of another form: ask its keeper") from error


def _is_signed(signature: bytes, content: bytes, key: bytes) -> bool:
    if len(signature) != _SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + content, key)
    except BadSignatureError:
        return False
    return True


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _key(reader: _Reader, path: Path, name: str, target: _Target) -> tuple[bytes, VerifyingKey]:
    content = reader.read(name, _COSE_KEY_BYTES)

    def refuse(what: str) -> StoreError:
        return StoreError(f"key directory {path}: {name} {what}", _FETCH_AGAIN)

    digest = hashlib.sha256(content)
    if digest.hexdigest() != target.sha256:
        raise refuse("has another hash than the manifest names")
    if len(content) != _COSE_KEY_BYTES or not content.startswith(_COSE_KEY_HEAD):
        raise refuse("is not an Ed25519 COSE_Key in deterministic CBOR")
    folder, _, _ = name.partition("/")
    kid = digest.digest()[:_KID_BYTES]
    if name != f"{folder}/{kid.hex()}.cbor":
        msg = f"holds the key {kid.hex()}"
        raise refuse(msg)
    if not target.not_before < target.not_after:
        raise refuse("is never valid: not_before is not before not_after")
    public = content[len(_COSE_KEY_HEAD) :]
    if not bindings.crypto_core_ed25519_is_valid_point(public):
        raise refuse("is not a valid Ed25519 point")
    return kid, VerifyingKey(public, _REGION_OF_FOLDER[folder], target.not_before, target.not_after)


class _Reader:
    """Reads regular files below one directory, never through a link, never more than allowed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folders: dict[str, int] = {}

    def __enter__(self) -> Self:
        try:
            self._folders[""] = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise self._fault("", error) from error
        try:
            for folder in _REGION_OF_FOLDER:
                self._open_folder(folder)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        while self._folders:
            os.close(self._folders.popitem()[1])

    def read(self, name: str, max_bytes: int) -> bytes:
        """Content of a file, `name` relative to the directory.

        Raises:
            StoreError: It is missing, a link, no regular file, longer than `max_bytes`, or cannot be read.
        """
        folder, _, base = name.rpartition("/")
        if folder not in self._folders:
            msg = f"key directory {self._path}: {name} is missing"
            raise StoreError(msg, _FETCH_AGAIN)
        try:
            descriptor = os.open(base, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._folders[folder])
        except OSError as error:
            raise self._fault(name, error) from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                msg = f"key directory {self._path}: {name} is not a regular file"
                raise StoreError(msg, _FETCH_AGAIN)
            content = b""
            while len(content) <= max_bytes and (part := os.read(descriptor, max_bytes + 1 - len(content))):
                content += part
        except OSError as error:
            raise self._fault(name, error) from error
        finally:
            os.close(descriptor)
        if len(content) > max_bytes:
            msg = f"key directory {self._path}: {name} is larger than {max_bytes} bytes"
            raise StoreError(msg, _FETCH_AGAIN)
        return content

    def require_only(self, targets: Collection[str]) -> None:
        """Refuse anything beside the manifest, its signature and the named targets.

        Raises:
            StoreError: Something else lies there.
        """
        allowed = {MANIFEST, SIGNATURE, *_REGION_OF_FOLDER}
        for folder, descriptor in self._folders.items():
            try:
                entries = os.listdir(descriptor)  # noqa: PTH208 - a Path has no directory descriptor
            except OSError as error:
                raise self._fault(folder, error) from error
            for entry in entries:
                name = f"{folder}/{entry}" if folder else entry
                if name not in (targets if folder else allowed):
                    msg = f"key directory {self._path}: {name!a} is not named in the manifest"
                    raise StoreError(msg, "remove it, or import the key directory again")

    def _open_folder(self, folder: str) -> None:
        try:
            self._folders[folder] = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self._folders[""])
        except FileNotFoundError:
            return  # a region without keys; a target named in it is missing then
        except OSError as error:
            raise self._fault(folder, error) from error

    def _fault(self, name: str, error: OSError) -> StoreError:
        where = f"key directory {self._path}" + (f": {name}" if name else "")
        if isinstance(error, PermissionError):
            return StoreError(f"{where} may not be read", "make it readable for the gate's user")
        if isinstance(error, FileNotFoundError):
            return StoreError(f"{where} is missing", _FETCH_AGAIN)
        return StoreError(f"{where} cannot be read: {error.strerror or error}", "it must be a plain directory of plain files, no links")
