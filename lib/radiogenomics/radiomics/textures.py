"""PyRadiomics' texture features from its matrices, all directions at once.

Formulas are those of PyRadiomics (van Griethuysen 2017, doi 10.1158/0008-5472.CAN-17-0339), eps
where it has it; a feature is the mean over the directions.
"""

from __future__ import annotations

import numpy as np

from radiogenomics.radiomics import matrices
from radiogenomics.radiomics.matrices import Places

EPS = np.spacing(1)
FELT = 1e-9  # a share of a matrix' cell from which eps is felt
EMPHASES = {  # of a small or large run, zone or dependence, and of its level: words in the names
    "glrlm": ("ShortRun", "LongRun", "RunLength", "Run", "Run"),
    "glszm": ("SmallArea", "LargeArea", "SizeZone", "Zone", "Zone"),
    "gldm": ("SmallDependence", "LargeDependence", "Dependence", "Dependence", ""),
}
OF_FIRST_ORDER = ("GrayLevelNonUniformityNormalized", "DependencePercentage")  # gldm has them not


def textures(levels: np.ndarray, lesion: Places) -> dict[str, dict[str, float]]:
    """Return features by class (glcm, gldm, glrlm, glszm, ngtdm) and name.

    Args:
        levels: (n,) grey levels of the lesion's voxels, from 1.
        lesion: how the voxels stand.
    """
    gray, rank = np.unique(levels, return_inverse=True)
    count = len(gray)
    alike, around = matrices.surroundings(rank, gray, lesion)
    zones, sizes = matrices.zone_sizes(rank, count, lesion)
    runs = matrices.run_lengths(rank, count, lesion)
    dependences = emphases("gldm", alike, gray, np.arange(1, alike.shape[2] + 1))
    return {
        "glcm": glcm(matrices.co_occurrences(rank, count, lesion), gray),
        "gldm": {n: v for n, v in dependences.items() if n not in OF_FIRST_ORDER},
        "glrlm": emphases("glrlm", runs, gray, np.arange(1, runs.shape[2] + 1)),
        "glszm": emphases("glszm", zones, gray, sizes),
        "ngtdm": ngtdm(*around.T, gray),
    }


def glcm(pairs: np.ndarray, gray: np.ndarray) -> dict[str, float]:
    """Return the features of co-occurrences (direction, level, level) of these grey levels."""
    p = (pairs + pairs.transpose(0, 2, 1)).astype(float)
    p = p[p.any(axis=(1, 2))]
    p /= p.sum((1, 2))[:, np.newaxis, np.newaxis]
    i, px = gray.astype(float), p.sum(2)
    mean = px @ i
    away = i - mean[:, np.newaxis]
    sums = _by_key(p, gray[:, np.newaxis] + gray - 2)
    gaps = _by_key(p, np.abs(gray[:, np.newaxis] - gray))
    k, d = np.arange(2.0, sums.shape[1] + 2), np.arange(float(gaps.shape[1]))
    from_mean = k - 2 * mean[:, np.newaxis]
    variance, mean_gap = (px * away**2).sum(1), gaps @ d
    spread = np.sqrt(variance) ** 2
    shared = (np.matmul(away[:, np.newaxis], p)[:, 0] * away).sum(1)
    top = float(gray[-1])
    return _over_directions(
        {
            "Autocorrelation": (np.matmul(p, i) * i).sum(1),
            "ClusterProminence": (sums * from_mean**4).sum(1),
            "ClusterShade": (sums * from_mean**3).sum(1),
            "ClusterTendency": (sums * from_mean**2).sum(1), "Contrast": gaps @ d**2,
            "Correlation": np.where(spread == 0, 1, shared / (spread + EPS)),
            "DifferenceAverage": mean_gap, "DifferenceEntropy": _entropy(gaps),
            "DifferenceVariance": (gaps * (d - mean_gap[:, np.newaxis]) ** 2).sum(1),
            "Id": gaps @ (1 / (1 + d)), "Idm": gaps @ (1 / (1 + d**2)),
            "Idmn": gaps @ (1 / (1 + d**2 / top**2)), "Idn": gaps @ (1 / (1 + d / top)),
            "InverseVariance": gaps[:, 1:] @ d[1:] ** -2, "JointAverage": mean,
            "JointEnergy": (p**2).sum((1, 2)), "MCC": mcc(p, px),
            "MaximumProbability": p.max((1, 2)), "SumAverage": sums @ k,
            "SumEntropy": _entropy(sums), "SumSquares": variance,
        }
        | _informations(p, px)
    )  # fmt: skip


def _informations(p: np.ndarray, px: np.ndarray) -> dict[str, np.ndarray]:
    """Return the joint entropy and the two measures of correlation made of it."""
    apart = px[:, :, np.newaxis] * px[:, np.newaxis]
    bits = np.log2(apart + EPS)
    joint, own = _entropy(p), _entropy(px)
    mixed, independent = -(p * bits).sum((1, 2)), -(apart * bits).sum((1, 2))
    with np.errstate(invalid="ignore"):  # a difference below 0 by rounding is left out, as there
        second = np.sqrt(1 - np.exp(-2 * (independent - joint)))
    return {
        "Imc1": np.where(own == 0, 0, (joint - mixed) / np.where(own == 0, 1, own)),
        "Imc2": np.where(independent == joint, 0, second),
        "JointEntropy": joint,
    }


def mcc(p: np.ndarray, px: np.ndarray) -> np.ndarray:
    """Return the maximal correlation coefficient of each symmetric p (direction, level, level).

    It is the root of the second eigenvalue of Q(i, j) = sum_k p(i, k) p(j, k) / (px(i) px(k) +
    eps). Without eps, Q is similar to the square of a symmetric matrix; where eps is felt, the
    eigenvector gives to the first order what it takes from the eigenvalue.
    """
    if p.shape[1] < 2:
        return np.ones(len(p))
    root = np.sqrt(np.where(px > 0, px, 1))  # a level without neighbours has an empty row
    scaled = p / (root[:, :, np.newaxis] * root[:, np.newaxis])
    taken = EPS / (px[:, :, np.newaxis] * px[:, np.newaxis] + EPS)
    if taken[p > 0].max() < FELT:
        return np.sort(np.abs(np.linalg.eigvalsh(scaled)), axis=1)[:, -2]
    values, vectors = np.linalg.eigh(scaled)
    place, direction = np.argsort(values**2, axis=1)[:, -2], np.arange(len(p))
    vector = vectors[direction, :, place]
    image = np.matmul(scaled, vector[..., np.newaxis])
    lost = (vector * np.matmul(scaled * taken, image)[..., 0]).sum(1)
    return np.sqrt(np.maximum(values[direction, place] ** 2 - lost, 0))


def emphases(kind: str, found: np.ndarray, gray: np.ndarray, sizes: np.ndarray) -> dict[str, float]:
    """Return the features of runs, zones or dependences (direction, level, size)."""
    p = found[found.any(axis=(1, 2))].astype(float)
    held = p.any(axis=(0, 1))
    p, i, j = p[:, :, held], gray.astype(float), sizes[held].astype(float)
    n = p.sum((1, 2))
    by_level, by_size = p.sum(2), p.sum(1)
    level_powers, size_powers = np.stack([i**-2, i**2]), np.stack([j**-2, j**2])
    cross = np.matmul(level_powers, np.matmul(p, size_powers.T)).transpose(1, 2, 0) / n
    small, large, sized, unit, tail = EMPHASES[kind]
    return _over_directions(
        {
            f"{small}Emphasis": by_size @ size_powers[0] / n,
            f"{large}Emphasis": by_size @ size_powers[1] / n,
            "GrayLevelNonUniformity": (by_level**2).sum(1) / n,
            "GrayLevelNonUniformityNormalized": (by_level**2).sum(1) / n**2,
            f"{sized}NonUniformity": (by_size**2).sum(1) / n,
            f"{sized}NonUniformityNormalized": (by_size**2).sum(1) / n**2,
            f"{unit}Percentage": n / (by_size @ j),
            "GrayLevelVariance": _variance(by_level / n[:, np.newaxis], i),
            f"{unit}Variance": _variance(by_size / n[:, np.newaxis], j),
            f"{unit}Entropy": _entropy(p / n[:, np.newaxis, np.newaxis]),
            f"LowGrayLevel{tail}Emphasis": by_level @ level_powers[0] / n,
            f"HighGrayLevel{tail}Emphasis": by_level @ level_powers[1] / n,
            f"{small}LowGrayLevelEmphasis": cross[0, 0],
            f"{small}HighGrayLevelEmphasis": cross[1, 0],
            f"{large}LowGrayLevelEmphasis": cross[0, 1],
            f"{large}HighGrayLevelEmphasis": cross[1, 1],
        }
    )  # fmt: skip


def ngtdm(voxels: np.ndarray, s: np.ndarray, gray: np.ndarray) -> dict[str, float]:
    """Return the features of neighbourhoods: voxels of a level, their distances, its grey value."""
    total, count, p, i = voxels.sum(), len(voxels), voxels / voxels.sum(), gray.astype(float)
    gap, both = np.abs(i[:, np.newaxis] - i), p[:, np.newaxis] + p
    shares, coarse = i * p, p @ s
    spread = np.abs(shares[:, np.newaxis] - shares).sum()
    contrast = (p[:, np.newaxis] * p * gap**2).sum() * s.sum() / total
    weighted = (p * s)[:, np.newaxis] + p * s
    return {
        "Busyness": float(coarse / spread) if spread else 0.0,
        "Coarseness": float(1 / coarse) if coarse else 1e6,
        "Complexity": float((gap * weighted / both).sum() / total),
        "Contrast": float(contrast / (count * (count - 1))) if count > 1 else 0.0,
        "Strength": float((both * gap**2).sum() / s.sum()) if s.any() else 0.0,
    }


def _by_key(p: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return the sums of each matrix's cells by their key, (direction, key)."""
    width = key.max() + 1
    cells = np.arange(len(p))[:, np.newaxis] * width + key.ravel()
    return np.bincount(cells.ravel(), p.ravel(), len(p) * width).reshape(len(p), width)


def _entropy(p: np.ndarray) -> np.ndarray:
    """Return the entropy of each distribution (direction, ...), bits."""
    return -(p * np.log2(p + EPS)).reshape(len(p), -1).sum(1)


def _variance(share: np.ndarray, values: np.ndarray) -> np.ndarray:
    away = values - (share @ values)[:, np.newaxis]
    return (share * away**2).sum(1)


def _over_directions(values: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the mean of each feature over the directions in which it is defined."""
    table = np.stack(list(values.values()))
    means = np.nanmean(table, axis=1) if np.isnan(table).any() else table.mean(axis=1)
    return dict(zip(values, means.tolist(), strict=True))
