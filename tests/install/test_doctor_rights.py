"""An engineer who may not look into the controller's directories is told so, and not that a store is broken."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

from gate_controller.diagnostics import stores


def test_a_journal_that_this_user_may_not_see_is_not_a_broken_one(tmp_path, monkeypatch):
    shut = tmp_path / "gate-controller"
    shut.mkdir()
    looks = os.access

    def exists(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(os, "access", lambda path, mode, **how: Path(path) != shut and looks(path, mode, **how))
    monkeypatch.setattr(Path, "exists", exists)  # whoever runs the tests may be root, who sees everything
    found = stores._journal_store(SimpleNamespace(as_gate=False), shut / "journal.db", None)  # type: ignore[arg-type] # of the site this is all it asks
    assert (found.result, "sudo" in found.remedy) == ("skip", True)
