"""Messages that must go out in order stand in a line, one a channel and key: joining it, and who is next."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from opsbot.model.message import CARDS, Action, Delivery, Message
from opsbot.store import rows
from opsbot.store import tables as t
from opsbot.store.engine import in_turn

QUEUED, SENDING = Delivery.QUEUED.value, Delivery.SENDING.value
# What has not left yet and still may.
UNSENT = (QUEUED, SENDING, Delivery.HELD.value)
WAITING = (QUEUED, Delivery.HELD.value)
NOTICES = "opsbot/undelivered/"
ELSEWHERE = ".elsewhere"
"""How the id of a message that is told by another way ends, after that of the message."""
LATE = "opsbot/late/"
_AT_ONCE = 500

# No sender holds a message for so long, no retry waits and no channel stays shut for so long (a peer may ask for an hour):
# what ends later was set by a clock that was ahead.
LONGEST = 3_900_000_000

_due = func.coalesce(t.message.c.lease_until, t.message.c.not_before, 0)


def queue(db: Connection, messages: Sequence[Message]) -> None:
    """What is queued together stands together; it supersedes what was queued before and has not left."""
    # Sorted: two that join the same lines wait for each other in one order.
    lines = sorted({(message.channel, rows.text(message.key)) for message in messages})
    for channel, key in lines:
        in_turn(db, f"line/{channel}/{key}")
    last = _ends(db, lines)
    # A reply adds to what its thread says; only a new first message makes an older one pointless.
    first = {(message.channel, rows.text(message.key)) for message in messages if not message.reply_to}
    _supersede(db, sorted(last.keys() & first))
    cards = _cards(db, [message.edits for message in messages if message.edits])
    joining = []
    fresh = {message.id for message in messages if message.edits and not cards.get(message.edits)}
    for message in messages:
        if message.reply_to in fresh:
            # What changed on a card that nobody has seen is no news.
            continue
        line = message.channel, rows.text(message.key)
        last[line] = last.get(line, 0) + 1
        joining.append(rows.message(message, last[line]) | {"edits": message.edits and cards.get(message.edits)})
    if joining:
        db.execute(insert(t.message), joining)


def _ends(db: Connection, lines: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The last place of each of these lines that has anybody in it."""
    ends: dict[tuple[str, str], int] = {}
    for channel in dict.fromkeys(channel for channel, _ in lines):
        keys = [key for name, key in lines if name == channel]
        for some in _parts(keys):
            query = select(t.message.c.key, func.max(t.message.c.seq)).where(_in_line(channel, some))
            query = query.group_by(t.message.c.key)
            ends |= {(channel, key): seq for key, seq in db.execute(query)}
    return ends


def _supersede(db: Connection, lines: Collection[tuple[str, str]]) -> None:
    """What waits in these lines goes, with the replies to it."""
    gone = {"state": Delivery.SUPERSEDED.value}
    for channel in dict.fromkeys(channel for channel, _ in lines):
        for keys in _parts([key for name, key in lines if name == channel]):
            first = _in_line(channel, keys), t.message.c.state.in_(WAITING), t.message.c.reply_to.is_(None)
            ids = db.scalars(update(t.message).where(*first).values(gone).returning(t.message.c.id)).all()
            _leave(db, ids)


def _leave(db: Connection, parents: Sequence[str]) -> None:
    """What was to follow these is not told either."""
    for some in _parts(parents):
        mine = t.message.c.reply_to.in_(some), t.message.c.state.in_(WAITING)
        db.execute(update(t.message).where(*mine).values(state=Delivery.SUPERSEDED.value))


def _parts(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[at : at + _AT_ONCE] for at in range(0, len(items), _AT_ONCE))


def _in_line(channel: str, keys: Collection[str]) -> ColumnElement[bool]:
    return and_(t.message.c.channel == channel, t.message.c.key.in_(keys))


def _cards(db: Connection, ids: Collection[str]) -> dict[str, str | None]:
    """For each of these messages the one that is to be edited in its place: itself if it may have arrived, else the one
    that it would have edited; None if there is none. So nothing hangs on a message that nobody ever saw."""
    before: dict[str, str | None] = {}
    seen: set[str] = set()
    asked, known = set(ids), set[str]()
    while asked:
        known |= asked
        for row in _touched(db, sorted(asked)):
            if row["state"] in (Delivery.SENT.value, SENDING) or row["attempts"]:
                seen.add(row["id"])
            before[row["id"]] = row["edits"]
        asked = {edits for id, edits in before.items() if id not in seen and edits} - known
    return {id: _seen(id, before, seen) for id in ids}


def _touched(db: Connection, ids: Sequence[str]) -> Iterator[Any]:
    columns = t.message.c.id, t.message.c.edits, t.message.c.state, t.message.c.attempts
    for some in _parts(ids):
        yield from db.execute(select(*columns).where(t.message.c.id.in_(some))).mappings()


def _seen(id: str, before: Mapping[str, str | None], seen: Collection[str]) -> str | None:
    at: str | None = id
    # No chain is longer than this, unless it bites its own tail.
    for _ in before:
        if at is None or at in seen:
            break
        at = before.get(at)
    return at if at in seen else None


def withdraw(db: Connection, ids: Collection[str]) -> None:
    """These need not be told any more, if they have not left; nor what was to follow in their threads."""
    for some in _parts(list(ids)):
        gone = update(t.message).where(t.message.c.id.in_(some), t.message.c.state == QUEUED)
        done = db.scalars(gone.values(state=Delivery.SUPERSEDED.value).returning(t.message.c.id)).all()
        _leave(db, done)


@cache
def _next() -> ColumnElement[bool]:
    """The oldest of its line that has not left, and not a reply to something still on its way. Made once: an alias of a
    wide table costs more than the question."""
    mine, older, parent = t.message.c, t.message.alias("older").c, t.message.alias("parent").c
    line = and_(older.channel == mine.channel, older.key == mine.key, older.seq < mine.seq)
    behind = exists().where(line, older.state.in_(UNSENT))
    early = exists().where(parent.id == mine.reply_to, parent.state.in_(UNSENT))
    return and_(mine.state.in_(UNSENT), ~behind, ~early)


def claimable(
    now: int, *, run_id: str | None = None, channel: str | None = None, without: Collection[str] = (), limit: int = 1
) -> Select[Any]:
    """Due or abandoned, and of a channel that may be asked; the worst first, then the oldest."""
    mine, own = t.message.c, t.channel.c
    ahead = now + LONGEST
    is_shut = or_(and_(own.opens_at > now, own.opens_at <= ahead), and_(own.retry_at > now, own.retry_at <= ahead))
    shut = exists().where(own.name == mine.channel, is_shut)
    query = select(t.message).where(_next(), (_due <= now) | _abandoned(now), ~shut)
    if run_id is not None:
        query = query.where(mine.run_id == run_id)
    if channel is not None:
        query = query.where(mine.channel == channel)
    if without:
        query = query.where(mine.channel.not_in(without))
    # SQLite has one writer and needs no row locks (the clause is left out there); others skip what a peer holds.
    ordered = query.order_by(mine.rank.desc(), mine.created_at, mine.seq, mine.id)
    return ordered.limit(limit).with_for_update(skip_locked=True, of=t.message)


def _abandoned(now: int | BindParameter[int]) -> ColumnElement[bool]:
    """Held, or put off after an attempt, for longer than anybody does that: by a clock that was ahead."""
    mine = t.message.c
    return or_(mine.lease_until > now + LONGEST, and_(mine.attempts > 0, mine.not_before > now + LONGEST))


@cache
def due() -> Select[Any]:
    """By channel: when the earliest of its lines comes due, and when it may be asked. What `claimable` takes as abandoned
    is due at once; the parameter `now` says since when."""
    at = case((_abandoned(bindparam("now", type_=BigInteger)), 0), else_=_due)
    earliest = select(t.message.c.channel, func.min(at).label("due")).where(_next()).group_by(t.message.c.channel)
    inner = earliest.subquery()
    opens = t.channel.c.opens_at, t.channel.c.retry_at
    return select(inner.c.channel, inner.c.due, *opens).join_from(
        inner, t.channel, t.channel.c.name == inner.c.channel, isouter=True
    )


def late(channel: str, before: int) -> Select[Any]:
    """First messages that wait since before then because their channel took nothing, or because nobody was there to
    send them; what this program itself says about waiting is not counted."""
    mine, own = t.message.c, t.channel.c
    down = exists().where(own.name == channel, own.since.is_not(None))
    # A card stands for itself, late or not: in a thread nobody would see it change.
    ours = [mine.key.startswith(prefix, autoescape=True) for prefix in (NOTICES, LATE, CARDS)]
    return select(t.message).where(
        mine.channel == channel,
        mine.state.in_(WAITING),
        mine.reply_to.is_(None),
        # What people have before their eyes already is only brought up to date, wherever it stands.
        mine.edits.is_(None),
        mine.created_at < before,
        (mine.attempts == 0) | down,
        *(~one for one in ours),
    )


def stranded(before: Mapping[str, int], now: int) -> Select[Any]:
    """Pages of these priorities that wait since before then, because an attempt failed or their channel takes nothing, and
    that were not told by another way."""
    mine, own = t.message.c, t.channel.c
    old = or_(*(and_(mine.priority == priority, mine.created_at <= moment) for priority, moment in before.items()))
    # The first attempt at what is old because nobody was there to send it may well arrive.
    failed = or_(mine.attempts > 1, and_(mine.attempts == 1, mine.state != SENDING))
    is_shut = or_(own.since.is_not(None), own.opens_at > now, own.retry_at > now)
    down = exists().where(own.name == mine.channel, is_shut)
    gathers = and_(mine.attempts == 0, func.coalesce(mine.not_before, 0) > now)
    return select(t.message).where(
        mine.state.in_(UNSENT),
        mine.action == Action.TRIGGER.value,
        mine.reply_to.is_(None),
        ~mine.key.startswith(NOTICES, autoescape=True),
        old,
        or_(failed, down),
        ~gathers,
        ~_told_elsewhere(),
    )


@cache
def _told_elsewhere() -> ColumnElement[bool]:
    return exists().where(t.message.alias("other").c.id == t.message.c.id + ELSEWHERE)


def replies(parents: Collection[str]) -> Select[Any]:
    return select(t.message).where(t.message.c.reply_to.in_(parents), t.message.c.state.in_(WAITING))


def may_settle(message: Message, state: Delivery) -> ColumnElement[bool]:
    """That it was sent is a fact whoever says it; anything else only its present holder may say."""
    mine = t.message.c.id == message.id
    if state is Delivery.SENT:
        return and_(mine, t.message.c.state != Delivery.SENT.value)
    return and_(mine, t.message.c.state == SENDING, t.message.c.attempts == message.attempts)
