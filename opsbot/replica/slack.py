"""A Slack on loopback: speaks the Web API over HTTP, keeps what it is given, misbehaves on request.

It refuses what the real one refuses (blocks, text, table and metadata limits, one message a second and channel) with
the same error codes, so that a message that passes here passes there.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from opsbot.replica.blocks import Json, problems

CHANNEL = "C0123456"
# Opens nothing but this replica, which takes any bot token unless told otherwise.
TOKEN = "xoxb-replica"  # noqa: S105

MAX_SERIALIZED = 13_000
MAX_TEXT = 40_000
MAX_METADATA = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How the next chat.postMessage or chat.update goes wrong: scripted with `Slack.script`.

    `error` answers ok:false with that code; `status` an HTTP error; `retry_after` goes with either. `reset` closes the
    connection without an answer, `stall` never answers; both after the message was accepted if `accepted`. `latency` is
    how many seconds the answer takes, or the refusal.
    """

    error: str = ""
    status: int = 200
    retry_after: int | None = None
    reset: bool = False
    stall: bool = False
    accepted: bool = False
    latency: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One message as a channel's members see it; `ts` is Slack's name for it. `broadcast`: a reply that stands in the
    channel too, and so is noticed."""

    channel: str
    ts: str
    text: str
    blocks: tuple[Json, ...] = ()
    metadata: Json = field(default_factory=dict)
    thread_ts: str = ""
    broadcast: bool = False

    @property
    def outbox_id(self) -> str:
        return str(self.metadata.get("event_payload", {}).get("id", ""))

    def shown(self, *, with_metadata: bool) -> Json:
        answer: Json = {"type": "message", "ts": self.ts, "text": self.text, "blocks": list(self.blocks)}
        if self.thread_ts:
            answer["thread_ts"] = self.thread_ts
        return answer | ({"metadata": self.metadata} if with_metadata and self.metadata else {})


class Refused(Exception):
    """Slack says no: ok:false with this code, or an HTTP status."""

    def __init__(self, code: str, *, status: int = 200, retry_after: int | None = None, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.retry_after = retry_after
        self.detail = detail


class Silent(Exception):
    """No answer will come; `stall` keeps the connection open."""

    def __init__(self, *, stall: bool) -> None:
        super().__init__()
        self.stall = stall


class Slack:
    """The workspace: `posts` in order of arrival and as they stand, `edits` as they came, `calls` by method; `script`
    faults for the posts and edits to come. A post whose
    metadata holds `poison` is answered 500 every time."""

    def __init__(
        self, *, channels: Mapping[str, str] | None, token: str, pace: float, now: Callable[[], float]
    ) -> None:
        self.channels = dict(channels) if channels is not None else None
        self.token = token
        self.pace = pace
        self.posts: list[Posted] = []
        self.edits: list[Posted] = []
        self.calls: list[str] = []
        self.scopes = {"chat:write", "channels:history"}
        self.poison = ""
        self.closing = threading.Event()
        self._now = now
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self._last_post: dict[str, float] = {}
        self._last_ts = 0.0

    def script(self, *faults: Fault) -> None:
        """The next posts go wrong so, one each."""
        self._faults.extend(faults)

    def post(self, arguments: Json) -> Json:
        """chat.postMessage, with the faults scripted for it."""
        return self._troubled(arguments, self._accept)

    def update(self, arguments: Json) -> Json:
        """chat.update: the same ts, new words; the faults scripted are its own too."""
        return self._troubled(arguments, self._edit)

    def delete(self, ts: str) -> None:
        """A person deletes a message."""
        with self._lock:
            self.posts = [message for message in self.posts if message.ts != ts]

    def _troubled(self, arguments: Json, act: Callable[[Json], Json]) -> Json:
        with self._lock:
            fault = self._faults.popleft() if self._faults else Fault()
        if self.poison and self.poison in str(arguments.get("metadata")):
            fault = Fault(status=500)
        self.closing.wait(fault.latency)
        with self._lock:
            if fault.error or fault.status != 200:
                raise Refused(fault.error, status=fault.status, retry_after=fault.retry_after)
            if (fault.reset or fault.stall) and not fault.accepted:
                raise Silent(stall=fault.stall)
            answer = act(arguments)
            if fault.reset or fault.stall:
                raise Silent(stall=fault.stall)
            return answer

    def _accept(self, arguments: Json) -> Json:
        channel = self._channel(arguments)
        posted = checked(arguments, channel, self._stamp())
        if posted.thread_ts and not any(m.ts == posted.thread_ts for m in self.posts if m.channel == channel):
            raise Refused("thread_not_found")
        self._keep_pace(channel)
        self.posts.append(posted)
        return {"channel": channel, "ts": posted.ts, "message": posted.shown(with_metadata=True)}

    def _edit(self, arguments: Json) -> Json:
        channel, ts = self._channel(arguments), str(arguments.get("ts", ""))
        for place, message in enumerate(self.posts):
            if (message.channel, message.ts) == (channel, ts):
                self.posts[place] = checked(_edited(arguments, message), channel, ts)
                self.edits.append(self.posts[place])
                return {"channel": channel, "ts": ts, "text": self.posts[place].text}
        raise Refused("message_not_found")

    def history(self, arguments: Json) -> Json:
        """conversations.history: newest first, and of replies those that were broadcast."""
        self._needs("channels:history")
        channel = self._channel(arguments)
        oldest = float(arguments.get("oldest") or 0)
        found = [m for m in self.posts if m.channel == channel and _in_channel(m) and float(m.ts) > oldest]
        return _page(found[::-1], arguments)

    def replies(self, arguments: Json) -> Json:
        """conversations.replies: the parent first, then its thread, oldest first."""
        self._needs("channels:history")
        channel, ts = self._channel(arguments), str(arguments.get("ts", ""))
        found = [m for m in self.posts if m.channel == channel and ts in (m.ts, m.thread_ts)]
        if not found:
            raise Refused("thread_not_found")
        return _page(found, arguments)

    def knows(self, authorization: str) -> bool:
        """Whether this is our token; any bot token if none was set."""
        given = authorization.removeprefix("Bearer ")
        return given == self.token if self.token else given.startswith("xoxb-")

    def who(self, _arguments: Json) -> Json:
        """auth.test."""
        return {"url": "https://replica.example/", "team": "replica", "user": "opsbot", "user_id": "U0REPLICA"}

    def _channel(self, arguments: Json) -> str:
        named = str(arguments.get("channel", ""))
        if self.channels is None and named:
            return named
        for id, name in (self.channels or {}).items():
            if named in (id, name, f"#{name}"):
                return id
        raise Refused("channel_not_found")

    def _needs(self, scope: str) -> None:
        if scope not in self.scopes:
            raise Refused("missing_scope")

    def _stamp(self) -> str:
        self._last_ts = max(self._now(), self._last_ts + 0.000001)
        return f"{self._last_ts:.6f}"

    def _keep_pace(self, channel: str) -> None:
        now = time.monotonic()
        if now - self._last_post.get(channel, -self.pace) < self.pace:
            raise Refused("ratelimited", status=429, retry_after=1)
        self._last_post[channel] = now


def _in_channel(message: Posted) -> bool:
    return message.broadcast or not message.thread_ts


def _edited(arguments: Json, message: Posted) -> Json:
    """What an edit does not speak of stays: the thread, the blocks, the metadata."""
    kept = {"blocks": list(message.blocks), "metadata": message.metadata}
    return kept | arguments | {"thread_ts": message.thread_ts}


def checked(arguments: Json, channel: str, ts: str) -> Posted:
    """The message, if Slack would take it; otherwise Refused with Slack's code."""
    text, blocks = str(arguments.get("text") or ""), _json(arguments.get("blocks"), [])
    metadata = _json(arguments.get("metadata"), {})
    if not text and not blocks:
        raise Refused("no_text")
    if len(json.dumps(metadata)) > MAX_METADATA:
        raise Refused("metadata_too_large")
    if wrong := next(problems(blocks), ""):
        raise Refused("invalid_blocks", detail=wrong)
    if len(json.dumps(blocks)) > MAX_SERIALIZED:
        raise Refused("msg_blocks_too_long")
    return Posted(
        channel=channel,
        ts=ts,
        text=text[:MAX_TEXT],
        blocks=tuple(blocks),
        metadata=metadata,
        thread_ts=str(arguments.get("thread_ts") or ""),
        broadcast=bool(arguments.get("thread_ts") and arguments.get("reply_broadcast")),
    )


def _json(value: Any, empty: Any) -> Any:
    try:
        return (json.loads(value) if isinstance(value, str) else value) or empty
    except ValueError:
        raise Refused("invalid_blocks_format") from None


def _page(found: list[Posted], arguments: Json) -> Json:
    limit, start = int(arguments.get("limit") or 100), int(arguments.get("cursor") or 0)
    with_metadata = str(arguments.get("include_all_metadata", "")).lower() in ("true", "1")
    shown = [message.shown(with_metadata=with_metadata) for message in found[start : start + limit]]
    more = start + limit < len(found)
    cursor = {"response_metadata": {"next_cursor": str(start + limit)}} if more else {}
    return {"messages": shown, "has_more": more} | cursor


class Running(ThreadingHTTPServer):
    """The workspace on a loopback port."""

    daemon_threads = True
    # A closing server must not wait for a connection that a test told it to hold open.
    block_on_close = False

    def __init__(self, slack: Slack, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.slack = slack
        self.open = 0
        self.quiet = threading.Condition()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Without `/api/`, which goes into a client's base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def messages(self) -> list[Json]:
        """What it was given, as plain JSON, in order of arrival."""
        return [{"channel": post.channel} | post.shown(with_metadata=True) for post in list(self.slack.posts)]

    def idle(self, seconds: float = 10.0) -> bool:
        """Wait until nothing is in flight: whatever was sent before this call has been taken or dropped by then."""
        # Connections are accepted in order, so once this one was, all the earlier ones were counted.
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as last:
            last.sendall(b"GET / HTTP/1.0\r\n\r\n")
            last.recv(1)
        with self.quiet:
            return self.quiet.wait_for(lambda: self.open == 0, timeout=seconds)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.quiet:
            self.open += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self.quiet:
            self.open -= 1
            self.quiet.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in mid-request is no news."""

    def close(self) -> None:
        self.slack.closing.set()
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Running
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: what arrived is in `messages`."""

    def do_POST(self) -> None:
        slack, method = self.server.slack, self.path.removeprefix("/api/")
        arguments = self._arguments()
        slack.calls.append(method)
        try:
            answer = self._answer(method, arguments)
        except Refused as refusal:
            self._refuse(refusal)
        except Silent as silence:
            if silence.stall:
                slack.closing.wait(60)
            self.close_connection = True
        else:
            self._reply(200, {"ok": True} | answer, {})

    def _answer(self, method: str, arguments: Json) -> Json:
        slack = self.server.slack
        methods = {
            "auth.test": slack.who,
            "chat.postMessage": slack.post,
            "chat.update": slack.update,
            "conversations.history": slack.history,
            "conversations.replies": slack.replies,
        }
        if not slack.knows(self.headers.get("Authorization", "")):
            raise Refused("invalid_auth")
        if method not in methods:
            raise Refused("unknown_method")
        return methods[method](arguments)

    def _arguments(self) -> Json:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if "json" in self.headers.get("Content-Type", ""):
            return dict(json.loads(body or "{}"))
        return dict(parse_qsl(body))

    def _refuse(self, refusal: Refused) -> None:
        headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
        details = {"response_metadata": {"messages": [refusal.detail]}} if refusal.detail else {}
        self._reply(refusal.status, {"ok": False, "error": refusal.code or "internal_error"} | details, headers)

    def _reply(self, status: int, answer: Json, headers: Mapping[str, str]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serve(
    *,
    port: int = 0,
    channels: Mapping[str, str] | None = None,
    token: str = "",
    pace: float = 1.0,
    now: Callable[[], float] = time.time,
) -> Iterator[Running]:
    """A workspace on loopback until the block ends.

    `channels` maps ids to names, or None: any id exists. `token` is the only good one, or "" for any. `pace` is seconds
    between two posts to a channel. `now` stamps messages (epoch seconds).
    """
    running = Running(Slack(channels=channels, token=token, pace=pace, now=now), port)
    try:
        yield running
    finally:
        running.close()
