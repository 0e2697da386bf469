"""One HTTP/1.0 request over a unix socket, and its answer: all of HTTP that gatectl needs.

The standard library's client takes a third of the time in which gatectl can tell a status, only to be imported. 1.0, so that nothing is chunked and the
answer ends where the connection does. Does not know the gate, and is not for a network.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

_HEAD_BYTES = 2**16
_CHUNK_BYTES = 2**16


class MalformedAnswerError(ValueError):
    """What came is not an HTTP answer, or not the whole of one."""


class Exchange:
    """A connection for one request; the constructor connects.

    Args:
        path: The socket.
        within_s: Time for everything up to the end of the answer, however slowly it comes.

    Attributes:
        status: Of the answer, once it was asked.
        headers: Of the answer, names in small letters.

    Raises (all calls):
        TimeoutError: The time is over.
        OSError: Nobody is there, or no longer.
        MalformedAnswerError: See there.
    """

    def __init__(self, path: Path, within_s: float) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._until = time.monotonic() + within_s
        self._kept = b""
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._line.settimeout(within_s)
            self._line.connect(str(path))
        except BaseException:
            self._line.close()
            raise

    def ask(self, method: str, target: str, body: bytes | None = None) -> None:
        """Send the request, and take the head of the answer."""
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body is not None else ""
        self._line.sendall(f"{method} {target} HTTP/1.0\r\nHost: gate\r\n{length}\r\n".encode("ascii") + (body or b""))
        while b"\r\n\r\n" not in self._kept:
            if len(self._kept) > _HEAD_BYTES:
                raise MalformedAnswerError("the head has no end")
            self._kept += self._receive(time.monotonic()) or self._ended()
        head, _, self._kept = self._kept.partition(b"\r\n\r\n")
        first, *others = head.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdigit() and len(code) == 3):
            raise MalformedAnswerError("this is not HTTP")
        self.status = int(code)
        for line in others:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()

    @property
    def media(self) -> str:
        """Type of the answer's body, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def read(self, limit: int) -> bytes:
        """The whole body.

        Args:
            limit: Bytes it may have.
        """
        told = self.headers.get("content-length", "")
        wanted = int(told) if told.isascii() and told.isdigit() and len(told) < 20 else None
        while wanted is None or len(self._kept) < wanted:
            if len(self._kept) > limit or (wanted or 0) > limit:
                raise MalformedAnswerError("the answer is too long")
            more = self._receive(time.monotonic())
            if not more:
                break
            self._kept += more
        if wanted is not None and len(self._kept) < wanted:
            raise MalformedAnswerError("the answer is cut short")
        return self._kept if wanted is None else self._kept[:wanted]

    def lines(self, silence_s: float, limit: int) -> Iterator[bytes]:
        """The body line by line, without their ends, until it ends; however long that takes.

        Args:
            silence_s: Longest time without anything.
            limit: Bytes a line may have.
        """
        while True:
            line, end, rest = self._kept.partition(b"\n")
            if end:
                self._kept = rest
                yield line.rstrip(b"\r")
                continue
            if len(self._kept) > limit:
                raise MalformedAnswerError("a line has no end")
            now = time.monotonic()
            self._until = now + silence_s
            more = self._receive(now)
            if not more:
                return
            self._kept += more

    def close(self) -> None:
        """Hang up, from any thread: whoever reads comes to the end."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _receive(self, now: float) -> bytes:
        left = self._until - now
        if left <= 0:
            raise TimeoutError
        self._line.settimeout(left)
        return self._line.recv(_CHUNK_BYTES)

    def _ended(self) -> bytes:
        if self._kept:
            raise MalformedAnswerError("the answer is cut short")
        raise ConnectionResetError(errno.ECONNRESET, "it hung up without an answer")
