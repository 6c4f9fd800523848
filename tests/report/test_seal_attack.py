"""Test labels changed behind the study's back change nothing before notebook 05 (slow)."""

import re
import shutil

import nbformat
import pandas as pd
import pytest
from conftest import QUICK
from radiogenomics.report import run
from radiogenomics.study.study import load_study

pytestmark = pytest.mark.slow
BEFORE = ["01", "02", "03", "04"]
PASSING = re.compile(r"\d+:\d\d|\d+(\.\d+)? (s|seconds|minutes)\b|data:image[^\"]*|[0-9a-f]{16}")


def told(study, number):
    """What a notebook printed and showed, but for times and digests."""
    path = next((study.reports / "notebooks").glob(f"{number}_*.ipynb"))
    texts = []
    for cell in nbformat.read(path, 4).cells:
        for output in cell.get("outputs", []):
            shown = output.get("data", {})
            printed = output.get("text", "") if output.get("name") == "stdout" else ""
            texts += [printed, shown.get("text/plain", ""),
                      shown.get("text/markdown", "")]  # fmt: skip
    return [PASSING.sub("", text) for text in texts if text]


def kept(study):
    """The names of all caches but the list of patients, which holds the labels."""
    files = (p.relative_to(study.derived) for p in study.derived.rglob("*") if p.is_file())
    return {p.as_posix() for p in files if p.parts[0] not in ("included", "run.lock")}


@pytest.fixture
def attacked(finished, tmp_path):
    """The study with test labels turned, its test patients in another order, and told everywhere.

    In the names of their files, and in a column that nobody uses.
    """
    folder = tmp_path / "data" / "tiny"
    shutil.copytree(finished.folder, folder)
    table = pd.read_csv(folder / "cohort.csv", dtype=str, keep_default_na=False)
    test = table.hospital == "B"
    table.loc[test, "label"] = table.label[test].map({"0": "1", "1": "0", "": ""})
    for i in table.index[test & (table.ct != "")]:
        old = folder / table.ct[i]
        if old.is_file():
            new = old.with_name(f"label_{table.label[i]}_{old.name}")
            old.rename(new)
            table.loc[i, "ct"] = new.relative_to(folder).as_posix()
    table["outcome"] = table.label
    order = [*table.index[~test], *table.index[test][::-1]]
    table.loc[order].to_csv(folder / "cohort.csv", index=False)
    study = load_study(folder, tmp_path / "reports", **QUICK)
    before = kept(study)
    run.run_study(study, only=BEFORE, overrides=QUICK)
    return study, before


def test_turned_test_labels_change_no_score_no_key_and_no_word(finished, attacked):
    study, before = attacked
    columns = ["model", "patient", "fold"]
    ours, theirs = (
        pd.read_csv(s.predictions_csv).drop(columns="label").sort_values(columns, ignore_index=True)
        for s in (study, finished)
    )
    theirs = theirs[theirs.model.isin(ours.model)].reset_index(drop=True)  # 05 adds the combined
    common = [c for c in ours if c in theirs]
    pd.testing.assert_frame_equal(ours[common], theirs[common], check_exact=True)
    assert kept(study) == before  # nothing was made anew: no key knows a test label
    for number in ("02", "03"):  # 04 also prints what TensorFlow says of its own work
        assert told(study, number) == told(finished, number), number
