"""Every check of the doctor and what it is about. The ids are stable: people search for them, and upgrades compare them. Runs nothing."""

from __future__ import annotations

SERIAL = {
    "node": "The device file of the {what} is there and is a serial line. Without it the lane is out of service: cable, converter, power or udev rule.",
    "permission": "The gate's user may read and write the device file.",
    "held": "No other program has the line open. Two programs on one line read each other's answers.",
    "answer": "The {what} answers, and its answers are whole. Else: no power, a swapped or broken wire, another baud rate, noise.",
    "settings": "The {what} accepts the configured settings and reads them back.",
    "speed": "Answers come fast enough for the lane.",
}
CAMERA = {
    "node": "The camera is there. Without it the lane is out of service: cable, power or udev rule.",
    "permission": "The gate's user may open the camera.",
    "held": "No other program has the camera open.",
    "answer": "Pictures come.",
    "stream": "What comes decodes to pictures.",
    "picture": "The pictures are of the configured size, change, and have light in them. Else: a covered lens, a camera that hangs, no lamp.",
    "damage": "The pictures are whole. Damaged ones are shown as if nothing were wrong, and codes and faces in them are not read.",
    "speed": "Pictures come often enough: below 11 a second attack detection comes to no judgement.",
}

CHECKS: dict[str, str] = {
    "configuration.file": "gate.toml and the policy it names are there, can be read and are TOML. Without them the gate does not start.",
    "configuration.valid": "Every key is known, its value allowed, and no two keys contradict each other. Else the gate does not start.",
    "service.socket": "Whether a gate controller runs and answers here. If it does, it is asked; if not, the devices are asked directly.",
    "service.version": "The running gate controller and this program are of one version.",
    "service.unit": "What systemd says of gate-controller.service.",
    "service.lane": "Whether the lane is in service, and if not, why.",
    "service.officer": "Whether a call for an officer is pending.",
    "kiosk.port": "The traveller's display can get its page: the daemon serves it and gives signs of life there, or the port is free for it.",
    "metrics.textfile": "The metrics file for node_exporter can be written, and is new where a gate controller runs. An old one is shown as if it were true.",
    "clock.time": "The clock shows a time in the life of this program. A wrong clock expires keys or lets old ones live on.",
    "clock.behind": "The clock is not behind the latest time the gate has seen. If it is, every pass is refused: it could bring back what was revoked.",
    "clock.synchronised": "The kernel's clock is disciplined (NTP, PTP). A gate without a network is set by hand; look at its drift each month.",
    "disk.space": "There is room on the file systems of the stores. On a full disk no crossing can be recorded, and the lane closes.",
    "disk.inodes": "There is room for further files on them.",
    "disk.writable": "They are mounted for writing. A file system with errors is made read-only by the kernel.",
    "memory.free": "There is memory left for the models.",
    "permissions.stores": "The gate's user may read and write its stores and their directories.",
    "trust.root": "The pinned root is there and is the one whose hash is configured. Everything else is verified from it.",
    "trust.floor": "What the gate will not go back behind is there and sound.",
    "trust.cache": "The imported keys and status lists verify from the pinned root.",
    "trust.fresh": "They are fresh enough by the policy. When they are too old the lane closes.",
    "enrolment.key": "The master key of the enrolments can be read, and by nobody else.",
    "enrolment.store": "The enrolments are there, sound, and open with that key.",
    "enrolment.age": "The newest enrolments of each region are not old. A suspension or an erasure that has not come here does not count here.",
    "journal.key": "The key that signs the journal's checkpoints can be read, and by nobody else.",
    "journal.store": "The journal is there (or will be made at the first start) and sound.",
    "replay.store": "The memory of used passes is there (or will be made at the first start) and sound.",
    "models.files": "Every model file is there and is the one whose hash is configured.",
    "models.work": "The face detector and the recogniser compute.",
    "qr_decoder.works": "The QR decoder reads a code that was made for it.",
    "udev.rules": "The rules that name the devices are installed and name what the configuration opens.",
    "udev.names": "Each name leads to a device of its own, and to the right kind of it.",
    **{f"fingerprint.{name}": text.format(what="fingerprint module") for name, text in SERIAL.items()},
    "fingerprint.transfer": "The fingerprint module takes a template and gives it back unchanged. Else nobody can be compared with theirs.",
    **{f"io_board.{name}": text.format(what="I/O board") for name, text in SERIAL.items()},
    **{f"qr_camera.{name}": text for name, text in CAMERA.items()},
    **{f"face_camera.{name}": text for name, text in CAMERA.items()},
    "lane.emergency": "The emergency loop is closed. Open: a fire alarm, a pulled handle or a cut wire; the lane stays in emergency until an officer re-arms it.",
    "lane.tamper": "The tamper loop is closed: no housing is open.",
    "lane.doors": "Both doors report that they are closed, and their contacts agree.",
    "lane.beams": "Both beams are clear: nothing stands in a doorway, no lens is dirty, no wire is cut.",
    "lane.counter": "The people counter tells a number, and it is zero in an empty lane.",
}
"""Meaning by id, in the order in which a report has them."""


def device_ids(device: str) -> tuple[str, ...]:
    """The checks of one device, in order."""
    return tuple(check for check in CHECKS if check.startswith(f"{device}."))


_BY_CODE = {"absent": "node", "permission": "permission", "busy": "held", "timeout": "answer"}
_SERIAL_CODES = _BY_CODE | {"protocol": "answer", "rejected": "settings", "untrusted": "settings"}
_CAMERA_CODES = _BY_CODE | {"protocol": "stream", "rejected": "answer", "untrusted": "picture"}


def check_of(device: str, code: str) -> str:
    """The check that a device's error is about, by the error's code (ports.errors)."""
    codes = _CAMERA_CODES if device.endswith("camera") else _SERIAL_CODES
    return f"{device}.{codes.get(code, 'answer')}"
