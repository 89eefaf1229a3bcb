"""botocore's exceptions and AWS's error codes -> one Failure: the only place where they are understood.

Messages are written for the person who has to do something; AWS's own words are untrusted and are clipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from botocore import exceptions as foreign
from botocore.parsers import ResponseParserError

from opsbot.aws.actions import action_of
from opsbot.aws.words import clipped
from opsbot.errors import CloudError, OpsbotError


class Family(StrEnum):
    """What kind of trouble it is: decides what is tried next."""

    DENIED = "denied"
    THROTTLED = "throttled"
    CREDENTIALS = "credentials"
    REGION_OFF = "region off"
    SKEW = "clock skew"
    UNREACHABLE = "unreachable"
    SERVER = "server error"
    REFUSED = "refused"
    MALFORMED = "malformed"


class Failure(CloudError):
    """A CloudError that knows its family."""

    def __init__(self, message: str, family: Family, *, hint: str = "", action: str = "", code: str = "") -> None:
        permanent = family in _PERMANENT
        super().__init__(message, permanent=permanent, hint=hint, action=action, code=code)
        self.family = family


_PERMANENT = {Family.DENIED, Family.CREDENTIALS, Family.REGION_OFF, Family.SKEW, Family.REFUSED}

# What a call and the reading of its answer can raise; programming errors are not among them.
CALL_ERRORS = (
    foreign.BotoCoreError,
    foreign.ClientError,
    ResponseParserError,
    OpsbotError,
    OSError,
)
# What reading an answer of an unexpected shape raises on top: AWS's answers are untrusted.
SHAPE_ERRORS = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError)

_DENIED = re.compile(r"AccessDenied|UnauthorizedOperation|AuthorizationError|NotAuthorized|Forbidden|OptInRequired$")
_THROTTLED = re.compile(
    r"Throttl|TooManyRequests|RequestLimitExceeded|BandwidthLimitExceeded|^SlowDown|^LimitExceeded|PriorRequestNotComplete"
)
_EXPIRED = re.compile(r"ExpiredToken|TokenRefreshRequired|^RequestExpired")
_UNKNOWN_CLIENT = re.compile(
    r"UnrecognizedClient|AuthFailure|InvalidClientTokenId|InvalidAccessKeyId|InvalidToken|RegionDisabled"
)
_BAD_CREDENTIALS = re.compile(r"SignatureDoesNotMatch|InvalidSignature|IncompleteSignature|MissingAuthenticationToken")
_SKEW = re.compile(r"RequestTimeTooSkewed|RequestInTheFuture|signature (?:not yet current|expired)|skew", re.IGNORECASE)
_SERVER = re.compile(
    r"InternalFailure|InternalError|InternalServer|ServiceUnavailable|ServiceFailure|ServerException|^5\d\d$"
)

_NO_CREDENTIALS = (
    foreign.NoCredentialsError,
    foreign.PartialCredentialsError,
    foreign.CredentialRetrievalError,
    foreign.NoAuthTokenError,
    foreign.TokenRetrievalError,
    foreign.SSOError,
    foreign.LoginError,
    foreign.MetadataRetrievalError,
    foreign.UnknownCredentialError,
    foreign.RefreshWithMFAUnsupportedError,
)
_TIMED_OUT = (foreign.ReadTimeoutError, foreign.ConnectTimeoutError)
_UNREACHABLE = (
    foreign.HTTPClientError,
    foreign.ConnectionError,
    foreign.BaseEndpointResolverError,
    foreign.EndpointProviderError,
    OSError,
)
_SIGN_IN = "sign in again (for example: aws sso login) or renew the keys opsbot runs with"


def translate(error: BaseException, *, call: str = "", away: bool = False) -> Failure:
    """What went wrong in `call` (`ecs:ListServices`). `away`: asked outside the environment's home region."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, foreign.ClientError):
        return _answered(error, call or "AWS", away=away)
    return _unanswered(error, call or "AWS")


def _answered(error: foreign.ClientError, call: str, *, away: bool) -> Failure:
    code, status, message = _parts(error.response)
    family = _family(code, status, message, away=away)
    said, hint = _words(family, call, code, message)
    action = action_of(call) if family is Family.DENIED and ":" in call else ""
    return Failure(said, family, hint=hint, action=action, code=code)


def _parts(response: Mapping[str, Any]) -> tuple[str, int, str]:
    error = response.get("Error") or {}
    status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode") or 0
    return str(error.get("Code", "")), int(status), clipped(str(error.get("Message", "")))


def _family(code: str, status: int, message: str, *, away: bool) -> Family:
    if _SKEW.search(code) or _SKEW.search(message):
        return Family.SKEW
    if _EXPIRED.search(code) or _BAD_CREDENTIALS.search(code):
        return Family.CREDENTIALS
    if _UNKNOWN_CLIENT.search(code):
        return Family.REGION_OFF if away or "RegionDisabled" in code else Family.CREDENTIALS
    if _THROTTLED.search(code) or status == 429:
        return Family.THROTTLED
    if _DENIED.search(code):
        return Family.DENIED
    if status >= 500 or _SERVER.search(code):
        return Family.SERVER
    return Family.DENIED if status == 403 else Family.REFUSED


def _words(family: Family, call: str, code: str, message: str) -> tuple[str, str]:
    match family:
        case Family.DENIED:
            return (
                f"{action_of(call)} is denied{_by_whom(message)}",
                "allow it to the role; opsbot iam-policy prints the policy",
            )
        case Family.THROTTLED:
            return f"{call} was throttled on every attempt", "ask less often, or raise the quota in Service Quotas"
        case Family.CREDENTIALS if _EXPIRED.search(code):
            return f"the credentials have expired ({code})", _SIGN_IN
        case Family.CREDENTIALS:
            return f"the credentials were not accepted ({code})", _SIGN_IN
        case Family.REGION_OFF:
            return "the region is not enabled in this account", "enable it, or take it out of the environment's regions"
        case Family.SKEW:
            return "this machine's clock differs from AWS's by more than 5 minutes", "set the clock (chrony, ntpd)"
        case Family.SERVER:
            return f"{call} failed at AWS on every attempt ({code or 'server error'})", "try again later"
        case _:
            return f"{call} was refused: {code} {message}".rstrip(), ""


def _by_whom(message: str) -> str:
    """Which wall it ran into, where AWS says so: another person has to act."""
    for wall in ("service control policy", "resource control policy", "permissions boundary", "session policy"):
        if wall in message:
            return f" by a {wall}"
    return ""


def _unanswered(error: BaseException, call: str) -> Failure:
    if isinstance(error, OpsbotError):
        return Failure(error.message, Family.CREDENTIALS, hint=error.hint)
    if isinstance(error, foreign.ProfileNotFound | foreign.ConfigParseError | foreign.ConfigNotFound):
        return Failure(clipped(str(error)), Family.CREDENTIALS, hint="look at ~/.aws/config")
    if isinstance(error, _NO_CREDENTIALS):
        return Failure(f"no usable AWS credentials: {clipped(str(error))}", Family.CREDENTIALS, hint=_SIGN_IN)
    if isinstance(error, _TIMED_OUT):
        return Failure(
            f"{call} did not answer in time", Family.UNREACHABLE, hint="look at the network, proxy and endpoint"
        )
    if isinstance(error, _UNREACHABLE):
        return Failure(
            f"{call} could not be reached: {clipped(str(error))}", Family.UNREACHABLE, hint="look at the network"
        )
    return Failure(
        f"{call} gave an answer opsbot does not understand ({type(error).__name__}: {clipped(str(error), 80)})",
        Family.MALFORMED,
        hint="report it, with the version that opsbot --version prints",
    )
