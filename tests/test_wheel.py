"""A wheel carries what a checkout has, and runs where no checkout is."""

import csv
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
from radiogenomics.report.pages import notebooks
from radiogenomics.report.run import CLEAN
from radiogenomics.study.files import read_json

ROOT = Path(__file__).parents[1]
BUILD = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
SHIPPED = BUILD["build"]["targets"]["wheel"]["force-include"]
UV = shutil.which("uv") or os.environ.get("UV")
OFFLINE = re.compile(r"error sending request|dns error|tcp connect|operation timed out", re.I)
ASKED = """import sys, pathlib, radiogenomics
pathlib.Path("kernel.txt").write_text(sys.prefix + "\\n" + radiogenomics.__file__)"""
RUN_IT = """from pathlib import Path
from radiogenomics.report.execution import run_notebook
run_notebook(Path("asked.ipynb"), Path("done.ipynb"), {"folder": "/no/study", "reports": "/no/r"})
"""


def uv(*arguments, **where):
    """Run uv; skip the test where it cannot reach what it needs."""
    if not UV:
        pytest.skip("uv is not there to build and install a wheel")
    given = [UV, *map(str, arguments)]
    done = subprocess.run(given, capture_output=True, text=True, check=False, **where)
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip(f"no package index can be reached: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def tracked(*places, new=False):
    """Return git's files below these places, on request with new ones that it does not ignore."""
    if not (ROOT / ".git").exists():
        pytest.skip("a folder without git")
    more = ["--cached", "--others", "--exclude-standard"] if new else []
    asked = ["git", "-C", str(ROOT), "ls-files", "-z", *more, *places]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    return {name for name in told.split("\0") if name}


def test_notebooks_and_data_that_git_knows_are_shipped():
    names = {name for name in tracked("notebooks", "data", "docs") if not name.endswith(".py")}
    assert set(SHIPPED) == names
    assert {p.relative_to(ROOT).as_posix() for p in notebooks()} <= names
    for source, place in SHIPPED.items():
        assert place == f"radiogenomics/shipped/{source}"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel that is built from the checkout, and the sdist with the wheel that it builds."""
    folder = tmp_path_factory.mktemp("built")
    uv("build", "--wheel", "--out-dir", folder / "direct", ROOT)
    uv("build", "--out-dir", folder / "through_sdist", ROOT)
    direct, through = (next((folder / n).glob("*.whl")) for n in ("direct", "through_sdist"))
    return direct, through, next((folder / "through_sdist").glob("*.tar.gz"))


def contents(wheel):
    with zipfile.ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.mark.slow
def test_a_wheel_holds_the_checkouts_very_files(built):
    direct, through, sdist = built
    held = contents(direct)
    library = {name.removeprefix("lib/"): name for name in tracked("lib", new=True)}
    expected = library | {place: source for source, place in SHIPPED.items()}
    assert {name for name in held if ".dist-info/" not in name} == set(expected)
    for place, source in expected.items():
        assert held[place] == (ROOT / source).read_bytes(), place
    assert contents(through) == held
    with tarfile.open(sdist) as packed:
        sources = {name.partition("/")[2] for name in packed.getnames()}
    private = {name for name in sources if name.startswith(("data/", "notebooks/", "reports/"))}
    assert private == tracked("data", "notebooks", "reports")


def installed(wheel, folder):
    """Install a wheel with the locked packages in a new environment; give the environment."""
    python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    locked = ["export", "--locked", "--no-dev", "--no-emit-project", "--project", ROOT]
    uv(*locked, "--output-file", folder / "locked.txt")
    uv("venv", "--python", sys.executable, folder / "env")
    uv("pip", "install", "--python", python, "-r", folder / "locked.txt", cwd=folder)
    uv("pip", "install", "--python", python, "--no-deps", wheel, cwd=folder)
    return python.parent


def somebody_elses_kernel(home):
    """Put a kernel of the usual name into a home folder: it does not start."""
    text = '{"argv": ["no-such-python"], "display_name": "x", "language": "python"}'
    kernel = home / ".local" / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(text, encoding="utf-8")


def write_scores(path):
    rows = [(f"P{i}", i % 2, f"model {m}", (i * 7 * m % 50 + 40 * (i % 2)) / 100, "test")
            for i in range(40) for m in (1, 3)]  # fmt: skip
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("patient", "label", "model", "score", "cohort"), *rows])


class Place:
    """An environment with the wheel alone, and a folder to work in."""

    def __init__(self, wheel, folder):
        self.programs, self.folder = installed(wheel, folder), folder / "work"
        self.folder.mkdir()
        somebody_elses_kernel(folder / "home")
        kept = ("PATH", "SYSTEMROOT", "TMPDIR")
        self.variables = {name: os.environ[name] for name in kept if name in os.environ}
        # Jupyter's own choice where the environment belongs to somebody else, as on a server
        self.variables |= {"HOME": str(folder / "home"), "JUPYTER_PREFER_ENV_PATH": "0"}

    def call(self, program, *arguments):
        given = [str(self.programs / program), *arguments]
        where = {"cwd": self.folder, "env": self.variables}
        done = subprocess.run(given, capture_output=True, text=True, check=False, **where)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def place(built, tmp_path_factory):
    return Place(built[0], tmp_path_factory.mktemp("installed"))


@pytest.mark.slow
def test_an_installed_wheel_runs_a_study(place):
    place.call("workbook", "phantom", "data/small", "--patients", "24")
    said = place.call("workbook", "run", "data/small", "--only", "01", "08")
    assert CLEAN in said
    reports = place.folder / "reports" / "small"
    for page in ("index.html", "01_cohort.html", "08_paper_audit.html"):
        assert "</html>" in (reports / page).read_text(encoding="utf-8"), page
    assert "an installed package" in read_json(reports / "manifest.json")["code"]


@pytest.mark.slow
def test_an_installed_wheel_compares_scores(place):
    write_scores(place.folder / "scores.csv")
    place.call("workbook", "compare", "scores.csv", "out")
    page = place.folder / "out" / "05_comparison.html"
    assert "model 3" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_notebooks_run_in_the_kernel_of_the_wheels_environment(place):
    cells = [nbformat.v4.new_code_cell(ASKED)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), place.folder / "asked.ipynb")
    place.call("python", "-c", RUN_IT)
    prefix, library = (place.folder / "kernel.txt").read_text().splitlines()
    environment = place.programs.parent
    assert Path(prefix) == environment and Path(library).is_relative_to(environment)
