"""What the cache holds, verified: the same for the running gate, for the commands that only look, and for an import that compares.

Does not ask the floor, and does not look into keys and lists (view.py).
"""

from __future__ import annotations

from gate_controller.trust.cache import IMPORT_AGAIN, TrustCache
from gate_controller.trust.errors import TrustError
from gate_controller.trust.repository import VerifiedRepository, verify_repository
from gate_controller.trust.sources import DirectorySource, SourceError


def installed_repository(cache: TrustCache, pinned_root: bytes) -> VerifiedRepository:
    """Verify the generation in force. Its expiry is not judged here.

    Args:
        cache: The verified cache.
        pinned_root: Root metadata to start from.

    Raises:
        TrustError: The cache is empty, or the generation must not be believed.
        SourceError: A file of it cannot be read.
        StoreError: The cache cannot be read, or there is no room for temporary files.
        ConfigurationError: The installed python-tuf is not the one this was written for.
    """
    generation = cache.current()
    if generation is None:
        msg = f"trust cache {cache.path} is empty"
        raise TrustError(msg, "import trust: gatectl keys import DIRECTORY")
    try:
        return verify_repository(pinned_root, DirectorySource(generation), at=None)
    except (TrustError, SourceError) as error:
        # What is wrong here was right on the stick; the stick's own remedies would send people to the wrong place.
        raise type(error)(error.what, IMPORT_AGAIN) from error
