"""Whatever a user's files hold: they are read, or refused in one sentence (hypothesis, slow)."""

import tempfile
from pathlib import Path

import corpus
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from radiogenomics.cohort import eligibility, reading
from radiogenomics.comparison import other_scores
from radiogenomics.images import inspection
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study, load_study

pytestmark = pytest.mark.slow
MANY = settings(
    max_examples=300, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
WORDS = some.one_of(
    some.text(max_size=8),
    some.sampled_from(["", "0", "1", "-1", "1e400", "nan", "NaN", "inf", "1,5", "=1+1", "@x", "A",
                       "B", "P00", "P00 ", "train", "test", "female", "2021-02-30", "../x", "\x00",
                       "a;b", '"', "\n", "\ufeff", "𝟙", "１", "0x1", "True", "None"]),
)  # fmt: skip
SCORES = pd.DataFrame(
    {"patient": [f"P{i}" for i in range(12)], "label": [str(i % 2) for i in range(12)],
     "model": "A", "score": [f"0.{i + 1:02d}" for i in range(12)]}
)  # fmt: skip
KEYS = ["seed", "title", "cnn.epochs", "label.column", "cohorts.train", "plan.primary", "no.such"]


@some.composite
def spoiled(draw, table):
    """A table of text with cells, columns and rows changed."""
    table = table.copy()
    for _ in range(draw(some.integers(0, 4))):
        row = draw(some.integers(0, len(table) - 1))
        table.iloc[row, draw(some.integers(0, table.shape[1] - 1))] = draw(WORDS)
    if draw(some.booleans()):
        table = table.iloc[:, draw(some.permutations(range(table.shape[1])))]
    if draw(some.integers(0, 4)) == 0:
        table = table.drop(columns=draw(some.sampled_from(list(table))))
    if draw(some.integers(0, 4)) == 0:
        table = table.rename(columns={draw(some.sampled_from(list(table))): draw(WORDS)})
    if draw(some.integers(0, 4)) == 0:
        table = pd.concat([table, table.head(draw(some.integers(1, 3)))])
    text = table.to_csv(index=False, sep=draw(some.sampled_from(",;"))).encode()
    return flipped(draw, text) if draw(some.integers(0, 3)) == 0 else text


def flipped(draw, content):
    """Bytes of which a few are others, or which end early."""
    content = bytearray(content)
    for _ in range(draw(some.integers(0, 5))):
        content[draw(some.integers(0, len(content) - 1))] = draw(some.integers(0, 255))
    return bytes(content[: draw(some.integers(1, len(content)))] if draw(some.booleans())
                 else content)  # fmt: skip


def refused(fault):
    """Assert that a refusal is for people: short, and with a remedy."""
    assert len(str(fault)) > 20 and "Traceback" not in str(fault)


@MANY
@given(spoiled(corpus.cohort_table()))
def test_any_cohort_table_is_read_or_refused(content):
    with tempfile.TemporaryDirectory() as place:
        study = Study(Path(place), Path(place) / "reports", Settings(workers=1))
        study.cohort_csv.write_bytes(content)
        try:
            table = reading.read_cohort(study)
            left, out, _ = eligibility.exclude(study, table, complete=False)
        except StudyError as fault:
            refused(fault)
            return
    assert table.patient.is_unique and (table.patient != "").all()
    assert set(table.label.dropna()) <= {0, 1}
    assert len(left) + len(out) == len(table)


@MANY
@given(spoiled(SCORES))
def test_any_table_of_scores_is_read_or_refused(content):
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "scores.csv"
        path.write_bytes(content)
        try:
            table = other_scores.read_scores(path)
        except StudyError as fault:
            refused(fault)
            return
    assert table.score.notna().all() and set(table.label) <= {0, 1}
    assert not table.duplicated(["patient", "model", "cohort"]).any()


@MANY
@given(some.dictionaries(some.sampled_from(KEYS), WORDS, max_size=3), some.data())
def test_any_settings_are_read_or_refused(asked, data):
    lines = [f"{key} = {value}" for key, value in asked.items()]
    content = flipped(data.draw, "\n".join(["seed = 1", *lines]).encode("utf-8", "replace"))
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "study.toml").write_bytes(content)
        try:
            read = load_study(place).settings
        except StudyError as fault:
            refused(fault)
            return
    assert read.seed >= 0 and read.cnn.epochs >= 1


@pytest.fixture(scope="module", params=["ct.nii.gz", "ct.nii", "ct.mha", "ct.nrrd", "series"])
def ct(request, tmp_path_factory):
    """A case, its CT in one format, and the file of it that is damaged."""
    case = corpus.good_case(tmp_path_factory.mktemp("good"))
    path = case.ct if request.param == "series" else case.new_ct(name=request.param)
    file = sorted(path.iterdir())[2] if path.is_dir() else path
    return lambda: (case, path, file)  # not the bytes: a failing example is printed


@settings(MANY, max_examples=100)
@given(data=some.data())
def test_any_damage_of_an_image_excludes_the_patient_with_a_reason(ct, data):
    case, path, file = ct()
    content = file.read_bytes()
    file.write_bytes(flipped(data.draw, content))
    row = {"patient": "P1", "ct": str(path), "mask": str(case.mask), "mask_label": "",
           "mask_2": ""}  # fmt: skip
    try:
        record = inspection._inspect_one(row, Settings())
    finally:
        file.write_bytes(content)
    if record["reason"]:
        assert len(record["reason"]) > 20
        assert str(file.parent) not in record["reason"]
    else:
        assert record["mask"]["voxels"] > 0
