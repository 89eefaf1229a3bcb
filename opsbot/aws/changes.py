"""Who changed what in one account and region: CloudTrail's write events, a few pages of them, newest first. Free."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opsbot.aws.errors import CALL_ERRORS, SHAPE_ERRORS, translate
from opsbot.aws.readers.trail_event import event
from opsbot.aws.session import Sessions, last_call
from opsbot.aws.words import clipped
from opsbot.evaluate.costdata.writes import PAGES, Write, Writes
from opsbot.model.environment import Environment
from opsbot.model.period import Period
from opsbot.model.trail import NOISE, WRITES

# `UpdateFunctionCode20150331v2`: Lambda's names carry the version of its interface.
_VERSION = re.compile(r"\d{8}(?:v\d+)?$", re.ASCII)


def read_writes(sessions: Sessions, environment: Environment, region: str, window: Period, first: str) -> Writes:
    """As in `Bills.writes`."""
    reader = _Reader(window=window)
    try:
        access = sessions.open(environment)
        with access.signed():
            client = access.client("cloudtrail", region)
            if first:
                reader.ask(client, {"AttributeKey": "EventName", "AttributeValue": first}, pages=1)
            reader.ask(client, WRITES, pages=PAGES - 1 if first else PAGES)
    except (*CALL_ERRORS, *SHAPE_ERRORS) as error:
        failure = translate(error, call=last_call(), away=region != environment.home_region)
        return Writes(writes=reader.writes, why=failure.message, action=failure.action)
    return Writes(writes=reader.writes, cut=reader.cut)


@dataclass(slots=True, kw_only=True)
class _Reader:
    """`found` by event id: the event asked for by its name comes again among all. `cut` is the oldest moment that all
    changes were read until, if it is not the window's start."""

    window: Period
    found: dict[str, Write] = field(default_factory=dict)
    cut: datetime | None = None

    @property
    def writes(self) -> tuple[Write, ...]:
        return tuple(sorted(self.found.values(), key=lambda one: (one.at, one.name, one.about), reverse=True))

    def ask(self, client: Any, about: Mapping[str, str], *, pages: int) -> None:
        asked = {
            "LookupAttributes": [about],
            "StartTime": self.window.start,
            "EndTime": self.window.end,
            "MaxResults": 50,
        }
        for _ in range(pages):
            page = client.lookup_events(**asked)
            events = page["Events"]
            self.found.update(_writes(events))
            if not page.get("NextToken"):
                return
            asked["NextToken"] = page["NextToken"]
            self.cut = events[-1]["EventTime"] if events else self.cut


def _writes(events: Any) -> Iterator[tuple[str, Write]]:
    for raw in events:
        told = event(raw)
        if told.refused or told.name in NOISE:
            continue
        named = [str(one.get("ResourceName") or "") for one in raw.get("Resources") or ()]
        yield (
            str(raw["EventId"]),
            Write(
                at=told.at,
                name=_VERSION.sub("", told.name),
                source=clipped(str(raw.get("EventSource") or ""), 60).partition(".")[0],
                who=told.who,
                about=clipped(next(filter(None, named), told.whom), 80),
            ),
        )
