"""ITK's recursive Gaussian along one axis, as a matrix: edges are extended (Deriche 1993).

The coefficients and their scale are those of itkRecursiveGaussianImageFilter.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.signal import lfilter

SERIES = np.array(  # a, b, w, l of two damped waves: of the Gaussian, and of its second derivative
    [
        [[1.3530, 1.8151, 0.6681, -1.3932], [-0.3531, 0.0902, 2.0787, -1.3732]],
        [[-1.3563, 5.2318, 0.6681, -1.3932], [0.3446, -2.2355, 2.0787, -1.3732]],
    ]
)
FAR = 40  # sigmas after which nothing is left


@lru_cache(maxsize=256)
def recursive_gaussian(size: int, spacing: float, sigma: float, order: int) -> np.ndarray:
    """Return the matrix (size, size) that smooths a line of voxels, or takes its 2nd derivative.

    Args:
        size: voxels of the line.
        spacing: of the voxels, mm.
        sigma: of the Gaussian, mm.
        order: 0, or 2 (normalised across scale).
    """
    above, below = _causal(sigma / spacing, order)
    if order == 2:
        above = above * sigma**2
    back = np.append(above, 0) - below * above[0]  # what the way back has not had yet
    far = size + int(np.ceil(FAR * sigma / spacing))
    impulse = np.zeros(far)
    impulse[0] = 1
    ahead, behind = lfilter(above, below, impulse), lfilter(back, below, impulse)
    response = np.concatenate([behind[:0:-1], ahead])  # at offsets 1 - far to far - 1
    offset = np.arange(size)[:, np.newaxis] - np.arange(size - far, far)
    reached = np.abs(offset) < far
    spread = np.where(reached, response[np.where(reached, offset, 0) + far - 1], 0)
    matrix = spread[:, far - size : far].copy()
    matrix[:, 0] += spread[:, : far - size].sum(1)
    matrix[:, -1] += spread[:, far:].sum(1)
    return matrix


def _causal(sigma: float, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numerator (4,) and denominator (5,) of the half that runs ahead; sigma in voxels."""
    above, below = _waves(sigma, SERIES[0])
    powers = np.arange(5)
    sd, dd, ed = below.sum(), below @ powers, below @ powers**2
    if order == 0:
        return above / (2 * above.sum() / sd - above[0]), below
    second, _ = _waves(sigma, SERIES[1])
    flat = (2 * second.sum() - sd * second[0]) / (2 * above.sum() - sd * above[0])
    n = second - flat * above  # of a constant line nothing is left
    sn, dn, en = n.sum(), n @ powers[:4], n @ powers[:4] ** 2
    scale = (en * sd**2 - ed * sn * sd - 2 * dn * dd * sd + 2 * dd**2 * sn) / sd**3
    return n / scale, below


def _waves(sigma: float, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return numerator and denominator of the sum of two damped waves."""
    (a1, b1, w1, l1), (a2, b2, w2, l2) = series
    (s1, s2), (c1, c2) = (f(np.array([w1, w2]) / sigma) for f in (np.sin, np.cos))
    e1, e2 = np.exp(np.array([l1, l2]) / sigma)
    crossed = (a1 + a2) * c2 * c1 - b1 * c2 * s1 - b2 * c1 * s2
    above = [
        a1 + a2,
        e2 * (b2 * s2 - (a2 + 2 * a1) * c2) + e1 * (b1 * s1 - (a1 + 2 * a2) * c1),
        2 * e1 * e2 * crossed + a2 * e1**2 + a1 * e2**2,
        e2 * e1**2 * (b2 * s2 - a2 * c2) + e1 * e2**2 * (b1 * s1 - a1 * c1),
    ]
    one, two = np.array([1, -2 * e1 * c1, e1**2]), np.array([1, -2 * e2 * c2, e2**2])
    return np.array(above), np.convolve(one, two)
