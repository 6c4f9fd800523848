"""A study's work on a Dask scheduler: the same tables, also where a worker is lost on the way."""

import json
import os
import subprocess
import sys
import time
import types

import numpy as np
import pandas as pd
import pytest
from radiogenomics.cohort import eligibility, included, reading
from radiogenomics.cohort.sources import phantom
from radiogenomics.images import inspection, volumes
from radiogenomics.models import cross_fitting
from radiogenomics.radiomics import features, signature
from radiogenomics.study import parallel
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import CNN
from radiogenomics.study.study import load_study


def start(folder, *arguments):
    """One of Dask's programs, which sees this machine alone."""
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments], cwd=folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def scheduler(tmp_path, monkeypatch):
    """The address of a scheduler, which the study's work goes to, and its two workers."""
    pytest.importorskip("distributed")
    place = tmp_path / "scheduler.json"
    main = start(tmp_path, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                 "--scheduler-file", str(place))  # fmt: skip
    while not place.exists():
        time.sleep(0.2)
    address = json.loads(place.read_text())["address"]
    options = "--nthreads", "1", "--no-nanny", "--no-dashboard"
    workers = [start(tmp_path, "worker", address, *options) for _ in range(2)]
    yield address, workers
    for process in (*workers, main):
        process.kill()
        process.wait()


def stages(study, progress=lambda done, total: None):
    """What a study computes over patients, resamples and trainings."""
    table = reading.read_cohort(study)
    left, *_ = eligibility.exclude(study, table, complete=False)
    masks, acquisition, *_ = inspection.inspect_cohort(study, left)
    assert not len(volumes.prepare(study, left))
    values, failures = features.extract_cohort(study, left, progress)
    assert not len(failures)
    train, _ = included.split(left)
    x, y = values.loc[train.patient], train.label.to_numpy()
    selector = signature.signature_pipeline(study.settings.radiomics, 1).fit(x, y)
    stable = signature.selection_frequency(selector, x, y, 6, 1, study.workers)
    inputs = volumes.load_volumes(study, train)[:, ::2, ::4, ::4]
    _, scores, trainings = cross_fitting.cross_fit(
        inputs, y, np.arange(len(y)) % 2 + 1, CNN(epochs=2, attempts=1), 1, study.derived / "cnn"
    )
    outcome = cross_fitting.history_table(trainings).assign(mean=scores.mean())
    return {"masks": masks, "acquisition": acquisition, "features": values.loc[left.patient],
            "stability": stable, "trainings": outcome}  # fmt: skip


@pytest.mark.slow
def test_a_scheduler_that_loses_a_worker_gives_the_tables_of_one_machine(
    tmp_path, scheduler, monkeypatch
):
    address, workers = scheduler
    for name in ("here", "there"):
        phantom.make_phantom(tmp_path / name, 24, 5, "paper", workers=2)
    expected = stages(load_study(tmp_path / "here", tmp_path / "r1"))
    monkeypatch.setitem(os.environ, parallel.DASK, address)
    lost = []

    def lose(done, total):
        if not lost:
            lost.append(workers[0].pid)
            workers[0].kill()

    study = load_study(tmp_path / "there", tmp_path / "r2")
    found = stages(study, lose)
    assert lost and workers[0].wait() != 0 and workers[1].poll() is None
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, rtol=1e-4 if name == "trainings" else 0)
    assert sorted(p.name for p in study.derived.glob("cnn/*")) == ["final", "fold_1", "fold_2"]


def test_an_address_without_a_scheduler_is_told(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(parallel, "PATIENCE", 1)
    with pytest.raises(StudyError, match="no Dask scheduler with a worker answers at tcp://127"):
        parallel.connected("tcp://127.0.0.1:9")


def test_trainings_run_at_once_where_there_are_cores_and_memory(monkeypatch):
    room = types.SimpleNamespace(available=10 * cross_fitting.TRAINING_BYTES)
    monkeypatch.setattr(parallel.psutil, "virtual_memory", lambda: room)
    given = {1: 0, 2: 0, 3: 0, 4: 2, 6: 3, 32: 4}
    assert {n: cross_fitting.at_once(4, CNN(device="cpu"), n) for n in given} == given
    room.available = 2.5 * cross_fitting.TRAINING_BYTES
    assert cross_fitting.at_once(4, CNN(device="cpu"), 32) == 2
    room.available = 0
    assert cross_fitting.at_once(4, CNN(device="cpu"), 32) == 0


@pytest.mark.slow
def test_trainings_in_processes_are_those_made_one_by_one(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    inputs, labels = rng.random((16, 16, 16, 16, 1), np.float32), np.arange(16) % 2
    case = inputs, labels, np.arange(16) // 2 % 2 + 1, CNN(epochs=2, attempts=1), 1
    one = cross_fitting.cross_fit(*case, tmp_path / "one")
    told = []
    monkeypatch.setattr(cross_fitting, "at_once", lambda *_: 2)
    more = cross_fitting.cross_fit(*case, tmp_path / "more", lambda *state: told.append(state))
    tables = [cross_fitting.history_table(trainings) for _, _, trainings in (one, more)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)  # so many threads, wherever it runs
    assert np.array_equal(one[1], more[1]) and told[-1] == (6, 6)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
