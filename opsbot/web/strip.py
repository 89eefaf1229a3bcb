"""The last runs of a job as a strip of bars: one path a colour, so that forty runs weigh a few hundred bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from opsbot.model.run import RunState
from opsbot.model.status import Verdict
from opsbot.render.format import plural
from opsbot.store.overview import Glance
from opsbot.web.words import listed

BARS = 40
_STEP, _WIDE, _HIGH = 4, 3, 20
# Worse is taller as well as redder: (class, height, word).
_KINDS = {
    Verdict.OK: ("b0", 12, "OK"),
    Verdict.ATTENTION: ("b1", 16, "with attention"),
    Verdict.ACTION: ("b2", 20, "with action"),
    Verdict.NO_DATA: ("b3", 8, "without data"),
}
_FAILED = ("b4", 20, "failed")
_CANCELLED = ("b3", 4, "cancelled")


@dataclass(frozen=True, slots=True)
class Strip:
    """`paths` are (class, SVG path); `words` says the same to those who do not see it."""

    paths: tuple[tuple[str, str], ...]
    words: str
    width: int = BARS * _STEP - 1
    height: int = _HIGH


def strip(newest_first: Sequence[Glance]) -> Strip:
    """The newest run stands at the right end."""
    shown = newest_first[:BARS]
    drawn: dict[str, list[str]] = {}
    words: Counter[str] = Counter()
    for place, glance in enumerate(shown):
        css, high, word = _kind(glance)
        left = (BARS - 1 - place) * _STEP
        drawn.setdefault(css, []).append(f"M{left} {_HIGH - high}h{_WIDE}v{high}h-{_WIDE}z")
        words[word] += 1
    paths = tuple((css, "".join(bars)) for css, bars in sorted(drawn.items()))
    return Strip(paths, _words(len(shown), words))


def _kind(glance: Glance) -> tuple[str, int, str]:
    if glance.state is RunState.CANCELLED:
        return _CANCELLED
    if glance.state is not RunState.SUCCEEDED:
        return _FAILED
    known = glance.verdict in Verdict.__members__.values()
    return _KINDS[Verdict(glance.verdict) if known else Verdict.NO_DATA]


def _words(number: int, words: Counter[str]) -> str:
    if not number:
        return "no run yet"
    told = listed([f"{count} {word}" for word, count in words.most_common()])
    return f"last {plural(number, 'run')}: {told}"
