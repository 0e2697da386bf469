"""A verifier of journals that shares no code with the program that writes them: standard library and `cryptography` alone.

    python tests/journal/independent.py KEY EXPORT.jsonl [CHECKPOINT ...]

Written from RFC 6962 and 9162, RFC 8785, c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-proof and docs/journal.md. It can be handed to
whoever is handed an export. Everything wrong ends as Refused (exit code 1).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import sqlite3
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Refused(Exception):  # noqa: N818 - what it says
    """What is wrong, in one line."""


def must(holds, what):
    if not holds:
        raise Refused(what)


def refusing(check):
    """What reads a stranger's bytes: whatever they make fail is a refusal. The one place for it."""

    @functools.wraps(check)
    def checked(*arguments):
        try:
            return check(*arguments)
        except Refused:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, sqlite3.Error) as error:
            message = f"not of the form that it must have ({type(error).__name__})"
            raise Refused(message) from None

    return checked


# -- RFC 8785, for what a journal holds --------------------------------------------------------------------------------


def canonical(value):
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        must(abs(value) < 2**53, "a number that not every JSON reader keeps")
        return str(value)
    if isinstance(value, str):
        return '"' + "".join(map(escaped, value)) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    must(isinstance(value, dict), "a value that is no JSON of a journal")
    return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in sorted(value, key=lambda key: key.encode("utf-16-be"))) + "}"


def escaped(character):
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return short.get(character) or (f"\\u{ord(character):04x}" if character < " " else character)


# -- RFC 6962 2.1 and RFC 9162 2.1.3.2, 2.1.4.2 ---------------------------------------------------------------------------


def sha256(data):
    return hashlib.sha256(data).digest()


def hash_of_leaf(data):
    return sha256(b"\x00" + data)


def hash_of_node(left, right):
    return sha256(b"\x01" + left + right)


def tree_hash(hashes):
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"")
    half = 1
    while half * 2 < len(hashes):
        half *= 2
    return hash_of_node(tree_hash(hashes[:half]), tree_hash(hashes[half:]))


def check_inclusion(leaf, index, size, path, root):
    must(0 <= index < size, "the leaf is not in the tree")
    first, last, found = index, size - 1, leaf
    for node in path:
        must(last > 0, "the path is too long")
        if first & 1 or first == last:
            found = hash_of_node(node, found)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            found = hash_of_node(found, node)
        first, last = first >> 1, last >> 1
    must(last == 0, "the path is too short")
    must(found == root, "the path does not lead to the root")


def check_consistency(old, old_root, new, new_root, path):
    must(0 <= old <= new, "the older tree is the larger one")
    if old in {0, new}:
        must(not path and (old == 0 or old_root == new_root), "two roots of one size, or a path where there is none")
        return
    path = list(path)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    must(path, "the path is empty")
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    older = newer = path[0]
    for node in path[1:]:
        must(last > 0, "the path is too long")
        if first & 1 or first == last:
            older, newer = hash_of_node(node, older), hash_of_node(node, newer)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            newer = hash_of_node(newer, node)
        first, last = first >> 1, last >> 1
    must(last == 0, "the path is too short")
    must((older, newer) == (old_root, new_root), "the newer tree does not begin with the older one")


# -- signed notes --------------------------------------------------------------------------------------------------------


@refusing
def opened(note, key):
    """Origin, size and root of a checkpoint that `key` signed."""
    name, key_hash, data = key.strip().split("+", 2)
    public = base64.b64decode(data, validate=True)
    must(public[:1] == b"\x01" and len(public) == 33, "not an Ed25519 key")
    key_id = sha256(name.encode() + b"\n" + public)[:4]
    must(key_id.hex() == key_hash, "the key's hash is not its own")
    text, separator, signatures = note.rpartition("\n\n")
    must(separator and signatures.endswith("\n"), "not a signed note")
    text += "\n"
    good = 0
    for line in signatures[:-1].split("\n"):
        words = line.split(" ")
        must(len(words) == 3 and words[0] == "—", "not a signature line")
        _, signer, encoded = words
        signature = base64.b64decode(encoded, validate=True)
        if (signer, signature[:4]) == (name, key_id):
            try:
                Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], text.encode())
            except InvalidSignature:
                raise Refused("the signature does not verify") from None
            good += 1
    must(good, "not signed by the key")
    origin, size, root = text[:-1].split("\n")[:3]
    must(origin == name, "the checkpoint of another log")
    must(str(int(size)) == size, "a size that is no number")
    return int(size), base64.b64decode(root, validate=True)


# -- the journal -----------------------------------------------------------------------------------------------------------


def check_row(leaf, salt, body):
    """A row's body against its leaf; both as JSON values."""
    must(leaf.keys() == {"commitment", "crossing_id", "kind", "label", "number", "personal", "wall_ms"}, "a leaf of another form")
    if body is None:
        must(leaf["personal"], "a body that is not personal is missing")
        return
    must(sha256(bytes.fromhex(salt) + canonical(body).encode()).hex() == leaf["commitment"], "the body is not the one that was committed to")
    must((body["kind"], body.get("crossing_id"), body["wall_ms"]) == (leaf["kind"], leaf["crossing_id"], leaf["wall_ms"]), "body and leaf differ")
    must(leaf["label"] == body.get("event", body.get("outcome", "")), "body and leaf differ")


def check_place(line, size, root):
    """That a row of an export is under the checkpoint; returns its number."""
    check_row(line["leaf"], line["salt"], line["body"])
    number = line["leaf"]["number"]
    must(type(number) is int, "a row without a number")
    path = [base64.b64decode(node, validate=True) for node in line["proof"]]
    check_inclusion(hash_of_leaf(canonical(line["leaf"]).encode()), number - 1, size, path, root)
    return number


def check_time(leaf, before, said):
    """A row's time against that of the row before it, whose body is `said`."""
    if before is not None and leaf["wall_ms"] < before["wall_ms"]:
        announced = before["label"] == "time_went_back" and said["fields"]["to_ms"] == str(leaf["wall_ms"])
        must(announced, f"time goes back at row {leaf['number']}, and no row says to when")


def check_deleted(leaf, body, gone):
    """That a body is missing if, and only if, a row says that it was deleted."""
    due = leaf["personal"] and leaf["number"] <= gone
    must(body is not None or due, f"a body is gone without a word: row {leaf['number']}")
    must(body is None or not due, f"a body that was deleted is there: row {leaf['number']}")


def deleted_through(leaf, body):
    """Up to which row the bodies are deleted, by the row that says so."""
    must(leaf["label"] == "contents_deleted" and leaf["kind"] == "event", "not a row that says what was deleted")
    text = body["fields"]["through"]
    must(text.isascii() and text.isdecimal() and 0 < int(text) < leaf["number"], "a row deletes what was not yet written")
    return int(text)


@refusing
def check_export(lines, key, kept=()):
    """An export's lines: rows without a gap, up to any row. Returns what it proves, by number.

    An export from another row than the first can only be compared with a kept checkpoint of its own size; check_continuation() does the rest.
    """
    head, *exported = (json.loads(line) for line in lines)
    must(head.keys() == {"verifier_key", "checkpoint", "deletion"}, "a first line of another form")
    must(head["verifier_key"] == key.strip(), "the export of another gate, by its first line")
    must(exported, "no rows")
    size, root = opened(head["checkpoint"], key)
    gone, found, before = 0, {}, None
    if head["deletion"] is not None:
        check_place(head["deletion"], size, root)
        gone = deleted_through(head["deletion"]["leaf"], head["deletion"]["body"])
    for line in exported:
        must(line.keys() == {"leaf", "salt", "body", "proof"}, "a line of another form")
        leaf, body = line["leaf"], line["body"]
        number = check_place(line, size, root)
        must(before is None or number == before["leaf"]["number"] + 1, f"row {number} does not follow the one before it")
        check_deleted(leaf, body, gone)
        check_time(leaf, before and before["leaf"], before and before["body"])
        if leaf["label"] == "contents_deleted":
            must(head["deletion"] is not None and number <= head["deletion"]["leaf"]["number"], "the first line does not name the last deletion")
        found[number] = before = line
    for note in kept:
        old, old_root = opened(note, key)
        must(old <= size, "rolled back behind a checkpoint that was kept")
        if old == size:
            must(old_root == root, "forked from a checkpoint that was kept")
            continue
        must(1 in found and old in found, f"rows 1 to {old} are needed to compare it with the checkpoint that was kept; or a proof: prove --since")
        leaves = [hash_of_leaf(canonical(found[number]["leaf"]).encode()) for number in range(1, old + 1)]
        must(tree_hash(leaves) == old_root, "forked from a checkpoint that was kept")
    return found


@refusing
def check_proof(text, key):
    """A tlog-proof; returns the leaf that it proves."""
    proof, _, note = text.partition("\n\n")
    magic, extra, index, *path = proof.split("\n")
    must(magic == "c2sp.org/tlog-proof@v1" and extra.startswith("extra ") and index.startswith("index "), "not a tlog-proof")
    size, root = opened(note, key)
    leaf = base64.b64decode(extra.removeprefix("extra "), validate=True)
    check_inclusion(hash_of_leaf(leaf), int(index.removeprefix("index ")), size, [base64.b64decode(node, validate=True) for node in path], root)
    return json.loads(leaf)


@refusing
def check_continuation(text, old_note, key):
    """That the checkpoint in `text` continues `old_note`."""
    proof, _, note = text.partition("\n\n")
    first, *path = proof.split("\n")
    old, old_root = opened(old_note, key)
    must(first == f"old {old}", "a proof from another size")
    size, root = opened(note, key)
    check_consistency(old, old_root, size, root, [base64.b64decode(node, validate=True) for node in path])


@refusing
def check_file(path, key, kept=()):
    """A journal's file, whole; returns the number of rows. A checkpoint that the gate keeps beside it counts as kept."""
    beside = Path(f"{path}.last-signed")
    if beside.exists():  # first, since the file is never behind it
        kept = [*kept, json.loads(beside.read_text(encoding="utf-8"))["checkpoint"]]
    database = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)
    try:
        database.execute("BEGIN")  # rows and checkpoints of one moment
        names = database.execute("SELECT verifier_key FROM identity").fetchall()
        rows = database.execute(
            "SELECT id, kind, label, crossing_id, personal, wall_ms, commitment, salt, body FROM entries LEFT JOIN contents USING (id) ORDER BY id"
        ).fetchall()
        checkpoints = database.execute("SELECT size, note FROM checkpoints ORDER BY size").fetchall()
    finally:
        database.close()
    must(names == [(key.strip(),)], "the journal of another gate, by its own word")
    must([row[0] for row in rows] == list(range(1, len(rows) + 1)), "rows are missing")
    leaves, bodies, gone = [], [], 0
    for number, kind, label, crossing_id, personal, wall_ms, commitment, salt, body in rows:
        leaf = {"number": number, "kind": kind, "label": label, "crossing_id": crossing_id, "personal": bool(personal), "wall_ms": wall_ms}
        leaf["commitment"] = commitment.hex()
        value = None if body is None else json.loads(body)
        must(body is None or canonical(value) == body, f"row {number} is not canonical")
        check_row(leaf, salt.hex() if salt else None, value)
        check_time(leaf, leaves[-1] if leaves else None, bodies[-1] if bodies else None)
        gone = deleted_through(leaf, value) if label == "contents_deleted" else gone
        leaves.append(leaf)
        bodies.append(value)
    for leaf, value in zip(leaves, bodies, strict=True):
        check_deleted(leaf, value, gone)
    hashes = [hash_of_leaf(canonical(leaf).encode()) for leaf in leaves]
    for size, root in [opened(note, key) for note in (*(note for _, note in checkpoints), *kept)]:
        must(size <= len(rows), f"{size} rows were signed, {len(rows)} are there")
        must(tree_hash(hashes[:size]) == root, f"the {size} rows are not those that were signed")
    sizes = [size for size, _ in checkpoints]
    must(sizes == [opened(note, key)[0] for _, note in checkpoints], "checkpoints in the wrong place")
    for low, high in zip([0, *sizes], [*sizes, len(rows) + 1], strict=True):
        must(high - low <= 100, f"rows {low + 1} to {min(high, len(rows))} have no checkpoint: it was taken away")
    return len(rows)


def main(key, export, *kept):
    """Exit code 0: all that is printed holds; 1: refused."""
    try:
        lines, notes = read(export).splitlines(), [read(name) for name in kept]
        found = check_export(lines, key, notes)
    except (Refused, OSError, UnicodeDecodeError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    size = opened(json.loads(lines[0])["checkpoint"], key)[0]
    print(f"rows {min(found)} to {max(found)} are under the checkpoint, of {size} rows; {len(notes)} checkpoints kept elsewhere fit it")
    return 0


def read(name):
    return Path(name).read_text(encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: independent.py KEY EXPORT.jsonl [CHECKPOINT ...]")
    sys.exit(main(*sys.argv[1:]))
