"""Whose the other end of a connection on the loopback is: the kernel's table of TCP sockets, asked by sock_diag(7).

TCP has no SO_PEERCRED. The controller has a network name space of its own, and /proc/net/tcp shows only that; a netlink socket asks about the name space it was
made in, so the service manager makes it and hands it over with the kiosk page's listener. Names nobody, and decides nothing about whom to serve.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
import struct
from typing import Final

import structlog

log = structlog.get_logger("gate.control")

NETLINK_SOCK_DIAG: Final = 4
_BY_FAMILY: Final = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST: Final = 1  # NLM_F_REQUEST
_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_QUESTION: Final = struct.Struct("=BBBBI")  # inet_diag_req_v2 before its inet_diag_sockid: family, protocol, extensions, padding, states
_PORTS: Final = struct.Struct("!HH")
_REST: Final = struct.Struct("=III")  # interface, and the cookie that stands for any
_ANSWER: Final = struct.Struct("=4B48s5I")  # inet_diag_msg: family, state, timer, retransmissions; sockid; expires, two queues, uid, inode
_ALL_STATES: Final = 0xFFFFFFFF
_TRIES: Final = 4


class LoopbackPeers:
    """Asks for the user id at the other end of TCP connections to 127.0.0.1.

    Args:
        line: A netlink socket of the family NETLINK_SOCK_DIAG, made in the name space where the connections are; closed with this. None: one is made here.
    """

    def __init__(self, line: socket.socket | None = None) -> None:
        self._numbers = itertools.count(1)
        self._line = line
        self._told = False
        try:
            if self._line is None:
                self._line = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
            self._line.setblocking(False)  # the kernel has answered by the time the question is sent
        except OSError as error:
            self._doubt(error)

    def uid(self, transport: asyncio.BaseTransport | None) -> int | None:
        """Who is at the other end; None where the kernel does not say, and of an end that nobody holds any more."""
        connection = None if transport is None else transport.get_extra_info("socket")
        if self._line is None or connection is None or connection.family != socket.AF_INET:
            return None
        try:
            there, here = connection.getpeername(), connection.getsockname()
            return self._ask(there, here)
        except OSError as error:
            if not _has_gone(connection):
                self._doubt(error)
            return None

    def close(self) -> None:
        """Ask no more."""
        if self._line is not None:
            self._line.close()

    def _ask(self, there: tuple[str, int], here: tuple[str, int]) -> int | None:
        if self._line is None:
            return None
        number = next(self._numbers) & 0xFFFFFFFF
        ends = (
            _PORTS.pack(there[1], here[1]) + b"".join(socket.inet_aton(host).ljust(16, b"\0") for host, _ in (there, here)) + _REST.pack(0, *2 * (_ALL_STATES,))
        )
        question = _QUESTION.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ALL_STATES) + ends
        self._line.sendto(_HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, _REQUEST, number, 0) + question, (0, 0))
        for _ in range(_TRIES):  # an answer to an older question may still be there
            data, (sender, _groups) = self._line.recvfrom(8192)
            if sender != 0 or len(data) < _HEADER.size + 4:
                continue  # not the kernel
            _, kind, _, answered, _ = _HEADER.unpack_from(data)
            if answered != number:
                continue
            if kind != _BY_FAMILY:
                error = -struct.unpack_from("=i", data, _HEADER.size)[0]
                raise OSError(error, "the kernel does not tell")
            fields = _ANSWER.unpack_from(data, _HEADER.size)
            uid, inode = fields[8], fields[9]
            return int(uid) if inode else None  # an end without a file shows user 0, whoever had it
        return None

    def _doubt(self, error: OSError) -> None:
        """Say once that whoever connects can't be told apart: then one account can take all places."""
        if not self._told:
            self._told = True
            log.warning("who is connected to the kiosk page is not known", error=error.strerror or str(error))


def _has_gone(connection: socket.socket) -> bool:
    """Whether the other end has hung up hard meanwhile: that the kernel knows nothing of it then says nothing of the others."""
    try:
        connection.getpeername()
    except OSError as error:
        return error.errno == errno.ENOTCONN
    return False
