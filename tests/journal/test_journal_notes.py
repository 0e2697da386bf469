"""Signed notes against known answers of other implementations, and everything that is no checkpoint."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_controller.journal.notes import Checkpoint, NoteError, Signer, VerifierKey, open_checkpoint
from tests.journal import independent

SIGNER = Signer("e-channel/MO-GB-07/journal", b"k" * 32)
NOTE = SIGNER.sign(5, b"r" * 32)
LINE = NOTE.split("\n")[4]


def test_a_known_key_and_signature():
    # golang.org/x/mod/sumdb/note, its test's key and note; the note is no checkpoint.
    key = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert key.key_id.hex() == "c74f20a3"
    assert str(key) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    with pytest.raises(NoteError, match="not a checkpoint"):
        open_checkpoint(f"{text}\n— PeterNeumann {signature}\n", key)
    # As a checkpoint would be, the same signature over another text must not pass.
    with pytest.raises(NoteError, match="does not verify"):
        open_checkpoint(f"PeterNeumann\n1\n{base64.b64encode(bytes(32)).decode()}\n\n— PeterNeumann {signature}\n", key)


def test_a_checkpoint_is_as_the_specification_writes_it():
    assert NOTE.split("\n")[:4] == ["e-channel/MO-GB-07/journal", "5", base64.b64encode(b"r" * 32).decode(), ""]
    assert NOTE.endswith("\n")
    assert NOTE.count("\n") == 5
    assert open_checkpoint(NOTE, SIGNER.key) == Checkpoint(SIGNER.key.name, 5, b"r" * 32)
    assert independent.opened(NOTE, str(SIGNER.key)) == (5, b"r" * 32)


def test_signatures_of_others_are_passed_over_and_ones_own_must_verify():
    witness = Signer("witness.example", b"w" * 32)
    other = witness.sign(5, b"r" * 32).split("\n")[4]
    assert open_checkpoint(f"{NOTE}{other}\n", SIGNER.key).size == 5
    same_name = Signer(SIGNER.key.name, b"x" * 32).sign(5, b"r" * 32).split("\n")[4]
    assert open_checkpoint(f"{NOTE}{same_name}\n", SIGNER.key).size == 5
    broken = f"— {SIGNER.key.name} {base64.b64encode(SIGNER.key.key_id + bytes(64)).decode()}"
    with pytest.raises(NoteError, match="does not verify"):
        open_checkpoint(f"{NOTE}{broken}\n", SIGNER.key)


def test_extension_lines_are_read_over():
    text = f"{Checkpoint(SIGNER.key.name, 5, bytes(32)).text()}time 7\n"
    signature = SIGNER._private.sign(text.encode()).signature
    note = f"{text}\n— {SIGNER.key.name} {base64.b64encode(SIGNER.key.key_id + signature).decode()}\n"
    assert open_checkpoint(note, SIGNER.key).size == 5


@pytest.mark.parametrize(
    ("note", "how"),
    [
        ("", "not a signed note"),
        (NOTE[:-1], "not a signed note"),
        (NOTE.replace("\n\n", "\n"), "not a signed note"),
        (NOTE.replace("\n\n", "\n\r\n\n"), "not a signed note"),
        (NOTE * 2000, "not a signed note"),
        (NOTE.replace("— ", "- "), "a signature line is malformed"),
        (NOTE.replace("— ", "—  "), "a signature line is malformed"),
        (NOTE[:-3] + "\n", "a signature line is malformed"),
        (NOTE.replace("\n5\n", "\n05\n"), "not a checkpoint"),
        (NOTE.replace("\n5\n", "\n-5\n"), "not a checkpoint"),
        (NOTE.replace("\n5\n", "\n\u0665\n"), "not a checkpoint"),
        (NOTE.replace("\n5\n", "\n5.0\n"), "not a checkpoint"),
        (NOTE.replace("\n5\n", "\n99999999999999999999\n"), "not a checkpoint"),
        (NOTE.replace("cnJy", "cnJ", 1), "not a checkpoint"),
        (NOTE.replace("\n5\n", "\n6\n"), "does not verify"),
        (NOTE.replace("cnJy", "cnJz", 1), "does not verify"),
        (NOTE.replace("GB-07", "GB-08"), "it is of 'e-channel/MO-GB-08/journal', not of 'e-channel/MO-GB-07/journal'"),
        (Signer(SIGNER.key.name, b"x" * 32).sign(5, b"r" * 32), "not signed by the key"),
        (f"{SIGNER.key.name}\n5\n\n{LINE}\n", "not a checkpoint"),
    ],
)
def test_what_is_no_checkpoint_of_this_gate_is_refused(note, how):
    with pytest.raises(NoteError, match=how):
        open_checkpoint(note, SIGNER.key)


@given(st.text() | st.tuples(st.integers(0, len(NOTE) - 1), st.characters()).map(lambda at: NOTE[: at[0]] + at[1] + NOTE[at[0] + 1 :]))
def test_nothing_else_opens(note):
    if note != NOTE:
        with pytest.raises(NoteError):
            open_checkpoint(note, SIGNER.key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+c74f20a3",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumans+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AQ==",
    ],
)
def test_what_is_no_verifier_key_is_refused(text):
    with pytest.raises(NoteError, match="not a verifier key"):
        VerifierKey.parse(text)
