"""The officers' page's server: for officers alone, for its own page alone, and no act without who, why and which call."""

import contextlib
import json
import os
import re
from importlib import resources

import pytest

from gate_controller.control.feed import EventFeed
from gate_controller.control.kiosk import HEADERS
from gate_controller.control.roles import DEFAULT_GROUPS, Caller, Role
from gate_controller.control.server import ControlServer
from gate_controller.control.serving import Limits
from gate_controller.core.reasons import Reason
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.errors import DeviceError, RefusedByStateError
from tests.control.conftest import FakeGate, UnixConnection

STATIC = resources.files("gate_controller.control").joinpath("static")
FILES = {"/": "officer.html", "/officer.css": "officer.css", "/officer.js": "officer.js"}
ACT = {"action": "release", "identity": "officer-7", "reason": "passport seen", "gate": "fake-1", "call": 7}
DOORS = {"entry_door": "closed", "exit_door": "closed"}
OWN = {"Content-Type": "application/json", "Origin": "http://localhost:8080", "X-Gate-Act": "1", "Sec-Fetch-Site": "same-origin"}


class CalledGate(FakeGate):
    """With a call that has a number."""

    number = 7
    taken = None
    escalations = 0

    def status(self):
        return super().status() | {"region": "HK", "direction": "HK_TO_MO", "prompt": "wait_for_officer", "occupancy": "one", "doors": DOORS, "since_s": 3.0}

    def calls(self):
        return [call | {"number": self.number, "acknowledged": self.taken, "escalations": self.escalations} for call in super().calls()]

    def officer(self, action, identity, reason, uid=None, call=None):
        if call is not None and call != (self.number if self.call_pending else 0):
            raise RefusedByStateError("another call is pending", "see gatectl status")
        super().officer(action, identity, reason, uid)


class Page:
    """The page's server, as a browser at the end of an SSH forward meets it."""

    def __init__(self, gate, path, hosts=(), groups=DEFAULT_GROUPS, **limits):
        self.gate = gate
        self.feed = EventFeed(SystemClock())
        self.path = path.with_name("officer.sock")
        self.server = ControlServer(
            gate,
            self.feed,
            socket_path=path,
            kiosk_port=None,
            officer_path=self.path,
            officer_hosts=hosts,
            groups=groups,
            limits=Limits(heartbeat_s=0.02, **limits),
        )

    def ask(self, method, path, body=None, headers=None):
        connection = UnixConnection(self.path)
        try:
            connection.request(method, path, body, {"Host": "localhost:8080"} | (headers or {}))
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def act(self, body=None, headers=None):
        data = json.dumps(ACT | (body or {})).encode() if not isinstance(body, bytes) else body
        status, _, said = self.ask("POST", "/act", data, OWN if headers is None else headers)
        return status, json.loads(said)

    def lanes(self):
        """What the page is told, event by event."""
        connection = UnixConnection(self.path)
        connection.request("GET", "/events", headers={"Host": "localhost:8080"})
        response = connection.getresponse()
        try:
            kind = None
            for raw in response:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)
        finally:
            response.close()
            connection.close()


@pytest.fixture
def gate():
    return CalledGate()


@pytest.fixture
def page(gate, socket_path):
    with contextlib.ExitStack() as stack:

        def serve(**options):
            made = Page(gate, socket_path, **options)
            stack.enter_context(made.server)
            return made

        yield serve


@pytest.fixture
def somebody(monkeypatch):
    """Whoever connects is taken for somebody with these roles."""

    def with_roles(*roles):
        monkeypatch.setattr("gate_controller.control.requests.caller_as", lambda _uid, _gid, _groups: Caller(4711, frozenset(roles)))

    return with_roles


@pytest.mark.parametrize(("path", "name"), FILES.items())
def test_each_file_comes_with_a_strict_policy(page, path, name):
    status, headers, body = page().ask("GET", path)
    assert (status, body) == (200, STATIC.joinpath(name).read_bytes())
    assert {header: headers.get(header) for header in HEADERS} == HEADERS
    assert headers["Content-Type"].endswith("; charset=utf-8")
    assert headers["Server"] == "gate-controller"


def test_the_page_has_no_inline_script_or_style_and_fetches_nothing_from_outside():
    text = STATIC.joinpath("officer.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL) == [""]
    for name in FILES.values():
        assert not re.search(r"https?:|url\(|@import|innerHTML|Storage", STATIC.joinpath(name).read_text(encoding="utf-8")), name


@pytest.mark.parametrize("roles", [(), (Role.READ,), (Role.READ, Role.OPERATOR), (Role.READ, Role.ENGINEER)], ids=str)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/officer.js"), ("GET", "/events"), ("POST", "/act")])
def test_only_officers_get_any_of_it(page, gate, somebody, roles, method, path):
    served = page()
    somebody(*roles)
    status, _, body = served.ask(method, path, json.dumps(ACT).encode() if method == "POST" else None, OWN)
    assert status == 403
    assert "officer" in json.loads(body)["error"]
    assert gate.acts == []
    assert {(note["act"], note["outcome"], note["uid"]) for note in gate.notes} == {("officer_page", "denied", "4711")}


def test_who_is_no_officer_any_more_acts_no_more_on_the_same_connection(page, gate, somebody):
    served = page()
    somebody(Role.READ, Role.OFFICER)
    with contextlib.closing(UnixConnection(served.path)) as connection:
        connection.request("GET", "/", headers={"Host": "localhost:8080"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        somebody(Role.READ)
        connection.request("POST", "/act", json.dumps(ACT).encode(), {"Host": "localhost:8080", **OWN})
        assert connection.getresponse().status == 403
    assert gate.acts == []


@pytest.mark.parametrize(
    "path", ["/v1/status", "/v1/officer", "/v1/maintenance", "/v1/cameras/qr/snapshot", "/static/", "/../server.py", "/index.html", "/kiosk.js"]
)
def test_nothing_else_is_served_there(page, path):
    status, headers, _ = page().ask("GET", path)
    assert status == 404
    assert headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/act"])
def test_no_other_method(page, gate, method, path):
    """OPTIONS above all: it is what asks whether another page may send the act's header."""
    status, headers, _ = page().ask(method, path, headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
    assert status == 405
    assert not any(name.lower().startswith("access-control") for name in headers)
    assert gate.acts == []


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:9", "LOCALHOST", "[::1]:8080", "gates.example", "Gates.Example:443"])
def test_it_answers_to_its_own_names_at_whatever_port(page, host):
    assert page(hosts=("gates.example",)).ask("GET", "/", headers={"Host": host})[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "localhost.evil.example", "localhost:8080:80", "localhost@evil.example", "::1", ""])
@pytest.mark.parametrize("path", ["/", "/events"])
def test_a_name_that_was_made_to_point_here_gets_nothing(page, host, path):
    status, _, body = page().ask("GET", path, headers={"Host": host})
    assert status == 421
    assert b"face_mismatch" not in body


@pytest.mark.parametrize(
    "change",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Origin": None},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"X-Gate-Act": None},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_what_another_page_sends_is_not_an_act(page, gate, change):
    headers = {name: value for name, value in (OWN | change).items() if value is not None}
    assert page().act(headers=headers)[0] == 403
    assert gate.acts == []


def test_a_link_may_open_the_page_and_no_other_page_may_read_it(page):
    served = page()
    assert served.ask("GET", "/", headers={"Sec-Fetch-Site": "cross-site"})[0] == 200
    assert served.ask("GET", "/events", headers={"Sec-Fetch-Site": "cross-site"})[0] == 403


def test_an_act_is_carried_out_for_the_call_it_names_and_is_on_record(page, gate):
    served = page()
    assert served.act() == (200, {"accepted": True, "action": "release", "uid": os.getuid()})
    assert gate.acts == [("release", "officer-7", "passport seen", os.getuid())]
    assert [(note["act"], note["outcome"], note["identity"], note["reason"], note["role"]) for note in gate.notes] == [
        ("officer.release", "done", "officer-7", "passport seen", "officer")
    ]


@pytest.mark.parametrize(
    ("call", "pending", "said"),
    [(6, True, "call 6 is over; call 7 is pending now"), (7, False, "call 7 is over; nobody is called"), (None, True, "called since")],
)
def test_an_act_for_a_call_that_is_over_or_came_since_is_refused(page, gate, call, pending, said):
    gate.call_pending = pending
    status, body = page().act({"call": call})
    assert status == 409
    assert said in body["error"]
    assert "nothing was done" in body["error"]
    assert gate.acts == []
    assert [(note["act"], note["outcome"], note["identity"]) for note in gate.notes] == [("officer.release", "refused", "officer-7")]


def test_an_act_that_was_meant_for_another_gate_is_refused_and_on_record(page, gate):
    """The port was forwarded to another gate while the question stood: where nobody is called, nothing else would tell."""
    gate.call_pending = False
    status, body = page().act({"call": None, "gate": "fake-2"})
    assert (status, body["error"]) == (409, "this is gate fake-1, not fake-2; nothing was done")
    assert gate.acts == []
    assert [note["outcome"] for note in gate.notes] == ["refused"]


def test_where_nobody_is_called_an_act_says_so(page, gate):
    gate.call_pending = False
    assert page().act({"call": None})[0] == 200
    assert gate.acts == [("release", "officer-7", "passport seen", os.getuid())]


@pytest.mark.parametrize("action", ["acknowledge", "assist", "release", "return", "rearm"])
@pytest.mark.parametrize("member", ["identity", "reason"])
@pytest.mark.parametrize("value", ["", "   ", "two\nlines", 7, None])
def test_nobody_acts_without_name_or_reason(page, gate, action, member, value):
    status, body = page().act({"action": action, member: value})
    assert status == 400
    assert member in body["error"]
    assert gate.acts == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 2000,
        b'{"action": "release", "identity": "a", "reason": "b", "gate": "fake-1"}',
        b'{"action": "release", "identity": "a", "reason": "b", "call": 7}',
        b'{"action": "open", "identity": "a", "reason": "b", "call": 7}',
        b'{"action": "release", "identity": "a", "reason": "b", "call": 7, "door": 1}',
    ],
    ids=lambda body: body[:30].decode(),
)
def test_what_is_no_act_is_refused(page, gate, body):
    assert page().act(body)[0] == 400
    assert gate.acts == []


@pytest.mark.parametrize("call", ["7", 7.5, True, -1, [7], {}])
def test_a_call_that_is_no_number_is_refused(page, gate, call):
    assert page().act({"call": call})[0] in {400, 409}
    assert gate.acts == []


def test_a_body_that_is_too_large_is_refused(page, gate):
    assert page().act(json.dumps(ACT | {"reason": "x" * 5000}).encode())[0] == 413
    assert gate.acts == []


def test_what_the_state_does_not_allow_is_refused_and_on_record(page, gate):
    gate.state = "ready"
    status, body = page().act()
    assert (status, body["error"]) == (409, "release is not possible in state ready")
    assert [(note["act"], note["outcome"]) for note in gate.notes] == [("officer.release", "refused")]


def test_the_page_is_told_call_state_and_reason_in_words(page, gate):
    kind, told = next(page().lanes())
    assert kind == "status"
    assert told == {
        "gate": "fake-1",
        "region": "HK",
        "direction": "HK_TO_MO",
        "state": "officer_referral",
        "occupancy": "one",
        "doors": DOORS,
        "since_s": 3.0,
        "reason": {"code": "face_mismatch", "text": Reason.FACE_MISMATCH.advice},
        "prompt": "Wait for an officer. An officer will help you.",
        "lost": [],
        "call": {
            "number": 7,
            "reason": {"code": "face_mismatch", "text": Reason.FACE_MISMATCH.advice},
            "since_s": 1.5,
            "acknowledged": None,
            "escalations": 0,
        },
    }


def test_the_page_is_told_when_the_call_is_taken_and_when_it_is_over(page, gate):
    with contextlib.closing(page().lanes()) as lanes:
        assert next(lanes)[1]["call"]["acknowledged"] is None
        gate.taken = "officer-7 (uid 1)"
        assert next(told["call"] for _, told in lanes if told["call"]["acknowledged"])["acknowledged"] == "officer-7 (uid 1)"
        gate.call_pending = False
        assert next(told for _, told in lanes if told["call"] is None)


def test_a_gate_that_cannot_say_how_it_is_tells_the_page_nothing_until_it_can(page, gate, eventually):
    with contextlib.closing(page().lanes()) as lanes:
        next(lanes)
        gate.failing = True
        before = gate.status_calls
        eventually(lambda: gate.status_calls > before + 3, "the gate was asked")
        gate.number = 8
        gate.failing = False
        assert next(told["call"]["number"] for _, told in lanes if told["call"]["number"] != 7) == 8


def test_a_gate_that_does_not_decide_is_an_error_and_nothing_was_done(page, gate, monkeypatch):
    def lost():
        raise DeviceError("the gate does not decide any more", "restart it")

    served = page()
    monkeypatch.setattr(gate, "calls", lost)
    assert served.act() == (503, {"error": "the gate does not decide any more", "remedy": "restart it"})
    assert gate.acts == []


def test_a_bug_tells_no_details(page, gate, monkeypatch):
    def broken():
        raise RuntimeError("officer-7's secret")

    served = page()
    monkeypatch.setattr(gate, "calls", broken)
    status, body = served.act()
    assert status == 500
    assert "secret" not in json.dumps(body)


def test_the_socket_is_closed_to_others_and_goes_with_the_server(page):
    served = page()
    assert served.path.stat().st_mode & 0o777 == 0o660
    served.server.stop()
    assert not served.path.exists()


def test_stopping_hangs_up_on_an_open_page_at_once(page):
    served = page()
    lanes = served.lanes()
    next(lanes)
    served.server.stop()
    assert list(lanes) is not None  # it ends
    assert not served.server.alive


def test_refused_acts_of_page_and_api_share_one_allowance(page, gate):
    """Else whoever has both sockets may fill the journal twice as fast."""
    served = page()
    gate.state = "ready"
    for _ in range(30):
        served.act()
    assert len(gate.notes) < 30
    noted = len(gate.notes)
    with contextlib.closing(UnixConnection(served.path.with_name("control.sock"))) as connection:
        connection.request("POST", "/v1/officer", json.dumps(ACT).encode())
        assert connection.getresponse().status == 409
    assert len(gate.notes) <= noted + 1
