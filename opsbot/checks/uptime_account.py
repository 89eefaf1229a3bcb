"""The account at the report's end: nothing that was asked is left out, and what was excused says why."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.checks.uptime import Probed
from opsbot.checks.uptime_findings import hours
from opsbot.evaluate import uptime
from opsbot.model.report import Facts, Prose, Section
from opsbot.model.status import Status
from opsbot.render.format import brief, clean, clip, count, plural

PLANNED = 5


def account(all: Probed) -> Section:
    """Every probe that was asked for by what it came to, and the planned work that excused some."""
    total = uptime.Tally(**{kind: sum(getattr(one.window, kind) for one in all.seen) for kind in uptime.KINDS})
    if not total.asked:
        text = "No probe was asked for and none was made, so nothing is known."
        return Section(id="coverage", title="Coverage", status=Status.UNKNOWN, blocks=(Prose(text=text),))
    numbers = [getattr(total, kind) for kind in uptime.KINDS]
    shares = hundred(numbers)
    parts = ", ".join(
        f"{kind} {count(number)} ({share} %)"
        for kind, number, share in zip(uptime.KINDS, numbers, shares, strict=True)
        if number
    )
    pairs: list[tuple[str, str]] = [
        ("Asked", f"{plural(total.asked, 'probe')} of {plural(len(all.seen), 'target')} in {hours(all.window.length)}"),
        ("Came to", f"{parts}; together 100 %"),
        ("Not judged", f"{_missed(total)}"),
    ]
    pairs += [("Planned work", told) for told in _planned(all)]
    return Section(id="coverage", title="Coverage", status=Status.OK, blocks=(Facts(pairs=tuple(pairs)),))


def _planned(all: Probed) -> list[str]:
    """`db-move Sun 02:00 to 06:00: move to Aurora 17 (team-data)`: what was excused, and by whom."""
    told = []
    for one in all.planned:
        whose = f" ({clean(one.owner)})" if one.owner else ""
        for window in one.windows_in(all.window)[-PLANNED:]:
            start, end = (brief(at, all.zone, all.now) for at in (window.start, window.end))
            told.append(clip(f"{clean(one.name)} {start} to {end}: {clean(one.reason)}{whose}", 200))
    return told[:PLANNED]


def _missed(total: uptime.Tally) -> str:
    lost = total.asked - total.judged
    if not lost:
        return "nothing"
    return f"{count(lost)}: unsure is the prober's own fault, missing was never made, excused was maintenance or a parent down"


def hundred(numbers: Sequence[int]) -> list[str]:
    """Shares in percent with two digits that add up to 100 exactly; the largest remainders are rounded up."""
    total = sum(numbers)
    parts = [number * 10_000 // total for number in numbers]
    order = sorted(range(len(numbers)), key=lambda place: -(numbers[place] * 10_000 % total))
    for place in order[: 10_000 - sum(parts)]:
        parts[place] += 1
    return [f"{part / 100:.2f}" for part in parts]
