"""The pinned root: the one file that trust starts from, and the hash of it that stands in the configuration.

Does not understand its content: the trust store does, which is given these bytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from gate_controller.ports.errors import ConfigurationError
from gate_controller.settings.gate_file import KeysSection

MAX_BYTES = 512_000
"""The largest root metadata that python-tuf takes (tuf.ngclient.UpdaterConfig.root_max_length)."""


class PinnedRootError(ConfigurationError):
    """The pinned root cannot be used.

    Attributes:
        key: Which key of [keys] the error is about.
    """

    def __init__(self, key: str, what: str, remedy: str) -> None:
        self.key = key
        super().__init__(what, remedy)


def read_pinned_root(keys: KeysSection) -> bytes:
    """The root metadata that the configuration pins, with exactly the content whose hash it names.

    Raises:
        PinnedRootError: Missing, unreadable, no regular file, too large, or of another content.
    """
    content = _read(keys.pinned_root)
    if hashlib.sha256(content).hexdigest() != keys.pinned_root_sha256:
        what = f"is not the SHA-256 of {keys.pinned_root}"
        raise PinnedRootError("pinned_root_sha256", what, "install the root metadata that came with the contract, and the hash that was told with it")
    return content


def _read(path: Path) -> bytes:
    try:
        # O_NONBLOCK: a FIFO must not stop the program.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PinnedRootError("pinned_root", f"{path} is not a regular file", "name the root metadata that the two regions published")
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        what = f"{path} cannot be read: {error.strerror}"
        raise PinnedRootError("pinned_root", what, "put there the root metadata that came with the contract, readable by this user") from None
    if len(content) > MAX_BYTES:
        raise PinnedRootError("pinned_root", f"{path} is larger than {MAX_BYTES} bytes", "is this the root metadata of the two regions?")
    return content
