"""Net benefit beyond chance: named where it is, and not where there is none."""

import numpy as np
import pytest
from radiogenomics.statistics import decision, resampling
from radiogenomics.statistics.discrimination import EvaluationError

ASKED = decision.THRESHOLDS[4:95]  # 0.05 to 0.95


def test_a_model_without_signal_is_named_in_at_most_five_percent():
    """25 and 132 patients, scores drawn without a look at the labels."""
    rng, named = np.random.default_rng(1), []
    for n in (25, 132):
        labels = (np.arange(n) < n // 2).astype(int)
        for seed in range(100):
            drawn = resampling.draw(labels == 1, 200, seed)
            found = decision.clear_thresholds(labels, rng.beta(2, 2, n), {}, ASKED, drawn)
            named.append(len(found) > 0)
    assert np.mean(named) <= 0.05


def test_a_strong_model_is_named_and_not_against_its_equal():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 400)
    scores = np.clip(labels * 0.6 + 0.4 * rng.random(400), 0, 1)
    drawn = resampling.draw(labels == 1, 400, 1)
    alone = decision.clear_thresholds(labels, scores, {}, ASKED, drawn)
    assert len(alone) > 30 and np.isin(0.5, alone.round(2))
    same = {"twin": np.clip(scores + rng.normal(0, 1e-3, 400), 0, 1)}
    assert len(decision.clear_thresholds(labels, scores, same, ASKED, drawn)) == 0
    weak = {"weak": rng.random(400)}
    assert len(decision.clear_thresholds(labels, scores, weak, ASKED, drawn)) > 30


def test_the_band_is_simultaneous():
    """At one threshold the limit is nearer than in a band over 91 of them."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 80)
    scores = np.clip(0.5 + 0.25 * (labels - 0.5) + rng.normal(0, 0.15, 80), 0.01, 0.99)
    drawn = resampling.draw(labels == 1, 500, 1)
    one_by_one = [t for t in ASKED if len(decision.clear_thresholds(
        labels, scores, {}, np.array([t]), drawn))]  # fmt: skip
    together = decision.clear_thresholds(labels, scores, {}, ASKED, drawn)
    assert set(together) < set(one_by_one)


def test_scores_that_are_no_probabilities_are_refused():
    labels = np.array([0, 1, 0, 1])
    drawn = resampling.draw(labels == 1, 100, 1)
    with pytest.raises(EvaluationError, match="for decision curves"):
        decision.clear_thresholds(labels, np.array([-1.0, 2, 0, 3]), {}, ASKED, drawn)
