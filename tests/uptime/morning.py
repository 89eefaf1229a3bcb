"""The job as it is shipped, run on what was kept; and its report, ready for any format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from opsbot.job import Context, Job, NoSettings, Outcome
from opsbot.model.finding import Coverage, Finding
from opsbot.model.maintenance import Maintenance
from opsbot.model.period import Period
from opsbot.model.report import About, Report
from opsbot.model.run import Usage
from opsbot.model.uptime import Flip
from opsbot.ports import Looking, Uptime
from opsbot.probing import Probe
from opsbot.render.headline import complete
from tests.fakes import WrittenCloud, environment
from tests.render.sample import about
from tests.uptime.kept import DAY, NOW

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = (environment(), environment("edt-prod"))


@dataclass(frozen=True)
class Told:
    outcome: Outcome
    report: Report
    about: About

    def found(self, check: str, resource: str) -> Finding:
        return next(f for f in self.outcome.findings if (f.check, f.resource) == (check, resource))


def tell(
    kept: Uptime | None,
    probes: Sequence[Probe],
    flips: Sequence[Flip] = (),
    *,
    window: Period | None = None,
    planned: tuple[Maintenance, ...] = (),
) -> Told:
    now = window.end if window else NOW
    context = Context(
        now=now, window=window or Period(start=now - DAY, end=now), environments=ENVIRONMENTS, checks={},
        looking=Looking(cloud=WrittenCloud({}), uptime=kept, probes=tuple(probes), maintenance=planned),
        flips=tuple(flips), zone="Europe/Berlin",
    )  # fmt: skip
    outcome = job().run(context, NoSettings())
    assert outcome.report is not None
    coverage = Coverage.of(outcome.findings)
    source = replace(
        about(outcome.findings, environments=2), job="uptime_probes", command="opsbot run uptime_probes", usage=Usage(), at=now
    )  # fmt: skip
    return Told(outcome, complete(outcome.report, coverage, 2), source)


def job() -> Job[NoSettings]:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("uptime_probes", ROOT / "jobs" / "uptime_probes.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Job[NoSettings] = module.job
    return found
