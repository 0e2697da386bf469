from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from gate_controller.core.policy import BiometricRule, CrossingPolicy, LaneKind, PadRule
from gate_controller.core.values import Direction, Region
from gate_controller.runtime.options import RuntimeOptions
from gate_controller.settings.gate_file import RuntimeSection
from gate_controller.settings.pad_rules import judge_problems
from gate_controller.settings.policy_file import AdmissionSection, BiometricsSection, EmergencySection, FreshnessSection, TimesSection

OF_THE_GATE = {"region", "direction", "lane"}
"""Fields that are keys of gate.toml."""


def test_the_shipped_policy_is_the_cores_default(laboratory: Any) -> None:
    assert laboratory.load().crossing_policy() == CrossingPolicy(Region.MO, Direction.HK_TO_MO)


def test_every_field_of_the_cores_policy_comes_from_a_key(laboratory: Any) -> None:
    """Each key is changed in turn: a field that no key reaches would keep its default."""
    laboratory.change("emergency_opens_exit = false", "emergency_opens_exit = true", "policy")  # one of the doors must open in an emergency
    default = CrossingPolicy(Region.MO, Direction.HK_TO_MO, emergency_opens_exit=True)
    keys = {name for section in (AdmissionSection, FreshnessSection, BiometricsSection, TimesSection, EmergencySection) for name in section.model_fields}
    assert {field.name for field in fields(CrossingPolicy)} - OF_THE_GATE <= keys
    text = laboratory.policy.read_text(encoding="utf-8")
    for field in fields(CrossingPolicy):
        if field.name in OF_THE_GATE:
            continue
        old = getattr(default, field.name)
        changed_value = not old if isinstance(old, bool) else {BiometricRule.BOTH: "either", PadRule.REQUIRED: "signalled"}.get(old) or old + 1
        new = json.dumps(changed_value)
        lines = [line if line.split(" ")[0] != field.name else f"{field.name} = {new}" for line in text.splitlines()]
        laboratory.policy.write_text("\n".join(lines), encoding="utf-8")
        changed = laboratory.load().crossing_policy()
        assert {each.name for each in fields(CrossingPolicy) if getattr(changed, each.name) != getattr(default, each.name)} == {field.name}


def test_every_option_of_the_runtime_has_a_key_with_its_default() -> None:
    options = {field.name: field.default for field in fields(RuntimeOptions)}
    for name, field in RuntimeSection.model_fields.items():
        assert options.pop(name) == field.default
    assert set(options) - set(BiometricsSection.model_fields) - set(AdmissionSection.model_fields) == {"gate_id", "face_threshold", "face_threshold_2"}


def test_a_single_door_lane_is_set_where_the_gate_is(laboratory: Any) -> None:
    laboratory.change('mode = "simulation"', 'mode = "simulation"\nlane = "single_door"')
    laboratory.change('port = "/dev/gate/io"', 'port = "/dev/gate/io"\nentry_door = "not_wired"')
    assert laboratory.load().crossing_policy() == CrossingPolicy(Region.MO, Direction.HK_TO_MO, LaneKind.SINGLE_DOOR)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("\nclasses = [1]", "\nclasses = []", "[admission] classes: "),
        ("\nclasses = [1]", "\nclasses = [3]", "[admission] classes[0]: Input should be 1 or 2"),
        ("\nclasses = [1]", "\nclasses = 1", "[admission] classes: Input should be a valid "),
        ('MO = ["HK"]', "MO = []", "[admission.issuers] MO: "),
        ('MO = ["HK"]', 'MO = ["CN"]', "[admission.issuers] MO[0]: Input should be 'HK' or 'MO'"),
        ('MO = ["HK"]', 'CN = ["HK"]', "[admission.issuers] CN: Input should be 'HK' or 'MO'"),
        ('MO = ["HK"]\n', "", "[admission.issuers]: lanes of MO admit no passes (add MO = "),
        ("ttl_s = 60", "ttl_s = 601", "[presentation] ttl_s: Input should be less than or equal to 600"),
        ("ttl_s = 60", "ttl_s = 60.5", "[presentation] ttl_s: Input should be a valid integer"),
        ("skew_s = 30", "skew_s = -1", "[presentation] skew_s: Input should be greater than or equal to 0"),
        ('biometric_rule = "both"', 'biometric_rule = "none"', "[biometrics] biometric_rule: Input should be 'both', 'either' or 'face_only_with_officer'"),
        (
            "fingerprint_security_level = 3",
            "fingerprint_security_level = 2",
            "[biometrics] fingerprint_security_level: Input should be greater than or equal to 3",
        ),
        ('pad_rule = "required"', 'pad_rule = "off"', "[biometrics] pad_rule: Input should be 'required' or 'signalled'"),
        ("pad_live_at = 0.1", "pad_live_at = -0.1", "[biometrics] pad_live_at: Input should be greater than or equal to 0"),
        ("pad_attack_at = 0.7", "pad_attack_at = 0.1", "[biometrics] pad_attack_at: Input should be more than pad_live_at: one score cannot be both"),
        ("pad_least_frames = 18", "pad_least_frames = 0", "[biometrics] pad_least_frames: Input should be greater than or equal to 1"),
        ("pad_decide_within_s = 2.5", "pad_decide_within_s = 1.5", "[biometrics] pad_decide_within_s: Input should be more than pad_least_span_s"),
        ("pad_challenge = false", "pad_challenge = 0", "[biometrics] pad_challenge: Input should be a valid boolean"),
        ("pad_challenges = 2\n", "", "[biometrics] pad_challenges: is missing (How many of these must be met"),
        ("minimum_age = 11", "minimum_age = true", "[admission] minimum_age: Input should be a valid integer"),
        ("entry_open_s = 8.0", "entry_open_s = 2.0", "[times] entry_open_s: Input should be more than door_open_s"),
        ("exit_open_s = 8.0", "exit_open_s = 3.0", "[times] exit_open_s: Input should be more than door_open_s"),
        ("return_path_s = 15.0", "return_path_s = 3.0", "[times] return_path_s: Input should be more than door_open_s"),
        ("occupancy_settle_s = 2.0", "occupancy_settle_s = 0.3", "[times] occupancy_settle_s: Input should be more than stable_s"),
        ("identity_s = 20.0", "identity_s = inf", "[times] identity_s: Input should be "),
        ("clearing_s = 5.0", "clearing_s = 0", "[times] clearing_s: Input should be greater than 0"),
        ("emergency_opens_exit = false", 'emergency_opens_exit = "no"', "[emergency] emergency_opens_exit: Input should be a valid boolean"),
        ("static_passes = false\n", "", "[presentation] static_passes: is missing (Whether a pass without a presentation"),
        ("status_degraded_s = 93600", "status_degraded_s = 43200", "[freshness] status_degraded_s: Input should be more than status_stale_s"),
        ("status_closed_s = 259200", "status_closed_s = 93599", "[freshness] status_closed_s: Input should be at least status_degraded_s"),
        ("clock_tolerance_s = 120", "clock_tolerance_s = 0", "[freshness] clock_tolerance_s: Input should be greater than or equal to 1"),
        ("status_closed_s = 259200", "status_closed_s = 2592000", "[freshness] status_closed_s: Input should be less than or equal to 1209600"),
        ("longest_timestamp_s = 262800", "longest_timestamp_s = 172800", "[freshness] longest_timestamp_s: Input should be more than warn_timestamp_s"),
        ("longest_role_s = 5187600", "longest_role_s = 60", "[freshness] longest_role_s: Input should be more than warn_role_s"),
        ("low_risk_classes = [1]", "low_risk_classes = [0]", "[freshness] low_risk_classes[0]: Input should be 1 or 2"),
        ("[face.sface-2021dec]", '[face."S Face"]', '[face."S Face"]: '),
        ("decision_threshold = 1.0265", "decision_threshold = 2", "[face.sface-2021dec] decision_threshold: Input should be less than 2"),
        ("\nfmr = 0.0001", "", "[face.sface-2021dec] fmr: is missing (False match rate"),
    ],
)
def test_a_mistake_in_the_policy(laboratory: Any, old: str, new: str, complaint: str) -> None:
    laboratory.change(old, new, "policy")
    assert any(line.startswith("policy.toml:") and complaint in line for line in laboratory.complaints()), laboratory.complaints()


def test_a_simulation_may_override_single_keys(laboratory: Any) -> None:
    laboratory.append(
        "[policy.face.sface-2021dec]\ndecision_threshold = 0.82\n[policy.admission]\nminimum_age = 7\n[policy.admission.issuers]\nMO = ['MO', 'HK']\n"
    )
    settings = laboratory.load()
    assert settings.face_threshold("sface-2021dec") == 0.82
    assert settings.policy.face["sface-2021dec"].fmr == 0.0001
    assert settings.crossing_policy().minimum_age == 7
    assert settings.admitted_issuers() == {Region.MO, Region.HK}
    assert settings.policy.admission.issuers[Region.HK] == {Region.MO}


@pytest.mark.parametrize(
    ("override", "offset", "complaint"),
    [
        ("[policy.times]\nidentity_s = -1", 1, "[policy.times] identity_s: Input should be greater than 0"),
        ("[policy.times]\nidentiti_s = 1", 1, '[policy.times] identiti_s: no such key (did you mean "identity_s"?'),
        ("[policy.face.mine]\nfmr = 0.5\npopulation = 'x'", 0, "[policy.face.mine] decision_threshold: is missing"),
        ("[policy.extra]\nx = 1", 0, "[policy.extra]: no such key (known: admission,"),
        ("[policy]\ntimes = 3", 1, "[policy] times: Input should be an object"),
    ],
)
def test_a_mistake_in_an_override_stands_where_the_override_does(laboratory: Any, override: str, offset: int, complaint: str) -> None:
    line = laboratory.append(override)
    assert any(told.startswith(f"gate.toml:{line + offset}: {complaint}") for told in laboratory.complaints()), laboratory.complaints()


def test_an_override_does_not_hide_where_the_rest_stands(laboratory: Any) -> None:
    laboratory.append("[policy.times]\nidentity_s = 5\n")
    line = laboratory.change("clearing_s = 5.0", "clearing_s = -5.0", "policy")
    (told,) = laboratory.complaints()
    assert told.startswith(f"policy.toml:{line}: [times] clearing_s: ")


@pytest.mark.parametrize("rule", ["either", "face_only_with_officer"])
def test_static_passes_want_both_biometric_checks(laboratory: Any, rule: str) -> None:
    line = laboratory.change("static_passes = false", "static_passes = true", "policy")
    assert laboratory.load().policy.presentation.static_passes
    laboratory.change('biometric_rule = "both"', f'biometric_rule = "{rule}"', "policy")
    (told,) = laboratory.complaints()
    assert told.startswith(f"policy.toml:{line}: [presentation] static_passes: is true, and a copied static pass")


def test_a_challenge_begins_before_the_check_is_over(laboratory: Any) -> None:
    line = laboratory.change("pad_challenge_after_s = 4.0", "pad_challenge_after_s = 20.0", "policy")
    assert laboratory.load().policy.biometrics.pad_challenge_after_s == 20.0, "nobody is asked anything"
    laboratory.change("pad_challenge = false", "pad_challenge = true", "policy")
    laboratory.append('[devices.pad_challenge]\ndriver = "eyes"\n')
    (told,) = laboratory.complaints()
    assert told.startswith(f"policy.toml:{line}: [biometrics] pad_challenge_after_s: is 20, and the whole check ends after [times] identity_s = 20 (")


def test_a_challenge_wants_somebody_who_asks_and_a_judge_who_doubts(laboratory: Any) -> None:
    line = laboratory.change("pad_challenge = false", "pad_challenge = true", "policy")
    (told,) = laboratory.complaints()
    assert told.startswith(f"policy.toml:{line}: [biometrics] pad_challenge: is true, and there is no [devices.pad_challenge] (add ")
    line = laboratory.append('[devices.pad_challenge]\ndriver = "eyes"\n')
    laboratory.change('[devices.pad]\ndriver = "eyes"\n', "")
    (told,) = laboratory.complaints()
    assert told.startswith(f"gate.toml:{line - 2}: [devices.pad_challenge]: settles the doubts of [devices.pad], which is not there (")


def test_a_production_gate_without_a_judge_is_told_in_one_line(laboratory: Any) -> None:
    laboratory.change('[devices.pad]\ndriver = "eyes"\n', "")
    laboratory.change('mode = "simulation"', 'mode = "production"')
    told = [each for each in laboratory.complaints(None) if "pad" in each]
    assert len(told) == 1
    assert '[biometrics] pad_rule: is "required", and no [devices.pad] judges' in told[0]


@pytest.mark.parametrize(
    ("mode", "rule", "judged", "complains"),
    [
        ("production", "required", False, True),
        ("production", "required", True, False),
        ("production", "signalled", False, False),
        ("simulation", "required", False, False),
    ],
)
def test_a_production_gate_that_requires_a_judgement_has_a_judge(laboratory: Any, mode: str, rule: str, judged: bool, complains: bool) -> None:
    line = laboratory.change('pad_rule = "required"', f'pad_rule = "{rule}"', "policy")
    settings = laboratory.load()
    found = [str(problem) for problem in judge_problems(settings.policy, mode, judged, settings.source)]
    assert len(found) == complains
    assert all(f'policy.toml:{line}: [biometrics] pad_rule: is "required", and no [devices.pad] judges' in each for each in found)


@pytest.mark.invariant("INV-5")
def test_an_emergency_opens_a_door(laboratory: Any) -> None:
    line = laboratory.change("emergency_opens_entry = true", "emergency_opens_entry = false", "policy")
    (told,) = laboratory.complaints()
    assert told.startswith(f"policy.toml:{line}: [emergency] emergency_opens_entry: is false, and so is emergency_opens_exit: ")
    laboratory.change('mode = "simulation"', 'mode = "simulation"\nlane = "single_door"')
    laboratory.change('port = "/dev/gate/io"', 'port = "/dev/gate/io"\nentry_door = "not_wired"')
    assert not laboratory.load().crossing_policy().emergency_opens_entry, "its entry is always open"


def test_a_policy_that_is_no_table(laboratory: Any) -> None:
    text = laboratory.gate.read_text(encoding="utf-8")
    laboratory.gate.write_text(f"policy = 3\n{text}", encoding="utf-8")
    assert laboratory.complaints() == ["gate.toml:1: policy: Input should be a table (name the policy file by [gate] policy)"]
