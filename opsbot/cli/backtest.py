"""`opsbot backtest`: what opsbot would have said on recorded data."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.model.report import Report
    from opsbot.model.units import Unit

UNITS = ("count", "percent", "bytes", "seconds", "milliseconds", "usd")
Command = Callable[..., None]


def _file(command: Command) -> Command:
    """What every kind takes."""
    for option in (
        click.option(
            "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the result to this file."
        ),
        click.option(
            "--format", "format_", type=click.Choice(["text", "html", "json"]), default="text", show_default=True
        ),
        click.option("--value", metavar="COLUMN", help="The column that is judged. Default: guessed from the header."),
        click.option("--time", metavar="COLUMN", help="The column of times or days. Default: guessed from the header."),
        click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE.csv"),
    ):
        command = option(command)
    return command


@click.group(short_help="See what would have been said on recorded data.")
def backtest() -> None:
    """What opsbot would have said on recorded data: the same code as in service, shown the past and no more.

    \b
    Examples:
      opsbot backtest metric cpu.csv
      opsbot backtest capacity disk.csv --limit '500 GiB' --unit bytes --format html --output disk.html
      opsbot backtest cost bill.csv --format json
    """


@backtest.command()
@_file
@click.option("--unit", type=click.Choice(UNITS), default="count", show_default=True, help="What the values are.")
@click.option("--direction", type=click.Choice(["both", "up", "down"]), default="both", show_default=True)
@click.option("--min-effect", type=click.FloatRange(0, 1000), default=0.2, show_default=True,
              help="Least difference from the usual, as a share of it.")  # fmt: skip
@click.option("--alerts-per-month", type=click.IntRange(1, 1000), default=4, show_default=True)
@click.pass_obj
def metric(
    options: Options, /, file: Path, time: str | None, value: str | None, format_: str, output: Path | None, unit: str,
    direction: str, min_effect: float, alerts_per_month: int,
) -> None:  # fmt: skip
    """Which points of a metric would have been told as anomalies.

    FILE.csv has a time (ISO 8601 or epoch seconds) and a value a row.

    \b
    Examples:
      opsbot backtest metric cpu.csv --unit percent
      opsbot backtest metric logins.csv --direction down --alerts-per-month 2
      opsbot backtest metric cpu.csv --format html --output cpu.html
    """
    from opsbot.cli import backtest_csv, backtest_json, backtest_report
    from opsbot.evaluate.backtest import replay_metric
    from opsbot.evaluate.seasonal import Direction, Sensitivity
    from opsbot.model.units import Unit

    how = Sensitivity(direction=Direction(direction), min_effect=min_effect, alerts_per_month=alerts_per_month)
    times, values = backtest_csv.points(file, time=time, value=value)
    replay = replay_metric(times, values, how)
    _put(
        options, format_, output, file, points=f"{replay.points:,} points",
        report=lambda: backtest_report.of_metric(replay, times, values, Unit(unit), file.stem),
        json=lambda: backtest_json.of_metric(replay, file.name),
    )  # fmt: skip


@backtest.command()
@_file
@click.option("--limit", required=True, metavar="N", help="What must not be reached: 90, or with a unit '500 GiB'.")
@click.option("--unit", type=click.Choice(UNITS), default="count", show_default=True, help="What the values are.")
@click.pass_obj
def capacity(
    options: Options, /, file: Path, time: str | None, value: str | None, format_: str, output: Path | None, limit: str,
    unit: str,
) -> None:  # fmt: skip
    """What would have been said of a limit at the end of every month, and what came of it.

    FILE.csv has a time and a value a row; of a day with several values the median counts.

    \b
    Examples:
      opsbot backtest capacity disk.csv --limit 90 --unit percent
      opsbot backtest capacity disk.csv --limit '500 GiB' --unit bytes --format html --output disk.html
    """
    from datetime import date

    from opsbot.cli import backtest_csv, backtest_json, backtest_report
    from opsbot.evaluate.backtest import replay_capacity
    from opsbot.evaluate.trend import daily
    from opsbot.model.period import from_epoch
    from opsbot.model.units import Unit

    bound = _limit(limit, Unit(unit))
    times, values = backtest_csv.points(file, time=time, value=value)
    if int(times.max() - times.min()) > 20 * 366 * 86400:
        raise click.ClickException(f"{file.name}: expected 20 years at most between the first and the last time")
    start, days = daily(times.astype(float), values)
    first: date = from_epoch(start).date()
    track = replay_capacity(first, days, bound)
    _put(
        options, format_, output, file, points=f"{days.size:,} days, limit {limit}",
        report=lambda: backtest_report.of_capacity(track, Unit(unit), file.stem),
        json=lambda: backtest_json.of_capacity(track, unit, file.name),
    )  # fmt: skip


@backtest.command()
@_file
@click.option("--floor", type=click.FloatRange(0), default=4.0, show_default=True, metavar="USD",
              help="The least excess a day that is worth a word.")  # fmt: skip
@click.pass_obj
def cost(
    options: Options,
    /,
    file: Path,
    time: str | None,
    value: str | None,
    format_: str,
    output: Path | None,
    floor: float,
) -> None:
    """What would have been told of a bill, on which morning, and when it was over.

    FILE.csv has a day and an amount a row, with service, account, region and usage_type where they are known; or a day
    and a column a service, as the console of Cost Explorer writes it.

    \b
    Examples:
      opsbot backtest cost bill.csv
      opsbot backtest cost bill.csv --floor 20 --format html --output bill.html
    """
    from opsbot.cli import backtest_csv, backtest_json, backtest_report
    from opsbot.cli.show import progress
    from opsbot.evaluate.backtest import replay_cost
    from opsbot.evaluate.cost import Sensitivity

    charges = backtest_csv.charges(file, time=time, value=value)
    span = max(charge.day for charge in charges) - min(charge.day for charge in charges)
    if span.days > 10 * 366:
        raise click.ClickException(f"{file.name}: expected 10 years at most between the first and the last day")
    replay = replay_cost(charges, Sensitivity(floor_usd=floor), progress())
    _put(
        options, format_, output, file, points=f"{replay.daily.size:,} days, {replay.leaves:,} leaves",
        report=lambda: backtest_report.of_cost(replay, file.stem),
        json=lambda: backtest_json.of_cost(replay, file.name),
    )  # fmt: skip


def _limit(text: str, unit: Unit) -> float:
    from opsbot.model.units import convert

    found = re.fullmatch(r"\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([^\d\s]*)\s*", text, re.IGNORECASE)
    try:
        if found is None:
            raise ValueError(f"expected a number, got {text!r}")
        return convert(float(found[1]), found[2], unit)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--limit") from None


def _put(
    options: Options, format_: str, output: Path | None, file: Path, *, points: str, report: Callable[[], Report],
    json: Callable[[], dict[str, object]],
) -> None:  # fmt: skip
    from opsbot.cli.show import colour, put

    if format_ == "json":
        import orjson

        put(orjson.dumps(json(), option=orjson.OPT_INDENT_2).decode(), output)
        return
    made = report()
    put(_rendered(made, file, points, format_, colour(options, to_file=output is not None)), output)


def _rendered(made: Report, file: Path, points: str, format_: str, coloured: bool) -> str:
    from opsbot import __version__
    from opsbot.model.finding import Coverage
    from opsbot.model.report import About
    from opsbot.model.run import Usage

    # Nothing of it depends on the clock: the same file gives the same bytes.
    about = About(
        run_id="", job="backtest", at=made.period.end, zone="UTC", command=_command(), version=__version__,
        environments=0, coverage=Coverage(expected=0, evaluated=0), usage=Usage(), seconds=0.0, recorded=(file.name, points),
    )  # fmt: skip
    if format_ == "html":
        from jinja2 import FileSystemLoader

        from opsbot import home
        from opsbot.render import html

        return html.render(made, about, FileSystemLoader(home.shipped_home() / "report_templates"))
    from opsbot.render import text

    return text.render(made, about, colour=coloured)


def _command() -> str:
    """The command as it was typed, without where its result goes."""
    import sys

    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word == "--output":
            next(words, None)
        elif not word.startswith("--output="):
            kept.append(word)
    return shlex.join(["opsbot", *kept])
