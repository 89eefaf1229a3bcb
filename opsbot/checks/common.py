"""The settings that every kind of check has."""

from __future__ import annotations

from collections.abc import Sequence

from opsbot.checks.kind import Common
from opsbot.checks.table import Table, nearest
from opsbot.checks.words import places


def read_common(table: Table, known: Sequence[str]) -> Common:
    """`known` are the places a kind can fill in `says`."""
    says = table.text("says")
    for place in places(says):
        if place not in known:
            table.problem("says", f"expected one of {', '.join(known)} in braces, got {place!r}{nearest(place, known)}")
    return Common(
        requires=table.pairs("requires"),
        expect=table.whole("expect"),
        noun=table.text("noun") or table.text("title") or table.text("name"),
        says=says,
    )
