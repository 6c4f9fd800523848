"""How often the interval of a cross-validated AUC holds the truth: printed, whatever it is.

The clinical chain (logistic regression on sex and smoking) and the radiomics chain (Mann-Whitney,
Spearman, LASSO, univariate, then LR, SVM and naive Bayes) on simulated columns, by the code of a
study: `refitted.ranked_by_features`, folds of `classical.folds`. The truth is the mean AUC, in
4,000 new patients, of all the models that the folds made. Intervals are computed below the limit
of 20 patients of the rarer label too, to show why it is there.

    uv run python tests/benchmarks/internal_coverage.py [SAMPLES]
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import rows
from joblib import Parallel, delayed
from radiogenomics.comparison import refitted
from radiogenomics.models import classical
from radiogenomics.radiomics.signature import signature_pipeline
from radiogenomics.statistics import cross_validated
from radiogenomics.study.settings import Radiomics
from sklearn.metrics import roc_auc_score

SIZES, FOLDS, REPEATS, NEW, SEED = (24, 60, 200), 3, 10, 4000, 2024
FEATURES, GROUPS, SIGNAL = 60, 12, 4  # features in groups of five that correlate; some carry label
PAGE = Path(__file__).parents[2] / "docs/methods.md"
FILE = Path(__file__).with_suffix(".csv")


def radiomics(rng, n):
    """Labels (n,) and features (n, FEATURES): groups of five around a common value."""
    labels = rng.permutation(np.arange(n) % 2)
    common = rng.normal(size=(n, GROUPS))
    common[:, :SIGNAL] += 0.6 * labels[:, None]
    noise = rng.normal(size=(n, FEATURES))
    values = 0.8 * np.repeat(common, FEATURES // GROUPS, axis=1) + 0.6 * noise
    return labels, pd.DataFrame(values, columns=[f"f{i}" for i in range(FEATURES)])


def clinical(rng, n):
    """Labels (n,), sex and smoking as in the paper: mutants more often female and never smokers."""
    labels = rng.permutation(np.arange(n) % 2)
    female = rng.uniform(size=n) < np.where(labels, 0.65, 0.4)
    never = rng.uniform(size=n) < np.where(labels, 0.75, 0.45)
    words = {"sex": np.where(female, "female", "male"), "smoking": np.where(never, "never", "ever")}
    return labels, pd.DataFrame(words)


def fitted(chain, rest, held, new):
    """Scores of the held and of the new patients by the models fitted to the rest."""
    labels, inside = rest
    if chain == "clinical":
        model = classical.clinical_model().fit(inside, labels)
        return {"Clinical": [classical.probability(model, part) for part in (held, new)]}
    selector = signature_pipeline(Radiomics(), SEED)
    both = pd.concat([held, new])
    scores = refitted.ranked_by_features(selector, SEED, labels, inside, both)
    return {name: [s[: len(held)], s[len(held) :]] for name, s in scores.items()}


def sample(chain, n, number):
    """One cohort: of each model the interval, and the AUC of every fold's model in new patients."""
    warnings.simplefilter("ignore")
    cross_validated.FEWEST = 3  # in the process that works
    draw = {"clinical": clinical, "radiomics": radiomics}[chain]
    labels, values = draw(np.random.default_rng([SEED, n, number]), n)
    y_new, new = draw(np.random.default_rng([SEED, n, number, 1]), NEW)
    table = pd.DataFrame({"label": labels, "hospital": "A"})
    out = {}
    for repeat in range(REPEATS):
        fold = classical.folds(table, FOLDS, SEED + repeat)
        for k in np.unique(fold):
            rest = labels[fold != k], values[fold != k]
            for name, (own, other) in fitted(chain, rest, values[fold == k], new).items():
                scores, folds, truths = out.setdefault(
                    name, (np.empty((REPEATS, n)), np.empty((REPEATS, n), int), [])
                )
                scores[repeat, fold == k], folds[repeat] = own, fold
                truths.append(roc_auc_score(y_new, other))
    return {
        m: (cross_validated.cross_validated_auc(labels, s, f), np.mean(t))
        for m, (s, f, t) in out.items()
    }


def table(chain, n, samples):
    """A row a model: mean value, truth, coverage of the 95% interval and its mean width."""
    jobs = (delayed(sample)(chain, n, number) for number in range(samples))
    found, made = list(Parallel(-1)(jobs)), []
    for model in found[0]:
        values = pd.DataFrame([one[model][0] for one in found])
        truth = float(np.mean([one[model][1] for one in found]))
        held = (values.ci_low <= truth) & (truth <= values.ci_high)
        given = values.ci_low.notna()
        made.append({
            "model": model, "samples": samples, "truth": round(truth, 3),
            "mean_value": round(values.value.mean(), 3),
            "sd_of_value": round(values.value.std(), 3),
            "coverage": round(held[given].mean(), 3), "given": round(given.mean(), 3),
            "width": round((values.ci_high - values.ci_low).mean(), 3),
        })  # fmt: skip
    return made


def page():
    """Write the table into docs/methods.md."""
    lines = ["| chain | model | patients | samples | true mean AUC | mean of the values | their "
             "SD | coverage of the 95% interval | its mean width |", "|---" * 9 + "|"]  # fmt: skip
    lines += [
        f"| {r.chain} | {r.model} | {r.n} | {r.samples} | {r.truth:.3f} | {r.mean_value:.3f} | "
        f"{r.sd_of_value:.3f} | {r.coverage:.3f} | {r.width:.3f} |"
        for r in rows.read(FILE).itertuples()
    ]
    rows.into(PAGE, Path(__file__).name, "\n".join(lines))


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for size in SIZES:
        for chain in ("clinical", "radiomics"):
            rows.several(
                FILE, {"chain": chain, "n": size}, lambda c=chain, s=size: table(c, s, asked)
            )
            page()
