"""Every bound of every claim from both sides, signed with the genuine keys: out of the format is step 6's bad claim, inside has its own fate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction
from gate_controller.ports.services import PassRejected
from simulators.authority import STATUS_LIST_SIZE, encode

R = Reason
DOCUMENT = Path(__file__).parents[2] / "docs" / "attacks.md"
NOW = 1_800_000_000  # as the laboratory's; the genuine pass was issued an hour before and lives a day
ISSUED, EXP, NBF = NOW - 3600, NOW - 3600 + 86400, NOW - 3660
LAST = 1 << 33

Table = list[tuple[tuple[Any, ...], list[tuple[Any, Reason | None]]]]
"""(path of a claim, its values with what comes of each; None: accepted)."""


def not_of(length: int) -> list[tuple[Any, Reason | None]]:
    """Byte strings of other lengths."""
    return [(bytes(other), R.PASS_BAD_CLAIM) for other in (0, 1, length - 1, length + 1, 2 * length)]


OUT_OF_TIME: list[tuple[Any, Reason | None]] = [
    (value, R.PASS_BAD_CLAIM) for value in (-1, -(1 << 64), -(1 << 70), LAST + 1, 1 << 34, (1 << 64) - 1, 1 << 64, 1 << 70)
]

PASS: Table = [
    ((1,), [("HK", None), ("MO", R.PASS_WRONG_ISSUER), ("hk", R.PASS_WRONG_ISSUER), ("HK ", R.PASS_WRONG_ISSUER), ("H" * 256, R.PASS_WRONG_ISSUER)]),
    ((1,), [("", R.PASS_BAD_CLAIM), ("H" * 257, R.PASS_BAD_CLAIM)]),
    ((2,), [(bytes(16), None), (b"\xff" * 16, None), *not_of(16)]),
    (
        (3,),
        [
            ("HKMO", None),
            ("HKM", R.PASS_WRONG_AUDIENCE),
            ("HKMO\0", R.PASS_WRONG_AUDIENCE),
            ("A" * 256, R.PASS_WRONG_AUDIENCE),
            ("\u6fb3" * 100, R.PASS_WRONG_AUDIENCE),
        ],
    ),
    ((3,), [("", R.PASS_BAD_CLAIM), ("A" * 257, R.PASS_BAD_CLAIM)]),
    (
        (4,),
        [(NOW + 1, None), (LAST, None), (NOW, R.PASS_EXPIRED), (ISSUED + 1, R.PASS_EXPIRED), (ISSUED, R.PASS_BAD_CLAIM), (0, R.PASS_BAD_CLAIM), *OUT_OF_TIME],
    ),
    ((5,), [(0, None), (ISSUED, None), (ISSUED + 1, R.PASS_BAD_CLAIM), (LAST, R.PASS_BAD_CLAIM), *OUT_OF_TIME]),
    ((6,), [(NBF, None), (NOW + 30, None), (NOW + 31, R.PASS_NOT_YET_VALID), (EXP - 1, R.PASS_NOT_YET_VALID)]),
    ((6,), [(NBF - 1, R.PASS_BAD_CLAIM), (0, R.PASS_BAD_CLAIM), (EXP, R.PASS_BAD_CLAIM), (LAST, R.PASS_BAD_CLAIM), *OUT_OF_TIME]),
    ((7,), [(bytes(16), None), *not_of(16)]),
    ((8, 1, 1), [(value, R.PASS_BAD_CLAIM) for value in (-1, 0, 2, 3, 4, 5, 1 << 32)]),
    ((8, 1, -1), [(value, R.PASS_BAD_CLAIM) for value in (-6, 0, 1, 4, 5, 7, 8)]),
    ((8, 1, -2), [(bytes(32), R.PRESENTATION_BAD_KEY), (b"\xff" * 32, R.PRESENTATION_BAD_KEY), *not_of(32)]),
    (
        (65535, "status_list", "idx"),
        [(0, None), (STATUS_LIST_SIZE - 1, None), (STATUS_LIST_SIZE, R.PASS_STATUS_UNKNOWN), ((1 << 32) - 1, R.PASS_STATUS_UNKNOWN)],
    ),
    ((65535, "status_list", "idx"), [(value, R.PASS_BAD_CLAIM) for value in (-1, 1 << 32, 1 << 64)]),
    (
        (65535, "status_list", "uri"),
        [(value, R.PASS_STATUS_UNKNOWN) for value in ("x", "hk/status/2", "mo/status/1", "../hk/status/1", "hk/status/1\0", "x" * 256)],
    ),
    ((65535, "status_list", "uri"), [("", R.PASS_BAD_CLAIM), ("x" * 257, R.PASS_BAD_CLAIM)]),
    ((-65537, 1), [(1, None), (2, R.PASS_CLASS_NOT_ADMITTED), (255, R.PASS_CLASS_NOT_ADMITTED)]),
    ((-65537, 1), [(value, R.PASS_BAD_CLAIM) for value in (-1, 0, 256, 257, 1 << 32, 1 << 64)]),
    ((-65537, 2), [(Direction.HK_TO_MO.value, None), (3, None), (Direction.MO_TO_HK.value, R.PASS_WRONG_DIRECTION)]),
    ((-65537, 2), [(value, R.PASS_BAD_CLAIM) for value in (-1, 0, 4, 5, 7, 255)]),
    ((-65537, 3), [(NOW + 1, None), (LAST, None), (NOW, R.PASS_PERMIT_ENDED), (0, R.PASS_PERMIT_ENDED), *OUT_OF_TIME]),
]

PRESENTATION: Table = [
    ((3,), [("MO-GB", None), ("MO-GB-07", None), ("MO-GB-08", R.PASS_WRONG_AUDIENCE), ("mo-gb", R.PASS_WRONG_AUDIENCE), ("M" * 256, R.PASS_WRONG_AUDIENCE)]),
    ((3,), [("", R.PASS_BAD_CLAIM), ("M" * 257, R.PASS_BAD_CLAIM)]),
    ((6,), [(NOW - 60, None), (NOW + 30, None), (NOW - 61, R.PRESENTATION_STALE), (0, R.PRESENTATION_STALE), *OUT_OF_TIME]),
    ((6,), [(NOW + 31, R.PRESENTATION_IN_FUTURE), (LAST, R.PRESENTATION_IN_FUTURE)]),
    ((7,), [(bytes(8), None), (b"\xff" * 8, None), *not_of(8)]),
]

STEPS = {R.PASS_STATUS_UNKNOWN: 8, R.PRESENTATION_BAD_KEY: 7}
"""All others are of step 6."""

REFUSED = sum(reason is not None for _, values in (*PASS, *PRESENTATION) for _, reason in values)


def changed(claims: dict[Any, Any], path: tuple[Any, ...], value: Any) -> dict[Any, Any]:
    target = claims
    for step in path[:-1]:
        target = target[step]
    assert path[-1] in target
    target[path[-1]] = value
    return claims


def name(path: tuple[Any, ...]) -> str:
    return "/".join(map(str, path))


@pytest.mark.parametrize(("path", "values"), PASS, ids=lambda part: name(part) if isinstance(part, tuple) else "")
def test_claims_of_the_pass(laboratory: Any, path: tuple[Any, ...], values: list[tuple[Any, Reason | None]]) -> None:
    for value, reason in values:
        check(laboratory, laboratory.signed_payload(encode(changed(laboratory.claims(), path, value))), reason, value)


@pytest.mark.parametrize(("path", "values"), PRESENTATION, ids=lambda part: name(part) if isinstance(part, tuple) else "")
def test_claims_of_the_presentation(laboratory: Any, path: tuple[Any, ...], values: list[tuple[Any, Reason | None]]) -> None:
    for value, reason in values:
        check(laboratory, laboratory.with_presentation(changed(laboratory.presentation_claims(), path, value)), reason, value)


def check(laboratory: Any, text: str, reason: Reason | None, value: object) -> None:
    result = laboratory.verify(text)
    if reason is None:
        assert not isinstance(result, PassRejected), (value, result)
    else:
        assert isinstance(result, PassRejected), value
        assert (result.reason, result.step) == (reason, STEPS.get(reason, 6)), value


def test_the_table_visits_every_claim(laboratory: Any) -> None:
    def leaves(node: Any, path: tuple[Any, ...] = ()) -> set[tuple[Any, ...]]:
        return {path} if not isinstance(node, dict) else {leaf for key, value in node.items() for leaf in leaves(value, (*path, key))}

    assert {path for path, _ in PASS} == leaves(laboratory.claims())
    assert {path for path, _ in PRESENTATION} == leaves(laboratory.presentation_claims())
    claims = laboratory.claims()
    assert (claims[4], claims[5], claims[6], laboratory.now) == (EXP, NBF, ISSUED, NOW)


def test_the_document_says_how_many_there_are() -> None:
    assert f"({REFUSED})" in DOCUMENT.read_text()
