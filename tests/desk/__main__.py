"""The whole way over wire simulators: gatectl enrol, the region's intake and snapshot, gatectl enrolment import, a crossing.

    python -m tests.desk [--family r503] [--people 1] [--pad] [--ahead] [--models var/models] [--json FILE]

Each person is enrolled at a desk of their own with `gatectl enrol --simulated`, by the real drivers; the region verifies the record and publishes it;
a simulated checkpoint with an ordinary daemon imports that and lets the person cross. Exit code 0 when everybody who was enrolled at the desk crossed
as the cast says, 1 otherwise. With --pad presentation attacks are judged at the desk and in the lane, which needs a machine with nothing else to do, or --ahead (root),
which puts the run before everything else on it.
The three hours after a registration do not pass here: the run's policy sets them to nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

from gate_controller.cli.simulation import SEED, Plan, SimulatedGate
from gate_controller.core.values import Region
from gate_controller.enrolment.desk.record_file import DeskKey
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import Family
from gate_controller.ports.services import EnrolmentRecord
from gate_controller.settings.render import derive
from simulators.authority import Authorities
from simulators.enrolment_intake import intake_key, kid_of, take_in
from simulators.lane.wire import Endpoints
from simulators.travellers.cast import Identity, Kind, build_cast
from simulators.travellers.enrolment import PortraitEncoder, enrol
from tests.desk.ahead import Ahead

NEEDED_PER_S = 11
"""Frames a second, by docs/pad.md."""


class DeskGate(SimulatedGate):
    """A checkpoint whose travellers were enrolled at a desk.

    Args:
        plan: As for SimulatedGate.
        desk_seconds: Filled with how long each person stood at the desk.
    """

    def __init__(self, plan: Plan, desk_seconds: list[float]) -> None:
        super().__init__(plan, lambda line: print(f"- {line}", file=sys.stderr, flush=True))
        self._desk_seconds = desk_seconds

    def _enrol(self) -> None:
        encoder = PortraitEncoder(self.plan.models)
        key_file = self.directory / "desk.key"
        key = DeskKey.create(key_file)
        for region in Region:
            identities = [identity for identity in self.cast.identities if identity.region is region]
            at_desk = {identity.reference: self._at_desk(identity, key, key_file) for identity in identities}
            others = enrol([identity for identity in identities if identity.reference not in at_desk], encoder.template, self.plan.family)
            self.enrolments.publish(region, [*at_desk.values(), *others])

    def _at_desk(self, identity: Identity, key: DeskKey, key_file: Path) -> EnrolmentRecord:
        region, opener = identity.region, intake_key(identity.region, SEED)
        out = self.directory / f"desk-{identity.reference.hex()}"
        out.mkdir()
        command = [
            sys.executable,
            "-m",
            "gate_controller.cli.main",
            "enrol",
            "--region",
            region.value,
            "--desk-key",
            str(key_file),
            "--out",
            str(out),
            "--json",
        ]
        command += ["--seal-to", bytes(opener.public_key).hex(), "--reference", identity.reference.hex(), "--birth-date", identity.birth_date.isoformat()]
        command += ["--simulated", identity.face, "--hand", identity.finger.partition("/")[0], "--models", str(self.plan.models)]
        command += ["--family", self.plan.family.value, *([] if self.plan.pad else ["--no-pad"])]
        began = time.monotonic()
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"the desk refused {identity.face}: {done.stdout.strip()}\n{done.stderr.strip()}{too_slow(done.stderr)}")
        self._desk_seconds.append(time.monotonic() - began)
        print(f"- desk: {done.stdout.strip()}", file=sys.stderr, flush=True)
        (file,) = out.iterdir()
        return take_in(file, {kid_of(key.public): key.public}, opener, region, SystemClock().wall()).record

    def _configure(self, endpoints: Endpoints, audience: str) -> Path:
        config = super()._configure(endpoints, audience)
        config.write_text(derive(config, {"policy": {"admission": {"registered_min_s": 0}}}), encoding="utf-8")
        return config


def too_slow(log: str) -> str:
    """What to say of a machine that gave the judge too few frames, from the desk's log; "" when it was something else."""
    gathered = re.search(r"\((\d+) frames in ([\d.]+) s, score", log)
    if gathered is None or int(gathered[1]) >= NEEDED_PER_S * float(gathered[2]):
        return ""
    rate = int(gathered[1]) / max(float(gathered[2]), 0.1)
    return f"\nthis machine gave the judge {rate:.1f} frames a second, and it needs {NEEDED_PER_S}: run it where nothing else runs"


def first_good(people: int) -> int:
    """A seed whose first travellers are good ones."""

    def kinds(seed: int) -> set[Kind]:
        cast = build_cast(seed=seed, count=people, region=Region.MO, now=SystemClock().wall(), authorities=Authorities(SEED), audience="MO-SIM")
        return {member.kind for member in cast.members}

    return next(seed for seed in count(1) if kinds(seed) == {Kind.GOOD})


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=[family.value for family in Family], default="r503")
    parser.add_argument("--people", type=int, choices=(1, 2, 3), default=1)
    parser.add_argument("--pad", action="store_true", help="judge presentation attacks")
    parser.add_argument("--ahead", action="store_true", help="go before everything else on a busy machine (root)")
    parser.add_argument("--models", type=Path, default=Path("var/models"))
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    desk_seconds: list[float] = []
    models, family = options.models.resolve(), Family(options.family)
    plan = Plan(travellers=options.people, seed=first_good(options.people), family=family, kiosk_port=0, models=models, pad=options.pad)
    with Ahead() if options.ahead else contextlib.nullcontext(), DeskGate(plan, desk_seconds) as gate:
        visits: list[dict[str, Any]] = [visit.as_json() for visit in gate.visits()]
        violations = [str(violation) for violation in gate.violations]
    for visit, seconds in zip(visits, desk_seconds, strict=True):
        print(f"{visit['traveller']}: {seconds:.1f} s at the desk; then {visit['outcome']} {visit['reason'] or ''}".rstrip())
    for violation in violations:
        print(f"invariant violated: {violation}")
    if options.json:
        options.json.write_text(json.dumps({"desk_seconds": desk_seconds, "visits": visits, "violations": violations}, indent=2) + "\n")
    return 0 if not violations and all(visit["as_expected"] for visit in visits) else 1


if __name__ == "__main__":
    sys.exit(main())
