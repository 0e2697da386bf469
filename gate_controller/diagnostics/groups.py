"""All checks in the order in which causes are to be looked for: what many others depend on comes first. Checks nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from gate_controller.diagnostics import configuration, devices, lane, machine, service, stores
from gate_controller.diagnostics.answers import skipped
from gate_controller.diagnostics.catalogue import device_ids
from gate_controller.diagnostics.findings import Finding, Group
from gate_controller.diagnostics.site import Mode, Site

DEVICE_S = 40.0
"""The longest a device takes to be opened and asked, however it fails."""


def all_groups(site: Site) -> tuple[Group, ...]:
    """Every group. Of the devices either the daemon's word or their own; which of the two is known only once the first groups have run."""
    return (
        _group(configuration.IDS, configuration.check, site),
        _group(service.IDS, service.check, site),
        _group(machine.CLOCK_IDS, machine.clock, site),
        _group(machine.DISK_IDS, machine.disk, site),
        _group(machine.FILE_IDS, machine.files, site),
        _group(stores.TRUST_IDS, _lost_too(stores.trust, "trust", "trust.fresh"), site),
        _group(stores.ENROLMENT_IDS, _lost_too(stores.enrolment, "enrolment", "enrolment.store"), site),
        _group(stores.JOURNAL_IDS, _lost_too(stores.journal, "journal", "journal.store"), site, 60.0),
        _group(stores.REPLAY_IDS, _lost_too(stores.replay, "pass_verifier", "replay.store"), site),
        _group(stores.MODEL_IDS, stores.models, site, 60.0),
        _group(stores.QR_IDS, stores.qr_decoder, site),
        _group(machine.UDEV_IDS, machine.udev, site),
        _group(device_ids("fingerprint"), partial(_device, "fingerprint", devices.fingerprint), site, DEVICE_S),
        _group((*device_ids("io_board"), *lane.IDS), partial(_device, "io_board", devices.io_board), site, DEVICE_S),
        *(_group(device_ids(name), partial(_device, name, devices.camera(name)), site, DEVICE_S) for name in ("qr_camera", "face_camera")),
    )


def _device(name: str, ask: Callable[[Site], Iterable[Finding]], site: Site) -> Iterable[Finding]:
    return service.device(name)(site) if site.mode is Mode.DAEMON else ask(site)


def _lost_too(check: Callable[[Site], Iterable[Finding]], device: str, about: str) -> Callable[[Site], Iterable[Finding]]:
    """The check, and of `about` what the gate controller says of the device (core.values.Device) as well."""

    def run(site: Site) -> Iterable[Finding]:
        for finding in check(site):
            yield service.lost_by(site, device, finding) if finding.id == about else finding

    return run


def _group(ids: tuple[str, ...], check: Callable[[Site], Iterable[Finding]], site: Site, limit_s: float = 20.0) -> Group:
    def run() -> Iterable[Finding]:
        told = set()
        for finding in check(site):
            told.add(finding.id)
            yield finding
        if site.settings is None and not ids[0].startswith("configuration."):
            yield from (skipped(each, "only a configuration tells where to look: configuration.file comes first") for each in ids if each not in told)

    return Group(ids, run, limit_s)
