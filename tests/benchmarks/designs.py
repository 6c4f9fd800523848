"""Every design of docs/designs.md, run whole: does it end, say what it is, and predict?

    uv run python tests/benchmarks/designs.py FOLDER [DESIGN ...]

One built-in cohort of 24 patients with small images and quick settings is run in FOLDER as the
paper's design; each further design is a copy of it, caches too, with another table or study.toml.
An hour on 2 cores. Each finished design is a row of designs.csv, and all of docs/designs.md.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import rows
import SimpleITK as sitk
from radiogenomics.study import design, tables
from radiogenomics.study.cells import read_cells
from radiogenomics.study.errors import DONE
from radiogenomics.study.study import load_study

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import QUICK, make_tiny, three_hospitals

TABLE = Path(__file__).with_name("designs.csv")
DOCS = Path(__file__).parents[2] / "docs"
CALL = [sys.executable, "-m", "radiogenomics.cli"]
BROKEN = re.compile(r"Traceback|\bnan\b|[=(,] ?None\b")  # no draft says such a word
Edit = Callable[[pd.DataFrame, Path], pd.DataFrame]


@dataclass(frozen=True)
class Design:
    """A design: lines above study.toml's sections, those below, the table, what the draft says."""

    says: str
    above: str = ""
    below: str = ""
    edit: Edit = lambda table, _: table
    train: str = 'train = ["A"]'
    test: str = 'test = ["B"]'


def in_time(table: pd.DataFrame, _: Path) -> pd.DataFrame:
    """All but ten patients of each label were scanned later; one hospital."""
    later = table.groupby("label").cumcount() >= 10
    dates = later.map({True: "2022-03-01", False: "2020-03-01"})
    return table.assign(hospital="A", ct_date=dates).drop(columns="cohort")


def no_images(table: pd.DataFrame, _: Path) -> pd.DataFrame:
    """A table without the images' columns."""
    return table.drop(columns=["ct", "mask", "mask_2", "hospital", "cohort"])


def halved(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Every third patient has two lesions, a row each: the halves of his mask, 1 pixel apart."""
    found = []
    for number, row in enumerate(table.to_dict("records")):
        if number % 3:
            found.append(row | {"lesion": ""})
            continue
        mask = sitk.ReadImage(str(folder / row["mask"]))
        drawn = sitk.GetArrayFromImage(mask) > 0
        middle, x = int(np.median(np.argwhere(drawn)[:, 2])), np.arange(drawn.shape[2])
        for name, part in (("1", drawn & (x < middle)), ("2", drawn & (x > middle))):
            own = sitk.GetImageFromArray(part.astype(np.uint8))
            own.CopyInformation(mask)
            path = row["mask"].replace("mask", f"lesion_{name}")
            sitk.WriteImage(own, str(folder / path))
            found.append(row | {"lesion": name, "mask": path})
    return pd.DataFrame(found)


def boxed(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Corners in voxels of the CT in place of every third mask."""
    names = [f"box_{axis}{end}" for end in "12" for axis in "xyz"]
    table = table.assign(**dict.fromkeys(names, ""))
    for i in table.index[::3]:
        mask = sitk.ReadImage(str(folder / table["mask"][i]))
        inside = np.argwhere(sitk.GetArrayFromImage(mask) > 0)[:, ::-1]
        corners = [*inside.min(axis=0), *inside.max(axis=0)]
        table.loc[i, names] = [str(v) for v in corners]
        table.loc[i, ["mask", "mask_2"]] = ""
    return table


def own_network(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The network of docs/another_network.md beside the table."""
    (folder / "networks").mkdir()
    text = (DOCS / "another_network.md").read_text("utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    (folder / "networks" / "mine.py").write_text(code, "utf-8")
    return table


def parameter_file(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """A parameter file of PyRadiomics beside the table."""
    text = (
        "imageType:\n  Original: {}\n  LoG:\n    sigma: [2.0]\nfeatureClass:\n  firstorder: []\n"
        "  shape: []\n  glcm: []\nsetting:\n  binCount: 32\n  resampledPixelSpacing: [2, 2, 2]\n"
        "  preCrop: true\n"
    )
    (folder / "Params.yaml").write_text(text, "utf-8")
    return table


def made_elsewhere(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Features made elsewhere: the principal components of docs/pca_features.py."""
    where = [str(DOCS / "pca_features.py"), str(folder), str(folder / "embeddings.csv")]
    subprocess.run([sys.executable, *where], check=True)
    return table


def in_words(table: pd.DataFrame, _: Path) -> pd.DataFrame:
    """Variants in the place of 1 and 0."""
    turn = table.groupby("label").cumcount() % 2
    mutant = turn.map({0: "L858R", 1: "ex19del"})
    return table.assign(label=mutant.where(table.label == "1", "wild-type"))


NO_IMAGES, NO_NETWORK = 'parts = ["clinical"]', 'parts = ["clinical", "radiomics"]'
UNTESTED = {"test": "test = []"}
DESIGNS = {
    "two hospitals": Design("Patients of A"),
    "one hospital, split in time": Design(
        "later", edit=in_time, train='column = "ct_date"\ntrain = ["..2021-12-31"]',
        test='internal = ["2022-01-01.."]'),
    "one hospital, cross-validated": Design(
        "There was no test cohort", train='train = ["A", "B"]', **UNTESTED),
    "three hospitals, each left out in turn": Design(
        "There was no test cohort", edit=lambda table, _: three_hospitals(table),
        train='train = ["A", "B", "C"]',
        below='[evaluation]\nfolds_by = "hospital"', **UNTESTED),
    "radiomics alone": Design("radiomics", 'parts = ["radiomics"]'),
    "the network alone": Design("network", 'parts = ["network"]'),
    "clinical data alone, one hospital": Design(
        "There was no test cohort", NO_IMAGES, edit=no_images, train='train = ["A", "B"]',
        **UNTESTED),
    "no clinical predictors": Design("radiomics", below="[clinical]\npredictors = []"),
    "several lesions, the largest": Design(
        "had several lesions: the largest was read", edit=halved,
        below='[lesions]\nrule = "largest"'),
    "several lesions, mean of features": Design(
        "had several lesions: each was measured, and a feature is their mean", NO_NETWORK,
        edit=halved, below='[lesions]\nrule = "mean"'),
    "boxes in place of outlines": Design("the lesion was given as a box", edit=boxed),
    "labels in words": Design(
        "L858R", edit=in_words, below='[label]\npositive = ["L858R", "ex19del"]'),
    "a forest and boosting": Design(
        "RandomForestClassifier", NO_NETWORK,
        '[models]\nforest = "sklearn.ensemble.RandomForestClassifier"\n'
        'boosted = "sklearn.ensemble.HistGradientBoostingClassifier"'),
    "another network": Design(
        "networks/mine.py", edit=own_network, below='network = "networks/mine.py:build"'),
    "features made elsewhere": Design(
        "made elsewhere", edit=made_elsewhere,
        below='[features]\ntable = "embeddings.csv"\nmodel_name = "PCA"\n'
        'made_by = "principal components of the volumes"'),
    "a parameter file of PyRadiomics": Design(
        "32 grey levels", NO_NETWORK, edit=parameter_file,
        below='[radiomics]\nparameter_file = "Params.yaml"'),
}  # fmt: skip


def written(folder: Path, asked: Design) -> None:
    """Write a design's cohort.csv and study.toml over the base's."""
    (folder / "test_set.jsonl").unlink(missing_ok=True)
    asked.edit(read_cells(folder / "cohort.csv"), folder).to_csv(folder / "cohort.csv", index=False)
    path = folder / "study.toml"
    text = path.read_text("utf-8").replace('train = ["A"]', asked.train)
    text = f"{asked.above}\n" + text.replace('test = ["B"]', asked.test)
    for section in re.findall(r"^\[\w+\]$", asked.below, flags=re.M):
        if section in text:  # said here, as a whole
            text = re.sub(rf"{re.escape(section)}\n(?:[^\[\n].*\n?)*", "", text)
    if asked.below.startswith("["):
        text += f"\n{asked.below}\n"
    elif asked.below:  # a key of [cnn], which the base has
        text = text.replace("[cnn]\n", f"[cnn]\n{asked.below}\n")
    path.write_text(text, "utf-8")


def quick() -> list[str]:
    """Return the quick settings as arguments of `run`."""
    return [word for name, value in QUICK.items() for word in ("-p", name, str(value))]


def base(place: Path) -> Path:
    """Return the paper's design, which is run once, with all its caches."""
    folder = place / "base" / "data" / "study"
    if not folder.exists():
        make_tiny(folder)
        subprocess.run([*CALL, "run", str(folder), *quick()], check=True)
    return folder


def tried(place: Path, name: str) -> dict:
    """Return a row: what was run, what the pages say, and whether a patient can be scored."""
    asked, home = DESIGNS[name], place / name.replace(" ", "_").replace(",", "")
    shutil.rmtree(home, ignore_errors=True)
    folder = home / "data" / "study"
    shutil.copytree(base(place), folder)
    written(folder, asked)
    code = subprocess.run([*CALL, "run", str(folder), *quick()], check=False).returncode
    study = load_study(folder)
    notebooks = sorted(study.reports.glob("0*.html"))
    draft = (study.reports / "manuscript.md").read_text("utf-8")
    untested = not design.tested(study.settings)
    results = study.table(tables.INTERNAL_RESULTS if untested else tables.METRICS)
    pages = [p.read_text("utf-8") for p in (*notebooks, study.reports / "index.html")]
    read_cells(folder / "cohort.csv").head(1).to_csv(folder / "new.csv", index=False)
    asking = ["predict", "--cohort", str(folder / "new.csv"), "--study", str(folder)]
    subprocess.run([*CALL, *asking, "--out", str(home / "new")], check=False)
    scores = pd.read_csv(home / "new" / "scores.csv")
    return {
        "ended": code == DONE,
        "notebooks": " ".join(p.name[:2] for p in notebooks),
        "models": ", ".join(dict.fromkeys(results.model)),
        "says": asked.says in draft and not BROKEN.search(draft)
        and all(("Internal validation only" in page) == untested for page in pages),
        "predicts": ", ".join(scores.model.dropna().unique()),
    }  # fmt: skip


def page() -> None:
    """Write the table into docs/designs.md."""
    head = ["design", "notebooks run", "models", "says what it is", "`predict` scores"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows.read(TABLE).to_dict("records"):
        says = "yes" if row["says"] and row["ended"] else "**no**"
        cells = [row["design"], row["notebooks"], row["models"], says, row["predicts"]]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    about = (
        "These were run whole, with 24 simulated patients, small images and quick settings. One "
        "says what it is where the draft names it, no page has a number that is none, and the "
        "pages of a study without a test cohort, and they alone, say *Internal validation only*."
    )
    text = "\n".join(lines)
    rows.into(DOCS / "designs.md", Path(__file__).name, f"{about}\n\n{text}")


def main() -> None:
    """Run the designs that have no row, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("designs", nargs="*", choices=[*DESIGNS, []], default=[])
    given = parser.parse_args()
    for name in given.designs or DESIGNS:
        rows.once(TABLE, {"design": name}, lambda n=name: tried(given.folder.resolve(), n))
    page()


if __name__ == "__main__":
    main()
