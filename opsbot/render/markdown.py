"""The report as Markdown, for tickets and wikis: GitHub's flavour, no HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opsbot.model.report import About, Charts, ChartSpec, Facts, Prose, Report, Score, Scorecard, Strip, Strips, Table
from opsbot.render import letters, strip
from opsbot.render.text import cell_text
from opsbot.render.tokens import MARKS
from opsbot.render.view import Line, Lines, Part, page

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$])")
_ADDRESS = re.compile(r"(?i)(?<=http)(s?):|(?<=www)\.")
# GitHub looks for these after Markdown was read, when escapes and entities are gone: only a gap between helps.
_CALL = re.compile(r"@|#(?=\d)")
_GAP = "&#8203;"
_LETTERS, _TREND = 45, 24


def render(report: Report, about: About) -> str:
    """Headings, lists and tables; data never becomes markup, a mention or a link."""
    view = page(report, about)
    out = [
        f"# {view.mark.glyph} {view.mark.word}: {escape(view.headline)}",
        "",
        f"{escape(view.title)}, {escape(view.when)}, {escape(view.scope)}. {escape(view.evaluated)}.",
    ]
    if view.lede:
        out += ["", escape(view.lede)]
    for chapter in view.chapters:
        out += ["", f"## {escape(chapter.title)}", ""]
        out += [f"{escape(chapter.aside)}", ""] if chapter.aside else []
        for part in chapter.parts:
            out += _part(part, view.zone)
    out += ["", "---", ""]
    out += [f"- **{name}:** {code(value) if name == 'Reproduce' else escape(value)}" for name, value in view.footer]
    out += [f"- **Report:** <{view.url}>"] if view.url else []
    return "\n".join(out) + "\n"


def escape(text: str) -> str:
    """Text as text: nothing in it is markup, HTML, a mention, an issue's number or an address."""
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = _CALL.sub(rf"\g<0>{_GAP}", plain)
    plain = _ADDRESS.sub(lambda found: "".join(f"&#{ord(c)};" if c in ":." else c for c in found[0]), plain)
    return re.sub(r"^(\d+)\. ", r"\1\\. ", re.sub(r"^([-=])", r"\\\1", _unhashed(plain)))


def _unhashed(text: str) -> str:
    """Specials escaped, entities left whole."""
    parts = re.split(r"(&#?\w+;)", text)
    return "".join(part if place % 2 else _SPECIAL.sub(r"\\\1", part) for place, part in enumerate(parts))


def code(text: str) -> str:
    """Code that a back quote inside cannot end."""
    fence = "``" if "`" in text else "`"
    return f"{fence} {text.replace('``', chr(39) * 2)} {fence}" if "`" in text else f"`{text}`"


def _part(part: Part, zone: str) -> list[str]:
    match part:
        case Prose():
            return [escape(part.text), ""]
        case Facts():
            return [*(f"- **{escape(name)}:** {escape(value)}" for name, value in part.pairs), ""]
        case Table():
            return [*_table(part), ""]
        case Lines():
            more = [f"- and {part.others} more"] if part.others else []
            return [*(text for line in part.lines for text in _finding(line)), *more, ""]
        case Scorecard():
            return [*map(_score, part.scores), ""]
        case Strips():
            rows = (
                f"- `{_letters(row)}` {escape(row.name)}: {escape(row.figure)}, {escape(row.words)}"
                for row in part.rows
            )
            return [*rows, *([f"- and {part.others} more"] if part.others else []), ""]
        case ChartSpec():
            return [*_chart(part, zone), ""] if part.bars or part.band or part.ahead or part.marks else []
        case Charts():
            more = [f"- and {part.others} more"] if part.others else []
            return [*map(_multiple, part.specs), *more, ""]


def _chart(spec: ChartSpec, zone: str) -> Iterator[str]:
    """In characters, in a block of code: nothing of it comes from outside but figures."""
    yield f"**{escape(spec.title)}**"
    yield from (["", escape(spec.detail)] if spec.detail else [])
    yield from ("", "```text", *letters.drawn(spec, zone, 90), "```")
    yield from (line for text in letters.told(spec, zone) for line in ("", escape(text)))


def _multiple(spec: ChartSpec) -> str:
    drawn = letters.spark(spec.series.values, _TREND)
    return " ".join(filter(None, (f"- `{drawn}`" if drawn else "-", escape(spec.title), escape(spec.detail))))


def _score(score: Score) -> str:
    told = (f"{score.name}: {score.value}, target {score.target}", score.change)
    drawn = letters.spark(score.trend, _TREND)
    return (
        f"- {MARKS[score.status.verdict].glyph} {escape('; '.join(filter(None, told)))}{f' `{drawn}`' if drawn else ''}"
    )


def _letters(row: Strip) -> str:
    return "".join(text for _, text in strip.letters(row.bars, _LETTERS))


def _finding(line: Line) -> Iterator[str]:
    far = f" **{escape(line.now)}**" + (f", limit {escape(line.limit)}" if line.limit else "") if line.now else ""
    begun = f", {escape(line.begun)}" if line.begun else ""
    yield f"- {line.mark.glyph} **{escape(line.environment)}** {escape(line.what)}:{far}{begun}"
    said = " ".join(filter(None, (line.sentence, line.means)))
    if said:
        yield f"  {escape(said)}"
    after = ": ".join(filter(None, (escape(line.owner), code(line.command) if line.command else "")))
    if after:
        yield f"  {after}"


def _table(table: Table) -> Iterator[str]:
    yield _row([escape(column.title) for column in table.columns])
    yield _row([{"right": "--:", "center": ":-:"}.get(column.align, "---") for column in table.columns])
    for row in table.rows:
        yield _row([escape(cell_text(cell)) for cell in row.cells])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
