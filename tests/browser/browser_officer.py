"""The officers' page in real Chromium, through a forward such as SSH's: an officer with a mouse, one with keys only, one at 200 % zoom; a call that is over
while they type, a gate that falls silent, and text that would be a script; and axe-core."""

import contextlib
import os
import socket
import socketserver
import threading
from pathlib import Path

import pytest

from tests.control.test_officer_page import CalledGate, Page

SHOWN = """(() => {
  if (!document.getElementById("ask")) return {};
  const text = (id) => document.getElementById(id).textContent;
  return {link: document.body.dataset.link, call: document.body.dataset.call, title: document.title, reason: text("call-reason"), number: text("call-number"),
    taken: text("call-taken"), state: text("state"), refused: text("refused"), done: text("done"), asks: document.getElementById("ask").open,
    spoken: text("spoken"), confirm: document.getElementById("confirm").getAttribute("aria-disabled") !== "true", focus: document.activeElement.id || document.activeElement.dataset.action || "",
    acts: [...document.querySelectorAll("#acts button")].filter((button) => button.getAttribute("aria-disabled") !== "true").map((button) => button.dataset.action)};
})()"""
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}


@pytest.fixture
def gate():
    return CalledGate()


class Forward(socketserver.ThreadingTCPServer):
    """Passes a TCP port of this machine on to a unix socket, as `ssh -L PORT:SOCKET` does."""

    daemon_threads = True

    def __init__(self, path):
        super().__init__(("127.0.0.1", 0), Passing)
        self.path = str(path)
        self.url = f"http://localhost:{self.server_address[1]}/"


class Passing(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.socket(socket.AF_UNIX) as far, contextlib.suppress(OSError):
            far.connect(self.server.path)
            back = threading.Thread(target=self.copy, args=(far, self.request))
            back.start()
            self.copy(self.request, far)
            back.join()

    @staticmethod
    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def forward():
    with contextlib.ExitStack() as stack:

        def start(path):
            made = stack.enter_context(Forward(path))
            threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
            stack.callback(made.shutdown)
            return made.url

        yield start


@pytest.fixture
def officer(chromium, gate, socket_path, forward, eventually):
    """An officer before the page."""

    class Officer:
        def __init__(self):
            self.page = Page(gate, socket_path)

        def sees(self):
            return chromium.evaluate(SHOWN)

        def waits_for(self, **wanted):
            def seen():
                now = self.sees()
                return now if all(now.get(name) == value or (callable(value) and value(now[name])) for name, value in wanted.items()) else None

            try:
                return eventually(seen, str(wanted))
            except AssertionError:
                raise AssertionError(wanted, self.sees()) from None

        def clicks(self, selector):
            box = chromium.evaluate(
                f"(() => {{ const it = document.querySelector({selector!r}); it.scrollIntoView({{block: 'center'}});"
                " const {left, top, width, height} = it.getBoundingClientRect(); return [left + width / 2, top + height / 2]; })()"
            )
            for kind in ("mousePressed", "mouseReleased"):
                chromium.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

        def presses(self, key, times=1):
            text = {"text": "\r"} if key == "Enter" else {"text": " "} if key == " " else {}
            for _ in range(times):
                code = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
                chromium.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **code, **text)
                chromium.call("Input.dispatchKeyEvent", type="keyUp", **code)

        def opens(self, act, *arguments):
            """Do it until the question stands there: a machine that is busy for 3 s makes the page say that the gate is silent, and nothing can be done."""

            def stands():
                if self.sees().get("asks"):
                    return True
                self.waits_for(link="live")
                act(*arguments)
                return self.sees().get("asks")

            eventually(stands, "the question")
            self.waits_for(asks=True, focus="identity")

        def types(self, text):
            chromium.call("Input.insertText", text=text)

        def tabs_to(self, wanted):
            for _ in range(30):
                if self.sees()["focus"] == wanted:
                    return
                self.presses("Tab")
            raise AssertionError(wanted, self.sees())

    made = Officer()
    chromium.size(1280, 900)
    chromium.open("about:blank")
    chromium.complaints.clear()
    with made.page.server:
        chromium.open(forward(made.page.path))
        made.waits_for(link="live", call="pending")
        yield made


def test_a_call_stands_out_in_words_and_in_the_tab(officer, gate, chromium):
    shown = officer.sees()
    assert (shown["reason"], shown["number"], shown["taken"]) == ("face mismatch", "7", "nobody yet")
    assert shown["title"] == "\u25cf CALL - gate fake-1"
    assert shown["spoken"].startswith("An officer is called at gate fake-1: face mismatch")
    assert shown["acts"] == ["acknowledge", "release", "return", "assist", "rearm"]
    gate.taken = "officer-9 (uid 1000)"
    officer.waits_for(call="taken", taken="officer-9 (uid 1000)", title="call taken - gate fake-1", spoken="")
    gate.call_pending, gate.state = False, "ready"
    shown = officer.waits_for(call="none", reason="", state="ready for the next traveller")
    assert "acknowledge" not in shown["acts"]
    assert not chromium.evaluate("document.getElementById('call-facts').offsetParent"), "nothing of a call that is over"
    assert "officer-9" not in chromium.evaluate("document.body.innerText")


def test_a_call_can_be_heard_once_the_officer_wants_it(officer, gate, chromium, eventually):
    heard = "[document.getElementById('sound').getAttribute('aria-pressed'), Number(document.body.dataset.rings ?? 0)]"
    said = "['sound', 'sound-said'].map((id) => document.getElementById(id).textContent)"
    assert chromium.evaluate(heard) == ["false", 0], "a browser makes no sound before somebody has pressed something"
    officer.clicks("#sound")
    eventually(lambda: chromium.evaluate(heard) == ["true", 1], "one to hear how loud it is")
    gate.number = 8
    eventually(lambda: chromium.evaluate(heard) == ["true", 2], "the new call rings")
    officer.waits_for(number="8")
    assert chromium.evaluate(said) == ["Sound for calls: on", "Calls ring; this is how they sound"]
    gate.escalations = 1
    eventually(lambda: chromium.evaluate(heard) == ["true", 3], "the same call rings when it is repeated")
    assert chromium.evaluate("document.getElementById('call-escalations').textContent") == "once"
    officer.clicks("#sound")
    gate.number = 9
    officer.waits_for(number="9")
    assert chromium.evaluate(heard) == ["false", 3]
    assert chromium.evaluate(said) == ["Sound for calls: off", "No sound for calls"]
    assert chromium.evaluate("document.getElementById('sound-said').getAttribute('role')") == "status", "it is spoken"
    assert not [each for each in chromium.complaints if "Content Security Policy" in str(each) or "Uncaught" in str(each)]


def test_a_call_that_nobody_takes_rings_again_and_one_that_is_taken_does_not(officer, gate, chromium, eventually):
    rings = "Number(document.body.dataset.rings ?? 0)"
    officer.clicks("#sound")
    eventually(lambda: chromium.evaluate(rings) == 1, "one to hear how loud it is")
    # The page's clock is put on instead of waiting; the gate's next word comes at that time, so it does not count as silent.
    later = "(() => { const now = performance.now.bind(performance); performance.now = () => now() + %d; })()"
    chromium.evaluate(later % 20_000)
    eventually(lambda: chromium.evaluate(rings) == 2, "nobody has taken it for 15 s")
    gate.taken = "officer-9 (uid 1000)"
    officer.waits_for(call="taken")
    chromium.evaluate(later % 20_000)
    officer.waits_for(link="live", call="taken")
    assert chromium.evaluate(rings) == 2


def test_a_browser_without_sound_says_so_and_nothing_seems_switched_on(officer, chromium, eventually):
    chromium.evaluate("delete globalThis.AudioContext")
    officer.clicks("#sound")
    shown = "[document.getElementById('sound').textContent, document.getElementById('sound').getAttribute('aria-pressed')]"
    eventually(lambda: chromium.evaluate(shown) == ["This browser makes no sound for calls", "false"], "it is said")


def test_with_the_mouse_what_it_will_do_is_said_and_who_and_why_are_asked_first(officer, gate, chromium):
    officer.opens(officer.clicks, "[data-action=release]")
    asked = chromium.evaluate("document.getElementById('ask').textContent")
    assert "The exit door opens" in asked
    assert "call 7: face mismatch" in asked
    officer.clicks("#confirm")  # nothing was typed
    assert gate.acts == []
    assert officer.sees()["asks"]
    officer.types("officer-7")
    officer.clicks("#reason")
    officer.types("passport seen")
    officer.waits_for(confirm=True)
    officer.clicks("#confirm")
    shown = officer.waits_for(asks=False, done=lambda text: text.startswith("The exit opens"))
    assert "call 7" in shown["done"]
    assert gate.acts == [("release", "officer-7", "passport seen", os.getuid())]
    officer.opens(officer.clicks, "[data-action=return]")
    assert chromium.evaluate("document.getElementById('identity').value") == "", "the next officer at this desk is somebody else"
    # The page's policy has no icon fetched; the tests switch the policy off, for axe-core's sake.
    assert [said for said in chromium.complaints if "favicon.ico" not in str(said)] == []


def test_with_keys_only(officer, gate):
    officer.tabs_to("return")
    officer.opens(officer.presses, "Enter")
    officer.presses("Escape")
    officer.waits_for(asks=False, focus="return")
    assert gate.acts == []
    officer.opens(officer.presses, " ")
    officer.types("officer-7")
    officer.presses("Tab")
    officer.types("no document")
    officer.waits_for(confirm=True)
    officer.presses("Enter")
    officer.waits_for(asks=False, focus="return", done=lambda text: text.startswith("The entry opens"))
    assert gate.acts == [("return", "officer-7", "no document", os.getuid())]


def test_a_call_that_is_over_while_the_officer_types_cannot_be_answered(officer, gate):
    officer.opens(officer.clicks, "[data-action=release]")
    officer.types("officer-7")
    gate.number = 8
    officer.waits_for(confirm=False, refused=lambda text: text.startswith("Call 7 is over. Nothing was done"))
    officer.presses("Enter")
    officer.clicks("#cancel")
    officer.waits_for(asks=False, number="8")
    assert gate.acts == []


def test_a_port_that_leads_to_another_gate_by_now_answers_no_question_about_the_first(officer, gate):
    gate.call_pending = False
    officer.waits_for(call="none")
    officer.opens(officer.clicks, "[data-action=release]")
    officer.types("officer-7")
    gate.name = "fake-2"
    officer.waits_for(confirm=False, refused=lambda text: text.startswith("This is gate fake-2 now, not fake-1. Nothing was done"))
    officer.presses("Enter")
    assert gate.acts == []


def test_a_refusal_is_said_in_the_gates_own_words(officer, gate):
    gate.state = "ready"
    officer.opens(officer.clicks, "[data-action=release]")
    officer.types("officer-7")
    officer.presses("Tab")
    officer.types("passport seen")
    officer.waits_for(confirm=True)
    officer.presses("Enter")
    officer.waits_for(asks=True, refused="Refused: release is not possible in state ready. Remedy: see gatectl status.")
    assert gate.acts == []


def test_a_gate_that_falls_silent_is_said_and_nothing_can_be_done(officer, gate, chromium):
    officer.opens(officer.clicks, "[data-action=release]")
    gate.failing = True
    shown = officer.waits_for(link="lost", confirm=False, refused=lambda text: text.startswith("No connection"))
    assert shown["acts"] == []
    assert shown["title"] == "not connected - gate fake-1"
    assert chromium.evaluate("getComputedStyle(document.getElementById('lost')).display") != "none"
    gate.failing = False
    officer.waits_for(link="live", confirm=True, refused="")
    officer.page.server.stop()
    officer.waits_for(link="lost")
    officer.page.server.start()
    officer.waits_for(link="live")


def test_an_act_whose_answer_does_not_come_may_have_been_done_and_is_said_so(officer, gate):
    officer.opens(officer.clicks, "[data-action=release]")
    gate.held.clear()
    officer.types("officer-7")
    officer.presses("Tab")
    officer.types("passport seen")
    officer.waits_for(confirm=True)
    officer.presses("Enter")
    officer.waits_for(confirm=False)
    officer.page.server.stop()
    officer.waits_for(refused=lambda text: "may have been carried out" in text)
    gate.held.set()


def test_what_looks_like_a_script_is_text(officer, gate, chromium):
    evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    gate.taken = evil
    officer.waits_for(taken=evil)
    assert chromium.evaluate("document.querySelectorAll('img, main script').length") == 0


@pytest.mark.parametrize(("size", "zoom"), [((1280, 900), 1), ((1280, 1024), 2), ((320, 640), 1)], ids=["desk", "zoom of 200 %", "320 px wide"])
@pytest.mark.parametrize("look", ["pending", "taken", "none", "lost", "asking", "refused"])
def test_axe_finds_nothing_and_nothing_is_cut_off(officer, gate, chromium, size, zoom, look):
    """A zoom of 200 % leaves half the width, in CSS pixels; 320 are 1280 at 400 % (WCAG 1.4.10)."""
    chromium.size(size[0] // zoom, size[1] // zoom)
    if look == "taken":
        gate.taken = "officer-9 (uid 1000)"
    elif look == "none":
        gate.call_pending, gate.state = False, "ready"
    elif look == "lost":
        gate.failing = True
    officer.waits_for(**({"link": "lost"} if look == "lost" else {"call": look if look in {"taken", "none"} else "pending"}))
    if look in {"asking", "refused"}:
        officer.opens(officer.clicks, "[data-action=release]")
    if look == "refused":
        gate.number = 8
        officer.waits_for(refused=lambda text: text != "")
    assert chromium.violations() == []
    assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert chromium.evaluate(
        "[...document.querySelectorAll('button, input')].filter((it) => it.offsetParent).every((it) => it.offsetHeight >= 24 && it.offsetWidth >= 24)"
    )
    if where := os.environ.get("LOOK_AT"):
        chromium.picture(Path(where) / f"officer-{look}-{size[0]}-{zoom}.png")
