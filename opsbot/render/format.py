"""The one formatter: every number, moment and untrusted name becomes a string here and nowhere else."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from opsbot.model.units import Unit

NO_DATA = "no data"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?", re.DOTALL)
_DROPPED = frozenset(("Cf", "Cs", "Co", "Cn"))
_SPACES = frozenset(("Zl", "Zp"))
# Format characters that are drawn (Arabic number signs and the like) rather than obeyed.
_DRAWN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")


def clean(text: str) -> str:
    """Text that commands nothing: no terminal escapes, controls, bidi overrides, zero-width or private characters.

    Line breaks and tabs become one space. Used on every string that came from AWS or from a person's tags.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    kept = "".join(_kept(character) for character in _ESCAPES.sub("", text))
    return " ".join(kept.split())


def _kept(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cc":
        return " " if character in "\t\n\v\f\r\x85" else ""
    if kind in _SPACES:
        return " "
    return "" if kind in _DROPPED and character not in _DRAWN else character


def clip(text: str, n: int) -> str:
    """At most n characters, the last one an ellipsis where something was left out."""
    if len(text) <= n:
        return text
    end = max(0, n - 1)
    while end and unicodedata.combining(text[end]):  # never part a letter from its accents
        end -= 1
    return text[:end].rstrip() + "…"


def count(number: int) -> str:
    return f"{number:,}"


def plural(number: int, noun: str, many: str = "") -> str:
    """`1 environment`, `2 environments`, `5 entries` with `many` given."""
    return f"{count(number)} {noun if number == 1 else many or noun + 's'}"


def quantity(value: float | None, unit: Unit) -> str:
    """A measured value as people say it: `93 %`, `412 ms`, `3 min 41 s`, `1.2 GiB`, `$1,240`, or `no data`."""
    if value is None or math.isnan(value):
        return NO_DATA
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    match unit:
        case Unit.PERCENT:
            return f"{_percent(value)} %"
        case Unit.SECONDS:
            return _seconds(value)
        case Unit.MILLISECONDS:
            return _seconds(value / 1000)
        case Unit.BYTES:
            return _bytes(value)
        case Unit.DAYS:
            return f"{_number(value)} d"
        case Unit.USD:
            return money(value)
        case Unit.COUNT | Unit.SCORE:
            return _number(value)


def money(usd: float) -> str:
    """`$1,240`, `$12.40`, `$0.0124`: two digits that say something, however small."""
    sign, size = ("-" if usd < 0 else ""), abs(usd)
    if size >= 1e12:
        return f"{sign}${size:.3g}"
    if size >= 1000:
        return f"{sign}${size:,.0f}"
    if size >= 0.01 or size == 0:
        return f"{sign}${size:,.2f}"
    return f"{sign}${size:.2g}" if size >= 0.0001 else f"{sign}<$0.0001" if not sign else f"-${size:.1g}"


def tick(value: float, unit: Unit) -> str:
    """A round value on an axis: as `quantity`, without cents."""
    if unit is not Unit.USD or 0 < abs(value) < 1:
        return quantity(value, unit)
    whole = f"{abs(value) / 1000:,.3g}k" if abs(value) >= 10_000 else f"{abs(value):,.4g}"
    return f"{'-' if value < 0 else ''}${whole}" if abs(value) < 1e6 else money(value)


def _number(value: float) -> str:
    """Three digits that matter; thousands with separators, very large ones with k, M, G, beyond that as a power."""
    size = abs(value)
    if size >= 1e15:
        return f"{value:.3g}"
    for factor, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if size >= factor * 0.9995:
            return f"{_digits(value / factor)}{suffix}"
    return f"{value:,.0f}" if size >= 99.95 else _digits(value)


def _percent(value: float) -> str:
    """Three digits, and as many as it takes that 99.97 does not read as a round 100."""
    if 99 < value < 100:
        return f"{math.floor(value * 100) / 100:.2f}".rstrip("0").rstrip(".")
    return _number(value)


def _digits(value: float) -> str:
    text = f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.1g}"
    return "0" if text == "-0" else text


def _seconds(value: float) -> str:
    size = abs(value)
    if size >= 1e12:
        return f"{value:.3g} s"
    if size >= 59.95:
        return ("-" if value < 0 else "") + span(timedelta(seconds=size))
    if size >= 0.9995 or value == 0:
        return f"{_digits(value)} s"
    return f"{_digits(value * 1000)} ms"


def _bytes(value: float) -> str:
    place = 0
    while abs(value) >= 1023.5 and place < len(_SIZES) - 1:
        value /= 1024
        place += 1
    return f"{_number(value)} {_SIZES[place]}"


def span(length: timedelta) -> str:
    """How long, in the two largest units: `2 d 4 h`, `3 h 10 min`, `41 s`."""
    left = max(0, round(length.total_seconds()))
    if left >= 7 * 86400:
        return f"{left // 86400} d"
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The zone of that name; UTC for one that does not exist, because a report in UTC beats none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def moment(at: datetime, zone_name: str) -> str:
    """`Fri 20 Nov 2026 08:00 CET`."""
    local = at.astimezone(zone(zone_name))
    return f"{_DAYS[local.weekday()]} {_date(local)} {local.year} {local:%H:%M} {clean(local.tzname() or '')}".strip()


def brief(at: datetime, zone_name: str, now: datetime) -> str:
    """A moment near `now`, in the zone of the page: `04:10` today, `Thu 04:10` this week, `14 Nov 04:10` this year."""
    local, today = at.astimezone(zone(zone_name)), now.astimezone(zone(zone_name))
    if local.date() == today.date():
        return f"{local:%H:%M}"
    if 0 < (today.date() - local.date()).days < 7:
        return f"{_DAYS[local.weekday()]} {local:%H:%M}"
    year = "" if local.year == today.year else f" {local.year}"
    return f"{_date(local)}{year} {local:%H:%M}"


def begun(at: datetime, zone_name: str, now: datetime, *, by_day: bool = False) -> tuple[str, str]:
    """Since when, and for how long: `Thu 04:10` and `2 d 3 h`. What is known by days in UTC: `18 Nov` and `2 d`."""
    if not by_day:
        return brief(at, zone_name, now), span(max(now - at, timedelta(0)))
    first, today = at.astimezone(UTC), now.astimezone(UTC)
    year = "" if first.year == today.year else f" {first.year}"
    days = max((today.date() - first.date()).days, 1)
    return f"{_date(first)}{year}", f"{days} d"


def day(at: datetime, zone_name: str) -> str:
    """`20 Nov 2026`."""
    local = at.astimezone(zone(zone_name))
    return f"{_date(local)} {local.year}"


def clock(at: datetime, zone_name: str) -> str:
    """`06:00`, or `20 Nov` at midnight: what a time axis needs."""
    local = at.astimezone(zone(zone_name))
    return _date(local) if (local.hour, local.minute) == (0, 0) else f"{local:%H:%M}"


def month(day: date, *, year: bool) -> str:
    """`Nov`, or `Nov 2026`."""
    return f"{_MONTHS[day.month - 1]} {day.year}" if year else _MONTHS[day.month - 1]


def short_day(at: datetime, zone_name: str) -> str:
    """`4 Dec`: a day near a report's own."""
    return _date(at.astimezone(zone(zone_name)))


def _date(local: datetime) -> str:
    return f"{local.day} {_MONTHS[local.month - 1]}"


def utc(at: datetime) -> str:
    """ISO 8601 in UTC, for machines: `2026-11-20T07:00:00Z`."""
    stamp = at.astimezone(zone("UTC"))
    return stamp.isoformat(timespec="microseconds" if stamp.microsecond else "seconds").replace("+00:00", "Z")


def width(text: str) -> int:
    """Columns a terminal needs: wide characters take two, accents none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, columns: int) -> str:
    """The text in that many columns, with an ellipsis where something was cut."""
    if width(text) <= columns:
        return text
    while text and width(text) >= columns:
        text = text[:-1]
    return f"{text.rstrip()}…" if columns > 0 else ""


def pad(text: str, columns: int, align: str = "left") -> str:
    """The text with spaces up to that many columns."""
    gap = max(0, columns - width(text))
    before = gap if align == "right" else gap // 2 if align == "center" else 0
    return " " * before + text + " " * (gap - before)
