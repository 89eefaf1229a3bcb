"""Slack's limits for Block Kit, as far as opsbot's messages can meet them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
MAX_BLOCKS = 50
_TEXT_LIMITS = {"header": 150, "section": 3_000}


def problems(blocks: list[Json]) -> Iterator[str]:
    """What Slack would refuse in these blocks, as `blocks[2]: why`."""
    if len(blocks) > MAX_BLOCKS:
        yield f"{len(blocks)} blocks, at most {MAX_BLOCKS}"
    if sum(block.get("type") == "table" for block in blocks) > 1:
        yield "more than one table"
    for place, block in enumerate(blocks):
        for why in _block(block):
            yield f"blocks[{place}]: {why}"


def _block(block: Json) -> Iterator[str]:
    kind = block.get("type")
    if kind in _TEXT_LIMITS and "text" in block:
        yield from _length(block["text"].get("text", ""), _TEXT_LIMITS[kind])
    if kind == "header" and block.get("text", {}).get("type") != "plain_text":
        yield "a header is plain_text"
    if kind == "section":
        yield from _fields(block)
    if kind == "context" and not 1 <= len(block.get("elements", ())) <= 10:
        yield "a context has 1 to 10 elements"
    if kind == "image":
        yield from _length(block.get("alt_text", ""), 2_000)
    if kind == "table":
        yield from _table(block.get("rows", []))
    if not kind:
        yield "a block needs a type"


def _fields(block: Json) -> Iterator[str]:
    fields = block.get("fields", [])
    if "text" not in block and not fields:
        yield "a section has text or fields"
    if len(fields) > 10:
        yield "at most 10 fields"
    for one in fields:
        yield from _length(one.get("text", ""), 2_000)


def _table(rows: list[list[Json]]) -> Iterator[str]:
    texts = [str(cell.get("text", " ")) for row in rows for cell in row]
    if not 1 <= len(rows) <= 100:
        yield "a table has 1 to 100 rows"
    if any(not 1 <= len(row) <= 20 for row in rows):
        yield "a table has 1 to 20 columns"
    if not all(texts):
        yield "a table cell is empty"
    if sum(map(len, texts)) > 10_000:
        yield "a table has at most 10,000 characters"


def _length(text: str, limit: int) -> Iterator[str]:
    if not text:
        yield "text is empty"
    if len(text) > limit:
        yield f"{len(text)} characters, at most {limit}"
