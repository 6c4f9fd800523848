"""What README and methods say of the built-in cohort, from what control.py and protocols.py found.

uv run python tests/benchmarks/control_text.py [run] [control] [protocols]
"""

import re
import sys
import textwrap
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
MARKS = "<!-- {}: written by tests/benchmarks/control_text.py -->", "<!-- end -->"
RUN = """
The run makes {patients} simulated patients. It took {minutes:.0f} minutes and {memory_gb} GB of
memory on 2 cores without a GPU, once the packages ({downloads} MB) were downloaded; the tests took
{tests:.0f} minutes.

Expected external AUC: {low:.3f} to {high:.3f} for the radiomics models, {clinical:.3f} for the
clinical model and {cnn[0]:.3f} ({cnn[1]:.3f} to {cnn[2]:.3f}) for the CNN; {attainable:.3f} is
attainable with these patients' images. {n} test patients allow no more precise estimate. Training
gives identical numbers on one machine; another kind of CPU rounds differently.
"""
CONTROL = """
- With signal, {cohorts} cohorts of 120 patients: external AUC of the CNN {least:.3f} to
{most:.3f}, mean {mean:.3f} where {attainable:.3f} is attainable. Of {trainings} trainings
{no_signal} ended without a signal; {started_again} started again.

- Without signal (`workbook phantom DIR --signal none`), {nulls} cohorts of 60 patients: the mean
external AUC of the five models (clinical, LR, SVM, Bayes, CNN) is {least_null:.3f} to
{most_null:.3f}, at most {far:.1f} standard errors from 0.5. Of {nulls} trainings of the CNN
{again_null} started again.
"""


def _wrapped(text: str) -> str:
    """Return paragraphs and list items in lines of a page's width."""
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    lines = [
        textwrap.fill(part, 100, subsequent_indent="  " * part.startswith("- "),
                      break_on_hyphens=False)
        for part in parts
    ]  # fmt: skip
    return "\n" + ("\n" if parts[0][:2] == "- " else "\n\n").join(lines) + "\n"


def run_paragraphs() -> str:
    """Return what the README says of the built-in run."""
    kept = read_json(KEPT)
    run, aucs = kept["built-in"], kept["built-in"]["aucs"]
    radiomics = [aucs[model][0] for model in ("LR", "SVM", "Bayes")]
    text = RUN.format(
        **run | {"low": min(radiomics), "high": max(radiomics), "clinical": aucs["Clinical"][0]},
        cnn=aucs["CNN"], tests=kept["tests"]["minutes"], downloads=kept["tests"]["downloads_mb"],
    )  # fmt: skip
    return _wrapped(text)


def control_paragraphs() -> str:
    """Return what the README says of cohorts with and without signal."""
    rows, nulls = pd.read_csv(PROTOCOLS), pd.read_csv(NULL)
    own = rows[(rows.protocol == "default") & (rows.patients == 120) & (rows.training_seed == 0)]
    models = nulls.drop(columns=["seed", "n", "attempts"])
    means, counted = models.mean(), own[["trainings", "no_signal", "started_again"]].sum()
    text = CONTROL.format(
        **counted.astype(int).replace(0, "none"),
        again_null=int((nulls.attempts > 1).sum()),
        cohorts=own.cohort.nunique(), least=own.external.min(), most=own.external.max(),
        mean=own.external.mean(), attainable=own.attainable.mean(), nulls=len(nulls),
        least_null=means.min(), most_null=means.max(),
        far=((means - 0.5).abs() / models.sem()).max(),
    )  # fmt: skip
    return _wrapped(text)


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


COMPARED = 5  # cohorts of 120 patients on which all protocols were run, the first ones
SEEDS = "training seeds of one cohort"


def summary() -> pd.DataFrame:
    """Return what the protocols of training reached, a row a set of runs and protocol.

    AUCs are means over the runs; the lowest fold is the lowest of a run's three.
    """
    rows = pd.read_csv(PROTOCOLS)
    usual, small = rows[rows.training_seed == 0], rows.patients == 120
    first = usual.cohort < usual[usual.patients == 120].cohort.min() + COMPARED
    default = usual[(usual.protocol == "default") & (usual.patients == 120)]
    sets = {
        "120 patients": usual[first & small],
        "240 patients": usual[~small],
        "120 patients, more cohorts": default,
        f"120 patients, {SEEDS}": rows[rows.training_seed > 0],
    }
    return pd.concat([_summed(part).assign(runs_of=name) for name, part in sets.items()])


def _summed(rows: pd.DataFrame) -> pd.DataFrame:
    by = rows.groupby("protocol", sort=False)
    aucs = by[["attainable", "external", "out_of_fold", "lowest_fold"]].mean()
    sums = by[["trainings", "no_signal", "started_again"]].sum().astype(int)
    return pd.concat([by.size().rename("runs"), aucs, sums], axis=1).reset_index()


def protocol_table() -> str:
    """Return `summary` as a table of a page."""
    table = summary()
    table = table[["runs_of", *table.columns.drop("runs_of")]]
    lines = [list(table.columns.str.replace("_", " ")), ["---"] * len(table.columns)]
    for row in table.astype(object).to_numpy():
        lines.append([f"{x:.3f}" if isinstance(x, float) else str(x) for x in row])
    return "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


BLOCKS = {  # of which page, and what writes it
    "run": ("README.md", run_paragraphs),
    "control": ("README.md", control_paragraphs),
    "protocols": ("docs/methods.md", protocol_table),
}


def written(name: str) -> tuple[Path, str]:
    """Return a page, and its text with a block between its marks."""
    page, text_of = BLOCKS[name]
    begin, end = MARKS[0].format(name), MARKS[1]
    pattern = re.compile(re.escape(begin) + r".*?" + re.escape(end), re.DOTALL)
    text = (ROOT / page).read_text(encoding="utf-8")
    if not pattern.search(text):
        raise ValueError(f"{page} has no marks {begin} and {end}.")
    return ROOT / page, pattern.sub(lambda _: f"{begin}{text_of()}{end}", text)


def write(*names: str) -> None:
    """Write these blocks into their pages."""
    for name in names or BLOCKS:
        page, text = written(name)
        with whole_file(page) as part:
            part.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(*sys.argv[1:])
