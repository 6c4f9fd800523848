"""A new patient's clinical predictors: any that the study names, each as the model knows it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from radiogenomics import new_patient
from radiogenomics.models import classical
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import Clinical, Settings
from radiogenomics.study.study import Study
from radiogenomics.study.values import overridden

PREDICTORS = ("sex", "age", "smoking", "stage")


@pytest.fixture
def fitted(tmp_path):
    """A study whose clinical model has a category, a number, smoking and a second category."""
    rng = np.random.default_rng(4)
    table = pd.DataFrame(
        {
            "sex": rng.choice(["female", "male"], 80),
            "age": rng.normal(60, 9, 80),
            "smoking": rng.choice(["never", "former", "current"], 80),
            "stage": rng.choice(["I", "II", "IV"], 80),
            "label": rng.integers(0, 2, 80),
        }
    )
    table["smoking_history"] = np.where(table.smoking == "never", "never", "ever")
    settings = dataclasses.replace(Settings(), clinical=Clinical(predictors=PREDICTORS))
    study = Study(tmp_path, tmp_path / "reports", settings)
    inputs = classical.clinical_columns(table, PREDICTORS)
    model = classical.clinical_model().fit(inputs, table.label)
    classical.save_model(study, "Clinical", model)
    return study, table, classical.probability(model, inputs)


@pytest.mark.parametrize("given", [("ct.nii.gz", ""), ("", "mask.nii.gz")])
def test_one_image_without_the_other_is_refused(given):
    with pytest.raises(StudyError, match="not named. Expected: both of one patient"):
        new_patient.read_images(*given)


def test_score_is_the_models_for_every_patient_it_was_fitted_on(fitted):
    study, table, expected = fitted
    people = table[list(PREDICTORS)].astype({"age": str}).to_dict("records")  # as a user types
    found = [new_patient.clinical_score(study, person) for person in people]
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stage": "III"}, "stage is 'III'. Expected: one of I, II, IV"),
        ({"age": "sixty"}, "age is 'sixty'. Expected: a number"),
        ({"smoking": "yes"}, "smoking is 'yes'. Expected: one of never, former, current"),
    ],
)
def test_a_value_that_the_model_does_not_know_is_refused(fitted, change, told):
    person = {"sex": "male", "age": 61, "smoking": "never", "stage": "I"} | change
    with pytest.raises(StudyError, match=told):
        new_patient.clinical_score(fitted[0], person)


def test_models_are_used_with_the_settings_they_were_fitted_with(fitted):
    study = fitted[0]
    with pytest.raises(StudyError, match="fitted.json is not there: notebook 03 writes it"):
        study.as_fitted()
    study.keep_fitted("radiomics", "clinical")
    study.keep_fitted("preprocessing")
    later = overridden(study.settings, {"background": "box", "bin_width": 10.0, "seed": 9})
    later = dataclasses.replace(later, clinical=Clinical(("sex",)))
    used = dataclasses.replace(study, settings=later).as_fitted().settings
    for section in ("radiomics", "clinical", "preprocessing"):
        assert getattr(used, section) == getattr(study.settings, section)
    assert used.seed == 9 and study.fitted_with()["seed"] == study.settings.seed
