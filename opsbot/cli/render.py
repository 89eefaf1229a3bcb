"""`opsbot render`: a report of every block there is, for people who write templates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from jinja2 import BaseLoader

    from opsbot.errors import OpsbotError, Problem
    from opsbot.home import Home
    from opsbot.model.report import About, Report

FORMATS = ("html", "email", "slack", "text", "markdown")


@click.command(short_help="Show a sample report with your templates.")
@click.argument("job", metavar="JOB")
@click.option("--sample", is_flag=True, help="A frozen report that holds every kind of block, with long and odd names.")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="html", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the result to this file.")
@click.pass_obj
def render(options: Options, job: str, sample: bool, format_: str, output: Path | None) -> int:
    """Show how JOB's reports look with your templates, without asking AWS anything.

    A template that fails is named on stderr with its line; what comes out is then what your readers would get.

    \b
    Examples:
      opsbot render weekly_report --sample --output sample.html
      opsbot render daily_health --sample --format email --output sample.eml
      opsbot render daily_health --sample --format slack
    \b
    Exit codes: 0 done; 2 usage, or a template that is wrong.
    """
    if not sample:
        raise click.UsageError(
            "say --sample: it is the sample that is rendered; a report that was made: opsbot reports show last"
        )
    templates, name = _templates(options, job)
    body, error = _rendered(name, format_, templates)
    _put(body, output)
    if error:
        click.echo(f"{error.message}; {error.hint}", err=True)
    return 2 if error else 0


def mistakes(place: Home) -> list[Problem]:
    """What is wrong with a home's own templates, each tried with the sample."""
    from opsbot import app
    from opsbot.errors import Problem

    own = {file.path.name.partition(".")[0] for file in place.templates() if not file.shipped}
    with_own = own & {file.name for file in place.jobs()}
    tried = [*sorted(with_own), *(["report"] if own - with_own else [])]
    errors = [_rendered(job, "html", app.templates(place))[1] for job in tried]
    parted = (error.message.partition(": ") for error in errors if error)
    return list(dict.fromkeys(Problem(where, what) for where, _, what in parted))


def _templates(options: Options, job: str) -> tuple[Sequence[BaseLoader], str]:
    """Those a run of this job would use, and the job's name as its file says it."""
    import os

    from opsbot import app, home
    from opsbot.cli.moment import known

    place = home.find(options.home_option, os.environ, Path.cwd())
    names = [file.name for file in place.jobs()]
    return app.templates(place), known(job.replace("-", "_"), names, what="job", option="JOB")


def _rendered(job: str, format: str, templates: Sequence[BaseLoader]) -> tuple[bytes, OpsbotError | None]:
    """What readers would get, and what is wrong with the home's templates."""
    from opsbot import __version__
    from opsbot.compose import noted
    from opsbot.errors import OpsbotError
    from opsbot.render import specimen

    about, report = specimen.about(job, __version__), specimen.report(job)
    own, shipped = templates
    try:
        return _bytes(report, about, format, own), None
    except OpsbotError as error:
        return _bytes(noted(report, about, error), about, format, shipped), error


def _bytes(report: Report, about: About, format: str, loader: BaseLoader) -> bytes:
    match format:
        case "html":
            from opsbot.render import html

            return html.render(report, about, loader).encode()
        case "email":
            return _mail(report, about, loader)
        case "slack":
            import json

            from opsbot.render import slack

            return json.dumps(slack.render(report, about), ensure_ascii=False, indent=1).encode() + b"\n"
        case "markdown":
            from opsbot.render import markdown

            return markdown.render(report, about).encode()
        case _:
            from opsbot.render import text

            return text.render(report, about, colour=False).encode()


def _mail(report: Report, about: About, loader: BaseLoader) -> bytes:
    from opsbot.render import email

    return email.render(
        report, about, loader, sender="opsbot@example.org", to=["you@example.org"], domain="example.org",
        message_id="<sample@example.org>",
    )  # fmt: skip


def _put(body: bytes, output: Path | None) -> None:
    """As it is: a mail's lines end as mail's lines do."""
    if output is None:
        click.echo(body, nl=False)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(body)
