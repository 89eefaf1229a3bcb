"""`opsbot audit`: what people and opsbot did, in a log whose rows hang together."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.audit import Sealed

_COLUMNS = ("seq", "at", "actor", "login", "via", "what", "about", "environment", "detail", "before", "seal")


@click.group(short_help="Verify and export the log of what was done, and by whom.")
def audit() -> None:
    """The audit log: every acknowledgement, note, approval and change, each row sealed with the row before it."""


@audit.command("verify")
@click.option("--head", metavar="SEAL", default="", help="A seal that was kept elsewhere and must be in the log.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def verify(options: Options, head: str, format_: str) -> int:
    """Find every row that was changed, taken out or put in. Exit 1 if there is one. Whoever can write the whole database
    could forge the whole log; keep the head that is printed somewhere else, and give it with --head the next time.

    \b
    Examples:
      opsbot audit verify
      opsbot audit verify --head 3f9c2a...
    """
    from opsbot.audit import faults
    from opsbot.cli.incident_stage import opened
    from opsbot.render.format import clean

    _, store = opened(options)
    log = store.audit()
    wrong = [clean(fault) for fault in faults(log.rows(), log.head(), head.strip().lower())]
    end = log.head()
    if format_ == "json":
        shown = {"schema": "opsbot.audit-verify/1", "rows": end.seq, "head": end.seal, "faults": wrong}
        click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
        return 1 if wrong else 0
    for fault in wrong:
        click.echo(fault)
    if not wrong:
        click.echo(f"{end.seq} rows, all of them as they were written; head {end.seal}")
    return 1 if wrong else 0


@audit.command("export")
@click.option("--since", metavar="TIME", help="Only rows from then on, such as -30d.")
@click.option("--format", "format_", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@click.pass_obj
def export(options: Options, since: str | None, format_: str, output: Path | None) -> None:
    """Print the log, one row a line, seals included; the head goes to stderr.

    \b
    Examples:
      opsbot audit export > audit.jsonl
      opsbot audit export --since -30d --format csv --output audit.csv
    """
    from opsbot import app
    from opsbot.cli.incident_stage import opened
    from opsbot.cli.moment import moment

    config, store = opened(options)
    start = moment(since, now=app.now(), zone=config.timezone, option="--since") if since else None
    rows = store.audit().rows(since=start)
    if output is None:
        _write(rows, format_, sys.stdout)
    else:
        with output.open("w", encoding="utf-8", newline="") as out:
            _write(rows, format_, out)
    head = store.audit().head()
    click.echo(f"head {head.seal} (row {head.seq})", err=True)


def _write(rows: Any, format_: str, out: TextIO) -> None:
    table = csv.DictWriter(out, _COLUMNS)
    if format_ == "csv":
        table.writeheader()
    for row in rows:
        told = _plain(row)
        if format_ == "csv":
            table.writerow({name: _cell(value) for name, value in told.items()})
        else:
            out.write(json.dumps(told, ensure_ascii=False) + "\n")


def _cell(value: Any) -> str:
    """A spreadsheet must not take what somebody typed for a formula, nor a terminal for a command."""
    from opsbot.render.format import clean

    text = clean(json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value))
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _plain(row: Sealed) -> dict[str, Any]:
    act = row.act
    return {
        "seq": row.seq, "at": act.at.isoformat(timespec="microseconds"), "actor": act.actor.name,
        "login": act.actor.login, "via": act.actor.via, "what": act.what, "about": act.about,
        "environment": act.environment, "detail": dict(act.detail), "before": row.before, "seal": row.seal,
    }  # fmt: skip
