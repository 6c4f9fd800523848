"""The study: settings read from study.toml, the places of its files, its manifest."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import io
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]  # of the repository
FITTED = "fitted.json"  # in `models`: settings that they were fitted with
SYNTHETIC = "Synthetic data: simulated patients, a control of the workbook, not evidence."
PART = ".part-"  # how the name of a file begins that is not whole yet
TEXT_HEADERS = (".mhd", ".mha", ".nrrd", ".nhdr")  # MetaImage and NRRD
VOXEL_FILE = re.compile(r"^(?:ElementDataFile\s*=|data ?file:)(.*)$", re.M | re.I)
FORMULA = re.compile(r"[=@]|[+-]\s*[^\d\s.,]")  # how a cell begins that a spreadsheet would run


class StudyError(Exception):
    """A fault in the user's study: says what was found, what was expected and what to do."""


class UsageError(StudyError):
    """A command that asks for what there is not."""


@dataclass(frozen=True)
class Label:
    """What is predicted: the column of cohort.csv and the value that counts as 1.

    The column's one other value counts as 0, or those of `negative`; values of `missing` say that
    nothing is known.
    """

    column: str = "label"
    positive: str = "1"
    negative: tuple[str, ...] = ()
    missing: tuple[str, ...] = ("unknown", "not known", "not collected", "not tested", "na", "n/a",
                                "nan", "?")  # fmt: skip
    name: str = "EGFR mutant"
    negative_name: str = "EGFR wild-type"


@dataclass(frozen=True)
class Hospitals:
    """The split of the study: hospitals that train and hospitals that test."""

    train: tuple[str, ...] = ("A",)
    test: tuple[str, ...] = ("B",)


@dataclass(frozen=True)
class Eligibility:
    """Who may take part (paper, Cohort)."""

    min_age: float = 18.0
    max_interval_days: float = 14.0
    required: tuple[str, ...] = ("sex", "age", "smoking", "cea")
    histology: tuple[str, ...] = ()  # values of column histology that may take part; (): any


@dataclass(frozen=True)
class Clinical:
    """The clinical model's predictors (paper, Comparison models)."""

    predictors: tuple[str, ...] = ("sex", "smoking")


@dataclass(frozen=True)
class Preprocessing:
    """The paper's image steps; `shape` is (z, y, x) voxels."""

    spacing_mm: float = 1.0
    window_hu: tuple[float, float] = (-1000.0, 400.0)
    outside_hu: float = -1000.0
    shape: tuple[int, int, int] = (32, 64, 64)
    background: str = "lesion"


@dataclass(frozen=True)
class Radiomics:
    """PyRadiomics' settings and the limits of the signature's four steps.

    `reader_icc` (0.75 is usual) drops features on which two readers disagree before the first
    step; 0, the paper's protocol, drops none. `stability` is the number of resamples.
    """

    radiomics_spacing_mm: float = 1.0
    bin_width: float = 25.0
    pad_mm: float = 16.0
    log_sigma_mm: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0)
    mann_whitney_p: float = 0.05
    spearman_rho: float = 0.9
    lasso_folds: int = 10
    univariate_p: float = 0.05
    reader_icc: float = 0.0
    stability: int = 100


@dataclass(frozen=True)
class CNN:
    """The network's training; `augmentation` is `none` (paper) or `flips` (left-right, z)."""

    epochs: int = 16
    patience: int = 6
    learning_rate: float = 1e-3
    batch: int = 8
    dropout: float = 0.3
    batch_norm_momentum: float = 0.9
    validation: float = 0.2
    augmentation: str = "none"
    device: str = "auto"


@dataclass(frozen=True)
class Evaluation:
    """Cross-validation, intervals, thresholds, subgroups; `checks = "full"` trains more.

    `fixed_sensitivity` 0 leaves that threshold out; `decision_range` is of the threshold
    probabilities at which acting on a score is thinkable.
    """

    folds: int = 3
    confidence: float = 0.95
    bootstrap: int = 2000
    checks: str = "quick"
    fixed_sensitivity: float = 0.9
    decision_range: tuple[float, float] = (0.05, 0.95)
    subgroups: tuple[str, ...] = (
        "sex", "age", "smoking_history", "stage", "lobe", "hospital", "scanner", "thickness_mm",
    )  # fmt: skip


@dataclass(frozen=True)
class GradCAM:
    """The convolutional layer that maps are taken from, and how many patients are shown."""

    layer: str = "conv3d_3"
    shown: int = 8


@dataclass(frozen=True)
class Author:
    """What only a person knows; quoted in the reports, fills the checklists (`checklists`).

    One sentence each; empty means not stated. `segmentation_kind` is manual, semi-automatic or
    automatic; `test_outlines` is filled where one reader or tool drew all outlines of the test
    cohort; the three `_availability` count in METRICS where they hold a link or DOI.
    """

    ethics: str = ""  # approval, consent
    readers: str = ""  # who drew the outlines, how experienced
    reference_standard: str = ""  # how and by whom the label was found
    segmentation: str = ""  # how outlines were drawn, with which software
    segmentation_kind: str = ""
    test_outlines: str = ""
    design: str = ""  # retrospective or prospective, consecutive or not
    source: str = ""  # where the data come from, public or not
    dates: str = ""  # first and last patient
    setting: str = ""  # kind, number and place of the hospitals
    population: str = ""  # who could take part, for whom they stand
    treatment: str = ""  # before the CT
    imaging: str = ""  # CT protocol, contrast phase, the guideline it follows
    interval: str = ""  # from CT to the sample for the label
    blinding: str = ""  # of readers to the label, of the label to the images
    overlap: str = ""  # earlier publications on these patients
    sample_size: str = ""  # how it was arrived at
    fairness: str = ""  # known inequalities, what was done about them
    usage: str = ""  # who is to use the models on whom, with which input, and what if it is poor
    limitations: str = ""
    guideline: str = ""  # the reporting guideline that the manuscript follows
    protocol: str = ""
    registration: str = ""
    funding: str = ""
    conflicts: str = ""
    involvement: str = ""  # of patients and the public
    data_availability: str = ""
    code_availability: str = ""
    model_availability: str = ""


@dataclass(frozen=True)
class Privacy:
    """Whether the column patient may equal the DICOM PatientID: only where that is a pseudonym."""

    patient_is_pseudonym: bool = False


@dataclass(frozen=True)
class Settings:
    """All of study.toml; every leaf has its own name, so that it can be overridden by name."""

    title: str = "EGFR mutation from chest CT"
    synthetic: bool = False
    seed: int = 2024
    workers: int = 0
    label: Label = field(default_factory=Label)
    hospitals: Hospitals = field(default_factory=Hospitals)
    eligibility: Eligibility = field(default_factory=Eligibility)
    clinical: Clinical = field(default_factory=Clinical)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    radiomics: Radiomics = field(default_factory=Radiomics)
    cnn: CNN = field(default_factory=CNN)
    evaluation: Evaluation = field(default_factory=Evaluation)
    gradcam: GradCAM = field(default_factory=GradCAM)
    author: Author = field(default_factory=Author)
    privacy: Privacy = field(default_factory=Privacy)


CHOICES = {
    "background": ("lesion", "box"),
    "augmentation": ("none", "flips"),
    "device": ("auto", "cpu", "gpu"),
    "checks": ("quick", "full"),
    "segmentation_kind": ("", "manual", "semi-automatic", "automatic"),
    "layer": ("conv3d_1", "conv3d_2", "conv3d_3", "conv3d_4"),
}
RISING = ("window_hu", "decision_range")  # pairs whose second number is the higher one

SHAPE_STEP = 16  # four poolings halve it, and the cubes of the occlusion divide it
LIMITS = {
    "seed": (0, 2**32 - 1),
    "min_age": (0.0, 120.0),
    "max_interval_days": (0.0, 10_000.0),
    "window_hu": (-32_768.0, 32_767.0),
    "outside_hu": (-32_768.0, 32_767.0),
    "shape": (16, 512),
    "learning_rate": (1e-8, 1.0),
    "batch_norm_momentum": (0.0, 0.9999),
    "decision_range": (0.0, 1.0),
    "log_sigma_mm": (0.1, 20.0),
    "pad_mm": (0.0, 200.0),
    "folds": (2, 20),
    "epochs": (1, 1000),
    "patience": (1, 1000),
    "batch": (1, 256),
    "dropout": (0.0, 0.95),
    "validation": (0.05, 0.5),
    "confidence": (0.5, 0.999),
    "bootstrap": (100, 100_000),
    "fixed_sensitivity": (0.0, 1.0),
    "reader_icc": (0.0, 1.0),
    "stability": (0, 1000),
    "spacing_mm": (0.2, 5.0),
    "radiomics_spacing_mm": (0.2, 5.0),
    "bin_width": (1.0, 500.0),
    "lasso_folds": (3, 20),
    "spearman_rho": (0.0, 1.0),
    "mann_whitney_p": (0.0, 1.0),
    "univariate_p": (0.0, 1.0),
    "shown": (1, 8),
    "workers": (0, 256),
}


@dataclass(frozen=True)
class Study:
    """One study: its folder (raw data, never changed), its report folder and its settings."""

    folder: Path
    reports: Path
    settings: Settings

    @property
    def cohort_csv(self) -> Path:
        """The table of patients."""
        return self.folder / "cohort.csv"

    @property
    def derived(self) -> Path:
        """Caches, which may be deleted at any time."""
        return self.folder / "derived"

    @property
    def tables(self) -> Path:
        """CSV tables that other programs read."""
        return self.reports / "tables"

    @property
    def figures(self) -> Path:
        """Plotly figures as JSON, for the index."""
        return self.reports / "figures"

    @property
    def models(self) -> Path:
        """Fitted models."""
        return self.reports / "models"

    @property
    def predictions_csv(self) -> Path:
        """Every model's score of every patient."""
        return self.reports / "predictions.csv"

    @property
    def manifest_json(self) -> Path:
        """What made this report: versions, settings, hashes, times."""
        return self.reports / "manifest.json"

    @property
    def workers(self) -> int:
        """Processes for work over patients (`workers = 0`: one a core)."""
        return self.settings.workers or os.cpu_count() or 1

    def ran_with(self, notebook: str) -> Settings:
        """Return the settings that a notebook last ran with; study.toml's where it has not run."""
        if not self.manifest_json.exists():
            return self.settings
        one = read_json(self.manifest_json).get("notebooks", {}).get(notebook, {})
        return _build(Settings, one["settings"], notebook) if "settings" in one else self.settings

    def keep_fitted(self, *sections: str) -> None:
        """Keep, beside the saved models, the seed and the settings that they were fitted with."""
        path = self.models / FITTED
        known = read_json(path) if path.exists() else {}
        now = {name: dataclasses.asdict(getattr(self.settings, name)) for name in sections}
        write_json(path, known | now | {"seed": self.settings.seed})

    def fitted_with(self) -> dict[str, Any]:
        """Return what `keep_fitted` kept: seed, and settings by section.

        Raises:
            StudyError: no model is saved.
        """
        path = self.models / FITTED
        if not path.exists():
            raise StudyError(
                f"models/{FITTED} is not there. Fit the models: workbook run --from 03"
            )
        return read_json(path)

    def as_fitted(self) -> Study:
        """Return the study with the settings its saved models were fitted with, but for the seed.

        For what uses the models later on, whatever study.toml says by then.

        Raises:
            StudyError: no model is saved.
        """
        kept = {name: part for name, part in self.fitted_with().items() if name != "seed"}
        fitted = _build(Settings, kept, FITTED)
        changed = {name: getattr(fitted, name) for name in kept}
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, **changed))

    def save_table(self, table: pd.DataFrame, name: str, of_patients: bool = True) -> Path:
        """Write `tables/name` (CSV) whole or not at all; synthetic studies carry the mark.

        A table that is not of the study's patients (`of_patients` false) never does.
        """
        if self.settings.synthetic and of_patients:
            table = table.assign(synthetic=True)
        path = self.tables / name
        with whole_file(path) as part:
            table.to_csv(part, index=False)
        return path

    def table(self, name: str) -> pd.DataFrame:
        """Read `tables/name`.

        Raises:
            StudyError: the table is not there yet; names the notebook to run.
        """
        path = self.tables / name
        if not path.exists():
            raise StudyError(
                f"{path} is not there. Expected: the table that an earlier notebook writes. "
                "Run the notebooks in order: workbook run --from 01"
            )
        return pd.read_csv(path, dtype={"patient": str}, keep_default_na=False, na_values=[""])


def load_study(folder: str | Path, reports: str | Path | None = None, **override: Any) -> Study:
    """Read `folder/study.toml` and check it.

    Args:
        folder: the study folder.
        reports: where reports go; default `reports/<name of folder>`, beside `data` if it is there.
        override: settings by their own name (`folds=5`); None leaves study.toml's value.

    Raises:
        StudyError: no folder or study.toml, an unknown key, a value of the wrong kind.
    """
    folder = Path(folder).resolve()
    path = folder / "study.toml"
    if not path.is_file():
        raise StudyError(
            f"{path} is not there. Expected: a study folder with study.toml and cohort.csv. "
            "Make the built-in one with: workbook phantom DIR"
        )
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise StudyError(f"{path} is not valid TOML: {fault}. Mend that line.") from None
    settings = overridden(_build(Settings, raw, str(path)), override)
    beside = folder.parent.parent if folder.parent.name == "data" else Path.cwd()
    reports = Path(reports) if reports else beside / "reports" / folder.name
    return Study(folder, reports.resolve(), settings)


def overridden(settings: Settings, override: dict[str, Any]) -> Settings:
    """Return the settings with leaves replaced by name; None leaves a leaf as it is."""
    for name, value in override.items():
        if value is not None:
            settings = _replace_leaf(settings, name, value)
    return settings


def _replace_leaf(settings: Settings, name: str, value: Any) -> Settings:
    for section in dataclasses.fields(settings):
        part = getattr(settings, section.name)
        if section.name == name and not dataclasses.is_dataclass(part):
            new = _checked(type(settings), name, value, "parameter")
            return dataclasses.replace(settings, **{name: new})
        if dataclasses.is_dataclass(part) and hasattr(part, name):
            new = _checked(type(part), name, value, "parameter")
            part = dataclasses.replace(part, **{name: new})
            return dataclasses.replace(settings, **{section.name: part})
    raise StudyError(f"parameter {name}: no setting of study.toml has this name.")


def _build(kind: type, raw: dict[str, Any], where: str) -> Any:
    names = {f.name for f in dataclasses.fields(kind)}
    hints = get_type_hints(kind)
    values = {}
    for key, value in raw.items():
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f" Did you mean {near[0]}?" if near else f" Known: {', '.join(sorted(names))}."
            raise StudyError(f"{where}: unknown key {key!r}.{hint}")
        if dataclasses.is_dataclass(hints[key]):
            if not isinstance(value, dict):
                raise StudyError(f"{where}: {key} is a section: write [{key}] and its keys below.")
            values[key] = _build(hints[key], value, f"{where} [{key}]")
        else:
            values[key] = _checked(kind, key, value, where)
    return kind(**values)


def _checked(kind: type, name: str, value: Any, where: str) -> Any:
    """Return `value` as the type of the setting's default, or raise StudyError."""
    default = kind.__dict__[name]
    if isinstance(default, tuple):
        items = value if isinstance(value, (list, tuple)) else [value]
        inner = type(default[0]) if default else str
        fixed = len(default) if inner in (int, float) and name != "log_sigma_mm" else len(items)
        good = len(items) == fixed and all(_is_a(item, inner) for item in items)
        new = tuple(inner(item) for item in items) if good else None
    else:
        good = _is_a(value, type(default))
        new = type(default)(value) if good else None
    if not good:
        raise StudyError(f"{where}: {name} = {value!r}. Expected: something like {default!r}.")
    if name in CHOICES and new not in CHOICES[name]:
        raise StudyError(f"{where}: {name} = {value!r}. Expected: one of {CHOICES[name]}.")
    low, high = LIMITS.get(name, (None, None))
    numbers = new if isinstance(new, tuple) else (new,)
    if low is not None and not all(low <= number <= high for number in numbers):
        raise StudyError(f"{where}: {name} = {value!r}. Expected: from {low} to {high}.")
    if name == "shape" and any(number % SHAPE_STEP for number in numbers):
        raise StudyError(f"{where}: shape = {value!r}. Expected: multiples of {SHAPE_STEP}.")
    if name in RISING and not numbers[0] < numbers[1]:
        raise StudyError(f"{where}: {name} = {value!r}. Expected: the lower number first.")
    return new


def _is_a(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is str:
        return isinstance(value, (str, int)) and not isinstance(value, bool)
    return isinstance(value, kind)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=PART, suffix="".join(path.suffixes))
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Delete the parts of files that a killed run left behind."""
    for part in folder.rglob(f"{PART}*"):
        part.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all."""
    with whole_file(path) as part:
        part.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_cells(path: Path) -> pd.DataFrame:
    """Read a user's CSV table as text: no cell is changed but for spaces around it.

    Commas or Excel's semicolons separate; with semicolons a decimal comma is a decimal point.
    Headers are read without regard to capitals.

    Raises:
        StudyError: no file, no table, not UTF-8, a cell that a spreadsheet would run.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        semicolons = text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",")
        raw = pd.read_csv(
            io.StringIO(text), dtype=str, keep_default_na=False, sep=";" if semicolons else ",",
            header=None, index_col=False, on_bad_lines="error",
        )  # fmt: skip
    except FileNotFoundError:
        raise StudyError(f"{path} is not there. Expected: one row a patient.") from None
    except UnicodeDecodeError as fault:
        raise StudyError(
            f"{path.name} is not UTF-8 (byte {fault.start}). Expected: CSV UTF-8. Save it so: in "
            "Excel, Save As, CSV UTF-8."
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as fault:
        raise StudyError(
            f"{path.name} is no table ({str(fault).strip()}). Expected: a header and one row a "
            "patient, as many cells in each. Save it as CSV UTF-8."
        ) from None
    # pandas itself would rename the second of two columns of one name
    raw = raw[1:].set_axis(raw.iloc[0].str.strip().str.lower().rename(None), axis=1)
    raw = raw.reset_index(drop=True)
    raw = raw.apply(lambda column: column.fillna("").str.strip())
    raw = raw.loc[:, (raw.columns != "") | (raw != "").any().to_numpy()]  # Excel's empty columns
    raw = raw[: 1 + max(np.flatnonzero((raw != "").any(axis=1)), default=-1)]  # and last rows
    _refuse_columns(path, raw)
    decimal = re.compile(r"^(-?\d+),(\d+)$")
    return raw.apply(lambda c: c.str.replace(decimal, r"\1.\2", regex=True)) if semicolons else raw


def numbered(column: pd.Series) -> pd.Series:
    """Return a column of text as numbers where every known value is one."""
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers.astype(float) if numbers.notna().sum() == column.notna().sum() else column


def _refuse_columns(path: Path, raw: pd.DataFrame) -> None:
    twice = raw.columns[raw.columns.duplicated()].tolist()
    if twice:
        raise StudyError(f"{path.name} has column {twice[0]} twice. Expected: once. Take one away.")
    suspect = raw.apply(lambda column: column.str.startswith(tuple("=@+-"))).to_numpy(bool)
    for row, column in np.argwhere(suspect):
        if not FORMULA.match(raw.iat[row, column]):
            continue
        raise StudyError(
            f"{path.name} row {row + 2}: {raw.columns[column]} is {raw.iat[row, column][:20]!r}, "
            "which a spreadsheet would run as a formula. Expected: a value. Replace the cell."
        )


def digest(*parts: Any) -> str:
    """Return a short SHA-256 of JSON-able parts: the name of a cache entry."""
    text = json.dumps(parts, sort_keys=True, default=dataclasses.asdict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def content_hash(path: Path) -> str:
    """Return the SHA-256 of an image's files (`image_files`).

    A file that has not changed since is not read again by the same process.
    """
    files = image_files(path)
    return _hash_of(tuple((p, p.stat().st_mtime_ns, p.stat().st_size) for p in files))


def image_files(path: Path) -> list[Path]:
    """Return the files that hold an image: all of a DICOM folder in name order, or one file.

    The header of a MetaImage or NRRD comes with the file of voxels that it names.
    """
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file())
    voxels = voxel_file(path)
    return [path, *([path.parent / voxels] if voxels else [])]


def voxel_file(path: Path) -> str:
    """Return the file that a MetaImage or NRRD header names for its voxels, "" where it has them.

    Raises:
        OSError: the header cannot be read.
    """
    if not path.name.lower().endswith(TEXT_HEADERS):
        return ""
    with path.open("rb") as stream:
        head = stream.read(4096).split(b"\n\n")[0].decode("latin-1")
    named = VOXEL_FILE.search(head)
    return "" if not named or named[1].strip().upper() == "LOCAL" else named[1].strip()


@functools.cache
def _hash_of(files: tuple[tuple[Path, int, int], ...]) -> str:
    sha = hashlib.sha256()
    for path, _, _ in files:
        with path.open("rb") as stream:
            sha.update(hashlib.file_digest(stream, "sha256").digest())
    return sha.hexdigest()
