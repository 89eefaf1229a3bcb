"""The embedded AWS, a store and two people: what the stories about running and changing things share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from opsbot.actions import Bench
from opsbot.aws import Aws
from opsbot.aws.inspecting import Hands
from opsbot.model.actor import Actor
from opsbot.model.environment import Environment
from opsbot.model.probe import ProbeResult, ProbeState
from opsbot.model.runbook import Runbook, RunbookRun, StepState, Took
from opsbot.replica.world import World
from opsbot.runbooks import applying, approving, knowing, lint, running, undoing
from opsbot.runbooks.hand import Hand
from opsbot.store.sql import SqlStore
from tests.runbooks.crashing import Places, Watched

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
ANA = Actor(login="ana@laptop", arn="arn:aws:iam::100000000001:user/ana")
BO = Actor(login="bo@desk", arn="arn:aws:iam::100000000001:user/bo")

ROLL_BACK = """\
---
id: roll-back
limits: {timeout: 20s, max_runs: 2/1h}
---
# Roll back

```step
{id: svc, uses: ecs.service, with: {service: '{{resource}}'}, save: {running: running, desired: desired}}
```
```step
id: back
uses: ecs.set_task_definition
when: running < desired
with: {cluster: '{{svc.cluster}}', service: '{{resource}}', to: previous}
verify: {until: "running >= desired && rollout == 'COMPLETED'", every: 15s, timeout: 2m}
```
"""


def looked(url: str) -> ProbeResult:
    """A look from outside that needs no network."""
    return ProbeResult(target=url, kind="http", state=ProbeState.UP, at=NOW, seconds=0.01)


@dataclass
class Stage:
    """Time moves only when somebody waits."""

    world: World
    store: SqlStore
    aws: Aws
    hands: Hands
    now: datetime = NOW
    said: list[str] = field(default_factory=list)
    waits: int = 0
    places: Places = field(default_factory=Places)

    def environment(self, name: str) -> Environment:
        spec = next(one for one in self.world.environments if one.name == name)
        return Environment(
            name=spec.name, regions=spec.regions, account_id=spec.account, tenant=spec.tenant,
            role_arn=f"arn:aws:iam::{spec.account}:role/opsbot", external_id="env:X" if spec.external_id else None,
        )  # fmt: skip

    def bench(self, name: str) -> Bench:
        environment = self.environment(name)
        return Bench(
            environment=environment,
            region=environment.home_region,
            now=self.now,
            inspector=self.aws,
            cloud=self.aws,
            probe=looked,
        )

    def run(self, text: str, name: str, tell: Callable[[Took], None] = lambda took: None, **said: str) -> RunbookRun:
        """Look and plan, and keep it, as Ana."""
        book = read(text)
        bench = self.bench(name)
        names = knowing.known(book, bench.environment, bench.region, None, said)
        made = running.run(running.Start(book=book, names=names, actor=ANA), bench, tell)
        return self.store.journal().keep(made, approving.act("runbook.plan", made, ANA, self.now))

    def approve(self, run: RunbookRun, who: Actor = BO) -> RunbookRun:
        return approving.approve(self.store.journal(), self.store.audit(), self.kept(run), who, self.now)

    def apply(self, run: RunbookRun, text: str = ROLL_BACK) -> RunbookRun:
        return self._hand(run, lambda hand: applying.apply(hand, self.kept(run), lambda: read(text)))

    def rollback(self, run: RunbookRun) -> RunbookRun:
        return self._hand(run, lambda hand: undoing.rollback(hand, self.kept(run)))

    def _hand(self, run: RunbookRun, do: Callable[[Hand], RunbookRun]) -> RunbookRun:
        return do(self.hand(run))

    def hand(self, run: RunbookRun, actor: Actor = ANA) -> Hand:
        """Ana's, with what may die in it."""
        watched: list[Any] = [
            Watched(one, self.places) for one in (self.store.journal(), self.store.audit(), self.hands)
        ]
        return Hand(
            journal=watched[0], audit=watched[1], actuator=watched[2], bench=self.bench(run.environment), actor=actor,
            now=lambda: self.now, pause=self._pause, tell=self._hear,
        )  # fmt: skip

    def _pause(self, seconds: float) -> None:
        self.waits += 1
        self.now += timedelta(seconds=seconds)

    def _hear(self, line: str, state: StepState | None) -> None:
        self.said.append(line)

    def kept(self, run: RunbookRun) -> RunbookRun:
        found = self.store.journal().run(run.number)
        assert found is not None
        return found

    def states(self, run: RunbookRun) -> dict[str, StepState]:
        return {one.step: one.state for one in self.store.journal().changes(run.number)}

    def acts(self) -> list[str]:
        return [row.act.what for row in self.store.audit().rows()]


def read(text: str) -> Runbook:
    name = next((line.removeprefix("id: ") for line in text.split("\n") if line.startswith("id: ")), "mine")
    return lint.checked(name, text, f"runbooks/{name}.md").runbook


def only(run: RunbookRun, step: str) -> Took:
    return next(took for took in run.took if took.step == step)


def edited(book: str) -> str:
    """The same runbook with a word more in its prose."""
    return book.replace("# Roll back", "# Roll it back")


__all__ = ["ANA", "BO", "NOW", "ROLL_BACK", "Stage", "edited", "only", "read", "replace"]
