"""A traveller's phone: keeps a pass and shows it, freshly signed every half minute. And what dishonest phones do.

Does not draw the QR code (the camera's simulator does), has no network, and shares no line with the verifier: framing, signing and
Base45 are written anew. Its holder key and nonces follow from the seed.
"""

from __future__ import annotations

from simulators.authority import EDDSA, TYP_PRESENTATION, Authority, Permit, derived, encode, private_key, sign1

_BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"  # RFC 9285, table 1
_PREFIX = "ECH1:"


def base45(data: bytes) -> str:
    """Base45 (RFC 9285): two bytes become three characters, a last single byte two."""
    characters = []
    for high, low in zip(data[::2], data[1::2], strict=False):
        rest, first = divmod(high << 8 | low, 45)
        third, second = divmod(rest, 45)
        characters.append(_BASE45[first] + _BASE45[second] + _BASE45[third])
    if len(data) % 2:
        second, first = divmod(data[-1], 45)
        characters.append(_BASE45[first] + _BASE45[second])
    return "".join(characters)


def qr_text(presentation: bytes) -> str:
    """The text of the QR code that carries these bytes."""
    return _PREFIX + base45(presentation)


class Phone:
    """One phone with one holder key and at most one pass.

    Args:
        seed: Key and nonces follow from it and the name.
        name: Which phone; never shown to the gate.
        audience: Checkpoint (or gate) it presents to.
        refresh_s: How often the shown code is signed anew, seconds.
        clock_ahead_s: How far the phone's own clock is wrong.
    """

    def __init__(self, seed: str, name: str, audience: str, *, refresh_s: int = 30, clock_ahead_s: float = 0.0) -> None:
        self.audience = audience
        self.clock_ahead_s = clock_ahead_s
        self.pass_: bytes | None = None
        self._refresh_s = refresh_s
        self._seed = seed
        self._name = name
        self._key = private_key(seed, "phone", name)
        self.public_key = self._key.public_key().public_bytes_raw()
        # Phones do not all refresh at the same second.
        self._phase_s = derived(seed, "phase", name)[0] % refresh_s
        self._shown: tuple[int, str, str] | None = None

    def obtain(self, authority: Authority, permit: Permit, algorithm: int = EDDSA) -> None:
        """Get a pass for this phone's holder key."""
        self.load(authority.issue(self.public_key, permit, algorithm))

    def load(self, pass_: bytes) -> None:
        """Store a pass, whoever's it is: a pass copied from another phone is bound to the other's holder key."""
        self.pass_ = pass_
        self._shown = None

    def text_at(self, now: float) -> str:
        """The QR text on the screen at `now` (seconds since the epoch): the same until the next refresh; "" without a pass."""
        if self.pass_ is None:
            return ""
        own_time = now + self.clock_ahead_s
        signed_at = int((own_time - self._phase_s) // self._refresh_s) * self._refresh_s + self._phase_s
        if self._shown is None or self._shown[:2] != (signed_at, self.audience):
            self._shown = (signed_at, self.audience, self._text(signed_at, self.audience))
        return self._shown[2]

    def open(self, now: float) -> None:
        """The holder opens the pass at `now`: it is signed at that second, and every refresh_s from then on."""
        self._phase_s = int(now + self.clock_ahead_s) % self._refresh_s

    def next_refresh(self, now: float) -> float:
        """When the code on the screen will be signed anew, seconds since the epoch."""
        own_time = now + self.clock_ahead_s
        return (int((own_time - self._phase_s) // self._refresh_s) + 1) * self._refresh_s + self._phase_s - self.clock_ahead_s

    def static_text(self) -> str:
        """The QR text of the pass alone, as it would be printed: without a presentation, so anybody can copy it."""
        if self.pass_ is None:
            raise ValueError("this phone has no pass")
        return qr_text(self.pass_)

    def present(self, now: float, audience: str | None = None) -> str:
        """A QR text signed at this moment, by the phone's clock. Keep one and show it later: that is a screenshot."""
        return self._text(int(now + self.clock_ahead_s), self.audience if audience is None else audience)

    def sign(self, payload: bytes, protected: bytes | None = None) -> bytes:
        """A presentation over any payload and header, properly signed by the holder key."""
        return sign1(self._key, self.protected_header() if protected is None else protected, payload)

    def protected_header(self, algorithm: int = EDDSA) -> bytes:
        """The header of its presentations: the pass's own item stands in it, not a byte string."""
        if self.pass_ is None:
            raise ValueError("this phone has no pass")
        # {1: alg, 13: pass, 16: 294}; written out because the pass must stay byte for byte as the authority signed it.
        return b"\xa3\x01" + encode(algorithm) + b"\x0d" + self.pass_ + b"\x10" + encode(TYP_PRESENTATION)

    def payload(self, issued_at: int, audience: str) -> bytes:
        """The payload of a presentation; the nonce follows from the seed and the second."""
        return encode({3: audience, 6: issued_at, 7: derived(self._seed, "nonce", self._name, issued_at, length=8)})

    def _text(self, issued_at: int, audience: str) -> str:
        return qr_text(self.sign(self.payload(issued_at, audience)))
