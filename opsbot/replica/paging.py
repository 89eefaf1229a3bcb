"""Tokens of lists that come in pages."""

from __future__ import annotations

import base64
import binascii

from opsbot.replica.codec import Fault


def page_start(token: object) -> int:
    """Where a page begins, from its token; none = the first. Raises Fault InvalidNextToken."""
    if not token:
        return 0
    try:
        start = int(base64.urlsafe_b64decode(str(token)))
    except (binascii.Error, ValueError) as error:
        raise Fault("InvalidNextToken", "The next token specified is invalid.") from error
    return max(0, start)


def page_token(start: int) -> str:
    """The token of the page that begins at `start`."""
    return base64.urlsafe_b64encode(b"%d" % start).decode()
