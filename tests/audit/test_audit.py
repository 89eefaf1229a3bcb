"""The audit log: whole as it was written, and every row that was changed, taken out or put in is found."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text, update

from opsbot.audit import NOTHING, Act, Head, Sealed, faults, sealed
from opsbot.model.actor import Actor
from opsbot.store import incidents_tables as t
from opsbot.store.engine import writing
from opsbot.store.sql import SqlStore
from tests.contracts.conftest import store
from tests.incidents.shelf import shared
from tests.outbox.world import fresh

__all__ = ["shared", "store"]

START = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)


def act(n: int, what: str = "incident.note") -> Act:
    return Act(
        at=START + timedelta(minutes=n), actor=Actor(login="ana@laptop", arn="arn:aws:iam::1:user/ana"), what=what,
        about=f"INC-{n}", environment="shop-prod", detail=(("text", f"note {n}"),),
    )  # fmt: skip


def chain(length: int) -> list[Sealed]:
    rows: list[Sealed] = []
    head = NOTHING
    for n in range(length):
        rows.append(sealed(act(n), head))
        head = Head(seq=rows[-1].seq, seal=rows[-1].seal)
    return rows


def head_of(rows: list[Sealed]) -> Head:
    return Head(seq=rows[-1].seq, seal=rows[-1].seal)


def test_a_chain_as_it_was_written_is_whole() -> None:
    rows = chain(5)
    assert list(faults(rows, head_of(rows))) == []
    assert list(faults([], NOTHING)) == []
    assert list(faults(rows, head_of(rows), known=rows[2].seal)) == []


ROWS = chain(5)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        pytest.param([*ROWS[:2], replace(ROWS[2], act=replace(ROWS[2].act, what="incident.ack")), *ROWS[3:]], "row 3: it was changed after it was written", id="what"),
        pytest.param([*ROWS[:2], replace(ROWS[2], act=replace(ROWS[2].act, actor=Actor(login="bo@desk"))), *ROWS[3:]], "row 3: it was changed", id="who"),
        pytest.param([*ROWS[:2], replace(ROWS[2], act=replace(ROWS[2].act, at=START)), *ROWS[3:]], "row 3: it was changed", id="when"),
        pytest.param([*ROWS[:2], *ROWS[3:]], "row 4: row 3 is missing before it", id="taken out"),
        pytest.param([*ROWS[:1], *ROWS[3:]], "row 4: rows 2 to 3 are missing before it", id="two taken out"),
        pytest.param(ROWS[1:], "row 2: row 1 is missing before it", id="the first"),
        pytest.param(ROWS[:4], "the log ends with row 4, but row 5 was written last", id="the last"),
        pytest.param([], "the log ends with row 0, but row 5 was written last", id="all of them"),
        pytest.param([*ROWS[:2], sealed(act(9), Head(seq=2, seal=ROWS[1].seal)), *ROWS[3:]], "row 4: it follows another row", id="another in its place"),
        pytest.param([*ROWS, sealed(act(9), head_of(ROWS))], "the log ends with row 6, but row 5 was written last", id="one put on the end"),
        pytest.param([*ROWS[:3], ROWS[2], *ROWS[3:]], "row 3: it stands there twice", id="one twice"),
        pytest.param([ROWS[1], ROWS[0], *ROWS[2:]], "row 1: it stands there twice", id="two swapped"),
    ],
)  # fmt: skip
def test_what_was_done_to_it_is_found(rows: list[Sealed], told: str) -> None:
    assert any(one.startswith(told) for one in faults(rows, head_of(ROWS))), list(faults(rows, head_of(ROWS)))


def test_a_log_that_was_forged_whole_is_found_by_a_head_that_was_kept_elsewhere() -> None:
    forged = chain(4)
    forged.append(sealed(act(9), head_of(forged)))
    assert list(faults(forged, head_of(forged))) == []
    (told,) = faults(forged, head_of(forged), known=ROWS[4].seal)
    assert "kept elsewhere" in told


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 4), field=st.sampled_from(["what", "about", "environment"]), value=st.text(max_size=20))
def test_no_field_can_be_changed_unseen(place: int, field: str, value: str) -> None:
    changed = replace(ROWS[place].act, **{field: value})
    rows = [*ROWS[:place], replace(ROWS[place], act=changed), *ROWS[place + 1 :]]
    assert bool(list(faults(rows, head_of(ROWS)))) is (changed != ROWS[place].act)


def test_what_is_kept_is_whole_on_every_database(store: SqlStore) -> None:
    log = store.audit()
    for n in range(4):
        log.add(act(n))
    log.add(
        replace(act(9), about="a\0b \ud800", detail=(("text", "naïve \0 \ud83d"),), at=START.replace(microsecond=7))
    )
    assert list(faults(log.rows(), log.head())) == []
    assert [row.act.about for row in log.rows(since=START + timedelta(minutes=2))] == ["INC-2", "INC-3"]


def test_many_who_write_at_once_make_one_chain(shared: SqlStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: shared.audit().add(act(n)), range(24)))
    rows = list(shared.audit().rows())
    assert [row.seq for row in rows] == list(range(1, 25))
    assert list(faults(rows, shared.audit().head())) == []


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[SqlStore]:
    opened = fresh(tmp_path / "opsbot.db")
    for n in range(6):
        opened.audit().add(act(n))
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        pytest.param(update(t.audit_row).where(t.audit_row.c.seq == 3).values(detail="[]"), "row 3: it was changed", id="changed"),
        pytest.param(update(t.audit_row).where(t.audit_row.c.seq == 3).values(detail="no json"), "row 3: it was changed", id="broken"),
        pytest.param(delete(t.audit_row).where(t.audit_row.c.seq == 3), "row 4: row 3 is missing", id="removed"),
        pytest.param(delete(t.audit_row).where(t.audit_row.c.seq == 6), "the log ends with row 5", id="the last removed"),
        pytest.param(delete(t.audit_row), "the log ends with row 0", id="all removed"),
        pytest.param(text("INSERT INTO audit_row SELECT 7, at, login, arn, via, what, about, environment, detail, seal, seal FROM audit_row WHERE seq = 6"), "row 7: it was changed", id="inserted"),
    ],
)  # fmt: skip
def test_tampering_with_the_database_is_found(shelf: SqlStore, statement: object, told: str) -> None:
    with writing(shelf.engine) as db:
        db.execute(statement)  # type: ignore[call-overload]
    found = list(faults(shelf.audit().rows(), shelf.audit().head()))
    assert any(one.startswith(told) for one in found), found
