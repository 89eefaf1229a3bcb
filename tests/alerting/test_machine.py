"""Whatever happens in whatever order, on the real store: whoever saw something fire hears of its end, and once."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from opsbot.alerting import Patience, Route, dedup_key, group_of, routes_of
from opsbot.model.incident import IncidentState
from opsbot.model.message import Action, Delivery
from opsbot.model.status import Priority
from tests.alerting.world import Heard, Night, finding, heard

EXAMPLES = int(os.environ.get("OPSBOT_EXAMPLES", "12"))
RESOURCES = st.sampled_from(("a", "b", "c"))
ROUTES = (
    Route(name="page", match=(("status", ("critical",)),), priority=Priority.P0, channels=("pager",), goes_on=True,
          incident=True),
    Route(name="all", match=(("status", ("critical", "warning")),), priority=Priority.P2, channels=("chat",),
          group_by=("alert",), interval=timedelta(minutes=20), wait=timedelta(minutes=2)),
    Route(name="rest", channels=("mail",)),
)  # fmt: skip


_OPEN = (IncidentState.OPEN, IncidentState.ACKED)


class Crashed(Exception):
    """The process died before its transaction ended."""


class Alerting(RuleBasedStateMachine):
    """Receivers keep what they were told is open, as a system with incidents of its own does."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.open: dict[str, set[str]] = defaultdict(set)
        self.closed: set[tuple[str, str]] = set()
        self.silences: list[str] = []

    @initialize(keep=st.sampled_from((0, 7)), storm=st.sampled_from((0, 1, 20)))
    def begin(self, keep: int, storm: int) -> None:
        patience = Patience(keep=timedelta(minutes=keep), blind_after=2)
        self.night = Night(Path(self.folder.name), ROUTES, {"patience": patience, "storm": storm})

    @rule(resource=RESOURCES, status=st.sampled_from(("ok", "warning", "critical", "unknown")))
    def is_found(self, resource: str, status: str) -> None:
        self.night.look(finding(status, resource))

    @rule(statuses=st.tuples(*[st.sampled_from(("ok", "warning", "critical"))] * 3))
    def are_found(self, statuses: tuple[str, ...]) -> None:
        self.night.look(*(finding(status, name) for name, status in zip("abc", statuses, strict=True)), whole=True)

    @rule(age=st.integers(1, 90), status=st.sampled_from(("ok", "critical")))
    def an_old_finding_comes_late(self, age: int, status: str) -> None:
        before = {alert.key: alert for alert in self.night.alerts()}
        at = self.night.now - timedelta(minutes=age)
        self.night.look(finding(status, "a", at=at))
        known = before.get("shop-prod/ecs-cpu/a")
        if known and at < known.seen_at <= self.night.now:
            assert self.night.alert("a").state is known.state or self.night.alert("a").state == "resolved"

    @rule()
    def the_job_fails(self) -> None:
        self.night.look(finding("unknown", "health", check="job-failed", environment="opsbot"))

    @rule()
    def everything_is_gone(self) -> None:
        self.night.look(whole=True)

    @rule(status=st.sampled_from(("ok", "critical")))
    def a_run_crashes_before_its_commit(self, status: str) -> None:
        before = self.night.alerts(), self.night.store.messages()

        def dies(book: object) -> object:
            self.night.step(book, None)  # type: ignore[arg-type]
            raise Crashed

        with suppress(Crashed):
            self.night.store.alerts().turn(dies)  # type: ignore[arg-type]
        assert (self.night.alerts(), self.night.store.messages()) == before

    @rule(minutes=st.integers(0, 400))
    def time_passes(self, minutes: int) -> None:
        self.night.now += timedelta(minutes=minutes)
        due = self.night.store.alerts().due()
        if due is not None and due <= self.night.now:
            self.night.store.alerts().turn(lambda book: self.night.step(book, None))

    @rule(minutes=st.integers(-600, -1))
    def the_clock_is_set_back(self, minutes: int) -> None:
        self.night.now += timedelta(minutes=minutes)

    @rule(resource=RESOURCES)
    def somebody_acknowledges(self, resource: str) -> None:
        self.night.store.alerts().acknowledge((f"shop-prod/ecs-cpu/{resource}",), "ana", "", self.night.now)

    @rule(resource=RESOURCES, hours=st.integers(1, 5), until=st.booleans())
    def somebody_silences(self, resource: str, hours: int, until: bool) -> None:
        before = len(self.night.heard)
        self.silences.append(self.night.silence(hours, until, resource=resource))
        for one in self.night.heard[before:]:
            self.hears(one)

    @rule()
    def a_silence_is_ended(self) -> None:
        if self.silences:
            self.night.store.alerts().end_silence(self.silences.pop(), self.night.now)

    @rule(most=st.integers(1, 6))
    def some_messages_leave(self, most: int) -> None:
        for _ in range(most):
            if (message := self.night.store.claim(self.night.now, 60)) is None:
                return
            self.night.store.settle(message, Delivery.SENT, now=self.night.now)
            self.hears(heard(message))

    @rule()
    def a_sender_dies_after_it_sent(self) -> None:
        if (message := self.night.store.claim(self.night.now, 60)) is not None:
            self.hears(heard(message))

    def hears(self, one: Heard) -> None:
        known = self.open[one.channel]
        if one.action is Action.TRIGGER:
            known.add(one.key)
        elif one.action is Action.RESOLVE:
            # I2: an end is told to nobody who did not see the beginning, or it says that it brings both.
            again = one.key not in known and (one.channel, one.key) in self.closed
            assert one.key in known or again or "nothing could be sent" in one.body, one
            known.discard(one.key)
            self.closed.add((one.channel, one.key))

    @invariant()
    def what_is_told_is_told_once(self) -> None:
        if hasattr(self, "night"):
            told = [(one.key, one.channel) for one in self.night.store.alerts().told()]
            assert len(told) == len(set(told))
            assert all(one.mentions for one in self.night.store.alerts().told())

    @invariant()
    def an_incident_is_open_as_long_as_what_called_for_it(self) -> None:
        if not hasattr(self, "night"):
            return
        fires = {alert.key for alert in self.night.alerts() if alert.fires}
        called = {alert.key for alert in self.night.alerts() if alert.fires and alert.called == alert.episode}
        found = self.night.store.incidents().incidents()
        still = [set(one.alerts) for one in found if one.state in _OPEN]
        assert called <= set().union(*still)
        assert all(fires & alerts for alerts in still)
        assert len(found) == len({one.key for one in found})

    def settle(self) -> None:
        """Everything leaves, whoever died."""
        self.night.now += timedelta(hours=1)
        self.night.store.alerts().turn(lambda book: self.night.step(book, None))
        for _ in range(3):
            self.night.now += timedelta(hours=1)
            self.some_messages_leave(10_000)

    def teardown(self) -> None:
        if not hasattr(self, "night"):
            return
        self.settle()
        self.receivers_agree_with_the_store()
        for _ in range(2):
            self.night.now += timedelta(hours=9)
            self.night.look(*(finding("ok", name) for name in "abc"))
            self.settle()
        # I1, I3, I6: nothing is left open anywhere, and nothing is left in the outbox.
        assert not any(self.open.values()), self.open
        assert self.night.store.alerts().told() == ()
        stuck = (Delivery.QUEUED, Delivery.SENDING, Delivery.HELD)
        assert self.night.store.messages(states=stuck) == ()
        self.night.store.close()
        self.folder.cleanup()

    def receivers_agree_with_the_store(self) -> None:
        """I3: open at a receiver is what fires and is routed there; what is muted may be open and need not."""
        wanted: dict[str, set[str]] = defaultdict(set)
        allowed: dict[str, set[str]] = defaultdict(set)
        for alert in self.night.alerts():
            for route in routes_of(alert, ROUTES) if alert.fires else ():
                for channel in route.channels:
                    key = dedup_key(group_of(alert, route))
                    allowed[channel].add(key)
                    if not alert.muted:
                        wanted[channel].add(key)
        for channel in self.night.channels:
            assert wanted[channel] <= self.open[channel] <= allowed[channel], channel


TestAlerting = Alerting.TestCase
TestAlerting.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=30, deadline=None, derandomize="OPSBOT_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
