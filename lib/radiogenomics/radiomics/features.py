"""Features of a cohort (paper, Radiomics): every patient's are kept as soon as they are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from joblib import delayed

from radiogenomics.images import anonymity, boxes, lesions
from radiogenomics.images.changes import Change
from radiogenomics.images.scans import read_from, read_row
from radiogenomics.radiomics.extraction import (
    SHAPE,
    VERSIONS,
    described,
    extract_scan,
    measured_settings,
)
from radiogenomics.study import contract, tables
from radiogenomics.study.errors import SettingsFault
from radiogenomics.study.files import damaged, digest, whole_file, write_json
from radiogenomics.study.kept import once
from radiogenomics.study.parallel import each
from radiogenomics.study.study import Study


def extract_cohort(
    study: Study,
    cohort: pd.DataFrame,
    progress: Callable[[int, int], None] = lambda done, total: None,
    change: Change | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Extract every patient's features over processes, each kept as soon as it is there.

    Args:
        study: settings, and where features are kept.
        cohort: the patients.
        progress: called with (patients done, patients in all).
        change: of images or outlines before they are measured.

    Returns:
        Features (one row per patient, index `patient`) and failures (patient, step, reason). Where
        a patient has a box in the place of an outline nobody has features of shape.
    """
    jobs = (delayed(_extract_one)(study, row, change) for row in cohort.to_dict("records"))
    results = each(jobs, study.workers)
    rows, failures, most = {}, [], []
    for done, (patient, values, reason) in enumerate(results, start=1):
        if reason:
            failures.append((patient, "radiomics", reason))
        else:
            rows[patient] = values
            most = max(most, list(values), key=len)
        progress(done, len(cohort))
    for patient in [name for name, values in rows.items() if len(values) < len(most)]:
        values = rows.pop(patient)
        failures.append((patient, "radiomics", _lacks([n for n in most if n not in values])))
    features = pd.DataFrame.from_dict(rows, orient="index").rename_axis("patient")
    if boxes.boxed(cohort).any():
        features = _without_shape(features)
    return features, tables.EXCLUSIONS.frame(failures)


def _without_shape(features: pd.DataFrame) -> pd.DataFrame:
    """Return features without those of shape, which say nothing of a lesion in a box."""
    kept = [name for name in features if not name.startswith(SHAPE)]
    if len(features) and not kept:
        raise SettingsFault(
            "[radiomics] measures shape alone, and some patients have a box, whose shape says "
            "nothing of the lesion. Expected: another class too. Add one to feature_classes."
        )
    return features[kept]


def _lacks(names: list[str]) -> str:
    return (
        f"PyRadiomics gives no {names[0]}, and {len(names)} features in all that other patients "
        "have: the image is too small for a filter. Expected: all features of every patient. Take "
        "a wider margin (pad_mm, padDistance) or a smaller sigma."
    )


def _cache_path(study: Study, row: dict, change: Change | None = None) -> Path:
    settings = measured_settings(study.settings.radiomics)
    key = digest(read_from(row), settings, VERSIONS, 4, *([change] if change else []))
    return study.derived / "features" / f"{key}.json"


def _extract_one(study: Study, row: dict, change: Change | None) -> tuple[str, dict, str]:
    def extracted() -> dict:
        return extract_scan(read_row(row), study.settings.radiomics, change).to_dict()

    try:
        return row["patient"], once(_cache_path(study, row, change), extracted), ""
    except Exception as fault:  # noqa: BLE001 - one patient's files never stop the batch
        images = row["ct"], *lesions.masks(row)
        return row["patient"], {}, anonymity.reason(fault, images, row["patient"])


def save_features(study: Study, features: pd.DataFrame, cohort: pd.DataFrame) -> None:
    """Write features.parquet and, in a file beside it, the settings, versions and inputs used."""
    with whole_file(study.path(tables.FEATURES)) as part:
        features.reset_index().to_parquet(part, index=False)
    hashes = cohort.set_index("patient")[["ct_hash", "mask_hash"]].to_dict("index")
    content = {
        "synthetic": study.settings.synthetic,
        "features": features.shape[1],
        **described(study.settings.radiomics),
        "versions": VERSIONS,
        "inputs": hashes,
    }
    write_json(study.tables / "features_settings.json", content)


def load_features(study: Study) -> pd.DataFrame:
    """Read the features, index `patient`.

    Raises:
        StudyError: notebook 03 has not run.
    """
    path = study.path(tables.FEATURES)
    if not path.exists():
        raise study.not_yet("tables/features.parquet", contract.SELECTION)
    try:
        return pd.read_parquet(path).set_index("patient")
    except (OSError, ValueError, KeyError) as fault:
        raise damaged(path, type(fault).__name__) from None


def counts_by_class(names: list[str]) -> pd.DataFrame:
    """Count features: one row an image type, one column a class, with sums."""
    parts = [name.rsplit("_", 2)[:2] for name in names]
    table = pd.DataFrame(parts, columns=["image_type", "feature_class"])
    counts = pd.crosstab(table.image_type, table.feature_class, margins=True, margins_name="all")
    return counts.reset_index()
