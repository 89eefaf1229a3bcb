"""The outbox on SQLAlchemy Core: messages claimed under a lease and settled, and what is known of their channels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, bindparam, delete, func, insert, or_, select, update

from opsbot.errors import StoreError
from opsbot.model.actor import Actor
from opsbot.model.message import Delivery, Intervention, Message, Outage, Try
from opsbot.model.status import Priority
from opsbot.store import calling, lines, rows
from opsbot.store import tables as t
from opsbot.store.audit import did
from opsbot.store.engine import in_turn, reading, writing

_MENDED = {"since": None, "error": "", "failures": 0, "held": False, "retry_at": None, "told_at": None}

_SENT = Delivery.SENT.value
# Built once: a fast channel says this hundreds of times a second. That it was sent is a fact whoever says it.
_ARRIVED = (
    update(t.message)
    .where(t.message.c.id == bindparam("sent_id"), t.message.c.state != _SENT)
    .values(state=_SENT, provider_id=bindparam("called"), error="", not_before=None, lease_until=None)
)
_ENDED = (
    update(t.delivery_attempt)
    .where(t.delivery_attempt.c.message_id == bindparam("sent_id"), t.delivery_attempt.c.n == bindparam("try"))
    .values(outcome=_SENT, error="", ended_at=bindparam("at"))
)


class SqlOutbox:
    """The Store's part that has to do with messages. Every method is one transaction and raises StoreError."""

    engine: Engine

    def claim(
        self, now: datetime, lease_seconds: float, *, run_id: str | None = None, without: Collection[str] = ()
    ) -> Message | None:
        """As in the port."""
        query = lines.claimable(rows.micros(now), run_id=run_id, without=without)
        with writing(self.engine) as db:
            claimed = _take(db, query, now, lease_seconds)
        return claimed[0] if claimed else None

    def claim_of(
        self, channel: str, now: datetime, lease_seconds: float, *, pace: float = 0.0, limit: int = 1
    ) -> tuple[Message, ...]:
        """As in the port."""
        query = lines.claimable(rows.micros(now), channel=channel, limit=1 if pace else limit)
        with writing(self.engine) as db:
            in_turn(db, f"channel/{channel}")
            claimed = _take(db, query, now, lease_seconds)
            if claimed and pace:
                _note_channel(db, channel, {"opens_at": rows.micros(now + timedelta(seconds=pace))})
        return claimed

    def renew(self, held: Mapping[str, int], now: datetime, lease_seconds: float) -> frozenset[str]:
        """As in the port."""
        until = rows.micros(now + timedelta(seconds=lease_seconds))
        with writing(self.engine) as db:
            return frozenset(id for id, n in held.items() if not _renewed(db, id, n, until))

    def release(self, messages: Sequence[Message]) -> None:
        """As in the port."""
        with writing(self.engine) as db:
            for message in messages:
                back = {"state": lines.QUEUED, "attempts": message.attempts - 1, "lease_until": None}
                if db.execute(update(t.message).where(_held(message.id, message.attempts)).values(back)).rowcount:
                    db.execute(delete(t.delivery_attempt).where(*_try(message)))

    def settle(
        self,
        message: Message,
        state: Delivery,
        *,
        now: datetime,
        provider_id: str = "",
        error: str = "",
        not_before: datetime | None = None,
        also: Sequence[Message] = (),
        hold_channel: bool = False,
        outage: Outage | None = None,
        body: bytes | None = None,
    ) -> None:
        """As in the port."""
        values = {
            "state": state.value,
            "provider_id": rows.text(provider_id),
            "error": rows.text(error),
            "not_before": rows.optional(not_before),
            "lease_until": None,
        } | ({} if body is None else {"body": body})
        with writing(self.engine) as db:
            if db.execute(update(t.message).where(lines.may_settle(message, state)).values(values)).rowcount:
                _note(db, message, now, state, error)
                lines.queue(db, also)
                if state is Delivery.SENT:
                    calling.arrived(db, (message,), now)
            if hold_channel and not_before:
                _note_channel(db, message.channel, {"opens_at": rows.micros(not_before)})
            if outage is not None:
                _note_outage(db, outage)
            elif state is Delivery.SENT:
                _mend(db, message.channel)

    def settle_sent(self, sent: Sequence[tuple[Message, str]], *, now: datetime) -> None:
        """As in the port."""
        arrived = [{"sent_id": message.id, "called": rows.text(provider_id)} for message, provider_id in sent]
        ended = [{"sent_id": message.id, "try": message.attempts, "at": rows.micros(now)} for message, _ in sent]
        with writing(self.engine) as db:
            db.execute(_ARRIVED, arrived)
            db.execute(_ENDED, ended)
            for channel in dict.fromkeys(message.channel for message, _ in sent):
                _mend(db, channel)
            calling.arrived(db, (message for message, _ in sent), now)

    def note_outage(self, outage: Outage) -> None:
        """As in the port."""
        with writing(self.engine) as db:
            _note_outage(db, outage)

    def outages(self) -> tuple[Outage, ...]:
        query = select(t.channel).where(t.channel.c.since.is_not(None)).order_by(t.channel.c.since, t.channel.c.name)
        return tuple(map(rows.read_outage, self._found(query)))

    def tell_outage(self, channel: str, notices: Sequence[Message], now: datetime) -> bool:
        """As in the port."""
        untold = (t.channel.c.name == channel, t.channel.c.since.is_not(None), t.channel.c.told_at.is_(None))
        with writing(self.engine) as db:
            told = db.execute(update(t.channel).where(*untold).values(told_at=rows.micros(now))).rowcount > 0
            if told:
                lines.queue(db, notices)
        return told

    def stranded(self, waits: Mapping[Priority, timedelta], now: datetime) -> tuple[Message, ...]:
        """As in the port."""
        before = {priority.value: rows.micros(now - wait) for priority, wait in waits.items()}
        query = lines.stranded(before, rows.micros(now)).order_by(t.message.c.created_at, t.message.c.id)
        return tuple(map(rows.read_message, self._found(query)))

    def detour(self, message: Message, notice: Message) -> bool:
        """As in the port."""
        mine = t.message.c
        with writing(self.engine) as db:
            in_turn(db, f"detour/{message.id}")
            waits = select(mine.id).where(mine.id == message.id, mine.state.in_(lines.UNSENT))
            told = select(mine.id).where(mine.id == notice.id)
            if db.scalar(waits) is None or db.scalar(told) is not None:
                return False
            lines.queue(db, (notice,))
        return True

    def bundle(self, channel: str, late_since: datetime, cover: Callable[[Sequence[Message]], Message]) -> str:
        """As in the port."""
        with writing(self.engine) as db:
            in_turn(db, f"channel/{channel}")
            first = _read(db, lines.late(channel, rows.micros(late_since)))
            if not first:
                return ""
            rest = _read(db, lines.replies([message.id for message in first]))
            members = sorted([*first, *rest], key=lambda message: (message.created_at, message.id))
            told = cover(sorted(first, key=lambda message: (message.created_at, message.id)))
            lines.queue(db, (told,))
            for place, member in enumerate(members, 2):
                moved = {"key": told.key, "seq": place, "reply_to": told.id, "state": lines.QUEUED, "not_before": None}
                db.execute(update(t.message).where(t.message.c.id == member.id).values(moved))
        return told.id

    def is_late(self, channel: str, since: datetime) -> bool:
        """As in the port."""
        return bool(self._found(lines.late(channel, rows.micros(since)).limit(1)))

    def messages_due(self, now: datetime) -> Mapping[str, datetime]:
        """As in the port."""
        at = rows.micros(now)
        found = self._found(lines.due(), {"now": at})
        return {row["channel"]: _when(at, row["due"], row["opens_at"], row["retry_at"]) for row in found}

    def retry(
        self, ids: Sequence[str], who: str, now: datetime, reason: str = "", actor: Actor | None = None
    ) -> tuple[str, ...]:
        """As in the port."""
        fresh = {"state": lines.QUEUED, "not_before": None, "kept_since": rows.micros(now)}
        may = (*lines.WAITING, Delivery.DEAD.value, Delivery.UNKNOWN.value, Delivery.DROPPED.value)
        with writing(self.engine) as db:
            done = _intervene(db, ids, may, fresh, _act(who, "retry", reason, now))
            mine = select(t.message.c.channel).where(t.message.c.id.in_(done))
            db.execute(update(t.channel).where(t.channel.c.name.in_(mine)).values(retry_at=None))
            for id in done:
                did(db, "message.retry", id, now, actor, who, reason=reason)
        return done

    def drop(
        self, ids: Sequence[str], who: str, reason: str, now: datetime, actor: Actor | None = None
    ) -> tuple[str, ...]:
        """As in the port."""
        gone = {"state": Delivery.DROPPED.value, "not_before": None}
        may = (*lines.WAITING, Delivery.DEAD.value, Delivery.UNKNOWN.value)
        with writing(self.engine) as db:
            done = _intervene(db, ids, may, gone, _act(who, "drop", reason, now))
            for id in done:
                did(db, "message.drop", id, now, actor, who, reason=reason)
        return done

    def reopen(self, channels: Collection[str]) -> None:
        """As in the port."""
        mine = (t.channel.c.name.in_(channels), t.channel.c.retry_at.is_not(None))
        held = (t.message.c.channel.in_(channels), t.message.c.state == Delivery.HELD.value)
        with writing(self.engine) as db:
            db.execute(update(t.channel).where(*mine).values(retry_at=None))
            db.execute(update(t.message).where(*held).values(not_before=None))

    def messages(
        self,
        *,
        run_id: str | None = None,
        states: Sequence[Delivery] = (),
        channel: str | None = None,
        key: str | None = None,
        limit: int | None = None,
    ) -> tuple[Message, ...]:
        """As in the port."""
        mine = t.message.c
        query = select(t.message).order_by(mine.created_at, mine.seq, mine.id)
        query = query.where(*(column == value for column, value in
                              ((mine.run_id, run_id), (mine.channel, channel), (mine.key, key)) if value is not None))  # fmt: skip
        if states:
            query = query.where(mine.state.in_([state.value for state in states]))
        return tuple(map(rows.read_message, self._found(query.limit(limit))))

    def message(self, id: str) -> Message | None:
        found = self._found(select(t.message).where(t.message.c.id == id))
        return rows.read_message(found[0]) if found else None

    def message_named(self, words: str) -> Message | None:
        """By id, or by an unambiguous beginning of it. Raises StoreError when several begin so."""
        begins = func.substr(t.message.c.id, 1, len(words)) == words
        found = self._found(select(t.message).where(begins).order_by(t.message.c.id).limit(4)) if words else []
        exact = [row for row in found if row["id"] == words] or found
        if len(exact) > 1:
            names = ", ".join(row["id"] for row in exact[:3])
            raise StoreError(f"several messages begin with {words!r}: {names}", hint="give more of the id")
        return rows.read_message(exact[0]) if exact else None

    def tries(self, message_id: str) -> tuple[Try, ...]:
        mine = t.delivery_attempt.c
        query = select(t.delivery_attempt).where(mine.message_id == message_id).order_by(mine.n)
        return tuple(map(rows.read_try, self._found(query)))

    def interventions(self, message_id: str) -> tuple[Intervention, ...]:
        mine = t.intervention.c
        query = select(t.intervention).where(mine.message_id == message_id).order_by(mine.at, mine.id)
        return tuple(map(rows.read_intervention, self._found(query)))

    def _found(self, query: Select[Any], given: Mapping[str, int] | None = None) -> Sequence[rows.Row]:
        with reading(self.engine) as db:
            return [dict(row) for row in db.execute(query, given or {}).mappings()]


def _read(db: Connection, query: Select[Any]) -> Sequence[Message]:
    return [rows.read_message(dict(row)) for row in db.execute(query).mappings()]


def _take(db: Connection, query: Select[Any], now: datetime, lease_seconds: float) -> tuple[Message, ...]:
    """These rows, marked as being sent, with an attempt begun for each."""
    found = db.execute(query).mappings().all()
    if not found:
        return ()
    began, until = rows.micros(now), rows.micros(now + timedelta(seconds=lease_seconds))
    held = {"state": lines.SENDING, "attempts": t.message.c.attempts + 1, "lease_until": until}
    db.execute(update(t.message).where(t.message.c.id.in_([row["id"] for row in found])).values(held))
    taken = [{**row, "state": lines.SENDING, "attempts": row["attempts"] + 1, "lease_until": until} for row in found]
    tries = [
        {"message_id": row["id"], "n": row["attempts"], "started_at": began, "outcome": "", "error": ""}
        for row in taken
    ]
    db.execute(insert(t.delivery_attempt), tries)
    return tuple(map(rows.read_message, taken))


def _held(id: str, attempts: int) -> Any:
    return (t.message.c.id == id) & (t.message.c.state == lines.SENDING) & (t.message.c.attempts == attempts)


def _renewed(db: Connection, id: str, attempts: int, until: int) -> bool:
    return db.execute(update(t.message).where(_held(id, attempts)).values(lease_until=until)).rowcount > 0


def _try(message: Message) -> tuple[Any, ...]:
    return t.delivery_attempt.c.message_id == message.id, t.delivery_attempt.c.n == message.attempts


def _note(db: Connection, message: Message, now: datetime, state: Delivery, error: str) -> None:
    ending = {"ended_at": rows.micros(now), "outcome": state.value, "error": rows.text(error)}
    db.execute(update(t.delivery_attempt).where(*_try(message)).values(ending))


def _note_channel(db: Connection, channel: str, values: dict[str, Any]) -> None:
    if not db.execute(update(t.channel).where(t.channel.c.name == channel).values(values)).rowcount:
        # Two senders that meet here first are kept apart on PostgreSQL; SQLite has one writer anyway.
        in_turn(db, f"channel/{channel}")
        if not db.execute(update(t.channel).where(t.channel.c.name == channel).values(values)).rowcount:
            db.execute(insert(t.channel).values({"name": channel, "opens_at": None, **_MENDED, **values}))


def _note_outage(db: Connection, outage: Outage) -> None:
    """The first failure says since when; people are told once until it is mended."""
    said = {"error": rows.text(outage.error), "held": outage.held, "retry_at": rows.optional(outage.opens_at)}
    first = func.coalesce(t.channel.c.since, rows.micros(outage.since))
    known = update(t.channel).where(t.channel.c.name == outage.channel)
    if not db.execute(known.values(**said, since=first, failures=t.channel.c.failures + 1)).rowcount:
        _note_channel(db, outage.channel, {**said, "since": rows.micros(outage.since), "failures": 1})


def _mend(db: Connection, channel: str) -> None:
    """It took something: nothing is wrong any more, and nobody need be told that something was."""
    down = (t.channel.c.name == channel, or_(t.channel.c.since.is_not(None), t.channel.c.retry_at.is_not(None)))
    if db.execute(update(t.channel).where(*down).values(_MENDED)).rowcount:
        untold = (t.message.c.key == f"{lines.NOTICES}{channel}", t.message.c.state.in_(lines.WAITING))
        db.execute(update(t.message).where(*untold).values(state=Delivery.SUPERSEDED.value))


def _act(who: str, what: str, reason: str, now: datetime) -> dict[str, Any]:
    return {"at": rows.micros(now), "who": rows.text(who), "what": what, "reason": rows.text(reason)}


def _intervene(
    db: Connection, ids: Sequence[str], may: Sequence[str], values: dict[str, Any], act: dict[str, Any]
) -> tuple[str, ...]:
    """Those that stood where this can be done, changed, with who did it."""
    done = []
    for id in dict.fromkeys(ids):
        if db.execute(
            update(t.message).where(t.message.c.id == id, t.message.c.state.in_(may)).values(values)
        ).rowcount:
            db.execute(insert(t.intervention).values({"message_id": id, **act}))
            done.append(id)
    return tuple(done)


def _when(now: int, due: int, *shut: int | None) -> datetime:
    """A channel that a clock which was ahead had shut is open, as it is to `claim`."""
    found = rows.moment(max(due, *(moment for moment in shut if moment and moment <= now + lines.LONGEST), 0))
    if found is None:
        raise TypeError("a moment of no time")
    return found
