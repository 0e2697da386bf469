"""`gatectl run`: becomes the daemon, in the same process, so that a service manager sees one process id."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

DEFAULT_CONFIG = Path("/etc/gate-controller/gate.toml")


@click.command(name="run")
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False, readable=False), default=DEFAULT_CONFIG, show_default=True, help="Configuration of the gate."
)
@click.option("--prompts/--no-prompts", default=False, help="Also print what the traveller is told.")
def run_command(config: Path, prompts: bool) -> None:
    """Run the gate until SIGTERM or SIGINT; a second signal ends an open crossing at once."""
    sys.stdout.flush()
    sys.stderr.flush()
    arguments = [sys.executable, "-m", "gate_controller.daemon", "--config", str(config)] + (["--prompts"] if prompts else [])
    os.execv(sys.executable, arguments)  # noqa: S606 - our own interpreter and module, no shell
