"""Whether one channel is told of one group now, and why: decided from what it was told last, never from memory.

The order of the reasons is Alertmanager's (notify/dedup_stage.go), except that whoever saw something fire always hears
of its end, whatever mutes it by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from opsbot.alerting.advance import SKEW
from opsbot.alerting.routing import Pairs, Route
from opsbot.model.alert import Ack, Alert, Mention, Notice, Told
from opsbot.model.message import Action
from opsbot.model.period import show_duration
from opsbot.model.status import Priority, Status, worst

LISTED = 40
# What fired and was over before its message left is told all the same if that took so long.
LATE = timedelta(minutes=10)
STORM_INTERVAL = timedelta(minutes=5)


class Left(Enum):
    """How far a message has come. WAITS: nobody has tried it. TRIED: it may have arrived. GONE: nothing more comes of it."""

    WAITS = 0
    TRIED = 1
    GONE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What fires of one group and goes to one channel: its alerts with the routes that say so."""

    key: str
    shared: Pairs
    channel: str
    members: tuple[tuple[Alert, Route], ...] = ()

    @property
    def storm(self) -> bool:
        return any(name == "storm" for name, _ in self.shared)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What this turn brought, by key: alerts that are told again (and what muted them), whose ack ran out, and the words
    for every change."""

    unmuted: Mapping[str, str]
    lapsed: Mapping[str, Ack]
    reasons: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What is known of the channel from now on, None if nothing is open; and what it is told, if anything."""

    told: Told | None
    notice: Notice | None = None
    withdrawn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reason:
    text: str
    urgent: bool = True
    action: Action = Action.TRIGGER
    fresh: frozenset[str] = frozenset()
    worse: bool = False

    @property
    def loud(self) -> bool:
        return self.urgent and self.action is Action.TRIGGER


def tell(
    group: Group,
    told: Told | None,
    left: Left,
    alerts: Mapping[str, Alert],
    news: News,
    now: datetime,
    new_id: Callable[[], str],
) -> Said:
    """What one channel hears of one group. `left`: how far its last message has come; one that waits may be taken back."""
    if told is not None and not told.mentions and left is Left.GONE:
        # The close-out is out: a new trouble is a new beginning.
        told = None
    if told is not None and told.at > now + SKEW and left is Left.GONE:
        # The clock was ahead: nobody is told again for that, and nobody waits for it to come round.
        told = replace(told, at=now)
    waits = left is Left.WAITS
    base = () if told is None else told.before if waits or not told.mentions else told.mentions
    mentions = _mentions(group, base)
    if not mentions:
        return _end(group, told, base, waits, alerts, news, now, new_id)
    if (
        told is not None
        and waits
        and mentions == told.mentions
        and not _acked(group, told)
        and told.at <= _latest(group, now)
    ):
        return Said(told=told)
    reason = _reason(group, told, base, mentions, waits, news, now)
    if reason is None and told is not None and not told.mentions and not waits:
        reason = _Reason(text="it fires again")
    if reason is None:
        return _quiet(told, mentions, waits)
    return _say(group, told, base, mentions, waits, alerts, reason, now, new_id)


def _latest(group: Group, now: datetime) -> datetime:
    """When what waits leaves at the latest; what would leave later was put off by a clock that was ahead, and is said anew."""
    longest = max((max(route.wait, route.interval) for _, route in group.members), default=timedelta(0))
    return now + max(longest, STORM_INTERVAL) + SKEW


def _mentions(group: Group, base: Sequence[Mention]) -> tuple[Mention, ...]:
    """What the channel is to know as firing: what it knows and still fires, and what nothing mutes."""
    known = {mention.key: mention for mention in base}
    found = []
    for alert, _ in group.members:
        before = known.get(alert.key)
        if not alert.muted:
            found.append(Mention(key=alert.key, episode=alert.episode, status=alert.status, flapping=alert.flapping))
        elif before and before.episode == alert.episode:
            found.append(before)
    return tuple(sorted(found, key=lambda mention: mention.key))


def _quiet(told: Told | None, mentions: tuple[Mention, ...], waits: bool) -> Said:
    """Nothing to say. What eased is noted, so that its becoming worse again is told; what waits and is undone goes."""
    if told is None:
        return Said(told=None)
    if waits:
        left_at = told.before_at or told.at
        kept = replace(told, mentions=mentions, before=mentions, at=left_at, acked=told.before_acked)
        return Said(told=kept, withdrawn=told.message_id)
    return Said(told=replace(told, mentions=mentions))


def _reason(
    group: Group,
    told: Told | None,
    base: Sequence[Mention],
    mentions: Sequence[Mention],
    waits: bool,
    news: News,
    now: datetime,
) -> _Reason | None:
    """The first that holds, with what it is about; None if there is nothing to say."""
    known = {mention.key: mention for mention in base}
    open_ = [alert for alert, _ in group.members if not alert.muted]
    is_known = {a.key: a.key in known and known[a.key].episode == a.episode for a in open_}
    new = [a for a in open_ if not is_known[a.key]]
    old = [a for a in open_ if is_known[a.key]]
    worse = [a for a in old if a.status.rank > known[a.key].status.rank]
    back = [a for a in open_ if a.key in news.unmuted]
    flapping = [a for a in old if a.flapping and not known[a.key].flapping]
    lapsed = [a for a in old if a.key in news.lapsed]
    over = len(known.keys() - {mention.key for mention in mentions})
    if worse:
        return replace(_about(worse, _worse(worse, known), urgent=not group.storm), worse=True)
    if back:
        return _about(back, f"{news.unmuted[back[0].key]} is over, and it still fires")
    if new:
        return _about(new, *_new(group, new, known, _was_acked(told, waits), news.reasons))
    if flapping:
        return _about(flapping, news.reasons.get(flapping[0].key, "flapping"))
    if lapsed:
        ack = news.lapsed[lapsed[0].key]
        return _about(
            lapsed, f"acknowledged by {ack.who} {show_duration(_minutes(now - ack.at))} ago, and it still fires"
        )
    if over:
        return _Reason(text=f"{over} of {len(known)} resolved", urgent=False)
    return _again(group, told, open_, waits, now)


def _about(alerts: Sequence[Alert], text: str, urgent: bool = True) -> _Reason:
    return _Reason(text=text, urgent=urgent, fresh=frozenset(alert.key for alert in alerts))


def _worse(worse: Sequence[Alert], known: Mapping[str, Mention]) -> str:
    first = worse[0]
    return f"worse: {known[first.key].status} became {first.status}"


def _new(
    group: Group,
    new: Sequence[Alert],
    known: Mapping[str, Mention],
    acked: bool,
    said: Mapping[str, str],
) -> tuple[str, bool]:
    """The words, and whether they are urgent: more of what is known already waits for more of its kind."""
    if group.storm:
        return f"storm: {len(new)} alerts began to fire within a minute", not known
    if all(alert.flapping for alert in new):
        return said.get(new[0].key, "flapping"), True
    if not known:
        return ("new" if len(new) == 1 else f"new: {len(new)} alerts in one group"), True
    peak = max(mention.status.rank for mention in known.values())
    others = len(known)
    text = f"new: grouped with {others} other{'s' if others > 1 else ''}"
    # Whoever has the group in hand does not know of this one.
    return text, acked or max(a.status.rank for a in new) > peak


def _was_acked(told: Told | None, waits: bool) -> bool:
    """Whether the last message that left said that it is in hand."""
    return told is not None and (told.before_acked if waits else told.acked)


def _again(group: Group, told: Told | None, open_: Sequence[Alert], waits: bool, now: datetime) -> _Reason | None:
    if told is None or waits:
        return _taken(open_) if told and _in_hand(group) and not told.before_acked else None
    if _acked(group, told):
        return _taken(open_)
    repeat = _repeat(group)
    awake = [alert for alert in open_ if alert.ack is None]
    if repeat is None or not awake or now - told.at < repeat:
        return None
    return _Reason(text=f"repeat after {show_duration(_minutes(now - told.at))}")


def _taken(open_: Sequence[Alert]) -> _Reason:
    ack = next(alert.ack for alert in open_ if alert.ack)
    said = f": {ack.reason}" if ack.reason else ""
    return _Reason(text=f"acknowledged by {ack.who}{said}", action=Action.ACKNOWLEDGE)


def _acked(group: Group, told: Told) -> bool:
    """Whether all of it is in somebody's hand, and the channel does not know yet."""
    return not told.acked and _in_hand(group)


def _in_hand(group: Group) -> bool:
    open_ = [alert for alert, _ in group.members if not alert.muted]
    return bool(open_) and all(alert.ack for alert in open_)


def repeats_at(told: Told, alerts: Mapping[str, Alert]) -> datetime | None:
    """When it is told again if nothing happens; None for what somebody has in hand, or is not repeated."""
    known = [alerts[mention.key] for mention in told.mentions if mention.key in alerts]
    awake = any(alert.fires and not alert.muted and alert.ack is None for alert in known)
    return told.at + told.repeat if told.repeat is not None and awake else None


def _repeat(group: Group) -> timedelta | None:
    return min((route.repeat for _, route in group.members if route.repeat is not None), default=None)


def _minutes(length: timedelta) -> timedelta:
    return timedelta(minutes=max(round(length / timedelta(minutes=1)), 0))


def _say(
    group: Group,
    told: Told | None,
    base: tuple[Mention, ...],
    mentions: tuple[Mention, ...],
    waits: bool,
    alerts: Mapping[str, Alert],
    reason: _Reason,
    now: datetime,
    new_id: Callable[[], str],
) -> Said:
    left_at = None if told is None else told.before_at if waits else told.at
    interval = (
        STORM_INTERVAL if group.storm else min((route.interval for _, route in group.members), default=timedelta(0))
    )
    not_before = left_at + interval if left_at and not reason.urgent else _gathers_until(group, told, base, waits, now)
    still = {mention.key for mention in mentions}
    firing = [alert for alert, _ in group.members if alert.key in still]
    over = _gone(base, mentions, alerts)
    first = min((priority for priority in (route.priority for _, route in group.members)), default=Priority.P3)
    was_acked = _was_acked(told, waits)
    anew = reason.loud and bool(base and reason.fresh) and (reason.worse or was_acked)
    notice = replace(_notice(group, reason, first, firing, over, told, now, new_id()), loud=reason.loud, anew=anew)
    leaves = max(not_before, now) if not_before else now
    if leaves > now:
        notice = replace(notice, not_before=leaves)
    kept = Told(
        key=group.key, channel=group.channel, tenant=notice.tenant, at=leaves, message_id=notice.id, shared=group.shared,
        opened_at=told.opened_at if told else now, priority=first, repeat=_repeat(group), mentions=mentions, before=base,
        before_at=left_at, acked=reason.action is Action.ACKNOWLEDGE or (was_acked and not reason.fresh),
        before_acked=was_acked,
    )  # fmt: skip
    return Said(told=kept, notice=notice)


def _gathers_until(
    group: Group, told: Told | None, base: Sequence[Mention], waits: bool, now: datetime
) -> datetime | None:
    """The first word on a group waits for what fires a moment later, however much of it comes meanwhile."""
    latest = now + min((route.wait for _, route in group.members), default=timedelta(0))
    if told is None:
        return latest
    # A clock that was ahead makes nobody wait for it.
    return min(told.at, latest) if waits and not base else None


def _end(
    group: Group,
    told: Told | None,
    base: tuple[Mention, ...],
    waits: bool,
    alerts: Mapping[str, Alert],
    news: News,
    now: datetime,
    new_id: Callable[[], str],
) -> Said:
    """Nothing of it is to be known any more: whoever knows something hears of the end, whoever does not is left alone."""
    if told is None or not told.mentions:
        # Its close-out is under way, or there is nothing to close.
        return Said(told=told)
    over = _gone(base or told.mentions, (), alerts)
    late = waits and not base and now - told.at >= LATE and any(not alert.fires for alert in over)
    if not base and not late:
        return Said(told=None, withdrawn=told.message_id)
    text = f"{_over(over, news)}; nothing could be sent while it fired" if late else _over(over, news)
    reason = _Reason(text=text, action=Action.RESOLVE)
    notice = _notice(group, reason, told.priority, (), over, told, now, new_id())
    closing = replace(told, mentions=(), before=base, before_at=told.before_at if waits else told.at, at=now,
                      message_id=notice.id)  # fmt: skip
    return Said(told=closing, notice=notice)


def _over(over: Sequence[Alert], news: News) -> str:
    """Why it ended, in words: of several the plain one."""
    elsewhere = [alert for alert in over if alert.fires]
    if elsewhere and len(elsewhere) == len(over):
        return f"{elsewhere[0].status} now, which is not told here"
    texts = {news.reasons.get(alert.key, "resolved") for alert in over}
    return texts.pop() if len(texts) == 1 else "resolved"


def _gone(base: Sequence[Mention], mentions: Sequence[Mention], alerts: Mapping[str, Alert]) -> list[Alert]:
    still = {mention.key for mention in mentions}
    return [alerts[mention.key] for mention in base if mention.key not in still and mention.key in alerts]


def _notice(
    group: Group,
    reason: _Reason,
    priority: Priority,
    firing: Sequence[Alert],
    over: Sequence[Alert],
    told: Told | None,
    now: datetime,
    id: str,
) -> Notice:
    # What it is about comes first, then the worst of the rest.
    order = sorted(firing, key=lambda a: (-a.status.rank, a.key not in reason.fresh, a.since, a.key))
    ended = sorted(over, key=lambda a: (-a.status.rank, a.key))
    everything = [*firing, *over]
    status = worst(alert.status for alert in firing) if firing else Status.OK
    return Notice(
        id=id, key=group.key, channel=group.channel, action=reason.action, priority=priority, reason=reason.text, at=now,
        status=status, group=group.shared, tenant=everything[0].tenant if everything else "", storm=group.storm,
        opened_at=told.opened_at if told else now, firing=tuple(order[:LISTED]), over=tuple(ended[:LISTED]),
        fires=len(firing), ended=len(over), counts=_counts(firing or over), fresh=reason.fresh,
        ack=next((alert.ack for alert in order if alert.ack), None) if all(a.ack for a in order) else None,
        edits=told.message_id if told else None,
    )  # fmt: skip


def _counts(alerts: Sequence[Alert]) -> tuple[tuple[str, int], ...]:
    """How many of each check, the most first: what a crowd is made of."""
    tally: dict[str, int] = {}
    for alert in alerts:
        name = alert.finding.title or alert.finding.check
        tally[name] = tally.get(name, 0) + 1
    return tuple(sorted(tally.items(), key=lambda pair: (-pair[1], pair[0]))[:LISTED])
