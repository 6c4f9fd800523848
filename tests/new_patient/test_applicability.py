"""What is refused, what is told to be unlike, what is noted: by scans and by what models read."""

import json

import corpus
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from radiogenomics.images.scans import read_scan
from radiogenomics.new_patient import applicability, prediction
from radiogenomics.new_patient.applicability import Applicability
from radiogenomics.new_patient.prediction import Prediction
from radiogenomics.statistics.conformal import Likeness, quantiles
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study
from radiogenomics.study.words import say

RANGES = {
    "volume_mm3": [100.0, 5000.0], "mean_hu": [-800.0, 100.0], "lung_near": [0.2, 1.0],
    "air_share": [0.0, 0.1], "thickness_mm": [1.0, 2.0], "kernel": ["B30f"], "scanner": [],
}  # fmt: skip


def made(thick=1.25, ground=-700, lesion=-20, spread=50, **known):
    """A scan of noise around `ground` HU with a lesion; slices of so many mm."""
    hu = np.random.default_rng(1).normal(ground, spread, corpus.SHAPE).astype(np.int16)
    mask = corpus.lesion()
    hu[mask == 1] = lesion
    return hu, mask, thick


def scan_of(folder, thick=1.25, ground=-700, lesion=-20, spread=50):
    hu, mask, _ = made(thick, ground, lesion, spread)
    grid = {"spacing": (0.7, 0.8, thick)}
    ct = corpus.write_image(folder / "ct.nii.gz", hu, **grid)
    return read_scan(ct, corpus.write_image(folder / "mask.nii.gz", mask, **grid))


def known(**more):
    grid = quantiles(np.linspace(0, 1, 60))
    low, high = quantiles(np.linspace(0, 0.7, 40)), quantiles(np.linspace(0.3, 1, 40))
    return {
        "label": "EGFR mutant", "synthetic": False, "models": ["LR", "CNN"], "primary": "CNN",
        "ranges": RANGES, "signature": {}, "network": {}, "performance": [], "thresholds": {},
        "training_scores": {"LR": grid, "CNN": grid}, "with_label": {"0": 40, "1": 40},
        "by_label": {"0": {"LR": low, "CNN": low}, "1": {"LR": high, "CNN": high}},
    } | more  # fmt: skip


def test_a_scan_of_the_training_kind_has_nothing_against_it(tmp_path):
    seen = applicability.of_scan(known(), scan_of(tmp_path))
    assert seen == Applicability() and seen.applicable


@pytest.mark.parametrize(
    ("scan", "told"),
    [
        ({"ground": 400, "lesion": 700}, "an image in HU has air below -500"),  # an MR
        ({"ground": 40, "spread": 20, "lesion": 60}, "an image in HU has air"),  # within the head
        ({"ground": -800, "lesion": -950, "spread": 60}, "of the outline is air"),
    ],
)
def test_what_is_no_chest_ct_is_refused_before_a_model_is_asked(tmp_path, scan, told):
    seen = applicability.of_scan(known(), scan_of(tmp_path, **scan))
    assert told in " ".join(seen.refused) and not seen.applicable


def test_a_head_ct_with_air_around_it_has_no_lung_near_the_outline(tmp_path):
    hu, mask, _ = made(ground=40, spread=20, lesion=60)
    hu[0] = -1000  # room air
    ct, drawn = (corpus.write_image(tmp_path / f"{n}.nii.gz", a) for n, a in
                 (("ct", hu), ("mask", mask)))  # fmt: skip
    seen = applicability.of_scan(known(), read_scan(ct, drawn))
    assert "0% of the 30 mm around the outline is lung" in seen.refused[0]


def test_a_ct_series_that_is_an_mr_or_of_another_body_part_is_refused(tmp_path):
    from radiogenomics.study.errors import ImageFault

    mask = corpus.write_image(tmp_path / "mask.nii.gz", corpus.lesion())
    series = corpus.write_ct(tmp_path / "mr", Modality="MR")
    with pytest.raises(ImageFault, match="CT"):
        read_scan(series, mask)
    head = corpus.write_ct(tmp_path / "head", BodyPartExamined="HEAD")
    seen = applicability.of_scan(known(), read_scan(head, mask))
    assert "another part of the body" in seen.refused[0]


def test_thick_slices_are_unlike_and_slightly_thicker_ones_a_note(tmp_path):
    thick = applicability.of_scan(known(), scan_of(tmp_path, thick=5.0))
    assert thick.unlike == (
        "The slices are 5 mm thick; the training patients' at most 2 mm. Expected: thin slices.",
    )
    assert not thick.applicable and not thick.refused
    between = applicability.of_scan(known(), scan_of(tmp_path, thick=2.5))
    assert between.applicable and "Slice thickness (mm) is 2.5" in between.notes[0]


def test_ranges_and_kernels_outside_those_of_training_are_notes(tmp_path):
    ranges = RANGES | {"volume_mm3": [1.0, 2.0]}
    seen = applicability.of_scan(known(ranges=ranges), scan_of(tmp_path))
    assert seen.applicable and seen.notes[0].startswith("Volume (mm³) is")
    mask = corpus.write_image(tmp_path / "m.nii.gz", corpus.lesion())
    ct = corpus.write_ct(tmp_path / "ct", ConvolutionKernel="B70f")
    notes = applicability.of_scan(known(), read_scan(ct, mask)).notes
    assert "No training patient's CT has this kernel (B70f)." in notes


def likeness(values, limit):
    fitted = {n: v if v is None else np.asarray(v).tolist() for n, v in
              vars(Likeness(values)).items()}  # fmt: skip
    return json.loads(json.dumps({"distance": fitted, "limit": limit}))


def test_distant_values_are_unlike_and_few_training_patients_have_ranges_alone():
    values = np.random.default_rng(2).normal(size=(60, 3))
    held = {"names": ["a", "b", "c"], "lowest": [-3, -3, -3], "highest": [3, 3, 3]}
    near, far = pd.Series({"a": 0, "b": 0, "c": 0}), pd.Series({"a": 9, "b": 0, "c": -9})
    full = known(signature=held | likeness(values, 4.0), network=likeness(values, 4.0))
    assert applicability.of_values(full, near, np.zeros(3)) == Applicability()
    seen = applicability.of_values(full, far, far.to_numpy(float))
    assert len(seen.unlike) == 2 and "the network's last layer" in seen.unlike[1]
    assert seen.notes == ("2 of 3 signature features lie outside the training patients' range "
                          "(a, c).",)  # fmt: skip
    few = applicability.of_values(known(signature=held), far, None)
    assert few.applicable and len(few.notes) == 1


def found(score, seen=None):
    return Prediction({"LR": score, "CNN": score}, seen or Applicability())


def test_sets_are_made_from_20_patients_of_a_label_and_for_patients_of_the_kind_alone():
    for score, labels in ((0.95, [1]), (0.05, [0]), (0.5, [0, 1])):
        assert set(prediction.labels_of(known(), found(score), "CNN")) == set(labels)
    assert prediction.labels_of(known(with_label={"0": 19, "1": 60}), found(0.9), "CNN") is None
    assert prediction.labels_of(known(), found(0.9, Applicability(unlike=("far",))), "CNN") is None


def study():
    return Study(None, None, Settings())


def verdict(score, **more):
    facts = prediction.reading(study(), known(**more), found(score))
    return say("new_patient", "verdict", **facts)


def test_the_verdict_says_where_the_patient_stands():
    text = verdict(0.95, thresholds={"CNN": {"youden": 0.6, "declared": 0.7}})
    assert "probability of EGFR mutant **0.95**" in text
    assert "at or above the declared cut-off of 0.70" in text
    assert "the other label is ruled out: **EGFR mutant**" in text
    assert "the model **cannot say**" in verdict(0.5)
    assert [part.split()[0] for part in text.split("\n\n")] == ["Nothing", "CNN,", "The"]
    assert "below the training patients' Youden cut-off" in verdict(
        0.1, thresholds={"CNN": {"youden": 0.6}}
    )
    row = {"model": "CNN", "cohort": "test", "metric": "calibration_slope", "value": 0.8,
           "ci_low": 0.5, "ci_high": 1.1}  # fmt: skip
    assert "In test its calibration slope was 0.80 (0.50 to 1.10)" in verdict(
        0.5, performance=[row]
    )


def test_a_score_of_0_and_a_slope_that_is_not_defined_are_said(tmp_path):
    row = {"model": "CNN", "cohort": "test", "metric": "calibration_slope", "value": None,
           "ci_low": None, "ci_high": None}  # fmt: skip
    text = verdict(0.0, performance=[row])
    assert "**0.00**, higher than 0% of the training patients" in text and "slope" not in text


def test_a_refused_patient_has_reasons_and_no_number():
    refused = Prediction({}, Applicability(refused=("It is a stone.",)))
    text = say("new_patient", "verdict", **prediction.reading(study(), known(), refused))
    assert text.startswith("**Not applicable: the models were not asked.** It is a stone.")
    assert "probability of" not in text and prediction.table(known(), refused).empty
    unlike = found(0.9, Applicability(unlike=("It is a horse.",)))
    text = say("new_patient", "verdict", **prediction.reading(study(), known(), unlike))
    assert "do not know patients of this kind.** It is a horse." in text and "0.90" in text


def test_predict_asks_no_model_where_the_scan_is_refused(tmp_path):
    scan = scan_of(tmp_path, ground=400, lesion=700)
    seen = prediction.predict(study(), known(), scan, {})  # a study that has no models at all
    assert seen.scores == {} and seen.volume is None and seen.applicability.refused


def test_scans_are_judged_by_what_their_file_holds_whatever_its_axes(tmp_path):
    scan = scan_of(tmp_path, thick=5.0)
    turned = sitk.DICOMOrient(sitk.ReadImage(str(tmp_path / "ct.nii.gz")), "RAI")
    sitk.WriteImage(turned, str(tmp_path / "turned.nii.gz"))
    again = read_scan(tmp_path / "turned.nii.gz", tmp_path / "mask.nii.gz")
    assert applicability.of_scan(known(), again) == applicability.of_scan(known(), scan)
