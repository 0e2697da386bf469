"""Whatever is sent to the control API, by whomever: an answer in its own form, no failure, and nobody gets or does what is not theirs.

Over a real socket; only who is at its other end is chosen by the test. `make fuzz-api` does the same to the running daemon, with real users.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gate_controller.control.feed import EventFeed
from gate_controller.control.roles import Caller, Role
from gate_controller.control.routes import ANYBODY, OPERATORS_ACTS, ROUTES, Route
from gate_controller.control.server import ControlServer
from gate_controller.control.serving import Limits
from gate_controller.ports.clock import SystemClock
from tests.control.conftest import FakeGate, UnixConnection

UID = 4711
ANSWERS = {200, 400, 403, 404, 405, 409, 413}


@dataclass(frozen=True)
class Ask:
    """A request; `body` None: without one."""

    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Bench:
    """A server that is never restarted, and who its next client is."""

    def __init__(self, directory: Path) -> None:
        self.gate = FakeGate()
        self.path = directory / "control.sock"
        self.roles: frozenset[Role] = frozenset()
        feed = EventFeed(SystemClock())
        self.server = ControlServer(
            self.gate, feed, socket_path=self.path, kiosk_port=None, limits=Limits(request_s=60.0, answers_per_s=1e6, all_answers_per_s=1e6)
        )

    def ask(self, ask: Ask) -> tuple[int, bytes | None]:
        """Status and body; None for a stream, which is hung up on."""
        lines = [f"{ask.method} {ask.path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in ask.headers.items())]
        lines += [f"Content-Length: {len(ask.body)}"] if ask.body is not None else []
        with contextlib.closing(UnixConnection(self.path)) as connection:
            connection.connect()
            connection.sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + (ask.body or b""))  # at once: some are answered before their body is read
            response = http.client.HTTPResponse(connection.sock, method=ask.method)
            response.begin()
            streams = response.headers.get_content_type() == "text/event-stream"
            return response.status, None if streams else response.read()


@pytest.fixture(scope="module")
def bench():
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        made = Bench(Path(directory))
        patch.setattr("gate_controller.control.requests.caller_as", lambda _uid, _gid, _groups: Caller(UID, made.roles))
        with made.server:
            yield made


lines = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)
acts = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from(["acknowledge", "assist", "release", "return", "rearm"]) | lines,
        "on": st.booleans() | st.integers() | st.none(),
        "identity": st.just("officer 7") | lines,
        "reason": st.just("stuck") | lines | st.text(min_size=190, max_size=210),
    },
)
anything = st.recursive(st.none() | st.booleans() | st.floats() | lines, lambda inner: st.lists(inner) | st.dictionaries(lines, inner), max_leaves=8)
bodies = st.one_of(
    st.none(),
    acts.map(lambda act: json.dumps(act).encode()),
    anything.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    st.integers(4000, 5000).map(lambda size: b'{"reason": "' + b"x" * size + b'"}'),
    st.just(b"[" * 4000),
)
names = st.sampled_from(["fingerprint", "face", "qr", "io", "journal", "..", "%2e%2e", "%00", "x" * 300]) | st.text("abc/%.~\u00e9", max_size=9)
paths = st.sampled_from(ROUTES).flatmap(lambda route: names.map(lambda name: re.sub(r"{\w+}", lambda _: _quoted(name), route.path)))
queries = st.sampled_from(["", "?after=0", "?after=-1", "?after=99999999999999999999", "?after=1&after=2", "?run=x&after=1", "?after=%00", "?x=" + "y" * 500])
headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "é"]),
        "Last-Event-ID": st.sampled_from(["1", "x.1", ".", "x." + "9" * 40]),
        "Content-Encoding": st.sampled_from(["gzip", "br"]),
        "Expect": st.just("100-continue"),
        "X-Forwarded-User": st.just("root"),
        "X-HTTP-Method-Override": st.just("POST"),
    },
)
methods = st.sampled_from(["GET", "POST"]) | st.sampled_from(["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
asks = st.builds(
    Ask, methods, st.builds(str.__add__, paths | st.text("/v1abc.%", min_size=1, max_size=20).map(lambda path: "/" + path), queries), bodies, headers
)


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="/%")


@settings(max_examples=120)
@given(asked=st.lists(asks, min_size=1, max_size=4), roles=st.sets(st.sampled_from(Role)).map(lambda own: own | {Role.READ} if own else own))
@example([Ask("POST", "/v1/officer", b'{"action": "release", "identity": "o", "reason": "r"}')], {Role.READ, Role.OPERATOR})
@example([Ask("POST", "/v1/officer", b'{"action": "release", "identity": "o", "reason": "r"}')], {Role.READ, Role.OFFICER})
@example([Ask("POST", "/v1/maintenance", b'{"on": true, "identity": "e", "reason": "r"}')], {Role.READ, Role.OFFICER})
@example([Ask("POST", "/v1/maintenance", b'{"on": true, "identity": "e", "reason": "r"}'), Ask("GET", "/v1/cameras/qr/snapshot")], {Role.READ, Role.ENGINEER})
@example([Ask("POST", "/v1/devices/io/test", b'{"reason": "r"}'), Ask("GET", "/v1/diagnostics")], {Role.READ, Role.ENGINEER})
@example([Ask("GET", "/v1/status"), Ask("GET", "/v1/whoami")], set())
def test_everybody_gets_an_answer_and_nobody_what_is_not_theirs(bench, asked, roles):
    gate = bench.gate
    gate.acts, gate.notes, gate.in_maintenance, bench.roles = [], [], False, frozenset(roles)
    for ask in asked:
        before = (list(gate.acts), gate.in_maintenance)
        status, body = bench.ask(ask)
        assert status in ANSWERS, (status, body)
        if status >= 400 and ask.method != "HEAD":
            assert set(json.loads(body)) == {"error", "remedy"}
        if status != 200:
            assert (gate.acts, gate.in_maintenance) == before
        route = _route(ask)
        if status == 200:
            assert route is not None
            assert route.roles == ANYBODY or route.roles & bench.roles, f"{route.name} for {roles}"
    assert all(uid == UID for *_, uid in gate.acts)
    if Role.OFFICER not in roles:
        assert {action for action, *_ in gate.acts} <= (OPERATORS_ACTS if Role.OPERATOR in roles else set())
    if Role.ENGINEER not in roles:
        assert not gate.in_maintenance
    done = [note for note in gate.notes if note["outcome"] == "done"]
    assert len(done) >= len(gate.acts) + gate.in_maintenance, "every act is noted"
    assert all(note["uid"] == str(UID) and Role(note["role"]) in roles for note in done)


def _route(ask: Ask) -> Route | None:
    path = ask.path.partition("?")[0]
    method = "GET" if ask.method == "HEAD" else ask.method
    return next((route for route in ROUTES if route.method == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", route.path), path)), None)


@pytest.mark.parametrize(
    "said",
    [
        b"\0" * 100,
        b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"POST /v1/officer HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/officer HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/officer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_as_such_and_the_next_one_served(bench, said):
    bench.roles = frozenset({Role.READ})
    with contextlib.closing(UnixConnection(bench.path)) as connection:
        connection.connect()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sock.sendall(said)
            response = http.client.HTTPResponse(connection.sock)
            with contextlib.suppress(http.client.HTTPException):
                response.begin()
                assert 400 <= response.status < 500
    assert bench.ask(Ask("GET", "/v1/status"))[0] == 200
