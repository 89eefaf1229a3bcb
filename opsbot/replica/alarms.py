"""The embedded CloudWatch's alarms: DescribeAlarms and DescribeAlarmHistory, from states that follow the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import orjson

from opsbot.replica.alarmstate import Timeline, Timelines, Transition
from opsbot.replica.codec import Fault, Handler, Params, Request, Result
from opsbot.replica.paging import page_start, page_token
from opsbot.replica.series import MINUTE, Reader
from opsbot.replica.services.trail import record
from opsbot.replica.statistics import SIMPLE
from opsbot.replica.world import AlarmSpec, SeriesId

USUAL_PAGE, MOST = 50, 100
METRIC, COMPOSITE, LOG = "MetricAlarm", "CompositeAlarm", "LogAlarm"
_TYPE = {"metric": METRIC, "composite": COMPOSITE, "log": LOG}


def _describe_alarms(request: Request, params: Params) -> Result:
    timelines = _timelines(request)
    # Without AlarmTypes AWS leaves composite and log alarms out.
    types = params.get("AlarmTypes") or [METRIC]
    fits = _filter(params)
    state = params.get("StateValue")
    found = [
        alarm
        for alarm in sorted(timelines.alarms, key=lambda a: (a.kind == "metric", a.name))
        if _TYPE[alarm.kind] in types and fits(alarm) and state in (None, timelines.of(alarm).last.state)
    ]
    first, size = page_start(params.get("NextToken")), _page_size(params)
    shown = found[first : first + size]
    result: Result = {
        "CompositeAlarms": [_composite(request, a, timelines.of(a)) for a in shown if a.kind == "composite"],
        "MetricAlarms": [
            _metric(request, a, a.series, timelines.of(a)) for a in shown if a.kind == "metric" and a.series
        ],
    }
    if LOG in types:
        result["LogAlarms"] = [_log(request, a, timelines.of(a)) for a in shown if a.kind == "log"]
    return result if first + size >= len(found) else {**result, "NextToken": page_token(first + size)}


def _timelines(request: Request) -> Timelines:
    """Every alarm as of this minute: CloudWatch judges once a minute."""
    minute = request.now.timestamp() // MINUTE * MINUTE
    return Timelines(request.world.alarms(request.account, request.region), Reader(request, minute))


def _page_size(params: Params) -> int:
    size = params.get("MaxRecords") or USUAL_PAGE
    if not 1 <= size <= MOST:
        raise Fault("ValidationError", f"The parameter MaxRecords must be from 1 to {MOST}.")
    return int(size)


def _filter(params: Params) -> Callable[[AlarmSpec], bool]:
    names, prefix = params.get("AlarmNames"), params.get("AlarmNamePrefix")
    if names and prefix:
        raise Fault("ValidationError", "AlarmNames and AlarmNamePrefix cannot be given together.")
    return lambda alarm: (not names or alarm.name in names) and alarm.name.startswith(prefix or "")


def _common(request: Request, alarm: AlarmSpec, timeline: Timeline) -> Result:
    since = datetime.fromtimestamp(timeline.last.at, UTC)
    return {
        "AlarmName": alarm.name,
        "AlarmArn": f"arn:aws:cloudwatch:{request.region}:{request.account}:alarm:{alarm.name}",
        "AlarmDescription": alarm.description,
        "AlarmConfigurationUpdatedTimestamp": datetime.fromtimestamp(timeline.first.at, UTC) - timedelta(days=30),
        "ActionsEnabled": _acts(request, alarm),
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        "StateValue": timeline.last.state,
        "StateReason": _reason(alarm, timeline.last),
        "StateUpdatedTimestamp": since,
        "StateTransitionedTimestamp": since,
    }


def _acts(request: Request, alarm: AlarmSpec) -> bool:
    """As somebody set it last, else as the scenario has it."""
    with request.state.doings.lock:
        return request.state.doings.muted.get((request.account, request.region, alarm.name), alarm.actions_enabled)


def _set_actions(request: Request, params: Params, name: str, enabled: bool) -> Result:
    """Names that no alarm has are passed over, as AWS does."""
    known = {alarm.name for alarm in request.world.alarms(request.account, request.region)}
    mine = sorted(known & {str(one) for one in params.get("AlarmNames") or ()})
    with request.state.doings.lock:
        request.state.doings.muted |= {(request.account, request.region, one): enabled for one in mine}
    record(request, "monitoring.amazonaws.com", name, *(("AWS::CloudWatch::Alarm", one) for one in mine))
    return {}


def _enable_actions(request: Request, params: Params) -> Result:
    return _set_actions(request, params, "EnableAlarmActions", True)


def _disable_actions(request: Request, params: Params) -> Result:
    return _set_actions(request, params, "DisableAlarmActions", False)


def _metric(request: Request, alarm: AlarmSpec, series: SeriesId, timeline: Timeline) -> Result:
    statistic = "Statistic" if alarm.statistic in SIMPLE else "ExtendedStatistic"
    return _common(request, alarm, timeline) | {
        "MetricName": series.name,
        "Namespace": series.namespace,
        statistic: alarm.statistic,
        "Dimensions": [{"Name": name, "Value": value} for name, value in series.dimensions],
        "Period": alarm.period,
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints_to_alarm,
        "Threshold": alarm.threshold,
        "ComparisonOperator": alarm.comparison,
        "TreatMissingData": alarm.treat_missing,
    }


def _composite(request: Request, alarm: AlarmSpec, timeline: Timeline) -> Result:
    return _common(request, alarm, timeline) | {"AlarmRule": alarm.rule}


def _log(request: Request, alarm: AlarmSpec, timeline: Timeline) -> Result:
    return _common(request, alarm, timeline) | {
        "ScheduledQueryConfiguration": {"QueryString": alarm.query},
        "QueryResultsToEvaluate": alarm.evaluation_periods,
        "QueryResultsToAlarm": alarm.datapoints_to_alarm,
        "Threshold": alarm.threshold,
        "ComparisonOperator": alarm.comparison,
        "TreatMissingData": alarm.treat_missing,
    }


def _reason(alarm: AlarmSpec, change: Transition) -> str:
    if alarm.kind == "composite":
        return f"{alarm.name} transitioned to {change.state} because its rule {alarm.rule} decided so"
    if not change.points:
        return f"Insufficient Data: {alarm.evaluation_periods} datapoints were unknown."
    shown = ", ".join(f"{value:.6g}" for value in change.points)
    test = "crossed" if change.state == "ALARM" else "did not cross"
    limit = f"the threshold ({alarm.threshold:g})"
    return f"Threshold Crossed: the last datapoints [{shown}] were evaluated; they {test} {limit}."


def _describe_alarm_history(request: Request, params: Params) -> Result:
    timelines = _timelines(request)
    types = params.get("AlarmTypes") or [METRIC]
    name = params.get("AlarmName")
    items = [
        item
        for alarm in timelines.alarms
        if _TYPE[alarm.kind] in types and name in (None, alarm.name)
        for item in _history(alarm, timelines.of(alarm))
        if _asked(item, params)
    ]
    newest_first = params.get("ScanBy") != "TimestampAscending"
    items.sort(key=lambda item: (item["Timestamp"], item["AlarmName"]), reverse=newest_first)
    first, size = page_start(params.get("NextToken")), _page_size(params)
    result: Result = {"AlarmHistoryItems": items[first : first + size]}
    return result if first + size >= len(items) else {**result, "NextToken": page_token(first + size)}


def _asked(item: Result, params: Params) -> bool:
    start, end, kind = params.get("StartDate"), params.get("EndDate"), params.get("HistoryItemType")
    at = item["Timestamp"]
    return (start is None or at >= start) and (end is None or at <= end) and kind in (None, item["HistoryItemType"])


def _history(alarm: AlarmSpec, timeline: Timeline) -> Iterable[Result]:
    for change in timeline.changes:
        data = {
            "version": "1.0",
            "oldState": {"stateValue": change.before},
            "newState": {"stateValue": change.state, "stateReason": _reason(alarm, change)},
        }
        yield {
            "AlarmName": alarm.name,
            "AlarmType": _TYPE[alarm.kind],
            "Timestamp": datetime.fromtimestamp(change.at, UTC),
            "HistoryItemType": "StateUpdate",
            "HistorySummary": f"Alarm updated from {change.before} to {change.state}",
            "HistoryData": orjson.dumps(data).decode(),
        }


HANDLERS: dict[tuple[str, str], Handler] = {
    ("cloudwatch", "DescribeAlarms"): _describe_alarms,
    ("cloudwatch", "DescribeAlarmHistory"): _describe_alarm_history,
    ("cloudwatch", "DisableAlarmActions"): _disable_actions,
    ("cloudwatch", "EnableAlarmActions"): _enable_actions,
}
