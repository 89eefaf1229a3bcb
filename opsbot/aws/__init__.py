"""AWS, read only: the only package that knows botocore, which is imported when the first call is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from opsbot.aws import plan as planning
from opsbot.aws.meter import Meter
from opsbot.errors import PlanTooDear
from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.model.resource import Inventory
from opsbot.model.run import Usage
from opsbot.ports import Ask, CustomMetric, Estimate, LogAnswer, LogQuery, Reading

if TYPE_CHECKING:
    from opsbot.aws.costplan import CostLimits
    from opsbot.aws.session import Sessions
    from opsbot.evaluate.costdata import BudgetsRead, CostReading, Shown
    from opsbot.evaluate.costdata.ports import Allowance
    from opsbot.evaluate.costdata.writes import Writes
    from opsbot.evaluate.savings.advice import Advice, Seconds


class Aws:
    """`ports.Cloud` on AWS. `secrets` resolves an external id's reference; `max_usd` limits what one `read` may cost;
    `attempts` is how often one call is tried. Everything runs on one pool of `threads`; close it, or use `with`.
    """

    def __init__(
        self,
        threads: int = 16,
        max_usd: float | None = None,
        secrets: Callable[[str], str] = str,
        *,
        attempts: int = 8,
    ) -> None:
        self._threads = threads
        self._max_usd = max_usd
        self._secrets = secrets
        self._attempts = attempts
        self._meter = Meter()

    def __enter__(self) -> Aws:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the threads go; what is still queued is dropped."""
        if "_pool" in self.__dict__:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def inventory(
        self, environments: Sequence[Environment], kinds: frozenset[str], custom: frozenset[CustomMetric], now: datetime
    ) -> Iterator[Inventory]:
        from opsbot.aws.inventory import Inventories

        return iter(Inventories(environments, kinds, custom, now, self._sessions, self._pool))

    def estimate(self, asks: Sequence[Ask]) -> Estimate:
        return planning.estimate(planning.plan(asks))

    def read(self, asks: Sequence[Ask]) -> Iterator[tuple[Reading, ...]]:
        from opsbot.aws.reading import Readings

        planned = planning.plan(asks)
        if self._max_usd is not None:
            # Logs stop at their half; what a last query read beyond it is no reason to look at nothing.
            price = planning.estimate(planned).usd + min(self._meter.logs_usd(), self._max_usd / 2)
            if price > self._max_usd:
                raise PlanTooDear(price, self._max_usd)
        return iter(Readings(planned, self._sessions, self._pool, self._meter, self._threads))

    def estimate_logs(self, asks: Sequence[LogQuery]) -> Estimate:
        """As in `ports.Logs`."""
        from opsbot.aws.logs import estimate

        return estimate(asks)

    def ask_logs(self, asks: Sequence[LogQuery]) -> Iterator[LogAnswer]:
        """As in `ports.Logs`; all of them together may cost half of `max_usd`, so that metrics have the other."""
        from opsbot.aws.logs import Queries

        most = None if self._max_usd is None else max(0.0, self._max_usd / 2 - self._meter.logs_usd())
        return Queries(sessions=self._sessions, pool=self._pool, meter=self._meter, most=most).run(asks)

    def bill_requests(
        self, payer: Environment, morning: date, readings: Sequence[CostReading], limits: CostLimits | None = None
    ) -> int:
        """As in `opsbot.evaluate.costdata.ports.Bills`."""
        from opsbot.aws.costplan import CostLimits, requests

        return 0 if payer.cost_export else requests(morning, readings, limits or CostLimits())

    def bill(
        self,
        payer: Environment,
        morning: date,
        readings: Sequence[CostReading],
        allowance: Allowance,
        limits: CostLimits | None = None,
    ) -> Shown:
        """As in `Bills`."""
        from opsbot.aws.costplan import CostLimits

        if payer.cost_export:
            from opsbot.aws.exports import read_exported

            return read_exported(self._sessions, payer, morning, readings, (limits or CostLimits()).depth)
        from opsbot.aws.costs import read_bill

        return read_bill(self._sessions, self._meter, payer, morning, readings, allowance, limits or CostLimits())

    def budgets(self, environment: Environment) -> BudgetsRead:
        """As in `Bills`."""
        from opsbot.aws.spending import read_budgets

        return read_budgets(self._sessions, environment)

    def advice(self, payer: Environment, day: date, allowance: Allowance | None = None) -> Advice:
        """As in `Bills`."""
        from opsbot.aws.costadvice import read_advice

        return read_advice(self._sessions, self._meter, payer, day, allowance)

    def anomalies(self, payer: Environment, first: date, last: date, allowance: Allowance) -> Seconds:
        """As in `Bills`."""
        from opsbot.aws.costadvice import read_anomalies

        return read_anomalies(self._sessions, self._meter, payer, first, last, allowance)

    def writes(self, environment: Environment, region: str, window: Period, first: str = "") -> Writes:
        """As in `Bills`."""
        from opsbot.aws.changes import read_writes

        return read_writes(self._sessions, environment, region, window, first)

    def ask(self, environment: Environment, region: str, service: str, operation: str, /, **asked: Any) -> Any:
        """As in `ports.Inspector`."""
        from opsbot.aws import inspecting

        return inspecting.asked(self._sessions, environment, region, service, operation, **asked)

    def usage(self) -> Usage:
        return self._meter.usage()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="aws")

    @cached_property
    def _sessions(self) -> Sessions:
        from opsbot.aws.session import Sessions

        return Sessions(threads=self._threads, attempts=self._attempts, meter=self._meter, secrets=self._secrets)
