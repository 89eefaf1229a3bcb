"""The office that the outbox's stories play in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opsbot.replica import mail, slack
from tests.outbox import world
from tests.outbox.office import Office
from tests.outbox.world import Clock


@pytest.fixture
def office() -> Iterator[Office]:
    store = world.fresh()
    clock = Clock()
    with slack.serve(pace=0, now=lambda: clock.moment.timestamp()) as chat, mail.serve() as post:
        channels = {"slack": world.slack(chat.url, timeout=0.3), "email": world.email(post.port)}
        yield Office(store=store, slack=chat, mail=post, channels=channels, clock=clock)
    store.close()
