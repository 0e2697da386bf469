"""Errors a port may raise. Nothing else may leave a port: foreign exceptions never leak.

    GateError
    |- ConfigurationError          settings that cannot be used (exit code 8)
    |- StoreError                  a store on disk cannot be read or written
    |  `- StoreHeldError           another process writes it, and only one may
    |- RefusedByStateError         a request that the gate's state does not allow (exit code 7)
    |- UnansweredError             nobody said in time whether what was asked for was done
    `- DeviceError                 a device cannot do what was asked
       |- DeviceAbsentError        not there: never plugged in, unplugged, endpoint refuses
       |- DevicePermissionError    there, but this user may not open it
       |- DeviceBusyError          there, but another program holds it
       |- DeviceTimeoutError       no complete answer before the deadline
       |- DeviceProtocolError      an answer that breaks the protocol (garbled, wrong length, wrong checksum)
       |- DeviceRejectedError      a well-formed answer that says no (error code of the device)
       `- DeviceUntrustedError     it answers, but its data must not be used (frozen or dark camera, quarantine, settings that do not read back)

A fault is raised; it never comes back as "no match" or "clear" (INV-3).
"""

from __future__ import annotations


class GateError(Exception):
    """Base of every error this project raises on purpose.

    Args:
        what: One line: what is wrong and where.
        remedy: One line: what a person can do about it.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} ({self.remedy})" if self.remedy else self.what


class ConfigurationError(GateError):
    """Settings that cannot be used."""


class StoreError(GateError):
    """A store on disk cannot be read or written."""


class StoreHeldError(StoreError):
    """Another process writes the store, and only one may."""


class StoreRefusedError(StoreError):
    """The store works, and refuses what was to be written for what it is: it would refuse it again."""


class RefusedByStateError(GateError):
    """A request that the gate's state does not allow; nothing was done."""


class UnansweredError(GateError):
    """Whether what was asked for was done is not known."""


class DeviceError(GateError):
    """A device cannot do what was asked. `code` is stable and goes to status, journal and metrics."""

    code = "device_error"


class DeviceAbsentError(DeviceError):
    """The device is not there."""

    code = "absent"


class DevicePermissionError(DeviceError):
    """The device is there, but this user may not open it."""

    code = "permission"


class DeviceBusyError(DeviceError):
    """The device is held by another program."""

    code = "busy"


class DeviceTimeoutError(DeviceError):
    """No complete answer before the deadline."""

    code = "timeout"


class DeviceProtocolError(DeviceError):
    """The answer breaks the protocol."""

    code = "protocol"


class DeviceRejectedError(DeviceError):
    """The device answered with an error of its own."""

    code = "rejected"


class DeviceUntrustedError(DeviceError):
    """The device answers, but what it says must not be used."""

    code = "untrusted"
