"""Old trust, and trust that stopped: whoever has old sticks, an online role's key, the gate's cache or its clock, brings nothing back.

After each refusal the gate takes the keepers' next publication. The table of docs/trust.md names these tests.
"""

from __future__ import annotations

from typing import Any

import pytest
from tuf.api.metadata import MetaFile

HOUR_S = 3600
DAY_S = 86_400


def test_rollback_of_the_timestamp(gate: Any) -> None:
    old = gate.files
    gate.keepers.touch(gate.real)
    gate.take()
    gate.refuses(old, "timestamp has version 1, older than 2")
    gate.takes_the_next_good_one()


def test_rollback_to_an_old_stick(gate: Any) -> None:
    old = gate.files
    gate.keepers.publish(gate.real)
    gate.take()
    gate.refuses(old, "hk has version 1, older than 2")
    gate.takes_the_next_good_one()


def test_rollback_of_the_snapshot_with_the_timestamp_key(gate: Any) -> None:
    gate.keepers.publish(gate.real, regions=())
    gate.take()
    gate.refuses(gate.sign_anew("timestamp", lambda signed: setattr(signed, "snapshot_meta", MetaFile(1))), "snapshot has version 1, older than 2")
    gate.takes_the_next_good_one()


@pytest.mark.parametrize("role", ["targets", "hk", "mo"])
def test_rollback_of_a_role_with_the_keys_of_snapshot_and_timestamp(gate: Any, role: str) -> None:
    gate.keepers.renew("targets", gate.real)
    gate.take()
    gate.sign_anew("snapshot", lambda signed: signed.meta.update({f"{role}.json": MetaFile(1)}))
    gate.refuses(
        gate.sign_anew("timestamp", lambda signed: setattr(signed, "snapshot_meta", MetaFile(gate.keepers.metadata["snapshot"].signed.version))),
        f"{role} has version 1, older than 2",
    )
    gate.takes_the_next_good_one()


def test_rollback_of_the_root_by_withholding_the_newer(gate: Any) -> None:
    gate.keepers.renew("root", gate.real)
    gate.take()
    gate.keepers.publish(gate.real)
    files = gate.files
    del files["metadata/2.root.json"]
    gate.refuses(files, "root has version 1, older than 2")
    gate.takes_the_next_good_one()


def test_wiped_cache_and_an_old_stick(gate: Any) -> None:
    old = gate.files
    gate.keepers.publish(gate.real)
    gate.take()
    gate.wipe_cache()
    gate.refuses(old, "older than 2")
    gate.takes_the_next_good_one()


def test_wiped_cache_and_clock_and_an_old_stick(gate: Any) -> None:
    old = gate.files
    gate.pass_time(30 * DAY_S)
    gate.keepers.publish(gate.real)
    gate.take()
    gate.wipe_cache()
    gate.now -= 30 * DAY_S
    gate.refuses(old, "timestamp.json: expired on 2027-01-18 08:00 UTC; here it is 2027-02-14 08:00 UTC")
    gate.takes_the_next_good_one()


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "hk", "mo"])
def test_freeze_until_expired(story: Any, role: str) -> None:
    story.keepers.lifetimes_s[role] = HOUR_S
    if role == "root":
        story.pass_time(366 * DAY_S)
    if role == "targets":
        story.keepers.renew(role, story.real)
    story.keepers.publish(story.real)
    story.pass_time(0 if role == "root" else 2 * HOUR_S)
    file = {"root": "1.root", "timestamp": "timestamp"}.get(role, f"2.{role}")
    story.refuses(story.files, f"stick: metadata/{file}.json: expired on")


def test_clock_put_back_30_days_with_an_expired_stick(gate: Any) -> None:
    """Nothing newer was ever taken, so no version tells; the latest time seen does."""
    gate.keepers.publish(gate.real + HOUR_S)
    gate.floor.saw(gate.real + 30 * DAY_S)
    gate.real += 30 * DAY_S
    gate.now = gate.real - 30 * DAY_S + HOUR_S
    gate.refuses(gate.files, "timestamp.json: expired on 2027-01-18 09:00 UTC; here it is 2027-02-14 08:00 UTC")
    gate.takes_the_next_good_one()


def test_clock_put_back_30_days_with_a_current_stick(story: Any) -> None:
    """On a gate that has seen nothing later: expiry would be judged wrongly for a month."""
    story.real += 30 * DAY_S
    story.keepers.publish(story.real)
    story.refuses(story.files, "the metadata of timestamp would last until 2027-02-17 08:00 UTC, more than the 3 d 1 h that are believed")


@pytest.mark.parametrize("role", ["snapshot", "targets", "hk", "mo"])
def test_mix_old_metadata_of_a_role_in(story: Any, role: str) -> None:
    story.keepers.renew("targets", story.real)
    files = story.files
    story.refuses({**files, f"metadata/2.{role}.json": files[f"metadata/1.{role}.json"]}, f"metadata/2.{role}.json: Expected {role} v")


def test_mix_the_other_regions_metadata_in(story: Any) -> None:
    story.keepers.publish(story.real)
    files = story.files
    story.refuses({**files, "metadata/2.hk.json": files["metadata/2.mo.json"]}, "metadata/2.hk.json: has too few valid signatures (hk was signed by 0/2 keys)")
