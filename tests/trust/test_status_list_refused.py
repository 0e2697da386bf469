"""Every malformed status list, signed with the genuine key, is refused for what is wrong with it; a bomb is not inflated."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_controller.core.values import Region
from gate_controller.ports.services import VerifyingKey
from gate_controller.trust.status_list import MAX_CONTENT_BYTES, MAX_TOKEN_BYTES, StatusList, StatusListError, parse_status_list
from simulators import status_list as published
from simulators.authority import Authority, encode, sign1

NOW = 1_800_000_000
URI = "hk/status/1"
HK, MO, FORGER = Authority(Region.HK, "lists"), Authority(Region.MO, "lists"), Authority(Region.HK, "lists", name="forger")
KEYS = {authority.kid: VerifyingKey(authority.public_key, authority.region, NOW - 100, NOW + 100) for authority in (HK, MO)}
STREAM = zlib.compress(b"\x01\x02\x03\x04")
HEADER = {1: -8, 4: HK.kid, 16: "application/statuslist+cwt"}


def genuine_claims() -> dict[Any, Any]:
    return dict(published.claims(URI, b"\x01\x02\x03\x04", NOW, expires_at=NOW + 50, ttl_s=3600))


GENUINE = published.token(HK, genuine_claims())


def parse(token: bytes, uri: str = URI, region: Region = Region.HK, **options: int) -> StatusList:
    return parse_status_list(token, uri, region, KEYS.get, **options)


def refusal(token: bytes, **options: Any) -> str:
    with pytest.raises(StatusListError) as refused:
        parse(token, **options)
    message = str(refused.value)
    assert "\n" not in message
    assert len(message) < 200
    return message


def with_claim(number: Any, value: Any) -> dict[Any, Any]:
    return {**genuine_claims(), number: value}


def with_list(**changes: Any) -> dict[Any, Any]:
    return with_claim(65533, {"bits": 2, "lst": STREAM, **changes})


def without(number: int) -> dict[Any, Any]:
    return {key: value for key, value in genuine_claims().items() if key != number}


def with_dictionary() -> bytes:
    stream = zlib.compressobj(zdict=b"\x01\x02\x03\x04")
    return stream.compress(b"\x01\x02\x03\x04") + stream.flush()


CLAIMS: dict[str, tuple[object, str]] = {
    "no map": ([1, 2], "the claims are no map"),
    "no sub": (without(2), "sub (2) is missing"),
    "no iat": (without(6), "iat (6) is missing"),
    "no status_list": (without(65533), "status_list (65533) is missing"),
    "iss, which the draft dropped": (with_claim(1, "HK"), "unknown claim '1'"),
    "the claim of a pass that points here": (with_claim(65535, {}), "unknown claim '65535'"),
    "a claim in text": (with_claim("sub", URI), "unknown claim 'sub'"),
    "a number that is almost sub's": ({**without(2), 2.0: URI}, "unknown claim '2.0'"),
    "another list's sub": (with_claim(2, "hk/status/2"), "sub (2) is not the uri"),
    "the other region's sub": (with_claim(2, "mo/status/1"), "sub (2) is not the uri"),
    "sub in bytes": (with_claim(2, URI.encode()), "sub (2) is not the uri"),
    "iat as float": (with_claim(6, float(NOW)), "iat is not an integer"),
    "iat as bool": (with_claim(6, True), "iat is not an integer"),
    "iat as text": (with_claim(6, str(NOW)), "iat is not an integer"),
    "iat negative": (with_claim(6, -1), "iat is not an integer from 0 to 2^33"),
    "iat too large": (with_claim(6, (1 << 33) + 1), "iat is not an integer from 0 to 2^33"),
    "iat before its key": (with_claim(6, NOW - 101), "is outside the validity of its key"),
    "iat when its key has ended": (with_claim(6, NOW + 100), "is outside the validity of its key"),
    "exp at iat": (with_claim(4, NOW), "exp is not an integer from"),
    "exp infinite": (with_claim(4, float("inf")), "exp is not an integer"),
    "exp null": (with_claim(4, None), "exp is not an integer"),
    "exp too large": (with_claim(4, 1 << 40), "exp is not an integer"),
    "ttl zero": (with_claim(65534, 0), "ttl is not an integer from 1"),
    "ttl negative": (with_claim(65534, -1), "ttl is not an integer from 1"),
    "ttl as float": (with_claim(65534, 1.5), "ttl is not an integer from 1"),
    "status_list an array": (with_claim(65533, [2, STREAM]), "is not a map of bits and lst alone"),
    "status_list without bits": (with_claim(65533, {"lst": STREAM}), "is not a map of bits and lst alone"),
    "status_list without lst": (with_claim(65533, {"bits": 2}), "is not a map of bits and lst alone"),
    "status_list with aggregation_uri": (with_list(aggregation_uri="https://example.com"), "is not a map of bits and lst alone"),
    "bits 4": (with_list(bits=4), "lists of 4 bits a pass cannot be read, only 1 and 2"),
    "bits 8": (with_list(bits=8), "lists of 8 bits a pass cannot be read, only 1 and 2"),
    "bits 3": (with_list(bits=3), "this value of bits cannot be read"),
    "bits 0": (with_list(bits=0), "this value of bits cannot be read"),
    "bits as bool": (with_list(bits=True), "this value of bits cannot be read"),
    "bits as float": (with_list(bits=1.0), "this value of bits cannot be read"),
    "bits as text": (with_list(bits="1"), "this value of bits cannot be read"),
    "lst in text, as the JSON form has it": (with_list(lst="eNrbuRgAAhcBXQ"), "lst is no byte string"),
    "lst empty": (with_list(lst=b""), "lst is a zlib stream that is cut off"),
    "lst not compressed": (with_list(lst=b"\x01\x02\x03\x04"), "lst is no zlib stream"),
    "lst raw deflate": (with_list(lst=STREAM[2:-4]), "lst is no zlib stream"),
    "lst gzip": (with_list(lst=gzip.compress(b"\x01")), "lst is no zlib stream"),
    "lst with a preset dictionary": (with_list(lst=with_dictionary()), "lst is no zlib stream"),
    "lst with a wrong checksum": (with_list(lst=STREAM[:-1] + b"\x00"), "lst is no zlib stream"),
    "lst without its checksum": (with_list(lst=STREAM[:-4]), "lst is a zlib stream that is cut off"),
    "a byte after lst": (with_list(lst=STREAM + b"\x00"), "1 bytes follow the zlib stream"),
    "two streams in lst": (with_list(lst=STREAM + STREAM), "bytes follow the zlib stream"),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_claims_that_are_signed_but_wrong(case: str):
    claims, why = CLAIMS[case]
    assert why in refusal(HK.sign(encode(claims), published.protected_header(HK)))


def test_a_stream_cut_anywhere():
    for length in range(len(STREAM)):
        assert "zlib stream" in refusal(published.token(HK, with_list(lst=STREAM[:length])))


GENUINE_PAYLOAD = encode(genuine_claims())
ENCODINGS: dict[str, bytes] = {
    "a byte after the claims": GENUINE_PAYLOAD + b"\x00",
    "the claims unsorted": cbor2.dumps(dict(sorted(genuine_claims().items(), reverse=True))),
    "a map of indefinite length": b"\xbf" + GENUINE_PAYLOAD[1:] + b"\xff",
    "an integer longer than needed": GENUINE_PAYLOAD.replace(b"\x02\x6b", b"\x18\x02\x6b", 1),
    "a claim twice": bytes([GENUINE_PAYLOAD[0] + 1]) + b"\x02\x6b" + URI.encode() + GENUINE_PAYLOAD[1:],
    "iat as a big number": GENUINE_PAYLOAD.replace(b"\x06\x1a", b"\x06\xc2\x44", 1),
    "cut off": GENUINE_PAYLOAD[:-1],
    "empty": b"",
    "nested without end": b"\x81" * 2000,
    "a size that is not there": b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_claims_that_are_signed_but_not_deterministic(case: str):
    assert ENCODINGS[case] != GENUINE_PAYLOAD
    assert "the claims are not" in refusal(HK.sign(ENCODINGS[case], published.protected_header(HK)))


HEADERS: dict[str, bytes] = {
    "of a pass": HK.protected_header(),
    "with the draft's first typ": encode({**HEADER, 16: "statuslist+cwt"}),
    "with a typ of its length": encode({**HEADER, 16: "application/statuslist+jwt"}),
    "without typ": encode({1: -8, 4: HK.kid}),
    "without alg": encode({4: HK.kid, 16: HEADER[16]}),
    "without kid": encode({1: -8, 16: HEADER[16]}),
    "ES256": encode({**HEADER, 1: -7}),
    "HMAC 256/256": encode({**HEADER, 1: 5}),
    "alg in text": encode({**HEADER, 1: "EdDSA"}),
    "a longer kid": encode({**HEADER, 4: HK.kid + b"\x00"}),
    "with crit": encode({**HEADER, 2: [99], 99: 1}),
    "unsorted": cbor2.dumps({16: HEADER[16], 4: HK.kid, 1: -8}),
    "alg longer than needed": published.protected_header(HK).replace(b"\x01\x27", b"\x01\x38\x07"),
    "a byte between kid and typ": published.protected_header(HK).replace(HK.kid, HK.kid + b"\x00"),
    "empty": b"",
}


@pytest.mark.parametrize("case", HEADERS)
def test_another_protected_header(case: str):
    assert "the protected header is not" in refusal(HK.sign(GENUINE_PAYLOAD, HEADERS[case]))


FRAMES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a byte after the token": (lambda token: token + b"\x00", "1 bytes follow the token"),
    "two tokens": (lambda token: token * 2, "bytes follow the token"),
    "no tag": (lambda token: token[1:], "tag 18"),
    "a tag in its long form": (lambda token: b"\xd8\x12" + token[1:], "tag 18"),
    "in a CWT tag": (lambda token: b"\xd8\x3d" + token, "tag 18"),
    "an unprotected header": (lambda token: token.replace(b"\xa0\x58", b"\xa1\x04\x40\x58", 1), "the unprotected header must be empty"),
    "no payload": (lambda token: token.replace(b"\xa0\x58" + bytes([len(GENUINE_PAYLOAD)]) + GENUINE_PAYLOAD, b"\xa0\xf6"), "a byte string expected"),
    "a signature of 65 bytes": (lambda token: token[:-66] + b"\x58\x41" + token[-64:] + b"\x00", "a signature of exactly 64 bytes"),
    "nothing": (lambda _: b"", "tag 18"),
    "the JWT form": (lambda _: b"eyJhbGciOiJFUzI1NiIsImtpZCI6IjEyIiwidHlwIjoic3RhdHVzbGlzdCtqd3QifQ", "tag 18"),
}


@pytest.mark.parametrize("case", FRAMES)
def test_another_frame(case: str):
    spoil, why = FRAMES[case]
    assert why in refusal(spoil(GENUINE))


@pytest.mark.parametrize("head", ["5a00010000", "5a0000ffff", "5b0000000000010000", "5f", "59ffff", "5a"])
def test_a_length_that_is_a_lie(head: str):
    """Too long for what follows, not in its shortest form, longer than any token, of indefinite length."""
    assert "not a COSE_Sign1" in refusal(b"\xd2\x84" + bytes.fromhex(head) + bytes(1000))


def test_cut_anywhere():
    for length in range(len(GENUINE)):
        refusal(GENUINE[:length])


def test_any_single_byte_changed():
    for place in range(len(GENUINE)):
        for flip in (0x01, 0x80):
            refusal(GENUINE[:place] + bytes([GENUINE[place] ^ flip]) + GENUINE[place + 1 :])


@given(st.binary(max_size=300))
def test_nothing_else_is_raised(noise: bytes):
    for token in (noise, HK.sign(noise, published.protected_header(HK)), published.token(HK, with_list(lst=noise))):
        refusal(token)


def test_the_other_regions_key():
    claims = with_claim(2, URI)
    assert "signed by a key of MO, not of HK" in refusal(published.token(MO, claims))


def test_a_key_that_nobody_published():
    assert f"no published key has the kid {FORGER.kid.hex()}" in refusal(published.token(FORGER, genuine_claims()))


def test_a_forger_under_the_genuine_kid():
    forged = sign1(FORGER.key, published.protected_header(HK), GENUINE_PAYLOAD)
    assert "the signature is not its key's" in refusal(forged)


def test_a_pass_is_no_status_list():
    assert "the protected header is not" in refusal(HK.sign(GENUINE_PAYLOAD))


@pytest.mark.parametrize("uri", ["mo/status/1", "hk/1", "hk/status/", "hk/status/a/b", "/hk/status/1", "HK/status/1", "https://hk/status/1", ""])
def test_a_place_that_is_not_the_regions(uri: str):
    assert "is no place for a status list of HK" in refusal(published.token(HK, with_claim(2, uri)), uri=uri)


def test_a_token_too_long_is_not_looked_at():
    assert f"{MAX_TOKEN_BYTES + 1} bytes, more than {MAX_TOKEN_BYTES}" in refusal(bytes(MAX_TOKEN_BYTES + 1))


def bomb(mebibytes: int) -> bytes:
    """A valid zlib stream of that many zeros: the same block over and over (RFC 1951), with the checksum zeros have (RFC 1950)."""
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = raw.compress(bytes(1 << 20)) + raw.flush(zlib.Z_FULL_FLUSH)
    size = mebibytes << 20
    return b"\x78\xda" + block * mebibytes + b"\x03\x00" + (size % 65521 << 16 | 1).to_bytes(4)


def test_a_bomb_is_not_inflated():
    """1 GiB of zeros in 1 MiB."""
    assert zlib.decompress(bomb(3)) == bytes(3 << 20), "a genuine stream"
    stream = bomb(1024)
    assert len(stream) < 1_100_000
    token = published.token(HK, with_list(lst=stream))
    tracemalloc.start()
    try:
        assert f"lst inflates to more than {MAX_CONTENT_BYTES} bytes" in refusal(token)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * MAX_CONTENT_BYTES


def test_the_cap_is_the_last_size_accepted():
    token = published.token(HK, with_list(lst=bomb(1)))
    assert len(parse(token, max_content_bytes=1 << 20).content) == 1 << 20
    assert "more than 1048575 bytes" in refusal(token, max_content_bytes=(1 << 20) - 1)
