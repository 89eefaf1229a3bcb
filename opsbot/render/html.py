"""The report as one self-contained HTML file, and the placing that mail shares with it.

Templates come from the home and are sandboxed; they get cleaned, formatted values and only place them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import BaseLoader, Environment, StrictUndefined, Template, TemplateError, TemplateNotFound
from jinja2.sandbox import SandboxedEnvironment

from opsbot.errors import OpsbotError
from opsbot.model.report import About, ChartSpec, Report, Strip
from opsbot.render import chart, strip
from opsbot.render.format import clean
from opsbot.render.tokens import DARK, LIGHT, MARKS, MONO, SANS
from opsbot.render.trend import trend
from opsbot.render.view import Line, Page, chart_anchor, page

_MOST = 200  # findings told in full in one list
_TRENDS = 60
# Rows of a table beside that many findings; a mail is cut off where it gets too long.
_MANY, _FEW = 40, 6


@dataclass(frozen=True, slots=True)
class Picture:
    """Where a chart's image is, in light and perhaps in dark; or the note that stands in its place."""

    src: str
    dark: str = ""
    note: str = ""


def render(report: Report, about: About, templates: BaseLoader, *, twins: bool = True) -> str:
    """One file without a single outside reference: charts inside, with dark twins unless `twins` is False."""
    view = page(report, about)

    def draw(spec: ChartSpec) -> Picture:
        light = chart.safely(spec, "light", about.zone)
        dark = chart.safely(spec, "dark", about.zone) if twins and light.png else None
        return Picture(_inline(light.png), _inline(dark.png) if dark else "", light.note)

    return place(view, about.job, templates, draw=draw, trend=_trends(view), bars=_bars, most=_MOST, mail=False)


def place(
    view: Page,
    job: str,
    templates: BaseLoader,
    *,
    draw: Callable[[ChartSpec], Picture],
    trend: Callable[[Line], str],
    bars: Callable[[Strip], str],
    most: int,
    mail: bool,
) -> str:
    """The template of this job, filled. Raises OpsbotError naming the template and the line where it is wrong."""
    try:
        return _template(templates, job).render(
            p=view, c=LIGHT, k=DARK, marks=MARKS, sans=SANS, mono=MONO, draw=draw, trend=trend, bars=bars, most=most,
            mail=mail, room=lambda: most + (_FEW if mail else _MANY), strip_size=strip.size,
            kind_of=lambda part: type(part).__name__, anchor_of=chart_anchor,
        )  # fmt: skip
    except TemplateError as error:
        where = f"{getattr(error, 'name', None) or 'report.html.j2'}"
        at = f", line {error.lineno}" if hasattr(error, "lineno") else ""
        raise OpsbotError(f"report_templates/{where}{at}: {clean(str(error))}", hint="correct the template") from error


def _template(templates: BaseLoader, job: str) -> Template:
    names = [f"{job.replace('-', '_')}.html.j2", "report.html.j2"]
    environment = _environment(templates)
    try:
        return environment.select_template(names)
    except TemplateNotFound as error:
        if error.name not in (None, *names):
            raise
        raise OpsbotError("report_templates/report.html.j2: not found", hint="copy it from the shipped home") from error


@lru_cache(maxsize=8)
def _environment(templates: BaseLoader) -> Environment:
    return SandboxedEnvironment(
        loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode() if png else ""


def _bars(row: Strip) -> str:
    return _inline(strip.picture(row.bars))


def _trends(view: Page) -> Callable[[Line], str]:
    """A word-sized trend for the first findings that have a series."""
    drawn = {line.anchor for line in [line for line in view.lines if line.values][:_TRENDS]}
    return lambda line: _inline(trend(line.values, line.threshold, line.verdict)) if line.anchor in drawn else ""
