"""Pace: a user's reads take turns, nobody else waits for them."""

import asyncio
import contextlib

from hypothesis import given
from hypothesis import strategies as st

from gate_controller.control.pace import MANY_USERS, Pace


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


def test_who_leaves_gives_the_turn_back():
    async def leave():
        pace = Pace(per_s=0.001, at_once=1)
        await pace.turn(7)
        for _ in range(5):
            waiting = asyncio.ensure_future(pace.turn(7))
            await asyncio.sleep(0)
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
        return pace.wait_s(7, asyncio.get_running_loop().time())

    assert 0 < asyncio.run(leave()) <= 1000


def test_one_users_reads_wait_for_each_other_and_acts_do_not(serve, monkeypatch):
    waited = []

    async def turn(_pace, user):
        waited.append(user)

    monkeypatch.setattr(Pace, "turn", turn)
    client = serve().client
    client.status()
    client.metrics()
    assert len(waited) == 2
    with contextlib.suppress(Exception):
        client.maintenance(on=True, identity="test", reason="test")
    assert len(waited) == 2
