"""A card: one trouble as one Slack message that is edited as it changes, and the reply that says what changed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from opsbot.model.report import About, Card
from opsbot.render.blockkit import Json, code, context, escape, header, link, message, section
from opsbot.render.format import clean, clip, moment
from opsbot.render.tokens import MARKS

_NAME, _SENTENCE, _MEANS, _HEADLINE = 60, 400, 800, 150


def headline(card: Card) -> str:
    """`shop-prod: Cost of NAT Gateway, growing`."""
    finding = card.finding
    place = f"{clip(clean(finding.environment), _NAME)}: " if finding.environment else ""
    return clip(f"{place}{clip(clean(finding.title or finding.check), _NAME)}, {clean(card.change)}", _HEADLINE)


def told(card: Card) -> str:
    """All that changes of it, in one line: two cards that say the same are the same."""
    return f"{headline(card)}: {clip(clean(card.finding.summary), _SENTENCE)}"


def slack(card: Card, title: str, about: About) -> Json:
    """A payload for chat.postMessage and chat.update. `title` is the report's."""
    finding = card.finding
    more = link(about.url, "Report") if about.url else ""
    as_of = escape(f"{title}, as of {moment(about.at, about.zone)}")
    blocks = [header(f"{MARKS[finding.status.verdict].slack} {headline(card)}"), context(as_of, more)]
    said = (clip(clean(finding.summary), _SENTENCE), clip(clean(finding.means), _MEANS))
    if words := "\n".join(escape(text) for text in said if text):
        blocks.append(section(words))
    owner = [escape(f"Owner {clip(clean(finding.owner), _NAME)}")] if finding.owner else []
    if foot := [*owner, *map(code, _commands(card))]:
        blocks.append(context(*foot))
    return message(escape(f"{told(card)}."), blocks)


def _commands(card: Card) -> Iterator[str]:
    """What to type next, the safest first."""
    if card.finding.runbook:
        runbook, environment = (shlex.quote(clean(name)) for name in (card.finding.runbook, card.finding.environment))
        yield f"opsbot runbook show {runbook} --env {environment}"
    if card.close and not card.over:
        yield card.close


def change(card: Card, about: About) -> Json:
    """A payload for chat.postMessage in the card's thread."""
    word = clean(card.change)
    lines = (f"*{escape(f'{word[:1].upper()}{word[1:]}')}*", escape(clip(clean(card.finding.summary), _SENTENCE)))
    when = escape(f"({moment(about.at, about.zone)})")
    return message(escape(f"{told(card)}."), [section(f"{lines[0]}\n{lines[1]} {when}")])
