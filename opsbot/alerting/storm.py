"""When more begins to fire than anybody reads: from then on it goes into one message a channel, one tenant at a time.

More than so many new episodes within a minute begin a storm; a minute without them ends it. What fired in it stays
together until its end, so that its close-out is one message too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from opsbot.model.alert import Alert, Storm

WITHIN = timedelta(minutes=1)


def weather(
    alerts: Iterable[Alert], storms: Sequence[Storm], limit: int, now: datetime, new_id: Callable[[], str]
) -> dict[str, Storm]:
    """The storms there are now, by tenant. `alerts` are those that anybody would be told of; a `limit` of 0 is none."""
    fresh = Counter(alert.tenant for alert in alerts if alert.fired_at and now - WITHIN < alert.fired_at <= now)
    raging = {storm.tenant: storm for storm in storms if abs(now - storm.last) < WITHIN}
    for tenant, number in fresh.items():
        if limit and number > limit:
            known = raging.get(tenant)
            raging[tenant] = (
                replace(known, last=now) if known else Storm(id=new_id(), tenant=tenant, since=now, last=now)
            )
    return raging


def swept_up(alert: Alert, storms: Mapping[str, Storm], now: datetime) -> Alert:
    """The same alert, marked if it began to fire in a storm of its tenant and nobody was told of it by itself."""
    storm = storms.get(alert.tenant)
    if storm is None or alert.storm or alert.fired_at is None or not now - WITHIN < alert.fired_at <= now:
        return alert
    return replace(alert, storm=storm.id)
