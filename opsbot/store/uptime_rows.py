"""Samples, buckets and standings to rows and back, as small as a history of years must be."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from opsbot.errors import StoreError
from opsbot.evaluate import histogram
from opsbot.model.probe import ProbeState
from opsbot.model.uptime import Bucket, Certified, Counts, Flip, Sample, Standing
from opsbot.store import rows

_STATES = tuple(ProbeState)
_PLACES = {state: place for place, state in enumerate(_STATES)}
_MILLION = 1_000_000
COUNTED = ("up", "degraded", "down", "unsure", "excused", "missing", "pardoned")

Told = tuple[str, int, int, int | None, str, list[Any], int]
"""A sample in the journal: probe, moment, state, microseconds, reason, phases and their microseconds in turn, excused."""


def journal(samples: Iterable[Sample]) -> bytes:
    """A batch as it came, to be read back within minutes: quick, not small."""
    return orjson.dumps([_told(sample) for sample in samples])


def kept(told: Sequence[Told]) -> bytes:
    """The same of what was in a journal already."""
    return orjson.dumps(told)


def _told(sample: Sample) -> tuple[Any, ...]:
    seconds = sample.seconds
    return (
        sample.probe,
        rows.micros(sample.at),
        _PLACES[sample.state],
        None if seconds is None else int(seconds * _MILLION + 0.5),
        sample.reason,
        _flat(sample.phases),
        1 if sample.excused else 0,
    )


def _flat(phases: tuple[tuple[str, float], ...]) -> list[str | int]:
    """Names and microseconds in turn: one list and not five is what a second's thousands of samples should leave behind."""
    flat: list[str | int] = []
    for name, seconds in phases:
        flat.append(name)
        flat.append(int(seconds * _MILLION + 0.5))
    return flat


def read_journal(body: bytes) -> list[Told]:
    found: list[Told] = _load(body)
    return found


def chunk(told: Sequence[Told], start: int) -> bytes:
    """The samples of one probe in one window, column by column: a fifth of what they are as rows."""
    phases = [dict(zip(one[5][::2], one[5][1::2], strict=True)) for one in told]
    names = list(dict.fromkeys(name for each in phases for name in each))
    columns = [
        [one[1] - start for one in told],
        [one[2] for one in told],
        [one[3] for one in told],
        [[place, one[4]] for place, one in enumerate(told) if one[4]],
        [[name, [each.get(name) for each in phases]] for name in names],
        [place for place, one in enumerate(told) if one[6]],
    ]
    # A window of the usual size would take ten times as long to set up as these few bytes do to compress.
    return zlib.compress(orjson.dumps(columns), 6, wbits=11)


def read_chunk(probe: str, body: bytes, start: int) -> list[Told]:
    try:
        plain = zlib.decompress(body)
    except zlib.error as error:
        raise _rotten() from error
    times, states, seconds, reasons, phases, excused = _load(plain)
    why = dict(reasons)
    return [
        (
            probe,
            start + at,
            states[place],
            seconds[place],
            why.get(place, ""),
            [one for name, column in phases if column[place] is not None for one in (name, column[place])],
            int(place in excused),
        )
        for place, at in enumerate(times)
    ]


def sample(told: Told) -> Sample:
    probe, at, state, seconds, reason, phases, excused = told
    moment: Any = rows.moment(at)
    return Sample(
        probe=probe,
        at=moment,
        state=_STATES[state],
        seconds=None if seconds is None else seconds / _MILLION,
        reason=reason,
        phases=tuple((name, each / _MILLION) for name, each in zip(phases[::2], phases[1::2], strict=True)),
        excused=bool(excused),
    )


def counted(told: Iterable[Told]) -> dict[str, Any]:
    """A bucket's columns of these samples; those added by `account` are zero."""
    found: dict[str, Any] = dict.fromkeys(COUNTED, 0)
    seconds = []
    for _, _, state, micros, _, _, excused in told:
        found["excused" if excused else _STATES[state].value] += 1
        if micros is not None and state <= 1:
            seconds.append(micros / _MILLION)
    found |= {"seconds_sum": sum(seconds), "seconds_max": max(seconds, default=0.0)}
    return found | {"counts": pack(histogram.of(seconds))}


def added(buckets: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The columns of one longer bucket."""
    found: dict[str, Any] = {name: sum(each[name] for each in buckets) for name in (*COUNTED, "seconds_sum")}
    counts = histogram.merge(unpack(each["counts"]) for each in buckets)
    return found | {"seconds_max": max(each["seconds_max"] for each in buckets), "counts": pack(counts)}


def bucket(probe: str, row: rows.Row) -> Bucket:
    start: Any = rows.moment(row["start"])
    plain = {name: row[name] for name in ("up", "degraded", "down", "unsure", "missing", "seconds_sum", "seconds_max")}
    return Bucket(
        probe=probe,
        start=start,
        length=timedelta(seconds=row["length"]),
        excused=row["excused"] + row["pardoned"],
        counts=unpack(row["counts"]),
        **plain,
    )


def pack(counts: Counts) -> bytes:
    """Places as distances and counts, seven bits a byte: two bytes for what is usual."""
    packed = bytearray()
    last = 0
    for place, count in counts:
        for number in (place - last, count):
            while number > 127:
                packed.append(number & 127 | 128)
                number >>= 7
            packed.append(number)
        last = place
    return bytes(packed)


def unpack(packed: bytes) -> Counts:
    numbers = list(_numbers(packed))
    places, found = 0, []
    for distance, count in zip(numbers[::2], numbers[1::2], strict=True):
        places += distance
        found.append((places, count))
    return tuple(found)


def _numbers(packed: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in packed:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield number
            number = shift = 0


def standing(value: Standing, probe_id: int) -> dict[str, Any]:
    rest = {
        "streak": value.streak,
        "streak_state": value.streak_state,
        "streak_since": rows.optional(value.streak_since),
        "reason": value.reason,
        "why": rows.text(value.why),
        "blamed": value.blamed,
        "changes": [rows.micros(at) for at in value.changes],
        "told": value.told,
        "evidence": [(name, rows.text(each)) for name, each in value.evidence],
    }
    return {
        "probe_id": probe_id,
        "state": value.state.value,
        "since": rows.micros(value.since),
        "seen": rows.micros(value.seen),
        "rest": rows.text(rows.dump(rest)),
    }


def read_standing(probe: str, row: rows.Row) -> Standing:
    rest = _load(row["rest"])
    times: dict[str, Any] = {name: rows.moment(row[name]) for name in ("since", "seen")}
    times["streak_since"] = rows.moment(rest["streak_since"])
    states: dict[str, Any] = {name: rest[name] and ProbeState(rest[name]) for name in ("streak_state", "told")}
    return Standing(
        probe=probe,
        state=ProbeState(row["state"]),
        streak=rest["streak"],
        reason=rest["reason"],
        why=rest["why"],
        blamed=rest["blamed"],
        changes=tuple(_moments(rest["changes"])),
        evidence=tuple((name, each) for name, each in rest["evidence"]),
        **times,
        **states,
    )


def _moments(values: Iterable[int]) -> Iterator[datetime]:
    for value in values:
        found = rows.moment(value)
        if found is not None:
            yield found


def flip(value: Flip, probe_id: int) -> dict[str, Any]:
    return {
        "probe_id": probe_id,
        "at": rows.micros(value.at),
        "before": value.before.value,
        "after": value.after.value,
        "reason": value.reason,
        "why": rows.text(value.why),
        "told": value.told,
    }


def read_flip(row: rows.Row) -> Flip:
    at: Any = rows.moment(row["at"])
    return Flip(
        probe=row["name"],
        at=at,
        before=ProbeState(row["before"]),
        after=ProbeState(row["after"]),
        reason=row["reason"],
        why=row["why"],
        told=row["told"],
    )


_SHOWN = ("subject", "issuer", "fingerprint", "path", "verified")


def certified(value: Certified, probe_id: int) -> dict[str, Any]:
    shown = {name: getattr(value, name) for name in _SHOWN}
    times = {"at": rows.micros(value.at), "not_after": rows.micros(value.not_after)}
    return {"probe_id": probe_id, "shown": rows.text(rows.dump(shown))} | times


def read_certified(row: rows.Row) -> Certified:
    times: dict[str, Any] = {name: rows.moment(row[name]) for name in ("at", "not_after")}
    shown = _load(row["shown"])
    return Certified(probe=row["name"], **times, **shown | {"path": tuple(shown["path"])})


def _load(body: bytes | str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _rotten() from error


def _rotten() -> StoreError:
    return StoreError(
        "what a probe said cannot be read any more", hint="look for a failing disk; a backup may still hold it"
    )
