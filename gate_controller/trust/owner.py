"""Keeps root from leaving files where another user works: what root makes there, the gate and the sync could never replace."""

from __future__ import annotations

import os
from pathlib import Path

from gate_controller.ports.errors import StoreError


def refuse_root_at(directory: Path, what: str) -> None:
    """Refuse to work as root in somebody else's directory.

    Args:
        directory: Where files would be made; one that is missing is refused by whoever makes them.
        what: What they belong to, as messages call it, e.g. "trust cache /var/lib/gate-controller/trust".

    Raises:
        StoreError: This is root, and the directory is another user's.
        OSError: It cannot be looked at.
    """
    if os.geteuid() != 0 or not directory.exists():
        return
    owner = directory.stat().st_uid
    if owner != 0:
        msg = f"{what}: {directory} belongs to user {owner}, and this is root"
        raise StoreError(msg, f"run it as that user: sudo -u '#{owner}' gatectl keys ...")
