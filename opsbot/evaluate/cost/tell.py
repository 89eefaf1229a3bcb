"""An incident put into dollars, causes and one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np

from opsbot.evaluate.cost.anomaly import Anomaly, Kind, RootCause, State
from opsbot.evaluate.cost.incident import LEFT, Incident, slow
from opsbot.evaluate.cost.scan import Look
from opsbot.evaluate.cost.tree import Key, Tree
from opsbot.samples import Values

MOST_CAUSES, LEAST_SHARE = 5, 0.02


def told(tree: Tree, look: Look, one: Incident, *, incidents: Iterable[Incident], id: str, currency: str) -> Anomaly:
    """The anomaly as it stands this morning. Its dollars are those of its own leaves; companions are only named."""
    first = look.day + 1 - look.cost.shape[1]
    start = max(one.start, first)
    days = np.arange(start, look.day + 1)
    cost, expected = look.cost[one.rows, -len(days) :], one.expected(days)
    excess = cost - expected
    last = _last(one, excess.sum(axis=0), start)
    span = slice(0, last - start + 1)
    impact = float(excess[:, span].sum())
    daily = float(excess[:, span].sum(axis=0)[-2:].mean())
    kind = _kind(one, excess.sum(axis=0)[span])
    account, service = tree.keys[one.cause][:2]
    causes = _causes(tree, one, excess[:, span].sum(axis=1))
    also = sorted({tree.keys[other.cause][1] for other in incidents if other.host == one.service})
    before = float(expected[:, span].sum(axis=0)[-2:].mean())
    amounts = (money(impact, currency), money(daily, currency), money(before, currency))
    return Anomaly(
        id=id,
        kind=kind,
        state=_state(one, look.day),
        account=account,
        service=service,
        start=date.fromordinal(start),
        last=date.fromordinal(last),
        actual=float(cost[:, span].sum()),
        expected=float(expected[:, span].sum()),
        impact=impact,
        daily=daily,
        confidence=_confidence(one.score),
        score=one.score,
        causes=causes,
        also=tuple(also),
        why=_why(kind, causes[0], amounts=amounts, start=date.fromordinal(start), also=also),
    )


def _state(one: Incident, day: int) -> State:
    if one.end is not None:
        return State.ACCEPTED if one.accepted else State.OVER
    if one.told != day + 1:
        return State.OPEN
    return State.OPENED if one.opened == one.told else State.GROWING


def _last(one: Incident, total: Values, start: int) -> int:
    """The last day with a real part of the excess: what is over is not counted to this morning."""
    high = np.flatnonzero(total >= LEFT * one.height)
    return start + (int(high[-1]) if len(high) else 0)


def _causes(tree: Tree, one: Incident, impact: Values) -> tuple[RootCause, ...]:
    whole = max(float(np.maximum(impact, 0.0).sum()), 1e-9)
    # What kept running over a weekend says by its usual rest who the cause is, and rises as a whole.
    ranked = np.arange(len(impact)) if one.kind is Kind.WEEKEND else np.argsort(-impact, kind="stable")
    order = [int(place) for place in ranked[:MOST_CAUSES]]
    kept = [place for place in order if impact[place] >= LEAST_SHARE * whole] or order[:1]
    return tuple(_cause(tree.keys[int(one.rows[place])], float(impact[place]), whole) for place in kept)


def _cause(key: Key, impact: float, whole: float) -> RootCause:
    account, service, region, usage_type, tag = key
    share = max(0.0, impact) / whole
    return RootCause(
        account=account, service=service, region=region, usage_type=usage_type, tag=tag, share=share, impact=impact
    )


def _kind(one: Incident, total: Values) -> Kind:
    if one.kind is not None:
        return one.kind
    if len(total) >= 8 and slow(one) and total[-3:].mean() > 1.4 * total[: len(total) // 2].mean():
        return Kind.LEAK
    return Kind.STEP if len(total) >= 3 else Kind.SPIKE


def _confidence(score: float) -> float:
    """From 0.7 just above the limit to 0.99 at twice of it."""
    return float(min(0.99, 0.7 + 0.29 * max(0.0, min(1.0, score - 1.0))))


def _why(kind: Kind, cause: RootCause, *, amounts: tuple[str, str, str], start: date, also: list[str]) -> str:
    impact, daily, before = amounts
    since = f"{start.day} {start:%B}"
    where = f"{cause.usage_type} in {cause.region}, account {cause.account}"
    rise = f"{daily} a day above the {before} expected since {since}"
    tail = f"; {', '.join(also)} rose along with it" if also else ""
    lead = {
        Kind.NEW: f"first seen on {since}, {daily} a day",
        Kind.WEEKEND: f"ran over the weekend as on working days, {rise}",
        Kind.COMMITMENT: f"a commitment ended: {rise}",
        Kind.LEAK: f"creeping up: {rise}",
    }.get(kind, rise)
    return f"{cause.service} ({where}): {lead}; {impact} so far{tail}"


def money(amount: float, currency: str) -> str:
    """An amount as people write it."""
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount):,.2f}" if currency == "USD" else f"{sign}{abs(amount):,.2f} {currency}"
