"""Millions of entries put in order, in the memory that they take packed. Knows nothing of SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from gate_controller.enrolment.schema import ENTRY_BYTES, ID_BYTES, Entry, entries_of

_FIELDS = np.dtype([("prefix", ">u8"), ("rest", f"V{ID_BYTES - 8}"), ("version", ">u8"), ("row", ">u8")])
_AT_ONCE = 4096


def in_order_of(packed: bytes, field: Literal["prefix", "row"]) -> Iterator[Entry]:
    """The entries by their row, or by the first eight bytes of their ids."""
    fields = np.frombuffer(packed, _FIELDS)
    order = np.argsort(fields[field], kind="stable")
    for at in range(0, len(order), _AT_ONCE):
        yield from entries_of(fields[order[at : at + _AT_ONCE]].tobytes())


def into_buckets(packed: bytes, bits: int) -> Iterator[tuple[int, bytes]]:
    """Number and packed entries of every bucket, also the empty ones.

    Raises:
        ValueError: One id is there twice.
    """
    fields = np.frombuffer(packed, _FIELDS)
    order = np.argsort(fields["prefix"], kind="stable")
    prefixes: np.ndarray[Any, np.dtype[np.uint64]] = fields["prefix"][order].astype(np.uint64)
    starts = np.searchsorted(prefixes >> np.uint64(64 - bits) if bits else np.zeros_like(prefixes), np.arange((1 << bits) + 1, dtype=np.uint64))
    for number in range(1 << bits):
        bucket = fields[order[starts[number] : starts[number + 1]]].tobytes()
        ids = {bucket[at : at + ID_BYTES] for at in range(0, len(bucket), ENTRY_BYTES)}
        if len(ids) * ENTRY_BYTES != len(bucket):
            raise ValueError("a reference is in it twice")
        yield number, bucket
