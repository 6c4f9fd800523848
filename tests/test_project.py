"""environment.yml pins what the lock pins, and names what the study asks for."""

import ast
import importlib.metadata
import re
import runpy
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
ASKED = (
    "jupyterlab", "tensorflow", "simpleitk", "pyradiomics-bhklab", "scikit-learn", "statsmodels",
    "plotly", "ipywidgets", "papermill", "itkwidgets",
)  # fmt: skip


def test_environment_yml_holds_the_locks_pins():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    locked = {p["name"]: p["version"] for p in lock["package"]}
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [d for d in environment["dependencies"] if isinstance(d, str)]
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    pins = dict(re.split("==?", d, maxsplit=1) for d in [*conda, *pip] if "=" in d)
    pins = {name.lower(): version for name, version in pins.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = {d.split("==")[0].lower() for d in project["dependencies"]}
    assert set(ASKED) | direct <= set(pins)
    assert pins.pop("python") == "3.11" and "-e ." in pip
    assert {name: locked[name] for name in pins} == pins


def test_what_the_library_imports_is_declared():
    """A package that comes with another one alone may be gone with that one's next version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extra["dask"], *extra["idc"], *extra["itk"]]
    declared = {re.split("[=[]", one)[0].lower() for one in wanted}
    imported = set()
    for path in (ROOT / "lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    owners = importlib.metadata.packages_distributions()
    for name in imported - sys.stdlib_module_names - {"radiogenomics"}:
        owner = {one.lower().replace("_", "-") for one in owners.get(name, [name])}
        assert owner & declared, name


def test_readme_names_the_commands():
    text = (ROOT / "README.md").read_text()
    assert "pip install uv && uv run workbook run" in text and "uv run pytest" in text


def test_printed_pages_are_those_of_the_code():
    made = runpy.run_path(str(ROOT / "docs" / "make.py"))
    for file, page in made["PAGES"].items():
        assert (ROOT / file).read_text(encoding="utf-8") == page(), f"{file}: uv run docs/make.py"
