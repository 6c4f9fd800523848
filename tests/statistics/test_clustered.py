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


@pytest.mark.parametrize("lesions", [12, 60])
def test_the_covariance_is_obuchowskis(lesions):
    """Her sums over patients by hand; of 12 lesions those with label 1 are of two patients."""
    rng = np.random.default_rng(lesions)
    clusters = np.arange(lesions) // 3
    labels = rng.integers(0, 2, lesions) if lesions > 12 else np.repeat([1, 0], [4, 8])
    scores = rng.integers(0, 9, (2, lesions)).astype(float)
    ones, zeros = clusters[labels == 1], clusters[labels == 0]
    m, n = len(ones), len(zeros)
    sums, areas = [], []
    for row in scores:
        won = np.sign(row[labels == 1][:, None] - row[labels == 0]) / 2 + 0.5
        areas.append(won.mean())
        off = [
            (
                (won.mean(axis=1)[ones == patient] - won.mean()).sum(),
                (won.mean(axis=0)[zeros == patient] - won.mean()).sum(),
            )
            for patient in set(clusters)
        ]
        sums.append(np.array(off).T)
    few, many, everyone = len(set(ones)), len(set(zeros)), len(set(clusters))
    expected = np.empty((2, 2))
    for i, (up_i, down_i) in enumerate(sums):
        for j, (up_j, down_j) in enumerate(sums):
            of_ones = few / (few - 1) * (up_i * up_j).sum() / m**2
            of_zeros = many / (many - 1) * (down_i * down_j).sum() / n**2
            both = everyone / (everyone - 1) * (up_i * down_j + down_i * up_j).sum() / (m * n)
            expected[i, j] = of_ones + of_zeros + both
    found = clustered_delong(labels, scores, clusters)
    assert found[0] == pytest.approx(areas) and found[1] == pytest.approx(expected)


def test_a_label_of_one_patient_has_no_variance():
    labels, clusters = np.array([1, 1, 0, 0, 0]), np.array([1, 1, 2, 3, 4])
    aucs, covariance = clustered_delong(labels, np.array([[0.9, 0.2, 0.1, 0.4, 0.3]]), clusters)
    assert 0 < aucs[0] < 1 and np.isnan(covariance).all()
    assert np.isnan(clustered_interval(aucs[0], covariance[0, 0], 0)).all()
    two = clustered_delong(labels, np.array([[9, 2, 1, 4, 3], [1, 2, 3, 4, 5.0]]), clusters)[1]
    assert two.shape == (2, 2) and np.isnan(two).all()


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
