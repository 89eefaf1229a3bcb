"""Telling: works off what was committed to the outbox, one attempt a claim, so that a crash loses nothing.

Before a second attempt the channel is asked whether the first arrived. Where it can tell (Slack, files) a message
arrives once; where nobody can (e-mail) a crash in mid-send may repeat it, with the same Message-ID.

`drain` is for people at a terminal, `sender` for the daemon; both go through `attempt`.
"""

from __future__ import annotations

from opsbot.outbox.drain import deliver
from opsbot.outbox.retrying import BACKOFF_CAP, GIVE_UP, backoff
from opsbot.outbox.sender import Sender
from opsbot.outbox.troubles import troubles

__all__ = ["BACKOFF_CAP", "GIVE_UP", "Sender", "backoff", "deliver", "troubles"]
