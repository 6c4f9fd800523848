"""Which cohort a patient is in: study.toml [cohorts], by the values of one column."""

from __future__ import annotations

import pandas as pd

from radiogenomics.cohort.dates import read_dates
from radiogenomics.study.settings import Cohorts

RANGE = ".."  # "2022-01-01..", "2015..2019": both ends are inside, an absent one is open


def assigned(values: pd.Series, cohorts: Cohorts) -> pd.Series:
    """Return the cohort of each value, "" where none names it.

    >>> years = pd.Series(["2019", "2021", "1990"])
    >>> assigned(years, Cohorts("year", ("2015..2020",), ("2021..",))).tolist()
    ['train', 'test', '']
    """
    found = pd.Series("", values.index)
    for name, wanted in cohorts.sides.items():
        found = found.where(~_named(values, wanted) | (found != ""), name)
    return found


def twice(values: pd.Series, cohorts: Cohorts) -> list[str]:
    """Return values that several cohorts name."""
    own = [_named(values, wanted) for wanted in cohorts.sides.values()]
    return sorted(set(values[sum(own) > 1]))


def _named(values: pd.Series, wanted: tuple[str, ...]) -> pd.Series:
    """Return which values a cohort names, alone or within a range."""
    inside = values.isin(wanted)
    for written in (text for text in wanted if RANGE in text):
        inside |= _within(values, written)
    return inside


def of_dates(cohorts: Cohorts) -> bool:
    """Return whether days decide: they identify a patient, and go no further than this."""
    ends = [end for wanted in cohorts.sides.values() for text in wanted if RANGE in text
            for end in text.split(RANGE)]  # fmt: skip
    return bool(read_dates(pd.Series(ends, dtype=object)).notna().any())


def _within(values: pd.Series, written: str) -> pd.Series:
    """Return which values lie in a range of days or numbers."""
    ends = pd.Series([end.strip() for end in written.split(RANGE, 1)])
    days = read_dates(ends)
    given = ends != ""
    if days[given].notna().all():
        points, (low, high) = read_dates(values), days
    else:
        points, (low, high) = pd.to_numeric(values, errors="coerce"), pd.to_numeric(ends)
    inside = points.notna()
    if given[0]:
        inside &= points >= low
    return inside & (points <= high) if given[1] else inside
