"""Write the seeds of the fuzz corpus, all synthetic: python tests/fuzz/make_corpus.py

Seeds are named seed-WHAT; the other files of the corpus were found by fuzzing (`make fuzz`, then run.py TARGET --keep). The same seeds come out every time.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cbor2

sys.path.insert(0, str(Path(__file__).parents[2]))

from gate_controller.ports.trust import Freshness
from simulators.authority import encode
from tests.fuzz import fuzz_pass as f
from tests.fuzz import fuzz_repository as r
from tests.fuzz import fuzz_status_list as ls
from tests.fuzz import scene as s

CORPUS = Path(__file__).with_name("corpus")
LATER = 1 << 33

Seeds = Iterator[tuple[str, bytes]]
CLAIM_CHANGES: dict[str, dict[Any, Any]] = {
    "issuer": {1: "MO"},
    "subject-as-text": {2: "0123456789abcdef"},
    "audience": {3: "OTHER"},
    "expired": {4: int(s.NOW)},
    "exp-last": {4: LATER},
    "exp-beyond": {4: LATER + 1},
    "exp-float": {4: float(LATER)},
    "exp-infinite": {4: float("inf")},
    "exp-negative": {4: -1},
    "exp-bignum": {4: 1 << 70},
    "exp-none": {4: None},
    "not-yet": {5: int(s.NOW) + 1, 6: int(s.NOW) + 2},
    "nbf-after-iat": {5: int(s.NOW) + 1},
    "nbf-true": {5: True},
    "issued-ahead": {6: int(s.NOW) + 31},
    "issued-after-exp": {6: LATER},
    "issued-week-ago": {5: 0, 6: int(s.NOW) - 7 * 86_400},
    "used": {7: s.USED_PASS},
    "cti-short": {7: bytes(15)},
    "other-holder": {8: {1: {1: 1, -1: 6, -2: bytes(32)}}},
    "cnf-x5chain": {8: {3: b""}},
    "revoked": {65535: {"status_list": {"idx": s.REVOKED, "uri": "hk/status/1"}}},
    "suspended": {65535: {"status_list": {"idx": s.SUSPENDED, "uri": "hk/status/1"}}},
    "application-status": {65535: {"status_list": {"idx": s.APPLICATION, "uri": "hk/status/1"}}},
    "index-outside": {65535: {"status_list": {"idx": s.LIST_SIZE, "uri": "hk/status/1"}}},
    "other-list": {65535: {"status_list": {"idx": 5, "uri": "mo/status/1"}}},
    "no-list": {65535: {}},
    "class-2": {-65537: {1: 2, 2: 3, 3: LATER}},
    "class-9": {-65537: {1: 9, 2: 3, 3: LATER}},
    "direction-other": {-65537: {1: 1, 2: 2, 3: LATER}},
    "direction-none": {-65537: {1: 1, 2: 0, 3: LATER}},
    "permit-ended": {-65537: {1: 1, 2: 3, 3: int(s.NOW)}},
    "further-claim": {9: "x"},
    "further-text-claim": {"name": "x"},
}


def _shared_bomb(levels: int = 5, width: int = 24) -> bytes:
    """A list of `width` times the same list of `width` times the same list...: 8 million numbers in 400 bytes, written with shared values (tags 28 and 29)."""
    item = b"\xd8\x1c\x98" + bytes((width,)) + bytes(width)
    for level in range(levels, 0, -1):
        item = b"\xd8\x1c\x98" + bytes((width,)) + item + (b"\xd8\x1d" + bytes((level,))) * (width - 1)
    return item


_SHARED_BOMB = _shared_bomb()
# Items that parsers are known to stumble over; each stands in place of a whole payload.
ITEMS = {
    "empty": "",
    "map-indefinite": "bf0102ff",
    "text-indefinite": "7f6161ff",
    "duplicate-keys": "a201020103",
    "long-integer": "1800",
    "huge-array": "9bffffffffffffffff",
    "huge-bytes": "5bffffffffffffffff",
    "deep": "81" * 400 + "00",
    "decimal": "c48221196ab3",
    "decimal-huge-exponent": "c4821b7fffffffffffffff01",
    "bigfloat": "c5822003",
    "bigfloat-huge": "c5821b7fffffffffffffff01",
    "bignum": "c2581f" + "ff" * 31,
    "date-text": "c074323032362d30312d30315430303a30303a30305a",
    "date-epoch-infinite": "c1f97c00",
    "rational-by-zero": "d81e820100",
    "regular-expression": "d8236128",
    "regular-expression-slow": cbor2.dumps(cbor2.CBORTag(35, "(?i)" + "[\0-\uffff]" * 40)).hex(),
    "uuid": "d82540",
    "shared-cycle": "d81c81d81d00",
    "shared-bomb": _SHARED_BOMB.hex(),
    "string-reference": "d9010082646162636419d81900",
    "set": "d90102820101",
    "ip-network": "d9010544c0a80001",
    "not-a-number": "f97e00",
    "simple-value": "f8ff",
    "break": "ff",
    "bad-utf8": "62c328",
    "surrogate": "63eda080",
    "map-with-list-key": "a1810100",
    "map-with-nan-keys": "a2f97e0000f97e0000",
    "text-then-more": "a0a0",
}


def frames() -> Seeds:
    """Texts and bytes."""
    for number, (text, presented) in enumerate(f.scene.known.items()):
        yield f"text-known-{number}", f.packed(f.TEXT, text.encode())
        yield f"bytes-known-{number}", f.packed(f.BYTES, f.scene.data(presented))
    text, data = next((text, f.scene.data(presented)) for text, presented in f.scene.known.items())
    for state in s.FRESHNESS:
        yield f"text-{state.value}", f.packed(f.TEXT, text.encode() + b"\r\n", state=state)
    yield "text-prefix", f.packed(f.TEXT, b"ECH1:")
    yield "text-lower", f.packed(f.TEXT, text.lower().encode())
    yield "text-space", f.packed(f.TEXT, text.encode() + b" ")
    yield "text-longest", f.packed(f.TEXT, text[:5].encode() + b"0" * 1446)
    yield "text-too-long", f.packed(f.TEXT, text[:5].encode() + b"0" * 1447)
    yield "text-line-ends", f.packed(f.TEXT, b"\r\n" * 1400)
    for ends in (1451, 1452, 1453, 1454):
        yield f"text-ended-{ends}", f.packed(f.TEXT, text.ljust(ends, "\n").encode())
    yield "text-overflow", f.packed(f.TEXT, b"ECH1:GGW")
    yield "text-other-digits", f.packed(f.TEXT, "ECH1:\u0661\uff11\U0001d7d9".encode())
    yield "bytes-cut", f.packed(f.BYTES, data[:-1])
    yield "bytes-more", f.packed(f.BYTES, data + b"\x00")
    yield "bytes-other-tag", f.packed(f.BYTES, b"\xd8\x62" + data[1:])
    yield "bytes-indefinite", f.packed(f.BYTES, b"\xd2\x9f" + data[2:] + b"\xff")
    yield "bytes-long-length", f.packed(f.BYTES, b"\xd2\x84\x5a\x00\x01\x00\x00" + data[4:])
    yield "bytes-long-signature", f.packed(f.BYTES, data[:-66] + b"\x58\x41" + data[-64:] + b"\x00")


def passes() -> Seeds:
    """Payloads and headers of passes."""
    hk = f.scene.signers["hk"]
    for state in s.FRESHNESS:
        yield f"pass-{state.value}", f.packed(f.PASS_PAYLOAD, f.scene.pass_payload(), state=state, algorithms=(-19, -8))
    for signer in s.SIGNERS[1:]:
        yield f"pass-{signer.replace(', ', '-').replace(' ', '-')}", f.packed(f.PASS_PAYLOAD, f.scene.pass_payload(signer), signer=signer)
    yield "pass-not-admitted", f.packed(f.PASS_PAYLOAD, f.scene.pass_payload("mo"), signer="mo", only_hk=True)
    for name, change in CLAIM_CHANGES.items():
        claims = hk.claims(f.scene.phone.public_key, f.scene.permit) | change
        state = Freshness.DEGRADED if name in ("class-2", "issued-week-ago") else Freshness.FRESH
        yield f"claim-{name}", f.packed(f.PASS_PAYLOAD, encode(claims), state=state)
    for claim in range(1, 9):
        claims = hk.claims(f.scene.phone.public_key, f.scene.permit)
        del claims[claim]
        yield f"claim-{claim}-missing", f.packed(f.PASS_PAYLOAD, encode(claims))
    for name, item in ITEMS.items():
        yield f"item-{name}", f.packed(f.PASS_PAYLOAD, bytes.fromhex(item))
    unsorted = dict(reversed(hk.claims(f.scene.phone.public_key, f.scene.permit).items()))
    yield "pass-unsorted", f.packed(f.PASS_PAYLOAD, cbor2.dumps(unsorted))
    yield "pass-more", f.packed(f.PASS_PAYLOAD, f.scene.pass_payload() + b"\x00")
    headers: dict[str, Any] = {"right": {1: -8, 4: hk.kid, 16: 65001}, "other-region": {1: -8, 4: f.scene.signers["mo"].kid, 16: 65001}}
    headers |= {
        "no-algorithm": {4: hk.kid, 16: 65001},
        "es256": {1: -7, 4: hk.kid, 16: 65001},
        "status-list": {1: -8, 4: hk.kid, 16: "application/statuslist+cwt"},
    }
    headers |= {"critical": {1: -8, 2: [4], 4: hk.kid, 16: 65001}, "empty": {}}
    for name, header in headers.items():
        yield f"header-{name}", f.packed(f.PASS_HEADER, encode(header))


def static_passes() -> Seeds:
    """Passes without a presentation."""
    payload = f.scene.pass_payload(static=True)
    for state in s.FRESHNESS:
        yield f"static-{state.value}", f.packed(f.STATIC, payload, state=state, static=True)
    yield "static-not-admitted", f.packed(f.STATIC, payload)
    yield "static-with-holder", f.packed(f.STATIC, f.scene.pass_payload(), static=True)
    yield "static-presented", f.packed(f.PASS_PAYLOAD, payload, static=True)
    used = encode(cbor2.loads(payload) | {7: s.USED_PASS})
    yield "static-used", f.packed(f.STATIC, used, static=True)
    for name in ("empty", "decimal", "text-then-more"):
        yield f"static-item-{name}", f.packed(f.STATIC, bytes.fromhex(ITEMS[name]), static=True)


def presentations() -> Seeds:
    """Payloads and headers of presentations."""
    now, payload = int(s.NOW), f.scene.presentation_payload()
    changes: dict[str, dict[Any, Any]] = {"right": {}, "other-gate": {3: "MO-GB-07"}, "elsewhere": {3: "HK"}, "stale": {6: now - 61}, "oldest": {6: now - 59}}
    changes |= {"newest": {6: now + 30}, "ahead": {6: now + 31}, "float": {6: float(now)}, "nonce": {7: bytes(9)}, "further": {1: "HK"}}
    for name, change in changes.items():
        yield f"presentation-{name}", f.packed(f.PRESENTATION_PAYLOAD, encode(cbor2.loads(payload) | change), algorithms=(-8, -19))
    for name in ("empty", "deep", "map-indefinite", "shared-cycle", "shared-bomb", "regular-expression-slow"):
        yield f"presentation-item-{name}", f.packed(f.PRESENTATION_PAYLOAD, bytes.fromhex(ITEMS[name]))
    header = f.scene.presented().presentation_header
    for name, change_header in HEADER_CHANGES.items():
        yield f"outer-header-{name}", f.packed(f.PRESENTATION_HEADER, change_header(header))
    used = encode(f.scene.signers["hk"].claims(f.scene.phone.public_key, f.scene.permit) | {7: s.USED_PASS})
    for name, made_at in (("replayed", s.USED_AT), ("later", s.USED_AT + 1)):
        yield f"both-{name}", f.packed(f.PAYLOADS, len(used).to_bytes(2, "big") + used + f.scene.phone.payload(made_at, s.AUDIENCE))
    times = {"over": ({4: now}, now - 30), "made-before": ({5: now - 40, 6: now - 40}, now - 50), "made-after": ({4: now + 5}, now + 10)}
    for name, (change, made_at) in times.items():
        payload = encode(f.scene.signers["hk"].claims(f.scene.phone.public_key, f.scene.permit) | change)
        yield f"both-{name}", f.packed(f.PAYLOADS, len(payload).to_bytes(2, "big") + payload + f.scene.phone.payload(made_at, s.AUDIENCE))


HEADER_CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "right": lambda header: header,
    "other-algorithm": lambda header: b"\xa3\x01\x26" + header[3:],
    "pass-as-bytes": lambda header: header[:4] + cbor2.dumps(header[4:-4]) + header[-4:],
    "more": lambda header: header + b"\x00",
    "no-pass": lambda header: header[:4] + header[-4:],
    "two-passes": lambda header: header[:-4] + header[4:],
}


def status_lists() -> Seeds:
    """Tokens, claims, headers, streams."""
    authority = f.scene.signers["hk"]
    for signer in s.SIGNERS:
        name = signer.replace(", ", "-").replace(" ", "-")
        yield f"token-{name}", ls.packed(ls.TOKEN, ls.known(signer))
        yield f"claims-{name}", ls.packed(ls.CLAIMS, ls.claims(), signer=signer, algorithm=-19)
    yield "token-more", ls.packed(ls.TOKEN, ls.known() + b"\x00")
    yield "claims-all", ls.packed(ls.CLAIMS, ls.claims(expires_at=ls.MADE_AT + 60, ttl_s=60))
    yield "claims-before-key-expired", ls.packed(ls.CLAIMS, encode(cbor2.loads(ls.claims()) | {6: ls.MADE_AT - 1}), signer="hk, expired key")
    changes: dict[str, dict[Any, Any]] = {
        "expired-at-once": {4: ls.MADE_AT},
        "float": {6: float(ls.MADE_AT)},
        "other-uri": {2: "mo/status/1"},
        "ttl-0": {65534: 0},
    }
    changes |= {"unknown": {1: "HK"}, "aggregation": {65533: {"bits": 1, "lst": zlib.compress(b""), "aggregation_uri": "x"}}, "no-list": {65533: None}}
    for name, change in changes.items():
        yield f"claims-{name}", ls.packed(ls.CLAIMS, encode(cbor2.loads(ls.claims()) | change))
    for name in ("empty", "deep", "map-indefinite", "decimal-huge-exponent"):
        yield f"item-{name}", ls.packed(ls.CLAIMS, bytes.fromhex(ITEMS[name]))
    yield "header", ls.packed(ls.HEADER, ls.simulated.protected_header(authority))
    yield "header-pass", ls.packed(ls.HEADER, authority.protected_header())
    for bits in ls.WIDTHS:
        yield f"content-{bits}", ls.packed(ls.CONTENT, b"\x1b\xe4", bits=bits)
    stream = zlib.compress(bytes(300))
    yield "stream", ls.packed(ls.LST, stream)
    yield "stream-cut", ls.packed(ls.LST, stream[:-1])
    yield "stream-more", ls.packed(ls.LST, stream + b"\x00")
    yield "stream-bomb", ls.packed(ls.LST, zlib.compress(bytes(1 << 20), 9))
    yield "stream-raw", ls.packed(ls.LST, zlib.compress(b"x", wbits=-15))
    yield "stream-gzip", ls.packed(ls.LST, zlib.compress(b"x", wbits=31))
    yield "stream-dictionary", ls.packed(ls.LST, bytes.fromhex("78bb00000001") + stream[2:])


def repositories() -> Seeds:
    """Files and signed content."""
    genuine = r.published()
    for number, name in enumerate(genuine.file_names):
        yield f"cut-{number}", r.packed(r.PIECE, name, len(genuine.files[name]).to_bytes(3, "big")[1:] + b"\xff")
        yield f"changed-{number}", r.packed(r.PIECE, name, b"\x00\x20\x01\x00")
        yield f"empty-{number}", r.packed(r.CONTENT, name, b"")
    yield "not-json", r.packed(r.CONTENT, genuine.names["timestamp"], b"[" * 2000)
    for role in r.ROLES:
        signed = json.loads(genuine.files[genuine.names[role]])["signed"]
        yield f"signed-{role}", r.packed(r.SIGNED, role, json.dumps(signed).encode())
        if role != "root":
            yield f"signed-expired-{role}", r.packed(r.SIGNED, role, json.dumps(signed | {"expires": "2020-01-01T00:00:00Z"}).encode())
    values = (b"0", b"-1", b"1e400", b"null", b"true", b'"x"', b"[]", b"{}", b'"\\ud800"', b'"../x"', b'{"a":{}}', b"9" * 400)
    for number, value in enumerate(values):
        role = r.ROLES[number % len(r.ROLES)]
        yield f"value-{number}-{role}", r.packed(r.VALUE, role, (7 * number).to_bytes(2, "big") + value)


TARGETS = {"pass": (frames, passes, static_passes, presentations), "status_list": (status_lists,), "repository": (repositories,)}


def main() -> None:
    """Write all seeds, remove those that are no longer made."""
    for target, makers in TARGETS.items():
        directory = CORPUS / target
        directory.mkdir(parents=True, exist_ok=True)
        seeds = {directory / f"seed-{name}": data for make in makers for name, data in make()}
        for path, data in seeds.items():
            path.write_bytes(data)
        for path in set(directory.glob("seed-*")) - set(seeds):
            path.unlink()
        print(f"{target}: {len(seeds)} seeds, {sum(map(len, seeds.values()))} bytes")


if __name__ == "__main__":
    main()
