"""Tables as a manuscript prints them: three rules, no colours, to be pasted into a document."""

from __future__ import annotations

import html
from typing import NamedTuple

import pandas as pd

from radiogenomics.statistics.measures import AT_THRESHOLD
from radiogenomics.study import contract, tables
from radiogenomics.study.contract import METRICS, TRAIN, in_words
from radiogenomics.study.files import filled, whole_file
from radiogenomics.study.study import Study
from radiogenomics.study.words import (
    PRINTED,
    SYNTHETIC,
    print_p,
    printed_rows,
    table2,
    with_interval,
)

STYLE = (
    "body{font:11pt/1.4 'Times New Roman',serif;color:#000;background:#fff;margin:2em}"
    "table{border-collapse:collapse;border-top:1.5pt solid;border-bottom:1.5pt solid}"
    "th{border-bottom:.75pt solid;text-align:left}td,th{padding:2pt 9pt;vertical-align:top}"
    "caption{text-align:left;font-weight:bold;padding-bottom:4pt}p{max-width:60em}"
)
CALIBRATION = [name for name in METRICS if name not in (*AT_THRESHOLD, "auc")]


class PrintTable(NamedTuple):
    """A table as a manuscript prints it: text cells, the caption above, the note below."""

    rows: pd.DataFrame
    caption: str
    note: str


def made(study: Study) -> dict[str, PrintTable]:
    """Return the tables of a manuscript whose CSV is there, by name."""
    makers = {
        "table1": (tables.TABLE1, table1),
        "table1_cohorts": (tables.TABLE1_COHORTS, _by_cohort),
        "table2": (tables.METRICS, _performance),
        "delong": (tables.DELONG, _delong),
        "calibration": (tables.METRICS, _calibration),
        "subgroups": (tables.SUBGROUPS, _subgroups),
    }
    found = {}
    for name, (needed, maker) in makers.items():
        if filled(study.path(needed)):
            found[name] = PrintTable(*maker(study, study.table(needed)))
    return found


def save_print_tables(study: Study) -> list[str]:
    """Write `tables/NAME.html`, to be pasted into a manuscript, where its CSV is there.

    Returns:
        The names of those that are there.
    """
    there = made(study)
    for name, table in there.items():
        with whole_file(study.tables / f"{name}.html") as part:
            text = page(table.rows, table.caption, _mark(study) + table.note)
            part.write_text(text, encoding="utf-8")
    return list(there)


def _level(study: Study) -> str:
    return f"{study.ran_with(contract.COMPARISON).evaluation.confidence:.0%}"


def _mark(study: Study) -> str:
    return f"{SYNTHETIC} " if study.settings.synthetic else ""


def page(table: pd.DataFrame, caption: str, note: str) -> str:
    """Return a page of its own with one table of text cells, its caption above, its note below."""
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in table)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in table.itertuples(index=False)
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{caption}</title>'
        f"<style>{STYLE}</style></head><body><table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p>{html.escape(note)}</p></body></html>"
    )


def table1(study: Study, table: pd.DataFrame) -> tuple[pd.DataFrame, str, str]:
    """Return Table 1 as text cells, one row a level, its caption and its note."""
    label = study.settings.label
    shown, note = _patients(table, {"0": label.negative_name, "1": label.name, "all": "All"})
    return shown, "Table 1. Patients by label", note


def _by_cohort(study: Study, table: pd.DataFrame) -> tuple[pd.DataFrame, str, str]:
    cohorts = list(study.settings.cohorts.sides)
    named = {name: _titled(in_words(name).removesuffix(" cohort")) for name in cohorts}
    shown, note = _patients(table, named | {"all": "All"})
    if len(cohorts) > 2:
        note += " P and SMD compare training with all test patients."
    return shown, "Table S1. Patients by cohort", note


def _patients(table: pd.DataFrame, groups: dict[str, str]) -> tuple[pd.DataFrame, str]:
    first = table.characteristic.ne(table.characteristic.shift())
    names = table.characteristic.map(_titled)
    shown = pd.DataFrame(
        {
            "Characteristic": names.where(first, ""),
            "": table.level,
            **{name: table[column] for column, name in groups.items()},
            "P": table.p_value.map(print_p),
            "SMD": table.smd.map(lambda v: "" if pd.isna(v) else f"{v:.2f}"),
            "Missing": table.missing.map(lambda v: "" if pd.isna(v) else f"{v:.0f}"),
        }
    )
    tests = ", ".join(table.method.dropna().unique())
    how = f" P by {tests} (chi-square without continuity correction; t is Welch's)."
    note = f"n (%) or mean ± SD.{how if tests else ''} SMD, standardised mean difference."
    return shown, note


def _titled(name: str) -> str:
    return {"cea": "CEA"}.get(name, name.replace("_", " ").capitalize())


def _performance(study: Study, table: pd.DataFrame) -> tuple[pd.DataFrame, str, str]:
    wide = table2(table).reindex(columns=list(PRINTED)).rename(columns=METRICS).fillna("")
    counts = printed_rows(table).groupby("cohort")[["n", "events"]].first()
    sizes = "; ".join(f"{c}: n = {r.n}, {r.events} events" for c, r in counts.iterrows())
    shown = wide.reset_index().rename(columns={"cohort": "Cohort", "model": "Model"})
    note = (
        f"{sizes}. AUC with DeLong's {_level(study)} interval on the logit scale; sensitivity, "
        "specificity and accuracy at a probability of 0.5 with Wilson's. Training rows "
        "are in-sample."
    )
    return shown, "Table 2. Performance of the models", note


def _delong(study: Study, table: pd.DataFrame) -> tuple[pd.DataFrame, str, str]:
    shown = pd.DataFrame(
        {
            "Cohort": table.cohort,
            "Model A": table.model_a,
            "Model B": table.model_b,
            "AUC A": table.auc_a.map("{:.3f}".format),
            "AUC B": table.auc_b.map("{:.3f}".format),
            "z": table.z.map("{:.2f}".format),
            "P": table.p.map(print_p),
            "P (Holm)": table.p_holm.map(print_p),
        }
    )
    note = "DeLong's test; Holm's correction over a cohort's pairs."
    return shown, "Table 3. Paired comparison of AUCs", note


def _calibration(study: Study, table: pd.DataFrame) -> tuple[pd.DataFrame, str, str]:
    rows = table[(table.cohort != TRAIN) & table.metric.isin(CALIBRATION)]
    rows = rows.sort_values("ci_low", key=pd.Series.isna, kind="stable")
    rows = rows.drop_duplicates(["cohort", "model", "metric"])
    wide = rows.assign(text=_texts(rows.value, rows.ci_low, rows.ci_high))
    wide = wide.pivot(index=["cohort", "model"], columns="metric", values="text")
    order = table[["cohort", "model"]].drop_duplicates().itertuples(index=False, name=None)
    shown = wide.loc[[pair for pair in order if pair in wide.index]]
    shown = shown.reindex(columns=CALIBRATION).fillna("").rename(columns=METRICS)
    shown = shown.reset_index(names=["Cohort", "Model"])
    note = (
        "Slope and intercept of the logistic recalibration; in the large, the intercept at slope "
        f"1; O/E, observed over expected events. {_level(study)} interval, Wald's where available, "
        "else bootstrap. Ideal values: slope 1, intercept 0, in the large 0, O/E 1."
    )
    return shown, "Table S2. Calibration", note


def _subgroups(study: Study, table: pd.DataFrame) -> tuple[pd.DataFrame, str, str]:
    place = ["cohort", "variable", "group", "n", "events"]
    rows = table.assign(text=_texts(table.auc, table.ci_low, table.ci_high))
    few = rows.flag.fillna("").ne("")
    rows["text"] = rows.text + few.map({True: " *", False: ""})
    wide = rows.pivot_table(
        index=place, columns="model", values="text", aggfunc="first", sort=False
    )
    shown = wide.fillna("").reset_index()
    first = shown.variable.ne(shown.variable.shift())
    names = shown.variable.str.replace("_", " ").str.capitalize()
    shown = shown.assign(variable=names.where(first, "")).rename(
        columns={"cohort": "Cohort", "variable": "Patients", "group": "", "events": "Events"}
    )
    flags = "; ".join(sorted(set(rows.flag.dropna()) - {""}))
    starred = f"* {flags}. " if flags else ""
    note = (
        f"AUC with DeLong's {_level(study)} interval on the logit scale. {starred}"
        "Tests of interaction, with Holm's correction: subgroups.csv."
    )
    return shown, "Table S3. AUC by subgroup of patients", note


def _texts(value: pd.Series, low: pd.Series, high: pd.Series) -> list[str]:
    """Return the cells `with_interval`, empty where there is no value."""
    intervals = zip(value, low, high, strict=True)
    return ["" if pd.isna(v) else with_interval(v, a, b, 2) for v, a, b in intervals]
