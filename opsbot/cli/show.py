"""The terminal: colour only where it is wanted, progress only where nobody reads it as data."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from opsbot.cli import Options
from opsbot.ports import Progress, quiet


def colour(options: Options, *, to_file: bool) -> bool:
    if to_file or options.color == "never":
        return False
    if options.color == "always":
        return True
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def progress() -> Progress:
    """A line on stderr that is rewritten; only when both stdout and stderr are terminals."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        return quiet

    def tell(label: str, done: int, total: int) -> None:
        ending = "\r\x1b[K" if done >= total else ""
        click.echo(f"\r\x1b[K{label} {done}/{total}{ending}", err=True, nl=False)

    return tell


def put(text: str, output: Path | None) -> None:
    """Print the result, or write it to the file that was named."""
    if output is None:
        click.echo(text, nl=not text.endswith("\n"), color=True)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
