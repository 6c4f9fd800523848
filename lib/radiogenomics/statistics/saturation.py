"""Probabilities of exactly 0 or 1, whose logits are infinite."""

from __future__ import annotations

import numpy as np

DECIMALS = 4  # scores that are all rounded to so many have a step
NEAREST = 1e-6  # to 0 or 1, where no other score says how near a score may come


def saturated(p: np.ndarray) -> int:
    """Return how many probabilities are exactly 0 or 1.

    >>> saturated(np.array([0.0, 0.2, 1.0]))
    2
    """
    return int(((p == 0) | (p == 1)).sum())


def unsaturated(p: np.ndarray) -> np.ndarray:
    """Return probabilities with those of exactly 0 and 1 moved inwards by half a step.

    The step of rounded scores is their smallest difference; of others, which have none, the way to
    the next score. Without either it is 1e-6.

    >>> unsaturated(np.array([0.0, 0.25, 0.75, 1.0])).tolist()
    [0.125, 0.25, 0.75, 0.875]
    """
    if not saturated(p):
        return p
    values = np.unique(p)
    inner = values[(values > 0) & (values < 1)]
    if not len(inner):
        return np.clip(p, NEAREST, 1 - NEAREST)
    low, high = inner[0], 1 - inner[-1]
    if (np.abs(inner - inner.round(DECIMALS)) < NEAREST / 100).all():
        low = high = np.diff(values).min()
    return np.where(p == 0, low / 2, np.where(p == 1, 1 - high / 2, p))
