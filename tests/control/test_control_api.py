"""The control API over a real unix socket."""

import contextlib
import gzip
import json
import os
import threading

import pytest

from gate_controller.control.about import version
from gate_controller.ports.errors import UnansweredError

ACT = {"action": "release", "identity": "officer-7", "reason": "passport seen", "call": 0}
PATIENCE_S = 30.0


def post(served, body, headers=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return served.ask("POST", "/v1/officer", data, headers)


def take(stream, *, until):
    """Events up to and including the first that `until` holds for."""
    seen = []
    for event in stream:
        seen.append(event)
        if until(event):
            return seen
    raise AssertionError("the stream ended")


def marker(name):
    return lambda event: event.fields.get("mark") == name


def test_status_is_what_the_gate_says(serve):
    status = serve().client.status()
    assert status.pop("trust").keys() == {"HK", "MO"}
    assert status.pop("trust_store")["failures"] == 2
    assert status.pop("version") == version()
    assert status == {"gate": "fake-1", "state": "officer_referral", "reason": "face_mismatch", "officer_call": None}


def test_a_gate_that_fails_is_an_error_without_its_details(serve, gate):
    served = serve()
    gate.failing = True
    status, body = served.ask("GET", "/v1/status")
    assert status == 500
    assert body.keys() == {"error", "remedy"}
    assert "secret" not in json.dumps(body)


def test_answers_name_no_library_and_are_not_kept(serve):
    served = serve()
    with contextlib.closing(served.raw()) as line:
        line.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = line.makefile("rb").read().partition(b"\r\n\r\n")[0].lower()
    assert b"server: gate-controller\r\n" in head
    assert b"aiohttp" not in head
    assert b"cache-control: no-store" in head


# -- officer -----------------------------------------------------------------------------------------------------------


def test_an_act_reaches_the_gate_with_the_callers_uid(serve, gate):
    served = serve()
    assert post(served, ACT) == (200, {"accepted": True, "action": "release", "uid": os.geteuid()})
    assert gate.acts == [("release", "officer-7", "passport seen", os.geteuid())]


def test_the_uid_is_the_callers_not_the_daemons(serve, gate, without_root):
    served = serve()
    served.path.chmod(0o666)
    with without_root():
        expected = os.geteuid()
        post(served, ACT)
    assert gate.acts[0][3] == expected


def test_watchers_learn_of_an_act_but_not_who_did_it_or_why(serve):
    served = serve()
    post(served, ACT)
    with served.client.events(after=0) as stream:
        events = take(stream, until=lambda event: event.kind == "officer_acted")
    assert events[-1].fields == {"action": "release", "uid": os.geteuid()}
    assert "officer-7" not in repr(events)
    assert "passport" not in repr(events)


@pytest.mark.parametrize("action", ["release", "return"])
def test_who_moves_somebody_says_for_which_call(serve, gate, action):
    status, body = post(serve(), {name: value for name, value in ACT.items() if name != "call"} | {"action": action})
    assert (status, "without call" in str(body["error"])) == (400, True)
    assert "/v1/officer/calls" in str(body["remedy"])
    assert gate.acts == []


def test_an_act_of_which_nobody_knows_whether_it_was_done_is_not_told_as_refused(serve, gate, monkeypatch):
    def late(*_args, **_named):
        raise UnansweredError("the gate did not answer; the act may have been carried out", "look at the lane")

    monkeypatch.setattr(gate, "officer", late)
    status, body = post(serve(), ACT)
    assert (status, "may have been carried out" in str(body["error"])) == (503, True)
    assert [note["outcome"] for note in gate.notes] == ["unknown"]


@pytest.mark.parametrize("action", ["acknowledge", "rearm"])
def test_an_act_that_the_state_does_not_allow_is_refused(serve, gate, action):
    gate.state, gate.call_pending = "ready", False
    status, body = post(serve(), {"action": action, "identity": "officer-7"})
    assert status == 409
    assert action in str(body["error"])
    assert body["remedy"]
    assert gate.acts == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[1]",
        b'"release"',
        b"null",
        b"[" * 4000,
        {},
        {**ACT, "action": "open_both_doors"},
        {**ACT, "action": ["release"]},
        {**ACT, "action": None},
        {**ACT, "identity": ""},
        {**ACT, "identity": "   "},
        {**ACT, "identity": 7},
        {**ACT, "identity": "x" * 65},
        {**ACT, "identity": "two\nlines"},
        {**ACT, "identity": "\x1b[2J"},
        {**ACT, "identity": "\ud800"},
        {**ACT, "identity": "\u202egnp"},
        {**ACT, "reason": ""},
        {**ACT, "reason": {"a": 1}},
        {**ACT, "reason": "y" * 201},
        {**ACT, "uid": 0},
    ],
)
def test_a_senseless_act_never_reaches_the_lane(serve, gate, body):
    status, answer = post(serve(), body)
    assert (status, gate.acts) == (400, [])
    assert answer["error"]
    assert answer["remedy"]


def test_names_of_all_languages_are_accepted(serve, gate):
    post(serve(), {**ACT, "identity": "陳大文", "reason": "José já verificado"})
    assert gate.acts[0][1:3] == ("陳大文", "José já verificado")


def test_an_oversized_body_is_refused(serve, gate):
    status, answer = post(serve(), {**ACT, "reason": "y" * 100_000})
    assert (status, gate.acts) == (413, [])
    assert answer["remedy"]


def test_an_endless_chunked_body_is_refused_without_being_kept(serve, gate):
    served = serve()
    with contextlib.closing(served.raw()) as line:
        line.sendall(b"POST /v1/officer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):  # it hangs up while we still send
            for _ in range(1000):
                line.sendall(b"1000\r\n" + b"y" * 4096 + b"\r\n")
        assert b" 413 " in line.makefile("rb").readline()
    assert gate.acts == []


def test_a_compressed_body_is_not_unpacked(serve, gate):
    status, _ = post(serve(), gzip.compress(json.dumps(ACT).encode()), {"Content-Encoding": "gzip"})
    assert (status, gate.acts) == (400, [])


def test_a_body_that_does_not_come_is_not_waited_for_for_ever(serve):
    served = serve(request_s=0.2)
    with contextlib.closing(served.raw()) as line:
        line.sendall(b"POST /v1/officer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert b" 400 " in line.makefile("rb").readline()


def test_a_header_that_does_not_end_is_not_waited_for_for_ever(serve):
    served = serve(request_s=0.2)
    with contextlib.closing(served.raw()) as line:
        line.sendall(b"GET /v1/status HTTP/1.1\r\nHost:")
        assert line.recv(1000) == b""


def test_a_slow_gate_delays_nobody_else(serve, gate):
    served = serve()
    gate.held.clear()
    acting = threading.Thread(target=post, args=(served, ACT))
    acting.start()
    with served.client.events(heartbeats=True) as stream:
        take(stream, until=lambda event: event.kind == "heartbeat")
        take(stream, until=lambda event: event.kind == "heartbeat")
    assert served.client.status()["gate"] == "fake-1"
    assert gate.acts == []
    gate.held.set()
    acting.join(PATIENCE_S)
    assert len(gate.acts) == 1


# -- senseless requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/status", 405),
        ("HEAD", "/v1/status", 405),
        ("DELETE", "/v1/crossings", 405),
        ("GET", "/v1/officer", 405),
        ("GET", "/", 404),
        ("GET", "/kiosk.js", 404),
        ("GET", "/v2/status", 404),
        ("GET", "/v1/crossings?after=-1", 400),
        ("GET", "/v1/crossings?after=x", 400),
        ("GET", "/v1/crossings?after=%D9%A3", 400),
        ("GET", "/v1/crossings?after=99999999999999999999", 400),
        ("GET", "/v1/events?after=1.5", 400),
    ],
)
def test_every_error_is_json_with_a_remedy(serve, method, path, expected):
    served = serve()
    if method == "HEAD":
        with contextlib.closing(served.raw()) as line:
            line.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert f" {expected} ".encode() in line.makefile("rb").readline()
        return
    status, body = served.ask(method, path)
    assert status == expected
    assert body.keys() == {"error", "remedy"}
    assert body["remedy"]


def test_a_body_where_none_belongs_is_refused(serve):
    assert serve().ask("GET", "/v1/status", b"{}")[0] == 400


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 64 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v1/status HTTP/9.9\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_garbage_is_answered_with_400_and_hung_up_on(serve, garbage):
    served = serve()
    with contextlib.closing(served.raw()) as line:
        with contextlib.suppress(OSError):
            line.sendall(garbage)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            answer = line.makefile("rb").read()
    if answer:  # nothing when it hung up while we still sent
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
        assert json.loads(body).keys() == {"error", "remedy"}
    assert served.client.status()["gate"] == "fake-1"


# -- crossings ---------------------------------------------------------------------------------------------------------


def test_a_client_that_asks_again_misses_no_crossing(serve):
    served = serve(run="run-1")
    served.feed.publish("crossing_recorded", {"outcome": "completed"})
    first = served.client.crossings()
    served.feed.publish("crossing_recorded", {"outcome": "refused"})
    second = served.client.crossings(first.last, first.run)
    assert [(record["number"], record["outcome"]) for record in first.crossings + second.crossings] == [(1, "completed"), (2, "refused")]
    assert (second.run, second.last, second.missed) == ("run-1", 2, 0)
    assert second.crossings[0]["at"] > 0


def test_numbers_of_an_earlier_run_begin_anew(serve):
    served = serve(run="run-2")
    served.feed.publish("crossing_recorded", {})
    assert [record["number"] for record in served.client.crossings(after=57, run="run-1").crossings] == [1]
    assert served.client.crossings(after=57, run="run-2").crossings == []


def test_crossings_that_are_no_longer_held_are_counted(serve):
    served = serve(crossings=3)
    for _ in range(10):
        served.feed.publish("crossing_recorded", {})
    page = served.client.crossings(after=2)
    assert (page.missed, [record["number"] for record in page.crossings]) == (5, [8, 9, 10])


# -- events ------------------------------------------------------------------------------------------------------------


def test_a_new_subscriber_is_up_to_date_at_once(serve):
    served = serve(run="run-1")
    served.feed.publish("status", {"state": "ready"})
    served.feed.publish("prompt", {"prompt": "show_code"})
    served.feed.publish("device", {"device": "io_board"})
    with served.client.events() as stream:
        connected, status, prompt = (next(iter(stream)) for _ in range(3))
        served.feed.publish("device", {"device": "face_camera"})
        live = next(iter(stream))
    assert (connected.kind, connected.fields) == ("connected", {"run": "run-1", "sequence": 3})
    assert (status.kind, status.sequence, status.fields) == ("status", 1, {"state": "ready"})
    assert (prompt.kind, prompt.sequence, prompt.fields) == ("prompt", 2, {"prompt": "show_code"})
    assert (live.kind, live.sequence, live.fields) == ("device", 4, {"device": "face_camera"})


def last_event_id(served, header=None):
    """Reads the stream by hand up to the first event with an id; returns (all lines, id)."""
    lines = []
    with contextlib.closing(served.raw()) as connection:
        extra = f"Last-Event-ID: {header}\r\n" if header else ""
        connection.sendall(f"GET /v1/events HTTP/1.1\r\nHost: x\r\n{extra}\r\n".encode())
        for line in connection.makefile("rb"):
            lines.append(line.decode().strip())
            if line.startswith(b"id: "):
                return lines, line[4:].decode().strip()
    raise AssertionError("the stream ended")


def test_a_browser_that_reconnects_goes_on_where_it_was(serve):
    served = serve(run="run-1")
    served.feed.publish("status", {"state": "ready"})
    for number in range(5):
        served.feed.publish("device", {"n": number})
    lines, identifier = last_event_id(served, "run-1.4")
    assert identifier == "run-1.5"
    assert "event: status" not in lines


@pytest.mark.parametrize("header", ["run-0.4", "run-1.999", "run-1.", "run-1.x", "garbage", "run-1.-1"])
def test_an_id_that_is_not_of_this_run_begins_with_the_present_state(serve, header, eventually):
    served = serve(run="run-1")
    served.feed.publish("status", {"state": "ready"})
    with contextlib.closing(served.raw()) as connection:
        connection.sendall(f"GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {header}\r\n\r\n".encode())
        lines = (line.strip() for line in connection.makefile("rb"))
        assert b"event: status" in lines


def test_a_reader_that_was_away_gets_all_or_is_told_how_many_it_missed(serve):
    served = serve(events=16)
    total = 4000
    with served.client.events() as stream:
        reading = iter(stream)
        assert next(reading).kind == "connected"
        for number in range(total):  # much more than all buffers on the way hold
            served.feed.publish("device", {"n": number, "filling": "x" * 1000})
        served.feed.publish("device", {"mark": "end"})
        seen = take(reading, until=marker("end"))
    numbers = [event.sequence for event in seen if event.kind == "device"]
    missed = sum(event.fields["missed"] for event in seen if event.kind == "lagged")
    assert missed > 0
    assert numbers == sorted(set(numbers))
    assert missed + len(numbers) == total + 1


def test_forty_readers_all_get_everything(serve):
    served = serve()
    with contextlib.ExitStack() as stack:
        streams = [iter(stack.enter_context(served.client.events())) for _ in range(40)]
        assert all(next(stream).kind == "connected" for stream in streams)
        for number in range(100):
            served.feed.publish("device", {"n": number})
        served.feed.publish("device", {"mark": "end"})
        for stream in streams:
            seen = take(stream, until=marker("end"))
            assert [event.fields["n"] for event in seen[:-1]] == list(range(100))


def test_there_is_no_heartbeat_while_the_gate_gives_no_status(serve, gate, eventually):
    served = serve()
    with served.client.events(heartbeats=True) as stream:
        take(stream, until=lambda event: event.kind == "heartbeat")
        gate.failing = True
        served.status_calls(3, eventually)
        served.feed.publish("device", {"mark": "silent"})
        served.status_calls(5, eventually)
        served.feed.publish("device", {"mark": "still silent"})
        take(stream, until=marker("silent"))
        assert [event.kind for event in take(stream, until=marker("still silent"))] == ["device"]
        gate.failing = False
        take(stream, until=lambda event: event.kind == "heartbeat")
