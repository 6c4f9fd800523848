"""Kept results: made once, and again where they are damaged."""

import numpy as np
import pytest
from radiogenomics.study.kept import digest_of, keep, kept, once


def test_a_result_is_made_once_and_a_damaged_one_again(tmp_path):
    made, path = [], tmp_path / "sub" / "one.json"

    def make():
        made.append(1)
        return {"a": [1.5, float("nan")], "b": "x"}

    assert str(once(path, make)) == str(once(path, make)) and len(made) == 1
    whole = path.read_text()
    for damage in (whole.replace("1.5", "1.6"), whole[:20], "[]", "null", ""):
        path.write_text(damage)
        assert kept(path) is None
        assert once(path, make)["a"][0] == 1.5
    assert len(made) == 6


def test_a_result_that_fails_is_not_kept(tmp_path):
    with pytest.raises(ZeroDivisionError):
        once(tmp_path / "one.json", lambda: 1 / 0)
    assert kept(tmp_path / "one.json") is None
    keep(tmp_path / "one.json", [1])
    assert kept(tmp_path / "one.json") == [1]


def test_arrays_differ_by_values_shape_and_type():
    a = np.arange(6.0)
    others = [a.reshape(2, 3), a.astype(np.float32), a + 1, a[::-1]]
    assert len({digest_of([one]) for one in (a, *others)}) == 5
    assert digest_of([a.reshape(2, 3).T]) == digest_of([np.ascontiguousarray(a.reshape(2, 3).T)])
