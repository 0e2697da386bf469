"""A trust repository on an HTTPS mirror, read as if the mirror were hostile: it may hang, drip, redirect, send without end.

Every wait is bounded by itself and all of them together by one deadline, down to the single byte of a header; no redirect is followed, nothing is
decompressed, no proxy is taken from the environment. The one wait that cannot be bounded here is the resolver's for the mirror's name.
http.client by itself, with the socket watched: a client library's pool, retries, redirects and decoding would all have to be switched off.
Does not verify what it reads and does not limit its size: see Source.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from gate_controller.ports.errors import ConfigurationError
from gate_controller.trust.sources import CHUNK_BYTES, NotInSource, SourceError, checked_parts

TOTAL_S = 300.0
CONNECT_S = 10.0
READ_S = 20.0

_NOT_A_MIRROR = "is it a mirror of the trust repository? look at it with a browser"
_HEADERS = {"User-Agent": "gate-keys", "Accept-Encoding": "identity", "Connection": "close"}


class MirrorSource:
    """A repository below a URL; one object for each import.

    Args:
        url: Base, below which metadata/ and targets/ lie: https, or http on the loopback only.
        ca_file: PEM file of the only authorities trusted to certify the mirror; None: the system's.
        total_s: Longest time from the first read on, for all files together.
        connect_s: Longest time for a connection, and again for its TLS handshake.
        read_s: Longest silence.
        clock: Seconds on a clock that never goes back.

    Raises:
        ConfigurationError: The URL or the CA file cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        ca_file: Path | None = None,
        total_s: float = TOTAL_S,
        connect_s: float = CONNECT_S,
        read_s: float = READ_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"mirror {url if url.isprintable() else ascii(url)}"
        self._host, self._port, self._path, secure = _parsed(url)
        self._tls = _context(ca_file) if secure else None
        self._connect_s, self._read_s, self._total_s, self._clock = connect_s, read_s, total_s, clock
        self._ends_at: float | None = None

    def read(self, name: str) -> Iterator[bytes]:
        """See Source. One connection for each file."""
        checked_parts(self, name)
        if self._ends_at is None:
            self._ends_at = self._clock() + self._total_s
        with self._faults(name), self._connected() as connected:
            response = self._answer(connected, name)
            left = response.length  # http.client's read1 does not count it down in every version of Python
            while left != 0:
                chunk = response.read1(CHUNK_BYTES if left is None else min(left, CHUNK_BYTES))
                if not chunk:
                    break
                left = None if left is None else left - len(chunk)
                yield chunk
            if left:
                msg = f"{self.name}: {name} breaks off {left} bytes before its end"
                raise SourceError(msg, "the next try may succeed; if not, look at the mirror")

    @contextlib.contextmanager
    def _connected(self) -> Iterator[_WatchedSocket]:
        with contextlib.ExitStack() as stack:
            opened: socket.socket = stack.enter_context(socket.create_connection((self._host, self._port), timeout=self._within(self._connect_s)))
            if self._tls is not None:
                opened.settimeout(self._within(self._connect_s))
                opened = stack.enter_context(self._tls.wrap_socket(opened, server_hostname=self._host))
            yield _WatchedSocket(opened, lambda: self._within(self._read_s))

    def _answer(self, connected: _WatchedSocket, name: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self._host, self._port)
        if self._tls is not None:
            connection.default_port = http.client.HTTPS_PORT  # what need not stand in the Host header
        connection.sock = connected
        connection.request("GET", f"{self._path}/{name}", headers=_HEADERS)
        response = connection.getresponse()
        if response.status == http.HTTPStatus.NOT_FOUND:
            msg = f"{self.name}: {name} is missing"
            raise NotInSource(msg, _NOT_A_MIRROR)
        if 300 <= response.status < 400:
            target = ascii(response.headers.get("Location", ""))[:120]
            msg = f"{self.name}: {name}: redirect to {target} ({response.status}) is not followed"
            raise SourceError(msg, "configure the mirror's final address, if you trust it: [sync] mirror")
        if response.status != http.HTTPStatus.OK:
            msg = f"{self.name}: {name}: the answer is HTTP status {response.status}"
            raise SourceError(msg, "the next try may succeed; if not, look at the mirror")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            msg = f"{self.name}: {name} is sent with content encoding {ascii(encoding)[:40]}, which nobody asked for"
            raise SourceError(msg, "switch compression off at the mirror for this repository")
        return response

    def _within(self, limit_s: float) -> float:
        """How long the next wait may take, in seconds."""
        left = (self._ends_at or 0.0) - self._clock()
        if left <= 0:
            raise _TotalExceededError
        return min(limit_s, left)

    @contextlib.contextmanager
    def _faults(self, name: str) -> Iterator[None]:
        where, again = f"{self.name}: {name}", "the next try may succeed; if not, look at the mirror and the network"
        try:
            yield
        except _TotalExceededError:
            msg = f"{where}: not finished within {self._total_s:g} s for the whole repository"
            raise SourceError(msg, again) from None
        except TimeoutError:
            # create_connection's own limit, the handshake's or a silence: whichever it was, nothing came.
            msg = f"{where}: no answer in time"
            raise SourceError(msg, again) from None
        except ssl.SSLCertVerificationError as error:
            msg = f"{where}: the mirror's certificate is not accepted: {error.verify_message}"
            raise SourceError(msg, "check the gate's clock, [sync] mirror's host name and [sync] ca_file; never switch the check off") from None
        except ssl.SSLError as error:
            msg = f"{where}: TLS fails: {error.reason or 'the connection was closed'}"
            raise SourceError(msg, "is it an HTTPS port, with TLS 1.2 or newer?") from None
        except socket.gaierror as error:
            msg = f"{where}: the name {self._host} cannot be resolved: {error.strerror}"
            raise SourceError(msg, "check the name and the gate's resolver") from None
        except OSError as error:
            msg = f"{where}: {error.strerror or 'the connection was closed without an answer'}"
            raise SourceError(msg, again) from None
        except (http.client.HTTPException, ValueError) as error:
            # Its text may quote the mirror. ValueError: http.client lets some of int()'s and of the file object's through.
            msg = f"{where}: the answer is not well-formed HTTP ({type(error).__name__})"
            raise SourceError(msg, _NOT_A_MIRROR) from None


class _TotalExceededError(TimeoutError):
    """The deadline for everything has passed."""


class _WatchedSocket:
    """As much of a socket as http.client needs; before each receive it asks how long that may take."""

    def __init__(self, opened: socket.socket, limit_s: Callable[[], float]) -> None:
        self._socket = opened
        self._limit_s = limit_s

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(self._limit_s())
        self._socket.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_WatchedReader(self._socket, self._limit_s), CHUNK_BYTES)

    def close(self) -> None:
        """Nothing: http.client closes before the body is read; whoever opened the socket closes it."""


class _WatchedReader(io.RawIOBase):
    def __init__(self, opened: socket.socket, limit_s: Callable[[], float]) -> None:
        self._socket = opened
        self._limit_s = limit_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._socket.settimeout(self._limit_s())
        return self._socket.recv_into(buffer)


def _parsed(url: str) -> tuple[str, int, str, bool]:
    """Host, port, path without a slash at its end, whether TLS is used.

    Raises:
        ConfigurationError: It is no URL that a mirror may have.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")  # as the resolver will; its errors are ValueErrors
    except ValueError:
        raise _bad_url(url, "is not a URL") from None
    if not url.isascii() or not url.isprintable() or " " in url or not host:
        raise _bad_url(url, "is not a URL")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise _bad_url(url, "has a user, a query or a fragment")
    secure = parts.scheme == "https"
    if not secure and not (parts.scheme == "http" and _is_loopback(host)):
        raise _bad_url(url, "is not https")
    return host, port if port is not None else 443 if secure else 80, parts.path.rstrip("/"), secure


def _bad_url(url: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"mirror {url!a} {what}", "give https://HOST/PATH; http is for the loopback only")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        what = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        msg = f"the mirror's CA file {ca_file} cannot be used: {what}"
        raise ConfigurationError(msg, "give a PEM file that this user may read: [sync] ca_file") from None
