"""A methods and a results paragraph drafted from the tables of a run, ready to edit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.cohort import seal
from radiogenomics.cohort.eligibility import excluded
from radiogenomics.comparison import sentences as readings
from radiogenomics.study import contract, tables
from radiogenomics.study.contract import IN_SAMPLE
from radiogenomics.study.files import read_json
from radiogenomics.study.study import Study
from radiogenomics.study.words import print_p, with_interval

Sentence = tuple[str, str]  # the text and the table that its numbers were read from
Draft = dict[str, list[Sentence]]  # by heading

WIDE = 0.05  # threshold probability: shorter ranges are not told
SYNTHETIC = (
    "All patients are simulated: this is a control of the workbook and no clinical evidence."
)
RULES = {
    "half": "At a threshold of 0.5",
    "youden": "At the threshold that maximised Youden's index out-of-fold in training",
}


def draft(study: Study) -> Draft:
    """Return the sentences of both paragraphs whose tables are there, each with its table."""
    start = [(SYNTHETIC, "")] if study.settings.synthetic else []
    return {
        "Methods": start + _sentences(study, METHODS) + _stated(study),
        "Results": start + _sentences(study, RESULTS),
    }


def as_markdown(text: Draft, study: Study) -> str:
    """Return the draft as Markdown: a heading and a paragraph each, then the tables it used."""
    lines = [f"# {study.settings.title}", ""]
    lines += ["Drafted by the workbook from this run's tables; to be edited.", ""]
    for heading, sentences in text.items():
        used = dict.fromkeys(file for _, file in sentences if file)
        lines += [f"## {heading}", "", " ".join(words for words, _ in sentences), ""]
        lines += [f"Numbers from: {', '.join(used) or 'none'}.", ""]
    return "\n".join(lines)


def _sentences(study: Study, makers: list[tuple[str, Callable[[Study], str]]]) -> list[Sentence]:
    made = [(make(study), file) for file, make in makers if _filled(study.reports / file)]
    return [(words, file) for words, file in made if words]


def _filled(path: Path) -> bool:
    """Return whether a file is there and, if it is a table, has a row."""
    if path.suffix != ".csv" or not path.is_file():
        return path.is_file()
    with path.open(encoding="utf-8") as lines:
        return len(list(islice(lines, 2))) == 2


def _listed(words: list[Any]) -> str:
    words = [str(word) for word in words]
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)


def _told(row: pd.Series, digits: int) -> str:
    return with_interval(row.value, row.ci_low, row.ci_high, digits)


def _external(study: Study, metric: str, method: str) -> pd.DataFrame:
    """Return the external rows of metrics.csv that have a value, `Com_in_sample` left out."""
    table = study.table(tables.METRICS)
    table = table[(table.scores == "external") & (table.model != IN_SAMPLE)]
    return table[(table.metric == metric) & (table.ci_method == method) & table.value.notna()]


def _split(study: Study) -> str:
    flow = study.table(tables.FLOW).set_index(["step", "reason"]).n
    used = study.ran_with(contract.COHORT)
    side, rules = used.hospitals, used.eligibility
    wanted = dict.fromkeys([*rules.required, *used.clinical.predictors])
    needed = ["CEA" if name == "cea" else name.replace("_", " ") for name in wanted]
    of = f" of histology {_listed(rules.histology)}" if rules.histology else ""
    return (
        f"Patients of hospital {_listed(side.train)} (n = {flow.get(('included', 'train'), 0)}) "
        f"formed the training cohort and patients of hospital {_listed(side.test)} "
        f"(n = {flow.get(('included', 'test'), 0)}) the external test cohort; the split is by "
        f"hospital. Eligible were patients{of} whose {_listed(needed)} are known, but for those "
        f"known to be under {rules.min_age:g} years, to have more than "
        f"{rules.max_interval_days:g} days from CT to biopsy{_interval(study)} or a CT after it, "
        f"or whose status ({used.label.name} or {used.label.negative_name}) is not known; each "
        "patient was excluded once, for the first reason."
    )


def _interval(study: Study) -> str:
    """Return of how many included patients the days from CT to biopsy are known, in brackets."""
    if not study.has(tables.INTERVAL):
        return ""
    table = study.table(tables.INTERVAL)
    known = table.n.sum()
    return f" (known of {known} of the {known + table.not_known.sum()} included)"


def _acquisition(study: Study) -> str:
    table = study.table(tables.ACQUISITION)
    text = f"CT slices lay {table.slice_mm.median():g} mm apart (median; "
    text += f"{table.slice_mm.min():g} to {table.slice_mm.max():g})"
    scanners = table.scanner.nunique() if "scanner" in table else 0
    return f"{text}; {scanners} scanners are named." if scanners else f"{text}."


def _preprocessing(study: Study) -> str:
    used = study.ran_with(contract.PREPROCESSING).preprocessing
    z, y, x = used.shape
    outside = {
        "lesion": f"voxels outside the lesion were set to {used.outside_hu:g} HU",
        "box": "the tissue around the lesion was kept",
    }[used.background]
    low, high = used.window_hu
    return (
        f"For the network, CT was resampled to {used.spacing_mm:g} mm (B-spline; the outline by "
        f"nearest neighbour) and cropped to the lesion; {outside}; values were clipped to {low:g} "
        f"to {high:g} HU, scaled to 0 to 1 and resized to {x} × {y} × {z} voxels (linear)."
    )


def _features(study: Study) -> str:
    made = read_json(study.tables / "features_settings.json")
    used, versions = made["settings"], made["versions"]
    sigma = ", ".join(f"{s:g}" for s in used["log_sigma_mm"])
    return (
        f"{made['features']:,} radiomic features were computed with PyRadiomics "
        f"(pyradiomics-bhklab {versions['pyradiomics']}) from these image types: "
        f"{', '.join(made['image_types'])}; "
        f"resampling to {used['radiomics_spacing_mm']:g} mm, bin width {used['bin_width']:g} HU, "
        f"Laplacian of Gaussian at {sigma} mm, {used['pad_mm']:g} mm of surroundings; all other "
        "parameters at PyRadiomics' defaults."
    )


def _selection(study: Study) -> str:
    steps = study.table(tables.SELECTION_STEPS)
    entered = steps.kept.iloc[0] + steps.dropped.iloc[0]
    told = [f"{r.step} ({r.rule}; {r.kept:,} kept)" for r in steps.itertuples()]
    text = f"{_readers(study, entered)}On training patients alone, {entered:,} features were "
    text += f"reduced by {_listed(told)}."
    fallen = steps.step[steps.fell_back.astype(bool)].tolist()
    return f"{text} {_listed(fallen)} would have left none and kept the best." if fallen else text


def _readers(study: Study, left: int) -> str:
    """Return what the two readers' agreement left of the features, where it was asked for."""
    limit = study.ran_with(contract.SELECTION).radiomics.reader_icc
    if not limit:
        return ""
    return (
        f"Features with an ICC(2,1) below {limit:g} between two readers of training patients were "
        f"dropped ({left:,} left). "
    )


def _models(study: Study) -> str:
    predictors = _listed(study.ran_with(contract.SELECTION).clinical.predictors)
    known = {
        "Clinical": f"Clinical (logistic regression on {predictors})",
        "LR": "LR (unpenalised logistic regression on the selected features)",
        "SVM": "SVM (radial kernel, C = 1, Platt scaling)",
        "Bayes": "Bayes (Gaussian naive Bayes)",
        "CNN": "CNN",
        "Com": "Com (logistic stack of the out-of-fold logits of CNN and SVM)",
    }  # fmt: skip
    models = set(pd.read_csv(study.predictions_csv, usecols=["model"]).model)
    told = [text for name, text in known.items() if name in models]
    return f"The models compared were {_listed(told)}." if told else ""


def _network(study: Study) -> str:
    layers = study.table(tables.CNN_LAYERS)
    kinds = layers.kind.value_counts()
    return (
        f"The CNN has {len(layers)} layers, {kinds.get('Conv3D', 0)} of them 3D convolutions, and "
        f"{layers.parameters.sum():,} parameters ({layers.trainable.sum():,} trainable) on an "
        f"input of {layers.output_shape.iloc[0]} (z, y, x, channel)."
    )


def _training(study: Study) -> str:
    history = study.table(tables.CNN_HISTORY)
    used, final = study.ran_with(contract.TRAINING).cnn, history[history.training == "final"]
    best = final.epoch[final.val_loss.idxmin()]
    flips = {"none": "no augmentation", "flips": "random flips"}[used.augmentation]
    return (
        f"It was trained with Adam (learning rate {used.learning_rate:g}, batches of {used.batch}, "
        f"dropout {used.dropout:g}, {flips}), {len(final)} of at most {used.epochs} epochs; epoch "
        f"{best}, with the lowest loss on {used.validation:.0%} of the training patients held out, "
        "was kept. "
        f"{history.training.nunique() - 1} further networks gave out-of-fold scores."
    )


def _statistics(study: Study) -> str:
    used = study.ran_with(contract.COMPARISON).evaluation
    low, high = used.decision_range
    drawn = study.table(tables.METRICS).resamples.max()
    return (
        f"Discrimination is given as AUC with DeLong's {used.confidence:.0%} interval, proportions "
        f"with Wilson's; intervals of {drawn:,.0f} bootstrap samples are tabled beside, drawn "
        "within labels, and over all patients for what the prevalence is part of. Thresholds were "
        "chosen without the test cohort. Pairs of models were compared on the "
        "external cohort by DeLong's test with Holm's correction. Calibration is given as slope, "
        "intercept and observed over expected events, clinical utility as net benefit at threshold "
        f"probabilities from {low:g} to {high:g}."
    )


def _software(study: Study) -> str:
    made = read_json(study.manifest_json)
    named = ("radiogenomics", "tensorflow", "scikit-learn", "statsmodels", "simpleitk")
    told = [f"{name} {made['versions'][name]}" for name in named if made["versions"].get(name)]
    seed = study.ran_with(contract.COMPARISON).seed
    return f"Software: Python {made['python']}, {', '.join(told)}; seed {seed}."


def _stated(study: Study) -> list[Sentence]:
    names = ("design", "reference_standard", "interval", "segmentation", "readers", "blinding",
             "ethics")  # fmt: skip
    said = {name: getattr(study.settings.author, name).strip().rstrip(".") for name in names}
    return [(f"{n.replace('_', ' ').capitalize()}: {t}.", "") for n, t in said.items() if t]


def _flow(study: Study) -> str:
    table = study.table(tables.FLOW)
    found = table[table.step == "found"].n.sum()
    out = excluded(table)
    n = table.set_index(["step", "reason"]).n
    sides = [
        f"{n.get(('included', side), 0)} in the {name} cohort "
        f"({n.get((f'{side} label', '1'), 0)} {study.settings.label.name})"
        for side, name in (("train", "training"), ("test", "external test"))
    ]
    reasons = [
        f"{r.n} {r.step}"
        for r in out.groupby("step", sort=False).n.sum().reset_index().itertuples()
    ]
    told = f" ({', '.join(reasons)})" if reasons else ""
    lost = f"{out.n.sum()} were excluded{told}" if out.n.sum() else "none was excluded"
    return f"Of {found} patients, {lost}; {_listed(sides)} remained."


def _characteristics(study: Study) -> str:
    table = study.table(tables.TABLE1_COHORTS).dropna(subset="smd")
    if table.empty:
        return ""
    most = table.loc[table.smd.idxmax()]
    return (
        f"{(table.smd > 0.1).sum()} of {len(table)} characteristics differed between the cohorts "
        f"by a standardised difference over 0.1, most {most.characteristic} ({most.smd:.2f}; p "
        f"{print_p(most.p_value)})."
    )


def _signature(study: Study) -> str:
    return f"The signature has {len(study.table(tables.SIGNATURE))} features."


def _stability(study: Study) -> str:
    table = study.table(tables.STABILITY)
    chosen = table[table.chosen.astype(bool)]
    often = (chosen.frequency >= 0.5).sum()
    return (
        f"{often} of {len(chosen)} were chosen in at least half of the resamples."
        if len(chosen)
        else ""
    )


def _auc(study: Study) -> str:
    rows = _external(study, "auc", "delong").sort_values("value", ascending=False)
    if rows.empty:
        return ""
    level = study.ran_with(contract.COMPARISON).evaluation.confidence
    told = [f"{r.model} {_told(r, 3)}" for _, r in rows.iterrows()]
    one = rows.iloc[0]
    return (
        f"In the external test cohort ({one.n:.0f} patients, {one.events:.0f} events) the AUC "
        f"({level:.0%} interval) was {_listed(told)}."
    )


def _delong(study: Study) -> str:
    return readings.pairs(study.table(tables.DELONG))


def _proportions(study: Study) -> str:
    sentences = []
    for rule, start in RULES.items():
        told = []
        for model, rows in _at(study, rule).groupby("model", sort=False):
            parts = [f"{r.metric} {_told(r, 3)}" for _, r in rows.iterrows()]
            told.append(f"{model} {', '.join(parts)}")
        sentences += [f"{start}: {'; '.join(told)}."] if told else []
    return " ".join(sentences)


def _at(study: Study, rule: str) -> pd.DataFrame:
    rows = pd.concat(_external(study, m, "wilson") for m in ("sensitivity", "specificity"))
    return rows[rows.threshold_rule == rule]


def _calibration(study: Study) -> str:
    names = {"calibration_slope": "slope", "calibration_intercept": "intercept",
             "o_over_e": "observed/expected"}  # fmt: skip
    rows = pd.concat(_external(study, metric, "wald") for metric in names)
    told = []
    for model, one in rows.groupby("model", sort=False):
        parts = [f"{names[r.metric]} {_told(r, 2)}" for _, r in one.iterrows()]
        told.append(f"{model} {', '.join(parts)}")
    return f"External calibration: {'; '.join(told)}." if told else ""


def _net_benefit(study: Study) -> str:
    table = study.table(tables.DECISION_BEST)
    acts = {"all": "acting on everybody", "none": "acting on nobody"}
    wide = table[table["to"] - table["from"] > WIDE]
    told = [
        f"{acts.get(r.model, r.model)} from {r[2]:.2f} to {r[3]:.2f}" for r in wide.itertuples()
    ]
    ranges = f"ranges of over {WIDE:g}; the intervals, in decision_curve.csv, may overlap"
    return f"The highest net benefit had {_listed(told)} ({ranges})." if told else ""


def _subgroups(study: Study) -> str:
    return readings.groups(study.table(tables.SUBGROUPS))


def _baselines(study: Study) -> str:
    table = study.table(tables.BASELINES).drop_duplicates("baseline").dropna(subset="auc")
    rows = table.rename(columns={"auc": "value"})[table.baseline.values != "Prevalence"]
    told = [f"{r.baseline.lower()} alone {_told(r, 3)}" for _, r in rows.iterrows()]
    return f"External AUC of simpler readers of the label: {_listed(told)}." if told else ""


def _maps(study: Study) -> str:
    table = study.table(tables.GRADCAM)
    if table.inside_lesion.isna().all():
        return (
            f"No Grad-CAM map of the {len(table)} test patients could be placed: "
            f"{table.zero_map.sum()} were zero everywhere, {table.constant_map.sum()} constant."
        )
    return (
        f"On average {table.inside_lesion.mean():.0%} of a Grad-CAM map lay inside the lesion, "
        f"which fills {table.lesion_share_of_box.mean():.0%} of its box ({len(table)} test "
        f"patients, {table.zero_map.sum()} maps zero everywhere)."
    )


def _evaluations(study: Study) -> str:
    n = len(seal.evaluations(study))
    times = "once" if n == 1 else f"{n} times"
    return f"The test cohort was evaluated {times} in this report folder." if n else ""


METHODS = [
    ("tables/flow.csv", _split),
    ("tables/acquisition.csv", _acquisition),
    ("tables/volumes.csv", _preprocessing),
    ("tables/features_settings.json", _features),
    ("tables/selection_steps.csv", _selection),
    ("predictions.csv", _models),
    ("tables/cnn_layers.csv", _network),
    ("tables/cnn_history.csv", _training),
    ("tables/metrics.csv", _statistics),
    ("manifest.json", _software),
]
RESULTS = [
    ("tables/flow.csv", _flow),
    ("tables/table1_cohorts.csv", _characteristics),
    ("tables/signature.csv", _signature),
    ("tables/stability.csv", _stability),
    ("tables/metrics.csv", _auc),
    ("tables/delong.csv", _delong),
    ("tables/metrics.csv", _proportions),
    ("tables/metrics.csv", _calibration),
    ("tables/decision_best.csv", _net_benefit),
    ("tables/subgroups.csv", _subgroups),
    ("tables/baselines.csv", _baselines),
    ("tables/gradcam.csv", _maps),
    ("manifest.json", _evaluations),
]
