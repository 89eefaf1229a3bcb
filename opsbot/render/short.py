"""What must be short: a text message that fits one part, and the reply that says what changed on a card.

GSM 03.38 (3GPP TS 23.038): 140 bytes hold 160 characters of its alphabet, or 70 of any other.
"""

from __future__ import annotations

import unicodedata

from opsbot.model.alert import Alert, Notice
from opsbot.model.message import Action
from opsbot.model.status import Priority
from opsbot.render.blockkit import Json, escape, message, section
from opsbot.render.format import clean, clip, moment
from opsbot.render.notice import headline
from opsbot.render.tokens import MARKS

SEPTETS, UNITS = 160, 70
CHANGES = 5
_SENTENCE, _NAME = 240, 60
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
# These take two.
_TWICE = frozenset("^{}\\[~]|€")
_ALIKE = str.maketrans({
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "`": "'", "´": "'",
    "–": "-", "—": "-", "−": "-", "‑": "-", "…": "...", "•": "*", "·": "-", "×": "x", "÷": "/", "≥": ">=", "≤": "<=",
    "≈": "~", "→": "->", "←": "<-", "↑": "up", "↓": "down", "µ": "u", "μ": "u", "°": "deg", "‰": "/1000",
    "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\t": " ",
})  # fmt: skip


def sms(text: str, tail: str = "") -> str:
    """One text message of 140 bytes: what stands for a sign the alphabet lacks where there is one, else fewer signs of
    any script. `tail` is kept whole if it fits beside most of the rest."""
    head, end = (_plain(clean(part)) for part in (text, tail))
    most = SEPTETS if _septets(head + end) is not None else UNITS
    # On a line of its own, so that it can be marked and copied.
    end = f"\n{end}" if end and _size(end) < most // 3 else ""
    return _cut(head, most - _size(end)) + end


def notice_sms(notice: Notice) -> str:
    """Of one group of alerts: the headline, and how to take it in hand."""
    urgent = notice.action is Action.TRIGGER and notice.priority in (Priority.P0, Priority.P1)
    return sms(headline(notice), f"opsbot ack --group {notice.key[:19]}" if urgent and notice.firing else "")


def change(notice: Notice, zone: str) -> Json:
    """A payload for chat.postMessage under the card of a group: what changed, and which alerts it is about."""
    said = f"{clip(clean(notice.reason), _SENTENCE)}"
    lines = [f"*{escape(_change(notice))}*", f"{escape(said)} ({moment(notice.at, zone)})"]
    fresh = [alert for alert in notice.firing if alert.key in notice.fresh]
    lines += [f"{MARKS[alert.status.verdict].slack} {escape(_what(alert))}" for alert in fresh[:CHANGES]]
    lines += [f"and {len(fresh) - CHANGES} more"] if len(fresh) > CHANGES else []
    return message(escape(f"{_change(notice)}. {said}."), [section("\n".join(lines))])


def _change(notice: Notice) -> str:
    match notice.action:
        case Action.RESOLVE:
            return "Resolved"
        case Action.ACKNOWLEDGE:
            return f"In hand: {clip(clean(notice.ack.who), _NAME)}" if notice.ack else "In hand"
        case _:
            return f"{notice.priority}: {notice.fires} firing" + (f", {notice.ended} over" if notice.ended else "")


def _what(alert: Alert) -> str:
    finding = alert.finding
    names = (clean(finding.environment), clean(finding.title or finding.check), clean(finding.resource))
    told = ", ".join(clip(name, _NAME) for name in names if name)
    return f"{told}: {clip(clean(finding.summary), _SENTENCE)}" if finding.summary else told


def _plain(text: str) -> str:
    """As far as the alphabet goes: accents it lacks are dropped, and signs have their likeness."""
    told = unicodedata.normalize("NFC", text).translate(_ALIKE)
    return "".join(sign if _known(sign) else _bare(sign) for sign in told)


def _known(sign: str) -> bool:
    return sign in _GSM or sign in _TWICE


def _bare(sign: str) -> str:
    base = "".join(part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part))
    return base if base and all(map(_known, base)) else sign


def _septets(text: str) -> int | None:
    """How many of the 160 it takes; None if the alphabet does not hold it."""
    return sum(2 if sign in _TWICE else 1 for sign in text) if all(map(_known, text)) else None


def _size(text: str) -> int:
    """In septets, or in UTF-16 units where it is not of the alphabet."""
    septets = _septets(text)
    return len(text.encode("utf-16-le", "replace")) // 2 if septets is None else septets


def _cut(text: str, most: int) -> str:
    """By its size in a message of the kind that `most` is of; a cut ends in three dots."""
    measure = _units if most <= UNITS and _septets(text) is None else _size
    if measure(text) <= most:
        return text
    while text and measure(text) > most - 3:
        text = text[:-1]
    return f"{text.rstrip()}..."


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2
