"""Run a search in one process or in several, each with a share of the nodes, and put together what they found.

Shares go through the search breadth first together: round by round, and after each they hand each other the nodes that were found in the wrong share.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection

from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.table import TABLE, Row
from tests.exploration.help import NotHelpedError, Waits, longest_wait
from tests.exploration.nodes import NOBODY
from tests.exploration.search import Found, Search, say

Reached = Callable[[int], tuple[tuple[str, ...], object, int]]


def explore(
    policy: CrossingPolicy, table: tuple[Row, ...] = TABLE, most_nodes: int | None = None, after: tuple[str, ...] = (), *, first_only: bool = False
) -> Found:
    """Explore in this process; from the end of a trace on, if its lines are given (`after`). With `first_only` the first violation ends it."""
    search = Search(policy, table)
    search.begin()
    if after:
        search.follow(after)
    while search.nodes.open() and (most_nodes is None or search.nodes.own < most_nodes) and not (first_only and search.objected()):
        search.round(most_nodes, first_only=first_only)
    return _conclude(search.found(), search.waits(), search.nodes.reached)


def explore_together(policy: CrossingPolicy, most_nodes: int | None = None) -> Found:
    """Explore in two processes. Forked, so that both give every node the same hash."""
    context = multiprocessing.get_context("fork")
    ends = [context.Pipe() for _ in range(2)]
    workers = [context.Process(target=_share, args=(theirs, policy, number, most_nodes), daemon=True) for number, (_, theirs) in enumerate(ends)]
    for worker in workers:
        worker.start()
    one, two = (ours for ours, _ in ends)
    try:
        while True:
            _swap(one, two)
            _swap(one, two)
            known, waiting = zip(one.recv(), two.recv(), strict=True)
            going_on = any(waiting) and (most_nodes is None or sum(known) < most_nodes)
            for each in (one, two):
                each.send(going_on)
            if not going_on:
                break
        found, waits = Found(complete=not any(waiting)), {}
        for each in (one, two):
            part, their_waits = each.recv()
            found.add(part)
            waits.update(their_waits)

        def reached(everywhere: int) -> tuple[tuple[str, ...], object, int]:
            asked = (one, two)[everywhere % 2]
            asked.send(everywhere)
            answer: tuple[tuple[str, ...], object, int] = asked.recv()
            return answer

        return _conclude(found, waits, reached)
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def _share(parent: Connection, policy: CrossingPolicy, number: int, most_nodes: int | None) -> None:
    search = Search(policy, share=(number, 2))
    gc.disable()  # millions of small things that stay, and nothing in circles
    search.begin()
    going_on = True
    while going_on:
        search.round(None if most_nodes is None else most_nodes // 2)
        parent.send(search.nodes.send())
        parent.send(search.nodes.receive(parent.recv()))
        search.nodes.numbered(parent.recv())
        parent.send((search.nodes.own, search.nodes.open()))
        going_on = parent.recv()
    parent.send((search.found(), search.waits()))
    while True:
        parent.send(search.nodes.reached(parent.recv()))


def _swap(one: Connection, two: Connection) -> None:
    first, second = one.recv(), two.recv()
    one.send(second)
    two.send(first)


def _conclude(found: Found, waits: Waits, reached: Reached) -> Found:
    try:
        found.longest_wait = longest_wait(waits)
    except NotHelpedError as error:
        found.violations.setdefault(str(error), (error.node, "and time passes"))
    for what, (at, last) in found.violations.items():
        lines, node = [last], at
        while node != NOBODY:
            how, state, node = reached(node)
            lines.append(f"{say(how)}  -> {state.value}")
        found.traces[what] = lines[::-1]
    return found
