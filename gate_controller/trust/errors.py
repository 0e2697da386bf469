"""What is said when keys or status lists are not believed."""

from __future__ import annotations

from gate_controller.ports.errors import StoreError

_MAX_FOREIGN = 200


class TrustError(StoreError):
    """The content of a trust repository must not be believed. What is in force stays in force; asking again gives the same answer."""


class InstalledError(StoreError):
    """A new generation was installed and is in force, but the floor does not know it yet."""


def quoted(foreign: object) -> str:
    """Text that is not ours (a library's, or out of a file that nobody has verified) as part of one printable line."""
    text = " ".join(str(foreign).split())
    cut = text if len(text) <= _MAX_FOREIGN else f"{text[:_MAX_FOREIGN]}..."
    return "".join(character if character.isprintable() else "?" for character in cut)
