"""The audit finds what was computed by hand from the paper's printed numbers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from radiogenomics import cli, paper_audit
from radiogenomics.comparison.paper import PRINTED, load_paper, paper_of, table2
from radiogenomics.models import network as cnn
from radiogenomics.report import execution, pages
from radiogenomics.statistics.discrimination import delong, delong_interval
from radiogenomics.study import tables
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import CNN
from radiogenomics.study.study import load_study
from radiogenomics.study.words import say
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

PAPER = load_paper()


def test_p_values_are_those_of_the_printed_counts():
    found = paper_audit.table1(PAPER).set_index("characteristic")
    assert found.chi_square["cea"] == pytest.approx(0.340901, abs=5e-7)
    assert found.yates["cea"] == pytest.approx(0.3828, abs=5e-5)
    assert found.chi_square["lobe"] == pytest.approx(0.329666, abs=5e-7)
    assert found.chi_square["stage"] == pytest.approx(0.234252, abs=5e-7)
    assert found.welch["age"] == pytest.approx(0.44798, abs=5e-6)
    assert found.student["age"] == pytest.approx(0.44811, abs=5e-6)
    assert (found.reproduced_by != "").all() and "yates" not in found.reproduced_by["cea"]


def test_counts_behind_the_cnns_row():
    assert paper_audit.attainable(0.938, 65) == [61] and paper_audit.attainable(0.955, 67) == [64]
    assert paper_audit.attainable(0.938, 132) == [] and paper_audit.attainable(0.934, 260) == []
    assert paper_audit.attainable(0.951, 268) == [255]
    found = paper_audit.proportions(PAPER)
    gone = found[~found.attainable]
    assert set(gone.model) == {"CNN"}
    assert set(zip(gone.cohort, gone.metric, strict=True)) >= {
        ("test", "accuracy"),
        ("train", "sensitivity"),
    }


def test_accuracy_contradicts_and_equals_the_sensitivity():
    found = paper_audit.consistency(PAPER).set_index(["model", "cohort"])
    assert not found.consistent["CNN", "test"] and not found.consistent["CNN", "train"]
    assert found.consistent["Clinical", "test"] and found.consistent["SVM", "train"]
    assert found.implied_accuracy["CNN", "test"] == pytest.approx(125 / 132, abs=1e-3)
    assert found.accuracy_is_sensitivity[["CNN"]].all()
    assert found.two_point_auc["CNN", "test"] == pytest.approx(0.94684, abs=5e-4)


def test_the_cnns_intervals_are_those_of_an_accuracy():
    found = paper_audit.interval_kinds(PAPER).set_index(["model", "cohort"]).sort_index()
    assert found.binomial["CNN", "train"] == "498/528"
    assert found.binomial["CNN", "test"] == "125/132"
    assert (found.drop("CNN").binomial == "").all()
    clinical = found.loc[("Clinical", "test")]
    assert clinical.width == pytest.approx(0.143) and clinical.width_95 == pytest.approx(
        0.18, abs=0.01
    )
    assert 0.85 < clinical.level < 0.93


def test_parameters_by_hand_are_the_networks():
    network = PAPER["network"]
    pooled, flat = paper_audit.parameters(network), paper_audit.parameters(network, flattened=True)
    assert pooled == {"trained": 1_296_130, "moving": 960, "all": 1_297_090}
    assert flat["all"] == pytest.approx(5.36e6, rel=1e-3)
    assert cnn.build((32, 64, 64), CNN(), 1).count_params() == pooled["all"]
    assert PAPER["network"]["parameters"] == pooled["all"]


@example((267, 400))
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_every_count_is_attainable_by_its_own_print(pair):
    k, n = pair
    assert k in paper_audit.attainable(round(k / n, 3), n)


def test_another_papers_file_goes_through_the_notebook(finished, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(PRINTED.read_text().replace('p = "0.341"', 'p = "0.383"'))
    output = tmp_path / "08.ipynb"
    given = {"folder": str(finished.folder), "reports": str(tmp_path), "paper": str(other)}
    execution.run_notebook(pages.NOTEBOOKS / "08_paper_audit.ipynb", output, given)
    table = pd.read_csv(tmp_path / "tables" / "audit_table1.csv").set_index("characteristic")
    assert table.reproduced_by["cea"] == "yates" and "synthetic" not in table
    ours = finished.table(tables.AUDIT_TABLE1).set_index("characteristic")
    assert ours.reproduced_by["cea"] == "chi_square"


def test_other_papers_are_read_and_faults_told(tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(PRINTED.read_text().replace("0.685, 0.608", "0.700, 0.600"))
    assert table2(load_paper(other)).published[4] == 0.7
    other.write_text(PRINTED.read_text().replace("[0.706, 0.669, ", "[0.706, "))
    with pytest.raises(StudyError, match=r"\[table2.LR\] train = .*six numbers"):
        load_paper(other)
    other.write_text('title = "x"')
    assert (
        paper_audit.table1(load_paper(other)).empty
        and paper_audit.proportions(load_paper(other)).empty
    )
    other.write_text("decimals = 2")
    with pytest.raises(StudyError, match="other.toml lacks title"):
        load_paper(other)
    with pytest.raises(StudyError, match="is not there"):
        load_paper(tmp_path / "gone.toml")


def test_a_papers_file_is_sought_in_the_study_then_beside_it(tmp_path):
    study = tmp_path / "data" / "mine"
    study.mkdir(parents=True)
    (study / "study.toml").write_text('[paper]\nfile = "other.toml"')
    with pytest.raises(StudyError, match="mine.other.toml is not there"):
        paper_of(load_study(study))
    for place, title in ((study.parent, "beside"), (study, "within")):
        text = f'title = "{title}"\nlabel = "EGFR mutant"'
        (place / "other.toml").write_text(text)
        assert paper_of(load_study(study))["title"] == title
    (study / "study.toml").write_text("")
    assert paper_of(load_study(study)) == PAPER


def test_a_paper_that_prints_less_goes_through_the_notebook(finished, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(
        """title = "Another paper"
[cohorts]
test = { n = 40, events = 10 }
[table1.age]
groups = [[61.0, 8.0, 20], [58.0, 9.0, 12], [65.0, 7.5, 8]]
p = "0.19"
[table1.stage]
counts = [[8, 7, 5], [3, 6, 3], [1, 2, 5]]
p = ">0.05"
[table2.Net]
test = { auc = 1.0, auc_low = 1.0, auc_high = 1.0, sensitivity = 0.9, specificity = 0.967 }
"""
    )
    given = {"folder": str(finished.folder), "reports": str(tmp_path), "paper": str(other)}
    execution.run_notebook(pages.NOTEBOOKS / "08_paper_audit.ipynb", tmp_path / "08.ipynb", given)
    table = pd.read_csv(tmp_path / "tables" / "audit_table1.csv").set_index("characteristic")
    groups = [(61.0, 8.0, 20), (58.0, 9.0, 12), (65.0, 7.5, 8)]
    rows = [m + s * np.sqrt((n - 1) / n) * _standard(n) for m, s, n in groups]
    assert table.anova["age"] == pytest.approx(stats.f_oneway(*rows).pvalue, rel=1e-6)
    assert table.reproduced_by["stage"] == "chi_square"
    found = pd.read_csv(tmp_path / "tables" / "audit_proportions.csv")
    assert found.metric.tolist() == ["sensitivity", "specificity"] and found.attainable.all()


def _standard(n):
    """Numbers of mean 0 and population SD 1."""
    x = np.linspace(-1, 1, n)
    return x / x.std()


@pytest.mark.parametrize(
    ("p", "printed", "so"),
    [
        (0.0312, "<0.05", True), (0.051, "<0.05", False), (0.2, ">0.05", True),
        (0.447, "0.45", True), (0.441, "0.45", False), (0.0004, "<0.001", True),
        (0.04, "P = 0.04", True), (0.2, "≥ 0.05", True),
    ],
)  # fmt: skip
def test_p_values_are_read_as_they_are_printed(p, printed, so):
    assert paper_audit.p_prints_as(p, printed) is so


def test_empty_rows_and_other_ways_to_print_p_are_read():
    counts = {"lobe": {"counts": [[5, 0, 3], [7, 0, 2]], "p": "0,45"},
              "stage": {"counts": [[10, 0], [12, 0]], "p": "n.s."}}  # fmt: skip
    table = paper_audit.table1({"table1": counts}).set_index("characteristic")
    expected = stats.fisher_exact([[5, 3], [7, 2]]).pvalue
    assert table.fisher["lobe"] == pytest.approx(expected)
    assert np.isnan(table.chi_square["stage"]) and table.reproduced_by["stage"] == ""
    assert paper_audit.p_prints_as(0.3, "NS") and not paper_audit.p_prints_as(0.01, "NS")
    assert paper_audit.p_prints_as(0.4512, "P = 0,45")


def test_words_say_where_an_interval_fits_both():
    labels = np.repeat([0, 1], 66)
    rng = np.random.default_rng(0)
    rows = {}
    for i in range(40):
        auc, variance = delong(labels, rng.normal(size=132) + 2.2 * labels)
        auc, low, high = delong_interval(auc.item(), variance.item())
        values = {"auc": auc, "auc_low": low, "auc_high": high}
        rows[f"m{i}"] = {"test": {name: round(v, 2) for name, v in values.items()}}
    printed = {"decimals": 2, "cohorts": {"test": {"n": 132, "events": 66}}, "table2": rows}
    table = paper_audit.interval_kinds(printed)
    told = say("paper_audit", "intervals", **paper_audit.interval_reading(table))
    named = (table.binomial != "").sum()
    assert named and told.count("or of an AUC at 95%") == named  # they are AUCs: none is accused


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("[cohorts]\ntest = { n = 80, events = 80 }", "fewer events than patients"),
        ("[cohorts]\ntest = { n = 80, events = 40 }\n[table2.CNN]\n"
         "test = { sensitivity = 75.0 }", "divide percent by 100"),
        ("[cohorts]\ntest = { n = 80, events = 40 }\n[table2.CNN]\n"
         "test = [0.8, 0.7, 0.9, 'a', 0.7, 0.7]", "six numbers"),
        ("[table1.sex]\np = '0.1'\ncounts = [[1, 2], [3]]", "the same number of whole numbers"),
        ("[table1.sex]\np = '0.1'\ncounts = [1, 2]", "two groups or more"),
        ("[table1.sex]\np = '0.1'\ncounts = [[1, -2], [3, 4]]", "whole numbers"),
    ],
)  # fmt: skip
def test_slips_in_a_papers_file_are_named(tmp_path, part, says):
    path = tmp_path / "other.toml"
    path.write_text(f'title = "Another"\n{part}\n', encoding="utf-8")
    with pytest.raises(StudyError, match=says):
        load_paper(path)


@pytest.mark.parametrize(
    ("method", "name"),
    [("beta", "80/100"), ("wilson", "80/100 (Wilson)"), ("normal", "80/100 (Wald)")],
)
def test_an_accuracys_interval_is_told_by_its_kind(method, name):
    low, high = np.round(proportion_confint(80, 100, method=method), 3)
    row = {"auc": 0.8, "auc_low": low, "auc_high": high}
    printed = {"decimals": 3, "cohorts": {"test": {"n": 100, "events": 50}}, "table2": {}}
    printed["table2"] = {"CNN": {"test": row}}
    assert paper_audit.interval_kinds(printed).binomial.item() == name


def test_a_paper_is_audited_without_a_study(tmp_path, capsys):
    out = tmp_path / "audit"
    assert cli.main(["audit", str(PRINTED), str(out)]) == 0
    assert (out / "08_paper_audit.html").exists() and (out / "tables" / "audit_table1.csv").exists()
    assert str(tmp_path) not in (out / "08_paper_audit.html").read_text(encoding="utf-8")
    assert cli.main(["audit", str(PRINTED), str(out)]) == 0  # an earlier audit's folder
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    assert cli.main(["audit", str(PRINTED), str(tmp_path / "mine")]) == 1
    assert "holds other files" in capsys.readouterr().err
