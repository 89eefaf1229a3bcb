"""The colours keep their promises: readable text in both themes, verdicts that differ without red and green."""

from __future__ import annotations

from itertools import combinations

import pytest

from opsbot.model.status import Verdict
from opsbot.render.tokens import MARKS, THEMES, Theme, ThemeName


def linear(colour: str) -> list[float]:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio."""
    bright, dark = sorted(
        (sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (one, other)),
        reverse=True,
    )
    return (bright + 0.05) / (dark + 0.05)


def texts(theme: Theme) -> list[str]:
    return [theme.ink, theme.ink2, theme.ink3, theme.link, theme.series, *(theme.of(verdict) for verdict in Verdict)]


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_is_readable(name: ThemeName) -> None:
    theme = THEMES[name]
    assert [colour for colour in texts(theme) if contrast(colour, theme.paper) < 4.5] == []


def test_no_two_verdicts_share_a_glyph_a_word_or_a_colour() -> None:
    for one, other in combinations(Verdict, 2):
        assert MARKS[one].glyph != MARKS[other].glyph
        assert MARKS[one].word != MARKS[other].word
        assert THEMES["light"].of(one) != THEMES["light"].of(other)
