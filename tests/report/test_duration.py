"""How long a first run takes is told beforehand, from what was measured."""

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest
from radiogenomics.report import duration
from radiogenomics.study.errors import TableFault
from radiogenomics.study.settings import CNN, Settings
from radiogenomics.study.study import Study

MEASURED = Path(__file__).parents[1] / "benchmarks" / "control.json"


def study_of(monkeypatch, train, test, **cnn):
    table = pd.DataFrame({"cohort": ["train"] * train + ["test"] * test})
    monkeypatch.setattr(duration, "read_cohort", lambda _: table)
    settings = dataclasses.replace(Settings(), cnn=CNN(**cnn), workers=2)
    return Study(Path("s"), Path("r"), settings)


def test_the_built_in_run_takes_about_as_long_as_is_told(monkeypatch):
    measured = json.loads(MEASURED.read_text())["built-in"]
    train = measured["patients"] - measured["n"]
    study = study_of(monkeypatch, train, measured["n"])
    whole, network = duration.expected_minutes(study, cores=2)
    assert whole == pytest.approx(measured["minutes"], rel=0.3) and 0 < network < whole


def test_time_grows_with_what_there_is_to_do(monkeypatch):
    once = duration.expected_minutes(study_of(monkeypatch, 80, 20), cores=2)
    more = duration.expected_minutes(study_of(monkeypatch, 160, 40), cores=2)
    longer = duration.expected_minutes(study_of(monkeypatch, 80, 20, epochs=32), cores=2)
    assert more[1] == pytest.approx(2 * once[1]) == pytest.approx(longer[1])
    assert more[0] - 2 * once[0] == pytest.approx(-duration.STARTS / 60)
    assert duration.expected_minutes(study_of(monkeypatch, 80, 20), cores=4)[1] == once[1] / 2
    assert "to train the network." in duration.told(study_of(monkeypatch, 80, 20))
    other = study_of(monkeypatch, 80, 20, network="networks/mine.py:build")
    assert "to train a network as large as the paper's." in duration.told(other)


def test_of_a_table_that_cannot_be_read_nothing_is_told(monkeypatch):
    def refuse(_):
        raise TableFault("no column")

    study = study_of(monkeypatch, 80, 20)
    monkeypatch.setattr(duration, "read_cohort", refuse)
    assert duration.told(study) == ""
