"""The standard-library client: what it makes of daemons that are absent, strange, or gone."""

import contextlib
import socket
import subprocess
import sys
import threading

import pytest

from gate_controller.control.client import DaemonUnreachableError, GateClient, NotPermittedError, RequestRefusedError
from gate_controller.ports.errors import RefusedByStateError


@pytest.fixture
def strange_server(socket_path):
    """Something that answers every connection with the same bytes."""
    with contextlib.ExitStack() as stack:

        def start(answer, *, hang_up=True):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listener.bind(str(socket_path))
            listener.listen(4)
            kept = []

            def run():
                with contextlib.suppress(OSError):
                    while True:
                        line, _ = listener.accept()
                        line.recv(65536)
                        with contextlib.suppress(OSError):
                            line.sendall(answer)
                        if hang_up:
                            line.close()
                        kept.append(line)

            thread = threading.Thread(target=run)
            thread.start()
            stack.callback(lambda: [line.close() for line in kept])
            stack.callback(thread.join)
            stack.callback(lambda: listener.shutdown(socket.SHUT_RDWR))

        yield start


def answer(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n{body}".encode()


def events(text):
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{text}".encode()


def ask_everything(client):
    """Each call by itself, so that one failure does not hide the others."""
    return [client.status, client.crossings, lambda: client.officer("acknowledge", "officer-7"), lambda: list(client.events())]


def test_no_daemon(open_directory):
    for ask in ask_everything(GateClient(open_directory / "none.sock")):
        with pytest.raises(DaemonUnreachableError, match=r"none\.sock") as error:
            ask()
        assert error.value.remedy


def test_a_daemon_that_was_killed(socket_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(socket_path))
    for ask in ask_everything(GateClient(socket_path)):
        with pytest.raises(DaemonUnreachableError):
            ask()


def test_a_socket_of_somebody_else(socket_path, without_root):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(socket_path))
        listener.listen()
        socket_path.chmod(0o000)
        with without_root():
            for ask in ask_everything(GateClient(socket_path)):
                with pytest.raises(NotPermittedError) as error:
                    ask()
                assert error.value.remedy


@pytest.mark.parametrize(
    "bytes_",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        answer("[]"),
        answer("nonsense"),
        answer('{"error": "Not Found", "remedy": "x"}', "404 Not Found"),
        answer('{"error": "broken"}', "500 Internal Server Error"),
        answer("\udcff" if False else "[" * 100_000),
    ],
)
def test_something_else_that_answers(strange_server, socket_path, bytes_):
    strange_server(bytes_)
    for ask in ask_everything(GateClient(socket_path)):
        with pytest.raises(DaemonUnreachableError):
            ask()


def test_crossings_that_lack_what_they_must_have(strange_server, socket_path):
    strange_server(answer('{"run": "r"}'))
    with pytest.raises(DaemonUnreachableError, match="not a gate controller of this version"):
        GateClient(socket_path).crossings()


@pytest.mark.parametrize("calls", ["7", "[7]", "null"])
def test_calls_that_are_none(strange_server, socket_path, calls):
    strange_server(answer(f'{{"calls": {calls}}}'))
    with pytest.raises(DaemonUnreachableError, match="not a gate controller of this version"):
        GateClient(socket_path).calls()


def test_a_daemon_that_does_not_answer(strange_server, socket_path):
    strange_server(b"", hang_up=False)
    for ask in ask_everything(GateClient(socket_path, timeout_s=0.1)):
        with pytest.raises(DaemonUnreachableError, match=r"0\.1 s"):
            ask()


@pytest.mark.parametrize("text", ["", "event: device\ndata: nonsense\n\n", "event: device\ndata: [1]\n\n", 'data: {"fields": 1}\n\n', "data: \xff"])
def test_a_stream_that_ends_or_makes_no_sense(strange_server, socket_path, text):
    strange_server(events(text))
    with GateClient(socket_path).events() as stream, pytest.raises(DaemonUnreachableError):
        list(stream)


def test_a_stream_that_falls_silent(strange_server, socket_path):
    strange_server(events('event: device\ndata: {"sequence": 1, "at": 2.0, "fields": {}}\n\n'), hang_up=False)
    with GateClient(socket_path, timeout_s=0.2).events() as stream:
        reading = iter(stream)
        assert next(reading).sequence == 1
        with pytest.raises(DaemonUnreachableError):
            next(reading)


def test_a_daemon_that_stops_ends_the_stream_with_an_error(serve):
    served = serve()
    with served.client.events() as stream:
        reading = iter(stream)
        assert next(reading).kind == "connected"
        served.server.stop()
        with pytest.raises(DaemonUnreachableError, match="ended the stream"):
            list(reading)


def test_a_stream_is_closed_from_another_thread(serve):
    served = serve()
    stream = served.client.events()
    reading = iter(stream)
    assert next(reading).kind == "connected"
    rest = []
    reader = threading.Thread(target=lambda: rest.extend(reading))
    reader.start()
    stream.close()
    reader.join(30)
    assert not reader.is_alive()


def test_heartbeats_are_only_given_to_who_asks(serve):
    served = serve()
    with served.client.events(heartbeats=True) as stream:
        assert "heartbeat" in {event.kind for event, _ in zip(stream, range(3), strict=False)}
    with served.client.events() as stream:
        reading = iter(stream)
        assert next(reading).kind == "connected"
        threading.Timer(0.2, lambda: served.feed.publish("device", {"mark": 1})).start()
        assert next(reading).kind == "device"


def test_what_the_gate_refuses_is_told_apart(serve, gate):
    served = serve()
    with pytest.raises(RequestRefusedError, match="reason"):
        served.client.officer("release", "officer-7", call=0)
    gate.state = "ready"
    with pytest.raises(RefusedByStateError, match="ready") as error:
        served.client.officer("release", "officer-7", "passport seen", 0)
    assert error.value.remedy == "see gatectl status"


def test_it_needs_nothing_beyond_the_standard_library():
    code = "import sys, gate_controller.control.client as c; print(sorted({m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "aiohttp" not in loaded
    assert "numpy" not in loaded


@pytest.mark.parametrize(
    "answered",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 2 OK\r\n\r\n{}",
        b"HTTP/2 200\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000,
    ],
)
def test_half_an_answer_is_none(strange_server, socket_path, answered):
    strange_server(answered)
    with pytest.raises(DaemonUnreachableError, match="not a gate controller"):
        GateClient(socket_path).status()


def test_an_answer_that_drips_takes_no_longer_than_one_that_does_not_come(socket_path):
    done = threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(socket_path))
        listener.listen()

        def drip():
            line, _ = listener.accept()
            with line, contextlib.suppress(OSError):
                line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while not done.wait(0.02):
                    line.sendall(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(DaemonUnreachableError, match="within"):
                GateClient(socket_path, timeout_s=0.2).status()
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(("said", "hang_up"), [(b"", False), (b"", True)])
def test_an_act_without_an_answer_may_have_been_carried_out(strange_server, socket_path, said, hang_up):
    strange_server(said, hang_up=hang_up)
    client = GateClient(socket_path, timeout_s=0.1)
    for act in (lambda: client.officer("release", "officer-7", "seen", 5), lambda: client.maintenance(True, "staff 7", "lens")):
        with pytest.raises(DaemonUnreachableError, match="not known") as error:
            act()
        assert "before you do it again" in error.value.remedy


def test_an_act_that_reached_nobody_was_not_carried_out(socket_path):
    with pytest.raises(DaemonUnreachableError) as error:
        GateClient(socket_path).officer("release", "officer-7", "seen", 5)
    assert "not known" not in error.value.what
