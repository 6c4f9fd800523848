"""Internal validation, where there is no test cohort: the models' cross-validation, repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from joblib import delayed
from statsmodels.stats.proportion import proportion_confint

from radiogenomics.comparison import hospitals, refitted
from radiogenomics.comparison.controls import luck
from radiogenomics.comparison.evidence import DECLARED, HALF
from radiogenomics.comparison.plan import Judged
from radiogenomics.models import classical, predictions
from radiogenomics.statistics.calibration import calibration
from radiogenomics.statistics.cross_validated import (
    FEWEST,
    cross_validated_auc,
    cross_validated_difference,
    mean_auc,
    placements,
)
from radiogenomics.study import contract, design, tables
from radiogenomics.study.files import digest
from radiogenomics.study.kept import digest_of, once
from radiogenomics.study.parallel import each
from radiogenomics.study.settings import RADIOMICS
from radiogenomics.study.study import Study

CALIBRATED = ("calibration_slope", "calibration_in_the_large", "o_over_e", "brier")
FEW = f"under {FEWEST} patients of the rarer label: no interval"
ONCE = "cross-validated once"
Progress = Callable[[int, int], None]


def repeated(
    study: Study, patients: pd.DataFrame, progress: Progress = lambda done, total: None
) -> pd.DataFrame:
    """Return repeats.csv: every patient's out-of-fold score by every model, in every repeat.

    The first repeat is that of notebooks 03 and 04. In the others Clinical and the models on the
    signature are selected and fitted again on other folds; the network is not trained again. Folds
    that are hospitals are not repeated: there is one way to make them.

    Args:
        study: settings, seed, features, predictions.csv.
        patients: who take part, with label.
        progress: called with (folds done, folds in all).
    """
    rows = predictions.select(predictions.read_scores(study), "out_of_fold")
    order = list(predictions.score_table(rows, "out_of_fold"))
    rows = rows.sort_values("model", key=lambda m: m.map(order.index)).assign(repeat=1)
    parts, how = [rows[["model", "repeat", "fold", "patient", "score"]]], study.settings.evaluation
    again = range(2, how.repeats + 1) if how.folds_by == "patient" else ()
    measured = _features(study, patients) if again else (None, "")
    jobs = [job for repeat in again for job in _jobs(study, patients, repeat, *measured)]
    found = each([delayed(_fitted)(study, *job[2:]) for job in jobs], study.workers)
    for done, (job, scores) in enumerate(zip(jobs, found, strict=True), start=1):
        held = job[3].patient.to_numpy()
        named = {"repeat": job[0], "fold": job[1], "patient": held}
        parts += [pd.DataFrame(named | {"model": m, "score": s}) for m, s in scores.items()]
        progress(done, len(jobs))
    return tables.REPEATS.frame(pd.concat(parts, ignore_index=True))


Job = tuple[int, int, pd.DataFrame, pd.DataFrame, pd.DataFrame | None, Path]


def _jobs(
    study: Study, patients: pd.DataFrame, repeat: int, features: pd.DataFrame | None, known: str
) -> Iterator[Job]:
    """Yield, of a repeat, each fold: the others' patients, its own, features, where it is kept."""
    how, seed = study.settings.evaluation, study.settings.seed
    fold = classical.folds(patients, how.folds, seed + repeat - 1)
    for number in np.unique(fold):
        rest, held = patients[fold != number], patients[fold == number]
        name = digest(known, rest.patient.tolist(), rest.label.tolist(), held.patient.tolist())
        path = study.derived / "repeated" / f"{name}.json"
        yield repeat, int(number), rest, held, features, path


def _features(study: Study, patients: pd.DataFrame) -> tuple[pd.DataFrame | None, str]:
    """Return the patients' features, and a digest of all that their models follow from."""
    used, settings = ["patient", *study.settings.clinical.predictors], study.settings
    columns = patients[used].astype(str).to_csv(), settings.clinical, design.parts(settings)
    version = settings.seed, sklearn.__version__, luck.CHAIN, luck.further_key(study)
    if RADIOMICS not in design.parts(settings):
        return None, digest(columns, version)
    from radiogenomics.radiomics.features import load_features  # PyRadiomics: a second

    features = load_features(study).loc[patients.patient]
    measured = digest_of([features.to_numpy()]), list(features.columns), settings.radiomics
    return features, digest(columns, version, measured)


def _fitted(
    study: Study, rest: pd.DataFrame, held: pd.DataFrame, features: pd.DataFrame | None, path: Path
) -> dict[str, list[float]]:
    def scores() -> dict[str, list[float]]:
        found = refitted.scores(study, rest, held, features)
        return {model: values.tolist() for model, values in found.items()}

    return once(path, scores)


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # labels (n,), scores and folds (repeat, n)


def arrays(repeats: pd.DataFrame, patients: pd.DataFrame) -> dict[str, Arrays]:
    """Return each model's labels (n,), out-of-fold scores and folds (repeat, n)."""
    order, labels = patients.patient, patients.label.to_numpy(int)
    found = {}
    for model, rows in repeats.groupby("model", sort=False):
        wide = rows.pivot(index="repeat", columns="patient", values=["score", "fold"])
        score, fold = (wide[name][order].to_numpy(float) for name in ("score", "fold"))
        found[model] = labels, score, fold.astype(int)
    return found


def measures(study: Study, repeats: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    """Return internal.csv: AUC, sensitivity, specificity and calibration of each model."""
    level, rows = study.settings.evaluation.confidence, []
    for model, (labels, score, fold) in arrays(repeats, patients).items():
        about = {"model": model, "n": len(labels), "events": int(labels.sum())}
        about |= {"repeats": len(score), "fitted_on": round(_outside(fold))}
        found = cross_validated_auc(labels, score, fold, level)
        few = FEW if min(labels.sum(), (1 - labels).sum()) < FEWEST else ""
        rows.append(about | {"metric": "auc", "reason": few} | found._asdict())
        declared = study.settings.plan.cutoffs
        cutoffs = {"half": HALF} | ({DECLARED: declared[model]} if model in declared else {})
        for rule, cutoff in cutoffs.items():
            at = about | {"threshold_rule": rule, "threshold": cutoff}
            rows += [at | row for row in _shares(labels, score >= cutoff, level)]
        rows += [about | row for row in _calibration(labels, score)]
    return tables.INTERNAL_RESULTS.frame(pd.DataFrame(rows).to_dict("records"))


def _outside(fold: np.ndarray) -> float:
    """Return how many patients a model was fitted to, on average."""
    sizes = [np.sum(own != number) for own in fold for number in np.unique(own)]
    return float(np.mean(sizes))


def _shares(labels: np.ndarray, called: np.ndarray, level: float) -> Iterator[dict[str, Any]]:
    """Yield sensitivity and specificity over the repeats, with Wilson's interval."""
    right = np.where(labels == 1, called, ~called).mean(axis=0)
    for metric, side in (("sensitivity", labels == 1), ("specificity", labels == 0)):
        count, n = right[side].sum(), int(side.sum())
        low, high = proportion_confint(count, n, 1 - level, method="wilson")
        interval = {"ci_low": low, "ci_high": high, "ci_method": "wilson"}
        yield {"metric": metric, "value": count / n, **interval}


def _calibration(labels: np.ndarray, score: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield calibration of the pooled scores, the mean of the repeats, without an interval."""
    each_repeat = [calibration(labels, own).set_index("metric").value for own in score]
    mean = pd.concat(each_repeat, axis=1).mean(axis=1, skipna=False)
    for metric in [name for name in CALIBRATED if name in mean]:
        yield {"metric": metric, "value": mean[metric], "ci_method": "none"}


def per_repeat(repeats: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    """Return the mean AUC within folds of each model and repeat: model, repeat, auc."""
    rows = []
    for model, (labels, score, fold) in arrays(repeats, patients).items():
        for repeat, pair in enumerate(zip(score, fold, strict=True), start=1):
            auc = mean_auc(labels, placements(labels, *pair)[None], pair[1][None])
            rows.append((model, repeat, auc))
    return pd.DataFrame(rows, columns=["model", "repeat", "auc"])


def differences(
    study: Study, repeats: pd.DataFrame, patients: pd.DataFrame, judged: Judged
) -> pd.DataFrame:
    """Return internal_differences.csv: every pair of models, over the folds that both have."""
    found, rows = arrays(repeats, patients), []
    named = [model for model in judged[:2] if model in found]
    names = [*named, *(model for model in found if model not in named)]
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            labels, score, fold = found[a]
            both = min(len(score), len(found[b][1]))
            pair = score[:both], found[b][1][:both], fold[:both]
            level = study.settings.evaluation.confidence
            gap = cross_validated_difference(labels, *pair, level)._asdict()
            about = {"model_a": a, "model_b": b, "repeats": both}
            declared = (a, b) == (judged.primary, judged.reference)
            rows.append(about | gap | {"primary": declared})
    return tables.INTERNAL_DIFFERENCES.frame(rows)


def permuted(
    study: Study, patients: pd.DataFrame, progress: Progress = lambda done, total: None
) -> pd.DataFrame:
    """Return permutations.csv: the AUC within folds after each permutation of the labels.

    The first repeat's folds; selection and fit on the permuted labels of the other folds, judged by
    the permuted labels of the fold: with no relation of labels and inputs, how high is the AUC?
    The network is not trained again.
    """
    how, times = study.settings.evaluation, study.settings.evaluation.permutations
    if not times or not refitted.models(study):
        return tables.PERMUTATIONS.frame()
    fold = classical.folds(patients, how.folds, study.settings.seed, how.folds_by)
    features, known = _features(study, patients)
    labels = [luck.permuted_labels(patients, study.settings.seed, n) for n in range(times + 1)]
    numbers, rows = np.unique(fold), []
    jobs = [(again[fold != k], again[fold == k]) for again in labels for k in numbers]
    kept = study.derived / "permuted"
    found = each([delayed(luck.ranked)(study, *job, features, kept, known) for job in jobs],
                 study.workers)  # fmt: skip
    for number, again in enumerate(labels):
        parts = [next(found) for _ in numbers]
        for model in parts[0]:
            score = np.empty(len(fold))
            for k, part in zip(numbers, parts, strict=True):
                score[fold == k] = part[model]
            y = again.label.to_numpy(int)
            auc = mean_auc(y, placements(y, score, fold)[None], fold[None])
            rows.append((contract.TRAIN, model, number, auc))
        progress(number, times)
    return tables.PERMUTATIONS.frame(rows)


def by_hospital(study: Study, patients: pd.DataFrame) -> pd.DataFrame:
    """Return hospitals.csv where each hospital is a fold; no rows where patients make the folds."""
    if study.settings.evaluation.folds_by != "hospital":
        return tables.HOSPITALS.frame()
    scores = predictions.select(predictions.read_scores(study), "out_of_fold")
    wide = predictions.score_table(scores, "out_of_fold")
    return hospitals.of_scores(study, patients, wide)
