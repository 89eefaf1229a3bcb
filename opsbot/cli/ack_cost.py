"""The branch of `opsbot ack --as`: a person's word on a cost finding goes into the store; AWS is not asked."""

from __future__ import annotations

import difflib
import getpass
import os
from collections.abc import Sequence
from pathlib import Path

import click

from opsbot.cli import Options

_OFFERED = 3
# What each word has for a consequence, as the command tells it.
_THEN = {
    "expected": "it is not told again unless it grows by half",
    "planned": "it is not told again unless it grows by half",
    "real": "it stays open until it is over",
}


def judge(options: Options, key: str, meaning: str, reason: str, who: str | None) -> int:
    """Keep the word and say what follows from it. Raises UsageError for a key that no run told of."""
    from opsbot import app, home, log
    from opsbot.evaluate.costdata.verdicts import Meaning, Verdict

    log.configure(options.log_format, verbose=options.verbose)
    place = home.find(options.home_option, os.environ, Path.cwd())
    costs = app.store_of(place, app.config_of(place)).costs()
    chosen = _chosen(key, costs.judgeable())
    said = Verdict(key=chosen, meaning=Meaning(meaning), who=who or _whoami(), at=app.now(), reason=reason)
    costs.judge(said)
    click.echo(f"{chosen} is {meaning}, says {said.who}: {_THEN[meaning]}")
    return 0


def _chosen(text: str, known: Sequence[str]) -> str:
    if text in known:
        return text
    ends = [key for key in known if key.endswith(f"/{text}")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise click.UsageError(f'several findings end in "{text}": {", ".join(ends[:_OFFERED])}; give the whole key')
    raise click.UsageError(f'no cost finding is called "{text}"{_nearest(text, known)}')


def _nearest(text: str, known: Sequence[str]) -> str:
    if not known:
        return "; no run has told of one yet: opsbot run cost_anomalies"
    near = difflib.get_close_matches(text, known, n=_OFFERED, cutoff=0.4)
    return f"; the nearest: {', '.join(near)}" if near else f"; there are: {', '.join(known[:_OFFERED])}"


def _whoami() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return f"uid {os.getuid()}"
