"""Forty damages of a study's caches: all are noticed, and mended by running again."""

import random
import shutil

import pandas as pd
import pytest
from conftest import QUICK
from radiogenomics.report import run
from radiogenomics.study import tables
from radiogenomics.study.files import SEAL, sound
from radiogenomics.study.kept import kept
from radiogenomics.study.study import load_study

DAMAGES = {
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[: len(whole) // 2],
    "a byte changed": lambda whole: whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
    "of another kind": lambda whole: b"[]",
    "longer": lambda whole: whole + b"0",
}
TAKEN = {"features": 16, "volumes": 12, "cnn": 3, "stability": 2, "permuted": 3, "inspected": 4,
         "outlines": 2, "occlusion": 1}  # fmt: skip
READ = ["01", "02", "03", "04", "05", "06"]


def entries(study):
    """The entries of each cache that the study's own run made, and not a test after it.

    Of a training it is the network, as its epochs are read only then.
    """
    made = study.path(tables.GRADCAM_OUTCOME).stat().st_mtime
    found = {name: sorted((study.derived / name).rglob("*.*")) for name in TAKEN}
    found = {n: [p for p in paths if p.stat().st_mtime <= made] for n, paths in found.items()}
    found["cnn"] = [path for path in found["cnn"] if path.name == "network.keras"]
    return {n: [p for p in paths if p.suffix != SEAL] for n, paths in found.items()}


def is_whole(path):
    return kept(path) is not None if path.suffix == ".json" else sound(path)


@pytest.mark.slow
def test_forty_damages_are_noticed_and_mended_by_running_again(finished, tmp_path, capfd):
    shutil.copytree(finished.folder, tmp_path / "data" / "tiny")
    shutil.copytree(finished.reports, tmp_path / "reports" / "tiny")
    study = load_study(tmp_path / "data" / "tiny", tmp_path / "reports" / "tiny", **QUICK)
    dice, spoiled = random.Random(2024), []
    for name, paths in entries(study).items():
        chosen = dice.sample(paths, min(TAKEN[name], len(paths)))
        spoiled += [(path, how) for path, how in zip(chosen, list(DAMAGES) * 4, strict=False)]
    for path, how in spoiled:
        path.write_bytes(DAMAGES[how](path.read_bytes()))
        assert not is_whole(path), (path, how)
    assert len(spoiled) >= 40
    run.run_study(study, only=READ, overrides=QUICK)
    assert not [(path.name, how) for path, how in spoiled if not is_whole(path)]
    same = [p for p in finished.tables.glob("*.csv") if "checklist" not in p.name]
    for path in same:  # a checklist counts the evaluations of the test cohort
        ours, theirs = (pd.read_csv(s.tables / path.name) for s in (study, finished))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True, obj=path.name)
