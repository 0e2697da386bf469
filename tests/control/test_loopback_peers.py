"""Who is connected to the kiosk page: told by the kernel, so that no account can take all places from the display."""

import asyncio
import contextlib
import ctypes
import http.client
import os
import socket
import struct

import pytest
from structlog.testing import capture_logs

from gate_controller.control.accounts import SUBORDINATE, Accounts
from gate_controller.control.peers import NETLINK_SOCK_DIAG, LoopbackPeers
from gate_controller.control.serving import Limits, Site

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root connects as somebody else")


class Transport:
    """As much of a transport as is asked."""

    def __init__(self, connection=None, uid=None):
        self.connection, self.uid, self.aborted = connection, uid, False

    def get_extra_info(self, _name):
        return self.connection

    def abort(self):
        self.aborted = True


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def peers():
    made = LoopbackPeers()
    yield made
    made.close()


@contextlib.contextmanager
def as_user(uid):
    """Sockets made meanwhile are that user's: the kernel goes by the thread's file system user id."""
    libc = ctypes.CDLL(None)
    libc.setfsuid(uid)
    try:
        yield
    finally:
        libc.setfsuid(os.geteuid())


def test_the_user_at_the_other_end_is_known(listener, peers):
    with socket.create_connection(listener.getsockname()), listener.accept()[0] as ours:
        assert peers.uid(Transport(ours)) == os.getuid()


@as_root
def test_users_are_told_apart(listener, peers):
    with as_user(NOBODY):
        theirs = socket.create_connection(listener.getsockname())
    with theirs, listener.accept()[0] as first, socket.create_connection(listener.getsockname()), listener.accept()[0] as second:
        assert [peers.uid(Transport(each)) for each in (first, second, first)] == [NOBODY, 0, NOBODY]


def test_an_end_that_was_left_is_nobodys(listener, peers):
    """The kernel shows it as root's, whoever had it."""
    socket.create_connection(listener.getsockname()).close()
    with listener.accept()[0] as ours:
        assert peers.uid(Transport(ours)) is None


def test_other_sockets_are_nobodys(peers):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peers.uid(Transport(ours)) is None
    assert peers.uid(Transport(None)) is None
    assert peers.uid(None) is None


def test_where_the_kernel_does_not_say_nobody_is_named(listener):
    """A netlink socket of another family stands for a kernel without the table."""
    route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    peers = LoopbackPeers(route)
    with socket.create_connection(listener.getsockname()), listener.accept()[0] as ours:
        assert peers.uid(Transport(ours)) is None
    peers.close()
    assert route.fileno() == -1
    assert peers.uid(Transport(ours)) is None


class Impatient:
    """A netlink line on which each question was asked before, and the answer not read."""

    def __init__(self, line):
        self.line, self.read = line, 0
        self.setblocking, self.close = line.setblocking, line.close

    def sendto(self, question, address):
        earlier = bytearray(question)
        earlier[8:12] = b"\x07\x07\x07\x07"  # nlmsg_seq
        earlier[28:30] = b"\0\0"  # another source port: the answer is an error
        self.line.sendto(bytes(earlier), address)
        self.line.sendto(question, address)

    def recvfrom(self, size):
        self.read += 1
        return self.line.recvfrom(size)


def test_answers_to_older_questions_are_passed_over(listener):
    line = Impatient(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG))
    peers = LoopbackPeers(line)
    with socket.create_connection(listener.getsockname()), listener.accept()[0] as ours:
        assert peers.uid(Transport(ours)) == os.getuid()
    assert line.read == 2
    peers.close()


def site(each, accounts=None):
    async def make():
        from aiohttp import web

        return Site(web.Application(), 6, Limits(), each, lambda transport: transport.uid, accounts)

    return asyncio.run(make())


def test_an_account_keeps_its_own_places_only():
    page = site(each=3)
    flood = [Transport(uid=1001) for _ in range(20)]
    for each in flood:
        page.enter(each)
    display = [Transport(uid=990) for _ in range(2)]
    for each in display:
        page.enter(each)
    assert [each.aborted for each in flood] == [False] * 3 + [True] * 17
    assert not any(each.aborted for each in display)


def test_several_accounts_together_lose_their_own_newest():
    page = site(each=3)
    flood = [Transport(uid=1001 + n % 2) for n in range(6)]
    for each in flood:
        page.enter(each)
    display = [Transport(uid=990) for _ in range(2)]
    for each in display:
        page.enter(each)
    assert not any(each.aborted for each in display)
    assert sum(each.aborted for each in flood) == 2


@as_root
def test_the_display_gets_its_page_while_another_account_takes_all_it_can(serve, eventually):
    served = serve(kiosk_connections=12, kiosk_connections_each=4)
    lines = []
    with as_user(NOBODY):
        lines += [socket.create_connection(("127.0.0.1", served.port), timeout=30) for _ in range(40)]

    def shown():
        with contextlib.suppress(OSError, http.client.HTTPException):
            return served.page("GET", "/")[0] == 200
        return False

    assert shown()
    for each in lines:
        each.close()
    eventually(shown, "the page is there also afterwards")


def test_a_connection_that_was_reset_is_no_reason_to_doubt_the_others(listener, peers):
    theirs = socket.create_connection(listener.getsockname())
    ours = listener.accept()[0]
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    with ours:
        assert peers.uid(Transport(ours)) is None
    assert not peers._told
    with socket.create_connection(listener.getsockname()), listener.accept()[0] as ours:
        assert peers.uid(Transport(ours)) == os.getuid()


def test_a_line_that_does_not_know_a_living_connection_is_told_once(listener):
    """As one that was made in another network."""
    route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    peers = LoopbackPeers(route)
    with capture_logs() as told, socket.create_connection(listener.getsockname()), listener.accept()[0] as ours:
        peers.uid(Transport(ours))
        peers.uid(Transport(ours))
    peers.close()
    assert [each["event"] for each in told] == ["who is connected to the kiosk page is not known"]


def test_subordinate_user_ids_count_as_one_account(tmp_path):
    file = tmp_path / "subuid"
    file.write_text("ann:100000:65536\n\nbroken\nbob:x:1\nbob:165536:65536\n", encoding="utf-8")
    page = site(3, Accounts(file))
    flood = [Transport(uid=100000 + 3000 * n) for n in range(32)]
    for each in flood:
        page.enter(each)
    display = [Transport(uid=990) for _ in range(3)]
    for each in display:
        page.enter(each)
    assert [each.aborted for each in flood] == [False] * 3 + [True] * 29
    assert not any(each.aborted for each in display)


def test_the_ranges_are_read_anew_when_they_change_and_none_are_none(tmp_path):
    file = tmp_path / "subuid"
    accounts = Accounts(file)
    assert [accounts.account(uid) for uid in (None, 0, 1000, 100000)] == [None, 0, 1000, 100000]
    file.write_text("ann:100000:65536\n", encoding="utf-8")
    assert [accounts.account(uid) for uid in (0, 1000, 99999, 100000, 165535, 165536)] == [0, 1000, 99999, SUBORDINATE, SUBORDINATE, 165536]
    other = tmp_path / "other"
    other.write_text("ann:200000:10\n", encoding="utf-8")
    other.rename(file)
    assert [accounts.account(uid) for uid in (100000, 200009)] == [100000, SUBORDINATE]
    file.unlink()
    assert accounts.account(200009) == 200009
