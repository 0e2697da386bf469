"""Listeners that the service manager made: taken as they are, refused in one line when they are something else, and their file left alone."""

import socket

import pytest

from gate_controller.control.feed import EventFeed
from gate_controller.control.server import ControlServer
from gate_controller.control.sockets import ListenError, adopt_loopback, adopt_unix
from gate_controller.ports.clock import SystemClock


@pytest.fixture
def unix(socket_path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(socket_path))
        made.listen()
        yield made


@pytest.fixture
def page():
    with socket.socket(socket.AF_INET) as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made


def test_the_server_serves_on_both_and_leaves_the_file(gate, unix, page, socket_path):
    handed = {"control": unix, "kiosk": page}
    server = ControlServer(gate, EventFeed(SystemClock()), socket_path=socket_path, kiosk_port=0, handed_over=handed)
    port = page.getsockname()[1]
    with server:
        assert handed == {}
        assert server.kiosk_url == f"http://127.0.0.1:{port}/"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(socket_path))
            client.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
    assert unix.fileno() == page.fileno() == -1, "closed"
    assert socket_path.exists()


def test_a_path_through_a_link_is_the_same_place(unix, socket_path, tmp_path):
    link = tmp_path / "run"
    link.symlink_to(socket_path.parent)
    assert adopt_unix(unix, link / socket_path.name).socket is unix


@pytest.mark.parametrize("what", ["elsewhere", "other family", "datagram", "not listening", "no name"])
def test_another_control_socket_is_refused(unix, page, socket_path, tmp_path, what):
    given, path = unix, socket_path
    if what == "elsewhere":
        path = tmp_path / "c.sock"
    elif what == "other family":
        given = page
    elif what == "no name":
        given = socket.socket(socket.AF_UNIX)
    else:
        path = tmp_path / "d.sock"
        given = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if what == "datagram" else socket.SOCK_STREAM)
        given.bind(str(path))
    with pytest.raises(ListenError) as error:
        adopt_unix(given, path)
    assert error.value.remedy
    assert given.fileno() == -1


@pytest.mark.parametrize("what", ["another port", "another address", "other family", "not listening"])
def test_another_page_is_refused(unix, page, what):
    given, port = page, page.getsockname()[1]
    if what == "another port":
        port = 8080 if port != 8080 else 8081
    elif what == "other family":
        given = unix
    elif what == "another address":
        given = socket.socket(socket.AF_INET)
        given.bind(("127.0.0.2", 0))
        given.listen()
        port = given.getsockname()[1]
    else:
        given = socket.socket(socket.AF_INET)
        given.bind(("127.0.0.1", 0))
        port = given.getsockname()[1]
    with pytest.raises(ListenError) as error:
        adopt_loopback(given, port)
    assert error.value.remedy
    assert given.fileno() == -1
