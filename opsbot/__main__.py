"""`opsbot` and `python -m opsbot`: errors become one clear message and an exit code, never a traceback."""

from __future__ import annotations

import sys

import click

from opsbot.cli import cli
from opsbot.errors import ConfigError, OpsbotError


def main() -> None:
    try:
        code = cli.main(prog_name="opsbot", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except OpsbotError as error:
        sys.exit(_tell(error))
    sys.exit(code if isinstance(code, int) else 0)


def _tell(error: OpsbotError) -> int:
    click.echo(f"opsbot: {error.message}", err=True)
    if error.hint:
        click.echo(f"        {error.hint}", err=True)
    return 2 if isinstance(error, ConfigError) else 3


if __name__ == "__main__":
    main()
