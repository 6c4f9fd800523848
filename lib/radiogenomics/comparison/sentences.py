"""The sentences below the figures of notebooks 04 and 05: each reads one table of this run."""

from __future__ import annotations

import numpy as np
import pandas as pd

from radiogenomics.study.contract import IN_SAMPLE
from radiogenomics.study.words import alert, say_p, with_interval


def headline(table: pd.DataFrame, best: str, truth: dict | None) -> str:
    """Return the sentence under the ROC curves: metrics.csv, its best model, truth.json."""
    auc = table[(table.scores == "external") & (table.metric == "auc")]
    logit = auc[auc.ci_method == "delong-logit"].set_index("model")
    auc = auc[auc.ci_method.isin(["delong", "none"])]
    top = auc.set_index("model").loc[best]
    interval = f"{top.ci_low:.3f} to {top.ci_high:.3f}"
    interval = "no interval: one patient of a label" if np.isnan(top.ci_low) else interval
    if top.ci_high == 1 > top.value:
        low, high = logit.loc[top.name, ["ci_low", "ci_high"]]
        interval += f", cut at 1; on the logit scale {low:.3f} to {high:.3f}"
    text = (
        f"The highest external AUC is **{top.name}**'s, {top.value:.3f} ({interval}; "
        f"n = {top.n}, {top.events} events)."
    )
    same = auc[(auc.value == top.value) & ~auc.model.isin([top.name, IN_SAMPLE])]
    if len(same):
        text += f" The same AUC has {_named(same.model.tolist())}."
    cnn = auc[auc.model == "CNN"]
    if truth and len(cnn):
        text += (
            f" The CNN reaches {cnn.value.item():.3f} of the {truth['image']['test_patients']:.3f} "
            "that these patients' images would allow by construction "
            f"(population {truth['image']['population']:.3f})."
        )
    return text


def calibration(table: pd.DataFrame, model: str) -> str:
    """Return the sentence that reads a model's external calibration (metrics.csv)."""
    rows = table[(table.scores == "external") & (table.model == model)]
    rows = rows[(rows.ci_method == "wald") & (rows.threshold_rule == "")].set_index("metric")
    found = rows.reindex(["calibration_slope", "o_over_e"])
    if found.value.isna().any():
        return f"**{model}** has no calibration slope here."
    slope, ratio = (found.loc[metric] for metric in found.index)
    far = "too far apart" if slope.value < 1 else "too close together"
    low = "too low" if ratio.value > 1 else "too high"
    told = [with_interval(one.value, one.ci_low, one.ci_high, 2) for one in (slope, ratio)]
    open_ = [" or not" * bool(one.ci_low <= 1 <= one.ci_high) for one in (slope, ratio)]
    return (
        f"**{model}**: slope {told[0]}, scores {far}{open_[0]}; observed / expected {told[1]}, on "
        f"the whole {low}{open_[1]}. (*Or not*: the interval holds 1.)"
    )


def ranges(table: pd.DataFrame) -> str:
    """Return the sentence that reads decision_best.csv: over how many thresholds each is best."""
    if table.empty:
        return ""
    wide = table.groupby("model", sort=False).thresholds.sum().sort_values(ascending=False)
    told = ", ".join(f"{model} at {n}" for model, n in wide.items())
    return f"Of {wide.sum()} thresholds in the declared range the highest net benefit has {told}."


def scores(scores: pd.DataFrame, model: str) -> str:
    """Return the sentence that reads a model's scores by label (patients with `label`)."""
    rows = scores[scores.model == model]
    low, high = (rows.score[rows.label == label].median() for label in (0, 1))
    overlap = (rows.score[rows.label == 0] >= high).mean()
    return (
        f"The median score of **{model}** is {high:.3f} with the label and {low:.3f} without it; "
        f"{overlap:.0%} of those without it score {high:.3f} or more."
    )


def recalibration(table: pd.DataFrame) -> str:
    """Return the sentences that read recalibration.csv: whom it helped, whom not, who has none."""
    lost = [f"{r.model} cannot be recalibrated: {r.reason}." for r in table.itertuples()
            if isinstance(r.reason, str)]  # fmt: skip
    known = table[table.metric.notna()]
    wide = known.pivot(index="model", columns=["metric", "recalibrated"], values="value")
    if wide.empty:
        return " ".join(lost)
    lower = wide.index[wide["brier", True] < wide["brier", False]].tolist()
    higher = wide.index[wide["brier", True] > wide["brier", False]].tolist()
    told = f"Brier score lower with it: {_named(lower)}; higher: {_named(higher)}."
    flat = known[known.slope.abs() < 0.5].model.unique().tolist()
    if flat:
        told += (
            f" Out of fold the scores of {_named(flat)} tell little (fitted slope under 0.5): "
            "recalibrated they draw together around the share of mutants."
        )
    return " ".join([told, *lost])


def optimism(table: pd.DataFrame) -> str:
    """Return the sentence that reads `optimism`: whose training AUC flatters most."""
    gap = (table["in-sample"] - table["out-of-fold, mean of folds"]).dropna()
    if gap.empty:
        return "No model has both in-sample and out-of-fold scores."
    most = table.loc[gap.idxmax()]
    if gap.max() < 0.0005:
        return "No model's in-sample AUC lies above the mean of its folds."
    return (
        f"In-sample flatters **{gap.idxmax()}** most: {most['in-sample']:.3f} where its folds have "
        f"{most['out-of-fold, mean of folds']:.3f} on average; in the external cohort it has "
        f"{most['external']:.3f}."
    )


def pairs(table: pd.DataFrame) -> str:
    """Return the sentence that reads delong.csv; "" where no pair could be tested."""
    pairs = table.dropna(subset="p_holm")
    if pairs.empty:
        return ""
    apart = pairs[pairs.p_holm < 0.05]
    first = pairs.loc[pairs.p.idxmin()]
    told = (
        f"{first.model_a} and {first.model_b}, {say_p(first.p)}, after Holm {say_p(first.p_holm)}"
    )
    return (
        f"{len(apart)} of {len(pairs)} pairs of models differed in AUC at a Holm-corrected p below "
        f"0.05 (smallest: {told})."
    )


def groups(table: pd.DataFrame) -> str:
    """Return the sentence that reads subgroups.csv; "" where there are no groups."""
    groups = table.drop_duplicates(["variable", "group"])
    if groups.empty:
        return ""
    few = groups.flag.fillna("").ne("").sum()
    text = (
        f"{len(groups)} subgroups were examined, {few} of them flagged for too few events or "
        "non-events"
    )
    tested = table.dropna(subset="p_holm")
    if len(tested):
        one = tested.loc[tested.p_interaction.idxmin()]
        text += (
            "; the smallest p of an interaction of score and group was that of "
            f"{one.model} and {one.variable} ({say_p(one.p_interaction)}, after Holm over the "
            f"model's variables {say_p(one.p_holm)})"
        )
    return f"{text}."


def acquisition(table: pd.DataFrame, warning: str) -> str:
    """Return the HTML of the red sentence, or what can be said without one.

    Args:
        table: baselines.csv.
        warning: `baselines`' red sentence, "" if there is none.
    """
    if warning:
        return alert(warning)
    acquisition = table[table.baseline == "Acquisition"]
    if acquisition.auc.isna().all():
        reason = acquisition.reason.iloc[0] if len(acquisition) else "nothing is known of it"
        return f"<p>Whether the acquisition alone tells the label was not tested: {reason}.</p>"
    one = acquisition.iloc[0]
    told = (
        f"The acquisition alone has an AUC of {with_interval(one.auc, one.ci_low, one.ci_high)}; "
        "no association with the label is clear of chance at 1%, from which on it is told in red. "
        "That is no proof that it tells nothing."
    )
    tested = acquisition.dropna(subset="p_holm")
    if len(tested):
        better = tested.model[(tested.p_holm < 0.05) & (tested.auc_model > tested.auc)].tolist()
        told += f" Better than it by DeLong's test (p < 0.05 after Holm): {_named(better)}."
    return f"<p>{told}</p>"


def against_paper(table: pd.DataFrame) -> str:
    """Return the sentence that reads paper_vs_run.csv: the AUC that lies farthest from print."""
    rows = table[(table.metric == "auc") & (table.cohort == "test")].dropna(subset="difference")
    if rows.empty:
        return "No model has the name of one of the paper's."
    far = rows.loc[rows.difference.abs().idxmax()]
    inside = ((rows.ci_low <= rows.published) & (rows.published <= rows.ci_high)).sum()
    return (
        f"Of {len(rows)} published test AUCs {inside} lie in this run's intervals; the farthest is "
        f"that of {far.model}: {far.value:.3f} here, {far.published:.3f} in print."
    )


def _named(names: list[str]) -> str:
    return ", ".join(names) or "no model"
