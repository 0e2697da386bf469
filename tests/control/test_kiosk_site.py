"""The kiosk page's server: GET only, only to this machine's own name, and nothing in it but the prompt."""

import contextlib
import http.client
import json
import re
from importlib import resources

import pytest

from gate_controller.control.kiosk import HEADERS
from gate_controller.core.prompts import Prompt

STATIC = resources.files("gate_controller.control").joinpath("static")
FILES = {"/": "index.html", "/kiosk.css": "kiosk.css", "/kiosk.js": "kiosk.js", "/prompts.json": "prompts.json"}


class KioskStream:
    """The page's event stream, read as (kind, data) pairs; `text` is everything read so far."""

    def __init__(self, served):
        self._connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        self._connection.request("GET", "/events")
        self.response = self._connection.getresponse()
        self.text = ""

    def __iter__(self):
        kind = None
        for raw in self.response:
            line = raw.decode().rstrip("\n")
            self.text += line + "\n"
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)

    def until(self, kind, data=None):
        seen = []
        for event in self:
            seen.append(event)
            if event[0] == kind and data in (None, event[1]):
                return seen
        raise AssertionError("the stream ended")

    def close(self):
        self.response.close()
        self._connection.close()


@pytest.fixture
def stream():
    with contextlib.ExitStack() as stack:
        yield lambda served: stack.enter_context(contextlib.closing(KioskStream(served)))


@pytest.mark.parametrize(("path", "name"), FILES.items())
def test_each_file_comes_with_a_strict_policy(serve, path, name):
    status, headers, body = serve().page("GET", path)
    assert (status, body) == (200, STATIC.joinpath(name).read_bytes())
    assert {header: headers.get(header) for header in HEADERS} == HEADERS
    assert headers["Content-Type"].endswith("; charset=utf-8")
    assert headers["Server"] == "gate-controller"


def test_the_policy_lets_nothing_in_from_elsewhere_and_nothing_inline():
    policy = dict(part.strip().partition(" ")[::2] for part in HEADERS["Content-Security-Policy"].split(";"))
    assert policy.pop("default-src") == "'none'"
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert set(policy.values()) == {"'self'", "'none'"}
    assert policy["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("name", FILES.values())
def test_no_file_refers_to_anything_outside(name):
    text = STATIC.joinpath(name).read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|url\(|@import", text.replace("\n//", "\n").replace("; //", ";"))


def test_the_page_has_no_inline_script_or_style():
    page = STATIC.joinpath("index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) == [""]


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}"])
def test_the_page_answers_to_its_own_name(serve, host):
    served = serve()
    assert served.page("GET", "/", {"Host": host.format(port=served.port)})[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", "0.0.0.0:{port}", "[::1]:{port}", ""]
)
@pytest.mark.parametrize("path", ["/", "/events"])
def test_a_name_that_was_made_to_point_here_gets_nothing(serve, host, path):
    served = serve()
    status, _, body = served.page("GET", path, {"Host": host.format(port=served.port)})
    assert status == 421
    assert b"prompt" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/events", "/v1/officer"])
def test_nothing_but_get(serve, gate, method, path):
    status, headers, _ = serve().page(method, path)
    assert status == 405
    assert headers["Allow"] == "GET"
    assert gate.acts == []


@pytest.mark.parametrize("path", ["/v1/status", "/v1/events", "/v1/officer", "/../server.py", "/static/", "/%2e%2e/server.py", "/index.html/", "//kiosk.js"])
def test_nothing_but_its_own_files(serve, path):
    status, headers, _ = serve().page("GET", path)
    assert status == 404
    assert headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_a_request_with_a_body_is_refused(serve):
    assert serve().page("GET", "/", body=b"x" * 10)[0] == 400


def test_a_new_page_is_told_prompt_and_state_at_once(serve, stream):
    served = serve()
    served.feed.publish("status", {"state": "ready", "reason": None})
    served.feed.publish("prompt", {"prompt": "show_code"})
    seen = stream(served).until("heartbeat")
    assert seen == [("prompt", {"prompt": "show_code"}), ("state", {"state": "ready"}), ("heartbeat", {"prompt": "show_code"})]


def test_the_page_is_told_the_region_of_the_pass_and_before_there_is_one_that_of_the_lane(serve, stream):
    served = serve()
    served.feed.publish("status", {"state": "ready", "reason": None, "region": "MO"})
    served.feed.publish("prompt", {"prompt": "show_code", "region": None})
    watching = stream(served)
    assert ("prompt", {"prompt": "show_code", "region": "MO"}) in watching.until("heartbeat")
    served.feed.publish("prompt", {"prompt": "step_in", "region": "HK"})
    watching.until("prompt", {"prompt": "step_in", "region": "HK"})
    served.feed.publish("prompt", {"prompt": "go_back", "region": "somebody's name"})
    watching.until("prompt", {"prompt": "go_back", "region": "MO"})


def test_nothing_that_accuses_or_identifies_reaches_the_page(serve, stream):
    served = serve()
    watching = stream(served)
    watching.until("heartbeat")
    served.feed.publish("status", {"state": "officer_referral", "reason": "pad_suspected", "officer_call": {"acknowledged": True}})
    served.feed.publish("device", {"device": "fingerprint", "detail": "fingerprint_mismatch"})
    served.feed.publish("officer_called", {"reason": "face_mismatch", "escalation": 0})
    served.feed.publish("crossing_recorded", {"crossing_id": "c-1", "outcome": "refused", "reason": "face_mismatch"})
    served.feed.publish("prompt", {"prompt": "wait_for_officer", "reason": "pad_suspected"})
    seen = watching.until("heartbeat", {"prompt": "wait_for_officer"})
    assert {kind for kind, _ in seen} == {"prompt", "state", "heartbeat"}
    assert {key for _, data in seen for key in data} == {"prompt", "state"}
    assert not re.search("pad_suspected|mismatch|officer-7|c-1|refused", watching.text)


def test_the_page_cannot_tell_a_suspected_picture_from_a_face_that_did_not_match(serve, stream):
    """All that the gate publishes of the two, as it does: what reaches the page is the same."""
    told = []
    for check, reason in (("face", "face_mismatch"), ("pad", "pad_alarm"), ("pad", "pad_undetermined"), ("pad", "pad_not_performed")):
        served = serve()
        watching = stream(served)
        watching.until("heartbeat")
        served.feed.publish("status", {"state": "officer_referral", "reason": reason, "officer_call": {"reason": reason, "acknowledged": False}})
        served.feed.publish("officer_called", {"reason": reason, "escalation": 0})
        served.feed.publish("crossing_recorded", {"reason": reason, "checks": {check: "failed"}, "steps": [[f"{check}_failed", 1.2]]})
        served.feed.publish("prompt", {"prompt": "wait_for_officer"})
        seen = watching.until("heartbeat", {"prompt": "wait_for_officer"})
        told.append({(kind, *data.items()) for kind, data in seen if kind != "heartbeat"})
        served.server.stop()
    assert told == [{("prompt", ("prompt", "wait_for_officer")), ("state", ("state", "officer_referral"))}] * 4


@pytest.mark.parametrize("fields", [{"prompt": "pad_suspected"}, {"prompt": 7}, {"prompt": None}, {"prompt": ["step_in"]}, {}, []])
def test_what_is_not_a_prompt_of_the_core_is_not_passed_on(serve, stream, fields):
    served = serve()
    served.feed.publish("prompt", fields)
    served.feed.publish("status", {"state": "face_mismatch"})
    watching = stream(served)
    assert watching.until("heartbeat") == [("heartbeat", {"prompt": None})]


def test_a_page_that_opens_while_the_gate_is_silent_sees_nothing_old(serve, gate, stream, eventually):
    gate.failing = True
    served = serve()
    served.feed.publish("prompt", {"prompt": "show_code"})
    watching = stream(served)
    served.status_calls(3, eventually)
    served.feed.publish("prompt", {"prompt": "lane_closed"})
    served.status_calls(2, eventually)
    gate.failing = False
    assert watching.until("heartbeat") == [("prompt", {"prompt": "lane_closed"}), ("heartbeat", {"prompt": "lane_closed"})]


def test_a_page_that_does_not_keep_up_gets_the_newest_prompt(serve, stream):
    served = serve(events=4)
    watching = stream(served)
    watching.until("heartbeat")
    for _ in range(2000):
        for prompt in Prompt:
            served.feed.publish("prompt", {"prompt": prompt.value})
    served.feed.publish("prompt", {"prompt": "go_back"})
    watching.until("heartbeat", {"prompt": "go_back"})
    assert len(watching.text) < 2000 * len(Prompt) * 20
