"""How the daemon's threads share the interpreter."""

from __future__ import annotations

import subprocess
import sys


def test_a_thread_that_wakes_up_is_let_in_at_once(tmp_path):
    """An emergency passes through four threads on its way to a door; Python's usual 5 ms each are too many."""
    code = f"import sys; from gate_controller import daemon; daemon.main(['--config', {str(tmp_path / 'missing.toml')!r}]); print(sys.getswitchinterval())"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout
    assert float(said) <= 0.001
