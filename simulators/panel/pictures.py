"""One picture out of a simulated camera's stream, as a client of its own. Keeps none."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

WITHIN_S = 2.0
LARGEST_BYTES = 2**22


def frame_of(url: str) -> bytes:
    """The next frame of an MJPEG stream, as the JPEG file that the camera sends.

    Raises:
        OSError: No camera answers, or no frame comes within WITHIN_S.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=WITHIN_S)
    try:
        connection.request("GET", parts.path)
        stream = connection.getresponse()
        size = 0
        while line := stream.readline(1024):
            if line.lower().startswith(b"content-length:"):
                size = int(line.partition(b":")[2])
            elif size and not line.strip():  # the empty line after the part's head
                return stream.read(min(size, LARGEST_BYTES))
    except (http.client.HTTPException, ValueError) as error:
        raise OSError("what answers is no camera") from error
    finally:
        connection.close()
    raise OSError("the stream ended")
