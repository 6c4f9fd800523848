"""Numbers and sentences as a paper prints them.

Sentences are in text files, `sentences.md` of a room: named blocks of Markdown with Jinja's
{{ facts }}. Python finds the facts; the file says them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from radiogenomics.study.contract import AUC_INTERVALS, TRAIN

SYNTHETIC = "Synthetic data: simulated patients, a control of the workbook, not evidence."
PRINTED = ("auc", "sensitivity", "specificity", "accuracy")  # columns of the paper's Table 2
PACKAGE = Path(__file__).parents[1]
RED = 'class="alert" style="color:#b00020;font-weight:600"'  # JupyterLab knows no class of ours


def print_p(p: float) -> str:
    """Return a p value as the paper prints it."""
    if np.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def say_p(p: float) -> str:
    """Return a p value as a sentence says it."""
    if np.isnan(p):
        return "not tested"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def with_interval(value: float, low: float, high: float, digits: int = 3) -> str:
    """Return `value (low to high)`; without the brackets where there is no interval."""
    if np.isnan(value):
        return "not defined"
    text = f"{value:.{digits}f}"
    return text if np.isnan(low) else f"{text} ({low:.{digits}f} to {high:.{digits}f})"


def listed(names: Iterable[Any]) -> str:
    """Return names as a sentence lists them: `a, b and c`; `none` for none."""
    words = [str(name) for name in names]
    if not words:
        return "none"
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def estimate(row: pd.Series, digits: int = 3, level: float = 0.95) -> str:
    """Return a row's value with its interval: `0.853 (95% CI 0.69 to 0.98)`."""
    text = with_interval(row.value, row.ci_low, row.ci_high, digits)
    return text.replace("(", f"({level:.0%} CI ")


def alert(text: str) -> str:
    """Return a sentence in red, "" for none."""
    return f"<p {RED}>{text}</p>" if text else ""


@functools.cache
def _sentences() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PACKAGE), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "p": say_p, "listed": listed, "red": alert, "estimate": estimate,
        "percent": "{:.0%}".format, "compact": "{:g}".format, "p_printed": print_p,
        "words": lambda name: str(name).replace("_", " "),
        "digits": lambda value, n: "not defined" if np.isnan(value) else f"{value:,.{n}f}",
        "count": "{:,.0f}".format,
    }  # fmt: skip
    return made


def say(room: str, block: str, **facts: Any) -> str:
    """Return the sentences of a block of a room's text file (`ROOM/sentences.md`, or `ROOM.md`).

    Raises:
        KeyError: no such block.
        jinja2.UndefinedError: a fact that the block needs is not given.
    """
    file = f"{room}/sentences.md" if (PACKAGE / room).is_dir() else f"{room}.md"
    template = _sentences().get_template(file)
    text = "".join(template.blocks[block](template.new_context(facts))).strip()
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text))


def page(file: str, **facts: Any) -> str:
    """Return a whole text file of the library with its facts, lines as they are.

    Raises:
        jinja2.UndefinedError: a fact that the file needs is not given.
    """
    return _sentences().get_template(file).render(facts).strip() + "\n"


def tell(room: str, block: str, **facts: Any) -> None:
    """Display what `say` returns."""
    display(Markdown(say(room, block, **facts)))


def printed_rows(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of metrics.csv that the paper's Table 2 prints, of test and in-sample.

    AUC with its interval; sensitivity, specificity and accuracy at 0.5 with Wilson's.
    """
    used = metrics[metrics.scores != "out_of_fold"]
    auc = used[(used.metric == "auc") & used.ci_method.isin(AUC_INTERVALS)]
    half = used[(used.threshold_rule == "half") & (used.ci_method == "wilson")]
    return pd.concat([auc, half[half.metric.isin(PRINTED)]])


def table2(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the paper's Table 2 of this run: one row per cohort and model, `with_interval`."""
    rows = printed_rows(metrics)
    text = [with_interval(r.value, r.ci_low, r.ci_high) for r in rows.itertuples()]
    wide = rows.assign(text=text).pivot(index=["cohort", "model"], columns="metric", values="text")
    order = dict.fromkeys(zip(rows.cohort, rows.model, strict=True))
    columns = [c for c in PRINTED if c in wide]
    return wide.loc[sorted(order, key=lambda pair: pair[0] != TRAIN), columns]
