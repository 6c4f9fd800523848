"""How the label acts in a built-in cohort, and the AUC that is attainable by construction."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import optimize, stats

from radiogenomics.cohort.sources.phantom_scans import (
    SCANNERS,
    SIGNAL_AUC,
    outline_mask,
    separations,
)
from radiogenomics.statistics.discrimination import delong

SIGNALS = {  # what the label acts on, as the study's title says it
    "paper": "labels and their signs are simulated",
    "volume": "labels follow the lesions' volume alone",
    "scanner": "labels follow the scanner alone",
    "none": "labels follow nothing",
}
LATENT = float(np.sqrt(2) * stats.norm.ppf(SIGNAL_AUC))  # class distance that gives this AUC, in SD

# Patients by (hospital, label): female never, male never, female smoker, male smoker.
# A joint table that gives the paper's Table 1 and its clinical model's AUCs in both hospitals.
SEX_SMOKING = {
    ("A", 1): (167, 45, 5, 43),
    ("A", 0): (84, 46, 5, 133),
    ("B", 1): (35, 15, 0, 15),
    ("B", 0): (17, 12, 2, 36),
}
CELLS = (("female", "never"), ("male", "never"), ("female", "smoker"), ("male", "smoker"))


def dealt(table: pd.DataFrame, signal: str, seed: int) -> pd.DataFrame:
    """Return the patients with the lesions, or the scanners, dealt out anew by label.

    The labels are permuted first, so that clinical columns and the lesion's inside know nothing of
    them. Within each hospital the larger lesions, or the later scanners of `SCANNERS`, go to
    patients with the higher latent value, which the label shifts (`_latent`).

    Args:
        table: label, hospital, _lesion, _scanner and what the label acts on in the paper's way.
        signal: volume or scanner.
        seed: of the cohort.
    """
    rng = np.random.default_rng([seed, 4])
    table = permute_labels(table, seed)
    table["_latent"] = rng.normal((table.label - 0.5) * LATENT)
    column, rank = ("_lesion", _volumes) if signal == "volume" else ("_scanner", _order)
    for _, part in table.groupby("hospital"):
        patients = part.index[np.argsort(part["_latent"], kind="stable")]
        things = part[column].to_numpy()[np.argsort(rank(part[column]), kind="stable")]
        for patient, thing in zip(patients, things, strict=True):
            table.at[patient, column] = thing
    return table


def _volumes(lesions: pd.Series) -> list[float]:
    """Return the volumes (mm³) of outlined lesions."""
    outlined = [outline_mask(int(lesion), 0) for lesion in lesions]
    return [float(mask.sum() * np.prod(spacing)) for mask, spacing in outlined]


def _order(scanners: pd.Series) -> list[int]:
    return [SCANNERS.index(scanner) for scanner in scanners]


def permute_labels(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Permute the labels within each hospital: they then have no effect."""
    rng = np.random.default_rng([seed, 2])
    permuted = table.groupby("hospital").label.transform(lambda y: rng.permutation(y.to_numpy()))
    return table.assign(label=permuted)


def truth(cohort: pd.DataFrame, recipe: dict) -> dict:
    """Return the attainable AUCs: population (closed form or exact) and the test patients drawn."""
    test = cohort[cohort.cohort == "test"]
    population, scores = _KINDS[recipe["signal"]](test)
    drawn, _ = delong(test.label.to_numpy(), np.array(scores, float))
    if recipe["signal"] == "none":  # the labels are permuted later
        drawn = [0.5] * 3
    attainable = {
        name: {"population": round(float(p), 4), "test_patients": round(float(d), 4)}
        for name, p, d in zip(("image", "clinical", "joint"), population, drawn, strict=True)
    }
    return {"synthetic": True, "recipe": recipe, "attainable_auc": attainable}


Known = tuple[list[float], list]  # AUCs in the population, the best scores of these patients


def _by_paper(test: pd.DataFrame) -> Known:
    where, offset = separations()
    image = where * test["_place"] + offset * test["_offset"]
    clinical = [_clinical_llr(r.hospital, r.sex, r.smoking) for r in test.itertuples()]
    return [SIGNAL_AUC, _clinical_auc(), _joint_auc()], [image, clinical, image + clinical]


def _by_volume(test: pd.DataFrame) -> Known:
    return [SIGNAL_AUC, 0.5, SIGNAL_AUC], [test["_latent"], [0] * len(test), test["_latent"]]


def _by_scanner(test: pd.DataFrame) -> Known:
    auc, order = _scanner_auc("B", test.label.mean()), _order(test["_scanner"])
    return [auc, 0.5, auc], [order, [0] * len(test), order]


def _by_nothing(test: pd.DataFrame) -> Known:
    return [0.5] * 3, [[0] * len(test)] * 3


_KINDS = {"paper": _by_paper, "volume": _by_volume, "scanner": _by_scanner, "none": _by_nothing}


def _scanner_auc(hospital: str, prevalence: float) -> float:
    """Return the AUC of the scanner's place in `SCANNERS`, of many patients of a hospital."""
    middles = {label: (label - 0.5) * LATENT for label in (0, 1)}

    def below(latent: float) -> float:
        shares = stats.norm.cdf(latent - np.array([middles[0], middles[1]]))
        return float(shares @ [1 - prevalence, prevalence])

    bounds = np.cumsum([scanner.share[hospital] for scanner in SCANNERS])[:-1]
    cuts = [optimize.brentq(lambda x, b=b: below(x) - b, -20, 20) for b in bounds]
    edges = np.array([-np.inf, *cuts, np.inf])
    rates = {label: np.diff(stats.norm.cdf(edges - middle)) for label, middle in middles.items()}
    return _auc_of_groups(rates[1], rates[0], np.arange(len(SCANNERS)))


def _auc_of_groups(positive: np.ndarray, negative: np.ndarray, score: np.ndarray) -> float:
    """Return the AUC of groups' scores from the share of each label in each group."""
    wins = (score[:, None] > score[None]) + 0.5 * (score[:, None] == score[None])
    return float(positive @ wins @ negative)


def _cell_rates(hospital: str) -> np.ndarray:
    """Return P(cell | label), rows label 0 and 1, columns as CELLS; half a patient added."""
    counts = np.array([SEX_SMOKING[hospital, label] for label in (0, 1)]) + 0.5
    return counts / counts.sum(axis=1, keepdims=True)


def _clinical_llr(hospital: str, sex: str, smoking: str) -> float:
    rates = _cell_rates(hospital)
    cell = CELLS.index((sex, "never" if smoking == "never" else "smoker"))
    return float(np.log(rates[1, cell] / rates[0, cell]))


def _clinical_auc() -> float:
    rates = _cell_rates("B")
    llr = np.log(rates[1] / rates[0])
    return _auc_of_groups(rates[1], rates[0], llr)


def _joint_auc() -> float:
    """Return the AUC of the sum of the image's and the clinical log likelihood ratio."""
    rates = _cell_rates("B")
    llr = np.log(rates[1] / rates[0])
    d2 = float(np.sum(np.square(separations())))
    wins = stats.norm.cdf((llr[:, None] - llr[None] + d2) / np.sqrt(2 * d2))
    return float(rates[1] @ wins @ rates[0])
