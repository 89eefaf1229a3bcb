"""The report for a terminal, and the plain part of a mail. Colour is put on last, and only where it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from opsbot.model.report import About, Cell, Charts, ChartSpec, Facts, Prose, Report, Scorecard, Strips, Table
from opsbot.model.status import Status, Verdict
from opsbot.render import letters, strip
from opsbot.render.format import count, fit, pad, width
from opsbot.render.letters import spark
from opsbot.render.tokens import MARKS
from opsbot.render.view import Chapter, Line, Lines, Page, Part, page

_SHOWN = 30
_TREND = 12  # columns of a trend in a table
_LEAST = 26  # columns in which a finding can still be recognised
_BOLD, _DIM = "1", "2"
Paint = Callable[[str, str], str]


def render(report: Report, about: About, *, colour: bool, width: int = 100, verbose: bool = False) -> str:
    """Plain text, `width` columns where names allow it; `verbose` adds evidence, trends and what was left out."""
    return "\n".join(line.rstrip() for line in _lines(page(report, about), _painter(colour), width, verbose)) + "\n"


def _painter(colour: bool) -> Paint:
    return (lambda text, style: f"\x1b[{style}m{text}\x1b[0m" if text else "") if colour else (lambda text, style: text)


def _lines(view: Page, paint: Paint, columns: int, verbose: bool) -> Iterator[str]:
    mark = view.mark
    yield f"{paint(f'{mark.glyph} {mark.word.upper()}', mark.ansi)}  {paint(view.headline, _BOLD)}"
    yield from (paint(line, _DIM) for line in wrap(f"{view.title}, {view.when}, {view.scope}", columns))
    yield from (paint(line, _DIM) for line in wrap(" in ".join(filter(None, (view.evaluated, view.took))), columns))
    if view.lede:
        yield ""
        yield from wrap(view.lede, columns)
    for chapter in view.chapters:
        yield ""
        aside = f"  {chapter.aside}" if chapter.aside else ""
        yield paint(chapter.title.upper(), _BOLD) + paint(aside, _DIM)
        yield from _chapter(chapter, paint, columns, verbose, view.zone)
    yield ""
    yield from _pairs([*view.footer, *([("Report", view.url)] if view.url else [])], paint, columns)


def _chapter(chapter: Chapter, paint: Paint, columns: int, verbose: bool, zone: str) -> Iterator[str]:
    for part in chapter.parts:
        yield from _part(part, paint, columns, verbose, zone)


def _part(part: Part, paint: Paint, columns: int, verbose: bool, zone: str) -> Iterator[str]:
    match part:
        case Prose():
            yield from wrap(part.text, columns)
        case Facts():
            yield from _pairs(part.pairs, paint, columns)
        case Table():
            yield from _table(part, paint, columns)
        case Lines():
            yield from _findings(part, paint, columns, verbose)
        case Scorecard():
            yield from _scores(part, paint, columns)
        case Strips():
            yield from _strips(part, paint, columns)
        case ChartSpec():
            if verbose or part.bars or part.band or part.ahead or part.marks:
                yield from _chart(part, paint, columns, zone)
        case Charts():
            yield from _charts(part, paint, columns, zone, verbose)


def _chart(spec: ChartSpec, paint: Paint, columns: int, zone: str) -> Iterator[str]:
    yield from wrap(spec.title, columns)
    yield from (paint(line, _DIM) for line in wrap(spec.detail, columns))
    yield from letters.drawn(spec, zone, columns)
    for line in letters.told(spec, zone):
        yield from (paint(text, _DIM) for text in wrap(line, columns, "  "))
    yield ""


def _charts(part: Charts, paint: Paint, columns: int, zone: str, verbose: bool) -> Iterator[str]:
    """A line each, trend last; drawn in full when verbose."""
    if verbose:
        for spec in part.specs:
            yield from _chart(spec, paint, columns, zone)
    else:
        names = min(40, max((width(spec.title) for spec in part.specs), default=0))
        for spec in part.specs:
            drawn = spark(spec.series.values, 2 * _TREND)
            yield f"{pad(fit(spec.title, names), names)}  {pad(drawn, 2 * _TREND)}  {fit(spec.detail, columns - names - 2 * _TREND - 4)}"
    if part.others:
        yield paint(f"and {count(part.others)} more", _DIM)


def wrap(text: str, columns: int, indent: str = "") -> Iterator[str]:
    """Lines of at most `columns`, counted as a terminal counts; a word too long for a line is cut."""
    line = ""
    for word in text.split():
        while width(indent + word) > columns:
            head = _fitting(word, columns - width(indent) - (width(line) + 1 if line else 0))
            yield f"{indent}{line} {head}" if line else indent + head
            word, line = word[len(head) :], ""
        if line and width(f"{indent}{line} {word}") > columns:
            yield indent + line
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield indent + line


def _fitting(word: str, columns: int) -> str:
    end = 1
    while end < len(word) and width(word[: end + 1]) <= columns:
        end += 1
    return word[:end]


def _pairs(pairs: Iterable[tuple[str, str]], paint: Paint, columns: int) -> Iterator[str]:
    pairs = tuple(pairs)
    first = min(24, max((width(name) for name, _ in pairs), default=0)) + 2
    for name, value in pairs:
        head, *rest = tuple(wrap(value, columns - first)) or ("",)
        yield paint(pad(fit(name, first - 2), first), _DIM) + head
        yield from (" " * first + line for line in rest)


def _findings(part: Lines, paint: Paint, columns: int, verbose: bool) -> Iterator[str]:
    shown = part.lines if verbose else part.lines[:_SHOWN]
    rows = [
        [line.environment, line.what, line.now, f"limit {line.limit}" if line.limit else "", line.begun]
        for line in shown
    ]
    widths = _widths(rows)
    beside = _total(widths) - columns <= max(0, widths[1] - _LEAST)
    if not beside:  # on a narrow page the last column reads better in the sentence below
        widths[4] = 0
    _narrow(widths, columns)
    for line, row in zip(shown, rows, strict=True):
        cells = [fit(text, size) for text, size in zip(row, widths, strict=True)]
        name = paint(cells[0], _BOLD) + " " * (widths[0] - width(cells[0]))
        now = paint(pad(cells[2], widths[2], "right"), line.mark.ansi)
        glyph = paint(line.mark.glyph, line.mark.ansi)
        yield f"{glyph} {name}  {pad(cells[1], widths[1])}  {now}  {pad(cells[3], widths[3])}  {cells[4]}"
        yield from _beneath(line, cells, paint, columns, "" if beside else line.begun)
        yield from _evidence(line, paint, columns) if verbose else ()
    left = part.others + len(part.lines) - len(shown)
    if left:
        # What the report itself left out is nowhere; only what this page cut can be asked for.
        hint = "; all of them with --verbose" if left > part.others and not part.others else ""
        yield paint(f"  and {count(left)} more{hint}", _DIM)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max((width(row[place]) for row in rows), default=0) for place in range(5)]


def _total(widths: Sequence[int]) -> int:
    return 2 + sum(widths) + 2 * (len(widths) - 1)


def _narrow(widths: list[int], columns: int) -> None:
    """Where the line would still be too long, the middle column gives way, then the first."""
    for place, least in ((1, _LEAST), (0, 12), (1, 0)):
        widths[place] -= max(0, min(_total(widths) - columns, widths[place] - least))


def _beneath(line: Line, cells: Sequence[str], paint: Paint, columns: int, begun: str) -> Iterator[str]:
    """Sentences, owner and runbook; and the names in full where the line above had to cut them."""
    cut = [whole for whole, shown in ((line.environment, cells[0]), (line.resource, cells[1])) if whole not in shown]
    names = f"{', '.join(cut)}: " if cut else ""
    since = f" {begun[:1].upper()}{begun[1:]}." if begun else ""
    yield from wrap(f"{names}{line.sentence} {line.means}{since}".strip(), columns, "  ")
    tail = [f"{line.owner}:" if line.owner else "", line.command]
    if any(tail):
        yield from (paint(text, _DIM) for text in wrap(" ".join(filter(None, tail)).rstrip(":"), columns, "  "))


def _evidence(line: Line, paint: Paint, columns: int) -> Iterator[str]:
    for name, value in line.evidence:
        yield from (paint(text, _DIM) for text in wrap(f"{name}: {value}", columns, "    "))


def _table(table: Table, paint: Paint, columns: int) -> Iterator[str]:
    heads = [column.title for column in table.columns]
    grid = [[cell_text(cell) for cell in row.cells] for row in table.rows]
    widths = [max(width(row[place]) for row in [heads, *grid]) for place in range(len(heads))]
    widths[:1] = [min(size, 32) for size in widths[:1]]
    aligns = [column.align for column in table.columns]
    if sum(widths) + 2 * len(widths) - 2 > columns:
        yield from _listed(table, columns)
        return
    yield paint(
        "  ".join(pad(text, size, align) for text, size, align in zip(heads, widths, aligns, strict=True)), _DIM
    )
    for row, texts in zip(table.rows, grid, strict=True):
        cells = (pad(fit(text, size), size, align) for text, size, align in zip(texts, widths, aligns, strict=True))
        yield "  ".join(_coloured(text, cell, paint) for text, cell in zip(cells, row.cells, strict=True))
        yield from wrap(row.note, columns, "   ")


def _listed(table: Table, columns: int) -> Iterator[str]:
    """A table too wide for the page, a row a paragraph: what is not OK by name, the rest as one mark."""
    for row in table.rows:
        said = [
            f"{column.title} {cell_text(cell)}"
            for column, cell in list(zip(table.columns, row.cells, strict=True))[1:]
            if (cell.status.rank > Status.INFO.rank if cell.status else cell.text not in ("", "–"))
        ]
        yield from wrap(f"{row.cells[0].text}: {', '.join(said) or MARKS[Verdict.OK].glyph}", columns)
        yield from wrap(row.note, columns, "   ")


def _coloured(text: str, cell: Cell, paint: Paint) -> str:
    return text if cell.status is None else paint(text, MARKS[cell.status.verdict].ansi)


def cell_text(cell: Cell) -> str:
    """A cell without its colour: the glyph carries the status, and bars its trend."""
    said = cell.text if cell.status is None else f"{MARKS[cell.status.verdict].glyph} {cell.text}".rstrip()
    return f"{said} {spark(cell.trend, _TREND).strip()}".strip() if cell.trend else said


def _scores(card: Scorecard, paint: Paint, columns: int) -> Iterator[str]:
    """Name, value, target; how it changed and its trend where any score tells them; then the note, beside or beneath."""
    rows = [(s.name, s.value, s.target, s.change, spark(s.trend, _TREND).strip()) for s in card.scores]
    widths = [max((width(text) for text in column), default=0) for column in zip(*rows, strict=True)]
    for score, row in zip(card.scores, rows, strict=True):
        mark = MARKS[score.status.verdict]
        name, value, target, change, trend = (
            pad(text, size, align)
            for text, size, align in zip(row, widths, ("left", "right", "right", "left", "left"), strict=True)
        )
        head = f"{paint(mark.glyph, mark.ansi)} {name}  {value}  {paint(target, _DIM)}"
        head = "  ".join([head, *(text for text, size in ((change, widths[3]), (trend, widths[4])) if size)])
        room = columns - sum(widths) - 2 * sum(size > 0 for size in widths)
        beside = width(score.note) + 2 <= room
        yield f"{head}  {score.note}" if beside else head
        yield from () if beside else wrap(score.note, columns, "  ")


def _strips(block: Strips, paint: Paint, columns: int) -> Iterator[str]:
    """A line a probe. Taller is worse, a dot is a day before it was there."""
    if not block.rows:
        return
    figures = max(width(row.figure) for row in block.rows)
    names = min(max(width(row.name) for row in block.rows), 28)
    room = max(10, min(90, columns - names - figures - 4))
    for row in block.rows:
        runs = strip.letters(row.bars, room)
        drawn = "".join(paint(text, MARKS[verdict].ansi if verdict else _DIM) for verdict, text in runs)
        yield f"{pad(fit(row.name, names), names)}  {drawn}  {pad(row.figure, figures, 'right')}"
    long = sum(len(text) for _, text in strip.letters(block.rows[0].bars, room))
    yield paint(f"{' ' * names}  {block.first}{pad(block.last, max(0, long - width(block.first)), 'right')}", _DIM)
    if block.others:
        yield paint(f"{' ' * names}  and {count(block.others)} more", _DIM)
