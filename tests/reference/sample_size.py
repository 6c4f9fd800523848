# /// script
# requires-python = ">=3.12"
# dependencies = ["pmsampsize==0.1.0", "pmvalsampsize==0.2.1"]
# ///
"""Write sample_size.csv, numbers of pmsampsize and pmvalsampsize: uv run sample_size.py

Both ask for Python 3.12, so they are no part of the workbook's environment.
"""

import csv
from pathlib import Path

from pmsampsize.pmsampsize import pmsampsize
from pmvalsampsize.pmvalsampsize import pmvalsampsize

DEVELOPMENT = [(24, 0.174, 0.288), (20, 0.4, 0.15), (5, 0.5, 0.3), (60, 0.1, 0.1), (8, 0.3, 0.05)]
VALIDATION = [(0.018, 0.8, -5, 2.5), (0.2, 0.78, -1.75, 1.22), (0.5, 0.85, 0, 1.8)]

with Path(__file__).with_suffix(".csv").open("w", newline="") as stream:
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["for", "prevalence", "parameters", "r2", "auc", "mean", "sd",
                   "first", "second", "third", "n"])  # fmt: skip
    for parameters, prevalence, r2 in DEVELOPMENT:
        found = pmsampsize("b", csrsquared=r2, parameters=parameters, prevalence=prevalence,
                           noprint=True)  # fmt: skip
        criteria = [line[1] for line in found["results_table"] if line[0] != "\x01"]
        rows.writerow(["development", prevalence, parameters, r2, "", "", "", *criteria])
    for prevalence, auc, mean, sd in VALIDATION:
        found = pmvalsampsize("b", prevalence=prevalence, cstatistic=auc, lpnormal=(mean, sd),
                              noprint=True)  # fmt: skip
        criteria = [line[1] for line in found["results_table"] if line[0] != "\x01"]
        rows.writerow(["validation", prevalence, "", "", auc, mean, sd, *criteria])
