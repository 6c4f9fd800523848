"""Kept results: made once, and again where they are damaged."""

import numpy as np
import pytest
from radiogenomics.study.files import sound, whole_file
from radiogenomics.study.kept import digest_of, keep, keep_array, kept, kept_array, once


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


def test_every_damage_to_an_array_is_noticed(tmp_path, capsys):
    path, array = tmp_path / "volumes" / "a.npy", np.random.default_rng(1).random((4, 5))
    keep_array(path, array)
    assert (kept_array(path) == array).all() and not capsys.readouterr().out
    whole = path.read_bytes()
    damages = [whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :] for n in range(0, len(whole), 7)]
    for damage in (*damages, whole[:-1], b"", whole + b"0"):
        path.write_bytes(damage)
        assert kept_array(path) is None
        assert "volumes/a.npy is damaged and is made again" in capsys.readouterr().out
    path.write_bytes(whole)
    assert (kept_array(path) == array).all()
    path.with_name("a.npy.sha256").unlink()
    assert kept_array(path) is None
    path.unlink()
    assert kept_array(path) is None


def test_files_have_the_users_umask(tmp_path):
    with whole_file(tmp_path / "a.txt", sealed=True) as part:
        part.write_text("a")
    (tmp_path / "b.txt").write_text("b")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes["a.txt"] == modes["b.txt"] == modes["a.txt.sha256"]
    assert sound(tmp_path / "a.txt") and not sound(tmp_path / "b.txt")
