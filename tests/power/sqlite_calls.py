"""SQLite's system calls, recorded. No compiler: ctypes reaches the very library that Python's sqlite3 module uses.

The "unix" VFS has a table of its system calls which a test may replace (sqlite3_vfs.xSetSystemCall): open, close, pwrite64, ftruncate, unlink and, for the sync of
a directory, openDirectory. fsync is not in that table, so a copy of the VFS is made the default one, whose files have a xSync of ours. Everything else is SQLite's own code.

Where the module does not load a shared libsqlite3, unavailable() says so. Does not record what SQLite writes through mapped memory (the index of a write-ahead log).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import sqlite3  # noqa: F401 - loads the library
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.power.calls import Recorder

_P = ctypes.c_void_p
_PAIRS = "xOpen xDelete xAccess xFullPathname xDlOpen xDlError xDlSym xDlClose xRandomness xSleep xCurrentTime xGetLastError xCurrentTimeInt64"
_CALLS = "xSetSystemCall xGetSystemCall xNextSystemCall"
_METHODS = "xClose xRead xWrite xTruncate xSync"
_OPEN = ctypes.CFUNCTYPE(ctypes.c_int, _P, _P, _P, ctypes.c_int, _P)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, _P, ctypes.c_int)


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3."""

    _fields_ = (
        ("iVersion", ctypes.c_int),
        ("szOsFile", ctypes.c_int),
        ("mxPathname", ctypes.c_int),
        ("pNext", _P),
        ("zName", ctypes.c_char_p),
        ("pAppData", _P),
        *[(name, _P) for name in f"{_PAIRS} {_CALLS}".split()],
    )


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, version 3: 18 functions, of which the fifth is xSync."""

    _fields_ = (("iVersion", ctypes.c_int), *[(name, _P) for name in _METHODS.split()], ("others", _P * 13))


def _library() -> str | None:
    """The shared library that the sqlite3 module has loaded."""
    with Path("/proc/self/maps").open(encoding="utf-8") as maps:
        return next((line.split()[-1] for line in maps if "/libsqlite3.so" in line), None)


def unavailable() -> str | None:
    """Why SQLite's calls cannot be recorded here; None: they can."""
    if _library() is None:
        return "Python's sqlite3 module has SQLite built in: there is no libsqlite3.so that ctypes could reach"
    vfs = _default_vfs()
    return None if vfs.zName == b"unix" and vfs.iVersion >= 3 else f"SQLite's default VFS is {vfs.zName!r}, version {vfs.iVersion}"


def _sqlite() -> ctypes.CDLL:
    library = ctypes.CDLL(_library())
    library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
    library.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
    library.sqlite3_vfs_register.argtypes = [ctypes.POINTER(_Vfs), ctypes.c_int]
    library.sqlite3_vfs_unregister.argtypes = [ctypes.POINTER(_Vfs)]
    return library


def _default_vfs() -> _Vfs:
    found: _Vfs = _sqlite().sqlite3_vfs_find(None).contents
    return found


@contextlib.contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Within it, what SQLite does below the recorder's directory is recorded. Every connection that was opened inside must be closed inside.

    Raises:
        BaseException: Whatever went wrong in the recording, which SQLite took for an I/O error.
    """
    library, unix, shim = _sqlite(), _default_vfs(), _Shim(recorder)
    vfs = _Vfs.from_buffer_copy(unix)
    vfs.zName = b"recorded"
    vfs.xOpen = ctypes.cast(shim.opener(unix), _P)
    set_call = ctypes.CFUNCTYPE(ctypes.c_int, _P, ctypes.c_char_p, _P)(unix.xSetSystemCall)
    calls = shim.calls(unix)
    assert library.sqlite3_vfs_register(ctypes.byref(vfs), 1) == 0
    try:
        for name, call in calls.items():
            assert set_call(ctypes.addressof(unix), name.encode(), ctypes.cast(call, _P)) == 0
        yield
    finally:
        for name in calls:
            set_call(ctypes.addressof(unix), name.encode(), None)
        library.sqlite3_vfs_unregister(ctypes.byref(vfs))
    if shim.failure is not None:
        raise shim.failure


class _Shim:
    """The functions that SQLite calls; kept alive by this object."""

    def __init__(self, recorder: Recorder) -> None:
        self.failure: BaseException | None = None
        self._recorder = recorder
        self._kept: list[Any] = []
        self._inodes: dict[int, tuple[int, str]] = {}

    def calls(self, unix: _Vfs) -> dict[str, Any]:
        """The system calls to be replaced, by their names in SQLite."""
        recorder, integer, text = self._recorder, ctypes.c_int, ctypes.c_char_p
        get = ctypes.CFUNCTYPE(_P, _P, text)(unix.xGetSystemCall)
        open_directory = ctypes.CFUNCTYPE(integer, text, ctypes.POINTER(integer), use_errno=True)(get(ctypes.addressof(unix), b"openDirectory"))

        def sync_directory(path: bytes, descriptor: Any) -> int:
            # SQLite asks for a directory only to sync it; what it gives is a path below it.
            directory = Path(path.decode()).parent
            inode = recorder.inode(str(directory))
            if inode is not None:
                recorder.sync(inode, f"SQLite, the directory of {_kind(path)}")
            return int(open_directory(path, descriptor))

        def written(descriptor: int, data: int, size: int, at: int) -> int:
            return recorder.pwrite(descriptor, ctypes.string_at(data, size), at)

        def unexpected(*_: Any) -> int:
            raise AssertionError("not recorded: a write by SQLite without a place")

        size, off = ctypes.c_size_t, ctypes.c_int64
        return {
            "open": self._call(lambda path, flags, mode: recorder.open(path.decode(), flags, mode), integer, text, integer, integer),
            "close": self._call(lambda descriptor: recorder.close(descriptor) or 0, integer, integer),
            "write": self._call(unexpected, ctypes.c_ssize_t, integer, _P, size),
            "pwrite64": self._call(written, ctypes.c_ssize_t, integer, _P, size, off),
            "ftruncate": self._call(lambda descriptor, length: recorder.ftruncate(descriptor, length) or 0, integer, integer, off),
            "unlink": self._call(lambda path: recorder.unlink(path.decode()) or 0, integer, text),
            "openDirectory": self._call(sync_directory, integer, text, ctypes.POINTER(integer)),
        }

    def opener(self, unix: _Vfs) -> Any:
        """xOpen: the VFS's own, and the file gets a xSync of ours."""
        original = _OPEN(unix.xOpen)

        def opened(_vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
            # The name goes on as the pointer that it is: SQLite keeps it.
            result = original(ctypes.addressof(unix), name, file, flags, out)
            pointer = ctypes.cast(file, ctypes.POINTER(_P))
            if result == 0 and pointer[0] and name is not None:
                path = ctypes.string_at(name)
                inode = self._recorder.inode(path.decode())
                if inode is not None:
                    self._inodes[file] = inode, _kind(path)
                    pointer[0] = ctypes.addressof(self._methods(pointer[0]))
            return int(result)

        self._kept += [original, callback := _OPEN(opened)]
        return callback

    def _methods(self, address: int) -> _Methods:
        methods = _Methods.from_buffer_copy(_Methods.from_address(address))
        original = _SYNC(methods.xSync)

        def synced(file: int, flags: int) -> int:
            inode, kind = self._inodes[file]
            self._recorder.sync(inode, f"SQLite, {kind}")
            return int(original(file, flags))

        callback = _SYNC(synced)
        methods.xSync = ctypes.cast(callback, _P)
        self._kept += [methods, original, callback]
        return methods

    def _call(self, act: Callable[..., int], result: Any, *arguments: Any) -> Any:
        """A C function; errors as C has them."""

        def guarded(*given: Any) -> int:
            try:
                return act(*given)
            except OSError as error:
                ctypes.set_errno(error.errno or errno.EIO)
            except BaseException as error:  # noqa: BLE001 - nothing may be raised through C
                self.failure = self.failure or error
                ctypes.set_errno(errno.EIO)
            return -1

        return ctypes.CFUNCTYPE(result, *arguments, use_errno=True)(guarded)


def _kind(path: bytes) -> str:
    """Which of a database's files it is."""
    name = path.decode()
    return next((kind for end, kind in (("-wal", "the log"), ("-journal", "the rollback journal")) if name.endswith(end)), "the database")
