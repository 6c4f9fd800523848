"""What `workbook predict` and `workbook package` do with their arguments."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from radiogenomics.images import lesions
from radiogenomics.new_patient import predicting
from radiogenomics.new_patient.package import CARD, open_models, write_package
from radiogenomics.new_patient.prediction import elsewhere
from radiogenomics.study import design
from radiogenomics.study.errors import DONE, FAULTS, ONE_OR_SEVERAL, UsageError
from radiogenomics.study.files import read_json
from radiogenomics.study.progress import progress
from radiogenomics.study.study import Study
from radiogenomics.study.words import listed, say


def predict(given: argparse.Namespace, folder: Path) -> int:
    """Score new patients with the models of a study or a package; return the exit status.

    Raises:
        UsageError: of a study with images, no mask is named.
        StudyError: the models or a patient's images cannot be used.
    """
    study = open_models(folder, given.reports)
    if given.cohort:
        return _predict_table(study, given.cohort, given.out)
    if design.imaged(study.settings) and not given.mask:
        raise UsageError(ONE_OR_SEVERAL)
    patient = {
        "ct": str(given.ct.resolve()) if given.ct else "",
        "mask": str(given.mask.resolve()) if given.mask else "",
        "mask_label": given.mask_label,
        "box": "",
        "lesions": lesions.of_mask(study.settings.lesions),
        **{
            n: predicting.read_code(n, getattr(given, n), study.settings.codes)
            for n in ("sex", "smoking")
        },
        "clinical": dict(given.clinical),
    }
    html = predicting.run_prediction(study, patient, given.out)
    found = read_json(given.out / predicting.PREDICTION)
    print("\n".join([found["words"], json.dumps(found, indent=1), f"Open {html}"]))
    if given.dicom:
        files = predicting.export_dicom(patient, given.out, given.dicom)
        print(say("new_patient", "exported", files=[p.name for p in files], folder=given.dicom))
    return DONE if found["applicable"] else FAULTS


def _predict_table(study: Study, path: Path, out: Path) -> int:
    patients = predicting.read_patients(study, path)
    table = predicting.run_predictions(study, patients, out, progress("patients scored"))
    told, failed = table[table.reason.notna()].drop_duplicates("patient"), table.model.isna()
    for row in told.itertuples():
        print(f"{row.patient}: {row.reason}")
    counts = f"{len(patients) - failed.sum()} scored, {failed.sum()} not"
    print(
        f"{len(patients)} patients: {counts}; {len(told) - failed.sum()} scored but not applicable"
    )
    if model := elsewhere(study):
        print(say("new_patient", "elsewhere", model=model))
    print(f"Open {out / 'scores.csv'}; each patient's page lies in a folder beside it")
    return FAULTS if len(told) else DONE


def package(given: argparse.Namespace, study: Study) -> int:
    """Write a study's models as a package; return the exit status.

    Raises:
        StudyError: as `write_package`.
    """
    content = write_package(study, given.out, given.without_svm)
    print(f"{listed(content['models'])} are in {given.out}. Read {CARD} before you send it.")
    return DONE
