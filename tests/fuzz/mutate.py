"""Changes CBOR as CBOR (another value in one place, or the same value written in another way) and Base45 as Base45. libFuzzer, which knows only bytes, rarely hits upon it.

Does not know what the bytes are for.
"""

from __future__ import annotations

import random
from typing import Any

import cbor2

NOW = 1_800_000_000
NUMBERS = [0, 1, 2, 3, 4, 23, 24, 255, 256, (1 << 20) - 1, 1 << 20, (1 << 32) - 1, 1 << 32, 1 << 33, (1 << 33) + 1, (1 << 64) - 1, 1 << 64, -1, -2]
TIMES = [NOW + seconds for seconds in (-7 * 86_400, -3600, -61, -60, -59, -1, 0, 1, 30, 31, 60)]
OTHERS: list[Any] = [
    None,
    True,
    False,
    0.0,
    1.0,
    float(NOW),
    float("inf"),
    float("nan"),
    "",
    "HK",
    "MO",
    b"",
    {},
    [],
    cbor2.CBORTag(1, 0),
    cbor2.CBORSimpleValue(32),
]
TAGS = [0, 1, 2, 3, 4, 5, 18, 24, 25, 28, 29, 30, 35, 36, 37, 61, 100, 256, 258, 260, 261, 1004, 43_000, 55_799]
LENGTHS = (0, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64)


def mutated(data: bytes, genuine: bytes, rng: random.Random) -> bytes:
    """Another item like the one in `data`; like the one in `genuine`, if there is none in it that can be read, or by chance."""
    try:
        return _mutated(cbor2.loads(genuine if rng.random() < 0.3 else data), rng)
    except Exception:  # noqa: BLE001 - anything may be in it, also what contains itself
        return _mutated(cbor2.loads(genuine), rng)


def _mutated(value: Any, rng: random.Random) -> bytes:
    if rng.random() < 0.7:
        value = _changed(value, rng)
    written = _Writer(rng, odd=rng.random() < 0.5).written(value)
    return written + rng.randbytes(1) if rng.random() < 0.02 else written


def mutated_text(text: bytes, rng: random.Random) -> bytes:
    """The text with up to three pieces replaced by Base45 characters."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(text) + 1)
        piece = bytes(rng.choices(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./::::\r\n", k=rng.choice((0, 1, 1, 2, 3))))
        text = text[:at] + piece + text[at + rng.choice((0, 1, 2, 3, len(piece), len(piece))) :]
    return text


def _value(rng: random.Random) -> Any:
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice(NUMBERS)
    if kind == 1:
        return rng.choice(TIMES)
    if kind == 2:
        return rng.randbytes(rng.choice(LENGTHS))
    if kind == 3:
        return rng.choice(["hk/status/1", "mo/status/1", "HKMO", "MO-GB", "MO-GB-07", "idx", "uri"])
    return rng.choice(OTHERS)


def _changed(value: Any, rng: random.Random, depth: int = 0) -> Any:
    """The value with one place in it changed."""
    if not isinstance(value, dict | list) or not value or depth > 5 or rng.random() < 0.1:
        return value + rng.choice((-1, 1)) if type(value) is int and rng.random() < 0.3 else _value(rng)
    if isinstance(value, list):
        value = list(value)
        at = rng.randrange(len(value))
        value[at] = _changed(value[at], rng, depth + 1)
        return value
    value = dict(value)
    key = rng.choice(list(value))
    match rng.randrange(8):
        case 0:
            del value[key]
        case 1:
            value[rng.choice([9, -1, 1.0, "1", b"", key])] = _value(rng)
        case 2:
            value = {_retyped(old, rng) if old is key else old: item for old, item in value.items()}
        case _:
            value[key] = _changed(value[key], rng, depth + 1)
    return value


def _retyped(key: Any, rng: random.Random) -> Any:
    return rng.choice([float(key), str(key), key + 1, -key]) if type(key) is int else rng.choice([0, f"{key}x"])


class _Writer:
    """Writes CBOR in its deterministic form; `odd`: but for one item, on average, of ten."""

    def __init__(self, rng: random.Random, *, odd: bool) -> None:
        self._rng = rng
        self._odd = odd
        self._room = 1000

    def written(self, value: Any) -> bytes:
        self._room -= 1
        if self._room < 0:
            raise ValueError("too much, or a value that contains itself")
        odd = self._odd and self._rng.random() < 0.1
        if odd and self._rng.random() < 0.2:
            return self._head(6, self._rng.choice(TAGS)) + self.written(value)
        match value:
            case bool() | None | float():
                return self._float(value, odd)
            case int() if -(1 << 64) <= value < 1 << 64:
                return self._head(1, -1 - value, odd) if value < 0 else self._head(0, value, odd)
            case bytes() | str():
                major, content = (2, value) if isinstance(value, bytes) else (3, value.encode(errors="surrogatepass"))
                if odd and self._rng.random() < 0.3:
                    return bytes((major << 5 | 31,)) + self._head(major, len(content)) + content + b"\xff"
                return self._head(major, len(content), odd) + content
            case list():
                return self._items(4, [self.written(item) for item in value], odd)
            case dict():
                pairs = sorted((self.written(key), self.written(item)) for key, item in value.items())
                if odd and pairs and self._rng.random() < 0.6:
                    self._rng.shuffle(pairs)
                    pairs += pairs[: self._rng.randrange(2)]
                return self._items(5, [key + item for key, item in pairs], odd)
        return cbor2.dumps(value, value_sharing=True)

    def _items(self, major: int, items: list[bytes], odd: bool) -> bytes:
        if odd and self._rng.random() < 0.3:
            return bytes((major << 5 | 31,)) + b"".join(items) + b"\xff"
        return self._head(major, len(items), odd and self._rng.random() < 0.3) + b"".join(items)

    def _head(self, major: int, number: int, odd: bool = False) -> bytes:
        size = next(size for size, limit in enumerate((24, 1 << 8, 1 << 16, 1 << 32, 1 << 64)) if number < limit)
        size = self._rng.randint(size, 4) if odd else size
        return bytes((major << 5 | (number if size == 0 else 23 + size),)) + (b"" if size == 0 else number.to_bytes(1 << size - 1, "big"))

    def _float(self, value: Any, odd: bool) -> bytes:
        return cbor2.dumps(value, canonical=not odd)
