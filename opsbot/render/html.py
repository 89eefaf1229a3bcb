"""The report as one self-contained HTML file, and the placing that mail shares with it.

Templates come from the home and are sandboxed; they get cleaned, formatted values and only place them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from traceback import extract_tb

from jinja2 import BaseLoader, Environment, StrictUndefined, Template, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from opsbot.errors import OpsbotError
from opsbot.model.report import About, ChartSpec, Report, Strip
from opsbot.model.status import Verdict
from opsbot.render import plot, strip, svg
from opsbot.render.format import clean, clip
from opsbot.render.tokens import DARK, LIGHT, MARKS, MONO, SANS, ThemeName
from opsbot.render.trend import trend
from opsbot.render.view import Line, Page, chart_anchor, page

_ANY = "report.html.j2"
_SAID = 300
_MOST = 200  # findings told in full in one list
_TRENDS = 60
# Rows of a table beside that many findings; a mail is cut off where it gets too long.
_MANY, _FEW = 40, 6


@dataclass(frozen=True, slots=True)
class Picture:
    """Where a chart's image is, in light and perhaps in dark and for phones; or the note that stands in its place."""

    src: str
    dark: str = ""
    note: str = ""
    narrow: str = ""
    narrow_dark: str = ""


def render(report: Report, about: About, templates: BaseLoader, *, twins: bool = True) -> str:
    """One file without a single outside reference: charts inside as SVG, with dark twins unless `twins` is False."""
    view = page(report, about)

    def one(spec: ChartSpec, theme: ThemeName, size: plot.Size) -> str:
        return _vector(svg.safely(spec, theme, about.zone, size).svg) if twins or theme == "light" else ""

    def draw(spec: ChartSpec, small: bool = False) -> Picture:
        if small:
            light = svg.safely(spec, "light", about.zone, "small")
            return Picture(_vector(light.svg), one(spec, "dark", "small"), light.note)
        light = svg.safely(spec, "light", about.zone)
        narrow = one(spec, "light", "phone"), one(spec, "dark", "phone")
        return Picture(_vector(light.svg), one(spec, "dark", "large"), light.note, *narrow)

    placing = Placing(draw=draw, trend=_trends(view), bars=_bars, word=_word, most=_MOST, mail=False)
    return place(view, about.job, templates, placing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """Where pictures come from: a page holds them, a mail carries them beside it. `most` findings are told in full,
    and `rows` of a table where that is not 0.

    `draw` gives a chart, large or small; `trend` the word-sized one of a finding, `word` that of a cell or score, `bars`
    the days of a strip: each an address for `src`, empty where there is none.
    """

    draw: Callable[..., Picture]
    trend: Callable[[Line], str]
    bars: Callable[[Strip], str]
    word: Callable[[tuple[float | None, ...], Verdict], str]
    most: int
    mail: bool
    rows: int = 0


def place(view: Page, job: str, templates: BaseLoader, placing: Placing) -> str:
    """The template of this job, filled. Raises OpsbotError naming the template and the line where it is wrong."""
    most, mail = placing.most, placing.mail
    try:
        made = _template(templates, job).render(
            p=view, c=LIGHT, k=DARK, marks=MARKS, sans=SANS, mono=MONO, draw=placing.draw, trend=placing.trend,
            bars=placing.bars, word=placing.word, most=most, mail=mail, room=lambda: placing.rows or most + (_FEW if mail else _MANY),
            strip_size=strip.size, sizes=plot.SIZES, kind_of=lambda part: type(part).__name__,
            anchor_of=chart_anchor,
        )  # fmt: skip
        # Half of a character is written by nobody's editor, but a template can compute it: no sink takes it.
        made.encode()
    except OpsbotError:
        raise
    except Exception as error:  # noqa: BLE001  a home's template may raise anything, and the report must still be told
        wrong = OpsbotError(f"{_where(error)}: {_what(error)}", hint="correct the template")
        wrong.__cause__ = error
    else:
        return made
    raise wrong


def _where(error: Exception) -> str:
    """The template and its line; and from where it was called, if that was another one."""
    if isinstance(error, TemplateSyntaxError):
        return f"report_templates/{error.name or _ANY}, line {error.lineno}"
    if isinstance(error, UnicodeDecodeError):
        return "report_templates: a file that is not UTF-8"
    if isinstance(error, OSError) and error.filename:
        return f"report_templates/{PurePath(str(error.filename)).name}"
    frames = [(PurePath(frame.filename).name, frame.lineno) for frame in extract_tb(error.__traceback__)]
    frames = [(name, line) for name, line in frames if name.endswith(".j2")]
    if not frames:
        return f"report_templates/{getattr(error, 'name', None) or _ANY}"
    name, line = frames[-1]
    callers = reversed(frames if name != frames[0][0] else ())
    caller = next((f" (called from {other}, line {at})" for other, at in callers if other != name), "")
    return f"report_templates/{name}, line {line}{caller}"


def _what(error: Exception) -> str:
    if isinstance(error, TemplateNotFound):
        return f"there is no template {clean(str(error))}"
    return clip(clean(str(error)) or type(error).__name__, _SAID)


def _template(templates: BaseLoader, job: str) -> Template:
    names = [f"{job.replace('-', '_')}.html.j2", _ANY]
    environment = _environment(templates)
    try:
        return environment.select_template(names)
    except TemplateNotFound as error:
        if error.name not in (None, *names):
            raise
        raise OpsbotError(f"report_templates/{_ANY}: not found", hint="copy it from the shipped home") from error


@lru_cache(maxsize=8)
def _environment(templates: BaseLoader) -> Environment:
    return SandboxedEnvironment(
        loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode() if png else ""


def _vector(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode() if svg else ""


def _word(values: tuple[float | None, ...], verdict: Verdict) -> str:
    return _inline(trend(values, None, verdict)) if values else ""


def _bars(row: Strip) -> str:
    return _inline(strip.picture(row.bars))


def _trends(view: Page) -> Callable[[Line], str]:
    """A word-sized trend for the first findings that have a series."""
    drawn = {line.anchor for line in [line for line in view.lines if line.values][:_TRENDS]}
    return lambda line: _inline(trend(line.values, line.threshold, line.verdict)) if line.anchor in drawn else ""
