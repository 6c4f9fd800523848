"""Table 1 describes the patients as the paper does."""

from pathlib import Path

import numpy as np
import pandas as pd
from radiogenomics.cohort import table1
from radiogenomics.cohort.sources import phantom
from radiogenomics.study.settings import Clinical, Label, Settings
from radiogenomics.study.study import Study
from radiogenomics.study.words import say


def test_table_by_cohort_counts_both_cohorts():
    drawn = phantom.draw_cohort(120, 3)
    table = table1.table1(drawn, "cohort", 1, ("sex",)).set_index("level")
    for side, rows in drawn.groupby("cohort"):
        female = (rows.sex == "female").sum()
        assert table.loc["female", side] == f"{female} ({100 * female / len(rows):.1f})"
        assert table.loc["n", side] == str(len(rows))
    female = (drawn.sex == "female").sum()
    assert table.loc["female", "all"] == f"{female} ({100 * female / 120:.1f})"
    assert table.loc["female", "method"] == "chi-square" and table.loc["n", "all"] == "120"


def test_table_1_holds_the_predictors_and_leaves_out_what_nobody_knows():
    drawn = phantom.draw_cohort(120, 3).assign(stage=None, pack_years=np.arange(120.0))
    drawn.loc[drawn.cohort == "test", "cea"] = None
    settings = Settings(clinical=Clinical(("sex", "smoking", "pack_years")))
    columns = table1.described(Study(Path(), Path(), settings))
    table = table1.table1(drawn, "cohort", 1, columns).set_index("characteristic")
    assert "stage" not in table.index and table.loc["pack_years", "level"] == "mean ± SD"
    nobody = table1.table1(drawn[["cohort"]], "cohort", 1)
    assert nobody.level.tolist() == ["n"] and len(table1.shown(nobody, Label())) == 1
    told = say("cohort", "table1", **table1.clearest(nobody))
    assert told == "No characteristic could be tested."


def test_660_patients_give_the_papers_table_1():
    drawn = phantom.draw_cohort(660, 2024)
    ever = drawn.smoking.map({"never": "never"}).fillna("ever")
    table = table1.table1(drawn.assign(smoking_history=ever), "label", 1)
    cell = table.set_index(["characteristic", "level"])
    expected = {
        ("age", "mean ± SD"): ("57.91 ± 9.39", "57.36 ± 9.22"),
        ("sex", "male"): ("227 (67.8)", "118 (36.3)"),
        ("smoking_history", "ever"): ("176 (52.5)", "63 (19.4)"),
        ("cea", "high"): ("208 (62.1)", "190 (58.5)"),
        ("lobe", "RML"): ("15 (4.5)", "26 (8.0)"),
        ("stage", "IV"): ("57 (17.0)", "76 (23.4)"),
    }
    for key, pair in expected.items():
        assert (cell.loc[key, "0"], cell.loc[key, "1"]) == pair
    p = table.dropna(subset="p").set_index("characteristic").p.to_dict()
    assert p == {
        "age": "0.448",
        "sex": "<0.001",
        "smoking_history": "<0.001",
        "cea": "0.341",
        "lobe": "0.330",
        "stage": "0.234",
    }


def test_interval_table_counts_days_by_cohort():
    days = pd.DataFrame(
        {"cohort": ["train"] * 5 + ["test"], "interval_days": [1, 3, 5, 7, None, 9]}
    )
    found = table1.interval_table(days).set_index("cohort")
    assert found.loc["train"].tolist() == [4, 2.5, 4, 5.5, 7, 1]
    assert found.loc["test", ["n", "longest", "not_known"]].tolist() == [1, 9, 0]
    assert table1.interval_table(days[["cohort"]]).not_known.tolist() == [1, 5]


def test_sentences_say_what_chance_makes():
    rng = np.random.default_rng(5)
    n = 90
    drawn = pd.DataFrame({"cohort": ["train"] * 60 + ["test"] * 30, "label": [0, 1] * 45})
    drawn["age"], drawn["sex"] = rng.normal(60, 9, n), ["female", "male", "male"] * 30
    drawn["stage"] = np.resize(["I", "II", "III", "IV"], n)
    quiet = table1.table1(drawn, "cohort", 1, ("age", "sex", "stage"))
    told = say("cohort", "table1_cohorts", **table1.differences(quiet))
    assert "but none by more than expected by chance" in told
    drawn.loc[drawn.cohort == "test", "age"] += 20
    table = table1.table1(drawn, "cohort", 1, ("age", "sex", "stage"))
    assert table1.differences(table)["beyond_chance"] == ["age"]
    told = say("cohort", "table1", **table1.clearest(quiet))
    assert told.startswith("No characteristic differs significantly")
    told = say("cohort", "table1", **table1.clearest(table))
    assert told.startswith("The labels differ most in **age**")
