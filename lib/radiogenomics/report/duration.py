"""About how long a study's first run takes, from what its stages cost a patient."""

from __future__ import annotations

import os

import numpy as np

from radiogenomics.cohort.reading import read_cohort
from radiogenomics.study import design
from radiogenomics.study.contract import TRAIN
from radiogenomics.study.errors import StudyError
from radiogenomics.study.own_code import own_code
from radiogenomics.study.settings import NETWORK, RADIOMICS
from radiogenomics.study.study import Study

# CPU seconds on the cores that tests/benchmarks/README.md was measured on
STARTS = 40.0  # eight kernels and pages, on one core
PATIENT = 1.7  # scans read, volume, features, outlines redrawn, features of changed images
TRAINED = 0.6  # features after small errors, a training patient
RESAMPLE = 0.003  # of the selection, a training patient
PERMUTED = 0.0025  # of a permutation of the labels, a training patient
SAMPLE = 0.13  # of the network's training: a patient of the paper's shape in an epoch
VOXELS = 32 * 64 * 64  # of the paper's shape


def expected_minutes(study: Study, cores: int | None = None) -> tuple[float, float] | None:
    """Return about how many minutes a first run takes without a GPU, and the network's part.

    Every epoch is counted, though most trainings stop before the last; None where the cohort
    cannot be read, which notebook 01 then tells.
    """
    try:
        table = read_cohort(study)
    except StudyError:
        return None
    cores = cores or os.cpu_count() or 1
    train, settings = int((table.cohort == TRAIN).sum()), study.settings
    parts, work = design.parts(settings), PATIENT * len(table) if design.imaged(settings) else 0
    if RADIOMICS in parts:
        work += RESAMPLE * settings.radiomics.stability * train
        work += (TRAINED + PERMUTED * settings.evaluation.permutations) * train
    # on all training patients, and once without each fold: together as many as there are folds
    fitted = train * (1 - settings.cnn.validation) * settings.evaluation.folds
    epochs = settings.cnn.epochs * settings.cnn.networks
    share = np.prod(settings.preprocessing.shape) / VOXELS
    network = SAMPLE * share * fitted * epochs / cores / 60 * (NETWORK in parts)
    whole = STARTS / 60 + work / min(study.workers, cores) / 60 + network
    return float(whole), float(network)


def told(study: Study) -> str:
    """Return the sentence that is printed before a first run, "" where nothing is known."""
    if (minutes := expected_minutes(study)) is None:
        return ""
    whole, network = (max(1, round(part)) for part in minutes)
    own = own_code(study.settings.cnn.network)
    whose = "a network as large as the paper's" if own else "the network"
    trained = f", {network} of them to train {whose}" if minutes[1] else ""
    return f"About {whole} minutes on {os.cpu_count()} cores like ours without a GPU{trained}."
