"""Tables as a manuscript prints them: every number is the CSV's, and the mark is on each."""

import html
import re

import pandas as pd
from radiogenomics.report import print_tables
from radiogenomics.study import contract, tables
from radiogenomics.study.words import SYNTHETIC


def printed(study, name):
    """Read a printed table back; return it and the whole page."""
    text = (study.tables / f"{name}.html").read_text(encoding="utf-8")
    rows = [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in re.findall("<tr>(.*?)</tr>", text)]
    head, *cells = [[html.unescape(cell) for cell in row] for row in rows]
    return pd.DataFrame(cells, columns=head), text


def test_each_table_that_has_its_csv_is_printed_with_the_mark(finished):
    names = {"table1", "table1_cohorts", "table2", "delong", "calibration", "subgroups"}
    assert {path.stem for path in finished.tables.glob("*.html")} == names
    for name in names:
        table, text = printed(finished, name)
        assert len(table) and SYNTHETIC in text and "<script" not in text
        index = (finished.reports / "index.html").read_text(encoding="utf-8")
        assert f'href="tables/{name}.html"' in index


def test_cells_are_the_csvs(finished):
    metrics, groups = finished.table(tables.METRICS), finished.table(tables.SUBGROUPS)
    external = metrics[metrics.scores == "external"]

    table = printed(finished, "calibration")[0].set_index("Model")
    slope = external[external.metric == "calibration_slope"].set_index("model")
    for model, row in slope[slope.value.notna()].iterrows():
        expected = f"{row.value:.2f} ({row.ci_low:.2f} to {row.ci_high:.2f})"
        assert table.Slope[model].split(" (")[0] == expected.split(" (")[0]
    assert list(table.index) == list(dict.fromkeys(external.model))

    table = printed(finished, "table2")[0]
    auc = external[(external.metric == "auc") & external.ci_method.isin(contract.AUC_INTERVALS)]
    for row in auc.itertuples():
        cell = table[(table.Cohort == "test") & (table.Model == row.model)].AUC.item()
        assert cell == f"{row.value:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f})"

    table = printed(finished, "subgroups")[0]
    cnn = groups[groups.model == "CNN"].reset_index(drop=True)
    assert len(table) == len(cnn) and table.n.astype(int).tolist() == cnn.n.tolist()
    known = cnn.auc.notna() & cnn.ci_low.notna()
    shown = table.CNN[known].str.removesuffix(" *")
    rows = cnn[known].itertuples()
    assert shown.tolist() == [f"{r.auc:.2f} ({r.ci_low:.2f} to {r.ci_high:.2f})" for r in rows]
    flagged = table.CNN.str.endswith("*")
    assert (flagged == cnn.flag.fillna("").ne("")).all()

    table = printed(finished, "table1_cohorts")[0]
    assert table.Training.tolist() == finished.table(tables.TABLE1_COHORTS).train.tolist()


def test_nothing_is_printed_without_its_csv(copied):
    for name in ("subgroups.csv", "delong.csv"):
        (copied.tables / name).unlink()
    made = print_tables.save_print_tables(copied)
    assert made == ["table1", "table1_cohorts", "table2", "calibration"]
