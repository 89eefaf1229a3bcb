"""A payer's Data Export as its bill: files of CUR, CUR 2.0 or FOCUS in S3 or on this machine; no request is charged.

Each month's newest manifest names that month's files, so that an older delivery lying beside it is not counted twice;
without manifests every CSV below the place is read. Files stream through; nothing is written to disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from opsbot.aws.errors import CALL_ERRORS, SHAPE_ERRORS, translate
from opsbot.aws.session import Sessions, last_call
from opsbot.errors import OpsbotError
from opsbot.evaluate.costdata.days import CostGap, CostReading, Shown
from opsbot.evaluate.costdata.export import ExportError, ExportReader
from opsbot.model.environment import Environment

PIECE = 1 << 20
MOST_FILES = 20_000
LARGEST_MANIFEST = 4 << 20
# The open month is read each morning; the one before until it is closed for certain.
CLOSED_AFTER = 11
_PERIOD = re.compile(r"(\d{4})-?(\d{2})01-(\d{8})|BILLING_PERIOD=(\d{4})-(\d{2})")
_TABLES = (".csv", ".csv.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file of the export: `month` is the first day of its billing period where its name tells it."""

    key: str
    at: datetime
    month: date | None


def read_exported(
    sessions: Sessions, payer: Environment, morning: date, readings: Sequence[CostReading], depth: int
) -> Shown:
    """All days wanted this morning: everything at first, then the months that may still change. Failures are gaps."""
    since = _since(morning, readings, depth)
    reader = ExportReader(payer=payer.name, morning=morning, since=since)
    try:
        if payer.cost_export.startswith("s3://"):
            _from_s3(sessions, payer, reader)
        else:
            _from_disk(Path(payer.cost_export), reader)
    except ExportError as error:
        return _nothing(payer, morning, since, error.message, hint=error.hint)
    except (*CALL_ERRORS, *SHAPE_ERRORS) as error:
        if isinstance(error, OSError) and not payer.cost_export.startswith("s3://"):
            said = (error.strerror or "it cannot be read").lower()
            return _nothing(payer, morning, since, f"{payer.cost_export}: {said}", hint="correct cost_export")
        failure = translate(error, call=last_call())
        return _nothing(payer, morning, since, failure.message, failure.action, failure.hint)
    return reader.shown()


def _nothing(payer: Environment, morning: date, since: date, why: str, action: str = "", hint: str = "") -> Shown:
    gap = CostGap(why=why, first=since, end=morning, action=action, hint=hint)
    return Shown(payer=payer.name, morning=morning, currency="USD", gaps=(gap,))


def _since(morning: date, readings: Sequence[CostReading], depth: int) -> date:
    if not readings:
        return morning - timedelta(days=depth)
    lately = max(one.morning for one in readings)
    month = min(lately, morning).replace(day=1)
    return month if lately.day > CLOSED_AFTER else (month - timedelta(days=1)).replace(day=1)


def _from_disk(place: Path, reader: ExportReader) -> None:
    files = sorted(one for one in place.rglob("*") if _is_table(one.name)) if place.is_dir() else [place]
    if not files:
        raise ExportError(f"{place}: expected files that end in .csv or .csv.gz, found none")
    for one in files:
        with one.open("rb") as file:
            reader.read(iter(lambda file=file: file.read(PIECE), b""), one.name)  # type: ignore[misc]


def _from_s3(sessions: Sessions, payer: Environment, reader: ExportReader) -> None:
    bucket, _, prefix = payer.cost_export.removeprefix("s3://").partition("/")
    access = sessions.open(payer)
    with access.signed():
        client = access.client("s3", payer.home_region)
        found = [one for one in _listed(client, bucket, prefix) if _wanted(one, reader.since, reader.morning)]
        for key in _named(client, bucket, found):
            body = client.get_object(Bucket=bucket, Key=key)["Body"]
            with body:
                reader.read(body.iter_chunks(PIECE), key.rsplit("/", 1)[-1])


def _listed(client: Any, bucket: str, prefix: str) -> Iterator[Kept]:
    asked = {"Bucket": bucket, "Prefix": prefix}
    count = 0
    while True:
        page = client.list_objects_v2(**asked)
        for one in page.get("Contents") or ():
            count += 1
            if count > MOST_FILES:
                raise OpsbotError(
                    f"s3://{bucket}/{prefix}: expected at most {MOST_FILES:,} files",
                    hint="name the export's own folder",
                )
            yield Kept(key=one["Key"], at=one["LastModified"], month=_month(one["Key"]))
        if not page.get("NextContinuationToken"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def _month(key: str) -> date | None:
    found = _PERIOD.search(key)
    if found is None:
        return None
    year, month = int(found[1] or found[4]), int(found[2] or found[5])
    return date(year, month, 1) if 1 <= month <= 12 and year else None


def _wanted(one: Kept, since: date, morning: date) -> bool:
    return one.month is None or since.replace(day=1) <= one.month <= morning


def _named(client: Any, bucket: str, found: list[Kept]) -> list[str]:
    """The files that count: those of each month's newest manifest, or all tables where there is none."""
    manifests: dict[date | None, Kept] = {}
    for one in sorted(found, key=lambda one: one.at):
        if one.key.endswith("Manifest.json"):
            manifests[one.month] = one
    if not manifests:
        tables = [one.key for one in found if _is_table(one.key)]
        if not tables:
            raise ExportError(
                f"s3://{bucket}: expected files that end in .csv or .csv.gz, found none",
                hint="Parquet is not read: export CSV",
            )
        return tables
    return [key for _, one in sorted(manifests.items(), key=str) for key in _in_manifest(client, bucket, one.key)]


def _in_manifest(client: Any, bucket: str, key: str) -> list[str]:
    body = client.get_object(Bucket=bucket, Key=key)["Body"].read(LARGEST_MANIFEST)
    told = orjson.loads(body)
    named = [str(one) for one in told.get("reportKeys") or told.get("dataFiles") or ()]
    return [one.removeprefix(f"s3://{bucket}/") for one in named]


def _is_table(name: str) -> bool:
    return name.endswith(_TABLES)
