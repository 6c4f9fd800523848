"""How often intervals of the AUC hold the true one: a simulation that chose the default.

uv run python tests/benchmarks/auc_intervals.py tests/benchmarks/auc_intervals.csv --draws 10000

The table of methods and the default's cells below 94% go into docs/methods.md.

Scores are normal: of equal spread, of 2 in label 1 against 1, or cut into four values. Only draws
with both labels in a fixed number enter: n × events. The bootstrap has 500 draws of 500 samples, of
at most 132 patients.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from radiogenomics.study.progress import progress
from scipy import stats
from scipy.special import expit, logit

SIZES, SHARES = (25, 50, 132, 528), (0.15, 0.30, 0.50)
AUCS = (0.5, 0.7, 0.8, 0.9, 0.95)
KINDS = ("equal spread", "unequal spread", "four values")
Z, TAIL = stats.norm.ppf(0.975), 0.025
RARE = 500, 500, 132  # draws of the bootstrap, its samples, the most patients
ENOUGH, DEFAULT = 0.94, "delong-logit-t"
PAGE = Path(__file__).parents[2] / "docs/methods.md"
MARKS = "<!-- written by tests/benchmarks/auc_intervals.py -->", "<!-- end -->"


def drawn(rng, kind, auc, m, n, draws):
    """Return scores of label 1 (draws, m) and 0 (draws, n), and the true AUC."""
    spread = 2.0 if kind == "unequal spread" else 1.0
    shift = stats.norm.ppf(auc) * np.sqrt(1 + spread**2)
    ones, zeros = rng.normal(shift, spread, (draws, m)), rng.normal(size=(draws, n))
    if kind != "four values":
        return ones, zeros, auc
    cuts = np.quantile(stats.norm.ppf(np.linspace(0.001, 0.999, 999)), (0.4, 0.7, 0.9)) + shift / 4
    chance = [np.diff(stats.norm.cdf([-np.inf, *(cuts - by), np.inf])) for by in (shift, 0.0)]
    below = np.cumsum(chance[1]) - chance[1] / 2
    return np.searchsorted(cuts, ones), np.searchsorted(cuts, zeros), float(chance[0] @ below)


def placements(ones, zeros):
    """Return the AUC (draw,) and the two parts of DeLong's variance of it, by mid-ranks."""
    m, n = ones.shape[1], zeros.shape[1]
    both = stats.rankdata(np.concatenate([ones, zeros], axis=1), axis=1)
    won = (both[:, :m] - stats.rankdata(ones, axis=1)) / n
    lost = 1 - (both[:, m:] - stats.rankdata(zeros, axis=1)) / m
    return won.mean(axis=1), won.var(axis=1, ddof=1) / m, lost.var(axis=1, ddof=1) / n


def plain(auc, of_ones, of_zeros, m, n):
    """DeLong's, cut at 0 and 1."""
    reach = Z * np.sqrt(of_ones + of_zeros)
    return np.clip(auc - reach, 0, 1), np.clip(auc + reach, 0, 1)


def on_logit(auc, of_ones, of_zeros, m, n, times=Z):
    """DeLong's on the logit scale; exact where no pair, or every pair, is in the right order."""
    inner = np.clip(auc, 1e-9, 1 - 1e-9)
    reach = times * np.sqrt(of_ones + of_zeros) / (inner * (1 - inner))
    low, high = expit(logit(inner) - reach), expit(logit(inner) + reach)
    return at_the_ends(auc, low, high, m, n)


def t_logit(auc, of_ones, of_zeros, m, n):
    """The same with Student's t of the rarer label's patients less 1."""
    return on_logit(auc, of_ones, of_zeros, m, n, stats.t.ppf(1 - TAIL, min(m, n) - 1))


def welch_logit(auc, of_ones, of_zeros, m, n):
    """The same with Student's t of Welch and Satterthwaite's degrees of freedom."""
    with np.errstate(invalid="ignore"):
        freedom = (of_ones + of_zeros) ** 2 / (of_ones**2 / (m - 1) + of_zeros**2 / (n - 1))
    times = stats.t.ppf(1 - TAIL, np.nan_to_num(freedom, nan=1.0))
    return on_logit(auc, of_ones, of_zeros, m, n, times)


def at_the_ends(auc, low, high, m, n):
    """Return limits with those of AUC 0 and 1 replaced by exact ones."""
    end = TAIL ** (1 / min(m, n))
    low, high = np.where(auc == 1, end, low), np.where(auc == 1, 1.0, high)
    return np.where(auc == 0, 0.0, low), np.where(auc == 0, 1 - end, high)


def newcombe(auc, of_ones, of_zeros, m, n):
    """Newcombe's method 5 (2006): the AUCs within reach by Hanley and McNeil's variance at them."""
    half = (m + n) / 2 - 1

    def off(theta):
        more = half * (1 - theta) / (2 - theta) + half * theta / (1 + theta)
        return np.abs(auc - theta) - Z * np.sqrt(theta * (1 - theta) * (1 + more) / (m * n))

    limits = []
    for end in (0.0, 1.0):
        near, far = auc.copy(), np.full_like(auc, end)
        for _ in range(50):
            middle = (near + far) / 2
            inside = off(middle) < 0
            near, far = np.where(inside, middle, near), np.where(inside, far, middle)
        limits.append((near + far) / 2)
    return tuple(limits)


def bootstrap(rng, ones, zeros):
    """Percentiles of the AUC of patients drawn within each label."""
    m, n = ones.shape[1], zeros.shape[1]
    limits = []
    for one, zero in zip(ones, zeros, strict=True):
        pairs = (one[:, None] > zero) + 0.5 * (one[:, None] == zero)
        a = rng.multinomial(m, np.full(m, 1 / m), RARE[1])
        b = rng.multinomial(n, np.full(n, 1 / n), RARE[1])
        limits.append(np.quantile(((a @ pairs) * b).sum(axis=1) / (m * n), (TAIL, 1 - TAIL)))
    return np.array(limits).T


FORMULAS = {"delong": plain, "delong-logit": on_logit, "delong-logit-rarer": t_logit,
            "delong-logit-t": welch_logit, "newcombe": newcombe}  # fmt: skip


def cell(rng, size, share, auc, kind, draws):
    """Return a row for each method: coverage and mean width."""
    m = max(round(size * share), 2)
    ones, zeros, true = drawn(rng, kind, auc, m, size - m, draws)
    found = placements(ones, zeros)
    limits = {name: rule(*found, m, size - m) for name, rule in FORMULAS.items()}
    if size <= RARE[2]:
        limits["bootstrap"] = bootstrap(rng, ones[: RARE[0]], zeros[: RARE[0]])
    for name, (low, high) in limits.items():
        holds = (low <= true) & (true <= high)
        yield {"n": size, "events": m, "auc": auc, "scores": kind, "method": name,
               "coverage": holds.mean(), "width": (high - low).mean(), "draws": len(low),
               "zero_width": (high == low).mean()}  # fmt: skip


def page(table):
    """Return the methods, and the default's cells whose coverage is below 94%, as Markdown."""
    rows = ["| method | mean width | least coverage | cells of 94% or more: all | "
            + " | ".join(KINDS) + " |", "|---" * (4 + len(KINDS)) + "|"]  # fmt: skip
    for method, part in sorted(table.groupby("method"), key=lambda item: item[1].width.mean()):
        reach = part.coverage >= ENOUGH
        shares = [reach.mean(), *(reach[part.scores == kind].mean() for kind in KINDS)]
        told = " | ".join(f"{share:.0%}" for share in shares)
        rows.append(f"| {method} | {part.width.mean():.3f} | {part.coverage.min():.3f} | {told} |")
    low = table[(table.method == DEFAULT) & (table.coverage < ENOUGH)]
    rows += ["", f"Cells of `{DEFAULT}` below 94%:", "",
             "| n | events | AUC | scores | coverage |", "|---|---|---|---|---|"]  # fmt: skip
    rows += [f"| {r.n} | {r.events} | {r.auc:g} | {r.scores} | {r.coverage:.3f} |"
             for r in low.itertuples()]  # fmt: skip
    return "\n".join(rows) + "\n"


def main() -> None:
    """Write the table of cells and the part of docs/methods.md that it makes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng, rows, bar = np.random.default_rng(given.seed), [], progress("cells")
    cells = list(product(SIZES, SHARES, AUCS, KINDS))
    for done, one in enumerate(cells, start=1):
        rows += cell(rng, *one, given.draws)
        bar(done, len(cells))
    table = pd.DataFrame(rows).round(4)
    table.to_csv(given.out, index=False)
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(MARKS[0])[0], text.split(MARKS[1])[1]
    told = f"{before}{MARKS[0]}\n\n{page(table)}\n{MARKS[1]}{after}"
    PAGE.write_text(told, encoding="utf-8")


if __name__ == "__main__":
    main()
