"""The overview: environments down, areas across, the worst value where they meet; the healthy collapse into one row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opsbot.model.finding import Finding
from opsbot.model.report import Cell, Column, Prose, Row, Section, Table
from opsbot.model.status import Status, verdict_of, worst
from opsbot.render.format import clean, clip, count, plural, quantity
from opsbot.render.grouping import worst_first

ROWS = 24
AREAS = 6
_ON_A_PHONE = 3
_TITLES = {
    "api": "API", "ecs": "ECS", "database": "Database", "lambda": "Lambda", "storage": "Storage", "cdn": "CDN",
    "queue": "Queues", "host": "Hosts", "data": "Data", "platform": "Platform", "business": "Business",
    "certs": "Certs", "alarms": "Alarms",
}  # fmt: skip
_ORDER = {area: place for place, area in enumerate(_TITLES)}

Cells = dict[tuple[str, str], list[Finding]]


def overview(findings: Sequence[Finding], names: Iterable[str]) -> Section:
    """`names` are all environments, those without a finding too."""
    cells, seen = _cells(findings)
    areas = sorted({area for _, area in seen}, key=lambda area: (_ORDER.get(area, len(_ORDER)), area))
    statuses = _statuses(names, cells, seen)
    if not areas:
        text = "No environment was checked." if not statuses else "No check applied to any environment."
        return Section(id="overview", title="Environments", status=Status.UNKNOWN, blocks=(Prose(text=text),))
    ill = sorted((n for n, s in statuses.items() if s is not Status.OK), key=lambda n: _place(n, statuses, cells))
    shown, rest = _columns(areas, cells)
    table = Table(
        columns=_heads(shown, rest, cells),
        rows=tuple(_rows(ill, [n for n, s in statuses.items() if s is Status.OK], shown, rest, cells, seen)),
    )
    total = len(statuses)
    return Section(
        id="overview",
        title="Environments",
        status=_loudest(statuses.values()),
        blocks=(table,),
        aside=f"worst value of each area; {count(total - len(ill))} of {plural(total, 'environment')} healthy",
    )


def _cells(findings: Sequence[Finding]) -> tuple[Cells, set[tuple[str, str]]]:
    """What is not OK, by environment and area, worst first; and where anything was looked at."""
    cells: Cells = {}
    seen = {(f.environment, f.area) for f in findings}
    for finding in sorted((f for f in findings if f.status.rank > Status.INFO.rank), key=worst_first):
        cells.setdefault((finding.environment, finding.area), []).append(finding)
    return cells, seen


def _statuses(names: Iterable[str], cells: Cells, seen: set[tuple[str, str]]) -> dict[str, Status]:
    """By environment; one where nothing was looked at is unknown."""
    checked = {name for name, _ in seen}
    found: dict[str, list[Status]] = {
        name: [Status.OK if name in checked else Status.UNKNOWN] for name in sorted(names)
    }
    for (name, _), group in cells.items():
        found[name].append(group[0].status)
    return {name: _loudest(statuses) for name, statuses in found.items()}


def _loudest(statuses: Iterable[Status]) -> Status:
    """The status whose verdict wins: a known trouble before a blind spot."""
    several = tuple(statuses)
    verdict = verdict_of(several)
    return worst(status for status in several if status.verdict is verdict)


def _place(name: str, statuses: dict[str, Status], cells: Cells) -> tuple[bool, int, int, str]:
    areas = [group[0].status for (environment, _), group in cells.items() if environment == name]
    known = [status for status in areas if status is not Status.UNKNOWN]
    return (
        (not known, -worst(known).rank, -len(areas), name) if known else (True, -statuses[name].rank, -len(areas), name)
    )


def _columns(areas: list[str], cells: Cells) -> tuple[list[str], list[str]]:
    """Areas with a column of their own, and those that share the last; trouble earns a column first."""
    if len(areas) <= AREAS + 1:
        return areas, []
    trouble = dict.fromkeys(areas, 0)
    for (_, area), group in cells.items():
        trouble[area] += group[0].status.rank
    kept = set(sorted(areas, key=lambda area: -trouble[area])[:AREAS])
    return [area for area in areas if area in kept], [area for area in areas if area not in kept]


def _heads(shown: list[str], rest: list[str], cells: Cells) -> tuple[Column, ...]:
    loud = sorted(shown, key=lambda area: -sum(group[0].status.rank for (_, a), group in cells.items() if a == area))
    phone = set(loud[:_ON_A_PHONE])
    heads = [Column(title="Environment")]
    heads += [Column(title=_title(area), phone=area in phone) for area in shown]
    if rest:
        heads.append(Column(title=plural(len(rest), "other area"), phone=False))
    return tuple(heads)


def _title(area: str) -> str:
    return _TITLES.get(area) or clip(clean(area), 16).capitalize() or "Other"


def _rows(
    ill: list[str], well: list[str], shown: list[str], rest: list[str], cells: Cells, seen: set[tuple[str, str]]
) -> Iterable[Row]:
    for name in ill[:ROWS]:
        yield _row(clip(clean(name), 40), [name], shown, rest, cells, seen)
    left = ill[ROWS:]
    if left:
        yield _row(f"{count(len(left))} more with trouble", left, shown, rest, cells, seen)
    if well:
        label = (
            clip(clean(well[0]), 40)
            if len(well) == 1
            else f"{count(len(well))} others"
            if ill
            else f"All {count(len(well))}"
        )
        yield _row(label, well, shown, rest, cells, seen)


def _row(
    label: str, names: list[str], shown: list[str], rest: list[str], cells: Cells, seen: set[tuple[str, str]]
) -> Row:
    columns = [[area] for area in shown] + ([rest] if rest else [])
    return Row(cells=(Cell(text=label), *(_cell(names, areas, cells, seen) for areas in columns)))


def _cell(names: list[str], areas: list[str], cells: Cells, seen: set[tuple[str, str]]) -> Cell:
    pairs = [(name, area) for name in names for area in areas]
    group = [finding for pair in pairs for finding in cells.get(pair, ())]
    if not group:
        return Cell(text="", status=Status.OK) if any(pair in seen for pair in pairs) else Cell(text="–")
    first = next(f for f in group if f.status is _loudest(g.status for g in group))
    if first.status is Status.UNKNOWN:
        return Cell(text=count(len(group)), status=first.status)
    if first.value is None or len(names) > 1:
        return Cell(text=count(len(group)), status=first.status)
    return Cell(text=_narrow(quantity(first.value, first.unit)), status=first.status)


def _narrow(said: str) -> str:
    """`37 min` for `37 min 16 s`: a cell has room for one unit."""
    return " ".join(said.split()[:2])
