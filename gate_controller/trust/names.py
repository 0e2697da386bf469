"""Names of files in a trust repository: what may become a path below a directory, or the end of a URL.

Names come out of metadata, and metadata may be hostile until it is verified, careless after it. Does not say which files a repository has.
"""

from __future__ import annotations

import re

MAX_NAME_CHARS = 480
# Also what every FAT file system can hold: no leading dot (hidden), no trailing one (dropped), nothing that has to be quoted in a URL.
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9_-])?")


def parts_of(name: str) -> list[str]:
    """The directories of a relative name and, last, the file: "metadata/1.root.json" -> ["metadata", "1.root.json"].

    Raises:
        ValueError: Anything but plain parts joined by "/": empty, absolute, "..", hidden, quoted, longer than a file system takes.
    """
    parts = name.split("/")
    if len(name) > MAX_NAME_CHARS or not all(_PART.fullmatch(part) for part in parts):
        msg = f"{name[:MAX_NAME_CHARS]!a} is not a plain file name"
        raise ValueError(msg)
    return parts


def metadata_name(role: str, version: int) -> str:
    """The published name of a role's metadata; the timestamp's has no version in it, because a client starts from there."""
    return "metadata/timestamp.json" if role == "timestamp" else f"metadata/{version}.{role}.json"
