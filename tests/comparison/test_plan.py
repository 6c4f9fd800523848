"""Who is judged follows the plan, never the highest AUC."""

import pytest
from radiogenomics.comparison import plan
from radiogenomics.study.errors import SettingsFault
from radiogenomics.study.settings import Plan

MODELS = ["Clinical", "LR", "SVM", "CNN", "Com", "Com_in_sample"]


@pytest.mark.parametrize(
    ("declared", "models", "expected"),
    [
        (Plan(), MODELS, ("CNN", "Clinical", False)),
        (Plan(primary="LR"), MODELS, ("LR", "Clinical", True)),
        (Plan(primary="Clinical", reference="LR"), MODELS, ("Clinical", "LR", True)),
        (Plan(primary="Clinical"), MODELS, ("Clinical", "", True)),
        (Plan(reference="CNN"), MODELS, ("Clinical", "CNN", False)),
        (Plan(), ["mine", "theirs"], ("mine", "", False)),
        (Plan(), ["Com_in_sample"], ("Com_in_sample", "", False)),
    ],
)
def test_primary_and_reference(declared, models, expected):
    assert tuple(plan.judged(declared, models)) == expected


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        (Plan(primary="XGB"), r"\[plan\] primary names 'XGB'. Expected: one of Clinical, LR"),
        (Plan(reference="Com_in_sample"), "reference names 'Com_in_sample'"),
        (Plan(primary="LR", reference="LR"), "names 'LR' twice"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(declared, says):
    with pytest.raises(SettingsFault, match=says):
        plan.judged(declared, MODELS)
