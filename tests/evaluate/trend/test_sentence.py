"""The sentence the report prints: a stretch of days with its odds, why, or that there is no date."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from opsbot.evaluate.trend import Kind, Outlook, Undone, evidence, ignored, outlook, sentence
from opsbot.evaluate.trend.history import Pace
from opsbot.evaluate.trend.sentence import percent
from tests.evaluate.trend.histories import line, moved, put

FIRST, LAST = date(2026, 1, 1), date(2026, 4, 27)
FOUND = Outlook(
    limit=500.0,
    current=462.0,
    p_breach_30d=0.07,
    p_breach_90d=0.914,
    p_horizon=0.98,
    day=25.0,
    p10=15.0,
    p50=27.0,
    p90=43.0,
    growth=1.4,
    pace=Pace.RISING,
    horizon=180,
)


def gib(value: float) -> str:
    return f"{value:.0f} GiB"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        pytest.param(
            FOUND,
            "80 % of ways it reaches 500 GiB between 12 May and 9 Jun (middle 24 May); P(30 d) 7 %, P(90 d) 91 %",
            id="a stretch of days",
        ),
        pytest.param(
            replace(FOUND, p90=None, p_breach_90d=0.7),
            "reaches 500 GiB from 12 May on (middle 24 May), or not within 180 days; P(30 d) 7 %, P(90 d) 70 %",
            id="an open end",
        ),
        pytest.param(
            replace(FOUND, p50=None, p90=None, p_breach_90d=0.2, p_horizon=0.32),
            "might reach 500 GiB from 12 May on, 32 % within 180 days; P(30 d) 7 %, P(90 d) 20 %",
            id="more likely not",
        ),
        pytest.param(
            replace(FOUND, p10=None, p50=None, p90=None, pace=Pace.NONE, p_breach_30d=0.0, p_breach_90d=0.02),
            "no trend: not expected to reach 500 GiB within 180 days; P(30 d) under 1 %, P(90 d) 2 %",
            id="no trend",
        ),
        pytest.param(
            replace(FOUND, p10=None, p50=None, p90=None, pace=Pace.FALLING, p_breach_30d=0.0, p_breach_90d=0.0),
            "falling: not expected to reach 500 GiB within 180 days; P(30 d) under 1 %, P(90 d) under 1 %",
            id="falling",
        ),
        pytest.param(replace(FOUND, current=512.0), "at 512 GiB, over its limit of 500 GiB now", id="over it now"),
        pytest.param(
            replace(FOUND, pace=Pace.UNKNOWN), "too little history to say when it reaches 500 GiB", id="too little"
        ),
        pytest.param(replace(FOUND, current=None), "no finite value in its history: no forecast", id="nothing"),
    ],
)
def test_the_sentence(found: Outlook, said: str) -> None:
    assert sentence(found, first=FIRST, last=LAST, say=gib) == said


@pytest.mark.parametrize(
    ("undone", "said"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param([(Kind.CLEAN_UP, 61, -41.0)], "ignored: a clean-up on 3 Mar (-41 GiB)", id="a clean-up"),
        pytest.param([(Kind.OUTLIER, 0, 9.0)], "ignored: an outlier on 1 Jan (+9 GiB)", id="an outlier"),
        pytest.param([(Kind.FALSE_ZERO, 3, 0.0)], "ignored: 1 false zero", id="a false zero"),
        pytest.param(
            [(Kind.FALSE_ZERO, 3, 0.0), (Kind.CLEAN_UP, 61, -41.0), (Kind.FALSE_ZERO, 80, 0.0)],
            "ignored: 2 false zeros, a clean-up on 3 Mar (-41 GiB)",
            id="several kinds",
        ),
        pytest.param([(Kind.IMPORT, day, 5.0) for day in range(4)], "ignored: 4 imports", id="too many to name"),
    ],
)
def test_what_was_ignored_is_said(undone: list[tuple[Kind, int, float]], said: str) -> None:
    told = tuple(Undone(kind=kind, at=at, amount=amount) for kind, at, amount in undone)
    assert ignored(told, first=FIRST, say=gib) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0, "under 1 %"), (0.004, "under 1 %"), (0.01, "1 %"), (0.5, "50 %"), (0.99, "99 %"), (1.0, "over 99 %")],
)
def test_odds_are_never_certain(share: float, said: str) -> None:
    assert percent(share) == said


def test_the_evidence_of_a_finding() -> None:
    found = replace(FOUND, p90=None, undone=(Undone(kind=Kind.CLEAN_UP, at=61, amount=-41.0),))
    assert dict(evidence(found, first=FIRST, last=LAST, say=gib)) == {
        "limit": 500.0,
        "p_breach_30d": 0.07,
        "p_breach_90d": 0.914,
        "breach_day_p10": "2026-05-12",
        "breach_day_p50": "2026-05-24",
        "breach_day_p90": None,
        "ignored": ("a clean-up on 3 Mar (-41 GiB)",),
    }


def test_from_a_history_to_its_sentence() -> None:
    """A database's storage: 117 days, a clean-up on 3 Mar, two false zeros."""
    values = put(moved(line(117, 400.0, 1.4, noise=1.0), 61, -41.0), [30, 90], 0.0)
    said = sentence(outlook(values, limit=560.0), first=FIRST, last=LAST, say=gib)
    assert said.startswith("80 % of ways it reaches 560 GiB between ")
    assert said.endswith(
        "; P(30 d) over 99 %, P(90 d) over 99 %; ignored: 2 false zeros, a clean-up on 3 Mar (-41 GiB)"
    )
