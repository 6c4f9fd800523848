"""A model package: what another hospital needs to use a study's models, and nothing of a patient.

package.json    what is known of the training cohort (`known`), settings, versions
models/         networks (.keras), other models (.skops), settings they were fitted with
MODEL_CARD.md   what it is for, on whom it was judged, its limits
SHA256SUMS      of all other files; `sha256sum -c` reads it
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radiogenomics.models import classical
from radiogenomics.models.network import NETWORK as NETWORK_FILE
from radiogenomics.new_patient.prediction import elsewhere
from radiogenomics.new_patient.training import PACKAGE, known
from radiogenomics.report import mailable
from radiogenomics.report.manifest import versions
from radiogenomics.study.errors import ModelMismatch, StudyError
from radiogenomics.study.files import SEAL, files_below, read_json, sha256, whole_file, write_json
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import FITTED, Study, load_study
from radiogenomics.study.values import build
from radiogenomics.study.words import page

CARD, SUMS, SIGNATURE = "MODEL_CARD.md", "SHA256SUMS", "signature.json"
KEPT = ("title", "synthetic", "seed", "parts", "label", "plan", "lesions", "codes", "images",
        "gradcam")  # fmt: skip
COMPUTING = ("scikit-learn", "keras", "pyradiomics-bhklab", "simpleitk")  # whose versions count
CLOSE = 1e-6
OWN_ROWS = ("SVM", "Com")  # models that hold, or read one that holds, patients' feature rows


def write_package(study: Study, out: Path, without_svm: bool = False) -> dict[str, Any]:
    """Write a study's models as a package into a new folder; return package.json.

    Args:
        study: run to its end, with its data at hand.
        out: a folder that is not there, or empty.
        without_svm: leave out the SVM, which holds patients' feature rows, and what reads it.

    Raises:
        StudyError: `out` holds files, a model is missing, or something of a patient was found.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StudyError(f"{out.name} holds other files. Expected: a new folder. Name another.")
    found = known(study)
    left_out = {elsewhere(study.as_fitted()), *(OWN_ROWS if without_svm else ())}
    models = [model for model in found["models"] if model not in left_out]
    if found["primary"] not in models:
        raise StudyError(
            f"the primary model is {found['primary']}, which this package would leave out. "
            "Expected: another primary model ([plan] primary), or the SVM in the package."
        )
    try:
        content = _content(study, found, models)
        for name in _files(study, models):
            (out / "models").mkdir(parents=True, exist_ok=True)
            for part in (name, f"{name}{SEAL}"):
                if (study.models / part).exists():
                    shutil.copyfile(study.models / part, out / "models" / part)
        write_json(out / PACKAGE, content)
        card = say_card(content, without_svm)
        (out / CARD).write_text(card, encoding="utf-8")
        _write_sums(out)
        mailable.refuse(mailable.scan_of_study(study, out))
    except StudyError:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return content


def _content(study: Study, found: dict[str, Any], models: list[str]) -> dict[str, Any]:
    settings = dataclasses.asdict(study.settings)
    own = ("thresholds", "training_scores")
    content = found | {name: {m: v for m, v in found[name].items() if m in models} for name in own}
    content["by_label"] = {
        y: {m: v for m, v in by.items() if m in models} for y, by in found["by_label"].items()
    }
    content["performance"] = [row for row in found["performance"] if row["model"] in models]
    content |= {"models": models, "settings": {name: settings[name] for name in KEPT}}
    return content | {"versions": _computing(), "probe": _probe(study, found, models)}


def _files(study: Study, models: list[str]) -> list[str]:
    """Return the files of models/ that are handed on."""
    names = [FITTED, *(f"{m}.skops" for m in models if m != "CNN")]
    names += [NETWORK_FILE] if "CNN" in models else []
    return [*names, SIGNATURE] if (study.models / SIGNATURE).exists() else names


def _computing() -> dict[str, str | None]:
    return {name: value for name, value in versions().items() if name in COMPUTING}


def _probe(study: Study, held: dict[str, Any], models: list[str]) -> dict[str, float]:
    """Return what the models on the signature say of a patient in the middle of every range."""
    if not held["signature"]:
        return {}
    middle = np.add(held["signature"]["lowest"], held["signature"]["highest"]) / 2
    row = pd.DataFrame([middle], columns=held["signature"]["names"])
    asked = [m for m in models if m not in ("CNN", "Com", "Clinical")]
    return {m: float(classical.probability(classical.load_model(study, m), row)[0]) for m in asked}


def say_card(content: dict[str, Any], without_svm: bool) -> str:
    """Return the model card (Mitchell 2019), in Markdown."""
    return page("new_patient/card.md", **content, without_svm=without_svm)


def _write_sums(out: Path) -> None:
    files = [p for p in files_below(out) if p.name != SUMS]
    lines = [f"{sha256(p)}  {p.relative_to(out).as_posix()}" for p in files]
    with whole_file(out / SUMS) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def open_models(folder: str | Path, reports: str | Path | None = None) -> Study:
    """Return a study with the settings of its saved models, or a package as one.

    Raises:
        StudyError: no study and no package, no models, a package that is not as it was written or
            that this version does not compute as its makers did.
    """
    folder = Path(folder)
    if not (folder / PACKAGE).is_file():
        return load_study(folder, reports).as_fitted()
    _require_unchanged(folder)
    content = read_json(folder / PACKAGE)
    settings = build(Settings, content["settings"], PACKAGE)
    study = Study(folder.resolve(), folder.resolve(), settings).as_fitted()
    if content["versions"] != _computing():
        _require_same_numbers(study, content)
    return study


def _require_unchanged(folder: Path) -> None:
    """Refuse a package of which a file is missing, changed, or was added."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    except (OSError, UnicodeDecodeError):
        listed = {}
    there = {p.relative_to(folder).as_posix(): p for p in files_below(folder)}
    there = {
        n: p for n, p in there.items() if n != SUMS and n.startswith(("models/", PACKAGE, CARD))
    }
    wrong = [n for n, digest in listed.items() if n not in there or sha256(there[n]) != digest]
    wrong += [name for name in there if name not in listed]
    if wrong or PACKAGE not in listed:
        raise ModelMismatch(
            f"{', '.join(sorted(set(wrong))) or SUMS} of {folder.name} is not as the package was "
            "written. Expected: the package as it was sent. Ask for it again."
        )


def _require_same_numbers(study: Study, content: dict[str, Any]) -> None:
    """Refuse models that say other numbers here than where they were made."""
    for model, score in _probe(study, content, list(content["probe"])).items():
        if abs(score - content["probe"][model]) > CLOSE:
            made = ", ".join(f"{n} {v}" for n, v in content["versions"].items())
            raise ModelMismatch(
                f"{model} gives {score:.6f}, and gave {content['probe'][model]:.6f} when it was "
                f"packed (with {made}). Expected: the same. Use the workbook that made it."
            )
