from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from nacl.public import PublicKey, SealedBox

from gate_controller.enrolment import keys
from gate_controller.enrolment.data_key import DataKey
from gate_controller.enrolment.keys import MasterKey
from gate_controller.ports.errors import StoreError

SECRET = bytes(range(100, 132))


def key_file(tmp_path: Path, content: bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("content", [SECRET, SECRET.hex().encode(), SECRET.hex().upper().encode() + b"\n"])
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_file_of_its_owner_is_read(tmp_path: Path, content: bytes, mode: int) -> None:
    assert MasterKey.from_file(key_file(tmp_path, content, mode)).secret == SECRET


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o700, 0o660, 0o4600])
def test_a_key_file_open_to_others_is_refused_with_its_mode(tmp_path: Path, mode: int) -> None:
    with pytest.raises(StoreError, match=f"mode {mode:04o}") as caught:
        MasterKey.from_file(key_file(tmp_path, SECRET, mode))
    assert "chmod 600" in caught.value.remedy


@pytest.mark.parametrize(
    "content",
    [b"", SECRET[:31], SECRET + b"\n", SECRET.hex().encode()[:62], b"z" * 64, bytes(32), b"0" * 64, SECRET.hex()[:32].encode(), b"\xff" * 300],
    ids=["empty", "31 bytes", "33 bytes", "62 digits", "not hexadecimal", "zeros", "zeros in hexadecimal", "half a key in hexadecimal", "long"],
)
def test_what_is_not_a_key_is_refused_without_quoting_it(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(StoreError, match="not a key of 32 bytes") as caught:
        MasterKey.from_file(key_file(tmp_path, content))
    assert "openssl rand" in caught.value.remedy
    if content:
        assert content[:8].decode("latin-1") not in str(caught.value)


def test_a_missing_key_a_directory_a_fifo_and_a_socket_are_refused(tmp_path: Path) -> None:
    fifo, unix = tmp_path / "fifo", tmp_path / "socket"
    os.mkfifo(fifo, 0o600)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(unix))
        for path in (tmp_path / "missing", tmp_path, fifo, unix):
            with pytest.raises(StoreError, match=r"^master key .*: "):
                MasterKey.from_file(path)


def test_a_key_file_the_user_may_not_read_is_refused(open_directory: Path, without_root: Callable[[], AbstractContextManager[None]]) -> None:
    path = key_file(open_directory, SECRET, 0o000)
    with without_root(), pytest.raises(StoreError, match="Permission denied"):
        MasterKey.from_file(path)


def test_a_key_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = key_file(tmp_path, SECRET)
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StoreError, match="another user"):
        MasterKey.from_file(path)


@pytest.mark.parametrize("mode", [0o400, 0o440])
def test_a_systemd_credential_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert MasterKey.from_credential(key_file(tmp_path, SECRET, mode).name).secret == SECRET


def test_a_credential_that_others_may_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(StoreError, match="mode 0444"):
        MasterKey.from_credential(key_file(tmp_path, SECRET, 0o444).name)


def test_without_credentials_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(StoreError, match="CREDENTIALS_DIRECTORY is not set"):
        MasterKey.from_credential("enrolment-master")


@pytest.mark.parametrize("name", ["", "../etc/shadow", ".", "..", "a/b"])
def test_a_credential_name_cannot_leave_its_directory(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(StoreError, match="not the name of a credential"):
        MasterKey.from_credential(name)


def test_a_reading_never_shows_the_secret() -> None:
    assert SECRET.hex() not in repr(MasterKey(SECRET, "here"))
    assert "_secret" not in repr(DataKey.generate())


def test_derived_keys_are_those_of_rfc_5869() -> None:
    # An independent implementation of HKDF-Expand.
    assert keys.derive(SECRET, "enrolment/index/1") == HKDFExpand(hashes.SHA256(), 32, b"enrolment/index/1").derive(SECRET)


def test_a_data_key_opens_only_under_its_own_master_key_and_id() -> None:
    master, other = MasterKey(SECRET, ""), MasterKey(bytes(32), "")
    key = DataKey.generate()
    wrapped = key.wrap(master)
    opened = DataKey.unwrap(wrapped, key.key_id, master)
    assert opened is not None
    assert opened.record_id(b"x") == key.record_id(b"x")
    assert DataKey.unwrap(wrapped, key.key_id, other) is None
    assert DataKey.unwrap(wrapped, b"x" * 8, master) is None
    for place in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[place] ^= 1
        assert DataKey.unwrap(bytes(changed), key.key_id, master) is None
    assert DataKey.unwrap(b"", key.key_id, master) is None


def test_a_sealed_record_opens_only_under_its_id_and_version() -> None:
    key = DataKey.generate()
    record_id = key.record_id(b"reference")
    sealed = key.seal_record(record_id, 7, b"plain")
    assert b"plain" not in sealed
    assert key.open_record(record_id, 7, sealed) == b"plain"
    assert key.open_record(record_id, 8, sealed) is None
    assert key.open_record(key.record_id(b"another"), 7, sealed) is None
    assert DataKey.generate().open_record(record_id, 7, sealed) is None
    assert key.seal_record(record_id, 7, b"plain") != sealed, "a nonce must not repeat"


def test_a_bucket_is_proved_with_its_number_its_size_and_every_entry() -> None:
    key = DataKey.generate()
    buckets = [(2, 0, b"entries"), (2, 1, b"entries"), (3, 0, b"entries"), (2, 0, b"entrie"), (2, 0, b"entrles"), (2, 0, b"")]
    assert len({key.prove_bucket(*bucket) for bucket in buckets}) == 6
    assert DataKey.generate().prove_bucket(*buckets[0]) != key.prove_bucket(*buckets[0])


def test_the_transport_key_opens_what_was_sealed_to_it_and_nothing_else(master: MasterKey) -> None:
    sealed = SealedBox(PublicKey(master.transport_public)).encrypt(b"content key")
    assert master.unseal_transported(sealed) == b"content key"
    assert master.unseal_transported(sealed[:-1]) is None
    assert master.unseal_transported(b"") is None
    assert MasterKey(bytes(range(2, 34)), "other").unseal_transported(sealed) is None


def test_a_pseudonym_is_the_same_each_time_and_leads_nowhere_without_the_key(master: MasterKey) -> None:
    assert master.pseudonym(b"r" * 16) == master.pseudonym(b"r" * 16)
    assert len({master.pseudonym(b"r" * 16), master.pseudonym(b"s" * 16), MasterKey(bytes(range(2, 34)), "other").pseudonym(b"r" * 16)}) == 3
