"""Which days are asked for, which are kept, and that it makes no difference to what is said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest

from opsbot.samples import Values
from opsbot.store.sql import SqlStore
from tests.checks.capacity.looks import GIB, NOW, Written, database, found, free, later, look, resource, straight
from tests.outbox.world import fresh

USED = straight(430, 1.0, noise=1)
BUCKET = resource("s3-bucket", "media", dimension="BucketName")
COURSES = {"FreeStorageSpace": free(USED), "DatabaseConnections": straight(120, noise=6)}


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = fresh()
    yield opened
    opened.close()


def days_asked(cloud: Written) -> list[tuple[int, int]]:
    """Of each ask: how many days before NOW's midnight it begins, and how many series it wants."""
    midnight = NOW.replace(hour=0)
    found = [((midnight - ask.window.start).days, len(ask.queries)) for ask in cloud.asked]
    cloud.asked.clear()
    return sorted(found, reverse=True)


def test_the_first_run_asks_all_that_aws_keeps_and_the_next_days_only_what_is_new(store: SqlStore) -> None:
    cloud, trends = Written((database(),), COURSES), store.trends()
    look(cloud, trends=trends)
    assert days_asked(cloud) == [(455, 2)]
    look(cloud, trends=trends)
    # The same day: of a size its part of today, of a peak nothing.
    assert days_asked(cloud) == [(0, 1)]
    told = look(cloud, trends=trends, now=later(1))
    assert days_asked(cloud) == [(0, 2)]
    assert (told.kept, told.asked.metrics) == (2, 2)
    look(cloud, trends=trends, now=later(21))
    assert days_asked(cloud) == [(-1, 2)]


def test_what_was_kept_and_what_is_asked_anew_say_the_same(store: SqlStore) -> None:
    cloud = Written((database(),), COURSES)
    for day in (-3, -2, 0):
        look(cloud, trends=store.trends(), now=later(day))
    kept, anew = look(cloud, trends=store.trends()), look(cloud)
    assert kept.findings == anew.findings
    assert kept.noted == anew.noted


def test_a_run_that_looks_back_sees_nothing_that_came_later(store: SqlStore) -> None:
    cloud = Written((database(),), COURSES)
    before = look(cloud, now=later(-30))
    look(cloud, trends=store.trends())
    assert look(cloud, trends=store.trends(), now=later(-30)).findings == before.findings


def test_what_aws_forgot_is_still_known(store: SqlStore) -> None:
    look(Written((database(),), COURSES), trends=store.trends(), now=later(-20))

    def forgotten(ago: Values) -> Values:
        return np.where(ago > 25, np.nan, COURSES["FreeStorageSpace"](ago))

    told = look(Written((database(),), {**COURSES, "FreeStorageSpace": forgotten}), trends=store.trends())
    assert dict(found(told, "capacity-rds-storage").evidence)["days_of_history"] == 401


def test_a_day_that_comes_late_is_asked_again_for_three_days(store: SqlStore) -> None:
    late = {"BucketSizeBytes StandardStorage": lambda ago: np.where(ago < 2, np.nan, 1e12 + 0 * ago)}
    cloud = Written((BUCKET,), late)
    look(cloud, trends=store.trends())
    days_asked(cloud)
    look(cloud, trends=store.trends(), now=later(0) + timedelta(hours=1))
    assert days_asked(cloud) == [(1, 7)]
    look(cloud, trends=store.trends(), now=later(9))
    assert days_asked(cloud) == [(1, 7)]


def test_a_disk_that_was_resized_keeps_the_past_as_it_was(store: SqlStore) -> None:
    """Free space is told, used space is followed: a new size must not make the past look fuller."""
    small = Written((database(allocated=500),), COURSES)
    look(small, trends=store.trends(), now=later(-1))
    large = Written((database(allocated=900),), {**COURSES, "FreeStorageSpace": free(USED, 900)})
    one = found(look(large, trends=store.trends()), "capacity-rds-storage")
    assert (one.limit, one.value) == (900 * GIB, pytest.approx(430 * GIB, rel=0.01))
    assert dict(one.evidence)["ignored"] == ()


def test_a_peak_counts_when_its_day_is_over_and_a_size_at_once() -> None:
    leap = {"FreeStorageSpace": free(lambda ago: np.where(ago < 1, 480.0, 300.0)),
            "DatabaseConnections": lambda ago: np.where(ago < 1, 399.0, 100.0)}  # fmt: skip
    told = look(Written((database(),), leap))
    assert found(told, "capacity-rds-storage").value == pytest.approx(480 * GIB)
    assert found(told, "capacity-db-connections").value == 100


def test_just_after_midnight_yesterday_is_not_over() -> None:
    leap = {**COURSES, "DatabaseConnections": lambda ago: np.where(ago < 1, 399.0, 100.0)}
    early = later(1).replace(hour=2)
    assert found(look(Written((database(),), leap), now=early), "capacity-db-connections").value == 100
    assert found(look(Written((database(),), leap), now=early.replace(hour=3)), "capacity-db-connections").value == 399


def test_nothing_is_asked_where_nothing_is() -> None:
    cloud = Written(())
    told = look(cloud)
    assert (cloud.asked, told.findings, told.asked.usd) == ([], (), 0.0)
