"""The officers' socket under a real systemd: who gets through to it, and what the controller then answers. A part of tests.install.boot.

What the page looks like and does is the browser tests' part.
"""

from __future__ import annotations

from tests.install.machine import Booted

ON_PAGE = r"""
import json, os, socket, sys
method, path, host, uid, groups = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), [int(each) for each in sys.argv[5].split()]
os.setgroups(groups); os.setgid(uid); os.setuid(uid)
body = json.dumps({"action": "acknowledge", "identity": "o7", "reason": "boot", "gate": "MO-GB-01", "call": None}) if method == "POST" else ""
own = f"Origin: http://{host}\r\nX-Gate-Act: 1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
peer = socket.socket(socket.AF_UNIX); peer.settimeout(30)
try:
    peer.connect("/run/gate-controller/officer.sock")
except OSError as error:
    sys.exit(type(error).__name__)
peer.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{own}\r\n{body}".encode())
said = b""
while part := peer.recv(65536): said += part
print(said.decode())
"""
"""Asks on the officers' socket as a user with the given groups, which need not be those that the user database tells."""


def officers_page(machine: Booted) -> None:
    """Only officers get through to their socket; and the controller asks once more who has."""

    def asks(name: str, method: str = "GET", path: str = "/", host: str = "localhost:8080", lent: str = "") -> str:
        """The status of the answer, or why there is none."""
        ids = [machine.says("id", option, name) for option in ("-u", "-G")]
        if lent:
            ids[1] += " " + machine.says("getent", "group", lent).split(":")[2]
        said = machine.says("python3", "-c", ON_PAGE, method, path, host, *ids)
        return said.split(" ")[1] if said.startswith("HTTP/1.1 ") else said[-120:]

    socket = machine.says("stat", "-c", "%U:%G %a", "/run/gate-controller/officer.sock")
    machine.step("the officers' socket is their group's alone", socket == "gate-controller:gate-officer 660", socket)
    officer = "person-gate-officer"
    for what, wanted, found in (
        ("an officer gets the page", "200", asks(officer)),
        ("and may act, as far as the lane's state allows it", "409", asks(officer, "POST", "/act")),
        ("but has none of the control API there", "404", asks(officer, path="/v1/status")),
        ("nor gets it by a name that it is not known by", "421", asks(officer, host="elsewhere.example")),
    ):
        machine.step(what, found == wanted, found)
    for name in ("person-gate-read", "person-gate-operator", "person-gate-engineer", "stranger", "gate-sync", "gate-kiosk"):
        found = asks(name)
        machine.step(f"{name} does not get through to it", found == "PermissionError", found)
    for name in ("person-gate-engineer", "stranger"):
        found = (asks(name, lent="gate-officer"), asks(name, "POST", "/act", lent="gate-officer"))
        machine.step(f"{name} with a session from when it was an officer is let through, and refused by the controller", found == ("403", "403"), found)
