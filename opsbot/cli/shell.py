"""`opsbot completion`: what the shell needs to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(short_help="Print the completion script for your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    Examples:
      eval "$(opsbot completion bash)"
      opsbot completion fish > ~/.config/fish/completions/opsbot.fish
    """
    from opsbot.cli import cli

    made = get_completion_class(shell)
    if made is None:  # pragma: no cover  click knows the three shells offered above
        raise click.UsageError(f"no completion for {shell}")
    click.echo(made(cli, {}, "opsbot", "_OPSBOT_COMPLETE").source())
