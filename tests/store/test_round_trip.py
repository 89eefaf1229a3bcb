"""A finding comes back from the store as it went in, whatever text it carries."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.model.finding import Finding, Series
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.store.rows import dump_finding, load_finding, micros, moment
from tests import postgres
from tests.contracts.test_store_contract import finding
from tests.outbox.world import fresh, message, queue, run

TEXT = st.text(max_size=40) | st.sampled_from(
    ["<!channel> & $x_{", "\u202eevil", "a\x00b", "\x1b[31m", "\r\nBcc: x", "𝕏🔥", "'; DROP TABLE run; --"]
)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBER | TEXT
MOMENT = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001  the strategy adds the zone
    datetime(2200, 1, 1),  # noqa: DTZ001  the strategy adds the zone
    timezones=st.just(UTC) | st.just(timezone(timedelta(hours=5, minutes=45))),
)
SERIES = st.builds(
    lambda start, step, values: Series(
        times=range(start, start + step * len(values), step), values=tuple(values), judged=len(values) // 2
    ),
    st.integers(0, 2**40),
    st.integers(1, 86400),
    st.lists(st.none() | NUMBER, max_size=6),
)
FINDING = st.builds(
    Finding,
    check=TEXT, environment=TEXT, resource=TEXT, title=TEXT, area=TEXT, rule=TEXT, summary=TEXT, means=TEXT, owner=TEXT,
    status=st.sampled_from(Status), unit=st.sampled_from(Unit), at=MOMENT, since=st.none() | MOMENT,
    hold=st.timedeltas(timedelta(0), timedelta(days=30)), value=st.none() | NUMBER, limit=st.none() | NUMBER,
    labels=st.lists(st.tuples(TEXT, TEXT), max_size=4).map(tuple), runbook=st.none() | TEXT,
    evidence=st.lists(st.tuples(TEXT, PLAIN | st.lists(PLAIN, max_size=3).map(tuple)), max_size=4).map(tuple),
    series=st.none() | SERIES,
)  # fmt: skip


@given(FINDING)
@settings(max_examples=300, deadline=None)
def test_a_finding_comes_back_equal(told: Finding) -> None:
    back = load_finding(dump_finding(told))
    assert back == told
    assert [type(value) for _, value in back.evidence] == [type(value) for _, value in told.evidence]


@given(st.lists(FINDING, max_size=3), TEXT, st.sampled_from(["memory", "postgresql"]))
@settings(max_examples=40, deadline=None)
def test_hostile_text_goes_through_the_database(findings: list[Finding], text: str, where: str) -> None:
    store = postgres.emptied() if where == "postgresql" else fresh()
    bad = tuple(replace(told, status=Status.CRITICAL) for told in findings)
    kept = text.replace("\0", "?")
    store.commit(run(headline=text, error=text), bad, (), ())
    queue(store, message("m1", "slack", key=text, subject=text, to=text), run_id="run-2")
    assert store.findings("run-1") == bad
    assert (store.messages()[0].key, store.messages()[0].subject) == (kept, kept)
    assert {told.headline for told in store.runs()} == {kept, ""}
    assert set(store.history().statuses("daily_health")) == {told.key.replace("\0", "?") for told in bad}
    if where == "memory":
        store.close()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param(math.nan, None, id="not a number is no value"),
        pytest.param(math.inf, None, id="infinity is no value"),
        pytest.param(1.7e308, 1.7e308, id="huge"),
        pytest.param(-0.0, -0.0, id="minus zero"),
    ],
)
def test_a_value_that_is_no_number_never_reaches_the_store(given: float, kept: float | None) -> None:
    assert load_finding(dump_finding(replace(finding(Status.CRITICAL), value=given))).value == kept


def test_what_json_cannot_hold_is_stored_as_the_nearest_it_can() -> None:
    odd = replace(
        finding(Status.CRITICAL), resource="half \ud800 pair", evidence=(("ticks", 2**70), ("names", ("a\udfff", 1)))
    )
    back = load_finding(dump_finding(odd))
    assert (back.resource, back.evidence) == ("half ? pair", (("ticks", float(2**70)), ("names", ("a?", 1))))


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_exact(told: datetime) -> None:
    assert moment(micros(told)) == told
