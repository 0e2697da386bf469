"""Which of the lane's kinds of devices are plugged in, as udev rules to choose from. Reads /sys; opens no device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HEADER = """\
# This gate's devices, by serial number. Written by `gatectl install devices`; a line counts once its name is put in and its # taken away.
# The makes that get the controller as owner stand in /usr/lib/udev/rules.d; this file replaces that one, so they are repeated here.
SUBSYSTEM=="tty", SUBSYSTEMS=="usb", GROUP="gate-controller", MODE="0660", ENV{ID_MM_DEVICE_IGNORE}="1"
SUBSYSTEM=="video4linux", SUBSYSTEMS=="usb", GROUP="gate-controller", MODE="0660"
# Names: gate/fingerprint, gate/io-board, gate/qr-camera, gate/face-camera.
"""
_NAMES = {"tty": "gate/fingerprint or gate/io-board", "video4linux": "gate/qr-camera or gate/face-camera"}


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """A serial line or a camera on the USB.

    Attributes:
        node: e.g. "ttyUSB0".
        subsystem: "tty" or "video4linux".
        vendor, product: Four hexadecimal digits each.
        serial: Serial number; "" where it has none.
        port: The socket it is plugged into, e.g. "1-3".
        label: What it calls itself.
    """

    node: str
    subsystem: str
    vendor: str
    product: str
    serial: str
    port: str
    label: str

    def rule(self, *, alone: bool) -> str:
        """A udev rule for it, to be completed; `alone`: no other device here has this serial number."""
        index = ' ATTR{index}=="0",' if self.subsystem == "video4linux" else ""
        known = self.serial and alone
        which = f'ATTRS{{serial}}=="{self.serial}"' if known else f'KERNELS=="{self.port}"'
        why = "" if known else "; no serial number of its own: it is known by its socket, and must stay in it"
        make = f'ATTRS{{idVendor}}=="{self.vendor}", ATTRS{{idProduct}}=="{self.product}"'
        rule = f'SUBSYSTEM=="{self.subsystem}",{index} SUBSYSTEMS=="usb", {make}, {which}, SYMLINK+="NAME"'
        return f"# /dev/{self.node}: {self.label}{why}; NAME is {_NAMES[self.subsystem]}\n#{rule}"


def usb_devices(sys: Path = Path("/sys")) -> list[UsbDevice]:
    """What is plugged in, sorted by node. Of a camera's several nodes the one that gives pictures (index 0)."""
    return sorted(_found(sys), key=lambda device: device.node)


def rules(devices: list[UsbDevice]) -> str:
    """A rules file to be completed."""
    lines = [HEADER]
    lines += [rule_of(device, devices) for device in devices]
    if not devices:
        lines.append("# Nothing is plugged in: neither a serial converter nor a camera is on the USB.")
    return "\n".join(lines) + "\n"


def rule_of(device: UsbDevice, devices: list[UsbDevice]) -> str:
    """The rule for one of the devices, to be completed."""
    same = [
        each for each in devices if (each.subsystem, each.vendor, each.product, each.serial) == (device.subsystem, device.vendor, device.product, device.serial)
    ]
    return device.rule(alone=len(same) == 1)


def _found(sys: Path) -> Iterator[UsbDevice]:
    for subsystem, pattern in (("tty", "tty*"), ("video4linux", "video*")):
        for entry in sys.joinpath("class", subsystem).glob(pattern):
            interface = (entry / "device").resolve()
            usb = next((parent for parent in (interface, *interface.parents) if (parent / "idVendor").is_file()), None)
            if usb is None or (subsystem == "video4linux" and _read(entry / "index") not in {"", "0"}):
                continue
            label = " ".join(filter(None, (_read(usb / "manufacturer"), _read(usb / "product")))) or "(tells no name)"
            yield UsbDevice(entry.name, subsystem, _read(usb / "idVendor"), _read(usb / "idProduct"), _quotable(_read(usb / "serial")), usb.name, label)


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:80]


def _quotable(text: str) -> str:
    """A serial number that can stand in a rule; a device may say anything, and a quotation mark would end the rule."""
    return text if all(letter.isalnum() or letter in "-_.:/" for letter in text) else ""
