"""Where a card stands already: the message that a newer one comes in place of, found as the newer one is queued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select

from opsbot.model.message import Action, Delivery, Message, Standing
from opsbot.store import rows
from opsbot.store import tables as t

# People have it before their eyes, or soon will.
_STANDS = (Delivery.QUEUED, Delivery.SENDING, Delivery.HELD, Delivery.SENT)


def placed(db: Connection, cards: Sequence[Standing]) -> tuple[Message, ...]:
    """What of these is to be queued. The job's runs end one after another: nobody else finds the same card now."""
    return tuple(message for card in cards for message in _told(card, _open(db, card.message, card.begun)))


def _told(card: Standing, last: Message | None) -> tuple[Message, ...]:
    if last is None:
        return (card.message,) if card.opens else ()
    if last.subject == card.message.subject and last.state in _STANDS:
        return ()
    return replace(card.message, edits=last.id), card.change


def _open(db: Connection, card: Message, begun: datetime) -> Message | None:
    """The last message of the card's line, unless it closed the card or is of an earlier trouble."""
    mine = (t.message.c.channel == card.channel, t.message.c.key == rows.text(card.key))
    query = select(t.message, t.run.c.at.label("judged")).join(t.run, t.run.c.id == t.message.c.run_id).where(*mine)
    row = db.execute(query.order_by(t.message.c.seq.desc()).limit(1)).mappings().first()
    if row is None or row["judged"] < rows.micros(begun):
        return None
    last = rows.read_message(row)
    return None if last.action is Action.RESOLVE else last
