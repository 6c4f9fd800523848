"""What the pages tell of benchmarks is what these wrote down."""

import sys
from pathlib import Path

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"


@pytest.mark.parametrize("block", ["protocols", "run", "control"])
def test_a_page_says_what_its_benchmark_found(block, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "control_text", raising=False)
    import control_text

    page, text = control_text.written(block)
    assert page.read_text(encoding="utf-8") == text


def test_the_coverage_of_a_cross_validated_auc_is_told_as_it_was_simulated():
    table = pd.read_csv(BENCHMARKS / "internal_coverage.csv")
    some = table[table.n == 60].groupby("chain").coverage.agg(["min", "max"])
    low, high = some.loc["radiomics"]
    root, told = BENCHMARKS.parents[1], f"{low:.0%} to {high:.0%} of cohorts"
    for page in ("docs/designs.md", "notebooks/09_internal.ipynb"):
        assert told in root.joinpath(page).read_text("utf-8"), (page, told)
    clinical = f"clinical model in {some.loc['clinical', 'min']:.0%}"
    assert clinical in root.joinpath("docs/designs.md").read_text("utf-8")
