"""Notebook 05's tables: functions of predictions.csv (paper, Statistics)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from radiogenomics import evaluation as ev
from radiogenomics import models
from radiogenomics.study import Study, read_json

KINDS = ("external", "in_sample", "out_of_fold")
HALF = 0.5


def fit_combined(study: Study, patients: pd.DataFrame) -> None:
    """Fit both stacks on training patients and put their scores into predictions.csv.

    `Com` is fitted on out-of-fold scores; its own out-of-fold score of a patient comes from a
    stack without the patient's fold. `Com_in_sample` is fitted on in-sample scores.
    """
    scores = models.read_scores(study)
    train, test = (patients[patients.cohort == c].reset_index(drop=True) for c in ("train", "test"))
    labels = train.label.to_numpy()
    inputs = {
        kind: _inputs(scores, kind, p) for kind, p in zip(KINDS, (test, train, train), strict=True)
    }
    fold = _folds(scores, train)
    rows = []
    for name, kind in (("Com", "out_of_fold"), ("Com_in_sample", "in_sample")):
        model = models.stack().fit(inputs[kind], labels)
        models.save_model(model, study.models / f"{name}.skops")
        rows.append(models.score_rows(test, name, models.probability(model, inputs["external"])))
        inside = models.probability(model, inputs["in_sample"])
        oof = models.out_of_fold(models.stack(), inputs[kind], labels, fold)
        rows.append(models.training_scores(train, name, inside, oof, fold))
    models.save_scores(study, pd.concat(rows))


def _inputs(scores: pd.DataFrame, kind: str, patients: pd.DataFrame) -> np.ndarray:
    table = models.wide(scores, kind).loc[patients.patient]
    return models.stack_inputs(table.CNN.to_numpy(), table.SVM.to_numpy())


def _folds(scores: pd.DataFrame, train: pd.DataFrame) -> np.ndarray:
    rows = models.select(scores[scores.model == "CNN"], "out_of_fold")
    return rows.set_index("patient").fold.loc[train.patient].to_numpy(int)


def labelled(scores: pd.DataFrame, kind: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return labels and scores of each model, patients in one order."""
    table = models.wide(scores, kind)
    label = scores.drop_duplicates("patient").set_index("patient").label
    labels = label.loc[table.index].to_numpy(int)
    return {model: (labels, table[model].to_numpy()) for model in table}


def attainable(study: Study) -> dict | None:
    """Return the attainable AUCs of a built-in cohort, None for real patients."""
    path = study.folder / "truth.json"
    return read_json(path)["attainable_auc"] if path.exists() else None


def headline(auc: pd.DataFrame, truth: dict | None) -> str:
    """Return the sentence under the ROC curves."""
    honest = auc[auc.model != "Com_in_sample"]
    best = honest.loc[honest.value.idxmax()]
    text = (
        f"The highest external AUC is **{best.model}**'s, {best.value:.3f} ({best.ci_low:.3f} to "
        f"{best.ci_high:.3f}, n = {best.n}, {best.events} mutants)."
    )
    cnn = auc[auc.model == "CNN"]
    if truth and len(cnn):
        text += (
            f" The CNN reaches {cnn.value.item():.3f} of the {truth['image']['test_patients']:.3f} "
            "that these patients' images would allow by construction "
            f"(population {truth['image']['population']:.3f})."
        )
    return text


def metrics(study: Study, scores: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return metrics.csv and thresholds.csv: every model, both cohorts.

    The threshold `half` is the paper's 0.5, `youden` is chosen on out-of-fold training scores
    (in-sample ones where a model has no others). Pooled out-of-fold AUCs get no interval:
    the folds' scores are of different models.
    """
    settings = study.settings.evaluation
    by_kind = {kind: labelled(scores, kind) for kind in KINDS}
    chosen, rows = [], []
    for model in by_kind["external"]:
        kind = "out_of_fold" if model in by_kind["out_of_fold"] else "in_sample"
        rules = {"half": HALF, "youden": ev.youden_threshold(*by_kind[kind][model])}
        chosen += [(model, kind, rule, value) for rule, value in rules.items()]
        for kind, cohort in zip(KINDS, ("test", "train", "train"), strict=True):
            table = ev.metrics_table(
                *by_kind[kind][model], rules, settings.confidence, settings.bootstrap,
                study.settings.seed,
            )  # fmt: skip
            if kind == "out_of_fold":
                table = _without_auc_interval(table)
            rows.append(table.assign(model=model, cohort=cohort, scores=kind))
    table = pd.concat(rows, ignore_index=True)
    first = ["model", "cohort", "scores"]
    names = ["model", "scores", "rule", "threshold"]
    return table[[*first, *table.columns.drop(first)]], pd.DataFrame(chosen, columns=names)


def _without_auc_interval(table: pd.DataFrame) -> pd.DataFrame:
    auc = table.metric == "auc"
    one = table[auc].head(1).assign(ci_low=np.nan, ci_high=np.nan, ci_method="none")
    return pd.concat([one, table[~auc]])


def roc_curves(study: Study, scores: pd.DataFrame, kind: str) -> dict[str, pd.DataFrame]:
    """Return each model's ROC points with their bootstrap band."""
    settings = study.settings.evaluation
    given = settings.confidence, settings.bootstrap, study.settings.seed
    return {model: ev.roc_band(*pair, *given) for model, pair in labelled(scores, kind).items()}


def decision_curves(study: Study, scores: pd.DataFrame, resamples: int = 500) -> pd.DataFrame:
    """Return decision_curve.csv: external and in-sample."""
    tables = []
    for kind, cohort in (("external", "test"), ("in_sample", "train")):
        pairs = labelled(scores, kind)
        labels = next(iter(pairs.values()))[0]
        wide = pd.DataFrame({model: values for model, (_, values) in pairs.items()})
        table = ev.decision_curve(
            labels, wide, confidence=study.settings.evaluation.confidence, resamples=resamples,
            seed=study.settings.seed,
        )  # fmt: skip
        tables.append(table.assign(cohort=cohort, scores=kind))
    table = pd.concat(tables, ignore_index=True)
    return table[["cohort", "scores", *table.columns.drop(["cohort", "scores"])]]


def delong_tests(scores: pd.DataFrame) -> pd.DataFrame:
    """Return delong.csv: every pair of models on the external cohort, Holm over the pairs."""
    pairs = labelled(scores, "external")
    labels = next(iter(pairs.values()))[0]
    wide = pd.DataFrame({model: values for model, (_, values) in pairs.items()})
    table = ev.delong_table(labels, wide).assign(cohort="test", scores="external")
    return table[["cohort", "scores", *table.columns.drop(["cohort", "scores"])]]


def table2(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the paper's Table 2 of this run: one row a model and cohort, `value (low-high)`."""
    used = metrics[metrics.scores.isin(["external", "in_sample"])]
    auc = used[(used.metric == "auc") & (used.ci_method == "delong")]
    rest = used[(used.threshold_rule == "half") & (used.ci_method == "wilson")]
    rows = pd.concat([auc, rest])
    rows = rows[rows.metric.isin(["auc", "sensitivity", "specificity", "accuracy"])]
    text = [f"{r.value:.3f} ({r.ci_low:.3f}-{r.ci_high:.3f})" for r in rows.itertuples()]
    wide = rows.assign(text=text).pivot(index=["cohort", "model"], columns="metric", values="text")
    order = pd.MultiIndex.from_product([("train", "test"), models.MODELS], names=wide.index.names)
    return wide.loc[order, ["auc", "sensitivity", "specificity", "accuracy"]]


def optimism(scores: pd.DataFrame) -> pd.DataFrame:
    """Return training AUCs: in-sample, pooled out-of-fold, fold-wise mean and range; external."""
    rows = []
    external, inside = labelled(scores, "external"), labelled(scores, "in_sample")
    for model, rows_oof in models.select(scores, "out_of_fold").groupby("model", sort=False):
        by_fold = [
            ev.delong(part.label.to_numpy(int), part.score.to_numpy())[0][0]
            for _, part in rows_oof.groupby("fold")
            if part.label.nunique() == 2
        ]
        pooled = ev.delong(rows_oof.label.to_numpy(int), rows_oof.score.to_numpy())[0][0]
        rows.append(
            {
                "model": model,
                "in-sample": ev.delong(*inside[model])[0][0],
                "out-of-fold, pooled": pooled,
                "out-of-fold, mean of folds": np.mean(by_fold),
                "range of folds": f"{min(by_fold):.3f}-{max(by_fold):.3f}",
                "external": ev.delong(*external[model])[0][0],
            }
        )
    return pd.DataFrame(rows).set_index("model").round(3)
