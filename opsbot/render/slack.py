"""The report as Slack messages: the verdict and the worst of it first, everything else as replies in its thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opsbot.model.report import (
    About,
    Cell,
    Charts,
    ChartSpec,
    Facts,
    Prose,
    Report,
    Row,
    Score,
    Scorecard,
    Strip,
    Strips,
    Table,
)
from opsbot.model.status import Status, Verdict
from opsbot.render import strip
from opsbot.render.blockkit import Json, code, context, escape, fits, header, link, message, section, table
from opsbot.render.format import clip, count, plural
from opsbot.render.letters import spark
from opsbot.render.tokens import MARKS
from opsbot.render.view import Chapter, Line, Lines, Page, Part, page

_FIRST = 6  # exceptions told in the first message
_REPLIES = 8
_STRIPS, _LETTERS, _TREND = 8, 30, 12
_LINES, _ROWS, _SECTION = 24, 12, 2400


def render(report: Report, about: About) -> tuple[Json, ...]:
    """Payloads for chat.postMessage: the first message, then its thread. A quiet day is one line and its context."""
    view = page(report, about)
    troubles = tuple(line for line in view.lines if line.status not in (Status.OK, Status.INFO))
    if view.verdict is Verdict.OK:
        return (_quiet(view),)
    first = _first(view, troubles)
    return (message(_fallback(view, troubles), first), *_replies(view, troubles, first))


def _quiet(view: Page) -> Json:
    notes = [line for line in view.lines if line.status is Status.INFO]
    seen = f"{escape(view.evaluated)}, {escape(view.when)}."
    head = f"{view.mark.slack} *{escape(view.headline)}.* {seen}{_more(view, 'Report')}"
    told = "; ".join(f"{line.environment} {line.what}: {line.summary}" for line in notes[:3])
    blocks = [section(head), context(*([escape(clip(told, 400))] if told else []), _source(view))]
    return message(f"{view.title}: {view.headline}. {view.evaluated}.", blocks)


def _fallback(view: Page, troubles: Sequence[Line]) -> str:
    worst = " ".join(f"{line.environment}: {_said(line)}" for line in troubles[:5])
    return escape(f"{view.title}: {view.headline}. {worst} {view.evaluated}.")


def _said(line: Line) -> str:
    return f"{line.what}: {line.summary or line.now}".rstrip(".") + "."


def _more(view: Page, text: str) -> str:
    return f" {link(view.url, text)}" if view.url else ""


def _first(view: Page, troubles: tuple[Line, ...]) -> list[Json]:
    """As many exceptions, and as much of the table, as the budget takes; what is left out is counted.

    The table comes here where it fits beside three exceptions, and opens the thread otherwise.
    """
    problems = tuple(line for line in troubles if line.status is not Status.UNKNOWN)
    blind = tuple(line for line in troubles if line.status is Status.UNKNOWN)
    most = min(_FIRST, len(problems))
    grid = _grid(view)
    tries = [(told, grid) for told in range(most, min(3, most) - 1, -1)] if grid else []
    for told, beside in [*tries, *((told, None) for told in range(most, -1, -1))]:
        blocks = _opening(view, problems, blind, told, beside)
        if fits(blocks):
            return blocks
    return [header(_title(view)), context(escape(view.evaluated))]


def _title(view: Page) -> str:
    return f"{view.mark.slack} {view.headline}"


def _opening(
    view: Page, problems: tuple[Line, ...], blind: tuple[Line, ...], told: int, grid: Json | None
) -> list[Json]:
    where = escape(f"{view.title}, {view.when}")
    blocks = [header(_title(view)), context(where, escape(view.evaluated), _more(view, "Full report").strip())]
    # A summary that tells the worst one itself would say it twice.
    if view.lede and problems and not any(n in view.lede for n in (problems[0].environment, problems[0].resource)):
        blocks.append(section(escape(view.lede)))
    blocks += [section(_short(line, view)) for line in problems[:told]]
    if len(problems) > told:
        blocks.append(section(f"{count(len(problems) - told)} more in the thread."))
    if blind:
        blocks.append(section(_unseen(blind)))
    if not problems and not blind:
        blocks += [section(escape(text)) for text in _opening_words(view)]
    blocks += [grid] if grid else []
    foot = (f"{name}: {code(value) if name == 'Reproduce' else escape(value)}" for name, value in view.footer)
    return [*blocks, context(*foot)]


def _unseen(blind: tuple[Line, ...]) -> str:
    """All blind spots in one block; each is told in full in the thread."""
    mark = MARKS[Verdict.NO_DATA]
    told = "\n".join(
        f"*{escape(line.environment)}* {escape(clip(f'{line.what}: {line.summary}', 160))}" for line in blind[:4]
    )
    more = f"\nand {count(len(blind) - 4)} more" if len(blind) > 4 else ""
    return f"{mark.slack} *{mark.word}*, not counted as healthy\n{told}{more}"


def _opening_words(view: Page) -> list[str]:
    """A report without findings opens with its summary, or with what its first sections say."""
    prose = [part.text for chapter in view.chapters for part in chapter.parts if isinstance(part, Prose)]
    return [view.lede] if view.lede else [clip(text, 600) for text in prose[:2]]


def _short(line: Line, view: Page) -> str:
    """What, how far from which limit, since when, what it means; then who, and where to go on."""
    said = escape((line.summary or line.now).rstrip("."))
    head = f"{line.mark.slack} *{escape(line.environment)}* {escape(line.what)}: {said}"
    return "\n".join(filter(None, (head, _meaning(line), _next(line, view))))


def _meaning(line: Line) -> str:
    far = line.far if line.limit and line.limit not in line.summary else ""
    measured = ", ".join(filter(None, (far, line.begun)))
    return escape(" ".join(filter(None, (line.means, f"{measured[:1].upper()}{measured[1:]}." if measured else ""))))


def _next(line: Line, view: Page) -> str:
    """Owner, evidence, runbook."""
    evidence = link(f"{view.url}#{line.anchor}", "Evidence") if view.url else ""
    owner = f"Owner {escape(line.owner)}" if line.owner else ""
    return " | ".join(filter(None, (owner, evidence, code(line.command) if line.command else "")))


def _first_table(view: Page) -> Table | None:
    return next((part for chapter in view.chapters for part in chapter.parts if isinstance(part, Table)), None)


def _grid(view: Page) -> Json | None:
    """The overview without areas that are healthy everywhere, cut to one message; the last row tells the cut."""
    first = _first_table(view)
    if first is None:
        return None
    columns, rows = first.columns, [row.cells for row in first.rows]
    places = [0, *(place for place in range(1, len(columns)) if any(_ill(row[place]) for row in rows))]
    if len(places) == 1:
        return None
    heads, aligns = [columns[place].title for place in places], ["left", *["center"] * (len(places) - 1)]
    body = [[_cell(row[place]) for place in places] for row in rows]
    for most in range(len(body), -1, -1):
        cut = (
            [[f"{count(len(body) - most)} more rows in the report", *["…"] * (len(places) - 1)]]
            if most < len(body)
            else []
        )
        grid = table([heads, *body[:most], *cut], aligns)
        if fits([grid]):
            return grid
    return None


def _ill(cell: Cell) -> bool:
    return cell.status is not None and cell.status.verdict is not Verdict.OK


def _cell(cell: Cell) -> str:
    """Glyph and value; an OK cell is its check mark alone."""
    said = cell.text if cell.status is None else f"{MARKS[cell.status.verdict].glyph} {cell.text}".rstrip()
    return f"{said} {spark(cell.trend, _TREND)}".strip() if cell.trend else said


def _source(view: Page) -> str:
    told = dict(view.footer)
    return (
        escape(" ".join(f"{name} {told[name]}." for name in ("Data", "Run", "AWS") if name in told))
        + f" {code(view.command)}"
    )


def _replies(view: Page, troubles: tuple[Line, ...], first: Sequence[Json]) -> Iterator[Json]:
    """The table where it did not fit before, every exception with its evidence, then what else the sections say."""
    grid = None if any(block["type"] == "table" for block in first) else _grid(view)
    pieces = [grid] if grid else []
    pieces += [section(_full(line, view)) for line in troubles]
    drawn = _first_table(view) if _grid(view) else None
    pieces += [piece for chapter in view.chapters for piece in _rest(chapter, drawn)]
    packed = list(_packed(pieces))
    for place, blocks in enumerate(packed[:_REPLIES]):
        left = len(packed) - _REPLIES
        if left > 0 and place == _REPLIES - 1:
            blocks = [
                *blocks[:-1],
                context(f"More than fits here: the rest is in the report.{_more(view, 'Full report')}"),
            ]
        yield message(escape(f"{view.title}: details, part {place + 1} of {min(len(packed), _REPLIES)}."), blocks)


def _packed(pieces: Sequence[Json]) -> Iterator[list[Json]]:
    blocks: list[Json] = []
    for piece in pieces:
        if blocks and not fits([*blocks, piece]):
            yield blocks
            blocks = []
        blocks.append(piece)
    if blocks:
        yield blocks


def _full(line: Line, view: Page) -> str:
    evidence = " | ".join(f"{escape(name)}: {escape(clip(value, 240))}" for name, value in line.evidence[:10])
    return "\n".join(filter(None, (_short(line, view), evidence)))


def _rest(chapter: Chapter, drawn: Table | None) -> Iterator[Json]:
    """What a section says besides its exceptions, and but for the table that is drawn as one."""
    said = [line for part in chapter.parts if part is not drawn for line in _lines(part)]
    if said:
        yield from _sections([f"*{escape(chapter.title)}*", *said[:_LINES]])


def _lines(part: Part) -> list[str]:
    match part:
        case Prose():
            return [escape(part.text)]
        case Facts():
            return [f"{escape(name)}: {escape(value)}" for name, value in part.pairs]
        case Scorecard():
            return [_score(score) for score in part.scores]
        case Table():
            return _told(part)
        case ChartSpec():
            return [_chart(part)] if part.bars or part.band or part.ahead or part.marks else []
        case Charts() | Strips():
            return _drawn(part)
        case Lines():
            notes = [line for line in part.lines if line.status in (Status.OK, Status.INFO)]
            said = [f"*{escape(line.environment)}* {escape(line.what)}: {escape(line.summary)}" for line in notes]
            return [*said, *([f"and {plural(part.others, 'more finding')}"] if part.others else [])]


def _drawn(part: Charts | Strips) -> list[str]:
    several = [_chart(one) for one in part.specs] if isinstance(part, Charts) else [_strip(row) for row in part.rows]
    left = part.others + max(0, len(several) - _STRIPS)
    return [*several[:_STRIPS], *([f"and {count(left)} more in the report"] if left else [])]


def _sections(lines: Sequence[str]) -> Iterator[Json]:
    """As few blocks as hold them: a long one would be cut."""
    held: list[str] = []
    for line in lines:
        if held and sum(map(len, held)) + len(held) + len(line) > _SECTION:
            yield section("\n".join(held))
            held = []
        held.append(line)
    yield section("\n".join(held))


def _told(part: Table) -> list[str]:
    """A line a row: its name, what the columns say of it, its note."""
    told = [_row(part, row) for row in part.rows[:_ROWS]]
    left = len(part.rows) - len(told)
    return [*told, *([f"and {plural(left, 'more row')} in the report"] if left > 0 else [])]


def _row(part: Table, row: Row) -> str:
    pairs = list(zip(part.columns, row.cells, strict=True))
    first = row.cells[0]
    mark = f"{MARKS[first.status.verdict].slack} " if first.status else ""
    known = [f"{column.title} {said}" for column, cell in pairs[1:] if (said := _cell(cell)) not in ("", "–")]
    about = escape("; ".join(filter(None, (", ".join(known), row.note))))
    return f"{mark}*{escape(first.text)}*{f': {about}' if about else ''}"


def _score(score: Score) -> str:
    target = f", target {score.target}" if score.target not in ("", "–") else ""
    told = (f"{score.name}: {score.value}{target}", score.change)
    drawn = spark(score.trend, _TREND)
    return (
        f"{MARKS[score.status.verdict].slack} {escape('; '.join(filter(None, told)))}{f' `{drawn}`' if drawn else ''}"
    )


def _chart(spec: ChartSpec) -> str:
    """A line of bars with what it says: a picture would need a file kept at Slack."""
    drawn = spark(spec.series.values, _LETTERS)
    title = spec.title if spec.title.endswith(".") or not spec.detail else f"{spec.title}:"
    return " ".join(filter(None, (f"`{drawn}`" if drawn else "", escape(title), escape(spec.detail))))


def _strip(row: Strip) -> str:
    """Bars of three days each; taller is worse."""
    return f"`{''.join(text for _, text in strip.letters(row.bars, _LETTERS))}` {escape(row.name)} {escape(row.figure)}"
