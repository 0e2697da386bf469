"""The enrolments as a configuration names them: for the gate itself and `gatectl enrolment` alike. Imports no driver and nothing of vision."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from gate_controller.composition.trust import trust_in_force, trust_parts
from gate_controller.enrolment import MasterKey
from gate_controller.ports.services import VerifyingKey
from gate_controller.ports.trust import Freshness
from gate_controller.settings import Settings
from gate_controller.trust.floor import Floor


def master_key(settings: Settings) -> MasterKey:
    """The key that opens this gate's enrolments.

    Raises:
        StoreError: It cannot be read, others may read it, or it is no key.
    """
    section = settings.enrolment
    if section.master_key_file is not None:
        return MasterKey.from_file(section.master_key_file)
    return MasterKey.from_credential(str(section.master_key_credential))


def enrolment_keys(settings: Settings, now: float) -> tuple[Mapping[bytes, VerifyingKey], float]:
    """The regions' enrolment keys by kid, out of the trust in force, and the time to judge their validity by, seconds since the epoch.

    A region whose trust is closed has none: a withdrawn key would be among them.

    Raises:
        TrustError: There is no trust that may be believed.
        GateError: The trust, its floor or the pinned root cannot be read.
    """
    parts = trust_parts(settings)
    with contextlib.closing(Floor.open(parts.floor, "read")) as floor:
        in_force = trust_in_force(parts, floor, now)
    view = in_force.view
    keys = {kid: key for kid, key in view.enrolment_keys.items() if view.freshness(key.region, now).state is not Freshness.CLOSED}
    return keys, max(now, in_force.latest_seen)
