"""Tables as a manuscript prints them: three rules, no colours, to be pasted into a document."""

from __future__ import annotations

import html

import pandas as pd

from radiogenomics.cohort import print_p
from radiogenomics.performance import PRINTED, printed_rows, table2
from radiogenomics.study import SYNTHETIC, Study, whole_file

STYLE = (
    "body{font:11pt/1.4 'Times New Roman',serif;color:#000;background:#fff;margin:2em}"
    "table{border-collapse:collapse;border-top:1.5pt solid;border-bottom:1.5pt solid}"
    "th{border-bottom:.75pt solid;text-align:left}td,th{padding:2pt 9pt;vertical-align:top}"
    "caption{text-align:left;font-weight:bold;padding-bottom:4pt}p{max-width:60em}"
)
NAMES = {"auc": "AUC"} | {name: name.capitalize() for name in PRINTED[1:]}


def save_print_tables(study: Study) -> list[str]:
    """Write `tables/NAME.html` of Table 1, performance and DeLong where their CSV is there.

    Returns:
        The names of those that are there.
    """
    makers = {"table1": table1, "table2": _performance, "delong": _delong}
    needed = {"table1": "table1.csv", "table2": "metrics.csv", "delong": "delong.csv"}
    there = [name for name in makers if (study.tables / needed[name]).exists()]
    for name in there:
        table, caption, note = makers[name](study, study.table(needed[name]))
        with whole_file(study.tables / f"{name}.html") as part:
            part.write_text(page(table, caption, _mark(study) + note), encoding="utf-8")
    return there


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
    first = table.characteristic.ne(table.characteristic.shift())
    names = table.characteristic.str.replace("_", " ").str.capitalize()
    shown = pd.DataFrame(
        {
            "Characteristic": names.where(first, ""),
            "": table.level,
            label.negative_name: table["0"],
            label.name: table["1"],
            "P": table.p.map(lambda v: "" if pd.isna(v) else str(v)),
            "SMD": table.smd.map(lambda v: "" if pd.isna(v) else f"{v:.2f}"),
            "Missing": table.missing.map(lambda v: "" if pd.isna(v) else f"{v:.0f}"),
        }
    )
    tests = ", ".join(table.method.dropna().unique())
    note = (
        f"n (%) or mean ± SD. P by {tests} (chi-square without continuity correction; t is "
        "Welch's). SMD, standardised mean difference."
    )
    return shown, "Table 1. Patients by label", note


def _performance(study: Study, table: pd.DataFrame) -> tuple[pd.DataFrame, str, str]:
    wide = table2(table).reindex(columns=list(PRINTED)).rename(columns=NAMES).fillna("")
    counts = printed_rows(table).groupby("cohort")[["n", "events"]].first()
    told = "; ".join(f"{c}: n = {r.n}, {r.events} events" for c, r in counts.iterrows())
    shown = wide.reset_index().rename(columns={"cohort": "Cohort", "model": "Model"})
    note = (
        f"{told}. AUC with DeLong interval; sensitivity, specificity and accuracy at a "
        "probability of 0.5 with Wilson interval. Training rows are in-sample."
    )
    return shown, "Table 2. Performance of the models", note


def _delong(study: Study, table: pd.DataFrame) -> tuple[pd.DataFrame, str, str]:
    shown = pd.DataFrame(
        {
            "Model A": table.model_a,
            "Model B": table.model_b,
            "AUC A": table.auc_a.map("{:.3f}".format),
            "AUC B": table.auc_b.map("{:.3f}".format),
            "z": table.z.map("{:.2f}".format),
            "P": table.p.map(print_p),
            "P (Holm)": table.p_holm.map(print_p),
        }
    )
    return shown, "Table 3. Paired comparison of AUCs, external test cohort", "DeLong's test."
