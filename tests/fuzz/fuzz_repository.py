"""Fuzz target: a trust repository with something wrong in it, through the verification and into a view.

    byte 0, modulo 4    0 a file's content is the rest  1 a piece of a file is replaced: two bytes where, one how much, the rest instead
                        2 the rest is what a role signs  3 one value in what a role signs is replaced: two bytes which, the rest in JSON instead
    byte 1              which file, or which role

In 0 and 1 nobody signs: the repository is refused, or it is still what it was. In 2 and 3 the role's own keys sign, as many as are needed, as if its officers were careless or bribed: whatever
is taken then must keep the rules that no signature changes, and must be the same when it is verified again from its own files, as a gate does at each start.
Nothing but a GateError of one line may be raised.
"""

from __future__ import annotations

import functools
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

from securesystemslib.formats import encode_canonical
from securesystemslib.signer import Signer

from gate_controller.core.values import Region
from gate_controller.ports.errors import GateError
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.names import parts_of
from gate_controller.trust.repository import MAX_TARGET_BYTES, VerifiedRepository, verify_repository
from gate_controller.trust.sources import MemorySource
from gate_controller.trust.view import LatestTime, build_view
from simulators.authority import Authorities
from simulators.repository import TrustRepository

CONTENT, PIECE, SIGNED, VALUE = MODES = range(4)
NOW = 1_800_000_000
ROLES = ("root", "timestamp", "snapshot", "targets", "hk", "mo")
BUDGET = FreshnessBudget()


class Published:
    """The genuine repository: its files, and its keys."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            repository = TrustRepository(directory, Authorities("fuzz"), NOW - 7200)
            self.first_root = repository.first_root
            for region in repository.regions.values():
                region.status_size = 64
            before = repository.signers["root"]
            repository.rotate("root", NOW - 3600)
            self.signers: dict[str, list[Signer]] = {**repository.signers, "root": [*before, *repository.signers["root"]]}
            self.names = {
                role: f"metadata/{'' if role == 'timestamp' else f'{metadata.signed.version}.'}{role}.json" for role, metadata in repository.metadata.items()
            }
            everything = {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}
        self.verified = verify_repository(self.first_root, MemorySource(everything), at=NOW)
        self.files = dict(self.verified.files)
        self.file_names = sorted(self.files)


@functools.cache
def published() -> Published:
    """Made once, when it is needed."""
    return Published()


def packed(mode: int, where: str, content: bytes) -> bytes:
    """The input that means this: for seeds."""
    names = published().file_names if mode in (CONTENT, PIECE) else ROLES
    return bytes((mode, names.index(where))) + content


def one_input(data: bytes) -> None:
    """Verify, and check what was taken."""
    if len(data) < 2:
        return
    genuine = published()
    files, signed = changed(data)
    verified = _verified(files)
    if verified is None:
        return
    if not signed:
        assert _meaning(verified) == _meaning(genuine.verified), "a change that nobody signed was taken"
    _check(verified)
    again = _verified(dict(verified.files))
    assert again is not None, "what was verified cannot be verified from its own files"
    assert _meaning(again) == _meaning(verified), "what was verified is something else the second time"
    try:
        view = build_view(verified, BUDGET, LatestTime(NOW))
    except GateError as error:
        _require_one_line(error)
        return
    for region in Region:
        view.freshness(region, NOW)


def changed(data: bytes) -> tuple[dict[str, bytes], bool]:
    """The files an input stands for, and whether the change in them is signed."""
    genuine, mode, content = published(), data[0] % len(MODES), data[2:]
    files = dict(genuine.files)
    if mode in (CONTENT, PIECE):
        name = genuine.file_names[data[1] % len(genuine.file_names)]
        if mode == PIECE:
            old, at = files[name], int.from_bytes(content[:2], "big")
            content = old[:at] + content[3:] + old[at + (content[2] if len(content) > 2 else 0) :]
        files[name] = content
        return files, False
    role = ROLES[data[1] % len(ROLES)]
    if mode == SIGNED:
        files[genuine.names[role]] = _signed(role, content)
    else:
        value = json.loads(files[genuine.names[role]])["signed"]
        _replace(value, int.from_bytes(content[:2], "big"), _json(content[2:]))
        files[genuine.names[role]] = _signed(role, json.dumps(value).encode())
    return files, True


def _verified(files: dict[str, bytes]) -> VerifiedRepository | None:
    try:
        return verify_repository(published().first_root, MemorySource(files), at=NOW)
    except GateError as error:
        _require_one_line(error)
        return None


def _require_one_line(error: GateError) -> None:
    assert str(error).isprintable(), "the refusal is not one printable line"
    assert error.remedy, "the refusal says no remedy"


def _meaning(verified: VerifiedRepository) -> tuple[Any, ...]:
    return dict(verified.versions), dict(verified.expires), dict(verified.targets)


def _check(verified: VerifiedRepository) -> None:
    """Rules that no signature changes."""
    assert set(verified.versions) == set(ROLES)
    assert all(type(version) is int and 1 <= version < 1 << 31 for version in verified.versions.values())
    for name in (*verified.files, *verified.targets):
        parts_of(name)
    assert all(name.split("/")[0] in ("hk", "mo") for name in verified.targets)
    assert sum(len(target.content) for target in verified.targets.values()) <= MAX_TARGET_BYTES


def _signed(role: str, content: bytes) -> bytes:
    """Metadata around this content, with the role's signatures over it."""
    value = _json(content)
    try:
        covered = encode_canonical(value).encode()
    except Exception:  # noqa: BLE001 - what has no canonical form cannot be signed; the parser must refuse it
        covered = content
    signatures = [{"keyid": signature.keyid, "sig": signature.signature} for signature in (signer.sign(covered) for signer in published().signers[role])]
    return json.dumps({"signatures": signatures, "signed": value}).encode()


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content.decode(errors="replace")


def _replace(value: Any, index: int, new: Any) -> None:
    """Put `new` into one of all the places there are in a JSON value; one past the end of an object or a list adds to it."""
    places = list(_places(value))
    container, key = places[index % len(places)]
    if isinstance(container, list) and key == len(container):
        container.append(new)
    else:
        container[key] = new


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        own = [(value, key) for key in value] + [(value, "added")]
        return itertools.chain(own, *map(_places, list(value.values())))
    if isinstance(value, list):
        own = [(value, at) for at in range(len(value) + 1)]
        return itertools.chain(own, *map(_places, list(value)))
    return iter(())
