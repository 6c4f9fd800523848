"""Mutation testing with mutmut: which changes of the code no test notices. Hours on 2 cores.

    uv run --with mutmut==3.8.1 python tests/benchmarks/mutants.py FOLDER [statistics drawn]

`statistics` changes all of lib/radiogenomics/statistics; `drawn` makes 200 changes, drawn with a
seed, of cohort/ and models/. Each part works in a clone of this checkout's last commit in FOLDER,
which may be continued; the tests that run the notebooks are left out. mutants.csv counts what was
found; survivors.csv holds each change that no test noticed: the reason is written by hand, and
kept as long as the change is the same. The list of `statistics` (2026-11-28: 583 of 3,956) has been
gone through: a change is left where nothing tells it apart, or it is of a message; each of the
others was tried alone on the tests that were written for it.
"""

import argparse
import random
import re
import subprocess
from collections import Counter
from pathlib import Path

import pandas as pd
from radiogenomics.study.files import read_json, whole_file, write_json

HERE = Path(__file__).parent
COUNTS, SURVIVORS = HERE / "mutants.csv", HERE / "survivors.csv"
PARTS = {
    "statistics": (("statistics",), ("tests/statistics",), None),
    "drawn": (
        ("cohort", "models"), ("tests/cohort", "tests/models", "tests/new_patient"), 200,
    ),
}  # fmt: skip
SEED = 20261128
SIMULATIONS = (  # tests of a second and more: only for what the others did not notice
    "cover", "level", "seconds", "true_auc", "simulation", "simulated", "resampled", "all_perm",
    "few_events", "only_ranked", "both_tests", "without_signal", "one_step", "long_codes",
    "one_label", "near_procs", "glm_where",
)  # fmt: skip
NOTICED = {"killed", "timeout", "segfault", "suspicious", "caught by type check"}
CFG = """[mutmut]
source_paths=src
only_mutate=
{changed}
also_copy=
    notebooks
    docs
    data
    reports
    README.md
    CHANGELOG.md
pytest_add_cli_args=
    -n0
pytest_add_cli_args_test_selection=
    -m
    not slow
{deselected}
{tests}
use_git_change_detection=false
"""


DOCTESTS = """# the examples of each function, once: its changed copies have them too
import doctest
import importlib
import pkgutil
import pytest
import radiogenomics.statistics as room
NAMES = [f"{room.__name__}.{found.name}" for found in pkgutil.iter_modules(room.__path__)]
CASES = [
    (name, case) for name in NAMES
    for case in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    if case.examples and ("__mutmut_" not in case.name or case.name.endswith("__mutmut_orig"))
]
@pytest.mark.parametrize(("name", "case"), CASES)
def test_examples(name, case):
    case.globs = dict(vars(importlib.import_module(name)))
    assert doctest.DocTestRunner().run(case, clear_globs=False).failed == 0
"""


def prepare(folder: Path, part: str, quick: bool = False) -> None:
    """Clone this checkout to `folder` and write what mutmut is to change and to run."""
    if not folder.exists():
        subprocess.run(["git", "clone", "-q", str(HERE.parents[1]), str(folder)], check=True)
        (folder / "lib").rename(folder / "src")  # where mutmut looks for packages
    code, tests, _ = PARTS[part]
    left_out = [
        f"--deselect={path}::{name}"
        for place in tests
        for path in files(folder, place)
        for name in runs_notebooks(folder / path)
    ]
    if quick:
        left_out += ["-k", f"not ({' or '.join(SIMULATIONS)})"]
    left_out += ["--ignore=tests/statistics/test_examples.py"]  # would run each docstring a change
    lines = {
        "changed": [f"src/radiogenomics/{name}/*" for name in code],
        "deselected": left_out,
        "tests": list(tests),
    }
    text = {name: "\n".join(f"    {line}" for line in own) for name, own in lines.items()}
    if "statistics" in code:
        (folder / "tests" / "statistics" / "test_docs.py").write_text(DOCTESTS, encoding="utf-8")
    (folder / "setup.cfg").write_text(CFG.format(**text), encoding="utf-8")


def files(folder: Path, place: str) -> list[str]:
    """Return the test files of a folder, or the file itself."""
    found = (
        [folder / place] if place.endswith(".py") else sorted((folder / place).glob("test_*.py"))
    )
    return [path.relative_to(folder).as_posix() for path in found]


def runs_notebooks(path: Path) -> list[str]:
    """Return the tests of a file that read the finished study."""
    text = path.read_text(encoding="utf-8")
    return [name for name, asked in re.findall(r"def (test_\w+)\(([^)]*)\)", text)
            if re.search(r"\b(finished|copied)\b", asked)]  # fmt: skip


def mutmut(folder: Path, *words: str) -> str:
    """Run mutmut in a folder and return what it prints."""
    own = ["--max-children", "1"] if words[0] == "run" else []
    command = ["mutmut", *words, *own]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def outcomes(folder: Path) -> dict[str, str]:
    """Return the outcome of each change."""
    lines = mutmut(folder, "results", "--all", "true").splitlines()
    return dict(line.strip().rsplit(": ", 1) for line in lines if ": " in line)


def run(folder: Path, part: str) -> dict[str, str]:
    """Make the changes of a part, and return their outcomes.

    The quick tests run first; what they do not notice meets all.
    """
    prepare(folder, part, quick=True)
    drawn, kept = PARTS[part][2], folder.with_suffix(".json")
    if not kept.exists():
        names = []
        if drawn is not None:
            mutmut(folder, "run", "nothing")  # writes all changes, then finds none of this name
            names = random.Random(SEED).sample(sorted(outcomes(folder)), drawn)
        mutmut(folder, "run", *names)
        found = outcomes(folder)
        write_json(kept, {name: found[name] for name in names or found})
    found = read_json(kept)
    prepare(folder, part)
    if lived := [name for name, outcome in found.items() if outcome not in NOTICED]:
        mutmut(folder, "run", *lived)
        again = outcomes(folder)
        found |= {name: again[name] for name in lived}
    return found


def change(folder: Path, name: str) -> dict[str, str]:
    """Return where a change was made, and its lines without and with it."""
    lines = mutmut(folder, "show", name).splitlines()
    sides = {
        sign: "; ".join(line[1:].strip() for line in lines
                        if line.startswith(sign) and not line.startswith(sign * 3))
        for sign in "-+"
    }  # fmt: skip
    function = re.sub(r"__mutmut_\d+$", "", name).removeprefix("radiogenomics.")
    return {"function": function, "was": sides["-"], "became": sides["+"]}


def keep(folder: Path, part: str, found: dict[str, str]) -> None:
    """Write the counts and the survivors of a part in the place of its earlier ones."""
    counted = Counter(found.values())
    row = {"part": part, "changes": len(found), "noticed": sum(counted[n] for n in NOTICED)}
    row["survived"] = row["changes"] - row["noticed"]
    lived = [{"part": part} | change(folder, name)
             for name, outcome in sorted(found.items()) if outcome not in NOTICED]  # fmt: skip
    table = pd.DataFrame(lived, columns=["part", "function", "was", "became"])
    table["why"] = ""
    if SURVIVORS.exists():
        old = pd.read_csv(SURVIVORS, keep_default_na=False)
        told = old.set_index(["function", "was", "became"]).why.to_dict()
        keys = zip(table.function, table.was, table.became, strict=True)
        table["why"] = [told.get(key, "") for key in keys]
        table = pd.concat([old[old.part != part], table], ignore_index=True)
    counts = pd.DataFrame([row])
    if COUNTS.exists():
        old = pd.read_csv(COUNTS)
        counts = pd.concat([old[old.part != part], counts], ignore_index=True)
    for path, rows in ((COUNTS, counts), (SURVIVORS, table)):
        with whole_file(path) as whole:
            rows.to_csv(whole, index=False)
    print(counts.to_string(index=False))


def main() -> None:
    """Measure these parts, or both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    given = parser.parse_args()
    for part in given.parts or PARTS:
        folder = given.folder.resolve() / part
        keep(folder, part, run(folder, part))


if __name__ == "__main__":
    main()
