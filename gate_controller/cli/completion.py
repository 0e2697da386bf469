"""gatectl completion: what a shell needs to complete gatectl's commands and options. Installs nothing."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_HOW = {
    "bash": 'eval "$(gatectl completion bash)"    # in ~/.bashrc',
    "zsh": 'eval "$(gatectl completion zsh)"    # in ~/.zshrc, after compinit',
    "fish": "gatectl completion fish > ~/.config/fish/completions/gatectl.fish",
}


@click.command("completion", epilog="\b\n" + "\n".join(_HOW.values()))
@click.argument("shell", type=click.Choice(list(_HOW)))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print the completion for SHELL, to be read by it at its start."""
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(context.find_root().command, {}, "gatectl", "_GATECTL_COMPLETE").source(), nl=False)
