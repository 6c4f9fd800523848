"""What notebook 05's tables say: the facts of its sentences, and the tables as people read them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from radiogenomics.comparison.plan import Judged
from radiogenomics.statistics import calibration
from radiogenomics.study.contract import AUC_INTERVALS, IN_SAMPLE, METRICS, TRAIN, in_words
from radiogenomics.study.words import print_p, with_interval

Facts = dict[str, Any]
NEAR = 0.0005  # difference of AUCs that three decimals do not show
WEAK = 0.5  # slope below which out-of-fold scores predict weakly
SIGNIFICANT = 0.05
VERDICTS = ("yes", "no", "undecided")  # of verdict.csv
CHANGE = "brier_change"  # a row of recalibration.csv


def pooled_hospitals(table: pd.DataFrame, model: str) -> pd.Series | None:
    """Return the pooled row of hospitals.csv of a model, or of the first that has one."""
    rows = table[table.hospital == "pooled"].set_index("model", drop=False)
    if rows.empty:
        return None
    return rows.loc[model] if model in rows.index else rows.iloc[0]


def aucs(metrics: pd.DataFrame, cohort: str) -> pd.DataFrame:
    """Return each model's AUC in a cohort, of training in-sample, with its interval."""
    rows = metrics[(metrics.metric == "auc") & metrics.ci_method.isin(AUC_INTERVALS)]
    return rows[(rows.cohort == cohort) & (rows.scores != "out_of_fold")]


def headline(metrics: pd.DataFrame, cohort: str, judged: Judged, truth: dict | None) -> Facts:
    """Return the primary model's AUC in a cohort, who shares it, what the CNN could reach."""
    best = judged.primary
    auc = aucs(metrics, cohort)
    top = auc.set_index("model").loc[best]
    ties = auc.model[(auc.value == top.value) & ~auc.model.isin([best, IN_SAMPLE])].tolist()
    cnn = auc.value[auc.model == "CNN"]
    return {"top": top, "ties": ties, "declared": judged.declared,
            "cnn": cnn.item() if len(cnn) else None, "truth": truth,
            "cohort": in_words(cohort)}  # fmt: skip


def calibration_of(metrics: pd.DataFrame, cohort: str, model: str) -> Facts:
    """Return a model's calibration slope and observed / expected in a cohort, None: undefined."""
    rows = metrics[(metrics.cohort == cohort) & (metrics.model == model)]
    rows = rows[(rows.ci_method == "wald") & (rows.threshold_rule.fillna("") == "")]
    rows = rows.set_index("metric")
    measures = rows.reindex(["calibration_slope", "o_over_e"])
    defined = measures.value.notna().all()
    slope, ratio = (measures.loc[metric] if defined else None for metric in measures.index)
    vague = defined and says_nothing(slope)
    return {"model": model, "slope": slope, "ratio": ratio, "vague": vague}


def says_nothing(slope: Any) -> bool:
    """Return whether a calibration slope's interval holds 1, its ideal, and 0, no relation."""
    return bool(slope.ci_low <= 0 and slope.ci_high >= 1)


def benefit(ranges: pd.DataFrame) -> Facts:
    """Return where the primary model is of more benefit than all else (decision_best.csv)."""
    first = ranges.iloc[0] if len(ranges) else None
    told = ranges[ranges.thresholds > 0]
    parts = [f"{low:.2f} to {high:.2f}" for low, high in zip(told["from"], told.to, strict=True)]
    return {"first": first, "parts": parts, "won": int(ranges.thresholds.sum())}


def medians(scores: pd.DataFrame, model: str) -> Facts:
    """Return a model's median score by label, and the share of wild-types above the mutants'."""
    rows = scores[scores.model == model]
    low, high = (rows.score[rows.label == value].median() for value in (0, 1))
    above = (rows.score[rows.label == 0] >= high).mean()
    return {"model": model, "low": low, "high": high, "above": above}


def brier_changes(table: pd.DataFrame) -> Facts:
    """Return whom the recalibration helped, whom not, whose scores are weak, who has none."""
    lost = table[table.reason.notna()].set_index("model").reason.to_dict()
    fitted = table[table.metric.notna()]
    change = fitted[fitted.metric == CHANGE].set_index("model")
    lower, higher = change.ci_high < 0, change.ci_low > 0
    return {
        "lower": change.index[lower].tolist(),
        "higher": change.index[higher].tolist(),
        "unclear": change.index[~lower & ~higher].tolist(),
        "weak": fitted.model[fitted.slope.abs() < WEAK].unique().tolist(),
        "fitted": len(change),
        "lost": lost,
    }


def first_of(table: pd.DataFrame, primary: str) -> str:
    """Return the primary model where the table has it, else its first one."""
    return primary if primary in set(table.model) else table.model.iloc[0]


def most_optimistic(table: pd.DataFrame) -> Facts:
    """Return the model whose in-sample AUC exceeds its folds' mean most (`row`: None if none)."""
    if not len(table):
        return {"compared": 0, "model": None, "row": None}
    gap = (table["in-sample"] - table["out-of-fold, mean of folds"]).dropna()
    if gap.empty or gap.max() < NEAR:
        return {"compared": len(gap), "model": None, "row": None}
    return {"compared": len(gap), "model": gap.idxmax(), "row": table.loc[gap.idxmax()]}


def smallest_p(table: pd.DataFrame) -> Facts:
    """Return how many pairs of models differ after Holm, and the pair with the smallest p."""
    pairs = table.dropna(subset="p_holm")
    first = pairs.loc[pairs.p.idxmin()] if len(pairs) else None
    apart = int((pairs.p_holm < SIGNIFICANT).sum())
    return {"pairs": len(pairs), "apart": apart, "first": first}


def subgroup_counts(table: pd.DataFrame) -> Facts:
    """Return how many groups there are, how many are flagged, and the smallest interaction p."""
    once = table.drop_duplicates(["variable", "group"])
    tested = table.dropna(subset="p_interaction_holm")
    first = tested.loc[tested.p_interaction.idxmin()] if len(tested) else None
    flagged = int(once.flag.fillna("").ne("").sum())
    return {"groups": len(once), "flagged": flagged, "first": first}


def at_thresholds(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return the test cohorts' measures at thresholds chosen on training scores, in words."""
    used = table[(table.cohort != TRAIN) & table.ci_method.isin(["wilson", "wald"])]
    used = used[~used.threshold_rule.isin(["", "half"])]
    if used.empty:
        return None
    text = [with_interval(r.value, r.ci_low, r.ci_high) for r in used.itertuples()]
    place = ["cohort", "model", "threshold_rule"]
    rows = dict.fromkeys(used[place].itertuples(index=False, name=None))
    wide = used.assign(text=text).pivot(index=place, columns="metric", values="text")
    return wide.loc[list(rows), list(dict.fromkeys(used.metric))]


def confusion_shown(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return the test cohorts' confusion matrices, a row per cohort, model and threshold."""
    if table.empty:
        return None
    tested = table[table.cohort != TRAIN].set_index(["cohort", "model", "threshold_rule"])
    return tested.drop(columns="scores").round(3)


def recalibration_shown(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return recalibration.csv for reading: a column per model, each measure before and after."""
    fitted = table[table.metric.notna()].round({"intercept": 3, "slope": 3})
    if fitted.empty:
        return None
    when = fitted.recalibrated.map({True: "after", False: "before"})
    wide = fitted.assign(when=when).pivot(
        index=["cohort", "model", "intercept", "slope"], columns=["metric", "when"], values="value"
    )
    order = [(m, w) for m in calibration.METRICS for w in ("before", "after")]
    order.append((CHANGE, "after"))
    return wide[order].round(3).T


def delong_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return delong.csv for reading: p values as a paper prints them."""
    shown = table.assign(p=table.p.map(print_p), p_holm=table.p_holm.map(print_p))
    shown = shown.set_index(["cohort", "model_a", "model_b"])
    return shown[["auc_a", "auc_b", "z", "p", "p_holm"]].round(3)


def asked_most(table: pd.DataFrame) -> Facts:
    """Return the rows of sample_size.csv with the largest minimum, of each stage and cohort."""
    whole = table[table.criterion == "all"]
    return {"rows": list(whole.itertuples()), "reasons": table.reason.dropna().unique().tolist()}


def sizes_shown(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return sample_size.csv for reading: a row a stage, cohort and model."""
    counted = table[table.criterion.notna()]
    if counted.empty:
        return None
    value = counted.minimum.fillna(counted.obtained).round(4)
    wide = counted.assign(value=value).pivot(
        index=["stage", "cohort", "model", "patients"], columns="criterion", values="value"
    )
    return wide[list(dict.fromkeys(counted.criterion))].astype(object).fillna("")


def group_tests(table: pd.DataFrame, model: str) -> pd.DataFrame | None:
    """Return a row a variable of one model: the tests between its groups, how many are few."""
    if table.empty:
        return None
    by = table[table.model == model].groupby(["cohort", "variable"], sort=False)
    few = by.flag.agg(lambda flags: f"{(flags.fillna('') != '').sum()} of {len(flags)}")
    tests = ("p_heterogeneity", "p_interaction")
    names = [f"{test}{end}" for test in tests for end in ("", "_holm")]
    return by[names].first().round(3).assign(few=few)


def verdict_of(table: pd.DataFrame, cohort: str, model: str) -> Facts:
    """Return what verdict.csv says of a model in a cohort, by question; None: not asked."""
    rows = table[(table.cohort == cohort) & table.model.isin([model, "features"])]
    single = rows.drop_duplicates("question").set_index("question")
    asked = ("chance", "training labels", "volume", "acquisition", "hospital")
    by: Facts = {q.replace(" ", "_"): single.loc[q] if q in single.index else None for q in asked}
    voxels = rows[rows.question == "voxels"]
    told = {word: list(voxels[voxels.verdict == word].itertuples()) for word in VERDICTS}
    facts = {"voxels": told, "model": model, "cohort": in_words(cohort)}
    return by | facts | {"better": _better(by["chance"], by["training_labels"])}


def _better(chance: pd.Series, permuted: pd.Series | None) -> str:
    """Return whether a model is better than chance, by the AUC and, where done, permutations."""
    tested = permuted is not None and pd.notna(permuted.auc)
    if tested and chance.verdict == "yes":
        return permuted.verdict
    return chance.verdict


def verdict_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return verdict.csv for reading: questions and controls in words, numbers as a paper's."""
    gaps = [with_interval(r.difference, r.ci_low, r.ci_high) if pd.notna(r.difference) else ""
            for r in table.itertuples()]  # fmt: skip
    return pd.DataFrame(
        {
            "Cohort": table.cohort.map(in_words), "Model": table.model, "Control": table.control,
            "AUC": table.auc.map(_three), "AUC of the control": table.auc_control.map(_three),
            "Difference": gaps, "p": table.p.map(print_p), "Better than it?": table.verdict,
            "Note": table.reason.fillna(""),
        }
    ).set_index(["Cohort", "Model", "Control"])  # fmt: skip


def _three(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"


def internal_shown(results: pd.DataFrame) -> pd.DataFrame:
    """Return internal.csv for reading: a row a model and cut-off, measures with their intervals."""
    text = [with_interval(r.value, r.ci_low, r.ci_high) for r in results.itertuples()]
    rule = results.threshold_rule.fillna("")
    rows = results.assign(text=text, metric=results.metric.map(METRICS), cutoff=rule)
    at = rows[rows.cutoff != ""].pivot(index=["model", "cutoff"], columns="metric", values="text")
    of = rows[rows.cutoff == ""].pivot(index="model", columns="metric", values="text")
    wide = at.reset_index("cutoff").join(of).set_index("cutoff", append=True)
    order = [name for name in METRICS.values() if name in wide]
    return wide.loc[list(dict.fromkeys(rows.model)), order]
