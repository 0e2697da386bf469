"""gatectl bundle: what support needs, in one archive. Nothing personal: only fields that are named here go in, and ids are hashed with a key of this bundle.

Shows its manifest before it writes. Sends nothing anywhere, and reads neither pictures nor stores.
"""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path

import click

from gate_controller.cli.asking import site_options
from gate_controller.cli.bundle_content import collect
from gate_controller.cli.json_output import print_json
from gate_controller.diagnostics.site import Site, become_gate_user
from gate_controller.ports.errors import ConfigurationError


@click.command("bundle")
@site_options
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=None, help="The archive; default: gate-bundle-TIME.tar.gz here.")
@click.option("--yes", is_flag=True, help="Write it without asking.")
@click.option("--manifest", "only_manifest", is_flag=True, help="Show what would be in it, and write nothing.")
def bundle_command(site: Site, as_json: bool, output: Path | None, yes: bool, only_manifest: bool) -> None:
    """Pack doctor's findings, status, configuration, recent events, metrics and the service's log lines for support.

    Only fields known to hold nothing personal are taken; ids of crossings are hashed, identities, reasons in words, passwords and pictures never go in.
    """
    path = output or Path(f"gate-bundle-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(site.clock.wall()))}.tar.gz")
    directory = path.absolute().parent
    try:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        what = f"{directory}: {error.strerror}"
        raise ConfigurationError(what, "name a directory that exists with --output") from error
    try:
        become_gate_user_unless(only_manifest or os.access(directory, os.W_OK))
        content = collect(site)
        manifest = [{"file": name, "bytes": len(data), "holds": holds} for name, (holds, data) in content.items()]
        if not as_json:
            for each in manifest:
                click.echo(f"{each['file']:<18} {each['bytes']:>8} bytes  {each['holds']}")
        if not only_manifest:
            if not yes and not as_json:
                click.confirm(f"write this to {path}?", abort=True, err=True)
            _write(folder, path, {name: data for name, (_, data) in content.items()}, site.clock.wall())
    finally:
        os.close(folder)
    if as_json:
        print_json({"file": None if only_manifest else str(path), "manifest": manifest})
    elif not only_manifest:
        click.echo(f"{path} written; look into it before you pass it on: tar -xzOf {path} | less")


def become_gate_user_unless(writable: bool) -> None:
    """The bundle is written by whoever asks for it; only a directory that is nobody else's business is written by the gate's user."""
    if not writable:
        become_gate_user()


def _write(folder: int, path: Path, content: dict[str, bytes], at: float) -> None:
    try:
        descriptor = os.open(path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, data in content.items():
                member = tarfile.TarInfo(f"gate-bundle/{name}")
                member.size, member.mtime, member.mode = len(data), int(at), 0o600
                archive.addfile(member, io.BytesIO(data))
    except OSError as error:
        what = f"{path}: {error.strerror}"
        raise ConfigurationError(what, "name another file with --output") from error
