"""The simulator panel without a browser: who may use it, what can be chosen, and what a choice does to the world."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gate_controller.cli.simulate import simulate_command
from gate_controller.cli.simulation_panel import panel
from gate_controller.core.values import Door, Occupancy, Region
from gate_controller.ports.errors import ConfigurationError, RefusedByStateError
from simulators.authority import Authorities
from simulators.control import ControlError
from simulators.lane.memory import MemoryLane
from simulators.lane.simulation import LaneSimulation
from simulators.panel.mishaps import MISHAPS, Mishaps
from simulators.panel.plays import CAST, TRICKS, Casting, PlayError
from simulators.panel.site import HEADERS, PanelSite
from simulators.panel.view import look
from simulators.travellers.cast import EXPECTED, build_cast
from simulators.travellers.phones import Copy

NOW = 1_800_000_000.0
PAGES = ["/", "/panel.css", "/panel.js", "/choices", "/events", "/portraits/person01", "/cameras/qr", "/kiosk/"]
ACTS = ["/play", "/mishap", "/officer", "/duty", "/crash"]


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def wall(self):
        return NOW + self.now


class Silent:
    """Events of a world that nobody watches."""

    def __getattr__(self, _name):
        return lambda *_: None


class Lane:
    """Wire simulators that write down what they are asked."""

    def __init__(self):
        self.asked = []
        self.dead = False

    def ask(self, name, verb, /, **fields):
        if self.dead:
            raise ControlError("gone")
        self.asked.append((name, verb, *fields.values()))


class Gate:
    """A gate with neither kiosk page nor cameras, whose state allows an acknowledgement alone."""

    kiosk_url = "http://127.0.0.1:9/"
    cameras = {"qr": "http://127.0.0.1:9/stream.mjpg"}  # noqa: RUF012 - read by nobody else

    def __init__(self):
        self.acts = []

    def officer(self, action):
        if action != "acknowledge":
            raise RefusedByStateError("not in state ready", "see gatectl status")
        self.acts.append(action)

    def crash(self):
        self.acts.append("crash")


@pytest.fixture(scope="module")
def cast():
    return build_cast(seed=1, count=CAST, region=Region.MO, now=NOW, authorities=Authorities("panel test"), audience="MO-SIM")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def simulation(clock):
    return LaneSimulation(hardware=MemoryLane(clock), clock=clock, cast=(), events=Silent())


@pytest.fixture
def lane():
    return Lane()


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def site(simulation, lane, gate, cast):
    site = PanelSite(simulation, lane, gate, Casting(cast))
    site.start()
    yield site
    site.stop()


@pytest.fixture
def ask(site):
    host = site.url.removeprefix("http://").rstrip("/")

    def request(method, path, body=None, **headers):
        connection = http.client.HTTPConnection(host, timeout=30)
        try:
            given = {name.replace("_", "-"): value.format(host=host) for name, value in headers.items()}
            connection.request(method, path, None if body is None else json.dumps(body), given)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read() if path != "/events" or answer.status != 200 else b""
        finally:
            connection.close()

    def act(path, **body):
        status, _, said = request("POST", path, body, Origin="http://{host}", Content_Type="application/json")
        return status, json.loads(said)

    request.act = act
    return request


# Who may use it


@pytest.mark.parametrize("path", PAGES + ACTS)
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example", "0.0.0.0", ""])
def test_a_name_that_was_made_to_point_here_gets_nothing(ask, path, host, gate):
    for method in ("GET", "POST"):
        status, headers, body = ask(method, path, {}, Host=host, Origin="http://{host}", Content_Type="application/json")
        assert (status, headers["Content-Security-Policy"]) == (421, HEADERS["Content-Security-Policy"])
        assert b"person" not in body
    assert gate.acts == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "application/json"},
        {"Content_Type": "application/json", "Origin": "null"},
        {"Content_Type": "application/json", "Origin": "https://{host}"},
        {"Content_Type": "application/json", "Origin": "http://evil.example"},
        {"Content_Type": "application/json", "Origin": "http://{host}.evil.example"},
        {"Content_Type": "application/json", "Origin": "http://{host}", "Sec_Fetch_Site": "cross-site"},
        {"Content_Type": "text/plain", "Origin": "http://{host}"},
        {"Content_Type": "application/x-www-form-urlencoded", "Origin": "http://{host}"},
    ],
)
@pytest.mark.parametrize("path", ACTS)
def test_another_page_cannot_play(ask, gate, lane, simulation, path, headers):
    assert ask("POST", path, {"action": "acknowledge", "name": "fire_alarm", "on": True, "traveller": "a", "trick": "none"}, **headers)[0] == 403
    assert (gate.acts, lane.asked, simulation.busy, simulation.world.emergency_loop_closed) == ([], [], False, True)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_nothing_but_get_and_post(ask, method):
    assert ask(method, "/")[0] == 405


@pytest.mark.parametrize("path", ["/../site.py", "/static/", "/portraits/../README.md", "/portraits/..%2fREADME.md", "/portraits/person99", "/cameras/wall"])
def test_nothing_but_its_own_files(ask, path):
    assert ask("GET", path)[0] == 404


@pytest.mark.parametrize("path", ["/kiosk/v1%2fstatus", "/kiosk/..%2fv1", "/kiosk/x"])
def test_nothing_of_the_gate_but_its_kiosk_page(ask, path):
    assert ask("GET", path)[0] == 404


def test_a_gate_and_a_camera_that_do_not_answer_are_told(ask):
    assert ask("GET", "/kiosk/")[0] == 502
    assert ask("GET", "/cameras/qr")[0] == 503


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 3000, b'"x"'])
def test_a_body_that_is_no_object_is_refused(site, body):
    host = site.url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request("POST", "/play", body, {"Content-Type": "application/json", "Origin": f"http://{host}"})
    assert connection.getresponse().status == 400
    connection.close()


def test_it_exists_beside_a_simulated_gate_alone(tmp_path):
    class Production:
        config = tmp_path / "gate.toml"

    config = Path(__file__).parents[2] / "config"
    Production.config.write_text((config / "gate.toml").read_text().replace("0" * 64, "1" * 64))
    (tmp_path / "policy.toml").write_text((config / "policy.toml").read_text())

    with pytest.raises(ConfigurationError, match="not a simulation"), panel(Production(), 0):
        pass


def test_the_command_has_it_without_a_number_of_travellers_only():
    for others in (["--travellers", "3"], ["--json"], ["--virtual"]):
        done = CliRunner().invoke(simulate_command, ["--panel", *others])
        assert (done.exit_code, "--panel has no" in done.output) == (2, True)


# What can be chosen


def test_everything_that_can_be_chosen_is_offered(ask):
    choices = json.loads(ask("GET", "/choices")[2])
    assert len(choices["travellers"]) >= 5
    assert {guest["region"] for guest in choices["travellers"]} == {"HK", "MO"}
    assert [trick["id"] for trick in choices["tricks"]] == list(TRICKS)
    assert [mishap["id"] for mishap in choices["mishaps"]] == list(MISHAPS)
    assert all(each["label"] and each["hint"] for each in choices["tricks"] + choices["mishaps"])
    for guest in choices["travellers"]:
        assert ask("GET", f"/portraits/{guest['person']}")[2].startswith(b"\xff\xd8")


def test_one_traveller_at_a_time(ask, simulation):
    assert ask.act("/play", traveller="a", trick="none")[0] == 200
    assert simulation.busy
    assert ask.act("/play", traveller="b", trick="none") == (409, {"error": "somebody is at the lane; one traveller at a time"})
    simulation.step()
    assert [person["name"] for person in look(simulation)["people"]] == ["01-good"]


@pytest.mark.parametrize("body", [{}, {"traveller": "z", "trick": "none"}, {"traveller": "a", "trick": "teleport"}, {"traveller": ["a"], "trick": None}])
def test_what_is_not_offered_cannot_be_played(ask, simulation, body):
    assert ask.act("/play", **body)[0] == 409
    assert not simulation.busy


def test_each_trick_is_what_it_says(cast):
    casting = Casting(cast)
    honest = casting.member("a", "none")
    with pytest.raises(PlayError, match="send an honest traveller first"):
        casting.member("b", "copy")
    honest.phone.text_at(NOW)
    names = {honest.name}
    for trick in list(TRICKS)[1:]:
        member = casting.member("a", trick)
        assert member.expected == EXPECTED[TRICKS[trick].kind]
        names.add(member.name)
        changed = {part for part in ("face", "finger", "companion", "behaviour") if getattr(member, part) != getattr(honest, part)}
        assert changed == {
            "wrong_finger": {"finger"},
            "wrong_face": {"face"},
            "photo": {"face"},
            "video": {"face"},
            "tailgate": {"companion"},
            "never_enter": {"behaviour"},
        }.get(trick, set())
    assert len(names) == len(TRICKS)
    copy = casting.member("b", "copy").phone
    assert isinstance(copy, Copy)
    assert copy.text_at(NOW + 60) == honest.phone.first_shown


def test_who_comes_again_at_once_shows_another_code(cast):
    casting = Casting(cast)
    shown = [casting.member("a", "none").phone.text_at(NOW + seconds) for seconds in (0, 4, 8)]
    assert len(set(shown)) == 3


def test_a_short_cast_is_refused(cast):
    with pytest.raises(ValueError, match="too short"):
        Casting(type(cast)(cast.members[:1], cast.identities))


# What it does to the world


def test_the_lanes_own_mishaps_come_and_go(simulation, lane):
    mishaps, world = Mishaps(simulation, lane), simulation.world
    healthy = world.inputs()
    for name in ("fire_alarm", "tamper", "bag", "blind_counter", "stuck_exit"):
        mishaps.turn(name, on=True)
    assert not world.emergency_loop_closed
    assert not world.tamper_loop_closed
    assert world.faults.objects == world.faults.stuck_doors == {Door.EXIT}
    assert world.faults.counter is Occupancy.UNKNOWN
    for name in mishaps.on:
        mishaps.turn(name, on=False)
    assert (world.inputs(), world.faults.names(), mishaps.on, lane.asked) == (healthy, (), [], [])


def test_a_cable_put_back_takes_no_hand_from_the_lens(simulation, lane):
    mishaps = Mishaps(simulation, lane)
    mishaps.turn("face_covered", on=True)
    mishaps.turn("face_cable", on=True)
    mishaps.turn("face_cable", on=False)
    assert lane.asked[-2:] == [("face_camera", "clear"), ("face_camera", "fault", "black")]
    assert mishaps.on == ["face_covered"]


def test_a_simulator_that_does_not_answer_is_told(ask, lane):
    lane.dead = True
    assert ask.act("/mishap", name="io_cable", on=True) == (409, {"error": "the simulator of the io board does not answer"})


def test_the_officer_acts_as_the_gate_allows(ask, gate, simulation):
    assert ask.act("/officer", action="acknowledge")[0] == 200
    assert ask.act("/officer", action="release") == (409, {"error": "not in state ready; see gatectl status"})
    assert ask.act("/officer", action="open_both_doors")[0] == 409
    assert ask.act("/crash") == (200, {})
    assert gate.acts == ["acknowledge", "crash"]
    assert ask.act("/duty", on=False) == (200, {})
    assert not simulation.officer_on_duty


def test_a_page_that_opens_later_is_told_what_there_was(site):
    site.tell("status", {"state": "ready"})
    site.tell("crossing", {"outcome": "refused"})
    host = site.url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request("GET", "/events")
    stream, kinds = connection.getresponse(), []
    while "lane" not in kinds:  # what is seen of the lane follows
        line = stream.readline().decode()
        kinds += [line.removeprefix("event: ").strip()] if line.startswith("event: ") else []
    connection.close()
    assert kinds == ["crossing", "status", "lane"]
