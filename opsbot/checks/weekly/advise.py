"""What would do the most good for the least work: savings, needless alerts, blind spots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opsbot.checks.weekly.told import Needless
from opsbot.model.finding import Finding
from opsbot.model.status import Status
from opsbot.render.format import clean, clip, money, plural, span

SHOWN = 6
# Hours of somebody's work, as a first guess by what kind of change it is; what is not here takes an hour.
_HOURS = {
    "saving-loose-volume": 0.25,
    "saving-loose-address": 0.25,
    "saving-log-retention": 0.25,
    "saving-gp2": 0.5,
    "saving-old-snapshot": 0.5,
    "saving-idle-nat": 1.0,
    "saving-idle-balancer": 1.0,
    "saving-idle-nlb": 1.0,
    "saving-idle-ec2": 1.0,
    "saving-lambda-memory": 1.0,
    "saving-aws": 1.0,
    "saving-commitment": 2.0,
}
_USUAL_HOURS, _RAISE, _MEND = 1.0, 0.25, 0.5
_SURE = {"high": 1.0, "medium": 0.7, "low": 0.4}
# A blind spot is worth so much in this order; it saves nothing and it hides anything.
_BLIND_USD = 20.0
_WEEKS_A_MONTH = 4.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """`worth` is in USD a month, for the order alone; `effect` and `hours` are told."""

    what: str
    where: str
    effect: str
    hours: float
    worth: float
    note: str = ""

    @property
    def effort(self) -> str:
        return f"{self.hours * 60:.0f} min" if self.hours < 1 else f"{self.hours:g} h"


def advice(
    savings: Sequence[Finding], needless: Sequence[Needless], findings: Sequence[Finding], page_usd: float
) -> tuple[Advice, ...]:
    """By effect for effort."""
    found = [*_savings(savings), *_quieter(needless, page_usd), *_seeing(findings)]
    return tuple(sorted(found, key=lambda one: (-one.worth / one.hours, one.where, one.what)))


def _savings(findings: Sequence[Finding]) -> Iterator[Advice]:
    for one in findings:
        told = dict(one.evidence)
        usd = one.value
        if one.status is not Status.INFO or not usd:
            continue
        yield Advice(
            what=f"{one.title}: {clip(clean(one.resource), 60)}",
            where=one.environment,
            effect=f"{money(usd)} a month",
            hours=_HOURS.get(one.check, _USUAL_HOURS),
            worth=usd * _SURE.get(str(told.get("confidence")), 0.4),
            note=clip(clean(f"{one.summary}; {told.get('how', '')}".rstrip("; ")), 200),
        )


def _quieter(needless: Sequence[Needless], page_usd: float) -> Iterator[Advice]:
    for one in needless:
        yield Advice(
            what=f"Make {clean(one.title)} less eager",
            where=one.environment,
            effect=f"{plural(one.times, 'alert')} a week",
            hours=_RAISE,
            worth=one.times * _WEEKS_A_MONTH * page_usd,
            note=f"All of them ended by themselves, the longest after {span(one.longest)}, and nobody took any in hand: "
            "a higher limit or a longer hold in [[checks]] would have told nobody.",
        )


def _seeing(findings: Sequence[Finding]) -> Iterator[Advice]:
    """One for all that cannot be seen in an environment for one reason."""
    blind = [one for one in findings if one.status is Status.UNKNOWN]
    tally = Counter((one.environment, clean(one.summary)) for one in blind)
    for (environment, why), number in tally.most_common(20):
        yield Advice(
            what="See again what cannot be judged",
            where=environment,
            effect=plural(number, "measurement"),
            hours=_MEND,
            worth=_BLIND_USD * min(number, 5),
            note=clip(why, 200),
        )
