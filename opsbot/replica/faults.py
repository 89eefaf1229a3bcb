"""Trouble on demand: rules that make chosen operations fail the way AWS fails."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from opsbot.errors import ConfigError, Problem
from opsbot.replica.codec import Fault

KINDS = (
    "throttle",
    "access_denied",
    "server_error",
    "slow",
    "internal_error_query",
    "forbidden_query",
    "repeated_token",
    "expired_credentials",
    "region_off",
)
# Those that a handler acts on itself, because they are part of a good answer.
INSIDE = frozenset({"internal_error_query", "forbidden_query", "repeated_token"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """Which calls fail and how. `*` is any service, operation, account or region.

    `rate` 0..1 of the matching calls, evenly spread and the same each time; `count` the most that fail (None = no
    end); `seconds` the delay of `slow`; `metric` the metric name whose queries fail inside a good answer.
    """

    fault: str
    service: str = "*"
    operation: str = "*"
    account: str = "*"
    region: str = "*"
    rate: float = 1.0
    seconds: float = 1.0
    count: int | None = None
    metric: str = "*"

    def matches(self, service: str, operation: str, account: str, region: str) -> bool:
        """Whether the rule is about this call."""
        wanted = (self.service, self.operation, self.account, self.region)
        found = (service, operation, account, region)
        return all(want in ("*", have) for want, have in zip(wanted, found, strict=True))


@dataclass(slots=True)
class Faults:
    """The rules in force, and how often each one matched."""

    _rules: list[FaultRule] = field(default_factory=list)
    _met: list[int] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rules: Iterable[FaultRule]) -> None:
        """Put rules in force beside the present ones."""
        with self._lock:
            for rule in rules:
                self._rules.append(rule)
                self._met.append(0)

    def clear(self) -> None:
        """Back to health."""
        with self._lock:
            self._rules.clear()
            self._met.clear()

    def due(self, service: str, operation: str, account: str, region: str) -> list[FaultRule]:
        """The rules that strike this call; each call to this method counts as one call to AWS."""
        with self._lock:
            return [
                rule
                for place, rule in enumerate(self._rules)
                if rule.matches(service, operation, account, region) and self._strikes(place, rule)
            ]

    def _strikes(self, place: int, rule: FaultRule) -> bool:
        met = self._met[place]
        self._met[place] = met + 1
        struck_before, struck_after = int(met * rule.rate + 1e-9), int((met + 1) * rule.rate + 1e-9)
        return struck_after > struck_before and (rule.count is None or struck_before < rule.count)


def fault_of(rule: FaultRule, *, service: str, operation: str, caller: str, protocol: str) -> Fault | None:
    """The error that a rule answers with; None for rules that do not replace the answer."""
    match rule.fault:
        case "throttle":
            return Fault("Throttling" if protocol in ("query", "ec2") else "ThrottlingException", "Rate exceeded")
        case "access_denied":
            return access_denied(service, operation, caller, protocol)
        case "server_error":
            return Fault("InternalFailure", "An internal error occurred.", 500)
        case "expired_credentials":
            return expired(protocol)
        case "region_off":
            return region_off(service, protocol)
        case _:
            return None


def access_denied(service: str, operation: str, caller: str, protocol: str) -> Fault:
    """What a missing permission answers."""
    text = (
        f"User: {caller} is not authorized to perform: {iam_prefix(service)}:{operation} "
        "because no identity-based policy allows the action"
    )
    code = {"ec2": "UnauthorizedOperation", "json": "AccessDeniedException", "rest-json": "AccessDeniedException"}
    return Fault(code.get(protocol, "AccessDenied"), text, 400 if protocol == "json" else 403)


def iam_prefix(service: str) -> str:
    """The service's name in IAM actions."""
    other = {"elbv2": "elasticloadbalancing", "elb": "elasticloadbalancing", "resourcegroupstaggingapi": "tag"}
    return other.get(service, "apigateway" if service == "apigatewayv2" else service)


def expired(protocol: str) -> Fault:
    """What a session that ran out answers."""
    code = "ExpiredTokenException" if protocol in ("json", "rest-json") else "ExpiredToken"
    return Fault(code, "The security token included in the request is expired", 400 if protocol == "json" else 403)


def region_off(service: str, protocol: str) -> Fault:
    """What a region answers that the account has not switched on."""
    if protocol == "ec2":
        return Fault("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
    if service == "s3":
        return Fault("InvalidToken", "The provided token is malformed or otherwise invalid.")
    code = "InvalidClientTokenId" if protocol == "query" else "UnrecognizedClientException"
    return Fault(code, "The security token included in the request is invalid.", 400 if protocol == "json" else 403)


def rules_of(document: object) -> list[FaultRule]:
    """Fault rules from the JSON of the control endpoint. Raises ConfigError with every problem."""
    entries: list[Any] = document if isinstance(document, list) else [document]
    problems = [problem for place, entry in enumerate(entries) for problem in _problems(f"faults[{place}]", entry)]
    if problems:
        raise ConfigError(problems)
    return [FaultRule(**entry) for entry in entries]


_TYPES: Mapping[str, tuple[type, ...]] = {
    "rate": (int, float),
    "seconds": (int, float),
    "count": (int, type(None)),
}
_FIELDS = tuple(f.name for f in fields(FaultRule))


def _problems(where: str, entry: Any) -> Iterable[Problem]:
    if not isinstance(entry, dict):
        yield Problem(where, f"expected an object, got {type(entry).__name__}")
        return
    if entry.get("fault") not in KINDS:
        yield Problem(f"{where}.fault", f"expected one of {', '.join(KINDS)}; got {entry.get('fault')!r}")
    for key, value in entry.items():
        if key not in _FIELDS:
            yield Problem(f"{where}.{key}", f"unknown key; known are {', '.join(_FIELDS)}")
        elif isinstance(value, bool) or not isinstance(value, _TYPES.get(key, (str,))):
            yield Problem(f"{where}.{key}", f"expected {_TYPES.get(key, (str,))[0].__name__}, got {value!r}")
        elif key == "rate" and not 0 <= float(str(value)) <= 1:
            yield Problem(f"{where}.rate", f"expected a number from 0 to 1, got {value!r}")
