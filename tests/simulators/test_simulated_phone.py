"""The simulated authorities and phones: repeatable, standard-conforming to other eyes, and dishonest on demand."""

from __future__ import annotations

from itertools import pairwise

import cbor2
import pytest
from base45 import b45decode
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gate_controller.core.values import Region
from simulators.authority import Authorities, Authority, Permit, derived
from simulators.phone import Phone, base45

NOW = 1_800_000_000
PERMIT = Permit(enrolment_reference=bytes(16), issued_at=NOW)


def phone_of(seed: str = "seed", name: str = "phone", **options: float) -> Phone:
    phone = Phone(seed, name, "MO-GB", **options)  # type: ignore[arg-type] # refresh_s is a whole number where it is given
    phone.obtain(Authorities(seed).issuers[Region.HK], PERMIT)
    return phone


def decoded(text: str) -> tuple[dict[int, object], dict[int, object], cbor2.CBORTag]:
    """Protected header, payload and pass, read with libraries alone."""
    assert text.startswith("ECH1:")
    presentation = cbor2.loads(b45decode(text[5:]))
    assert presentation.tag == 18
    protected, unprotected, payload, _ = presentation.value
    assert unprotected == {}
    header = cbor2.loads(protected)
    return header, cbor2.loads(payload), header[13]


def test_a_general_decoder_reads_it_as_the_standards_say() -> None:
    header, payload, pass_ = decoded(phone_of().present(NOW))
    assert (header[1], header[16]) == (-8, 294)
    assert (payload[3], payload[6], len(bytes(payload[7]))) == ("MO-GB", NOW, 8)  # type: ignore[call-overload] # CBOR is untyped
    assert isinstance(pass_, cbor2.CBORTag)  # the item itself, not a byte string
    assert pass_.tag == 18
    assert cbor2.loads(pass_.value[0]) == {1: -8, 4: Authorities("seed").issuers[Region.HK].kid, 16: 65001}


def test_signatures_verify_with_another_library() -> None:
    authority, phone = Authorities("seed").issuers[Region.HK], phone_of()
    assert phone.pass_
    protected, _, payload, signature = cbor2.loads(phone.pass_).value
    Ed25519PublicKey.from_public_bytes(authority.public_key).verify(signature, cbor2.dumps(["Signature1", protected, b"", payload]))
    protected, _, payload, signature = cbor2.loads(b45decode(phone.present(NOW)[5:])).value
    holder = Ed25519PublicKey.from_public_bytes(cbor2.loads(cbor2.loads(phone.pass_).value[2])[8][1][-2])
    holder.verify(signature, cbor2.dumps(["Signature1", protected, b"", payload]))
    with pytest.raises(InvalidSignature):
        holder.verify(signature, b"something else")


def test_base45_agrees_with_the_library() -> None:
    for length in range(40):
        data = derived("base45", length)[: length % 33]
        assert b45decode(base45(data)) == data


def test_the_same_seed_makes_the_same_bytes() -> None:
    texts = {phone_of().present(NOW) for _ in range(3)}
    assert len(texts) == 1
    assert phone_of(seed="another").present(NOW) not in texts


def test_keys_differ() -> None:
    authorities = Authorities("seed")
    keys = [authority.public_key for authority in (*authorities.issuers.values(), authorities.forger)]
    keys += [phone_of(name=name).public_key for name in ("a", "b")]
    assert len(set(keys)) == 5


def test_passes_of_one_person_have_ids_of_their_own() -> None:
    authority, key = Authority(Region.HK, "seed"), phone_of().public_key
    permits = [PERMIT, Permit(enrolment_reference=bytes(16), issued_at=NOW + 1), Permit(enrolment_reference=bytes(16), issued_at=NOW, serial=1)]
    assert len({authority.claims(key, permit)[7] for permit in permits}) == 3


def test_the_screen_is_signed_anew_every_half_minute() -> None:
    phone = phone_of()
    shown = [phone.text_at(NOW + tenth / 10) for tenth in range(900)]
    changes = [index for index in range(1, len(shown)) if shown[index] != shown[index - 1]]
    assert len(changes) == 3
    assert {later - earlier for earlier, later in pairwise(changes)} == {300}
    for tenth, text in enumerate(shown):
        made = decoded(text)[1][6]
        assert isinstance(made, int)
        assert 0 <= NOW + tenth / 10 - made < 30


def test_phones_refresh_at_moments_of_their_own() -> None:
    def first_change(name: str) -> int:
        phone = phone_of(name=name)
        return next(second for second in range(1, 31) if phone.text_at(NOW + second) != phone.text_at(NOW + second - 1))

    assert len({first_change(str(number)) for number in range(8)}) > 1


def test_a_refresh_of_fifteen_seconds() -> None:
    phone = phone_of(refresh_s=15)
    shown = [phone.text_at(NOW + second) for second in range(60)]
    assert [shown[second] != shown[second + 15] for second in range(45)] == [True] * 45
    assert max(shown.count(text) for text in shown) == 15


def test_a_wrong_clock_shows_in_the_presentation() -> None:
    assert decoded(phone_of(clock_ahead_s=90).present(NOW))[1][6] == NOW + 90
    assert decoded(phone_of(clock_ahead_s=-90).present(NOW))[1][6] == NOW - 90


def test_without_a_pass_the_screen_is_empty() -> None:
    phone = Phone("seed", "new", "MO-GB")
    assert phone.text_at(NOW) == ""
    with pytest.raises(ValueError, match="no pass"):
        phone.present(NOW)


def test_another_pass_or_audience_changes_the_screen_at_once() -> None:
    phone = phone_of()
    before = phone.text_at(NOW)
    phone.audience = "HK-LMC"
    assert decoded(phone.text_at(NOW))[1][3] == "HK-LMC"
    phone.audience = "MO-GB"
    assert phone.text_at(NOW) == before
    phone.obtain(Authorities("seed").issuers[Region.HK], Permit(enrolment_reference=bytes(16), issued_at=NOW + 1))
    assert phone.text_at(NOW) != before


def test_a_copied_pass_is_signed_by_the_wrong_phone() -> None:
    victim, thief = phone_of(), Phone("seed", "thief", "MO-GB")
    assert victim.pass_
    thief.load(victim.pass_)
    assert decoded(thief.present(NOW))[2].value == decoded(victim.present(NOW))[2].value
    assert thief.present(NOW) != victim.present(NOW)
