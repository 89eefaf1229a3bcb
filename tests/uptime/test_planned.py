"""Planned work, and the prober's own trouble: in the report, in the message and on the page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from opsbot.evaluate.standing import PROBER
from opsbot.model.maintenance import Maintenance
from opsbot.model.probe import ProbeState, Reason
from opsbot.model.report import Facts
from opsbot.model.status import Status
from opsbot.model.uptime import Flip, Standing
from opsbot.probing import Probe
from opsbot.render.format import clip
from opsbot.web.app import build
from opsbot.web.server import start
from opsbot.web.settings import WebSettings
from tests.outbox.world import fresh
from tests.uptime.kept import HOUR, MINUTE, NOW, Kept, Spell, history, probe
from tests.uptime.morning import tell
from tests.uptime.shelf import pour
from tests.web import world
from tests.web.world import ask

UP, DOWN, UNSURE = ProbeState.UP, ProbeState.DOWN, ProbeState.UNSURE
MOVE = Maintenance(
    name="db-move", reason="move to Aurora 17", owner="team-data", start=NOW - HOUR, end=NOW + 2 * HOUR, probes=("api",)
)
WHY = "the prober's own network is down: no answer from its DNS servers (10.0.0.2)"


def moving() -> tuple[Kept, tuple[Probe, ...]]:
    """api is down since an hour, for planned work; mail is well."""
    kept, probes = Kept(), (probe("api", slo=None), probe("mail", slo=None))
    history(kept, probes[0], [Spell(HOUR, timedelta(0), "excused")], days=10)
    history(kept, probes[1], days=10)
    kept.stands["api"] = replace(
        kept.stands["api"], state=DOWN, since=NOW - HOUR, seen=NOW, reason="tcp.refused", blamed="maintenance/db-move",
        told=UP,
    )  # fmt: skip
    return kept, probes


def test_the_report_says_what_was_excused_and_for_what() -> None:
    kept, probes = moving()
    one = tell(kept, probes, planned=(MOVE,))
    found = one.found("uptime", "api")
    assert found.status is Status.INFO
    assert found.summary.startswith("down: tcp.refused, excused by maintenance db-move")
    assert one.report.status is Status.OK
    facts = one.report.sections[-1].blocks[0]
    assert isinstance(facts, Facts)
    assert dict(facts.pairs)["Planned work"] == ("db-move 07:00 to 10:00: move to Aurora 17 (team-data)")
    rows = {row.cells[0].text: row.cells[1].text for section in one.report.sections if section.id == "probes"
            for row in section.blocks[0].rows}  # type: ignore[union-attr]  # fmt: skip
    assert rows == {"api": "in maintenance", "mail": "up"}
    assert next(section for section in one.report.sections if section.id == "days").aside.endswith(
        "low: trouble was excused"
    )


def test_a_maintenance_of_other_probes_is_not_mentioned() -> None:
    kept, probes = moving()
    other = replace(MOVE, probes=("shop",))
    assert "Planned work" not in str(tell(kept, probes, planned=(other,)).report.sections[-1])


@pytest.mark.parametrize("public", [False, True])
def test_the_page_shows_it_and_strangers_learn_no_reason(public: bool) -> None:
    kept, probes = moving()
    store = fresh()
    pour(kept, store)
    settings = WebSettings(token="correct horse battery", public_status=True) if public else WebSettings()
    inside = world.inside(store, now=lambda: NOW, probes=lambda: probes, maintenance=lambda: (MOVE,), settings=settings)
    server = start(build(inside), "127.0.0.1", 0)
    try:
        body = ask(server.port, "/uptime").body
    finally:
        server.stop()
    assert "api is in maintenance" in body
    assert "Planned maintenance of 1 probe until 10:00" in body
    assert "1 of 2 probes up." in body
    assert "<path class=d4 " in body
    assert ("move to Aurora 17" in body, "tcp.refused" in body, "db-move" in body) == (not public,) * 3


def stands(state: ProbeState, ago: int = 4) -> Standing:
    reason, why = (Reason.SELF_NETWORK, WHY) if state is UNSURE else ("", "")
    return Standing(probe=PROBER, state=state, since=NOW - ago * MINUTE, seen=NOW, reason=reason, why=why, told=state)


def flip(name: str, after: ProbeState) -> Flip:
    return Flip(probe=name, at=NOW - 4 * MINUTE, before=UP, after=after, why=WHY if after is UNSURE else "")


@pytest.mark.parametrize(
    ("state", "others", "headline", "status"),
    [
        pytest.param(UNSURE, (), f"Nothing can be probed: {WHY}", Status.UNKNOWN, id="its network is gone"),
        pytest.param(UP, (), "The prober works again", Status.INFO, id="and is back"),
        pytest.param(UP, (flip("api", DOWN),), "api is down: tcp.refused since 07:58 (2 of 2 probes)", Status.CRITICAL,
                     id="back, and a target is down"),
        pytest.param(UNSURE, (flip("mail", UP),), f"Nothing can be probed: {WHY}", Status.UNKNOWN, id="a recovery hides it not"),
        pytest.param(UNSURE, (flip("retired", DOWN),), f"Nothing can be probed: {WHY}", Status.UNKNOWN, id="nor one that is gone"),
    ],
)  # fmt: skip
def test_the_probers_own_trouble_is_told_as_its_own(
    state: ProbeState, others: tuple[Flip, ...], headline: str, status: Status
) -> None:
    kept, probes = Kept(), (probe("api"), probe("mail"))
    history(kept, probes[0], [Spell(2 * MINUTE, timedelta(0))], days=2)
    history(kept, probes[1], days=2)
    kept.stands[PROBER] = stands(state)
    one = tell(kept, probes, [flip(PROBER, state), *others])
    assert one.report.headline == clip(headline, 80)
    assert one.report.status is status
    assert one.found("prober", "prober").key == "opsbot/prober/prober"
    assert "not configured" not in one.found("prober", "prober").summary


def test_even_without_any_probe_left_it_is_told() -> None:
    one = tell(Kept(), (), [flip(PROBER, UNSURE)])
    assert one.found("prober", "prober").summary == WHY


def test_the_morning_names_it_once_and_every_probe_as_not_known() -> None:
    kept, probes = Kept(), tuple(probe(name, slo=None) for name in ("a", "b", "c"))
    for each in probes:
        history(kept, each, days=2)
        kept.stands[each.name] = replace(
            kept.stands[each.name], state=UNSURE, blamed=PROBER, since=NOW - 4 * MINUTE, reason="self.network"
        )
    kept.stands[PROBER] = stands(UNSURE)
    one = tell(kept, probes)
    assert [f.check for f in one.outcome.findings if f.status is Status.UNKNOWN] == ["prober"]
    assert one.report.headline == "prober cannot judge: its own machine is in trouble"
    assert one.found("uptime", "a").summary == "not judged while the prober itself is in trouble"
    kept.stands[PROBER] = stands(UP)
    assert not [f for f in tell(kept, probes).outcome.findings if f.check == "prober"], "long over"
