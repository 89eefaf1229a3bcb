"""What a reader of resources works with: one region of one account, and the small words all readers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Union

from opsbot.model.environment import Labels
from opsbot.model.resource import Fact, Resource

DAY = timedelta(hours=24)

Found = Union[Resource, "Further"]
Further = Callable[[], Iterable[Found]]
"""More to ask, independent of the rest: it runs beside other things and its failure costs only itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One region of one account, at one moment. `regions` are all regions of the environment."""

    region: str
    regions: tuple[str, ...]
    account: str
    now: datetime
    clients: Callable[[str, str], Any]

    def client(self, service: str) -> Any:
        return self.clients(service, self.region)

    def pages(self, service: str, operation: str, **asked: Any) -> Iterator[Mapping[str, Any]]:
        """Every page of a list; `operation` in botocore's snake case."""
        yield from self.client(service).get_paginator(operation).paginate(**asked)

    def each(self, service: str, operation: str, key: str, **asked: Any) -> Iterator[Any]:
        for page in self.pages(service, operation, **asked):
            yield from page.get(key) or ()

    def arn(self, service: str, tail: str) -> str:
        """For services whose lists do not tell ARNs."""
        return f"arn:{partition(self.region)}:{service}:{self.region}:{self.account}:{tail}"

    def within_a_day(self, moment: datetime) -> bool:
        return moment > self.now - DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How one kind of resource is found: `actions` are what IAM must allow, `tagged` the types to ask GetResources for
    where the describe call itself tells no tags. A global service is read once per environment."""

    kinds: tuple[str, ...]
    actions: tuple[str, ...]
    read: Callable[[Look], Iterable[Found]]
    tagged: tuple[str, ...] = ()
    global_service: bool = False


def unless(codes: frozenset[str], call: Callable[..., Any], **asked: Any) -> Any:
    """The call's answer; None where AWS says with one of these codes that there is nothing, or that it is off."""
    from botocore.exceptions import ClientError

    try:
        return call(**asked)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in codes:
            return None
        raise


def partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def facts(**named: Fact | None) -> tuple[tuple[str, Fact], ...]:
    """Facts that are known, sorted."""
    return tuple(sorted((name, value) for name, value in named.items() if value is not None))


def tags(pairs: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> Labels:
    """Tags given as a list of pairs."""
    return tuple(sorted((str(pair[key]), str(pair.get(value, ""))) for pair in pairs or ()))


def tag_map(mapping: Mapping[str, str] | None) -> Labels:
    """Tags given as a mapping."""
    return tuple(sorted((str(key), str(value)) for key, value in (mapping or {}).items()))


def tail(arn: str) -> str:
    """`arn:aws:ecs:eu-central-1:1:cluster/main` -> `main`."""
    return arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def number(value: Any) -> float | None:
    return None if value is None else float(value)
