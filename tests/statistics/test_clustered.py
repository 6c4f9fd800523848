"""Obuchowski's variance: DeLong's without clusters, and coverage within patients."""

import numpy as np
import pytest
from radiogenomics.statistics.clustered import clustered_delong, clustered_interval
from radiogenomics.statistics.discrimination import delong
from scipy.stats import norm

RNG = np.random.default_rng(7)


def test_one_lesion_a_patient_is_delong():
    labels, scores = RNG.integers(0, 2, 60), RNG.integers(0, 9, (3, 60)).astype(float)
    found, theirs = clustered_delong(labels, scores, np.arange(60)), delong(labels, scores)
    assert found[0] == pytest.approx(theirs[0])
    ones, zeros = (np.cov([_placed(labels, row, v) for row in scores]) for v in (1, 0))
    expected = ones / labels.sum() + zeros / (60 - labels.sum())
    assert found[1] == pytest.approx(expected) and theirs[1] == pytest.approx(expected)


def _placed(labels, row, value):
    own, other = row[labels == value], row[labels != value]
    wins = np.sign(own[:, None] - other) / 2 + 0.5
    return (wins if value else 1 - wins).mean(axis=1)


def test_a_label_of_one_patient_has_no_variance():
    labels, clusters = np.array([1, 1, 0, 0, 0]), np.array([1, 1, 2, 3, 4])
    aucs, covariance = clustered_delong(labels, np.array([[0.9, 0.2, 0.1, 0.4, 0.3]]), clusters)
    assert 0 < aucs[0] < 1 and np.isnan(covariance).all()
    assert np.isnan(clustered_interval(aucs[0], covariance[0, 0], 0)).all()


@pytest.mark.parametrize("within", [0.0, 0.6, 0.9])
def test_intervals_cover_where_lesions_of_a_patient_are_alike(within):
    rng, hit, draws = np.random.default_rng(3), 0, 500
    for _ in range(draws):
        patients = np.repeat(np.arange(40), rng.integers(1, 4, 40))
        labels = (rng.random(len(patients)) < 0.4).astype(int)
        shared = np.sqrt(within) * rng.normal(size=40)[patients]
        scores = shared + np.sqrt(1 - within) * rng.normal(size=len(patients)) + labels
        aucs, covariance = clustered_delong(labels, scores[np.newaxis], patients)
        fewer = min(len(set(patients[labels == value])) for value in (0, 1))
        low, high = clustered_interval(aucs[0], covariance[0, 0], fewer - 1)
        hit += low <= norm.cdf(1 / np.sqrt(2)) <= high
    assert 0.935 < hit / draws < 0.99
