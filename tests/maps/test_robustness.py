"""Outlines are moved by what they should be, and scores are compared with themselves."""

import numpy as np
import pandas as pd
from radiogenomics.cohort import included
from radiogenomics.maps import robustness
from radiogenomics.models import network, predictions
from radiogenomics.study import tables
from radiogenomics.study.words import say


def test_table_of_a_run_holds_every_test_patient_and_change(finished):
    table = pd.read_csv(finished.tables / "cnn_robustness.csv", keep_default_na=False)
    table = table.assign(changed=pd.to_numeric(table.changed))
    found = predictions.select(predictions.read_scores(finished), "external")
    score = found[found.model == "CNN"].set_index("patient").score
    counts = table.groupby("change", sort=False).patient.nunique()
    assert counts.index[:2].tolist() == ["outline 1 mm smaller", "outline 1 mm larger"]
    assert (counts.drop("second reader's outline", errors="ignore") == len(score)).all()
    assert np.allclose(table.score, table.patient.map(score), atol=1e-6)
    known = table.dropna(subset="changed")
    assert (known.reason == "").all() and (known.score != known.changed).mean() > 0.9
    assert (table[table.changed.isna()].reason != "").all()


def test_scores_of_other_outlines_are_kept(finished, monkeypatch):
    monkeypatch.setattr(robustness, "_outlined_anew", lambda *_: 1 / 0)
    _, test = included.split(included.load_patients(finished))
    again = robustness.robustness_table(finished, network.load_network(finished), test)
    table = finished.table(tables.CNN_ROBUSTNESS)
    drawn = table.change.str.contains("outline")
    assert drawn.sum() >= 2 * len(test)
    both = again.changed[drawn], table.changed[drawn]
    assert np.allclose(*both, rtol=1e-12, equal_nan=True)


def test_summary_counts_calls_and_lost_lesions_and_says_them():
    table = pd.DataFrame(
        {
            "patient": list("abc") * 2,
            "change": ["smaller"] * 3 + ["moved"] * 3,
            "score": [0.4, 0.6, 0.9] * 2,
            "changed": [0.6, np.nan, 0.8, 0.4, 0.6, 0.9],
        }
    )
    table["difference"] = table.changed - table.score
    summary = robustness.robustness_summary(table)
    assert summary.calls_changed.tolist() == [1, 0] and summary.lost.tolist() == [1, 0]
    text = say("maps", "robustness", **robustness.farthest(summary))
    assert "*smaller*" in text and "1 of 2 patients" in text and "1 of 3 lesions" in text


def test_one_patient_has_no_spread_and_none_no_number():
    one = pd.DataFrame({"change": ["moved"], "n": [1], "mean_difference": [0.1], "sd": [np.nan],
                        "largest": [0.1], "calls_changed": [0], "lost": [2]})  # fmt: skip
    text = say("maps", "robustness", **robustness.farthest(one))
    assert "*moved*: at most 0.100" in text and "SD" not in text
    lost = say("maps", "robustness", **robustness.farthest(one.assign(n=0)))
    assert lost.startswith("No score could be obtained")
