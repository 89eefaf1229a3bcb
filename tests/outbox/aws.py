"""An AWS with nothing in it on loopback, for channels that go through one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from opsbot.replica import server
from opsbot.replica.world import World
from tests.outbox.world import START

ENVIRON = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}
EMPTY = World(
    seed=1, caller_account="123456789012", environments=(), signals={}, inventory={}, alarm_specs={}, roles={},
    incidents=(), decoys=(), settle_delays={},
)  # fmt: skip


@contextmanager
def aws() -> Iterator[server.Running]:
    """Until the block ends the environment names it, and keys that it takes."""
    with pytest.MonkeyPatch.context() as environ, server.serve(EMPTY, now=lambda: START) as peer:
        for name, value in (ENVIRON | {"AWS_ENDPOINT_URL": peer.url}).items():
            environ.setenv(name, value)
        environ.delenv("AWS_PROFILE", raising=False)
        yield peer
