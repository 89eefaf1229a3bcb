"""The section "savings": what could be saved, the most first, each with how it was computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opsbot.model.finding import Finding
from opsbot.model.report import Block, Cell, Column, Prose, Row, Section, Table
from opsbot.model.status import Status
from opsbot.render.format import clean, money, plural

SHOWN = 15
_COLUMNS = (
    Column(title="What"),
    Column(title="Where", phone=False),
    Column(title="USD a month", align="right"),
    Column(title="Sure", phone=False),
)


def savings_section(findings: Sequence[Finding], shown: int = SHOWN) -> Section:
    """Of the findings that `savings` gave (others are passed over), ranked by USD a month; those without a figure last."""
    ours = [one for one in findings if one.check.startswith("saving-")]
    open_ones = sorted((one for one in ours if one.status is Status.INFO), key=lambda one: (-_usd(one), one.key))
    total = sum(_usd(one) for one in open_ones)
    blocks: list[Block] = [Prose(text=_lede(open_ones, total, len(ours)))]
    if open_ones:
        blocks.append(Table(columns=_COLUMNS, rows=tuple(_row(one) for one in open_ones[:shown])))
    if rest := open_ones[shown:]:
        worth = sum(_usd(one) for one in rest)
        blocks.append(
            Prose(text=f"And {len(rest)} more, worth {money(worth)} a month together; --format json has them.")
        )
    blocks += [Prose(text=text) for text in _asides(ours)]
    return Section(
        id="savings",
        title="Savings",
        status=Status.INFO if open_ones else Status.OK,
        blocks=tuple(blocks),
        aside=f"{money(total)} a month" if total else "",
    )


def _usd(one: Finding) -> float:
    return one.value or 0.0


def _lede(open_ones: Sequence[Finding], total: float, looked_at: int) -> str:
    if not open_ones:
        return f"Nothing to save was found among {plural(looked_at, 'thing')} looked at."
    sure = sum(_usd(one) for one in open_ones if dict(one.evidence).get("confidence") == "high")
    dear = [one for one in open_ones if one.value is None]
    text = (
        f"{money(total)} a month could be saved in {plural(len(open_ones), 'place')}, {money(sure)} of it for certain."
    )
    text += f" {plural(len(dear), 'place')} without a figure." if dear else ""
    return f"{text} List prices, before your discounts, unless AWS's own figure is named."


def _row(one: Finding) -> Row:
    told = dict(one.evidence)
    figure = "no figure" if one.value is None else money(one.value)
    aws = told.get("aws_says")
    how = f"{told.get('how', '')}" + (f"; AWS: {aws}" if aws else "")
    what = f"{one.title}: {clean(one.resource)}"
    cells = (what, f"{one.environment} {told.get('region') or ''}".strip(), figure, str(told.get("confidence", "")))
    return Row(cells=tuple(Cell(text=text) for text in cells), note=clean(f"{one.summary}; {how}"))


def _asides(ours: Sequence[Finding]) -> Iterator[str]:
    """What somebody answered for, and what was not judged."""
    known = [one for one in ours if one.status is Status.OK and dict(one.evidence).get("explained")]
    if known:
        names = "; ".join(clean(f"{one.resource} ({dict(one.evidence)['explained']})") for one in known[:5])
        yield f"Not told again: {names}" + (f" and {len(known) - 5} more." if len(known) > 5 else ".")
    left: dict[tuple[str, str], int] = {}
    for one in ours:
        told = dict(one.evidence)
        if "not_judged" in told:
            # Notes are of one payer; what could not be judged for one reason is added up over all.
            key = (one.title if told["not_judged"] else f"{one.title} ({one.environment})", str(told["why"]))
            left[key] = left.get(key, 0) + int(str(told["not_judged"]))
    for (title, why), number in left.items():
        yield clean(f"{title}: {number} not judged: {why}." if number else f"{title}: {why}.")
