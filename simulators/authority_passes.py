"""gate-authority issue and phone: a pass for a phone, and the phone that shows it.

A phone is a small file; its holder key follows from the seed in it. A phone shows any pass, also one of another phone: that is how a
borrowed pass is tried. Does not check anything that a gate checks.
"""

from __future__ import annotations

import hashlib
import io
import json
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import click

from gate_controller.core.values import Region
from gate_controller.ports.errors import GateError, RefusedByStateError, StoreError
from simulators.authority import NO_PERMIT_END, Permit
from simulators.authority_options import DIRECTIONS, DIRECTORY, DURATION, EXISTING_FILE, FILE, MOMENT, REGION, Clock, written
from simulators.authority_state import SIMULATED, Headquarters, opened
from simulators.phone import Phone
from simulators.repository import region_role

AUDIENCE = "MO-GB"
_LARGEST_PASS = 600
_BACKDATED_S = 60


@click.command("issue")
@click.argument("directory", metavar="DIR", type=DIRECTORY)
@click.argument("region", type=REGION)
@click.option("--holder", "holder", metavar="PHONE", type=EXISTING_FILE, default=None, help="Phone that the pass is bound to.")
@click.option("--static", is_flag=True, help="Bound to no phone, to be printed; gates refuse it unless their policy says otherwise.")
@click.option("--output", "-o", type=FILE, required=True, help="Where to write the pass.")
@click.option("--class", "traveller_class", type=click.IntRange(1, 255), default=1, show_default=True, help="1 permanent resident, 2 other resident.")
@click.option("--directions", type=click.Choice(list(DIRECTIONS)), default="both", show_default=True, help="Ways that the pass is good for.")
@click.option("--valid-for", type=DURATION, default="24h", show_default=True, help="From now until exp.")
@click.option("--permit-until", type=MOMENT, default=None, help="When the right to cross ends; without it, never.")
@click.option("--reference", metavar="HEX", default=None, help="Enrolment reference, 16 bytes; without it one that follows from the phone.")
@click.option("--key", "key_name", metavar="NAME", default=None, help="Sign with the region's key of that name, even one that was never published.")
@click.option("--list", "list_name", metavar="NAME", default="1", show_default=True, help="The region's status list that speaks of the pass.")
@click.pass_obj
def issue_command(
    clock: Clock,
    directory: Path,
    region: Region,
    holder: Path | None,
    static: bool,
    output: Path,
    traveller_class: int,
    directions: str,
    valid_for: int,
    permit_until: float | None,
    reference: str | None,
    key_name: str | None,
    list_name: str,
) -> None:
    """Issue a pass of REGION."""
    if (holder is None) != static:
        raise click.UsageError("name the --holder, or say --static")
    now = int(clock.wall())
    holder_key = None if holder is None else load_phone(holder, AUDIENCE).public_key
    with opened(directory) as headquarters:
        uri = status_list_uri(headquarters, region, list_name)
        permit = Permit(
            enrolment_reference=_reference(reference, holder_key),
            issued_at=now,
            lifetime_s=valid_for,
            backdated_s=_BACKDATED_S,
            traveller_class=traveller_class,
            directions=DIRECTIONS[directions],
            permit_until=NO_PERMIT_END if permit_until is None else int(permit_until),
            status_list=list_name,
        )
        state = headquarters.repository.regions[region]
        if key_name is None and not state.keys:
            raise RefusedByStateError(f"{region.value} has no published key", f"gate-authority keys add {directory} {region_role(region)}")  # noqa: EM102
        authority = state.list_signer(now) if key_name is None else headquarters.key(region, key_name)
        index = authority.status_index(permit) % state.shape(uri)[1]
        pass_ = authority.issue(holder_key, replace(permit, status_index=index))
    output.write_bytes(pass_)
    click.echo(f"{output}: pass of {region.value}, class {traveller_class}, key {authority.kid.hex()} ({authority.name}), {len(pass_)} bytes")
    click.echo(f"  valid from {written(now - _BACKDATED_S)} to {written(now + valid_for)}; status {uri}, index {index}")


@click.group("phone")
def phone_group() -> None:
    """Play a traveller's phone."""


@phone_group.command("new")
@click.argument("phone", metavar="PHONE", type=FILE)
@click.option("--seed", default=None, help="The holder key follows from it; without it, a random one.")
def new_command(phone: Path, seed: str | None) -> None:
    """Make a phone: a file with the seed of its holder key."""
    if phone.exists():
        raise RefusedByStateError(f"{phone} exists", "name a new file")  # noqa: EM102
    seed = secrets.token_hex(16) if seed is None else seed
    public_key = Phone(seed, "phone", AUDIENCE).public_key.hex()
    phone.write_text(json.dumps({"note": SIMULATED, "seed": seed, "public_key": public_key}, indent=1) + "\n")
    click.echo(f"{phone}: holder key {public_key}")


@phone_group.command("show")
@click.argument("phone", metavar="PHONE", type=EXISTING_FILE)
@click.option("--pass", "pass_", metavar="FILE", type=EXISTING_FILE, required=True, help="The pass to show.")
@click.option("--audience", default=AUDIENCE, show_default=True, help="Checkpoint or gate that the presentation is for.")
@click.option("--static", is_flag=True, help="Show the pass alone; of a pass that is bound to a phone that is a copy, and refused.")
@click.option("--text", "text_only", is_flag=True, help="Print the text of the QR code and nothing else.")
@click.option("--png", type=FILE, default=None, help="Write the QR code as an image instead of drawing it in the terminal.")
@click.option("--follow", is_flag=True, help="Go on: sign anew every --refresh, until Ctrl-C.")
@click.option("--refresh", type=DURATION, default="30s", show_default=True, help="How often --follow signs anew.")
@click.pass_obj
def show_command(clock: Clock, phone: Path, pass_: Path, audience: str, static: bool, text_only: bool, png: Path | None, follow: bool, refresh: int) -> None:
    """Show a pass: the text of the QR code, and the code itself."""
    if refresh < 1:
        raise click.UsageError("--refresh must be at least 1s")
    shown = load_phone(phone, audience, refresh)
    shown.load(_read_pass_bytes(pass_))
    if _holder_of(pass_) not in (None, shown.public_key):
        click.echo(f"note: {pass_} is bound to another phone; a gate answers presentation_bad_signature", err=True)
    try:
        while True:
            now = clock.wall()
            text = shown.static_text() if static else shown.text_at(now) if follow else shown.present(now)
            _show(text, text_only=text_only, png=png, clear=follow)
            if not follow or static:
                return
            clock.sleep(shown.next_refresh(now) - now)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


def load_phone(path: Path, audience: str, refresh_s: int = 30) -> Phone:
    """The phone in a file.

    Raises:
        StoreError: It is no phone's file.
    """
    try:
        seed = json.loads(path.read_bytes())["seed"]
    except (ValueError, LookupError, TypeError):
        seed = None
    if not isinstance(seed, str):
        raise StoreError(f"{path} is not a phone", f"gate-authority phone new {path}")  # noqa: EM102
    return Phone(seed, "phone", audience, refresh_s=refresh_s)


def status_of(path: Path) -> tuple[str, str, int]:
    """Region, uri of the status list and index that a pass names.

    Raises:
        StoreError: It is no pass.
    """
    try:
        claims = _claims(path)
        entry = claims[65535]["status_list"]
        told = claims[1], entry["uri"], entry["idx"]
    except (LookupError, TypeError):
        raise _not_a_pass(path) from None
    if not (isinstance(told[0], str) and isinstance(told[1], str) and isinstance(told[2], int)):
        raise _not_a_pass(path)
    return told


def status_list_uri(headquarters: Headquarters, region: Region, name: str) -> str:
    """The uri of a region's status list.

    Raises:
        RefusedByStateError: The region has no such list.
    """
    uri = f"{region_role(region)}/status/{name}"
    known = headquarters.repository.regions[region].statuses
    if uri not in known:
        what = f"{region.value} has no status list {name!r}; it has {', '.join(sorted(known))}"
        raise RefusedByStateError(what, f"gate-authority lists add {headquarters.directory} {region_role(region)} {name}")
    return uri


def _show(text: str, *, text_only: bool, png: Path | None, clear: bool) -> None:
    if text_only:
        click.echo(text)
        return
    try:
        import segno
    except ImportError:
        raise GateError("segno, which draws QR codes, is not installed", "pip install 'gate-controller[simulators]', or show the --text") from None
    code = segno.make_qr(text, error="m", boost_error=False)
    if png is not None:
        new = png.with_name(png.name + ".new")
        code.save(str(new), kind="png", scale=4)
        new.replace(png)
        click.echo(f"{png}: QR version {code.designator}, {len(text)} characters")
        return
    drawn = io.StringIO()
    code.terminal(drawn, compact=True)
    if clear:
        click.clear()
    click.echo(text)
    click.echo(drawn.getvalue())


def _reference(given: str | None, holder_key: bytes | None) -> bytes:
    if given is None:
        return hashlib.sha256(b"enrolment of " + (holder_key or b"")).digest()[:16]
    try:
        reference = bytes.fromhex(given)
    except ValueError:
        reference = b""
    if len(reference) != 16:
        raise click.UsageError(f"--reference {given!r} is not 16 bytes in hexadecimal (32 digits)")  # noqa: EM102
    return reference


def _read_pass_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_LARGEST_PASS + 1)
    if not 0 < len(content) <= _LARGEST_PASS:
        raise _not_a_pass(path)
    return content


def _holder_of(path: Path) -> bytes | None:
    """The holder key that a pass is bound to; None: a static pass.

    Raises:
        StoreError: It is no pass.
    """
    try:
        bound = _claims(path).get(8)
        return None if bound is None else bytes(bound[1][-2])
    except (LookupError, TypeError, ValueError):
        raise _not_a_pass(path) from None


def _claims(path: Path) -> dict[Any, Any]:
    try:
        claims = cbor2.loads(cbor2.loads(_read_pass_bytes(path)).value[2])
    except (cbor2.CBORDecodeError, AttributeError, LookupError, TypeError, ValueError):
        raise _not_a_pass(path) from None
    if not isinstance(claims, dict):
        raise _not_a_pass(path)
    return claims


def _not_a_pass(path: Path) -> StoreError:
    return StoreError(f"{path} is not a pass", "name a file that gate-authority issue wrote")
