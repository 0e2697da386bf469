"""The control server's life: it starts whole or not at all, stops at once, and leaves nothing behind."""

import contextlib
import http.client
import socket
import threading
from pathlib import Path

import pytest

from gate_controller.control.act_log import BURST
from gate_controller.control.client import DaemonUnreachableError
from gate_controller.control.sockets import ListenError


def control_threads():
    return [thread for thread in threading.enumerate() if thread.name == "control"]


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def stuck_reader(served):
    """A client that asks for events and never reads them."""
    line = served.raw()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
    seen = b""
    while b"connected" not in seen:  # from then on it is told; the head alone may come before
        seen += line.recv(100)
    for _ in range(40):
        served.feed.publish("device", {"filling": "x" * 100_000})
    return line


def test_it_comes_and_goes_without_a_trace(serve, open_directory):
    before = descriptors()
    for _ in range(3):
        served = serve()
        assert served.client.status()["gate"] == "fake-1"
        assert served.page("GET", "/")[0] == 200
        assert served.server.alive
        served.server.stop()
        assert not served.server.alive
        assert list(open_directory.iterdir()) == []
        assert control_threads() == []
    assert descriptors() == before


def test_it_can_be_started_again(serve):
    served = serve()
    served.server.stop()
    served.server.start()
    assert served.client.status()["gate"] == "fake-1"


def test_stopping_twice_or_before_the_start_is_harmless(serve):
    served = serve()
    served.server.stop()
    served.server.stop()


def test_it_serves_no_page_unless_asked(serve):
    served = serve(kiosk_port=None)
    assert served.server.kiosk_url is None
    assert served.client.status()["gate"] == "fake-1"


def test_open_streams_end_by_themselves_when_it_stops(serve):
    served = serve(stop_s=600)  # were streams waited for, stopping would take minutes
    page = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    page.request("GET", "/events")
    answer = page.getresponse()
    assert answer.readline() == b"retry: 1000\n"
    api = served.raw()
    api.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
    api.recv(10)
    served.server.stop()
    assert control_threads() == []
    assert api.makefile("rb").read().endswith(b"0\r\n\r\n")  # a whole answer, not a torn one
    answer.read()
    api.close()
    answer.close()
    page.close()


def test_a_reader_that_is_stuck_does_not_keep_it_from_stopping(serve):
    served = serve(write_s=600, stop_s=0.05)
    with contextlib.closing(stuck_reader(served)):
        served.server.stop()
        assert control_threads() == []


def test_a_reader_that_is_stuck_is_hung_up_on(serve, eventually):
    served = serve(write_s=0.2, api_connections=1)

    def another_gets_in():
        with contextlib.suppress(OSError, http.client.HTTPException):
            return served.ask("GET", "/v1/status")[0] == 200
        return False

    with contextlib.closing(stuck_reader(served)):
        eventually(another_gets_in, "the stuck reader's place is free")


@pytest.mark.parametrize("place", ["api", "page"])
def test_more_connections_than_allowed_are_hung_up_on_and_the_rest_work(serve, place, eventually):
    served = serve(api_connections=3, kiosk_connections=3)

    def connect():
        if place == "api":
            return served.raw()
        return socket.create_connection(("127.0.0.1", served.port), timeout=30)

    def answered(line):
        with contextlib.suppress(OSError, http.client.HTTPException):
            line.sendall(f"GET /none HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode())
            answer = http.client.HTTPResponse(line)
            answer.begin()
            answer.read()
            return answer.status == http.client.NOT_FOUND
        return False

    lines = [connect() for _ in range(8)]
    assert [answered(line) for line in lines] == [True] * 3 + [False] * 5
    assert [answered(line) for line in lines[:3]] == [True] * 3
    for line in lines:
        line.close()

    def place_is_free():
        with contextlib.closing(connect()) as line:
            return answered(line)

    eventually(place_is_free, "a place is free again")


def test_a_port_in_use_stops_the_start_and_leaves_no_socket(serve, open_directory):
    first = serve()
    second = open_directory / "second.sock"
    with pytest.raises(ListenError) as error:
        serve(path=second, kiosk_port=first.port)
    assert error.value.remedy
    assert not second.exists()
    assert len(control_threads()) == 1
    assert first.page("GET", "/")[0] == 200


def test_a_second_server_on_the_same_socket_is_refused_and_the_first_goes_on(serve):
    first = serve()
    with pytest.raises(ListenError, match="in use"):
        serve()
    assert first.client.status()["gate"] == "fake-1"
    first.server.stop()
    assert not first.path.exists()


def test_the_socket_of_a_killed_daemon_is_taken_over(serve, socket_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(socket_path))
    assert serve().client.status()["gate"] == "fake-1"


def test_events_published_while_nothing_is_served_are_there_afterwards(serve):
    served = serve()
    served.server.stop()
    served.feed.publish("crossing_recorded", {"outcome": "completed"})
    served.server.start()
    assert [record["outcome"] for record in served.client.crossings().crossings] == ["completed"]


def test_what_was_published_before_the_stop_still_reaches_who_watches(serve):
    served = serve(stop_s=30)
    with served.client.events() as stream:
        reading = iter(stream)
        assert next(reading).kind == "connected"
        for number in range(500):  # more than the buffers on the way hold
            served.feed.publish("device", {"n": number, "filling": "x" * 2000})
        stopping = threading.Thread(target=served.server.stop)
        stopping.start()
        seen = []
        with contextlib.suppress(DaemonUnreachableError):
            seen.extend(event.fields["n"] for event in reading)
    stopping.join(30)
    assert seen == list(range(500))


def test_acts_that_wait_for_a_journal_that_hangs_hold_up_nobody_else(serve, gate, monkeypatch, eventually):
    waiting, hangs = [], threading.Event()
    monkeypatch.setattr(gate, "note", lambda *note: (waiting.append(note), hangs.wait(30)))
    served = serve()
    body = b'{"on": false, "identity": "x", "reason": "y"}'  # refused: the lane is not in maintenance
    with contextlib.ExitStack() as stack:
        stack.callback(hangs.set)
        for _ in range(BURST + 5):
            line = stack.enter_context(served.raw())
            line.sendall(b"POST /v1/maintenance HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        eventually(lambda: len(waiting) == BURST, "as many notes wait as one user's may")
        assert served.client.calls()
