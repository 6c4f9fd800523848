"""Grey levels of a lesion counted as PyRadiomics does: pairs, dependences, runs, zones.

At distance 1 in 13 directions, without weights; the counts are those of PyRadiomics' C extension.
Which voxels are neighbours, and how they stand in lines, is found once for all images of a lesion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage.measure import label

DIRECTIONS = np.array(
    [(z, y, x) for z in (0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1) if (z, y, x) > (0, 0, 0)]
)
NEIGHBOURS = 2 * len(DIRECTIONS)


@dataclass(frozen=True)
class Places:
    """How the n voxels of a lesion, numbered as they lie in its box, stand to each other.

    Attributes:
        inside: bool (z, y, x), the lesion in its box.
        next_to: (26, n) the number of each voxel's neighbour, n where there is none: 13
            directions ahead, the same 13 behind.
        lines: (d, n) the voxels in the order in which lines of a direction pass them; of the
            directions in which any line meets two voxels.
        begins: (d, n) whether a line, after a gap too, begins there.
        neighbours: (n,) how many each voxel has.
    """

    inside: np.ndarray
    next_to: np.ndarray
    lines: np.ndarray
    begins: np.ndarray
    neighbours: np.ndarray


def places(inside: np.ndarray) -> Places:
    """Return how a lesion's voxels (z, y, x) stand to each other."""
    padded = np.pad(inside, 1)
    n = int(inside.sum())
    number = np.full(padded.shape, n)
    number[padded] = np.arange(n)
    steps = DIRECTIONS @ np.array(padded.strides) // padded.itemsize
    at = np.flatnonzero(padded)
    next_to = np.stack([number.ravel()[at + step] for step in (*steps, *-steps)])
    before = next_to[len(steps) :]
    meet = [(row < n).any() or _meet(inside, d) for row, d in zip(before, DIRECTIONS, strict=True)]
    before = before[meet]
    lines = np.stack([np.argsort(_first(row), kind="stable") for row in before])
    begins = np.take_along_axis(before, lines, 1) == n
    return Places(inside, next_to, lines, begins, (next_to < n).sum(0))


def _meet(inside: np.ndarray, direction: np.ndarray) -> bool:
    """Return whether any line of a direction meets two voxels of a lesion, with a gap between."""
    at = np.argwhere(inside)
    along = np.argmax(direction != 0)
    lines = at - (at[:, along] * direction[along])[:, np.newaxis] * direction
    return len(np.unique(lines, axis=0)) < len(at)


def _first(before: np.ndarray) -> np.ndarray:
    """Return the first voxel of each voxel's line, from the one before it (n: there is none)."""
    first = np.where(before == len(before), np.arange(len(before)), before)
    while not np.array_equal(further := first[first], first):
        first = further
    return first


def co_occurrences(levels: np.ndarray, count: int, lesion: Places) -> np.ndarray:
    """Return of each direction how often a level is next to another, (13, level, level).

    Args:
        levels: (n,) of the lesion's voxels, from 0.
        count: how many levels there are.
        lesion: how the voxels stand.
    """
    padded, own, width = np.append(levels, count), levels * (count + 1), count * (count + 1)
    pairs = [np.bincount(own + padded[row], minlength=width)
             for row in lesion.next_to[: len(DIRECTIONS)]]  # fmt: skip
    return np.stack(pairs).reshape(-1, count, count + 1)[:, :, :count]


def surroundings(levels: np.ndarray, gray: np.ndarray, lesion: Places) -> tuple[np.ndarray, ...]:
    """Return the matrices of dependences (1, level, size) and of neighbourhoods (level, 2).

    A dependence's size is a voxel and those of its neighbours that have its level; of a
    neighbourhood, the voxels of a level and their summed distances to their neighbours' mean.

    Args:
        levels: (n,) of the lesion's voxels, from 0.
        gray: (level,) the grey value of each level.
        lesion: how the voxels stand.
    """
    value = np.append(gray[levels], 0).astype(np.int32)
    alike, total = np.zeros(len(levels), int), np.zeros(len(levels), np.int32)
    for row in lesion.next_to:
        beside = value[row]
        total += beside
        alike += beside == value[:-1]
    sizes = NEIGHBOURS + 1
    dependences = np.bincount(levels * sizes + alike, minlength=len(gray) * sizes)
    mean = total / np.maximum(lesion.neighbours, 1)
    away = np.abs(value[:-1] - mean) * (lesion.neighbours > 0)
    held = [np.bincount(levels, weights, len(gray)) for weights in (None, away)]
    return dependences.reshape(1, len(gray), sizes), np.stack(held, axis=1)


def run_lengths(levels: np.ndarray, count: int, lesion: Places) -> np.ndarray:
    """Return of each direction how many runs of a level have a length, (d, level, length)."""
    ordered = levels.astype(np.int32)[lesion.lines]
    begins = lesion.begins.copy()
    begins[:, 1:] |= ordered[:, 1:] != ordered[:, :-1]
    at = np.flatnonzero(begins)
    lengths = np.diff(np.append(at, begins.size))
    longest = max(lesion.inside.shape) + 1
    key = (at // len(levels) * count + ordered.ravel()[at]) * longest + lengths
    found = np.bincount(key, minlength=len(lesion.lines) * count * longest)
    return found.reshape(-1, count, longest)[:, :, 1:]


def zone_sizes(levels: np.ndarray, count: int, lesion: Places) -> tuple[np.ndarray, np.ndarray]:
    """Return how many connected zones of a level have a size, (1, level, size), and the sizes."""
    box = np.zeros(lesion.inside.shape, np.int32)
    box[lesion.inside] = levels + 1
    zone = label(box, background=0, connectivity=3)[lesion.inside] - 1
    of = np.zeros(zone.max() + 1, int)
    of[zone] = levels
    sizes, which = np.unique(np.bincount(zone), return_inverse=True)
    found = np.bincount(of * len(sizes) + which, minlength=count * len(sizes))
    return found.reshape(1, count, len(sizes)), sizes
