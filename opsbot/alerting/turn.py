"""One turn of all alerts: what a run found, or time alone, moves them on, and decides who is told what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from opsbot.alerting.advance import SKEW, advance, close, is_trouble, restless, settle
from opsbot.alerting.blindness import own_findings
from opsbot.alerting.book import Book, Looked, Turned
from opsbot.alerting.calling import called
from opsbot.alerting.muting import causes_of, renewed, why_muted
from opsbot.alerting.policy import Policy
from opsbot.alerting.routing import Route, dedup_key, group_of, routes_of
from opsbot.alerting.storm import WITHIN, swept_up, weather
from opsbot.alerting.telling import Group, Left, News, Said, repeats_at, tell
from opsbot.model.alert import Ack, Alert, AlertState, Change, Silence, Storm, Told
from opsbot.model.finding import Finding
from opsbot.model.status import Priority, Status

KEPT = timedelta(days=7)
_SOONEST = timedelta(seconds=5)
# Whether planned work is over is asked again so often.
_ASK_AGAIN = timedelta(minutes=1)

Line = tuple[str, str]


def turn(book: Book, policy: Policy, now: datetime, new_id: Callable[[], str], looked: Looked | None = None) -> Turned:
    """Everything that follows from what is known and what was seen at one moment. Without `looked` time alone does it.

    Pure: whoever keeps the result, keeps all of it or nothing.
    """
    alerts = dict(book.alerts)
    changes = _judge(alerts, looked, policy, now) if looked else []
    changes += _orphaned(alerts, policy, now)
    changes += _settle(alerts, policy, now)
    silences = renewed(book.silences, list(alerts.values()), now)
    unmuted = _mute(alerts, _current(book.silences, silences), policy, now)
    lapsed = _lapse(alerts, policy, now)
    told_of = {key: routes_of(alert, policy.routes) for key, alert in alerts.items() if alert.fires}
    raging = weather((alerts[k] for k, routes in told_of.items() if routes and not alerts[k].muted),
                     book.storms, policy.storm, now, new_id)  # fmt: skip
    _sweep_up(alerts, told_of, raging, book, now)
    calls = called(alerts, told_of)
    news = News(unmuted=unmuted, lapsed=lapsed, reasons={alert.key: change.reason for alert, change in changes})
    before = {(one.key, one.channel): one for one in book.told}
    said = _tell(_groups(alerts, told_of, policy), before, book, alerts, policy, news, now, new_id)
    told = {line: one.told for line, one in said.items() if one.told is not None}
    told |= {line: one for line, one in before.items() if line not in said and _lasts(one, alerts)}
    gone = _forgotten(alerts, told, now)
    return Turned(
        alerts=tuple(a for key, a in alerts.items() if key not in gone and a is not book.alerts.get(key)),
        gone=tuple(key for key in (*gone, *(book.alerts.keys() - alerts.keys())) if key in book.alerts),
        told=tuple(one for line, one in told.items() if one is not before.get(line)),
        untold=tuple((one.key, one.channel) for one in book.told if (one.key, one.channel) not in told),
        silences=silences,
        storms=tuple(raging.values()),
        notices=tuple(one.notice for one in said.values() if one.notice is not None),
        withdrawn=tuple(one.withdrawn for one in said.values() if one.withdrawn),
        changes=tuple(changes),
        calls=calls,
        at=now,
        due=_due(alerts, told.values(), _current(book.silences, silences), raging, policy, now),
    )


def _judge(alerts: dict[str, Alert], looked: Looked, policy: Policy, now: datetime) -> list[tuple[Alert, Change]]:
    """The findings, and opsbot's own of this run, held against what is known; then what is not there any more."""
    changes = []
    findings = _worst_of_each((*looked.findings, *own_findings(looked)))
    for key, finding in findings.items():
        before = alerts.get(key)
        if before is None and not is_trouble(finding, policy.patience):
            continue
        after, change = advance(before, replace(finding, series=None), now, policy.patience)
        changes += _note(alerts, key, _placed(after, before, looked), change)
    if looked.whole:
        for key, reason in _absent(alerts, looked, findings):
            after, change = close(alerts[key], now, reason)
            changes += _note(alerts, key, after, change)
    return changes


def _note(alerts: dict[str, Alert], key: str, after: Alert | None, change: Change | None) -> list[tuple[Alert, Change]]:
    if after is None:
        alerts.pop(key, None)
        return []
    alerts[key] = after
    return [(after, change)] if change else []


def _worst_of_each(findings: Sequence[Finding]) -> dict[str, Finding]:
    """By key. Two of one key are a mistake of their job; the worse one is the safer to believe."""
    found: dict[str, Finding] = {}
    for finding in map(storable, findings):
        other = found.get(finding.key)
        if other is None or finding.status.rank > other.status.rank:
            found[finding.key] = finding
    return found


def storable(finding: Finding) -> Finding:
    """With a key that every database takes as it is: half a surrogate pair and NUL become a question mark, as in rows."""
    if finding.key.isascii() and "\0" not in finding.key:
        return finding
    return replace(
        finding,
        environment=_whole(finding.environment),
        check=_whole(finding.check),
        resource=_whole(finding.resource),
    )


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def _placed(alert: Alert | None, before: Alert | None, looked: Looked) -> Alert | None:
    """Whose it is, as config.toml says it today. The job that began an episode keeps it."""
    if alert is None:
        return None
    place = looked.environments.get(alert.finding.environment)
    kept = before is not None and before.job and before.state is not AlertState.RESOLVED
    job = before.job if before is not None and kept else looked.job
    tenant, tier = (place.tenant, place.tier) if place else (alert.tenant, alert.tier)
    if (alert.job, alert.tenant, alert.tier) == (job, tenant, tier):
        return alert
    return replace(alert, job=job, tenant=tenant, tier=tier)


def _absent(alerts: Mapping[str, Alert], looked: Looked, findings: Mapping[str, Finding]) -> list[tuple[str, str]]:
    """What a whole run did not speak of, with the reason. Where it could not look, nothing is called gone."""
    blind = [finding for finding in looked.findings if finding.status is Status.UNKNOWN]
    # A gap is no check of the catalogue: it hides a whole account, or a service of it.
    dark = {f.environment for f in blind if f.check not in looked.checks.get(f.environment, frozenset())}
    unseen = {(finding.environment, finding.check) for finding in blind}
    found = []
    for key, alert in alerts.items():
        place, check = alert.finding.environment, alert.finding.check
        if alert.job != looked.job or key in findings or alert.state is AlertState.RESOLVED:
            continue
        if place not in dark and (place, check) not in unseen:
            found.append((key, f"resolved: {_what_is_gone(place, check, looked)}"))
    return found


def _what_is_gone(place: str, check: str, looked: Looked) -> str:
    if place and place not in looked.environments:
        return "its environment is not looked at any more"
    known = looked.checks.get(place)
    return "it is not there any more" if known is None or check in known else "its check is gone"


def _orphaned(alerts: dict[str, Alert], policy: Policy, now: datetime) -> list[tuple[Alert, Change]]:
    """Close what belongs to a job that is not there any more: else it would be repeated for ever."""
    changes = []
    for key, alert in list(alerts.items()) if policy.jobs is not None else ():
        if alert.job and alert.job not in (policy.jobs or ()) and alert.state is not AlertState.RESOLVED:
            after, change = close(alert, now, f"resolved: its job {alert.job} is gone")
            changes += _note(alerts, key, after, change)
    return changes


def _settle(alerts: dict[str, Alert], policy: Policy, now: datetime) -> list[tuple[Alert, Change]]:
    changes = []
    for key, alert in list(alerts.items()):
        if restless(alert) is not None:
            after, change = settle(alert, now, policy.patience)
            changes += _note(alerts, key, after, change)
    return changes


def _current(silences: Sequence[Silence], renewed_: Sequence[Silence]) -> tuple[Silence, ...]:
    changed = {silence.id: silence for silence in renewed_}
    return tuple(changed.get(silence.id, silence) for silence in silences)


def _mute(alerts: dict[str, Alert], silences: Sequence[Silence], policy: Policy, now: datetime) -> dict[str, str]:
    """Say of each that fires why it is muted; and which are not any more, with what muted them."""
    causes = causes_of(alerts.values(), policy.dependencies)
    unmuted = {}
    for key, alert in alerts.items():
        if not alert.fires:
            continue
        why = why_muted(alert, silences, policy.maintenance, causes, now)
        if why != alert.muted:
            alerts[key] = replace(alert, muted=why)
            if not why:
                unmuted[key] = alert.muted
    return unmuted


def _lapse(alerts: dict[str, Alert], policy: Policy, now: datetime) -> dict[str, Ack]:
    """Take the alerts out of hands that have had them for too long; how long that is, their priority says."""
    lapsed = {}
    for key, alert in alerts.items():
        if alert.ack is None or not alert.fires:
            continue
        until = _ack_until(alert, policy)
        if alert.ack.at > now + SKEW:
            # From a clock that was ahead.
            alerts[key] = replace(alert, ack=replace(alert.ack, at=now))
        elif until is not None and now - alert.ack.at >= until:
            alerts[key] = replace(alert, ack=None)
            lapsed[key] = alert.ack
    return lapsed


def _ack_until(alert: Alert, policy: Policy) -> timedelta | None:
    first = min((route.priority for route in routes_of(alert, policy.routes)), default=Priority.P3)
    return policy.ack_for.get(first)


def _sweep_up(
    alerts: dict[str, Alert],
    told_of: Mapping[str, tuple[Route, ...]],
    raging: Mapping[str, Storm],
    book: Book,
    now: datetime,
) -> None:
    """What began to fire in a storm goes into its one message, unless somebody was told of it already."""
    known = {mention.key for told in book.told for mention in told.mentions} if raging else set()
    for key, routes in told_of.items() if raging else ():
        if routes and key not in known:
            alerts[key] = swept_up(alerts[key], raging, now)


def _tell(
    groups: dict[Line, Group],
    before: Mapping[Line, Told],
    book: Book,
    alerts: Mapping[str, Alert],
    policy: Policy,
    news: News,
    now: datetime,
    new_id: Callable[[], str],
) -> dict[Line, Said]:
    """What each channel hears of each group; those that know of something that fires no more come too."""
    for line, told in before.items():
        # A channel that config.toml does not have, or this process cannot reach, cannot be told.
        if line not in groups and told.channel in policy.channels:
            groups[line] = Group(key=told.key, shared=told.shared, channel=told.channel)
    said = {}
    for line, group in groups.items():
        known = before.get(line)
        said[line] = tell(group, known, _left(known, book), alerts, news, now, new_id)
    return said


def _left(told: Told | None, book: Book) -> Left:
    if told is None or told.message_id not in book.unsent:
        return Left.GONE
    return Left.WAITS if told.message_id in book.waiting else Left.TRIED


def _groups(alerts: Mapping[str, Alert], told_of: Mapping[str, tuple[Route, ...]], policy: Policy) -> dict[Line, Group]:
    members: dict[Line, dict[str, tuple[Alert, Route]]] = defaultdict(dict)
    shared = {}
    for key, routes in told_of.items():
        for route in routes:
            pairs = group_of(alerts[key], route)
            name = dedup_key(pairs)
            shared[name] = pairs
            for channel in route.channels:
                if channel in policy.channels:
                    # Of two routes to one channel the first says how soon and how often.
                    members[name, channel].setdefault(key, (alerts[key], route))
    return {
        line: Group(key=line[0], shared=shared[line[0]], channel=line[1], members=tuple(found.values()))
        for line, found in members.items()
    }


def _lasts(told: Told, alerts: Mapping[str, Alert]) -> bool:
    """Whether a channel that cannot be told now may still have to hear of an end."""
    return any(mention.key in alerts and alerts[mention.key].fires for mention in (*told.mentions, *told.before))


def _forgotten(alerts: Mapping[str, Alert], told: Mapping[Line, Told], now: datetime) -> frozenset[str]:
    """What is long over and nobody is still to hear the end of."""
    spoken = {mention.key for one in told.values() for mention in (*one.mentions, *one.before)}
    return frozenset(
        key
        for key, alert in alerts.items()
        if alert.state is AlertState.RESOLVED and alert.changed_at < now - KEPT and key not in spoken
    )


def _due(
    alerts: Mapping[str, Alert],
    told: Iterable[Told],
    silences: Sequence[Silence],
    raging: Mapping[str, Storm],
    policy: Policy,
    now: datetime,
) -> datetime | None:
    """When time alone changes something next."""
    moments = [*_of_alerts(alerts.values(), policy, now), *(storm.last + WITHIN for storm in raging.values())]
    moments += [silence.ends_at for silence in silences if silence.ended_at is None]
    moments += [moment for one in told if (moment := repeats_at(one, alerts)) is not None]
    return max(min(moments), now + _SOONEST) if moments else None


def _of_alerts(alerts: Iterable[Alert], policy: Policy, now: datetime) -> Iterator[datetime]:
    for alert in alerts:
        begun = restless(alert)
        if begun is not None:
            yield begun + (timedelta(0) if alert.flapping else policy.patience.keep)
        if alert.muted.startswith("maintenance"):
            yield now + _ASK_AGAIN
        if alert.ack and alert.fires and (until := _ack_until(alert, policy)) is not None:
            yield alert.ack.at + until
