"""The settings of study.toml, each with its default, limits and choices."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from radiogenomics.study.files import StudyError


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

    def of(self, value: int) -> str:
        """Return a label in words: of 1 the positive name, of 0 the negative one."""
        return self.name if int(value) == 1 else self.negative_name


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
class Paper:
    """The paper that results are set beside: a file of its facts, which names their label.

    It is sought in the study folder, then beside it, then among the files that ship with the
    workbook. A study of another label, or with an empty name, is compared with no paper.
    """

    file: str = "paper.toml"


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
    paper: Paper = field(default_factory=Paper)


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


def build(kind: type, raw: dict[str, Any], where: str) -> Any:
    """Return settings of a kind from what a file says; `where` names the file in errors.

    Raises:
        StudyError: an unknown key, or a value of another kind or beyond its limits.
    """
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
            values[key] = build(hints[key], value, f"{where} [{key}]")
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
