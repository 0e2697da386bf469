"""Status list tokens: the draft's own vectors, every assignment there and back, and lists too long for two bytes of length."""

from __future__ import annotations

import base64
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_controller.core.values import Region
from gate_controller.ports.services import VerifyingKey
from gate_controller.ports.trust import PassStatus
from gate_controller.trust.status_list import StatusList, StatusListError, parse_status_list
from simulators import status_list as published
from simulators.authority import ED25519, Authority

NOW = 1_800_000_000
URI = "hk/status/1"
AUTHORITY = Authority(Region.HK, "status lists")
KEY = VerifyingKey(AUTHORITY.public_key, Region.HK, NOW - 100, NOW + 100)
V, R, S, A = PassStatus

# draft-ietf-oauth-status-list-21, 4.1 to 4.3: lst, bits, the statuses
SECTION_4 = [
    ("eNrbuRgAAhcBXQ", 1, [R, V, V, R, R, R, V, R, R, R, V, V, V, R, V, R]),
    ("eNo76fITAAPfAgc", 2, [R, S, V, A, V, R, V, R, R, S, A, A]),
]
# The same, appendix C: of 2^20 passes these are not valid
APPENDIX_C = [
    (
        (
            "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            "AAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKjDMAQAAAACAZC8L"
            "2AEb"
        ),
        1,
        dict.fromkeys((0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345), R),
    ),
    (
        (
            "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEB5WwIAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAID0ugQAAAAAAAAAAAAAAAAAQG12SgAAAAAAAAAAAAAAAAAAAAAAAAAA"
            "AOCSIQEAAAAAAAAAAAAAAAAAAAAAAAD8ExIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAAAACo"
            "YUoAAAAAAAAAAAAAAEBqH81gAQw"
        ),
        2,
        {0: R, 1993: S, 25460: R, 159495: A, 495669: R, 554353: R, 645645: S, 723232: R, 854545: R, 934534: S, 1000345: A},
    ),
]
# The same, 5.2: properly signed with ES256, by a key of two bytes of kid
SECTION_5_2 = (
    "d2845820a2012610781a6170706c69636174696f6e2f7374617475736c6973742b637774a1044231325850a502782168747470733a2f2f6578616d706c652e636f6d2f7374617475"
    "736c697374732f31061a648c5bea041a8898dfea19fffe19a8c019fffda2646269747301636c73744a78dadbb918000217015d584027d5535dfe0a33291cc9bfb41053ad2493c49d"
    "1ee4635e12548a79bac92916845fee76799c42762f928441c5c344e3612381e0cf88f2f160b3e1f97728ec8403"
)


def parse(token: bytes) -> StatusList:
    return parse_status_list(token, URI, Region.HK, {AUTHORITY.kid: KEY}.get)


def holding(compressed: bytes, bits: int) -> StatusList:
    """The list read out of a token around any zlib stream."""
    claims = published.claims(URI, b"", NOW, bits=bits)
    claims[published.STATUS_LIST]["lst"] = compressed
    return parse(published.token(AUTHORITY, claims))


def from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(("lst", "bits", "statuses"), SECTION_4)
def test_the_drafts_short_examples(lst: str, bits: int, statuses: list[PassStatus]):
    listed = holding(from_base64url(lst), bits)
    assert [listed.status(index) for index in range(len(listed))] == statuses
    assert published.packed(dict(enumerate(statuses)), len(statuses), bits) == listed.content


@pytest.mark.parametrize(("lst", "bits", "not_valid"), APPENDIX_C)
def test_the_drafts_vectors_of_a_million_passes(lst: str, bits: int, not_valid: dict[int, PassStatus]):
    listed = holding(from_base64url(lst), bits)
    assert len(listed) == 1 << 20
    assert {index: listed.status(index) for index in not_valid} == not_valid
    assert listed.content == published.packed(not_valid, 1 << 20, bits), "and everything else is valid"


def test_the_drafts_token_is_refused_for_its_algorithm():
    with pytest.raises(StatusListError, match="the unprotected header must be empty"):
        parse(bytes.fromhex(SECTION_5_2))


@given(st.sampled_from([1, 2]), st.data())
def test_any_assignment_comes_back(bits: int, data: st.DataObject):
    statuses = data.draw(st.lists(st.sampled_from(list(PassStatus)[: 1 << bits]), min_size=1, max_size=70))
    content = published.packed(dict(enumerate(statuses)), len(statuses), bits)
    listed = parse(published.token(AUTHORITY, published.claims(URI, content, NOW, bits=bits)))
    assert [listed.status(index) for index in range(len(statuses))] == statuses
    assert listed.status(-1) is None
    assert listed.status(len(listed)) is None
    assert 0 <= len(listed) - len(statuses) < 8 // bits, "no longer than the last byte's padding"


def test_everything_it_says_is_given():
    token = published.token(AUTHORITY, published.claims(URI, b"\x01", NOW, bits=1, expires_at=NOW + 5, ttl_s=3600), ED25519)
    assert parse(token) == StatusList(URI, Region.HK, NOW, NOW + 5, 3600, 1, b"\x01")
    without = parse(published.token(AUTHORITY, published.claims(URI, b"", NOW)))
    assert (without.expires_at, without.ttl_s, len(without), without.status(0)) == (None, None, 0, None)


@pytest.mark.parametrize("issued_at", [KEY.not_before, KEY.not_after - 1])
def test_made_at_either_end_of_its_keys_validity(issued_at: int):
    assert parse(published.token(AUTHORITY, published.claims(URI, b"", issued_at))).issued_at == issued_at


def test_a_repr_does_not_spell_the_list_out():
    listed = StatusList(URI, Region.HK, NOW, None, None, 2, bytes(1000))
    assert len(repr(listed)) < 200


def test_a_list_that_needs_four_bytes_of_length():
    """As ten million passes do of which one in a hundred is revoked: 139 kB."""
    content = random.Random(1).randbytes(100_000)
    token = published.token(AUTHORITY, published.claims(URI, content, NOW))
    assert len(token) > 1 << 16
    assert parse(token).content == content


def test_a_window_of_less_than_the_usual_is_a_zlib_stream_too():
    stream = zlib.compressobj(9, zlib.DEFLATED, wbits=9)
    assert holding(stream.compress(b"\x04") + stream.flush(), 2).status(1) is R
