"""Check a configuration: both files, every check, every error in one go.

Does not open devices, stores or sockets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from gate_controller.core.policy import BiometricRule, CrossingPolicy, LaneKind
from gate_controller.core.values import Region
from gate_controller.settings import gate_file, messages, pad_rules
from gate_controller.settings.devices import ConfiguredDevice, Drivers, configure_devices
from gate_controller.settings.documents import overlaid, read_document
from gate_controller.settings.gate_file import GateFile
from gate_controller.settings.locate import KeyPath
from gate_controller.settings.pinned_root import PinnedRootError, read_pinned_root
from gate_controller.settings.policy_file import MAX_DECISION_THRESHOLDS, MAX_FMR, PolicyFile
from gate_controller.settings.problems import Document, InvalidConfigurationError, Located, Problem
from gate_controller.settings.simulators import refuse_simulators
from gate_controller.settings.types import BASE, Section

File = TypeVar("File", bound=Section)
EMERGENCY_LINE_S = 0.075
"""Of the 100 ms from the emergency loop's opening to the open door (INV-5): the program took up to 23 ms of its own where it was measured (docs/plug.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A valid configuration. Paths are absolute.

    Attributes:
        gate, devices, keys, sync, enrolment, journal, replay, models, control, kiosk, metrics, runtime: The tables of gate.toml.
        policy: policy.toml, with a simulation's overrides.
        equipment: The devices with their drivers and checked options, by name; empty when loaded without drivers.
        source: Where each key stands, for messages.
    """

    gate: gate_file.GateSection
    devices: gate_file.DevicesSection
    keys: gate_file.KeysSection
    sync: gate_file.SyncSection
    enrolment: gate_file.EnrolmentSection
    journal: gate_file.JournalSection
    replay: gate_file.ReplaySection
    models: gate_file.ModelsSection
    control: gate_file.ControlSection
    kiosk: gate_file.KioskSection
    metrics: gate_file.MetricsSection
    runtime: gate_file.RuntimeSection
    policy: PolicyFile
    equipment: Mapping[str, ConfiguredDevice]
    source: Located

    def crossing_policy(self) -> CrossingPolicy:
        """What the core decides by."""
        return self.policy.crossing_policy(self.gate.region, self.gate.direction, self.gate.lane)

    def admitted_issuers(self) -> frozenset[Region]:
        """Regions whose passes this lane admits."""
        return self.policy.admission.issuers[self.gate.region]

    def audiences(self) -> frozenset[str]:
        """Audiences that a presentation may name here: the checkpoint and this gate."""
        return frozenset({self.gate.checkpoint, self.gate.id})

    def face_threshold(self, model: str) -> float:
        """Decision threshold of the face model in use.

        Raises:
            InvalidConfigurationError: The policy has none for it.
        """
        known = self.policy.face
        if model not in known:
            text = f'there is no decision threshold for the face model "{model}"'
            remedy = f"measure one and add [face.{model}], or use one of: {', '.join(sorted(known))}"
            raise InvalidConfigurationError([self.source.problem(("policy", "face"), text, remedy)])
        return known[model].decision_threshold


def load(path: Path, drivers: Drivers | None = None) -> Settings:
    """Read gate.toml and the policy it names, and check everything.

    Args:
        path: gate.toml.
        drivers: The drivers there are; without them the devices' options and what the devices would open are not checked.

    Raises:
        InvalidConfigurationError: With everything that is wrong.
    """
    gate = read_document(path)
    base = path.absolute().parent
    problems: list[Problem] = []
    policy = _read_policy(gate, path.parent, problems)
    source = Located(gate, policy)
    own = {key: value for key, value in gate.data.items() if key != "policy"}
    file = _validated(GateFile, own, source, (), base, problems)
    rules = _validated_policy(gate, policy, source, base, problems)
    equipment: dict[str, ConfiguredDevice] = {}
    if drivers is not None:
        equipment, found = configure_devices(own.get("devices"), drivers, source, base)
        problems += found
    if file is not None and rules is not None:
        settings = Settings(**{name: getattr(file, name) for name in GateFile.model_fields}, policy=rules, equipment=equipment, source=source)
        problems += _cross_rules(settings)
        try:
            refuse_simulators(settings, {name: device.endpoint for name, device in equipment.items()})
        except InvalidConfigurationError as error:
            problems += error.problems
        if not problems:
            return settings
    raise InvalidConfigurationError(problems)


def _read_policy(gate: Document, base: Path, problems: list[Problem]) -> Document | None:
    section = gate.data.get("gate")
    named = section.get("policy") if isinstance(section, dict) else None
    if not isinstance(named, str) or not named:
        return None  # GateFile says so
    try:
        return read_document(base / named)
    except InvalidConfigurationError as error:
        problems += [
            # A file that cannot be read has no lines of its own: the line that names it must do.
            problem if problem.line else gate.problem(("gate", "policy"), f"{problem.file}: {problem.text}", problem.remedy)
            for problem in error.problems
        ]
        return None


def _validated_policy(gate: Document, policy: Document | None, source: Located, base: Path, problems: list[Problem]) -> PolicyFile | None:
    changes = gate.data.get("policy", {})
    if not isinstance(changes, dict):
        problems.append(gate.problem(("policy",), "Input should be a table", "name the policy file by [gate] policy"))
        return None
    return None if policy is None else _validated(PolicyFile, overlaid(dict(policy.data), changes), source, ("policy",), base, problems)


def _validated(model: type[File], data: dict[str, Any], source: Located, prefix: KeyPath, base: Path, problems: list[Problem]) -> File | None:
    # By way of JSON, because only there strict validation takes "MO" for a region and a list for a set; a TOML date is none of our types.
    text = json.dumps(data, default=lambda value: {"a date or time": str(value)})
    try:
        return model.model_validate_json(text, context={BASE: base})
    except ValidationError as error:
        problems += messages.problems_of(error, model, data, source, prefix)
        return None


def _cross_rules(settings: Settings) -> Iterator[Problem]:
    """What no table can check by itself."""
    source, region = settings.source, settings.gate.region
    if region not in settings.policy.admission.issuers:
        yield source.problem(("policy", "admission", "issuers"), f"lanes of {region.value} admit no passes", f'add {region.value} = ["..."]')
    if settings.policy.presentation.static_passes and settings.policy.biometrics.biometric_rule is not BiometricRule.BOTH:
        where = ("policy", "presentation", "static_passes")
        text = "is true, and a copied static pass is as good as the original: only both biometric checks still tell whose it is"
        yield source.problem(where, text, 'set [biometrics] biometric_rule = "both", or admit no static passes')
    files: dict[str, tuple[str, str]] = {}
    for path, key in (
        (settings.keys.cache, ("keys", "cache")),
        (settings.keys.floor, ("keys", "floor")),
        (settings.keys.pinned_root, ("keys", "pinned_root")),
        (settings.enrolment.store, ("enrolment", "store")),
        *([] if settings.keys.own_floor is None else [(settings.keys.own_floor, ("keys", "own_floor"))]),
        (settings.journal.path, ("journal", "path")),
        (settings.replay.path, ("replay", "path")),
        (settings.control.socket, ("control", "socket")),
    ):
        other = files.setdefault(os.path.realpath(path), key)
        if other != key:
            yield source.problem(key, f"is the same file as [{other[0]}] {other[1]}", "give each a file of its own")
    yield from _trust_rules(settings)
    yield from _lane_rules(settings)
    yield from pad_rules.judge_problems(settings.policy, settings.gate.mode, settings.devices.pad is not None, source)
    yield from pad_rules.challenge_problems(settings.policy, source)
    yield from _challenger_rules(settings)
    if settings.gate.mode == "production":
        yield from _production_rules(settings)
    least = settings.policy.biometrics.fingerprint_security_level
    level = getattr(_options(settings, "fingerprint"), "security_level", least)
    if level < least:
        where = ("devices", "fingerprint", "security_level")
        yield source.problem(
            where, f"is {level}, and the policy demands at least {least}", "raise it; the policy's key is [biometrics] fingerprint_security_level"
        )
    yield from _face_rules(settings)


def _face_rules(settings: Settings) -> Iterator[Problem]:
    """A threshold for each model; and two that judge beside each other are two, and look at one face. What a driver does not tell is judged at the start."""
    both = [_options(settings, name) for name in ("face_matcher", "face_matcher_2") if name in settings.equipment]
    for model in dict.fromkeys(getattr(each, "model", None) for each in both):
        if model is not None:
            try:
                settings.face_threshold(model)
            except InvalidConfigurationError as error:
                yield from error.problems
    if len(both) < 2:
        return
    first, second = both
    where = ("devices", "face_matcher_2")
    for key, what in (("model", "name"), ("recogniser_sha256", "weights")):
        if getattr(first, key, None) is not None and getattr(first, key) == getattr(second, key, None):
            text = f"has the model {what} of [devices.face_matcher]: it would agree with itself, or be judged by the first one's threshold"
            yield settings.source.problem(where, text, "name another driver or model, or leave it out")
            break
    least, counted, most = getattr(second, "min_face_px", None), getattr(first, "second_face_px", None), getattr(first, "min_face_px", None)
    if least is not None and counted is not None and most is not None and not counted <= least <= most:
        text = f"is {least}: below {counted} it could look at another face than the first model, above {most} it would not see every face that the first does"
        yield settings.source.problem((*where, "min_face_px"), text, f"set it from {counted} to {most}: [devices.face_matcher] second_face_px and min_face_px")


def _challenger_rules(settings: Settings) -> Iterator[Problem]:
    """Asking something wants both somebody who asks and the policy's leave, and a judge whose doubt it settles."""
    asks, challenger = settings.policy.biometrics.pad_challenge, settings.devices.pad_challenge is not None
    if asks and not challenger:
        text, remedy = "is true, and there is no [devices.pad_challenge]", 'add [devices.pad_challenge] driver = "landmarks", or set it to false'
        yield settings.source.problem(("policy", "biometrics", "pad_challenge"), text, remedy)
    if challenger and settings.devices.pad is None:
        yield settings.source.problem(("devices", "pad_challenge"), "settles the doubts of [devices.pad], which is not there", "add a judge, or leave it out")


def _lane_rules(settings: Settings) -> Iterator[Problem]:
    emergency = settings.policy.emergency
    if settings.gate.lane is LaneKind.TWO_DOOR and not (emergency.emergency_opens_entry or emergency.emergency_opens_exit):
        text = "is false, and so is emergency_opens_exit: an emergency would open nothing, and whoever is inside would stay there"
        yield settings.source.problem(("policy", "emergency", "emergency_opens_entry"), text, "set one of them to true")
    has_entry_door = getattr(_options(settings, "io_board"), "has_entry_door", None)  # a driver that does not tell is not judged here
    if has_entry_door is None or has_entry_door is (settings.gate.lane is LaneKind.TWO_DOOR):
        return
    where = ("gate", "lane")
    if has_entry_door:
        remedy = 'wire no entry door: "not_wired" for entry_door, entry_door_closed and entry_door_open in [devices.io_board]; or set lane = "two_door"'
        yield settings.source.problem(where, 'is "single_door", and the I/O board has an entry door', remedy)
    else:
        remedy = 'set lane = "single_door", or wire the entry door in [devices.io_board]: its output and its contacts'
        yield settings.source.problem(where, 'is "two_door", and the I/O board has no entry door', remedy)


def _trust_rules(settings: Settings) -> Iterator[Problem]:
    keys, source = settings.keys, settings.source
    for name, path in (("floor", keys.floor), ("own_floor", keys.own_floor), ("pinned_root", keys.pinned_root)):
        if path is not None and Path(os.path.realpath(keys.cache)) in Path(os.path.realpath(path)).parents:
            yield source.problem(("keys", name), "is inside [keys] cache", "keep it elsewhere: a cache that is wiped or replaced must not take it along")
    if os.path.lexists(keys.pinned_root):
        try:
            read_pinned_root(keys)
        except PinnedRootError as error:
            yield source.problem(("keys", error.key), error.what, error.remedy)


def _production_rules(settings: Settings) -> Iterator[Problem]:
    """What only a gate for real travellers must keep to."""
    source = settings.source
    if settings.keys.pinned_root_sha256 == gate_file.PLACEHOLDER_SHA256:
        remedy = "put in the SHA-256 of the root metadata that the two regions published; it comes with the contract"
        yield source.problem(("keys", "pinned_root_sha256"), "is still the placeholder of zeros", remedy)
    if settings.journal.signing_key_file is None and settings.journal.signing_key_credential is None:
        remedy = 'name one: signing_key_credential = "journal-signing", or signing_key_file (gatectl journal init makes it)'
        yield source.problem(("journal", "path"), "has no key that signs its checkpoints", remedy)
    yield from _emergency_rules(settings)
    for model, threshold in settings.policy.face.items():
        if threshold.fmr > MAX_FMR:
            rate: KeyPath = ("policy", "face", model, "fmr")
            yield source.problem(rate, f"is more than {MAX_FMR} (BSI TR-03121-3.1)", "choose a stricter decision_threshold, measured on people")
        most = MAX_DECISION_THRESHOLDS.get(model)
        if most is not None and threshold.decision_threshold > most:
            text = f"is more than {most}, the largest known to be safe for {model}"
            yield source.problem(
                ("policy", "face", model, "decision_threshold"), text, f"set it to {most} or less; a larger one takes more strangers for the traveller"
            )


def _emergency_rules(settings: Settings) -> Iterator[Problem]:
    """An emergency has opened its doors after 100 ms (INV-5), of which a slow line to the board leaves too little to the program."""
    emergency = settings.policy.emergency
    line_s = getattr(_options(settings, "io_board"), "emergency_line_s", None)  # a driver that does not tell is not judged here
    doors = emergency.emergency_opens_entry * (settings.gate.lane is LaneKind.TWO_DOOR) + emergency.emergency_opens_exit
    if line_s is None or not doors or line_s(doors) <= EMERGENCY_LINE_S:
        return
    text = (
        f"is too slow: in an emergency the line alone could take {1000 * line_s(doors):.0f} ms until {'both doors are' if doors > 1 else 'the door is'} open, "
        f"at most {1000 * EMERGENCY_LINE_S:.0f} of the 100 ms are the line's"
    )
    remedy = "set 19200 or more, here and at the board (its manual tells how)"
    yield settings.source.problem(("devices", "io_board", "baud"), text, remedy)


def _options(settings: Settings, device: str) -> object:
    configured = settings.equipment.get(device)
    return configured.options if configured else None
