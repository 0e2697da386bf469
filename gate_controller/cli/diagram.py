"""`gatectl diagram`: the state diagram, generated from the core's table."""

from __future__ import annotations

from pathlib import Path

import click

from gate_controller.core.diagram import mermaid, page


@click.command(name="diagram")
@click.option("--write", "target", type=click.Path(path_type=Path, dir_okay=False), help="Write the documentation page there instead of printing Mermaid.")
def diagram_command(target: Path | None) -> None:
    """Print the lane's state diagram as Mermaid text."""
    if target is None:
        click.echo(mermaid(), nl=False)
        return
    try:
        target.write_text(page(), encoding="utf-8")
    except OSError as error:
        msg = f"{target}: {error.strerror}"
        raise click.ClickException(msg) from error
