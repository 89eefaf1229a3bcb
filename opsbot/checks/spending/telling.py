"""One anomaly in words: how much over, since when, whether it still rises, what it comes to if it goes on, what to do."""

from __future__ import annotations

from datetime import date, timedelta

from opsbot.checks.spending.life import Life, Stage, usual
from opsbot.checks.spending.names import part, service
from opsbot.checks.spending.reading import Spending
from opsbot.checks.spending.words import dollars, month, percent, short
from opsbot.evaluate.cost import Anomaly, Kind, RootCause
from opsbot.evaluate.costdata.verdicts import Meaning
from opsbot.render.format import clean, clip

STILL = timedelta(days=2)
RISING, FALLING, DAYS_TO_TELL = 1.25, 0.75, 4
MONTH = 30


def running(one: Spending, life: Life) -> bool:
    """Whether there was a real part of the excess yesterday or the day before."""
    return life.stage is not Stage.OVER and one.morning - life.anomaly.last <= STILL


def lasted(anomaly: Anomaly) -> int:
    return (anomaly.last - anomaly.start).days + 1


def course_of(one: Spending, life: Life) -> str:
    """`still rising`, `steady`, `falling`, `one day so far`, `quiet since 14 Nov`."""
    anomaly, days = life.anomaly, lasted(life.anomaly)
    if not running(one, life):
        return f"quiet since {short(anomaly.last + timedelta(days=1))}"
    if days == 1:
        return "one day so far"
    before = (anomaly.impact - 2 * anomaly.daily) / max(days - 2, 1)
    if anomaly.kind is Kind.LEAK or (days >= DAYS_TO_TELL and anomaly.daily > RISING * before):
        return "still rising"
    if days >= DAYS_TO_TELL and anomaly.daily < FALLING * before:
        return "falling"
    return "steady" if days >= DAYS_TO_TELL else f"{days} days so far"


def amount_over(one: Spending, life: Life) -> str:
    """`$412 a day over since 12 Nov`, `$117 over on 19 Nov`; what is past is told as a sum."""
    anomaly = life.anomaly
    if lasted(anomaly) == 1:
        return f"{dollars(anomaly.impact, one.currency)} over on {short(anomaly.start)}"
    if not running(one, life):
        return f"{dollars(anomaly.impact, one.currency)} over from {short(anomaly.start)} to {short(anomaly.last)}"
    return f"{dollars(anomaly.daily, one.currency)} a day over since {short(anomaly.start)}"


def headline_of(one: Spending, life: Life) -> str:
    """`$412 a day over since 12 Nov in NAT Gateway, still rising`."""
    return f"{amount_over(one, life)} in {part(life.anomaly.causes[0])}, {course_of(one, life)}"


def sums(one: Spending, anomaly: Anomaly) -> str:
    """`$230 so far where $12.00 was expected`."""
    return f"{dollars(anomaly.actual, one.currency)} so far where {expected(one, anomaly)} was expected"


def expected(one: Spending, anomaly: Anomaly) -> str:
    small = anomaly.expected < 0.005 * max(anomaly.actual, 1.0)
    return "nothing" if small else dollars(anomaly.expected, one.currency)


def if_it_goes_on(one: Spending, life: Life) -> str:
    """`November ends $1.2k higher; a full month costs $3.5k more`, or "" for what is past."""
    if not running(one, life):
        return ""
    more = _rest(one.morning) * life.anomaly.daily
    ends = dollars(_in_month(one, life) + more, one.currency)
    return f"{month(one.morning)} ends {ends} higher; a full month costs {dollars(MONTH * life.anomaly.daily, one.currency)} more"


def _rest(morning: date) -> int:
    """Days of the month that are still to come, this one too."""
    after = (morning.replace(day=1) + timedelta(days=32)).replace(day=1)
    return (after - morning).days


def _in_month(one: Spending, life: Life) -> float:
    """The part of the excess that fell into the running month."""
    anomaly, first = life.anomaly, one.morning.replace(day=1)
    if anomaly.start >= first:
        return anomaly.impact
    inside = max((anomaly.last - first).days + 1, 0)
    return anomaly.impact * inside / lasted(anomaly)


def summary(one: Spending, life: Life) -> str:
    """The whole of it in one sentence, without the environment."""
    anomaly = life.anomaly
    if life.stage is Stage.EXPLAINED:
        return f"{amount_over(one, life)}: {because(life)}"
    if lasted(anomaly) == 1:
        parts = [f"{amount_over(one, life)} where {expected(one, anomaly)} was expected, {course_of(one, life)}"]
    else:
        parts = [f"{amount_over(one, life)}, {course_of(one, life)}", sums(one, anomaly)]
    if goes_on := if_it_goes_on(one, life):
        parts.append(f"if it goes on, {goes_on}")
    return "; ".join(parts)


def because(life: Life) -> str:
    """Why an anomaly is not trouble."""
    word = life.verdict
    if word is None or word.meaning is Meaning.REAL:
        return "there for four weeks and taken for normal from now on"
    reason = f": {clip(clean(word.reason), 120)}" if word.reason else ""
    again = "as it was" if word.at.date() < life.opened else "is"
    return f"{again} {word.meaning}, says {clip(clean(word.who), 40)} on {short(word.at.date())}{reason}"


def cause_of(one: Spending, cause: RootCause) -> str:
    """`NatGateway-Bytes of NAT Gateway in eu-central-1, gva-prod`."""
    return f"{clean(cause.usage_type)} of {service(cause.service)} in {clean(cause.region)}, {one.accounts.name(cause.account)}"


def meaning(one: Spending, life: Life) -> str:
    """Where it comes from, and what rose along with it."""
    anomaly = life.anomaly
    told = "; ".join(f"{percent(cause.share)} {cause_of(one, cause)}" for cause in anomaly.causes[:3])
    lead = {
        Kind.NEW: "It was never seen here before. ",
        Kind.WEEKEND: "It ran over the weekend as on working days. ",
        Kind.COMMITMENT: "A commitment ended, and what it paid for is charged by the hour now. ",
        Kind.LEAK: "It creeps up. ",
    }.get(anomaly.kind, "")
    along = f" {', '.join(map(service, anomaly.also))} rose along with it." if anomaly.also else ""
    before = f" Usual is {dollars(usual(anomaly), one.currency)} a day." if expected(one, anomaly) != "nothing" else ""
    return f"{lead}The excess is {told}.{before}{along}"


# What usually stands behind a part of the bill, and what can be done: the first that the usage type or service holds.
_ADVICE = (
    ("NatGateway", "See which machines talk through the NAT gateway. Traffic to S3 and DynamoDB is free through a gateway endpoint."),
    ("Notebk", "Stop the notebook if nobody works in it; its disk keeps the work."),
    ("Hosting:ml", "Delete the endpoint if nothing asks it any more."),
    ("Snapshot", "See which snapshots are new, and whether a lifecycle rule deletes them."),
    ("EBS:", "Look for volumes that no machine uses and for backups without an end."),
    ("DataProcessing-Bytes", "See which log groups grew (IncomingBytes), and lower their log level or sample them."),
    ("PublicIPv4", "Release addresses that nothing uses."),
    ("BoxUsage", "Look for machines that were started then; stop those that nobody misses."),
    ("SpotUsage", "Look for machines that were started then; stop those that nobody misses."),
    ("Lambda-GB-Second", "Compare invocations and duration with the days before; a loop or endless retries look like this."),
    ("Request", "Compare the number of calls with the days before; a loop or a scan looks like this."),
    ("DataTransfer", "See who sends that much, and whether it crosses zones or regions for no reason."),
    ("ChargedBackupUsage", "See which snapshots are new, and how long they are kept."),
    ("TimedStorage", "See which bucket grew, and whether a lifecycle rule moves or deletes what is old."),
)  # fmt: skip


def advice(anomaly: Anomaly) -> str:
    """What to look at first; never more than a suggestion."""
    cause = anomaly.causes[0]
    if anomaly.kind is Kind.COMMITMENT:
        return "See whether the savings plan or reservation was meant to end, and renew it if what it covered goes on."
    found = next((told for word, told in _ADVICE if word in cause.usage_type), "")
    return found or f"See what of {clean(cause.usage_type)} was begun around {short(anomaly.start)}, and by whom."


def confidence(anomaly: Anomaly) -> str:
    """`high: 2.4 times what chance explains, on 3 days`."""
    word = "high" if anomaly.confidence >= 0.9 else "fair" if anomaly.confidence >= 0.8 else "low"
    days = lasted(anomaly)
    return f"{word}: {anomaly.score:.1f} times what chance explains, on {days} {'day' if days == 1 else 'days'}"
