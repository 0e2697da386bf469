"""What the commands that talk to the daemon share: the --socket option, and text of others on one line.

Does not import aiohttp, directly or indirectly: these commands must start fast.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gate_controller.control.client import DEFAULT_SOCKET


def socket_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --socket to a command, as parameter `socket_path`."""
    return click.option(
        "--socket",
        "socket_path",
        type=click.Path(path_type=Path, readable=False),
        default=DEFAULT_SOCKET,
        envvar="GATECTL_SOCKET",
        show_default=True,
        show_envvar=True,
        help="Control socket of the daemon.",
    )(command)


def one_line(text: object) -> str:
    """`text` without what a terminal might take for a command."""
    return "".join(character if character.isprintable() else "?" for character in str(text))
