"""A check's answer, and how checks are run: each group on a thread of its own with a limit, so that the doctor always reaches its end.

Does not know what is checked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gate_controller.diagnostics.catalogue import CHECKS
from gate_controller.ports.errors import GateError

Result = Literal["pass", "warn", "fail", "skip"]
SCHEMA = 1
"""Version of the JSON report. Fields may be added to it, never taken away or given another meaning."""
LACKS: tuple[tuple[type[Exception], str], ...] = (
    (ImportError, "a part of the program is missing or damaged, or there is too little memory for it (free -m): install the package again"),
    (MemoryError, "too little memory: free -m, and what takes it: ps aux --sort=-rss | head"),
    (PermissionError, "sudo gatectl doctor"),
    (OSError, "files that may be open (ulimit -n), memory (free -m), the disk (df -h, dmesg)"),
)
"""What is not the check's own mistake, and where to look."""
BUG_REMEDY = "this is a bug in gatectl doctor: report it with this line"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        id: The check, as in CHECKS.
        result: pass, warn (it works, somebody should look), fail, or skip (could not be looked at).
        value: What was measured or seen, one line; for skip: why it was not looked at.
        remedy: What to do, one line; "" when there is nothing to do.
    """

    id: str
    result: Result
    value: str
    remedy: str = ""

    @property
    def meaning(self) -> str:
        """What the check is about."""
        return CHECKS[self.id]

    def as_json(self) -> dict[str, Any]:
        """{"id", "result", "value", "meaning", "remedy"}."""
        return {"id": self.id, "result": self.result, "value": self.value, "meaning": self.meaning, "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class Group:
    """Checks that look at one thing, in order; the first that fails may end the rest, which are skipped then.

    Attributes:
        ids: Every check of the group, in order.
        run: Yields findings in that order.
        limit_s: After this time the check that is due counts as failed.
    """

    ids: tuple[str, ...]
    run: Callable[[], Iterable[Finding]]
    limit_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Report:
    """All findings.

    Attributes:
        gate: Id of the gate; "" when its configuration cannot be read.
        version: Of this program.
        asked: "daemon", "devices", "simulated", or "files" when neither daemon nor devices could be asked.
        at: Seconds since the epoch.
        findings: One for each check, in the order of the groups.
        seconds: How long it took.
    """

    gate: str
    version: str
    asked: str
    at: float
    findings: tuple[Finding, ...] = field(default=())
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not any(each.result == "fail" for each in self.findings)

    def as_json(self) -> dict[str, Any]:
        """{"schema", "gate", "version", "asked", "at", "seconds", "ok", "checks": [{"id", "result", "value", "meaning", "remedy"}]}."""
        named = {name: getattr(self, name) for name in ("gate", "version", "asked", "at")}
        return {"schema": SCHEMA, **named, "seconds": round(self.seconds, 1), "ok": self.ok, "checks": [each.as_json() for each in self.findings]}


def examine(groups: Sequence[Group]) -> Iterator[Finding]:
    """Run the groups one after the other; exactly one finding for each id, whatever a group does. Findings come when their group has ended."""
    for group in groups:
        yield from _examine(group)


def _examine(group: Group) -> list[Finding]:
    found: list[Finding] = []
    problem: list[Finding] = []

    def work() -> None:
        try:
            for finding in group.run():
                found.append(finding)  # noqa: PERF402 - one by one: what came before the limit counts
        except GateError as error:
            problem.append(Finding("", "fail", one_line(error.what), one_line(error.remedy)))
        except Exception as error:  # noqa: BLE001 - a bug in one check must not take the others along
            said = f"{type(error).__name__}: {one_line(error)}"
            lacks = next((remedy for kind, remedy in LACKS if isinstance(error, kind)), None)
            what = "the check itself failed" if lacks is None else "this machine does not let it be looked at"
            problem.append(Finding("", "fail", f"{what}: {said}", lacks or BUG_REMEDY))

    thread = threading.Thread(target=work, name=f"check {group.ids[0]}", daemon=True)
    began = time.monotonic()
    thread.start()
    thread.join(group.limit_s)
    if thread.is_alive():
        waited = time.monotonic() - began
        problem = [Finding("", "fail", f"no answer within {waited:.0f} s", "what is asked here hangs: look at dmesg and the disk, power-cycle the device")]
    return list(_complete(group.ids, list(found), problem[:1]))


def _complete(ids: tuple[str, ...], found: list[Finding], problem: list[Finding]) -> Iterator[Finding]:
    """One finding for each id: a problem goes to the first that has none, the others after it are skipped."""
    by_id = {each.id: each for each in found}
    failed = next((each.id for each in found if each.result == "fail"), "")
    for check in ids:
        if check in by_id:
            yield by_id[check]
        elif problem:
            failed, blamed = check, problem.pop()
            yield Finding(check, blamed.result, blamed.value, blamed.remedy)
        else:
            yield Finding(check, "skip", f"{failed} comes first" if failed else "not looked at here")


def one_line(text: object) -> str:
    """`text` in one line, without what a terminal might take for a command."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(str(text).split()))
