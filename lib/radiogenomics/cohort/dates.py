"""Two dates of a patient make the interval between them, and go no further: they identify."""

from __future__ import annotations

import pandas as pd

DATES = ("ct_date", "biopsy_date")
FORMATS = ("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y")  # 3/4/2021 is March or April: not among them
EXPECTED = "a date such as 2021-03-31, or 31.3.2021"
UNREAD = "not a date"  # stands for what was written there, so that no date is printed


def with_interval(raw: pd.DataFrame) -> pd.DataFrame:
    """Fill `interval_days` from `ct_date` and `biopsy_date`, where it is not given.

    Args:
        raw: cohort.csv as text.

    Returns:
        The table; of a date nothing is left but whether it can be read (`UNREAD` or "").
    """
    named = [c for c in DATES if c in raw]
    dates = {c: read_dates(raw[c]) for c in named}
    unread = {c: (dates[c].isna() & (raw[c] != "")).map({True: UNREAD, False: ""}) for c in named}
    if len(named) == 2:
        days = (dates["biopsy_date"] - dates["ct_date"]).dt.days
        made = days.map("{:.0f}".format).where(days.notna(), "")
        given = raw.get("interval_days", pd.Series("", raw.index))
        raw = raw.assign(interval_days=given.where(given != "", made))
    return raw.assign(**unread)


def read_dates(cells: pd.Series) -> pd.Series:
    """Return the days that cells name, a time of day left out; NaT where they cannot be read."""
    day = cells.str.strip().str.split(r"[T ]", regex=True).str[0]
    dates = pd.Series(pd.NaT, cells.index, dtype="datetime64[ns]")
    for written in FORMATS:
        dates = dates.fillna(pd.to_datetime(day, format=written, errors="coerce"))
    return dates
