"""What a run leaves behind: its end, its findings, its messages, and what becomes of the alerts, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import chain

from opsbot import alerting
from opsbot.alerting import Book, Looked, Policy
from opsbot.compose import compose, compose_card, compose_notices, with_templates
from opsbot.job import Outcome
from opsbot.model.message import Format, Message, Standing
from opsbot.model.run import RunState
from opsbot.ports import Alerts, Artifact, Channel, Step, World
from opsbot.render import html, text
from opsbot.runner.request import Request, Result, new_id


def keep(request: Request, world: World, result: Result, outcome: Outcome) -> None:
    """Commit it. Raises Fenced when the run is somebody else's by now, StoreError."""
    policy = request.policy
    turn = None if policy is None else lambda book: _step(request, world, result, outcome, policy, book)
    artifacts = tuple(_artifacts(request, result))
    world.store.commit(result.run, result.findings, result.messages, artifacts, turn, result.cards)


def messages(request: Request, world: World, result: Result, outcome: Outcome) -> Iterator[Message]:
    """The report, for the job's channels. What is only a change of probes goes by the routes, where they carry all of it;
    a job that is there for nothing yet tells nobody, and one that found nothing new only those who have no cards."""
    if result.report.idle:
        return
    if outcome.flips and request.policy and _carried(request, outcome, request.policy):
        return
    for name in request.channels:
        if result.report.quiet and _has_cards(request, world.channels[name]):
            continue
        yield from compose(
            result.report, result.about, world.channels[name], name, request.templates,
            now=world.now(), new_id=lambda: new_id(world.now()),
        )  # fmt: skip


def cards(request: Request, world: World, result: Result) -> Iterator[Standing]:
    """The troubles that changed, for channels where each stands as one message. None begins where a route carries it to the
    same channel; one that has begun goes on to its end."""
    places = {environment.name: environment for environment in request.environments}
    for name in request.channels:
        channel, policy = world.channels[name], request.policy
        if policy is None or not _has_cards(request, channel):
            continue
        here = replace(policy, channels=policy.channels & {name})
        for card in result.report.cards:
            begins = card.opens and not card.over
            opens = begins and not alerting.carried(card.finding, places.get(card.finding.environment), here)
            now = world.now()
            yield compose_card(
                card, result.report.title, result.about, channel, name, now=now, id=new_id(now), opens=opens
            )


def _has_cards(request: Request, channel: Channel) -> bool:
    """A look at the past, or one that only some people are to hear of, changes nothing that stands."""
    return request.policy is not None and channel.format is Format.SLACK


def sweep(alerts: Alerts, channels: Mapping[str, Channel], policy: Policy, zone: str, now: datetime) -> Step:
    """What time and people alone bring: repeats, ends of silences, acknowledgements. Raises StoreError."""
    return alerts.turn(lambda book: _turned(book, policy, channels, zone, now, None, ""))


def _step(request: Request, world: World, result: Result, outcome: Outcome, policy: Policy, book: Book) -> Step:
    looked = _looked(request, result, outcome)
    return _turned(book, policy, world.channels, request.zone, world.now(), looked, result.run.id)


def _turned(
    book: Book,
    policy: Policy,
    channels: Mapping[str, Channel],
    zone: str,
    now: datetime,
    looked: Looked | None,
    run_id: str,
) -> Step:
    """A turn, and its notices as messages. Whom this process cannot reach is left for the next one that can."""
    mine = replace(policy, channels=policy.channels & channels.keys())
    turned = alerting.turn(book, mine, now, lambda: new_id(now), looked)
    told = (compose_notices(notice, channels[notice.channel], zone, run_id=run_id) for notice in turned.notices)
    return Step(turned=turned, messages=tuple(chain.from_iterable(told)))


def _looked(request: Request, result: Result, outcome: Outcome) -> Looked:
    """A run that failed, or was called for a change of a few probes, says nothing of what it does not speak of."""
    return Looked(
        job=request.name,
        at=request.at,
        findings=outcome.findings,
        environments={environment.name: environment for environment in request.environments},
        checks={name: frozenset(check.name for check in checks) for name, checks in request.checks.items()},
        whole=request.whole and not outcome.flips and result.run.state is RunState.SUCCEEDED,
    )


def _carried(request: Request, outcome: Outcome, policy: Policy) -> bool:
    """Whether the routes carry every one of its findings, as the trouble it is or was."""
    places = {environment.name: environment for environment in request.environments}
    return bool(policy.routes) and all(
        alerting.carried(finding, places.get(finding.environment), policy) for finding in outcome.findings
    )


def _artifacts(request: Request, result: Result) -> Iterator[Artifact]:
    run_id = result.run.id
    body = result.json(exit_code=result.exit_code(), paths=(), messages=result.messages, verbose=False)
    yield Artifact(run_id=run_id, format="json", body=body.encode())
    plain = text.render(result.report, result.about, colour=False)
    yield Artifact(run_id=run_id, format="text", body=plain.encode())
    page = with_templates(
        request.templates,
        result.report,
        result.about,
        lambda templates, report: html.render(report, result.about, templates),
    )
    yield Artifact(run_id=run_id, format="html", body=page.encode())
