"""Money, days and shares as a report about costs says them."""

from __future__ import annotations

from datetime import date

from opsbot.render.format import money

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONG = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
         "December")  # fmt: skip


def dollars(amount: float, currency: str = "USD") -> str:
    """`$6.21`, `$412`, `$1.2k`, `$31.4k`, `412 EUR`: as exact as a bill that is still being written."""
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    text = _size(size)
    return f"{sign}${text}" if currency == "USD" else f"{sign}{text} {currency}"


def _size(size: float) -> str:
    if size >= 999_500:
        return f"{size / 1e6:.3g}M"
    if size >= 99_950:
        return f"{size / 1000:,.0f}k"
    if size >= 999.5:
        return f"{size / 1000:.1f}k"
    return f"{size:.0f}" if size >= 19.95 else f"{size:.2f}"


def exact(amount: float, currency: str = "USD") -> str:
    """For tables: `$1,240`, `$12.40`, `12.40 EUR`."""
    text = money(amount)
    return text if currency == "USD" else f"{text.replace('$', '')} {currency}"


def short(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]}"


def dated(day: date) -> str:
    return f"{short(day)} {day.year}"


def month(day: date) -> str:
    return _LONG[day.month - 1]


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"
