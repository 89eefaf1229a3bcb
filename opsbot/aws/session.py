"""How opsbot signs in: credentials per environment, clients shared between environments.

Building a client costs milliseconds and a TLS context, so the clients of one region are shared by all environments of
one profile, and each call is signed with the credentials of the environment its thread is working for. CloudWatch is
the exception: its clients belong to one environment, because a client's retry quota is spent by whoever is throttled.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import NoCredentialsError
from botocore.utils import parse_timestamp

from opsbot.aws.actions import call_name
from opsbot.aws.answers import read_columns
from opsbot.aws.errors import Failure, Family
from opsbot.aws.meter import Meter
from opsbot.aws.pace import Pace
from opsbot.aws.questions import write_queries
from opsbot.model.environment import Environment

log = logging.getLogger(__name__)

SESSION_NAME = "opsbot"
ROLE_SECONDS = 3600
"""AWS's limit for a role assumed from a role."""

# Clients of one environment alone: their calls are paced by its account's quotas.
_PACED = frozenset({"cloudtrail", "cloudwatch"})

_thread = threading.local()


@contextmanager
def signing_as(credentials: Any) -> Iterator[None]:
    """Calls of this thread are signed with these credentials meanwhile."""
    before = getattr(_thread, "credentials", None)
    _thread.credentials = credentials
    try:
        yield
    finally:
        _thread.credentials = before


@contextmanager
def asking(points: int, *, recent: bool) -> Iterator[None]:
    """What this thread's next GetMetricData weighs in points; every attempt of it is paced by that."""
    _thread.weight = (points, recent)
    try:
        yield
    finally:
        _thread.weight = (0, False)


def last_call() -> str:
    """The call this thread made last, such as `ecs:ListServices`: names the culprit when one fails."""
    return str(getattr(_thread, "call", ""))


class _Signer:
    """Stands in a shared client where credentials belong, and hands out those of the thread."""

    method = "opsbot"
    account_id = None

    def get_frozen_credentials(self) -> Any:
        credentials = getattr(_thread, "credentials", None)
        if credentials is None:
            raise NoCredentialsError()
        return credentials.get_frozen_credentials()

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        return lambda: getattr(self.get_frozen_credentials(), name)


class _Provider:
    """A botocore credential provider that knows only the signer."""

    def load_credentials(self) -> _Signer:
        return _Signer()


def utc(value: float | str) -> datetime:
    """botocore's timestamp parser without the local time zone, which costs it nine tenths of its time."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = parse_timestamp(value)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


@cache
def _loader() -> Any:
    """Reading the service models is the slow part of a first client; they are the same for everybody."""
    return botocore.session.Session().get_component("data_loader")


class _Base:
    """One profile (or the ambient credentials): where its own credentials come from and the clients it shares."""

    def __init__(self, profile: str | None, loader: Any, register: Callable[[Any], None]) -> None:
        own = botocore.session.Session(profile=profile)
        self._own = own
        self._lock = threading.Lock()
        self.shared = botocore.session.Session(profile=profile)
        for session in (own, self.shared):
            session.register_component("data_loader", loader)
            session.set_config_variable("sts_regional_endpoints", "regional")
        self.shared.register_component("credential_provider", _Provider())
        self.shared.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=utc)
        register(self.shared)

    def credentials(self) -> Any:
        with self._lock:
            found = self._own.get_credentials()
        if found is None:
            raise NoCredentialsError()
        return found


class Access:
    """One environment's way in. `account` is known once it was opened."""

    def __init__(
        self, sessions: Sessions, environment: Environment, base: _Base, credentials: Any, account: str
    ) -> None:
        self._sessions = sessions
        self._base = base
        self.environment = environment
        self.credentials = credentials
        self.account = account

    def client(self, service: str, region: str) -> Any:
        private = self.environment.name if service in _PACED else ""
        return self._sessions.client(self._base, service, region, private, self.account)

    def pace(self, region: str) -> Pace:
        return self._sessions.pace(self.account or self.environment.name, region)

    @contextmanager
    def signed(self) -> Iterator[None]:
        with signing_as(self.credentials):
            yield


class Sessions:
    """All ways in of one Aws object. `secrets` resolves an external id's reference."""

    def __init__(self, *, threads: int, attempts: int, meter: Meter, secrets: Callable[[str], str]) -> None:
        self._config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            connect_timeout=3,
            read_timeout=20,
            max_pool_connections=threads,
            account_id_endpoint_mode="disabled",
            user_agent_extra="opsbot",
            # It would walk thousands of queries once more; AWS checks them anyway, and a refused batch is halved.
            parameter_validation=False,
        )
        self._meter = meter
        self._secrets = secrets
        self._lock = threading.RLock()
        self._bases: dict[str | None, _Base] = {}
        self._clients: dict[tuple[int, str, str, str], Any] = {}
        self._paces: dict[tuple[str, str], Pace] = {}
        self._opened: dict[Environment, Access] = {}
        self._opening: dict[Environment, threading.Lock] = {}

    def opened(self, environment: Environment) -> Access | None:
        """The way in, if it is open already."""
        return self._opened.get(environment)

    def open(self, environment: Environment) -> Access:
        """Sign in and make sure that it is the account the configuration names. Raises CALL_ERRORS."""
        with self._lock:
            gate = self._opening.setdefault(environment, threading.Lock())
        with gate:
            if environment not in self._opened:
                self._opened[environment] = self._open(environment)
        return self._opened[environment]

    def _open(self, environment: Environment) -> Access:
        base = self._base(environment.profile)
        credentials = self._assumed(environment, base) if environment.role_arn else base.credentials()
        account = environment.account_id
        if account:
            with signing_as(credentials):
                sts = self.client(base, "sts", environment.home_region, "", "")
                _same(account, str(sts.get_caller_identity().get("Account", "")))
        return Access(self, environment, base, credentials, account)

    def account(self, access: Access) -> str:
        """The account's id, asked once where the configuration does not tell it. Raises as `open`."""
        if access.account:
            return access.account
        with access.signed():
            identity = access.client("sts", access.environment.home_region).get_caller_identity()
        return str(identity["Account"])

    def _base(self, profile: str | None) -> _Base:
        with self._lock:
            if profile not in self._bases:
                self._bases[profile] = _Base(profile, _loader(), self._register)
            return self._bases[profile]

    def _assumed(self, environment: Environment, base: _Base) -> Any:
        source = base.credentials()
        request: dict[str, Any] = {
            "RoleArn": environment.role_arn,
            "RoleSessionName": SESSION_NAME,
            "DurationSeconds": ROLE_SECONDS,
        }
        if environment.external_id:
            request["ExternalId"] = self._secrets(environment.external_id)

        def refresh() -> dict[str, Any]:
            with signing_as(source):
                sts = self.client(base, "sts", environment.home_region, "", "")
                return _metadata(sts.assume_role(**request)["Credentials"])

        return RefreshableCredentials.create_from_metadata(refresh(), refresh_using=refresh, method="sts-assume-role")

    def client(self, base: _Base, service: str, region: str, private: str, account: str) -> Any:
        key = (id(base), service, region, private)
        found = self._clients.get(key)
        if found is None:
            with self._lock:
                found = self._clients.get(key) or self._make(base, service, region, account or private)
                self._clients[key] = found
        return found

    def _make(self, base: _Base, service: str, region: str, account: str) -> Any:
        client = base.shared.create_client(service, region_name=region, config=self._config)
        if service in _PACED:
            _keep_pace(client, service, self.pace(account, region))
        if service == "cloudwatch":
            read_columns(client)
            write_queries(client)
        if service == "s3control" and ".amazonaws." not in client.meta.endpoint_url:
            client.meta.events.register("before-sign.s3-control", _without_account)
        return client

    def pace(self, account: str, region: str) -> Pace:
        with self._lock:
            return self._paces.setdefault((account, region), Pace())

    def _register(self, session: Any) -> None:
        """Count every attempt where it leaves, and remember what each thread is asking."""
        session.register("before-parameter-build", _remember)
        session.register("before-send", self._count)
        session.register("response-received", self._weigh)

    def _count(self, event_name: str, **_: Any) -> None:
        call = _called(event_name)
        self._meter.call(call)
        log.debug("aws call", extra={"call": call})

    def _weigh(self, parsed_response: Any, **_: Any) -> None:
        if throttled(parsed_response):
            self._meter.throttle()


def _keep_pace(client: Any, service: str, pace: Pace) -> None:
    def before(event_name: str, **_: Any) -> None:
        points, recent = _weight()
        pace.before(event_name.rsplit(".", 1)[-1], points=points, recent=recent)

    def received(event_name: str, parsed_response: Any, **_: Any) -> None:
        if throttled(parsed_response):
            pace.throttled(event_name.rsplit(".", 1)[-1], recent=_weight()[1])

    client.meta.events.register(f"before-send.{service}", before)
    client.meta.events.register(f"response-received.{service}", received)


def _without_account(request: Any, **_: Any) -> None:
    """The account goes before AWS's own host names; before an address of one's own it would make no host at all."""
    request.url = re.sub(r"^(https?://)\d{12}\.", r"\1", request.url)


def _weight() -> tuple[int, bool]:
    points, recent = getattr(_thread, "weight", (0, False))
    return points, recent


def throttled(parsed: Any) -> bool:
    """Whether an answer is AWS's "too fast"."""
    if not parsed or "Error" not in parsed:
        return False
    code = str(parsed["Error"].get("Code", ""))
    return "Throttl" in code or code in {"TooManyRequestsException", "RequestLimitExceeded", "SlowDown"}


def _called(event_name: str) -> str:
    _, service, operation = event_name.split(".", 2)
    return call_name(service, operation)


def _remember(event_name: str, **_: Any) -> None:
    _thread.call = _called(event_name)


def _same(expected: str, found: str) -> None:
    if found != expected:
        raise Failure(
            f"the credentials belong to account {found or 'unknown'}, expected {expected}",
            Family.CREDENTIALS,
            hint="correct account_id, or the role_arn or profile of this environment",
        )


def _metadata(credentials: dict[str, Any]) -> dict[str, Any]:
    # The expiry is counted on this machine's clock from the duration that was asked: a skewed clock on either side
    # would make botocore refresh too late or all the time.
    expiry = datetime.fromtimestamp(time.time(), UTC) + timedelta(seconds=ROLE_SECONDS)
    return {
        "access_key": credentials["AccessKeyId"],
        "secret_key": credentials["SecretAccessKey"],
        "token": credentials["SessionToken"],
        "expiry_time": expiry.isoformat(),
    }
