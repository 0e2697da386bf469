"""The pass verifier: every step in its documented order, each with its own reason code.

    1 text        length cap, prefix, Base45
    2 frame       two nested COSE_Sign1 by hand, signatures of exactly 64 bytes
    3 region key  the pass's exact protected-header bytes -> (key, region); key valid now, region's trust not too old
    4 signature   of the region over the pass, before any CBOR is parsed
    5 CBOR        of the pass: deterministic or refused
    6 claims      of the pass: types, issuer, times, audience, region, direction, class, permit
    7 holder      the holder key is a valid point, and its signature over the presentation
    5, 6          of the presentation, now that its signature is verified
    8 status      the pass's place in the region's status list; an old list clears only low-risk travellers
    9 replay      strictly newer than the last accepted presentation of the pass

What has ended is judged by the latest time seen, if the clock is behind it; what has not begun, by the clock: neither is gained by setting it.

Steps 5 and 6 appear twice because step 4's rule, no parsing before verification, holds for both signed objects, and the
presentation's key is only known from the pass's claims.

Does not write the replay memory (that is claimed when the admission is recorded), does not read a clock, does not log.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gate_controller.core.reasons import Reason
from gate_controller.core.values import Direction, PassFacts, Region
from gate_controller.cose.deterministic import CborError
from gate_controller.cose.ed25519 import is_valid_point, require_point_check, verify_signature
from gate_controller.cose.sign1 import FrameError, Sign1
from gate_controller.passes.claims import ClaimError, PassClaims, PresentationClaims
from gate_controller.passes.frame import PassFrame, parse_frame
from gate_controller.passes.payload import read_pass, read_presentation
from gate_controller.passes.text import Base45Error, NotAPassError, TextTooLongError, decode_text
from gate_controller.ports.errors import ConfigurationError
from gate_controller.ports.services import PassAccepted, PassRejected, ReplayMemory, VerificationStep, VerifyingKey
from gate_controller.ports.trust import Freshness, PassStatus, RegionFreshness, Trust, TrustView


class Check(Enum):
    """What is checked, in order, with the number of the documented step."""

    def __init__(self, number: int, label: str) -> None:
        self.number = number
        self.label = label

    TEXT = (1, "text")
    FRAME = (2, "frame")
    REGION_KEY = (3, "region key")
    PASS_SIGNATURE = (4, "pass signature")
    PASS_CBOR = (5, "pass CBOR")
    PASS_CLAIMS = (6, "pass claims")
    HOLDER = (7, "holder key and signature")
    PRESENTATION_CBOR = (5, "presentation CBOR")
    PRESENTATION_CLAIMS = (6, "presentation claims")
    STATUS = (8, "status list")
    REPLAY = (9, "replay")


_REGIONS = {region.value: region for region in Region}
_STATUS_REASONS = {
    None: Reason.PASS_STATUS_UNKNOWN,
    PassStatus.INVALID: Reason.PASS_REVOKED,
    PassStatus.SUSPENDED: Reason.PASS_SUSPENDED,
    PassStatus.APPLICATION_SPECIFIC: Reason.PASS_STATUS_UNKNOWN,  # nobody has said what it means, so it never counts in favour
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PassPolicy:
    """What this lane admits.

    Attributes:
        lane_region: Region the lane stands in; for diagnostics, `admitted_issuers` decides.
        direction: The lane's direction of travel.
        presentation_audiences: Accepted aud of a presentation: the checkpoint's name and this gate's own.
        admitted_issuers: Regions whose passes this lane admits.
        admitted_classes: Traveller classes admitted; 1 permanent residents, 2 other residents.
        pass_audience: Accepted aud of a pass: the text of the scheme.
        ttl_s: Oldest presentation accepted, seconds since its iat.
        skew_s: How far an iat may lie in the future, seconds. It does not lengthen `ttl_s`.
        static_passes: Whether a pass without a presentation, and without a holder key, is admitted: whoever has a copy has the pass.
        low_risk_classes: Traveller classes that an old status list still clears; may be empty.
        low_risk_pass_issued_s: And only passes issued less than this long ago, seconds.

    Raises:
        ConfigurationError: A value that would admit nobody, or a presentation for ever.
    """

    lane_region: Region
    direction: Direction
    presentation_audiences: frozenset[str]
    admitted_issuers: frozenset[Region]
    admitted_classes: frozenset[int] = frozenset({1})
    pass_audience: str = "HKMO"
    ttl_s: int = 60
    skew_s: int = 30
    static_passes: bool = False
    low_risk_classes: frozenset[int] = frozenset({1})
    low_risk_pass_issued_s: int = 7 * 24 * 3600

    def __post_init__(self) -> None:
        """Check the values."""
        if not (self.presentation_audiences and self.admitted_issuers and self.admitted_classes and self.pass_audience):
            raise ConfigurationError("pass policy: an empty set of audiences, issuers or classes admits nobody", "name at least one of each")
        if not (1 <= self.ttl_s <= 600 and 0 <= self.skew_s <= 600):
            msg = f"pass policy: ttl_s {self.ttl_s} or skew_s {self.skew_s} out of range"
            raise ConfigurationError(msg, "use 1..600 and 0..600 seconds; 60 and 30 are usual")


class OfflinePassVerifier:
    """Implements ports.services.PassVerifier without a network.

    Args:
        policy: What this lane admits.
        trust: The regions' keys and status lists; one view is taken for each pass.
        replays: Presentations used before; read here, written by the admission.

    Raises:
        ConfigurationError: libsodium cannot validate points.
    """

    def __init__(self, policy: PassPolicy, trust: Trust, replays: ReplayMemory) -> None:
        require_point_check()
        self._policy = policy
        self._trust = trust
        self._replays = replays
        # Taken out of their enums once: an enum's value and hash are Python calls.
        self._admitted_issuers = frozenset(region.value for region in policy.admitted_issuers)
        self._direction_bit = policy.direction.value

    def verify(self, text: str, now: float) -> PassAccepted | PassRejected:
        """See ports.services.PassVerifier.

        Raises:
            StoreError: From the replay memory, never because of `text`.
        """
        static = False
        try:
            frame = _frame(text)  # 1, 2
            static = frame.presentation is None
            return self._check(frame, now)
        except _RefusedError as refused:
            return PassRejected(refused.reason, refused.check.number, refused.detail, _refused_steps(refused, static=static))

    def _check(self, frame: PassFrame, now: float) -> PassAccepted:
        pass_, presentation = frame
        if presentation is None and not self._policy.static_passes:
            raise _RefusedError(Check.FRAME, Reason.PASS_STATIC)
        view = self._trust.current()
        late = max(now, view.latest)
        key, freshness = _region_key(view, pass_, now, late)  # 3
        if not verify_signature(pass_.signature, pass_.signed, key.key):  # 4
            raise _RefusedError(Check.PASS_SIGNATURE, Reason.PASS_BAD_SIGNATURE)
        claims = _pass_claims(pass_, presentation)  # 5, 6
        self._admit_pass(claims, key.region, now, late)  # 6
        if presentation is None:
            _require_no_holder(claims)  # 7
            made_at = int(now)  # a static pass is made whenever it is shown
        else:
            _require_holder(presentation, claims)  # 7
            made_at = self._admit_presentation(presentation, claims, now, late)  # 5, 6
        status = view.status(key.region, claims.status_uri, claims.status_index)
        degraded = self._require_good_status(status, freshness, claims, late)  # 8
        self._require_unused(claims.pass_id, made_at, now)  # 9
        facts = PassFacts(claims.pass_id, claims.subject, key.region, claims.traveller_class, made_at, claims.issued_at, claims.expires_at, degraded)
        return PassAccepted(facts, _PASSED[presentation is None, degraded])

    def _admit_pass(self, claims: PassClaims, region: Region, now: float, late: float) -> None:
        policy = self._policy
        if _REGIONS.get(claims.issuer) is not region:
            raise _refused_pass(Reason.PASS_WRONG_ISSUER, f"verified by a key of {region.value}")
        if not claims.not_before <= now:
            raise _refused_pass(Reason.PASS_NOT_YET_VALID, f"nbf is {_about(claims.not_before - now)} ahead")
        if not late < claims.expires_at:
            raise _refused_pass(Reason.PASS_EXPIRED, f"exp was {_about(late - claims.expires_at)} ago")
        if not claims.issued_at <= now + policy.skew_s:
            raise _refused_pass(Reason.PASS_NOT_YET_VALID, f"iat is {_about(claims.issued_at - now)} ahead")
        if claims.audience != policy.pass_audience:
            raise _refused_pass(Reason.PASS_WRONG_AUDIENCE, "the pass is for another scheme")
        if claims.issuer not in self._admitted_issuers:
            raise _refused_pass(Reason.PASS_WRONG_REGION, f"{region.value} pass in a lane of {policy.lane_region.value}")
        if not claims.directions & self._direction_bit:
            raise _refused_pass(Reason.PASS_WRONG_DIRECTION, f"lane is {policy.direction.name}, pass has bits {claims.directions}")
        if claims.traveller_class not in policy.admitted_classes:
            raise _refused_pass(Reason.PASS_CLASS_NOT_ADMITTED, f"class {claims.traveller_class}")
        if not late < claims.permit_until:
            raise _refused_pass(Reason.PASS_PERMIT_ENDED, f"ended {_about(late - claims.permit_until)} ago")

    def _admit_presentation(self, presentation: Sign1, claims: PassClaims, now: float, late: float) -> int:
        """Returns when it was made."""
        policy = self._policy
        presented = _presentation_claims(presentation)
        made_at = presented.issued_at
        if presented.audience not in policy.presentation_audiences:
            raise _refused_presentation(Reason.PASS_WRONG_AUDIENCE, "the presentation is for another checkpoint or gate")
        if not made_at <= now + policy.skew_s:
            raise _refused_presentation(Reason.PRESENTATION_IN_FUTURE, f"made {made_at - now:.0f} s ahead, {policy.skew_s} s allowed")
        if not late - made_at <= policy.ttl_s:
            raise _refused_presentation(Reason.PRESENTATION_STALE, f"made {late - made_at:.0f} s ago, {policy.ttl_s} s allowed")
        if made_at < claims.not_before:
            raise _refused_presentation(Reason.PRESENTATION_STALE, "made before the pass was valid")
        if made_at >= claims.expires_at:
            raise _refused_presentation(Reason.PRESENTATION_IN_FUTURE, "made after the pass's end")
        return made_at

    def _require_good_status(self, status: PassStatus | None, freshness: RegionFreshness, claims: PassClaims, late: float) -> bool:
        """Returns whether an old list had to do."""
        if status is not PassStatus.VALID:
            raise _RefusedError(Check.STATUS, _STATUS_REASONS[status])
        if freshness.state is not Freshness.DEGRADED:
            return False
        policy, age = self._policy, late - claims.issued_at
        if claims.traveller_class not in policy.low_risk_classes or not age < policy.low_risk_pass_issued_s:
            detail = f"class {claims.traveller_class}, pass issued {_about(age)} ago, {freshness.cause.code}"
            raise _RefusedError(Check.STATUS, Reason.PASS_STATUS_STALE, detail)
        return True

    def _require_unused(self, pass_id: bytes, made_at: int, now: float) -> None:
        last = self._replays.last_presented(pass_id)
        if last is not None and made_at <= last:
            raise _RefusedError(Check.REPLAY, Reason.PRESENTATION_REPLAYED, f"not newer than the last one used, which was made {now - last:.0f} s ago")


def _about(span_s: float) -> str:
    """A span of a pass's own times, coarse: a detail is logged, and by the time of the log line seconds would name the pass."""
    for unit, length_s in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if span_s >= 2 * length_s:
            return f"{span_s / length_s:.0f} {unit}"
    return "less than two minutes"


class _RefusedError(Exception):
    """One refusal, on its way out of the checks. Never leaves this module."""

    def __init__(self, check: Check, reason: Reason, detail: str = "") -> None:
        super().__init__(reason.code)
        self.check = check
        self.reason = reason
        self.detail = detail


def _refused_pass(reason: Reason, detail: str) -> _RefusedError:
    return _RefusedError(Check.PASS_CLAIMS, reason, detail)


def _refused_presentation(reason: Reason, detail: str) -> _RefusedError:
    return _RefusedError(Check.PRESENTATION_CLAIMS, reason, detail)


def _frame(text: str) -> PassFrame:
    try:
        return parse_frame(decode_text(text))
    except TextTooLongError as error:
        raise _RefusedError(Check.TEXT, Reason.PASS_TOO_LONG, str(error)) from error
    except NotAPassError as error:
        raise _RefusedError(Check.TEXT, Reason.PASS_NOT_A_PASS, str(error)) from error
    except Base45Error as error:
        raise _RefusedError(Check.TEXT, Reason.PASS_BAD_BASE45, str(error)) from error
    except FrameError as error:
        raise _RefusedError(Check.FRAME, Reason.PASS_BAD_FRAME, str(error)) from error


def _region_key(view: TrustView, pass_: Sign1, now: float, late: float) -> tuple[VerifyingKey, RegionFreshness]:
    key = view.lookup(pass_.protected)
    if key is None:
        raise _RefusedError(Check.REGION_KEY, Reason.PASS_UNKNOWN_KEY)
    if not (key.not_before <= now and late < key.not_after):
        raise _RefusedError(Check.REGION_KEY, Reason.PASS_KEY_NOT_VALID_NOW, f"{key.region.value} key, valid {key.not_before} to {key.not_after}")
    freshness = view.freshness(key.region, now)
    if freshness.state is Freshness.CLOSED:
        raise _RefusedError(Check.REGION_KEY, Reason.PASS_REGION_CLOSED, freshness.cause.code)
    return key, freshness


def _pass_claims(pass_: Sign1, presentation: Sign1 | None) -> PassClaims:
    try:
        return read_pass(pass_.payload, holder_required=presentation is not None)
    except CborError as error:
        raise _RefusedError(Check.PASS_CBOR, Reason.PASS_BAD_CBOR, str(error)) from error
    except ClaimError as error:
        raise _RefusedError(Check.PASS_CLAIMS, Reason.PASS_BAD_CLAIM, str(error)) from error


def _require_holder(presentation: Sign1, claims: PassClaims) -> None:
    key = claims.holder_key
    if key is None or not is_valid_point(key):
        raise _RefusedError(Check.HOLDER, Reason.PRESENTATION_BAD_KEY)
    if not verify_signature(presentation.signature, presentation.signed, key):
        raise _RefusedError(Check.HOLDER, Reason.PRESENTATION_BAD_SIGNATURE)


def _require_no_holder(claims: PassClaims) -> None:
    """A pass taken out of somebody's presentation names its holder key (RFC 8747: to be proved). Alone it proves nothing."""
    if claims.holder_key is not None:
        raise _RefusedError(Check.HOLDER, Reason.PRESENTATION_BAD_SIGNATURE, "the pass names a holder key and no presentation proves it: a copied pass")


def _presentation_claims(presentation: Sign1) -> PresentationClaims:
    try:
        return read_presentation(presentation.payload)
    except CborError as error:
        raise _RefusedError(Check.PRESENTATION_CBOR, Reason.PASS_BAD_CBOR, str(error)) from error
    except ClaimError as error:
        raise _RefusedError(Check.PRESENTATION_CLAIMS, Reason.PASS_BAD_CLAIM, str(error)) from error


def _passed_step(check: Check, *, static: bool, degraded: bool = False) -> VerificationStep:
    if static and check in _OF_PRESENTATIONS:
        return VerificationStep(check.number, check.label, passed=None, detail="not applicable: a static pass")
    detail = "an old list, enough for a low-risk traveller" if degraded and check is Check.STATUS else ""
    return VerificationStep(check.number, check.label, passed=True, detail=detail)


_OF_PRESENTATIONS = (Check.HOLDER, Check.PRESENTATION_CBOR, Check.PRESENTATION_CLAIMS)
_PASSED = {
    (static, degraded): tuple(_passed_step(check, static=static, degraded=degraded) for check in Check)
    for static in (False, True)
    for degraded in (False, True)
}
"""The steps of an accepted pass, ready made: by whether it is static and whether its status list is old."""


def _refused_steps(refused: _RefusedError, *, static: bool) -> tuple[VerificationStep, ...]:
    """Every step: passed up to the refused one, not reached after it."""
    order = list(Check)
    at = order.index(refused.check)
    return (
        *(_passed_step(check, static=static) for check in order[:at]),
        VerificationStep(refused.check.number, refused.check.label, passed=False, detail=refused.detail or refused.reason.advice),
        *(VerificationStep(check.number, check.label, passed=None) for check in order[at + 1 :]),
    )
