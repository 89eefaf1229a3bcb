"""How long the past of a series is kept: as long as it is added to, and a year after that; forecasts for thirteen months."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, delete

from opsbot.store import trends_tables as t
from opsbot.store.engine import writing

GONE = timedelta(days=400)
"""After the last day of a series: whatever it was is gone."""
FORECASTS = timedelta(days=400)


def forget(engine: Engine, now: datetime) -> int:
    """Drop series that nothing was added to and forecasts that no track record needs; how many rows went.

    Raises StoreError.
    """
    today = now.date()
    gone = t.trend_series.c.until < (today - GONE).toordinal()
    old = t.trend_forecast.c.made < (today - FORECASTS).toordinal()
    with writing(engine) as db:
        return db.execute(delete(t.trend_series).where(gone)).rowcount + (
            db.execute(delete(t.trend_forecast).where(old)).rowcount
        )
