"""The README's paragraphs on the built-in cohort, from what control.py and protocols.py found."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pandas as pd
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from radiogenomics.study.files import read_json, whole_file

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEPT, NULL, PROTOCOLS = HERE / "control.json", HERE / "control_null.csv", HERE / "protocols.csv"
MARKS = "<!-- {}: written by tests/benchmarks/control.py readme -->", "<!-- end -->"
RUN = """
The run makes {patients} simulated patients. It took {minutes:.0f} minutes and {memory_gb} GB of
memory on 2 cores without a GPU, once the packages ({downloads} MB) were downloaded; the tests
took {tests:.0f} minutes.

Expected external AUC: {low:.3f} to {high:.3f} for the radiomics models, {clinical:.3f} for the
clinical model and {cnn[0]:.3f} ({cnn[1]:.3f} to {cnn[2]:.3f}) for the CNN; {attainable:.3f} is
attainable with these patients' images. {n} test patients allow no more precise estimate.
Training gives identical numbers on one machine; another kind of CPU rounds differently.
"""
CONTROL = """
- With signal, {cohorts} other cohorts of 120 patients: CNN {least:.3f} to {most:.3f}, mean
  {mean:.3f} of an attainable {attainable:.3f}. Of {trainings} trainings {no_signal} ended
  without a signal and {started_again} started again.
- Without signal (`workbook phantom DIR --signal none`), {nulls} cohorts of 60 patients: mean
  external AUCs of {least_null:.3f} to {most_null:.3f} (clinical, radiomics models, CNN), at most
  {far:.1f} standard errors from 0.5.
"""


def run_paragraphs() -> str:
    """Return what the README says of the built-in run."""
    kept = read_json(KEPT)
    run, aucs = kept["built-in"], kept["built-in"]["aucs"]
    radiomics = [aucs[model][0] for model in ("LR", "SVM", "Bayes")]
    return RUN.format(
        **run | {"low": min(radiomics), "high": max(radiomics), "clinical": aucs["Clinical"][0]},
        cnn=aucs["CNN"], tests=kept["tests"]["minutes"], downloads=kept["tests"]["downloads_mb"],
    )  # fmt: skip


def control_paragraphs() -> str:
    """Return what the README says of cohorts with and without signal."""
    rows, nulls = pd.read_csv(PROTOCOLS), pd.read_csv(NULL)
    own = rows[(rows.protocol == "default") & (rows.patients == 120) & (rows.training_seed == 0)]
    models = nulls.drop(columns=["seed", "n", "attempts"])
    means = models.mean()
    return CONTROL.format(
        **own[["trainings", "no_signal", "started_again"]].sum().astype(int),
        cohorts=own.cohort.nunique(), least=own.external.min(), most=own.external.max(),
        mean=own.external.mean(), attainable=own.attainable.mean(), nulls=len(nulls),
        least_null=means.min(), most_null=means.max(),
        far=((means - 0.5).abs() / models.sem()).max(),
    )  # fmt: skip


def downloads_mb() -> int:
    """Return the size of this environment's wheels, or sources, as the lock file gives it."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    held = {canonicalize_name(one.metadata["Name"]) for one in metadata.distributions()}
    return round(sum(_size(p) for p in lock["package"] if p["name"] in held) / 1e6)


def _size(package: dict) -> int:
    rank = {tag: n for n, tag in enumerate(sys_tags())}
    fitting = []
    for wheel in package.get("wheels", []):
        tags = parse_wheel_filename(wheel["url"].rsplit("/", 1)[1].replace("%2B", "+"))[3]
        fitting += [(rank[tag], wheel["size"]) for tag in tags if tag in rank]
    return min(fitting)[1] if fitting else package.get("sdist", {}).get("size", 0)


def with_paragraphs(readme: str) -> str:
    """Return the README with the paragraphs between their marks."""
    for name, text in (("run", run_paragraphs()), ("control", control_paragraphs())):
        begin, end = MARKS[0].format(name), MARKS[1]
        pattern = re.escape(begin) + r".*?" + re.escape(end)
        readme = re.sub(pattern, f"{begin}{text}{end}", readme, count=1, flags=re.DOTALL)
    return readme


def write() -> None:
    """Write the README's paragraphs."""
    path = ROOT / "README.md"
    text = with_paragraphs(path.read_text(encoding="utf-8"))
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
