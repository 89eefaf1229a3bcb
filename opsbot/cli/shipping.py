"""`opsbot _ship`: the daemon's log lines from stdin to CloudWatch Logs, in a process that may be slow or die."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from opsbot.aws.shipping import Shipper

FLUSH_SECONDS = 2.0


@click.command(hidden=True)
@click.argument("group")
@click.argument("stream")
def ship(group: str, stream: str) -> int:
    """Read log lines until the daemon ends, and ship them.

    \b
    Example:
      opsbot --log-format json serve 2>&1 | opsbot _ship /opsbot/daemon host-1
    """
    from opsbot import app
    from opsbot.aws import shipping

    shipper = shipping.Shipper(shipping.client(), group, stream, app.now)
    ended, told = threading.Event(), ""
    threading.Thread(target=_read, args=(shipper, ended), daemon=True).start()
    while not ended.wait(FLUSH_SECONDS):
        shipper.flush()
        if shipper.trouble and shipper.trouble != told:
            # Our stderr is the daemon's own: whoever reads it learns why the copy is missing.
            click.echo(f"opsbot: CloudWatch Logs {group}: {shipper.trouble}", err=True)
        told = shipper.trouble
    return 0 if shipper.flush() else 3


def _read(shipper: Shipper, ended: threading.Event) -> None:
    for line in sys.stdin:
        shipper.add(line)
    ended.set()
