"""Slack's Block Kit, with its limits built in: nothing made here is ever refused for its size or for what it says.

Figures: Slack's Block Kit reference; 50 blocks a message and rejection near 13,000 characters of serialized blocks are
its own limits, `BLOCKS` and `CHARACTERS` are ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from opsbot.render.format import clean, clip

BLOCKS, CHARACTERS = 12, 6000
HEADER, SECTION, CONTEXT, FALLBACK = 150, 3000, 10, 3900
TABLE_ROWS, TABLE_COLUMNS = 100, 20

Json = dict[str, Any]


def escape(text: str) -> str:
    """Untrusted text for mrkdwn: mentions and links disarmed, and the marks that would switch on bold, strike or code
    replaced by ones that look alike. Quotes at a line's start cannot appear, because a value never starts a line."""
    plain = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.replace("`", "'").replace("*", "∗").replace("~", "∼")


def code(text: str) -> str:
    """A command as people copy it."""
    return f"`{clean(text).replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;').replace('`', chr(39))}`"


def link(url: str, text: str) -> str:
    return f"<{url}|{escape(text)}>"


def header(text: str) -> Json:
    return {"type": "header", "text": {"type": "plain_text", "text": clip(text, HEADER), "emoji": True}}


def section(text: str) -> Json:
    """`verbatim`: names that look like addresses stay names. Fits a message of its own in any script."""
    text = _whole(text, SECTION)
    while len(json.dumps(text)) > CHARACTERS - 300:
        text = _whole(text, len(text) * 4 // 5)
    return {
        "type": "section",
        "text": {"type": "mrkdwn", "text": text, "verbatim": True},
        "expand": True,
    }


def context(*parts: str) -> Json:
    kept = [part for part in parts if part][:CONTEXT]
    return {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": _whole(part, 1000), "verbatim": True} for part in kept],
    }


def _whole(text: str, n: int) -> str:
    """Cut between words where it must be cut, so that no entity or link is ever cut in half."""
    if len(text) <= n:
        return text
    head = text[: n - 1]
    cut = max(head.rfind(" "), head.rfind("\n"))
    return (head[:cut] if cut > 0 else head[: max(head.rfind("&"), 0)]).rstrip() + "…"


def table(rows: Sequence[Sequence[str]], aligns: Sequence[str]) -> Json:
    """The first row is the head. Cell text is literal, so it needs no escaping; an empty cell would be refused."""
    kept = [[_cell(text) for text in row[:TABLE_COLUMNS]] for row in rows[:TABLE_ROWS]]
    settings = [{"align": align, "is_wrapped": False} for align in aligns[:TABLE_COLUMNS]]
    return {"type": "table", "rows": kept, "column_settings": settings}


def _cell(text: str) -> Json:
    return {"type": "raw_text", "text": clip(clean(text), 60) or " "}


def size(blocks: Sequence[Json]) -> int:
    """Characters as they may be counted at worst: with spaces between, and escapes for everything beyond ASCII."""
    return len(json.dumps(list(blocks)))


def fits(blocks: Sequence[Json]) -> bool:
    return len(blocks) <= BLOCKS and size(blocks) <= CHARACTERS


def message(text: str, blocks: Sequence[Json]) -> Json:
    """`text` is what notifications show, and what is sent alone where Slack refuses the blocks."""
    return {"text": _whole(text, FALLBACK), "blocks": list(blocks), "unfurl_links": False, "unfurl_media": False}
