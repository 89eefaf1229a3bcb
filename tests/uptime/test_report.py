"""The shipped job on a morning like many: what it says, in which formats, and that it says it once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes

import pytest
from jinja2 import FileSystemLoader

from opsbot.errors import JobError
from opsbot.job import Outcome
from opsbot.model.period import Period
from opsbot.model.probe import ProbeState
from opsbot.model.report import Strips
from opsbot.model.run import Cause, Run, RunState
from opsbot.model.status import Status
from opsbot.model.uptime import Flip
from opsbot.ports import World
from opsbot.probing import Probe
from opsbot.render import email, html, markdown, slack, text
from opsbot.render.blockkit import BLOCKS, CHARACTERS
from opsbot.render.format import width
from opsbot.runner import Request, estimate, execute
from opsbot.store.sql import SqlStore
from tests.fakes import WrittenCloud
from tests.outbox.world import fresh
from tests.uptime.kept import DAY, HOUR, MINUTE, NOW, Kept, Spell, history, probe, scene
from tests.uptime.morning import ENVIRONMENTS, Told, job, tell
from tests.uptime.shelf import pour

UP, DOWN = ProbeState.UP, ProbeState.DOWN
Morning = tuple[Kept, tuple[Probe, ...]]
Same = Callable[[str, str], None]


@pytest.fixture(scope="module")
def told(morning: Morning) -> Told:
    return tell(*morning)


def flip(name: str = "api", after: ProbeState = DOWN, ago: int = 58) -> Flip:
    before = UP if after is not UP else DOWN
    return Flip(
        probe=name, at=NOW - ago * MINUTE, before=before, after=after, reason="tcp.refused" if after is DOWN else ""
    )


def mailed(one: Told, templates: FileSystemLoader) -> bytes:
    return email.render(
        one.report, one.about, templates, sender="opsbot@example.org", to=["ops@example.org"], domain="example.org",
        message_id="<1@example.org>",
    )  # fmt: skip


# what it says ---------------------------------------------------------------------------------------------------------


def test_the_morning_in_text_and_slack(told: Told, golden: Same) -> None:
    golden("uptime_probes.txt", text.render(told.report, told.about, colour=False))
    golden("uptime_probes.md", markdown.render(told.report, told.about))
    blocks = json.dumps(slack.render(told.report, told.about), indent=1, ensure_ascii=False)
    golden("uptime_probes.slack.json", blocks + "\n")


def test_every_state_has_its_status(told: Told) -> None:
    found = {(f.check, f.resource): f.status for f in told.outcome.findings}
    assert found["uptime", "api"] is Status.CRITICAL
    assert found["uptime", "shop"] is Status.WARNING
    assert found["uptime", "backup"] is Status.UNKNOWN
    assert found["uptime", "mail"] is Status.OK
    assert [found["certificate", name] for name in ("api", "login", "mail", "shop")] == [
        Status.CRITICAL, Status.WARNING, Status.INFO, Status.OK,
    ]  # fmt: skip
    assert found["slo", "api"] is Status.CRITICAL
    assert told.report.status is Status.CRITICAL


def test_a_trouble_brings_its_evidence(told: Told) -> None:
    known = dict(told.found("uptime", "api").evidence)
    assert known["reason"] == "tcp.refused"
    assert known["phases"] == (
        "dns 1 ms, usually 7.2 ms", "connect not reached, usually 18 ms", "tls not reached, usually 46.8 ms",
        "first byte not reached, usually 99 ms", "transfer not reached, usually 9 ms",
    )  # fmt: skip
    assert len(known["last_failures"]) == 5  # type: ignore[arg-type]
    assert "CN=api.example.org" in str(known["certificate"])
    assert told.found("uptime", "api").since == NOW - 58 * MINUTE


def test_the_account_is_complete(told: Told) -> None:
    coverage = told.report.sections[-1]
    pairs = dict(coverage.blocks[0].pairs)  # type: ignore[union-attr]
    assert pairs["Came to"].endswith("together 100 %")
    asked = sum(
        bucket.asked
        for buckets in scene()[0].buckets(Period(start=NOW - DAY, end=NOW), HOUR).values()
        for bucket in buckets
    )
    assert pairs["Asked"].startswith(f"{asked:,} probes of 8 targets")


def test_the_same_moment_gives_the_same_bytes_and_an_earlier_one_its_own(morning: Morning) -> None:
    at = Period(start=NOW - DAY - 2 * HOUR, end=NOW - 2 * HOUR)
    first, second = tell(*morning, window=at), tell(*morning, window=at)
    assert text.render(first.report, first.about, colour=False) == text.render(
        second.report, second.about, colour=False
    )
    # Two hours ago it was up, whatever is known today.
    assert first.found("uptime", "api").status is Status.OK
    assert first.found("uptime", "shop").summary == "degraded: assert.latency (60 of 60 probes)"


def test_nothing_configured_is_said_and_no_trouble() -> None:
    alone = tell(None, ())
    assert alone.report.headline == "Nothing was checked: no probe is configured"
    assert (alone.report.status, alone.report.idle) == (Status.OK, True)


def test_all_well_is_one_line_in_slack() -> None:
    kept, probes = Kept(), tuple(probe(name) for name in ("a", "b", "c"))
    for one in probes:
        history(kept, one, days=10)
    quiet = tell(kept, probes)
    assert quiet.report.headline == "All 3 probes are up"
    payloads = slack.render(quiet.report, quiet.about)
    assert len(payloads) == 1
    assert len(payloads[0]["blocks"]) == 2


@pytest.mark.parametrize(
    ("names", "headline"),
    [
        (["api"], "api is down: tcp.refused since 07:58 (2 of 2 probes)"),
        (["api", "shop"], "2 of 3 probes are down: api and shop"),
        (["api", "shop", "vpn"], "3 of 3 probes are down: api, shop and vpn"),
    ],
)
def test_headlines_count(names: list[str], headline: str) -> None:
    kept, probes = Kept(), tuple(probe(name) for name in ("api", "shop", "vpn"))
    for one in probes:
        history(kept, one, [Spell(2 * MINUTE, 0 * MINUTE)] if one.name in names else (), days=2)
    assert tell(kept, probes).report.headline == headline


# flips ----------------------------------------------------------------------------------------------------------------


def test_a_flip_is_told_shortly(morning: Morning, golden: Same) -> None:
    one = tell(*morning, [flip()])
    assert one.report.headline == "api is down: tcp.refused since 07:02 (116 of 116 probes)"
    assert [f.resource for f in one.outcome.findings] == ["api"]
    assert len(one.report.sections) == 1
    golden("uptime_flip.txt", text.render(one.report, one.about, colour=False, width=78))


def test_two_failures_after_two_minutes() -> None:
    kept, api = Kept(), probe("api")
    history(kept, api, [Spell(2 * MINUTE, 0 * MINUTE)], days=2)
    one = tell(kept, [api], [flip(ago=2)])
    assert one.report.headline == "api is down: tcp.refused since 07:58 (2 of 2 probes)"


def test_a_recovery_is_told_with_how_long_it_lasted() -> None:
    kept, api = Kept(), probe("api")
    history(kept, api, [Spell(20 * MINUTE, 8 * MINUTE)], days=2)
    one = tell(kept, [api], [flip(ago=18), flip(after=UP, ago=7)])
    assert one.report.headline == "api is up again after 12 min (tcp.refused)"
    assert one.report.status is Status.INFO
    assert len(slack.render(one.report, one.about)) == 1


BURNS, CALM = Spell(30 * MINUTE, 0 * MINUTE, share=0.2), Spell(9 * HOUR, 8 * HOUR, share=0.2)


@pytest.mark.parametrize(
    ("spell", "reason", "headline", "status"),
    [
        (BURNS, "slo.fast", "api burns its error budget fast: 37 min of 43 min left", "critical"),
        (CALM, "slo.over", "api burns no more, 31 min of 43 min of error budget left", "info"),
    ],
)
def test_a_budget_that_burns_is_told_while_its_probe_is_up(
    spell: Spell, reason: str, headline: str, status: str
) -> None:
    kept, api = Kept(), probe("api")
    history(kept, api, [spell], days=40)
    one = tell(kept, [api], [Flip(probe="api", at=NOW, before=UP, after=UP, reason=reason)])
    assert one.report.headline == headline
    assert [(f.key, str(f.status)) for f in one.outcome.findings] == [("dhbw-prod/slo/api", status)]
    assert (("recovered", True) in one.outcome.findings[0].evidence) is (status == "info")


def test_a_probe_that_changed_and_its_budget_are_one_message_about_the_probe() -> None:
    kept, api, shop = Kept(), probe("api"), probe("shop")
    for each in (api, shop):
        history(kept, each, [Spell(20 * MINUTE, 0 * MINUTE)], days=40)
    burn = Flip(probe="shop", at=NOW, before=UP, after=UP, reason="slo.fast")
    one = tell(kept, [api, shop], [burn, flip()])
    assert one.report.headline.startswith("api is down: tcp.refused")
    assert [f.key for f in one.outcome.findings] == ["dhbw-prod/uptime/api", "dhbw-prod/slo/shop"]


def test_a_budget_that_is_configured_no_more_is_told_as_such() -> None:
    kept, api = Kept(), probe("api", slo=None)
    history(kept, api, days=2)
    burn = Flip(probe="api", at=NOW, before=UP, after=UP, reason="slo.fast")
    assert tell(kept, [api], [burn]).report.headline == "api: has no service level any more"
    assert tell(kept, [probe("shop")], [burn]).outcome.findings[0].summary.startswith("not configured any more")


def test_five_hundred_at_once_are_one_message(templates: FileSystemLoader) -> None:
    kept, probes = Kept(), tuple(probe(f"tenant-{n:03}") for n in range(500))
    for one in probes[:40]:
        history(kept, one, [Spell(2 * MINUTE, 0 * MINUTE)], days=0.1)
    for one in probes[40:]:
        kept.stands[one.name] = replace(kept.stands["tenant-000"], probe=one.name)
    many = tell(kept, probes, [flip(one.name, ago=2) for one in probes])
    assert many.report.headline == "500 probes are down: tenant-000, tenant-001 and 498 others"
    first, *_ = slack.render(many.report, many.about)
    assert len(first["blocks"]) <= BLOCKS
    assert len(json.dumps(first["blocks"])) <= CHARACTERS
    assert len(mailed(many, templates)) < 200_000
    assert len(many.outcome.flips) == 500


def test_a_probe_that_is_gone_is_told_as_such(morning: Morning) -> None:
    one = tell(morning[0], morning[1], [flip("retired")])
    assert one.report.headline == "retired: not configured any more; it was last down"
    assert one.report.status is Status.INFO


# formats --------------------------------------------------------------------------------------------------------------


def test_every_format_keeps_its_budget(told: Told, templates: FileSystemLoader) -> None:
    for payload in slack.render(told.report, told.about):
        assert len(payload["blocks"]) <= BLOCKS
        assert len(json.dumps(payload["blocks"])) <= CHARACTERS
    page = html.render(told.report, told.about, templates)
    assert page.count("data:image/png") >= 8
    body = mailed(told, templates)
    assert body.count(b"Content-ID: <strip") == 8
    (whole,) = [part for part in message_from_bytes(body).walk() if part.get_content_type() == "text/html"]
    assert len(whole.get_payload(decode=True)) <= email.HTML_BYTES
    assert max(map(width, text.render(told.report, told.about, colour=False, width=78).splitlines())) <= 90


def test_a_hundred_probes_with_service_levels_still_fit_into_a_mail(templates: FileSystemLoader) -> None:
    kept, probes = Kept(), tuple(probe(f"tenant-{n:03}-lecture-backend") for n in range(100))
    for one in probes:
        history(kept, replace(one, every=600.0), days=0.1)
    body = mailed(tell(kept, [replace(one, every=600.0) for one in probes]), templates)
    (whole,) = [part for part in message_from_bytes(body).walk() if part.get_content_type() == "text/html"]
    assert len(whole.get_payload(decode=True)) <= email.HTML_BYTES


def test_strips_are_told_in_words_too(told: Told, templates: FileSystemLoader) -> None:
    strips = next(block for section in told.report.sections for block in section.blocks if isinstance(block, Strips))
    api = next(row for row in strips.rows if row.name == "api")
    assert len(api.bars) == 90
    assert api.words == "90 days: 85 well, 2 with slight trouble, 3 with an outage"
    assert f'alt="{api.words}"' in html.render(told.report, told.about, templates)


# through the runner ---------------------------------------------------------------------------------------------------


def request(**changes: object) -> Request:
    made = Request(
        name="uptime_probes", job=job(), settings=job().settings(), at=NOW, window=Period(start=NOW - DAY, end=NOW),  # type: ignore[arg-type]
        environments=ENVIRONMENTS, checks={}, zone="Europe/Berlin", command="opsbot run uptime_probes",
        templates=(FileSystemLoader("report_templates"),),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def world() -> World:
    """Small, because every run draws its charts."""
    kept, probes = Kept(flips=[flip()]), (probe("api"), probe("mail", environment="edt-prod"))
    history(kept, probes[0], days=3)
    history(kept, probes[1], days=3)
    kept.stands["api"] = replace(kept.stands["api"], state=DOWN, since=NOW - 58 * MINUTE, reason="tcp.refused")
    store: SqlStore = fresh()
    pour(kept, store)
    return World(
        cloud=WrittenCloud({}), channels={}, store=store, now=lambda: NOW, uptime=store.uptime(), probes=probes
    )


def called(cause: Cause = Cause.MANUAL, **changes: object) -> Run:
    made = Run(id="R1", job="uptime_probes", queued_at=NOW, started_at=NOW, at=NOW, state=RunState.RUNNING, cause=cause,
               owner="here", attempt=1)  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_run_that_was_called_for_flips_tells_them_once(world: World) -> None:
    assert world.uptime is not None
    world.store.begin(called())
    first = execute(request(), world, run=called())
    assert first.run.headline == "api is down: tcp.refused since 07:02"
    assert [f.resource for f in first.findings] == ["api"]
    assert world.uptime.untold() == ()
    world.store.begin(called(id="R2"))
    assert len(execute(request(), world, run=called(id="R2")).findings) == 6


def test_neither_a_person_nor_the_morning_takes_flips_away(world: World) -> None:
    assert world.uptime is not None
    by_hand = execute(request(), world, owner="here")
    assert len(by_hand.findings) == 6
    morning = called(cause=Cause.SCHEDULE, scheduled_for=NOW)
    world.store.begin(morning)
    execute(request(), world, run=morning)
    assert len(world.uptime.untold()) == 1


def test_a_run_of_another_job_leaves_flips_alone(world: World) -> None:
    assert world.uptime is not None
    other = replace(job(), run=lambda context, settings: Outcome())
    run = called(job="daily_health")
    world.store.begin(run)
    execute(request(name="daily_health", job=other), world, run=run)
    assert len(world.uptime.untold()) == 1


def test_a_run_that_fails_leaves_them_untold(world: World) -> None:
    assert world.uptime is not None

    def broken(context: object, settings: object) -> Outcome:
        raise JobError("no")

    world.store.begin(called())
    execute(request(job=replace(job(), run=broken)), world, run=called())
    assert len(world.uptime.untold()) == 1


def test_json_keeps_its_contract_and_an_estimate_asks_nothing(world: World) -> None:
    result = execute(request(), world, owner="here", dry_run=True)
    told = json.loads(result.json(exit_code=1, paths=(), messages=(), verbose=False))
    assert (told["schema"], told["verdict"], told["job"]) == ("opsbot.run/1", "action", "uptime_probes")
    assert [s["id"] for s in told["sections"]] == [
        "exceptions", "no_data", "probes", "days", "latency", "slo", "incidents", "coverage",
    ]  # fmt: skip
    assert "dhbw-prod/uptime/api" in [f["key"] for f in told["findings"]]
    assert told["aws"]["calls"] == {}
    price = estimate(request(), world)
    assert (price.metrics, price.usd, price.calls) == (0, 0.0, ())


def test_only_the_probes_of_the_environments_asked_for(world: World) -> None:
    found = execute(request(environments=ENVIRONMENTS[1:]), world, owner="here", dry_run=True).findings
    assert {f.resource for f in found} == {"mail"}
