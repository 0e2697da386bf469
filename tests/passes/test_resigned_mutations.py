"""Mutations signed again with the genuine authority's and holder's keys: only the strictness of the steps stands in their way.

A walker visits every key and every value of the pass's and the presentation's payload and headers. At each place it writes

    another encoding of the same value   longer heads, bignums, longer floats, indefinite lengths, other orders, duplicates   step 5
    a tag                                known or not: the parser follows none, shared values could grow without end           step 5
    what is no CBOR item there           reserved forms, breaks, invalid UTF-8, nesting without end                           step 5
    another value, in its only encoding  null, floats, simple values, the other kinds, missing and unknown claims             step 6

and the same to both protected headers, where it is step 3 (the pass's) or step 2 (the presentation's). Bounds of the claims are in
test_resigned_mutations_bounds.py, frames in test_resigned_mutations_frames.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gate_controller.core.reasons import Reason
from gate_controller.ports.services import PassAccepted, PassRejected
from simulators.authority import EDDSA, TYP_PASS, TYP_PRESENTATION, encode
from simulators.phone import Phone

R = Reason
DOCUMENT = Path(__file__).parents[2] / "docs" / "attacks.md"

MUTATIONS = {"payload of the pass": 2039, "payload of the presentation": 351, "header of the pass": 352, "header of the presentation": 343}
"""How many there are; docs/attacks.md says it."""


class Raw(NamedTuple):
    """Bytes that stand for themselves: the pass in the presentation's header."""

    content: bytes


Node = int | bytes | str | dict[Any, Any] | Raw
Path = tuple[Any, ...]


class OfKey(NamedTuple):
    """A step of a path: the key itself, not what it leads to."""

    key: Any


class Mutation(NamedTuple):
    name: str
    content: bytes
    deterministic: bool
    """Whether it is the only encoding of what it says; then step 6 has to refuse it, else step 5."""


def head(major: int, argument: int, size: int = 0) -> bytes:
    """Initial byte and argument (RFC 8949, 3): in the shortest form, or with `size` bytes (1, 2, 4, 8) of argument."""
    if not size and argument < 24:
        return bytes([major << 5 | argument])
    size = size or next(size for size in (1, 2, 4, 8) if argument < 1 << 8 * size)
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[size]]) + argument.to_bytes(size)


def longer_heads(major: int, argument: int) -> Iterator[tuple[str, bytes]]:
    shortest = len(head(major, argument))
    for size in (1, 2, 4, 8):
        if size + 1 > shortest:
            yield f"head of {size + 1} bytes", head(major, argument, size)


def plain(node: Node) -> bytes:
    """The deterministic encoding."""
    if isinstance(node, dict):
        return whole_map([(plain(key), plain(value)) for key, value in node.items()])
    return node.content if isinstance(node, Raw) else encode(node)


def whole_map(pairs: list[tuple[bytes, bytes]], *, in_order: bool = True) -> bytes:
    if in_order:
        pairs = sorted(pairs, key=lambda pair: (len(pair[0]), pair[0]))
    return head(5, len(pairs)) + b"".join(key + value for key, value in pairs)


def written(node: Node, path: Path, there: bytes, *, in_order: bool) -> bytes:
    """`node` in its encoding, but with `there` in the place that `path` leads to."""
    if not path:
        return there
    assert isinstance(node, dict)
    step, rest = path[0], path[1:]
    pairs = []
    for key, value in node.items():
        if isinstance(step, OfKey) and step.key == key:
            pairs.append((there, plain(value)))
        elif not isinstance(step, OfKey) and step == key:
            pairs.append((plain(key), written(value, rest, there, in_order=in_order)))
        else:
            pairs.append((plain(key), plain(value)))
    return whole_map(pairs, in_order=in_order)


def places(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every key and every value of a tree, itself first."""
    yield path, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield (*path, OfKey(key)), key
            yield from places(value, (*path, key))


def other_encodings(node: Node) -> Iterator[tuple[str, bytes]]:
    """The same value once more, a tag, or something that is no item at all: never deterministic."""
    if isinstance(node, int):
        yield from longer_heads(*((0, node) if node >= 0 else (1, -1 - node)))
        magnitude = node if node >= 0 else -1 - node
        digits = magnitude.to_bytes((magnitude.bit_length() + 7) // 8)
        yield "bignum", head(6, 2 if node >= 0 else 3) + encode(digits)
        yield "bignum with a leading zero", head(6, 2 if node >= 0 else 3) + encode(b"\0" + digits)
        yield "time (tag 1)", b"\xc1" + encode(node)
        for name, code, form in (("half", b"\xf9", ">e"), ("single", b"\xfa", ">f"), ("double", b"\xfb", ">d")):
            try:
                packed = code + struct.pack(form, float(node))
            except OverflowError:
                continue
            if struct.unpack(form, packed[1:])[0] == node and packed != encode(float(node)):
                yield f"{name} float", packed
    elif isinstance(node, bytes | str):
        major, content = (2, node) if isinstance(node, bytes) else (3, node.encode())
        for name, longer in longer_heads(major, len(content)):
            yield name, longer + content
        begin, end = bytes([major << 5 | 31]), b"\xff"
        chunk = [head(major, len(part)) + part for part in (content, content[:1], content[1:], b"")]
        yield "indefinite length, one chunk", begin + chunk[0] + end
        yield "indefinite length, two chunks", begin + chunk[1] + chunk[2] + end
        yield "indefinite length, an empty chunk", begin + chunk[3] + chunk[0] + end
        yield "one byte more than there is", head(major, 1 << 20) + content
        if isinstance(node, str):
            yield "invalid UTF-8", head(3, len(content)) + b"\xff" + content[1:]
            yield "UTF-8 in two bytes for one", head(3, len(content) + 1) + b"\xc1\x81" + content[1:]
    elif isinstance(node, dict):
        pairs = [(plain(key), plain(value)) for key, value in node.items()]
        items = b"".join(key + value for key, value in pairs)
        for name, longer in longer_heads(5, len(pairs)):
            yield name, longer + items
        yield "indefinite length", b"\xbf" + items + b"\xff"
        yield "one pair less than it says", head(5, len(pairs) + 1) + items
        if len(pairs) > 1:
            yield "in reverse", whole_map(pairs[::-1], in_order=False)
        for at in range(len(pairs) - 1):
            yield f"{at} and {at + 1} swapped", whole_map([*pairs[:at], pairs[at + 1], pairs[at], *pairs[at + 2 :]], in_order=False)
        for at, (key, value) in enumerate(pairs):
            yield f"key {at} twice", whole_map([*pairs[: at + 1], (key, value), *pairs[at + 1 :]], in_order=False)
            yield f"key {at} twice, null at first", whole_map([*pairs[:at], (key, b"\xf6"), *pairs[at:]], in_order=False)
            yield f"key {at} twice, null at the end", whole_map([*pairs, (key, b"\xf6")], in_order=False)
    yield "self-described (tag 55799)", b"\xd9\xd9\xf7" + plain(node)
    yield "marked as shared (tag 28)", b"\xd8\x1c" + plain(node)
    yield "tag in the long form", b"\xd9\x00\x3d" + plain(node)
    yield "under the CWT tag", b"\xd8\x3d" + plain(node)
    yield "under a tag nobody knows", b"\xd9\x99\x99" + plain(node)
    yield "in nine arrays", b"\x81" * 9 + plain(node)
    yield "in an array of indefinite length", b"\x9f" + plain(node) + b"\xff"
    yield from (
        ("nothing", b""),
        ("break", b"\xff"),
        ("reserved head", b"\x1c"),
        ("simple value below 32 in two bytes", b"\xf8\x18"),
        ("true in two bytes", b"\xf8\x15"),
        ("NaN with a payload", b"\xf9\x7e\x01"),
        ("infinity as a single", b"\xfa\x7f\x80\x00\x00"),
        ("NaN as a double", b"\xfb\x7f\xf8" + bytes(6)),
        ("1.5 as a single", b"\xfa\x3f\xc0\x00\x00"),
        ("undefined behind it", plain(node) + b"\xf7"),
        ("byte string of 2^64 - 1", b"\x5b" + b"\xff" * 8),
        ("decimal of a huge exponent", b"\xc4\x82\x1b" + b"\x7f" + b"\xff" * 7 + b"\x01"),
    )


def other_values(node: Node) -> Iterator[tuple[str, bytes]]:
    """Another value in its only encoding, none of which is right at any place."""
    yield from (
        ("false", b"\xf4"),
        ("true", b"\xf5"),
        ("null", b"\xf6"),
        ("undefined", b"\xf7"),
        ("simple value 16", b"\xf0"),
        ("simple value 255", b"\xf8\xff"),
        ("1.5", b"\xf9\x3e\x00"),
        ("minus zero", b"\xf9\x80\x00"),
        ("infinity", b"\xf9\x7c\x00"),
        ("NaN", b"\xf9\x7e\x00"),
        ("-2^64", b"\x3b" + b"\xff" * 8),
        ("2^64 - 1", b"\x1b" + b"\xff" * 8),
        ("2^64", b"\xc2\x49\x01" + bytes(8)),
        ("empty bytes", b"\x40"),
        ("empty text", b"\x60"),
        ("empty array", b"\x80"),
        ("itself in an array", b"\x81" + plain(node)),
    )
    if isinstance(node, int):
        yield "as a float", encode(float(node))
        yield "as text", encode(str(node))
    elif isinstance(node, bytes):
        yield "as text", encode("A" * len(node))
        yield "as an array", encode(list(node))
    elif isinstance(node, str):
        yield "as bytes", encode(node.encode())
    elif isinstance(node, dict):
        yield "empty map", b"\xa0"
        yield "as an array of pairs", encode([[key, 0] for key in node])
        for key in node:
            yield f"without {key}", plain({other: value for other, value in node.items() if other != key})
        for key in (0, 9, 65536, -3, -65538, "exp", "alg", b"\x01", 1.5, None):
            yield f"with {key!r}", plain({**node, key: 0})


def parent(tree: dict[Any, Any], path: Path) -> dict[Any, Any]:
    for step in path[:-1]:
        tree = tree[step]
    return tree


def mutations(tree: dict[Any, Any], genuine: bytes) -> Iterator[Mutation]:
    for path, node in places(tree):
        where = "/".join(f"key {step.key}" if isinstance(step, OfKey) else str(step) for step in path) or "all"
        of_key = bool(path) and isinstance(path[-1], OfKey)
        for name, there in other_encodings(node):
            yield Mutation(f"{where}: {name}", written(tree, path, there, in_order=not of_key), deterministic=False)
        for name, there in other_values(node):
            # In Python true is 1: beside the key 1 the parser takes it for a duplicate, one step earlier than its type would be refused.
            duplicate = of_key and name == "true" and node != 1 and 1 in parent(tree, path)
            yield Mutation(f"{where}: {name}", written(tree, path, there, in_order=True), deterministic=not duplicate)
    for length in (1, 2, 8):
        yield Mutation(f"{length} bytes behind it", genuine + bytes(length), deterministic=False)
    yield Mutation("twice", genuine * 2, deterministic=False)
    yield Mutation("a byte short", genuine[:-1], deterministic=False)


def surprises(lab: Any, cases: Iterator[tuple[str, str, Reason, int]]) -> tuple[int, list[str]]:
    """How many cases there were, and those that ended otherwise than expected."""
    verifier, count, wrong = lab.verifier(), 0, []
    for name, text, reason, step in cases:
        count += 1
        result = verifier.verify(text, lab.now)
        got = (result.reason, result.step) if isinstance(result, PassRejected) else None
        if got != (reason, step):
            wrong.append(f"{name}: {got} instead of {reason.code}, step {step}")
    return count, wrong


HOLDER = Phone("laboratory", "holder", "MO-GB")
"""The laboratory's own, once more: it keeps whatever pass it is given."""


def shown(lab: Any, pass_: bytes) -> str:
    HOLDER.load(pass_)
    return HOLDER.present(lab.now)


def payload_case(mutation: Mutation, text: str) -> tuple[str, str, Reason, int]:
    return (mutation.name, text, R.PASS_BAD_CLAIM, 6) if mutation.deterministic else (mutation.name, text, R.PASS_BAD_CBOR, 5)


def test_every_mutation_of_the_pass_s_payload(laboratory: Any) -> None:
    claims = laboratory.claims()
    assert plain(claims) == encode(claims)
    count, wrong = surprises(laboratory, (payload_case(each, shown(laboratory, laboratory.hk.sign(each.content))) for each in mutations(claims, plain(claims))))
    assert wrong == []
    assert count == MUTATIONS["payload of the pass"]


def test_every_mutation_of_the_presentation_s_payload(laboratory: Any) -> None:
    claims = laboratory.presentation_claims()
    assert plain(claims) == encode(claims)
    count, wrong = surprises(laboratory, (payload_case(each, laboratory.with_presentation(each.content)) for each in mutations(claims, plain(claims))))
    assert wrong == []
    assert count == MUTATIONS["payload of the presentation"]


def test_every_mutation_of_the_pass_s_header(laboratory: Any) -> None:
    """Whatever it says: its bytes are in no key table."""
    header = {1: EDDSA, 4: laboratory.hk.kid, 16: TYP_PASS}
    assert plain(header) == laboratory.hk.protected_header()
    payload = encode(laboratory.claims())
    cases = ((each.name, shown(laboratory, laboratory.hk.sign(payload, each.content)), R.PASS_UNKNOWN_KEY, 3) for each in mutations(header, plain(header)))
    count, wrong = surprises(laboratory, cases)
    assert wrong == []
    assert count == MUTATIONS["header of the pass"]


def test_every_mutation_of_the_presentation_s_header(laboratory: Any) -> None:
    header = {1: EDDSA, 13: Raw(laboratory.phone.pass_), 16: TYP_PRESENTATION}
    assert plain(header) == laboratory.phone.protected_header()
    cases = ((each.name, laboratory.with_presentation(protected=each.content), R.PASS_BAD_FRAME, 2) for each in mutations(header, plain(header)))
    count, wrong = surprises(laboratory, cases)
    assert wrong == []
    assert count == MUTATIONS["header of the presentation"]


def test_what_is_not_mutated_is_accepted(laboratory: Any) -> None:
    """Every text above differs from one of these in one place."""
    for text in (laboratory.signed_payload(plain(laboratory.claims())), laboratory.with_presentation(plain(laboratory.presentation_claims()))):
        assert isinstance(laboratory.verify(text), PassAccepted)


def test_the_document_says_how_many_there_are() -> None:
    assert f"({sum(MUTATIONS.values())})" in DOCUMENT.read_text()
