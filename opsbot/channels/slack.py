"""Slack: one attempt a call, and a look into the channel's history before a second one.

Slack has no idempotency key. The message's metadata carries the outbox id instead, and `find` reads it back.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from http.client import HTTPException
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, Field

from opsbot.channels.plain import LONGEST, parts
from opsbot.channels.proxies import address_of
from opsbot.channels.settings import SecretReference, Settings, pace, printable, unsecret
from opsbot.errors import DeliveryError
from opsbot.model.message import Action, Format, Message
from opsbot.model.status import Priority

if TYPE_CHECKING:
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError

log = logging.getLogger(__name__)

EVENT = "opsbot_outbox"
# Our clock and Slack's need not agree to the second; a message from before the outbox wrote it cannot be ours.
SKEW = timedelta(minutes=5)
THREAD_AGE = timedelta(days=7)
PAGES = 20

_QUIET = {"unfurl_links": False, "unfurl_media": False}
_LIMITED = {"ratelimited", "rate_limited", "message_limit_exceeded"}
_DOUBTFUL = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
_TOO_FANCY = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "too_many_attachments"}
# The card is gone, or may not be edited any more: people are told by a new one.
_CARD_GONE = {
    "message_not_found", "cant_update_message", "edit_window_closed", "thread_locked", "is_inactive",
}  # fmt: skip
# Not this message's fault: nothing gets through until a person changes something.
_SHUT = {
    "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "channel_not_found",
    "not_in_channel", "is_archived", "missing_scope", "not_allowed_token_type", "access_denied", "no_permission",
    "org_login_required", "ekm_access_denied", "team_access_not_granted", "restricted_action",
    "restricted_action_read_only_channel", "restricted_action_non_threadable_channel", "messages_tab_disabled",
    "two_factor_setup_required", "enterprise_is_restricted",
}  # fmt: skip
_HINTS = {
    "invalid_auth": "the bot token is wrong; put a valid one where channels.<name>.token points",
    "not_authed": "the bot token is empty; put a valid one where channels.<name>.token points",
    "token_revoked": "the bot token was revoked; install the app again and store the new token",
    "token_expired": "the bot token has expired; install the app again and store the new token",
    "account_inactive": "the app or its workspace was switched off; ask a workspace admin",
    "channel_not_found": "check channels.<name>.channel: the channel's id; invite the app to a private channel",
    "not_in_channel": "invite the app into the channel: /invite @<the app>",
    "is_archived": "the channel is archived; set channels.<name>.channel to a living one",
    "missing_scope": "give the app the scopes chat:write and channels:history, then install it again",
}


def _channel_id(value: str) -> str:
    if not re.fullmatch(r"[CDG][A-Z0-9]{4,}", value):
        where = "in Slack it stands at the bottom of the channel's details"
        raise ValueError(f"expected a channel id such as C0123456 ({where}), got {unsecret(value)}")
    return value


class SlackSettings(Settings):
    """`channel` is the id (C0123456), because only ids can be read back; `name` is what people call it (#ops).

    Slack takes a message a second and channel, and a little less is safe: `max_per_minute`; 0 is without a limit.
    `mention` are ids of people (U...) or groups (S...) whom a P0 or P1 calls: an edited card and its thread call nobody.
    """

    kind: Literal["slack"]
    token: SecretReference
    channel: Annotated[str, AfterValidator(_channel_id)]
    name: str = ""
    mention: Annotated[list[Annotated[str, Field(pattern=r"^[UWS][A-Z0-9]{4,}$")]], Field(default_factory=list)]
    base_url: Annotated[str, Field(pattern=r"^https?://\S+$")] = "https://slack.com/api/"
    timeout: Annotated[float, Field(gt=0, le=60)] = 10.0
    max_per_minute: Annotated[int, Field(ge=0, le=6000)] = 57


class SlackChannel:
    """Posts Block Kit messages; what the peer calls one is `<channel id>/<ts>`."""

    format = Format.SLACK
    readable = True

    def __init__(self, settings: SlackSettings, *, token: str) -> None:
        self._settings = settings
        self._token = token

    sender = ""

    @property
    def to(self) -> str:
        return self._settings.name or self._settings.channel

    @property
    def pace(self) -> float:
        return pace(self._settings.max_per_minute)

    @property
    def patience(self) -> float:
        return self._settings.timeout

    def send(self, message: Message, thread: str, card: str = "") -> str:
        """One attempt; if Slack will not take the blocks, their text without them, within the attempt if it fits one
        message, else as `instead` of the error. A card that somebody deleted is posted anew. Raises DeliveryError."""
        post = _payload(message) | {"channel": self._settings.channel}
        if card:
            try:
                return self._posted("chat.update", {"ts": card.rpartition("/")[2], "blocks": []} | post)
            except _CardGone:
                log.info("card is gone, a new one is posted", extra={"message_id": message.id})
        if self._calls(message):
            post["blocks"] = [*(post.get("blocks") or _as_block(post)), _mention(self._settings.mention)]
        # Whatever becomes of its words, a card keeps the id of the message that posted it: Slack leaves the metadata alone.
        post["metadata"] = _metadata(message)
        if thread:
            post["thread_ts"] = thread.rpartition("/")[2]
        else:
            # It stands in the channel anyway.
            post.pop("reply_broadcast", None)
        return self._posted("chat.postMessage", post)

    def _calls(self, message: Message) -> bool:
        """Whether somebody is to be called by name."""
        urgent = message.action is Action.TRIGGER and message.priority in (Priority.P0, Priority.P1)
        return urgent and bool(self._settings.mention)

    def _posted(self, method: str, post: dict[str, Any]) -> str:
        try:
            answer = self._call(method, post)
        except _TooFancy as error:
            answer = self._call(method, _plain(post, error))
        return f"{answer.get('channel', self._settings.channel)}/{answer.get('ts') or post.get('ts', '')}"

    def check(self) -> None:
        """Whether the token is good, without telling anybody anything. Raises DeliveryError."""
        self._call("auth.test", {})

    def find(self, message: Message, thread: str = "") -> str | None:
        """None when the app may not read the channel. Raises DeliveryError when Slack does not answer."""
        try:
            return self._find_reply(message, thread.rpartition("/")[2]) if thread else self._find(message)
        except DeliveryError as error:
            if error.permanent:
                return None
            raise

    def _find(self, message: Message) -> str | None:
        parent = ""
        # The thread of a reply may have begun long before it.
        oldest = message.created_at - (THREAD_AGE if message.reply_to else SKEW)
        for seen in self._pages("conversations.history", {"oldest": _stamp(oldest)}):
            if seen is None:
                return None
            if _outbox_id(seen) == message.id:
                return self._named(seen)
            if message.reply_to and _outbox_id(seen) == message.reply_to:
                parent = str(seen.get("ts", ""))
        return self._find_reply(message, parent) if parent else ""

    def _find_reply(self, message: Message, parent: str) -> str | None:
        for seen in self._pages("conversations.replies", {"ts": parent}):
            if seen is None:
                return None
            if _outbox_id(seen) == message.id:
                return self._named(seen)
        return ""

    def _named(self, seen: Mapping[str, Any]) -> str:
        return f"{self._settings.channel}/{seen.get('ts', '')}"

    def _pages(self, method: str, which: dict[str, str]) -> Iterator[dict[str, Any] | None]:
        """The messages, then None if there were more than anybody should read."""
        cursor = ""
        for _ in range(PAGES):
            asked = {"channel": self._settings.channel, "include_all_metadata": "true", "limit": "200", **which}
            answer = self._call(method, asked | ({"cursor": cursor} if cursor else {}), form=True)
            yield from (seen for seen in answer.get("messages") or () if isinstance(seen, dict))
            following = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not following or following == cursor:
                return
            cursor = following
        yield None

    def _call(self, method: str, arguments: dict[str, Any], *, form: bool = False) -> dict[str, Any]:
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            # History is asked as a form: Slack's read methods do not take JSON.
            sent, asked = (None, arguments) if form else (arguments, None)
            answer = self._client.api_call(method, params=asked, json=sent)
        except SlackApiError as error:
            raise self._refused(method, error) from error
        except (OSError, HTTPException, ValueError, SlackClientError) as error:
            raise _unreached(self.to, error) from error
        return answer.data if isinstance(answer.data, dict) else {}

    @cached_property
    def _client(self) -> WebClient:
        from slack_sdk import WebClient

        settings = self._settings
        client = WebClient(
            token=self._token,
            base_url=settings.base_url.rstrip("/") + "/",
            timeout=settings.timeout,  # type: ignore[arg-type]
            # The client's own retry posts twice when the peer drops after accepting; the outbox retries.
            retry_handlers=[],
            logger=_quiet(),
        )
        # The client takes HTTPS_PROXY for every address, whatever NO_PROXY says.
        client.proxy = address_of(client.base_url) or None
        return client

    def _refused(self, method: str, error: SlackApiError) -> DeliveryError:
        response = error.response
        status = int(getattr(response, "status_code", 0) or 0)
        code = printable(response.get("error") or "" if isinstance(getattr(response, "data", None), dict) else "")
        headers = {str(name).lower(): value for name, value in (getattr(response, "headers", None) or {}).items()}
        return _translated(f"{self.to}: {method}", status, code, headers.get("retry-after"))


class _TooFancy(DeliveryError):
    """Slack will not take these blocks; it would take the plain text."""


class _CardGone(DeliveryError):
    """There is nothing to edit any more, or nobody may."""


def _translated(where: str, status: int, code: str, retry_after: object) -> DeliveryError:
    """Slack's answer as one of ours. An answer with a code of Slack's is a clear no; anything else leaves doubt."""
    if status == 429 or code in _LIMITED:
        seconds = _seconds(retry_after)
        what = f"{where}: Slack asks to wait {seconds:.0f} s"
        return DeliveryError(what, permanent=False, retry_after=seconds, peer=True)
    if status >= 500 or code in _DOUBTFUL or not re.fullmatch(r"[a-z0-9_]+", code):
        what = f"{where}: Slack answered {status} {code}".rstrip()
        return DeliveryError(what, permanent=False, ambiguous=True, peer=True)
    kind = _KINDS.get(code, DeliveryError)
    hint = _HINTS.get(code, "look the code up in Slack's documentation of the method")
    return kind(f"{where}: Slack refused it: {code}", permanent=True, peer=code in _SHUT, hint=hint)


_KINDS: dict[str, Callable[..., DeliveryError]] = {
    **dict.fromkeys(_TOO_FANCY, _TooFancy),
    **dict.fromkeys(_CARD_GONE, _CardGone),
}


def _seconds(value: object) -> float:
    try:
        return min(max(float(str(value)), 1.0), 3600.0)
    except ValueError:
        return 30.0


def _unreached(where: str, error: Exception) -> DeliveryError:
    cause = getattr(error, "reason", error)
    never_sent = isinstance(cause, ConnectionRefusedError) or type(cause).__name__ in (
        "gaierror",
        "SSLCertVerificationError",
    )
    # Python says so of a proxy that would not connect.
    never_sent = never_sent or str(cause).startswith("Tunnel connection failed")
    what = printable(cause) or type(cause).__name__
    return DeliveryError(
        f"{where}: Slack was not reached: {what}", permanent=False, ambiguous=not never_sent, peer=True
    )


def _payload(message: Message) -> dict[str, Any]:
    try:
        payload = orjson.loads(message.body)
    except orjson.JSONDecodeError as error:
        raise DeliveryError(f"message {message.id}: its body is no JSON: {error}", permanent=True) from error
    if not isinstance(payload, dict):
        raise DeliveryError(f"message {message.id}: its body is no JSON object", permanent=True)
    return payload


def _plain(post: dict[str, Any], refused: DeliveryError) -> dict[str, Any]:
    """Raises DeliveryError with the parts when there are several: sent from here, a crash could lose the rest."""
    if not post.get("blocks") and len(str(post.get("text"))) <= LONGEST:
        raise refused
    told = parts(str(post.get("text") or ""), post.get("blocks"))
    if len(told) > 1:
        bodies = tuple(orjson.dumps(_QUIET | {"text": text}) for text in told)
        what = f"{refused.message}; it follows as {len(bodies)} plain messages"
        raise DeliveryError(what, permanent=False, instead=bodies)
    # An edit without blocks would leave the old ones standing.
    bare: dict[str, Any] = {"blocks": []} if "ts" in post else {}
    return {name: value for name, value in post.items() if name != "blocks"} | {"text": told[0]} | bare


def _as_block(post: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The words of a message without blocks, so that something may stand under them."""
    return [{"type": "section", "text": {"type": "mrkdwn", "text": str(post.get("text") or "")[:3000]}}]


def _mention(ids: Sequence[str]) -> dict[str, Any]:
    named = " ".join(f"<!subteam^{id}>" if id.startswith("S") else f"<@{id}>" for id in ids)
    return {"type": "section", "text": {"type": "mrkdwn", "text": named}}


def _metadata(message: Message) -> dict[str, Any]:
    return {"event_type": EVENT, "event_payload": {"id": message.id}}


def _outbox_id(seen: Mapping[str, Any]) -> str:
    metadata = seen.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT:
        return ""
    return str((metadata.get("event_payload") or {}).get("id", ""))


def _stamp(moment: datetime) -> str:
    return f"{moment.timestamp():.6f}"


def _quiet() -> logging.Logger:
    """The client logs failures itself; they are told once, by whoever asked."""
    logger = logging.getLogger("opsbot.channels.slack.client")
    logger.setLevel(logging.CRITICAL + 1)
    return logger
