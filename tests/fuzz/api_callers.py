"""Callers of the control API as other users: what the kernel says of them is true (SO_PEERCRED), as they are processes of those users.

Needs root for any other user than one's own. Does not judge answers; api.py does.
"""

from __future__ import annotations

import contextlib
import grp
import http.client
import json
import multiprocessing
import os
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOBODY = 65534
ROLES = ("read", "operator", "officer", "engineer")
_FORK = multiprocessing.get_context("fork")  # another user may not be able to read this interpreter's files


@dataclass(frozen=True)
class CallerKind:
    """Who calls: a name, the roles that this is to come to, and user and group (None: one's own)."""

    name: str
    roles: frozenset[str]
    ids: tuple[int, int] | None


def groups_of_this_machine() -> dict[str, int]:
    """Four groups to stand for the roles, which nobody is a member of: their names, and ids."""
    free = [each for each in grp.getgrall() if not each.gr_mem and each.gr_gid not in {0, NOBODY} and each.gr_name.isalpha() and each.gr_name.islower()]
    return {each.gr_name: each.gr_gid for each in free[: len(ROLES)]}


def callers(groups: Mapping[str, int]) -> list[CallerKind]:
    """Everybody there is: a stranger, one of each role, and who runs the gate."""
    own = CallerKind("own", frozenset(ROLES), None)
    if os.geteuid() != 0:
        return [own]
    others = [CallerKind("stranger", frozenset(), (NOBODY, NOBODY))]
    # Each a user of its own: the gate's limits are a user's.
    others += [
        CallerKind(role, frozenset({"read", role}), (NOBODY - 1 - place, gid)) for place, (role, gid) in enumerate(zip(ROLES, groups.values(), strict=True))
    ]
    return [*others, own]


def _as(kind: CallerKind, work: Callable[..., Any], *arguments: Any) -> None:
    if kind.ids is not None:
        uid, gid = kind.ids
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    work(*arguments)


@contextlib.contextmanager
def proxy(kind: CallerKind, path: Path) -> Iterator[int]:
    """A port of the loopback that leads to the control socket in the caller's name."""
    listener = socket.create_server(("127.0.0.1", 0))
    process = _FORK.Process(target=_as, args=(kind, _pass_on, listener, path), daemon=True)
    process.start()
    port = listener.getsockname()[1]
    listener.close()
    try:
        yield port
    finally:
        process.kill()
        process.join()


def _pass_on(listener: socket.socket, path: Path) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_connect, args=(client, path), daemon=True).start()


def _connect(client: socket.socket, path: Path) -> None:
    with client, socket.socket(socket.AF_UNIX) as gate:
        gate.connect(str(path))
        back = threading.Thread(target=_answer, args=(gate, client), daemon=True)
        back.start()
        _pump(client, gate)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _answer(gate: socket.socket, client: socket.socket) -> None:
    """Pass answers on; an event stream, which does not end, is ended as a whole answer after its first events."""
    streams = False
    with contextlib.suppress(OSError):
        while data := gate.recv(65536):
            client.sendall(data)
            streams = streams or b"Content-Type: text/event-stream" in data
            if streams and data.endswith(b"\n\n\r\n"):  # an event and the end of its chunk
                client.sendall(b"0\r\n\r\n")
                break
    for end in (client, gate):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def burst(kind: CallerKind, path: Path, document: dict[str, Any], count: int, seed: int) -> Callable[[], dict[tuple[str, int], int]]:
    """Begin to send so many requests, well-formed and otherwise, one after the other on a few connections.

    Returns:
        What waits for their end: how often each operation was answered with each status. It raises ChildProcessError when the caller's process ended without.
    """
    receive, send = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_as, args=(kind, _burst, path, document, count, seed, send))
    process.start()
    send.close()

    def end() -> dict[tuple[str, int], int]:
        try:
            return receive.recv()  # type: ignore[no-any-return]
        except EOFError as error:
            msg = f"the caller {kind.name} failed"
            raise ChildProcessError(msg) from error
        finally:
            process.join()

    return end


def _burst(path: Path, document: dict[str, Any], count: int, seed: int, send: Any) -> None:
    rng = random.Random(seed)
    found: Counter[tuple[str, int]] = Counter()
    operations = [(method.upper(), where, operation) for where, item in document["paths"].items() for method, operation in item.items()]
    connection = _open(path)
    for number in range(count):
        method, where, operation = rng.choice(operations)
        name = operation["operationId"]
        if name == "events":
            found[name, _look_at_the_stream(path, rng)] += 1
            continue
        target, body = _made_up(rng, where, operation)
        if number % 500 == 499:
            connection.close()
            connection = _open(path)
        connection.request(method, target, body)
        response = connection.getresponse()
        response.read()
        found[name, response.status] += 1
        if response.will_close:
            connection.close()
            connection = _open(path)
    connection.close()
    send.send(dict(found))


def _made_up(rng: random.Random, where: str, operation: dict[str, Any]) -> tuple[str, bytes | None]:
    device = rng.choice(["qr", "face", "io", "fingerprint", "x"])
    target = where.replace("{device}", device).replace("{camera}", device)
    if rng.random() < 0.2:
        target += rng.choice(["?after=0", "?after=x", "?run=y&after=3", "?" + "z" * 200])
    if "requestBody" not in operation:
        return target, None
    act = {
        "action": rng.choice(["acknowledge", "assist", "release", "return", "rearm", "open"]),
        "on": rng.choice([True, False, 1]),
        "identity": rng.choice(["officer 7", "", "x" * 65]),
        "reason": rng.choice(["a test", "", "\n"]),
    }
    wanted = set(operation["requestBody"]["content"]["application/json"]["schema"]["properties"])
    whole = json.dumps({name: value for name, value in act.items() if name in wanted or rng.random() < 0.05}).encode()
    return target, rng.choice([whole, whole, whole, whole[:-1], b"[]", b""])


def _look_at_the_stream(path: Path, rng: random.Random) -> int:
    with contextlib.closing(_open(path)) as connection:
        connection.request("GET", f"/v1/events?after={rng.randrange(9)}")
        return connection.getresponse().status


def _open(path: Path) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("localhost", timeout=120)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(120)
    connection.sock.connect(str(path))
    return connection
