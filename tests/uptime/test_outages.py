"""What was not up in the last days, as the page tells it: changes in, lines out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from opsbot.model.probe import ProbeState
from opsbot.model.uptime import Flip, Standing
from opsbot.store.flips import flips
from opsbot.store.sql import SqlStore
from opsbot.web import outages
from opsbot.web.app import build
from opsbot.web.server import Server, start
from opsbot.web.settings import WebSettings
from tests.outbox.world import fresh
from tests.uptime.kept import DAY, HOUR, MINUTE, NOW, Kept, history, probe
from tests.uptime.shelf import pour
from tests.web import world
from tests.web.world import ask

SECOND = timedelta(seconds=1)
TOKEN = "correct horse battery"


def changes(story: str) -> list[Flip]:
    """`api@300 up>down` is a change 300 minutes ago, oldest first."""
    found = []
    for told in story.split(", "):
        where, states = told.split(" ")
        name, _, ago = where.partition("@")
        before, _, after = states.partition(">")
        reason = "" if after == "up" else f"{after}.reason"
        found.append(
            Flip(
                probe=name,
                at=NOW - float(ago) * MINUTE,
                before=ProbeState(before),
                after=ProbeState(after),
                reason=reason,
            )
        )
    return found


def lines(story: str) -> list[str]:
    found = outages.over(changes(story), {"api", "shop", "mail", "vpn", "login"}, NOW)
    told = [outages.tell(one, "Europe/Berlin", NOW) for one in found]
    return [f"{one.when}: {one.title}, {one.between} ({one.why})" for one in told]


STORIES = [
    pytest.param("api@120 up>down, api@97 down>up",
                 ["20 Nov, 23 min: api was down, 06:00 to 06:23 (down.reason)"], id="it went and came back"),
    pytest.param("api@120 up>down", [], id="what lasts still is not over"),
    pytest.param("api@97 down>up", [], id="whose beginning is forgotten"),
    pytest.param("gone@120 up>down, gone@97 down>up", [], id="a probe that is not configured any more"),
    pytest.param("api@30000 up>down, api@29000 down>up", [], id="longer ago than 14 days"),
    pytest.param("api@21000 up>down, api@19000 down>up",
                 ["5–7 Nov, 1 d 9 h: api was down, 5 Nov 18:00 to 7 Nov 03:20 (down.reason)"], id="begun before, ended within"),
    pytest.param("api@120 up>degraded, api@110 degraded>down, api@100 down>degraded, api@90 degraded>up",
                 ["20 Nov, 30 min: api was down, 06:00 to 06:30 (down.reason)"], id="the worse of two names it"),
    pytest.param("shop@1500 up>degraded, shop@30 degraded>up",
                 ["19–20 Nov, 1 d: shop was degraded, 19 Nov 07:00 to 20 Nov 07:30 (degraded.reason)"], id="over midnight"),
    pytest.param("api@120 up>down, shop@119 up>down, mail@118.5 up>down, shop@91 down>up, api@90 down>up, mail@89 down>up",
                 ["20 Nov, 31 min: api, shop and mail were down, 06:00 to 06:31 (down.reason)"], id="what went together is one"),
    pytest.param("api@120 up>down, shop@119 up>down, shop@100 down>up, api@90 down>up",
                 ["20 Nov, 19 min: shop was down, 06:01 to 06:20 (down.reason)",
                  "20 Nov, 30 min: api was down, 06:00 to 06:30 (down.reason)"], id="what came back apart is two"),
    pytest.param("api@5000 up>down, api@120 up>down, api@97 down>up",
                 ["20 Nov, 23 min: api was down, 06:00 to 06:23 (down.reason)"],
                 id="trouble that was another's fault left without a word"),
    pytest.param("api@5000 up>down, api@130 up>unsure, api@97 unsure>up", [], id="and does not end with what follows"),
    pytest.param("api@120 up>down, api@110 down>unsure, api@97 unsure>up",
                 ["20 Nov, 23 min: api was down, 06:00 to 06:23 (down.reason)"], id="not to know is not to be up"),
]  # fmt: skip


@pytest.mark.parametrize(("story", "told"), STORIES)
def test_what_is_over(story: str, told: list[str]) -> None:
    assert lines(story) == told


def test_many_names_are_a_number() -> None:
    one = outages.Stretch(names=tuple("abcdef"), state=ProbeState.DEGRADED, start=NOW - HOUR, end=None, why="x")
    assert outages.tell(one, "UTC", NOW).title == "a, b and 4 others are degraded"


def test_what_lasts_is_told_worst_first() -> None:
    stands = [
        Standing(probe="slow", state=ProbeState.DEGRADED, since=NOW - DAY, seen=NOW, reason="assert.latency"),
        Standing(
            probe="b", state=ProbeState.DOWN, since=NOW - HOUR, seen=NOW, reason="tcp.refused", why="nobody there"
        ),
        Standing(probe="a", state=ProbeState.DOWN, since=NOW - HOUR + SECOND, seen=NOW, reason="tcp.refused"),
    ]
    told = [
        outages.tell(one, "Europe/Berlin", NOW) for one in outages.going_on([outages.lasting(one) for one in stands])
    ]
    assert [(one.title, one.between, one.when) for one in told] == [
        ("b and a are down", "since 07:00", "1 h"),
        ("slow is degraded", "since Thu 08:00", "1 d"),
    ]
    assert told[0].why == "tcp.refused: nobody there"


@pytest.fixture(scope="module")
def page() -> Iterator[tuple[Server, Server, SqlStore]]:
    kept, store, api = Kept(), fresh(), probe("api")
    history(kept, api, days=3)
    kept.stands["api"] = replace(
        kept.stands["api"],
        state=ProbeState.DOWN,
        since=NOW - HOUR,
        seen=NOW,
        reason="tcp.refused",
        why="10.0.4.7 says no",
    )
    evil = "<script>alert(1)</script> 10.0.4.8"
    for n in range(20):
        at = NOW - (n + 1) * DAY / 2
        went = Flip(
            probe="api", at=at, before=ProbeState.UP, after=ProbeState.DOWN, reason="http.status", why=evil, told=True
        )
        kept.flips += [went, replace(went, at=at + HOUR, before=ProbeState.DOWN, after=ProbeState.UP, told=n % 2 == 0)]
    pour(kept, store)
    public = WebSettings(token=TOKEN, public_status=True)
    servers = [
        start(build(world.inside(store, now=lambda: NOW, probes=lambda: (api,), settings=settings)), "127.0.0.1", 0)
        for settings in (WebSettings(), public)
    ]
    yield servers[0], servers[1], store
    for server in servers:
        server.stop()
    store.close()


def test_the_page_tells_what_lasts_and_the_newest_of_what_is_over(page: tuple[Server, Server, SqlStore]) -> None:
    body = ask(page[0].port, "/uptime").body
    assert 'api is down</bdi></b> <span class="quiet">since 07:00, 1 h</span>' in body
    assert "tcp.refused: 10.0.4.7 says no" in body
    assert body.count("<b><bdi>api was down</bdi></b>") == outages.LINES
    assert "8 more before that." in body
    assert "http.status: &lt;script&gt;" in body
    assert "<script" not in body


def test_strangers_are_told_when_and_never_why(page: tuple[Server, Server, SqlStore]) -> None:
    body = ask(page[1].port, "/uptime").body
    assert 'api is down</bdi></b> <span class="quiet">since 07:00, 1 h</span>' in body
    assert body.count("<b><bdi>api was down</bdi></b>") == outages.LINES
    for secret in ("10.0.4", "tcp.refused", "http.status", "script"):
        assert secret not in body, secret


def test_the_newest_changes_are_read_oldest_first(page: tuple[Server, Server, SqlStore]) -> None:
    engine = page[2].engine
    found = flips(engine, NOW - 2 * DAY)
    assert [round((NOW - one.at) / HOUR) for one in found] == [48, 47, 36, 35, 24, 23, 12, 11]
    assert [one.at for one in flips(engine, NOW - 30 * DAY, most=3)] == [one.at for one in found[-3:]]
    assert flips(engine, NOW) == ()
