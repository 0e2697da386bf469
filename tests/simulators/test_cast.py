"""The cast: deterministic from its seed, complete, and able to do what its labels say by what its devices show, not by the labels."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.face import SFACE
from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, Outcome, Region
from gate_controller.passes.verifier import OfflinePassVerifier, PassPolicy
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.devices import Family
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import ConfigurationError
from gate_controller.ports.services import PassAccepted
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.repository import verify_repository
from gate_controller.trust.sources import DirectorySource
from gate_controller.trust.view import LatestTime, build_view
from simulators.authority import Authorities
from simulators.fingerprint import fingers
from simulators.repository import TrustRepository
from simulators.travellers.behaviours import never_enter
from simulators.travellers.cast import PEOPLE, PICTURES, STATUSES, Cast, Kind, Override, Part, build_cast
from simulators.travellers.enrolment import FACES, PortraitEncoder, enrol

TOP = Path(__file__).parents[2]
MODELS = TOP / "var" / "models"
NOW = 1_800_000_000.0
SIMULATED_THRESHOLD = 0.82

seeds = st.integers(0, 2**32)


def cast(seed=1, count=12, region=Region.MO, now=NOW):
    return build_cast(seed=seed, count=count, region=region, now=now, authorities=Authorities("cast"), audience="MO-GB")


def shape(members):
    """What can be compared of a member: everything but the objects that show texts, whose texts are compared instead."""
    return [(m.name, m.region, m.face, m.finger, m.companion, m.speed, m.expected, m.phone.text_at(NOW + 1)) for m in members]


class Trust:
    """A view of what the regions publish for a cast."""

    def __init__(self, directory, statuses):
        repository = TrustRepository(directory, Authorities("cast"), NOW)
        for each in statuses:
            repository.revoke(each.region, each.index, each.status)
        repository.publish(NOW)
        verified = verify_repository(repository.first_root, DirectorySource(directory), at=NOW)
        self.view = build_view(verified, FreshnessBudget(), LatestTime(NOW))

    def current(self):
        return self.view

    def observe(self, wall):
        """Nothing to remember."""


class Replays:
    def __init__(self):
        self.rows = {}

    def last_presented(self, pass_id):
        return self.rows.get(pass_id)

    def claim(self, pass_id, issued_at, _expires_at):
        if issued_at <= self.rows.get(pass_id, -1):
            return False
        self.rows[pass_id] = issued_at
        return True

    def close(self):
        """Nothing to close."""


@pytest.fixture
def gate(tmp_path):
    """The gate's own verifier under the simulated policy and a cast's trust, and a way to show it phones one after another."""
    replays = Replays()
    policy = PassPolicy(
        lane_region=Region.MO,
        direction=Direction.HK_TO_MO,
        presentation_audiences=frozenset({"MO-GB"}),
        admitted_issuers=frozenset(Region),
    )

    def gate_of(cast):
        verifier = OfflinePassVerifier(policy, Trust(tmp_path, cast.statuses), replays)

        def show(member, at):
            result = verifier.verify(member.phone.text_at(at), at)
            if isinstance(result, PassAccepted):
                assert replays.claim(result.facts.pass_id, result.facts.issued_at, 0)
                return None
            return result.reason

        return show

    return gate_of


@settings(max_examples=8, deadline=None)
@given(seeds, st.integers(0, 23), st.sampled_from(Region))
def test_the_same_seed_gives_the_same_cast_and_a_longer_cast_begins_with_it(seed, count, region):
    assert shape(cast(seed, count, region).members) == shape(cast(seed, count, region).members) == shape(cast(seed, 24, region).members)[:count]
    assert cast(seed, count, region).identities == cast(seed, count, region).identities
    assert cast(seed, count, region).statuses == cast(seed, 24, region).statuses[: len(cast(seed, count, region).statuses)]


def test_another_seed_gives_another_order():
    assert len({tuple(member.kind for member in cast(seed).members) for seed in range(8)}) > 4


@settings(max_examples=8, deadline=None)
@given(seeds, st.sampled_from(Region))
def test_twelve_are_complete_and_the_copy_comes_right_after_its_victim(seed, region):
    members = cast(seed, 12, region).members
    assert Counter(member.kind for member in members) == Counter({kind: 3 if kind is Kind.GOOD else 1 for kind in Kind if kind not in PICTURES})
    assert Counter(m.region for m in members if m.kind is Kind.GOOD) == {Region.HK: 2, Region.MO: 1} if region is Region.MO else {Region.MO: 2, Region.HK: 1}
    kinds = [member.kind for member in members]
    assert kinds[kinds.index(Kind.REPLAY) - 1] is Kind.GOOD
    bodies = [member.face for member in members if member.kind not in STATUSES] + [member.companion for member in members if member.companion]
    assert len(set(bodies)) == 11
    assert set(bodies) <= set(PEOPLE)
    assert len({member.name for member in members}) == 12


@settings(max_examples=8, deadline=None)
@given(seeds, st.sampled_from(Region))
def test_each_regions_list_has_one_pass_of_a_round(seed, region):
    plain = cast(seed, 12, region)
    by_index = {status.index: status for status in plain.statuses}
    assert {status.region for status in plain.statuses} == set(Region)
    for number, member in enumerate(plain.members, 1):
        status = by_index.get(number)
        assert (status and (status.region, status.status)) == ((member.region, STATUSES[member.kind]) if member.kind in STATUSES else None)


def test_thirty_are_two_rounds_and_a_half_of_different_people_with_different_passes():
    big = cast(count=30)
    assert len({member.name for member in big.members}) == 30
    assert len({identity.reference for identity in big.identities}) == len(big.identities)
    assert len({identity.finger for identity in big.identities}) == len(big.identities)
    assert Counter(member.kind for member in big.members[:28])[Kind.GOOD] == 6
    assert [member.kind for member in big.members[12:14]] == [member.kind for member in big.members[26:28]] == [Kind.PRINT, Kind.SCREEN_REPLAY]


def test_whoever_brings_a_picture_has_all_else_of_their_victim():
    whole = cast(count=14)
    for member, picture in zip(whole.members[12:], ("print", "replay"), strict=True):
        identity = next(each for each in whole.identities if each.finger == member.finger)
        assert member.face == f"{identity.face}/{picture}"
        assert (member.expected.outcome, member.expected.reason) == (Outcome.RETURNED, Reason.PAD_ALARM)


def test_a_negative_cast_is_refused():
    with pytest.raises(ValueError, match="-1"):
        cast(count=-1)


@settings(max_examples=5, deadline=None)
@given(seed=seeds)
def test_everybody_enrolled_is_an_adult_and_registered_long_ago(seed):
    for identity in cast(seed, 20).identities:
        assert 1940 < identity.birth_date.year < 2009
        assert NOW - 401 * 86400 <= identity.registered_at <= NOW - 29 * 86400


@pytest.mark.parametrize("seed", range(4))
def test_the_gates_own_verifier_judges_the_phones_as_expected(gate, seed):
    # Everybody shows their phone 12 s after the one before, as in a lane.
    expected = {
        Kind.SCREENSHOT: Reason.PRESENTATION_STALE,
        Kind.UNKNOWN_ISSUER: Reason.PASS_UNKNOWN_KEY,
        Kind.REVOKED: Reason.PASS_REVOKED,
        Kind.SUSPENDED: Reason.PASS_SUSPENDED,
        Kind.REPLAY: Reason.PRESENTATION_REPLAYED,
    }
    plain = cast(seed, 24)
    show = gate(plain)
    for number, member in enumerate(plain.members):
        assert show(member, NOW + 12 * number) is expected.get(member.kind), member.name


def test_the_verdict_follows_the_phone_and_not_the_label(gate):
    plain = cast()
    by_kind = {member.kind: member.name for member in plain.members}
    swapped = plain.with_overrides(
        [
            Override(by_kind[Kind.SCREENSHOT], Part.PHONE, by_kind[Kind.WRONG_FINGER]),
            Override(by_kind[Kind.WRONG_FINGER], Part.PHONE, by_kind[Kind.SCREENSHOT]),
        ]
    )
    show = gate(plain)
    verdicts = {member.kind: show(member, NOW + 12 * number) for number, member in enumerate(swapped.members)}
    assert verdicts[Kind.SCREENSHOT] is None
    assert verdicts[Kind.WRONG_FINGER] is Reason.PRESENTATION_STALE


def test_overrides_swap_exactly_the_named_parts_and_know_their_names():
    plain = cast()
    a, b = plain.members[0], plain.members[1]
    swapped = plain.with_overrides([Override(a.name, Part.FACE, b.name), Override(b.name, Part.FACE, a.name), Override(a.name, Part.FINGER, b.name)])
    assert (swapped.member(a.name).face, swapped.member(b.name).face) == (b.face, a.face)
    assert (swapped.member(a.name).finger, swapped.member(b.name).finger) == (b.finger, b.finger)
    assert swapped.member(a.name).phone is a.phone
    assert shape(swapped.members[2:]) == shape(plain.members[2:])
    assert swapped.identities == plain.identities
    with pytest.raises(KeyError, match="nobody"):
        plain.with_overrides([Override("nobody", Part.FACE, a.name)])
    with pytest.raises(KeyError, match="nobody"):
        plain.with_overrides([Override(a.name, Part.FACE, "nobody")])


def test_labels_and_expectations_agree_with_the_behaviours():
    for member in cast().members:
        assert (member.kind is Kind.NEVER_ENTERS) == (member.behaviour is never_enter)
        assert (member.kind is Kind.TAILGATER) == (member.companion is not None)
        assert (member.expected.reason is None) == (member.expected.outcome is Outcome.COMPLETED)


@pytest.fixture(scope="module")
def encoder():
    return PortraitEncoder(MODELS)


@pytest.fixture(scope="module")
def records(encoder):
    plain = cast()
    return plain, dict(zip([identity.reference for identity in plain.identities], enrol(plain.identities, encoder.template, Family.R503), strict=True))


def enrolled(plain: Cast, records, member):
    """The record of whoever the member's pass belongs to: same number in the name of the finger as in the member's name."""
    number = member.name.partition("-")[0]
    (identity,) = [identity for identity in plain.identities if identity.finger.startswith(f"traveller-{number}/")]
    return records[identity.reference]


def test_the_gates_own_face_driver_tells_the_wrong_face_and_no_other(records):
    plain, by_reference = records
    matcher = SFACE.build(SFACE.options(), DriverContext(SystemClock(), MODELS, lambda _line: None))
    for member in plain.members:
        if member.kind in {Kind.UNKNOWN_ISSUER, Kind.REPLAY}:
            continue
        (template,) = enrolled(plain, by_reference, member).faces
        assert template.model == matcher.model
        probe = matcher.analyse(cv2.imread(str(FACES / f"{member.face}_live1.jpg"))).probe
        assert (matcher.compare(probe, template) > SIMULATED_THRESHOLD) == (member.kind is Kind.WRONG_FACE), member.name


def test_the_finger_on_the_sensor_is_the_enrolled_one_but_for_the_wrong_finger(records):
    plain, by_reference = records
    for member in plain.members:
        if member.kind in {Kind.UNKNOWN_ISSUER, Kind.REPLAY}:
            continue
        (template,) = enrolled(plain, by_reference, member).fingers
        assert template.format == "zhiantec/r503/1536"
        reference = fingers.decode_template(template.data, Family.R503, 1536)
        probe = fingers.capture(member.finger, "probe").features
        assert (fingers.compare([probe], reference) >= fingers.threshold(3)) == (member.kind is not Kind.WRONG_FINGER), member.name


def test_face_templates_are_unit_vectors_that_name_their_model(encoder):
    template = encoder.template("person01")
    vector = np.frombuffer(template.data, "<f4")
    assert vector.shape == (128,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-6)
    assert template.model.name == "sface-2021dec"


def test_missing_models_and_portraits_are_named_with_a_remedy(tmp_path, encoder):
    with pytest.raises(ConfigurationError, match="make models"):
        PortraitEncoder(tmp_path)
    for name in ("face_detection_yunet_2023mar.onnx", "face_recognition_sface_2021dec.onnx"):
        (tmp_path / name).write_bytes(b"no model")
    with pytest.raises(ConfigurationError, match="not usable"):
        PortraitEncoder(tmp_path)
    with pytest.raises(ConfigurationError, match="person99"):
        encoder.template("person99")


def test_a_portrait_without_a_face_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "blank_1.jpg"), np.full((480, 640, 3), 127, np.uint8))
    with pytest.raises(ConfigurationError, match="0 faces"):
        PortraitEncoder(MODELS, tmp_path).template("blank")
