"""A package of models: it predicts as its study does, holds nothing of a patient, is sealed."""

import dataclasses
import json
import shutil

import corpus
import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
from radiogenomics import cli
from radiogenomics.cohort.private import private_words
from radiogenomics.comparison import other_scores
from radiogenomics.new_patient import EXAMPLE, package, training
from radiogenomics.new_patient.dicom_out import MAP, REPORT, SEGMENT
from radiogenomics.report import mailable
from radiogenomics.study import tables
from radiogenomics.study.cells import read_cells
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import files_below, read_json

IMAGES = [str(EXAMPLE / f"{name}.nii.gz") for name in ("ct", "mask")]


@pytest.fixture(scope="module")
def packed(finished, tmp_path_factory):
    out = tmp_path_factory.mktemp("sent") / "models_of_a"
    package.write_package(finished, out)
    return out


@pytest.fixture
def sent(packed, tmp_path):
    """A copy that a test may spoil, far from its study."""
    return shutil.copytree(packed, tmp_path / "received")


def predicted(folder, out):
    assert cli.main(["predict", *IMAGES, "--study", str(folder), "--out", str(out),
                     "--sex", "F", "--smoking", "ex-smoker"]) == 1  # fmt: skip
    return read_json(out / "prediction.json")


def test_a_package_predicts_to_the_last_digit_as_its_study(finished, sent, tmp_path):
    here, there = predicted(finished.folder, tmp_path / "a"), predicted(sent, tmp_path / "b")
    assert here == there and set(here["probability"]) == {
        "Clinical", "LR", "SVM", "Bayes", "CNN", "Com"
    }  # fmt: skip
    page = (tmp_path / "b/07_new_patient.html").read_text("utf-8")
    assert "UserWarning" not in page and "Traceback" not in page
    assert "gradcam.nii.gz" in {p.name for p in (tmp_path / "b").iterdir()}


def test_it_holds_what_the_study_found_and_a_card_says_it(finished, packed):
    held, metrics = read_json(packed / training.PACKAGE), finished.table(tables.METRICS)
    assert held["format"] == training.FORMAT and held["patients"] == sum(
        held["with_label"].values()
    )
    auc = metrics[(metrics.metric == "auc") & (metrics.scores == "external")]
    for row in held["performance"]:
        if row["metric"] == "auc":
            assert row["value"] == auc[auc.model == row["model"]].value.iloc[0]
    card = (packed / package.CARD).read_text("utf-8")
    assert "Not a medical device" in card and "simulated patients" in card
    assert "support vectors are standardised feature rows" in card
    assert "no set is made" in card and "too few for distances" in card  # 20 patients
    groups = finished.table(tables.SUBGROUPS)
    ours = groups[(groups.model == held["primary"]) & (groups.variable != "hospital")]
    assert len(held["subgroups"]) == len(ours) > 0 and "### Subgroups" in card
    scores = pd.read_csv(finished.predictions_csv)
    one = scores[(scores.model == "LR") & scores.fold.notna()].score
    assert held["training_scores"]["LR"][50] == pytest.approx(one.median())


def test_it_holds_no_image_no_path_no_identifier_and_no_date(finished, packed):
    files = files_below(packed)
    assert {p.suffix for p in files} == {".json", ".md", ".skops", ".keras", ".sha256", ""}
    table = read_cells(finished.cohort_csv)
    findings = mailable.scan_folder(
        packed, [finished.folder / p for p in table.ct], [str(finished.folder.parent)], [],
        private_words(finished, table),
    )  # fmt: skip
    assert findings.empty
    text = "".join(p.read_text("utf-8") for p in files if p.suffix in (".json", ".md"))
    assert not any(name in text for name in table.patient)


def test_what_a_header_says_of_a_patient_stops_the_packing(finished, tmp_path, monkeypatch):
    secret = read_cells(finished.cohort_csv).patient.iloc[0]
    told = package.page("new_patient/card.md", **_facts(finished)) + f"{finished.folder}\n{secret}"
    monkeypatch.setattr(package, "say_card", lambda *_: told)
    with pytest.raises(StudyError, match=r"MODEL_CARD.md \(path"):
        package.write_package(finished, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _facts(finished):
    return training.known(finished) | {"without_svm": False}


def test_without_the_svm_nothing_of_it_is_there(finished, tmp_path):
    out = tmp_path / "out"
    assert cli.main(["package", str(finished.folder), str(out), "--without-svm"]) == 0
    assert not (out / "models/SVM.skops").exists() and not (out / "models/Com.skops").exists()
    assert "SVM" not in json.dumps(read_json(out / training.PACKAGE)["training_scores"])
    assert "were left out" in (out / package.CARD).read_text("utf-8")
    assert set(predicted(out, tmp_path / "new")["probability"]) == {
        "Clinical",
        "LR",
        "Bayes",
        "CNN",
    }


def changed(path, by=lambda text: text.replace("0", "1", 1)):
    path.write_text(by(path.read_text("utf-8")), "utf-8")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda p: changed(p / "package.json"), "package.json of received"),
        (lambda p: changed(p / "MODEL_CARD.md", lambda t: t + "!"), "MODEL_CARD.md of"),
        (lambda p: (p / "models/LR.skops").write_bytes(b"x"), "models/LR.skops of"),
        (lambda p: (p / "models/Bayes.skops").unlink(), "models/Bayes.skops of"),
        (lambda p: (p / "models/more.skops").write_bytes(b"x"), "models/more.skops of"),
        (lambda p: (p / "SHA256SUMS").unlink(), "is not as the package was written"),
        (lambda p: (p / "SHA256SUMS").write_text(""), "is not as the package was written"),
    ],
)
def test_tampering_is_refused_by_name(sent, tmp_path, capsys, spoil, named):
    spoil(sent)
    where = ["--study", str(sent), "--out", str(tmp_path / "out")]
    assert cli.main(["predict", *IMAGES, *where]) == 1
    assert named in capsys.readouterr().err


def rewritten(folder, **more):
    """Another package.json that its maker signed."""
    content = read_json(folder / training.PACKAGE) | more
    (folder / training.PACKAGE).write_text(json.dumps(content), "utf-8")
    (folder / package.SUMS).unlink()
    package._write_sums(folder)


def test_a_package_of_another_format_or_other_numbers_is_refused(sent):
    rewritten(sent, format=99)
    with pytest.raises(StudyError, match="package.json has format 99. Expected: 1"):
        training.known(package.open_models(sent))
    probe = read_json(sent / training.PACKAGE)["probe"]
    rewritten(sent, format=1, versions={"scikit-learn": "0.1"}, probe=probe)
    package.open_models(sent)  # another version that computes the same
    rewritten(sent, probe=probe | {"LR": probe["LR"] / 2})
    with pytest.raises(StudyError, match=r"LR gives .*, and gave .* \(with scikit-learn 0.1\)"):
        package.open_models(sent)


def test_a_folder_with_files_or_a_primary_model_left_out_is_refused(finished, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StudyError, match="holds other files. Expected: a new folder"):
        package.write_package(finished, tmp_path)
    plan = dataclasses.replace(finished.settings.plan, primary="SVM")
    other = dataclasses.replace(
        finished, settings=dataclasses.replace(finished.settings, plan=plan)
    )
    with pytest.raises(StudyError, match="the primary model is SVM, which this package would"):
        package.write_package(other, tmp_path / "out", without_svm=True)


def test_labelled_scores_of_a_hospital_are_read_by_compare(finished, sent, tmp_path, capsys):
    table = read_cells(finished.cohort_csv).set_index("patient", drop=False)
    rows = table.loc[["P021", "P024", "P022"]].assign(patient=["x", "y", "z"])  # labels 1, 1, 0
    rows["ct"] = [str(finished.folder / p) for p in rows.ct]
    rows.loc[rows.index[1], "mask"] = "Weissenfels.nii.gz"
    rows["mask"] = [str(finished.folder / p) for p in rows["mask"]]
    rows.to_csv(tmp_path / "new.csv", index=False)
    where = ["--study", str(sent), "--out", str(tmp_path / "b")]
    assert cli.main(["predict", "--cohort", str(tmp_path / "new.csv"), *where]) == 1
    assert "y: the mask is not there" in capsys.readouterr().out
    scores = other_scores.read_scores(tmp_path / "b/scores.csv")
    assert set(scores.patient) == {"x", "z"} and set(scores.cohort) == {"test"}
    known_labels = rows.set_index("patient").label.astype(int)
    assert all(scores.label == scores.patient.map(known_labels))
    assert any("1 patients have no score, with a reason" in line for line in scores.attrs["told"])


def test_a_folder_of_patients_is_scored_in_one_go(sent, tmp_path, capsys):
    for name in ("a", "b"):
        shutil.copytree(EXAMPLE, tmp_path / "patients" / name)
    (tmp_path / "patients/b/mask.nii.gz").unlink()
    where = ["--study", str(sent), "--out", str(tmp_path / "out")]
    assert cli.main(["predict", "--cohort", str(tmp_path / "patients"), *where]) == 1
    told = capsys.readouterr().out
    assert "b: CT b/ct.nii.gz; no mask chosen: none. Expected: one CT and one mask." in told
    scores = pd.read_csv(tmp_path / "out/scores.csv")
    assert set(scores[scores.score.notna()].patient) == {"a"}


def test_results_go_back_to_the_archive_as_dicom(sent, tmp_path, capsys):
    series = corpus.write_ct(tmp_path / "ct")
    mask = corpus.write_image(tmp_path / "mask.nii.gz", corpus.lesion())
    out, archive = tmp_path / "out", tmp_path / "archive"
    where = ["--study", str(sent), "--out", str(out), "--dicom", str(archive)]
    cli.main(["predict", str(series), str(mask), *where])
    assert {p.name for p in archive.iterdir()} == {SEGMENT, MAP, REPORT}
    assert "They identify the patient" in capsys.readouterr().out
    heat = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "gradcam.nii.gz")))
    held = pydicom.dcmread(archive / MAP)
    values = np.frombuffer(held.FloatPixelData, np.float32)
    assert values.size == heat.size and values.sum() == pytest.approx(heat.sum(), rel=1e-5)
    assert corpus.PATIENT_ID not in (out / "prediction.json").read_text()
