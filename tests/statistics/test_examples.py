"""Every public statistic has an example in its docstring, and the examples are true."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest
import radiogenomics.statistics

FILES = sorted(Path(radiogenomics.statistics.__file__).parent.glob("[a-z]*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_examples(path):
    found = doctest.testmod(importlib.import_module(f"radiogenomics.statistics.{path.stem}"))
    assert found.failed == 0
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if public:
            assert ">>>" in ast.get_docstring(node), node.name
