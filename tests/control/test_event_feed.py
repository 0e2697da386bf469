"""EventFeed: any thread publishes without waiting, every subscriber gets everything or is told what it missed."""

import asyncio
import json
import math
import threading

import pytest
import structlog

from gate_controller.control.feed import EventFeed


class FixedClock:
    def monotonic(self):
        return 0.0

    def wall(self):
        return 1000.5


class CountingLoop:
    """Stands in for a loop that is stuck: it takes wake-ups and never runs them."""

    def __init__(self):
        self.calls = []

    def call_soon_threadsafe(self, callback, *arguments):
        self.calls.append((callback, *arguments))

    def call_later(self, _delay_s, _callback):
        raise AssertionError("a loop's timers belong to its own thread")  # so it is only handed over


@pytest.fixture
def feed():
    return EventFeed(FixedClock(), events=8, crossings=4, run="run-1")


def fields(event):
    return json.loads(event.fields)


async def collect(feed, subscription, total):
    """Everything a subscriber sees until it has seen or missed `total` events."""
    missed, events = 0, []
    while missed + len(events) < total:
        taken = subscription.take()
        missed += taken.missed
        events += taken.events
        if missed + len(events) < total:
            await asyncio.wait_for(subscription.wait(), 30)
    return missed, events


def test_an_event_is_fixed_at_the_moment_of_publishing(feed):
    status = {"state": "ready"}
    feed.publish("status", status)
    status["state"] = "emergency"
    event = feed.latest().status
    assert (event.sequence, event.at, fields(event)) == (1, 1000.5, {"state": "ready"})


@pytest.mark.parametrize("bad", [{"x": object()}, {"x": math.nan}, {("a", "b"): 1}])
def test_fields_that_are_not_json_become_a_lost_event_and_never_raise(feed, bad):
    with structlog.testing.capture_logs() as logs:
        feed.publish("device", bad)
        feed.publish("prompt", {"prompt": "step_in"})
    assert fields(feed._after(0)[1][0]) == {"kind": "device"}
    assert feed.latest().sequence == 2
    assert [entry["log_level"] for entry in logs] == ["error"]


def test_fields_that_contain_themselves_are_lost_too(feed):
    loop = {}
    loop["self"] = loop
    with structlog.testing.capture_logs():
        feed.publish("status", loop)
    assert feed.latest().status is None


def test_the_last_status_and_prompt_outlive_the_ring(feed):
    feed.publish("status", {"state": "ready"})
    feed.publish("prompt", {"prompt": "show_code"})
    for number in range(50):
        feed.publish("device", {"n": number})
    latest = feed.latest()
    assert (latest.sequence, fields(latest.status), fields(latest.prompt)) == (52, {"state": "ready"}, {"prompt": "show_code"})


def test_crossings_are_numbered_and_outlive_a_flood_of_other_events(feed):
    feed.publish("crossing_recorded", {"outcome": "completed"})
    for number in range(50):
        feed.publish("device", {"n": number})
    feed.publish("crossing_recorded", {"outcome": "refused"})
    found = feed.crossings()
    assert [fields(event) for event in found.records] == [{"outcome": "completed", "number": 1}, {"outcome": "refused", "number": 2}]
    assert [fields(event)["number"] for event in feed.crossings(after=1).records] == [2]
    assert feed.crossings(after=2).records == ()


@pytest.mark.parametrize(("after", "missed", "numbers"), [(0, 6, [7, 8, 9, 10]), (5, 1, [7, 8, 9, 10]), (6, 0, [7, 8, 9, 10]), (8, 0, [9, 10]), (99, 0, [])])
def test_crossings_that_left_the_ring_are_counted(feed, after, missed, numbers):
    for _ in range(10):
        feed.publish("crossing_recorded", {})
    found = feed.crossings(after)
    assert (found.last, found.missed, [fields(event)["number"] for event in found.records]) == (10, missed, numbers)


def test_a_stuck_loop_costs_one_wake_up_however_much_is_published(feed):
    loop = CountingLoop()
    feed.attach(loop)
    for _ in range(1000):
        feed.publish("device", {})
    assert len(loop.calls) == 1
    loop.calls.pop()[-1]()
    feed.publish("device", {})
    assert len(loop.calls) == 1


def test_publishing_goes_on_when_the_loop_was_closed_behind_its_back(feed):
    loop = asyncio.new_event_loop()
    feed.attach(loop)
    loop.close()
    feed.publish("device", {})
    feed.publish("device", {})
    assert feed.latest().sequence == 2


def test_a_slow_subscriber_is_told_how_many_it_missed_and_gets_the_rest_in_order(feed):
    async def scenario():
        feed.attach(asyncio.get_running_loop())
        subscription = feed.subscribe()
        for number in range(100):
            feed.publish("device", {"n": number})
        taken = subscription.take()
        assert (taken.missed, [fields(event)["n"] for event in taken.events]) == (92, list(range(92, 100)))
        feed.publish("device", {"n": 100})
        taken = subscription.take()
        assert (taken.missed, [fields(event)["n"] for event in taken.events]) == (0, [100])

    asyncio.run(scenario())


def test_a_long_backlog_is_taken_in_portions_without_waiting_for_another_event():
    feed = EventFeed(FixedClock(), events=1000)

    async def scenario():
        feed.attach(asyncio.get_running_loop())
        for _ in range(500):
            feed.publish("device", {})
        subscription = feed.subscribe(after=0)
        assert len(subscription.take().events) < 500
        missed, events = await collect(feed, feed.subscribe(after=0), 500)
        assert (missed, [event.sequence for event in events]) == (0, list(range(1, 501)))

    asyncio.run(scenario())


def test_many_subscribers_get_every_event_of_many_threads_once_and_in_one_order():
    feed = EventFeed(FixedClock(), events=4096)

    async def scenario():
        feed.attach(asyncio.get_running_loop())
        subscriptions = [feed.subscribe() for _ in range(20)]
        threads = [threading.Thread(target=lambda name=name: [feed.publish("device", {"by": name, "n": n}) for n in range(250)]) for name in range(4)]
        for thread in threads:
            thread.start()
        seen = await asyncio.gather(*(collect(feed, subscription, 1000) for subscription in subscriptions))
        for thread in threads:
            thread.join()
        first = [event.sequence for event in seen[0][1]]
        assert first == list(range(1, 1001))
        assert all(missed == 0 and [event.sequence for event in events] == first for missed, events in seen)
        by_thread = {name: [fields(event)["n"] for event in seen[0][1] if fields(event)["by"] == name] for name in range(4)}
        assert all(numbers == list(range(250)) for numbers in by_thread.values())

    asyncio.run(scenario())


def test_heartbeats_are_told_once_and_never_queue_up(feed):
    async def scenario():
        feed.attach(asyncio.get_running_loop())
        subscription = feed.subscribe()
        assert not subscription.take().beat
        feed.beat()
        feed.beat()
        await asyncio.wait_for(subscription.wait(), 30)
        assert subscription.take().beat
        assert not subscription.take().beat

    asyncio.run(scenario())


def test_closing_ends_the_wait(feed):
    async def scenario():
        feed.attach(asyncio.get_running_loop())
        subscription = feed.subscribe()
        waiting = asyncio.create_task(subscription.wait())
        await asyncio.sleep(0)
        feed.end_subscriptions()
        await asyncio.wait_for(waiting, 30)
        assert subscription.closed

    asyncio.run(scenario())


def test_every_run_has_a_name_of_its_own():
    assert EventFeed(FixedClock()).run != EventFeed(FixedClock()).run


def test_what_comes_within_the_gathering_time_is_told_together():
    feed, loop = EventFeed(FixedClock(), gather_s=0.05), CountingLoop()
    feed.attach(loop)
    feed.publish("status", {"n": 1})
    feed.publish("status", {"n": 2})
    (timer, delay_s, wake) = loop.calls.pop()
    assert (timer, delay_s, loop.calls) == (loop.call_later, 0.05, [])
    wake()
    feed.publish("status", {"n": 3})
    assert len(loop.calls) == 1
