"""How often a model without signal is said to be of net benefit: run by hand, minutes.

uv run python tests/benchmarks/net_benefit.py --draws 1000

Scores are drawn without a look at the labels; the primary model is fixed beforehand and held to
treating all, to none and, in `reference`, to another such model.
"""

import argparse

import numpy as np
from radiogenomics.statistics import decision, resampling

RANGE = decision.THRESHOLDS[4:95]  # 0.05 to 0.95


def named(n: int, seed: int, reference: bool, bootstrap: int) -> bool:
    """Return whether the primary model of one draw is named at any threshold."""
    rng, labels = np.random.default_rng(seed), (np.arange(n) < n // 2).astype(int)
    primary, other = rng.beta(2, 2, (2, n))
    drawn = resampling.draw(labels == 1, bootstrap, seed)
    against = {"reference": other} if reference else {}
    return len(decision.clear_thresholds(labels, primary, against, RANGE, drawn)) > 0


def main() -> None:
    """Print the share of draws in which the model is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--bootstrap", type=int, default=1000)
    given = parser.parse_args()
    for n in (25, 132):
        for reference in (False, True):
            found = [named(n, seed, reference, given.bootstrap) for seed in range(given.draws)]
            print(f"{n} patients, reference {reference}: named in {np.mean(found):.1%}", flush=True)


if __name__ == "__main__":
    main()
