"""What the pages tell of benchmarks is what these wrote down."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"


@pytest.mark.parametrize("block", ["protocols", "run", "control"])
def test_a_page_says_what_its_benchmark_found(block, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "control_text", raising=False)
    import control_text

    page, text = control_text.written(block)
    assert page.read_text(encoding="utf-8") == text
