"""The verdict on all bills as one sentence, and the two sentences after it. Changes come first, then what is still open."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.checks.spending import telling
from opsbot.checks.spending.budgets import Budgeted
from opsbot.checks.spending.findings import FORECAST, too_young, unread
from opsbot.checks.spending.life import Stage
from opsbot.checks.spending.names import part
from opsbot.checks.spending.reading import Billed, Pair, Spending, is_news, loud
from opsbot.checks.spending.words import dollars, month, percent, short
from opsbot.model.status import Status
from opsbot.render.format import clean, clip, count, plural
from opsbot.render.headline import LIMIT


def still_open(all: Billed) -> list[Pair]:
    return [pair for pair in all.lives if pair[1].open and not is_news(all, pair[1])]


def ended(all: Billed) -> list[Pair]:
    return [pair for pair in all.lives if pair[1].stage is Stage.OVER and pair[1].news]


def explained(all: Billed) -> list[Pair]:
    return [pair for pair in all.lives if pair[1].stage is Stage.EXPLAINED]


def overspent(all: Billed) -> list[Budgeted]:
    """Those that will not last, the furthest beyond first."""
    found = [one for one in all.budgets if one.foreseen is not None and one.foreseen > one.critical]
    return sorted(found, key=lambda one: -(one.foreseen or 0.0))


def fresh(all: Billed, budgets: Sequence[Budgeted], check: str, bad: Status) -> list[Budgeted]:
    """Those that people have not heard of as they stand."""
    return [
        one for one in budgets if all.known.get(f"{one.environment}/{check}/{clip(clean(one.name), 80)}") is not bad
    ]


def nearly_spent(all: Billed) -> list[Budgeted]:
    return sorted((one for one in all.budgets if one.spent > one.warning), key=lambda one: -one.spent)


def cost_headline(all: Billed) -> str:
    """`$412 a day over since 12 Nov in NAT Gateway, still rising`, `2 new cost anomalies, $193 a day over: ...`."""
    return clip(_headline(all), LIMIT)


def _headline(all: Billed) -> str:
    if not all.spending:
        return "No payer is configured, so no bill is read"
    new, budgets, old = loud(all), fresh(all, overspent(all), FORECAST, Status.CRITICAL), still_open(all)
    if new:
        return telling.headline_of(*new[0]) if len(new) == 1 else _several(new)
    blind = [one for one in all.spending if not one.judged]
    if len(blind) == len(all.spending):
        return _blind(blind)
    if budgets:
        return _beyond(budgets)
    if old or overspent(all):
        return f"Nothing new; {', '.join(_lasting(all, old))}"
    return _calm(all, blind)


def _lasting(all: Billed, old: Sequence[Pair]) -> list[str]:
    """What people know already."""
    told = []
    if old:
        told.append(f"{plural(len(old), 'anomaly', 'anomalies')} still open ({_daily(old)} a day)")
    if beyond := overspent(all):
        told.append(f"{plural(len(beyond), 'budget')} will not last")
    return told


def _calm(all: Billed, blind: Sequence[Spending]) -> str:
    if blind:
        return f"{plural(len(blind), 'bill')} of {count(len(all.spending))} not judged; nothing unusual in the others"
    if over := ended(all):
        names = _names(over)
        return f"Over: {names}; nothing else is unusual"
    if near := nearly_spent(all):
        return f"{near[0].spent:.0f} % of the budget {clip(clean(near[0].name), 30)} is spent"
    return f"Nothing unusual in {plural(len(all.spending), 'bill')}{_ends(all)}"


def _ends(all: Billed) -> str:
    ends = [(one.end, one.currency) for one in all.spending]
    if not ends or any(end is None for end, _ in ends) or len({currency for _, currency in ends}) > 1:
        return ""
    whole = sum(end.p50 for end, _ in ends if end)
    first = next(end.month for end, _ in ends if end)
    return f"; {month(first)} ends near {dollars(whole, ends[0][1])}"


def _several(pairs: Sequence[Pair]) -> str:
    growing = sum(life.stage is Stage.GROWING for _, life in pairs)
    word = "growing" if growing == len(pairs) else "new" if not growing else "new or growing"
    return f"{count(len(pairs))} {word} cost anomalies, {_daily(pairs)} a day over: {_names(pairs)}"


def _daily(pairs: Sequence[Pair]) -> str:
    """All of it a day; with several currencies that of the first."""
    currency = pairs[0][0].currency
    return dollars(sum(life.anomaly.daily for one, life in pairs if one.currency == currency), currency)


def _names(pairs: Sequence[Pair]) -> str:
    names = list(dict.fromkeys(part(life.anomaly.causes[0]) for _, life in pairs))
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) <= 3 else f"{', '.join(names[:2])} and others"


def _beyond(budgets: Sequence[Budgeted]) -> str:
    first = budgets[0]
    name, over = clip(clean(first.name), 30), dollars((first.forecast or 0.0) - first.limit, first.currency)
    if len(budgets) == 1:
        return f"Budget {name} will be {over} over, {percent((first.foreseen or 0.0) / 100)} of it"
    return f"{count(len(budgets))} budgets will not last; {name} ends {over} over"


def _blind(blind: Sequence[Spending]) -> str:
    young = [one for one in blind if one.read and one.bill is not None]
    if len(young) == len(blind):
        most = max(one.history for one in blind)
        since = short(min(one.judges_from for one in blind))
        return f"No verdict yet: {plural(most, 'day')} of history, judged from {since} on"
    if len(blind) == 1:
        return f"The bill of {clip(clean(blind[0].payer.name), 36)} could not be read"
    return f"{plural(len(blind), 'bill')} could not be judged"


def cost_lede(all: Billed) -> str:
    """What the largest change amounts to, then what the bills come to."""
    parts = [_largest(all), _rest(all), _bills(all), *_doubts(all)]
    return " ".join(part for part in parts if part)


def _largest(all: Billed) -> str:
    new = loud(all)
    if not new:
        return ""
    one, life = new[0]
    where = one.accounts.environment(life.anomaly.causes[0].account, life.anomaly.causes[0].region).name
    goes_on = telling.if_it_goes_on(one, life)
    lead = f"{where}: " if len(new) == 1 else f"Most in {part(life.anomaly.causes[0])}, {where}: "
    sums = telling.sums(one, life.anomaly) if telling.lasted(life.anomaly) > 1 else "the first day"
    so_far = f"{lead}{telling.amount_over(one, life)}, {sums}."
    return f"{so_far} If it goes on, {goes_on}." if goes_on else so_far


def _rest(all: Billed) -> str:
    old, over = still_open(all), ended(all)
    told = []
    if old and loud(all):
        told.append(f"{count(len(old))} more still open, {_daily(old)} a day")
    if over:
        told.append(f"over: {_names(over)}")
    if (beyond := fresh(all, overspent(all), FORECAST, Status.CRITICAL)) and loud(all):
        told.append(_beyond(beyond).replace("Budget ", "budget ", 1))
    text = "; ".join(told)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _bills(all: Billed) -> str:
    said = []
    for one in all.spending:
        if one.end is not None:
            low, high = dollars(one.end.p10, one.currency), dollars(one.end.p90, one.currency)
            likely = dollars(one.end.p50, one.currency)
            said.append(f"{clean(one.payer.name)} ends {month(one.end.month)} near {likely} ({low} to {high})")
    return f"{'; '.join(said[:4])}." if said else ""


def _doubts(all: Billed) -> list[str]:
    found = []
    for one in all.spending:
        if not one.read:
            found.append(f"{clean(one.payer.name)}: {unread(one)}.")
        elif not one.judged:
            found.append(f"{clean(one.payer.name)}: {too_young(one)}.")
    return found
