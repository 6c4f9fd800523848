"""The built-in cohort: its promises are kept."""

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from radiogenomics.cohort import eligibility, reading
from radiogenomics.cohort.sources import phantom, phantom_scans, phantom_signals
from radiogenomics.images import description, inspection, scans
from radiogenomics.images.formats import content_hash
from radiogenomics.statistics import discrimination
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import read_json
from radiogenomics.study.study import load_study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "tiny"
    phantom.make_phantom(folder, 24, seed=3, faults=7, workers=2)
    return folder


def test_same_call_same_bytes(made, tmp_path):
    phantom.make_phantom(tmp_path / "again", 24, seed=3, faults=7, workers=1)
    for path in sorted(p for p in made.rglob("*") if p.is_file()):
        assert content_hash(path) == content_hash(tmp_path / "again" / path.relative_to(made)), path


def test_counts_and_faults(made):
    study = load_study(made)
    table = reading.read_cohort(study)
    left, out, _ = eligibility.exclude(study, table)
    failures = inspection.inspect_cohort(study, left)[2]
    left, out, _ = eligibility.exclude(study, table, failures)
    assert len(table) == 31 and len(left) == 24
    assert set(out.patient) == {f"F{i:03d}" for i in range(1, 8)}
    assert out.reason.nunique() == 7


def test_files_are_small_and_lesions_lie_in_their_box(made):
    table = pd.read_csv(made / "cohort.csv").head(24)
    for row in table.itertuples():
        assert (made / row.ct).stat().st_size < 4e6
        scan = scans.read_scan(made / row.ct, made / row.mask)
        assert not description.mask_row(scan, 0)["touches_border"]


def test_patients_of_one_person_go_to_one_hospital():
    drawn = phantom.draw_cohort(660, 1)
    person = phantom_scans.outlines()["lidc_patient"][drawn["_lesion"].to_numpy(int)]
    sides = [set(person[drawn.hospital == h]) for h in ("A", "B")]
    assert not sides[0] & sides[1] and drawn["_lesion"].nunique() == 660


JOINT = {  # female never, male never, female smoker, male smoker: the split that gives the AUCs
    ("train", 1): [167, 45, 5, 43],
    ("train", 0): [84, 46, 5, 133],
    ("test", 1): [35, 15, 0, 15],
    ("test", 0): [17, 12, 2, 36],
}


def test_sex_and_smoking_go_together_as_in_the_paper():
    drawn = phantom.draw_cohort(660, 1)
    ever = drawn.smoking != "never"
    for (side, label), expected in JOINT.items():
        rows = (drawn.cohort == side) & (drawn.label == label)
        female = drawn.sex == "female"
        found = [(rows & (female == f) & (ever == e)).sum() for e in (0, 1) for f in (1, 0)]
        assert found == expected


def test_soft_part_moves_forward_with_the_latent_and_keeps_its_share():
    mask = np.ones((10, 100, 10), bool)
    front, back = (phantom_scans.soft_part(mask, latent) for latent in (5.0, -5.0))
    assert np.nonzero(front)[1].mean() < 30 < 70 < np.nonzero(back)[1].mean()
    assert front.mean() == pytest.approx(phantom_scans.SOFT_FRACTION, abs=0.02)


def test_attainable_auc_is_what_a_large_draw_gives():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 20_000)
    place, offset = phantom._latents(labels, rng)
    where, weak = phantom_scans.separations()
    auc = discrimination.delong(labels, np.stack([where * place + weak * offset, offset]))[0]
    assert auc == pytest.approx(
        [phantom_scans.SIGNAL_AUC, phantom_scans.WHOLE_LESION_AUC], abs=0.006
    )


def test_outlines_are_read_by_lidcs_convention(monkeypatch):
    """A 5 x 5 outline encloses 3 x 3 pixels; a hole takes its own outline away too."""
    ring = [(x, y) for x in range(-2, 3) for y in range(-2, 3) if max(abs(x), abs(y)) == 2]
    ring.sort(key=lambda p: np.arctan2(p[1], p[0]))
    fake = {
        "polygon": np.array([[0, 0, 0, 1, 0, len(ring)], [0, 0, 0, 0, len(ring), 1]]),
        "vertices": np.array([*ring, (0, 0)]),
        "pixel_spacing_mm": np.array([0.7]),
        "slice_spacing_mm": np.array([1.0]),
    }
    monkeypatch.setattr(phantom_scans, "outlines", lambda: fake)
    mask, spacing = phantom_scans.outline_mask(0, 0)
    assert mask.sum() == 8 and spacing == (1.0, 0.7, 0.7)


def test_none_permutes_labels_within_hospitals():
    drawn = phantom.draw_cohort(120, 4)
    moved = phantom.permute_labels(drawn, 4)
    assert (moved.groupby("hospital").label.sum() == drawn.groupby("hospital").label.sum()).all()
    assert (moved.label != drawn.label).mean() > 0.3


@pytest.mark.parametrize("signal", ["volume", "scanner"])
def test_one_thing_alone_knows_the_label(signal):
    drawn = phantom.draw_cohort(660, 5, signal)
    paper = phantom.draw_cohort(660, 5)
    counts = [t.groupby(["hospital", "label"]).size() for t in (drawn, paper)]
    assert (counts[0] == counts[1]).all()
    assert sorted(drawn["_lesion"]) == sorted(paper["_lesion"])
    person = phantom_scans.outlines()["lidc_patient"][drawn["_lesion"].to_numpy(int)]
    assert not set(person[drawn.hospital == "A"]) & set(person[drawn.hospital == "B"])
    knows = {
        "volume": phantom_signals._volumes(drawn["_lesion"]),
        "scanner": phantom_signals._order(drawn["_scanner"]),
        "soft part": drawn["_place"],
        "offset": drawn["_offset"],
        "sex": drawn.sex == "female",
        "smoking": drawn.smoking == "never",
        "age": drawn.age,
    }
    test = (drawn.cohort == "test").to_numpy()
    labels = drawn.label.to_numpy()
    scores = np.array([np.asarray(values, float) for values in knows.values()])
    aucs = dict(zip(knows, discrimination.delong(labels, scores)[0], strict=True))
    own = aucs.pop(signal)
    assert own > 0.85 and all(abs(auc - 0.5) < 0.08 for auc in aucs.values()), (own, aucs)
    recipe = {"signal": signal}
    attainable = phantom_signals.truth(drawn, recipe)["attainable_auc"]
    in_test = discrimination.delong(labels[test], scores[:, test])[0][list(knows).index(signal)]
    assert attainable["image"]["test_patients"] == pytest.approx(in_test, abs=1e-4)
    assert attainable["image"]["population"] == pytest.approx(in_test, abs=0.1)
    assert attainable["clinical"] == {"population": 0.5, "test_patients": 0.5}


def test_scanners_attainable_auc_is_the_mean_of_many_cohorts():
    drawn = [phantom.draw_cohort(660, seed, "scanner") for seed in range(30)]
    known = [phantom_signals.truth(table, {"signal": "scanner"}) for table in drawn]
    images = [truth["attainable_auc"]["image"] for truth in known]
    mean = np.mean([one["test_patients"] for one in images])
    assert images[0]["population"] == pytest.approx(mean, abs=0.015)  # two standard errors


def test_truth_says_what_is_attainable(made):
    truth = read_json(made / "truth.json")
    assert truth["attainable_auc"]["image"]["population"] == 0.947
    assert len(truth["soft_part_y_mm"]) == 24


@pytest.mark.parametrize("patients", [5, 661])
def test_impossible_sizes_are_refused(tmp_path, patients):
    with pytest.raises(StudyError, match="Expected: 24 to 660"):
        phantom.make_phantom(tmp_path / "x", patients)


def test_another_study_is_never_overwritten(tmp_path):
    (tmp_path / "cohort.csv").write_text("mine")
    with pytest.raises(StudyError, match="holds another study"):
        phantom.make_phantom(tmp_path, 24)


def test_written_image_is_centred(tmp_path):
    phantom_scans._write_image(
        tmp_path / "a.nii.gz", np.zeros((3, 5, 7), np.uint8), (1.25, 0.7, 0.7)
    )
    image = sitk.ReadImage(tmp_path / "a.nii.gz")
    assert np.allclose(image.TransformIndexToPhysicalPoint((3, 2, 1)), 0, atol=1e-6)


def test_lesions_have_no_slice_without_outline_between():
    """Lesions 1 to 4 are outlined on every second slice, 105 lacks one: none shows it."""
    for lesion in (1, 2, 3, 4, 105):
        mask, _ = phantom_scans.outline_mask(lesion, 0)
        there = np.flatnonzero(mask.any(axis=(1, 2)))
        assert (np.diff(there) == 1).all(), lesion
        kept = phantom_scans.lesion_on_grid(lesion, 0, (61, 81, 81), (1.25, 0.7, 0.7))
        assert (np.diff(np.flatnonzero(kept.any(axis=(1, 2)))) == 1).all(), lesion


def test_slices_between_lie_between():
    mask = np.zeros((3, 9, 9), bool)
    mask[0, 1:8, 1:8], mask[2, 3:6, 3:6] = True, True
    filled = phantom_scans._filled_between(mask)
    assert np.array_equal(filled[[0, 2]], mask[[0, 2]])
    assert filled[1].sum() == 25 and filled[1, 2:7, 2:7].all()
