"""A verifier of journals that shares no code with the program that writes them: standard library and `cryptography` alone.

    python tests/journal/independent.py KEY EXPORT.jsonl [CHECKPOINT ...]

Written from RFC 6962 and 9162, RFC 8785, c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-proof and docs/journal.md. It can be handed to
whoever is handed an export. Everything wrong ends as Refused.
"""

from __future__ import annotations

import base64
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
        dash, signer, encoded = line.split(" ")
        must(dash == "—", "not a signature line")
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


def check_export(lines, key, kept=()):
    """An export's lines; returns the rows that it proves, by number."""
    head, *exported = (json.loads(line) for line in lines)
    size, root = opened(head["checkpoint"], key)
    found = {}
    for line in exported:
        number = line["leaf"]["number"]
        check_row(line["leaf"], line["salt"], line["body"])
        path = [base64.b64decode(node, validate=True) for node in line["proof"]]
        check_inclusion(hash_of_leaf(canonical(line["leaf"]).encode()), number - 1, size, path, root)
        found[number] = line
    for note in kept:
        old, old_root = opened(note, key)
        must(old <= size, "rolled back behind a checkpoint that was kept")
        if all(number in found for number in range(1, old + 1)):
            leaves = [hash_of_leaf(canonical(found[number]["leaf"]).encode()) for number in range(1, old + 1)]
            must(tree_hash(leaves) == old_root, "forked from a checkpoint that was kept")
    return found


def check_proof(text, key):
    """A tlog-proof; returns the leaf that it proves."""
    proof, _, note = text.partition("\n\n")
    magic, extra, index, *path = proof.split("\n")
    must(magic == "c2sp.org/tlog-proof@v1" and extra.startswith("extra ") and index.startswith("index "), "not a tlog-proof")
    size, root = opened(note, key)
    leaf = base64.b64decode(extra.removeprefix("extra "), validate=True)
    check_inclusion(hash_of_leaf(leaf), int(index.removeprefix("index ")), size, [base64.b64decode(node, validate=True) for node in path], root)
    return json.loads(leaf)


def check_continuation(text, old_note, key):
    """That the checkpoint in `text` continues `old_note`."""
    proof, _, note = text.partition("\n\n")
    first, *path = proof.split("\n")
    old, old_root = opened(old_note, key)
    must(first == f"old {old}", "a proof from another size")
    size, root = opened(note, key)
    check_consistency(old, old_root, size, root, [base64.b64decode(node, validate=True) for node in path])


def check_file(path, key, kept=()):
    """A journal's file, whole; returns the number of rows."""
    try:
        database = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)
        rows = database.execute(
            "SELECT id, kind, label, crossing_id, personal, wall_ms, commitment, salt, body FROM entries LEFT JOIN contents USING (id) ORDER BY id"
        ).fetchall()
        checkpoints = database.execute("SELECT size, note FROM checkpoints ORDER BY size").fetchall()
        database.close()
    except sqlite3.Error as error:
        message = f"cannot be read: {type(error).__name__}"
        raise Refused(message) from None
    must([row[0] for row in rows] == list(range(1, len(rows) + 1)), "rows are missing")
    hashes, before, gone = [], None, 0
    for number, kind, label, crossing_id, personal, wall_ms, commitment, salt, body in rows:
        leaf = {"number": number, "kind": kind, "label": label, "crossing_id": crossing_id, "personal": bool(personal), "wall_ms": wall_ms}
        leaf["commitment"] = commitment.hex()
        value = None if body is None else json.loads(body)
        must(body is None or canonical(value) == body, f"row {number} is not canonical")
        check_row(leaf, salt.hex() if salt else None, value)
        announced = before is not None and before.get("label") == "time_went_back"
        must(before is None or wall_ms >= before["wall_ms"] or announced, f"time goes back at row {number}")
        hashes.append(hash_of_leaf(canonical(leaf).encode()))
        gone = int(value["fields"]["through"]) if label == "contents_deleted" else gone
        before = leaf
    must(all(row[8] is not None or row[0] <= gone for row in rows), "a body is gone without a word")
    for size, root in [opened(note, key) for note in (*(note for _, note in checkpoints), *kept)]:
        must(size <= len(rows), f"{size} rows were signed, {len(rows)} are there")
        must(tree_hash(hashes[:size]) == root, f"the {size} rows are not those that were signed")
    must([size for size, _ in checkpoints] == [opened(note, key)[0] for _, note in checkpoints], "checkpoints in the wrong place")
    return len(rows)


if __name__ == "__main__":
    found = check_export(
        Path(sys.argv[2]).read_text(encoding="utf-8").splitlines(), sys.argv[1], [Path(name).read_text(encoding="utf-8") for name in sys.argv[3:]]
    )
    print(f"{len(found)} rows are under the checkpoint")
