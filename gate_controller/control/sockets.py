"""The two places the control server listens at, made or taken over before it starts, so that a place that is taken is one clear line.

Does not accept connections and knows nothing of HTTP.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gate_controller.ports.errors import ConfigurationError

SOCKET_MODE = 0o660  # owner and group may act; nobody else may even connect


class ListenError(ConfigurationError):
    """The control API or the kiosk page cannot be served where the configuration says."""


@dataclass(frozen=True, slots=True)
class UnixListener:
    """A listening unix socket and the file it is known by; `device` and `inode` are None where the file is the service manager's."""

    socket: socket.socket
    path: Path
    device: int | None = None
    inode: int | None = None

    def close(self) -> None:
        """Stop listening and remove the file, unless it is the service manager's, or another server has put its own there."""
        self.socket.close()
        with contextlib.suppress(OSError):
            found = self.path.lstat()
            if (found.st_dev, found.st_ino) == (self.device, self.inode):
                self.path.unlink()


def listen_unix(path: Path, backlog: int = 64) -> UnixListener:
    """Listen at `path` with mode 0660; a socket that a dead server left there is replaced.

    Raises:
        ListenError: A live server holds it, something else is there, or the directory does not allow it.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The directory's lock lasts from the look at an old socket until the new one answers, so two starting daemons
        # cannot take each other's fresh socket for a dead one.
        with _locked(path.parent):
            _remove_stale(path)
            listener.bind(str(path))
            path.chmod(SOCKET_MODE)  # before listen(): until then nobody can connect
            listener.listen(backlog)
            made = path.lstat()
    except BaseException as error:
        listener.close()
        if not isinstance(error, OSError):
            raise
        what = f"control socket {path}: {error.strerror or error}"
        raise ListenError(what, _remedy(path, error)) from error
    listener.setblocking(False)
    return UnixListener(listener, path, made.st_dev, made.st_ino)


def listen_loopback(port: int, backlog: int = 64) -> socket.socket:
    """Listen at 127.0.0.1:`port`; 0 takes a free port.

    Raises:
        ListenError: The port is in use or not permitted.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # on Linux: past TIME_WAIT, never past a listener
        listener.bind(("127.0.0.1", port))
        listener.listen(backlog)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            remedy = f"stop what listens there (ss -ltnp 'sport = :{port}'), or choose another port"
        else:
            remedy = "choose a port from 1024 to 65535"
        what = f"kiosk page 127.0.0.1:{port}: {getattr(error, 'strerror', None) or error}"
        raise ListenError(what, remedy) from error
    listener.setblocking(False)
    return listener


def adopt_unix(listener: socket.socket, path: Path, unit: str = "gate-controller.socket") -> UnixListener:
    """Take over a listener that the service manager made at `path`; who may connect is its unit's to say.

    Args:
        listener: The listener.
        path: Where it should listen.
        unit: The unit it should come from.

    Raises:
        ListenError: It is something else, or listens elsewhere; it is closed then.
    """
    name = listener.getsockname() if listener.family == socket.AF_UNIX else ""
    found = Path(name) if isinstance(name, str) and name else None
    if not _listens(listener) or found is None or found.resolve() != path.resolve():
        listener.close()
        what = f"control socket: {unit} listens at {found or 'no path'}, by [control] socket it is {path}"
        raise ListenError(what, "write the same directory in both")
    return UnixListener(listener, path)


def adopt_loopback(listener: socket.socket, port: int) -> socket.socket:
    """Take over a listener that the service manager made at 127.0.0.1:`port`; 0 takes any.

    Raises:
        ListenError: It is something else, or listens elsewhere; it is closed then.
    """
    host, found = listener.getsockname()[:2] if listener.family == socket.AF_INET else ("no IPv4 address", 0)
    if not _listens(listener) or host != "127.0.0.1" or (port and found != port):
        listener.close()
        what = f"kiosk page: gate-controller-kiosk.socket listens at {host}:{found}, [kiosk] says 127.0.0.1:{port}"
        raise ListenError(what, "write the same port in both; the address is 127.0.0.1")
    return listener


def _listens(listener: socket.socket) -> bool:
    return listener.type == socket.SOCK_STREAM and bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _remove_stale(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a live server with a full queue answers EAGAIN; it must not hold us up
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, "in use by a running gate controller")


def _remedy(path: Path, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "stop the other gate controller (gatectl status shows it), or choose another control socket"
    if error.errno == errno.EEXIST:
        return "move the file away, or choose another control socket"
    if error.errno == errno.ENOENT:
        return f"make the directory {path.parent}, or choose another control socket"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"let the gate controller's user write in {path.parent}"
    return "choose a control socket with a path of at most 107 bytes in a directory of its own"
