"""The declared plan: which model is judged, and against which (study.toml, [plan])."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from radiogenomics.study.contract import IN_SAMPLE
from radiogenomics.study.errors import SettingsFault
from radiogenomics.study.settings import Plan

PRIMARY, REFERENCE = "CNN", "Clinical"  # where nothing is declared


class Judged(NamedTuple):
    """The primary model, the reference ("" without one), and whether both were named beforehand."""

    primary: str
    reference: str
    declared: bool


def judged(plan: Plan, models: Iterable[str]) -> Judged:
    """Return the primary and the reference model.

    Undeclared: the CNN and the clinical model; without a CNN the first model, never the one with
    the highest AUC.

    Args:
        plan: study.toml's.
        models: in the order of predictions.csv.

    Raises:
        SettingsFault: the plan names a model that is not there, or one model twice.

    >>> judged(Plan(), ["Clinical", "LR", "CNN"])
    Judged(primary='CNN', reference='Clinical', declared=False)
    """
    names = [model for model in models if model != IN_SAMPLE] or list(models)
    for key in ("primary", "reference"):
        named = getattr(plan, key)
        if named and named not in names:
            raise SettingsFault(
                f"study.toml [plan] {key} names {named!r}. Expected: one of {', '.join(names)}."
            )
    if plan.primary and plan.primary == plan.reference:
        raise SettingsFault(
            f"study.toml [plan] names {plan.primary!r} twice. Expected: a reference other than the "
            "primary model."
        )
    primary = plan.primary or (PRIMARY if PRIMARY in names else names[0])
    if primary == plan.reference:
        primary = next(model for model in names if model != plan.reference)
    usual = REFERENCE if REFERENCE in names and primary != REFERENCE else ""
    return Judged(primary, plan.reference or usual, bool(plan.primary))
