"""Pace: a user's reads take turns, nobody else waits for them."""

import asyncio
import contextlib
import select

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_controller.control import requests
from gate_controller.control.pace import LONGEST_S, MANY_USERS, Pace, Turns
from gate_controller.control.roles import Caller, Role


def test_so_many_are_at_once_and_the_rest_take_turns():
    pace = Pace(per_s=10, at_once=3)
    assert [round(pace.wait_s(7, 100.0), 6) for _ in range(6)] == [0, 0, 0, 0.1, 0.2, 0.3]


def test_after_a_pause_so_many_are_at_once_again():
    pace = Pace(per_s=10, at_once=3)
    for _ in range(5):
        pace.wait_s(7, 100.0)
    assert [round(pace.wait_s(7, 101.0), 6) for _ in range(4)] == [0, 0, 0, 0.1]


def test_another_user_does_not_wait():
    pace = Pace(per_s=10, at_once=3)
    for _ in range(50):
        pace.wait_s(7, 100.0)
    assert pace.wait_s(8, 100.0) == 0


@given(st.lists(st.floats(0, 2), max_size=60))
def test_nobody_gets_more_than_the_rate(pauses):
    pace, now, given_at = Pace(per_s=10, at_once=3), 50.0, []
    for pause in pauses:
        now += pause
        given_at.append(now + pace.wait_s(7, now))
    assert given_at == sorted(given_at)
    for first, begin in enumerate(given_at):
        assert sum(each - begin < 1 for each in given_at[first:]) <= 3 + 10 + 1


def test_however_many_users_are_forgotten_again():
    pace = Pace(per_s=10, at_once=3)
    for user in range(10 * MANY_USERS):
        pace.wait_s(user, float(user))
    assert len(pace._due) <= MANY_USERS


def test_who_asks_and_hangs_up_over_and_over_is_behind_for_some_seconds_at_most():
    pace = Pace(per_s=10, at_once=3)
    waits = [pace.wait_s(7, 100.0) for _ in range(10_000)]
    assert max(waits) == pytest.approx(LONGEST_S)
    assert pace.wait_s(7, 100.0 + LONGEST_S + 1) == 0


def test_all_users_together_take_turns_too():
    async def taken():
        turns, begin = Turns(Pace(per_s=1e6, at_once=1), Pace(per_s=100, at_once=2)), asyncio.get_running_loop().time()
        await asyncio.gather(*(turns.turn(user) for user in range(6)))
        return asyncio.get_running_loop().time() - begin

    assert asyncio.run(taken()) >= 0.04


READ = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
NEVER = {"answers_per_s": 0.001, "answers_at_once": 1, "all_answers_per_s": 0.001, "all_answers_at_once": 1}


def request(served, stack, what):
    line = stack.enter_context(served.raw())
    line.sendall(what)
    return line


def is_answered(line, within_s=30.0):
    return bool(select.select([line], [], [], within_s)[0])


@pytest.mark.parametrize(
    "what",
    [
        READ,
        b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HEAD /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
        b"DELETE /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
    ],
    ids=["read", "no such call", "HEAD", "no such method", "no such act", "with a body"],
)
def test_whatever_is_no_act_waits_for_its_turn(serve, what):
    served = serve(**NEVER)
    assert served.ask("GET", "/v1/status")[0] == 200
    with contextlib.ExitStack() as stack:
        waiting = request(served, stack, what)
        assert served.ask("POST", "/v1/officer", b'{"action": "acknowledge", "identity": "x"}')[0] == 200, "an act passes by what waits"
        assert served.ask("GET", "/v1/officer/calls")[0] == 200, "and so does what an officer reads before it"
        assert not is_answered(waiting, 0)


def test_what_is_denied_waits_for_its_turn(serve, monkeypatch):
    monkeypatch.setattr(requests, "caller_as", lambda *_about: Caller(12345, frozenset({Role.READ})))
    served = serve(**NEVER)
    body = b'{"on": true, "identity": "x", "reason": "y"}'
    with contextlib.ExitStack() as stack:
        lines = [request(served, stack, b"POST /v1/maintenance HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) for _ in range(3)]
        answered = select.select(lines, [], [], 30)[0]
        assert len(answered) == 1
        assert b"403" in answered[0].recv(1000)


def test_who_waits_for_a_turn_keeps_the_server_from_stopping_no_longer_than_others(serve):
    served = serve(**NEVER, stop_s=0.05)
    assert served.ask("GET", "/v1/status")[0] == 200
    with contextlib.ExitStack() as stack:
        waiting = [request(served, stack, READ) for _ in range(10)]
        served.server.stop()
        assert not served.server.alive
        assert [line.recv(1) for line in waiting] == [b""] * 10
