"""The settings of study.toml: each declared once, with its default, meaning, limits and choices.

docs/settings.md and the study.toml of a new study are printed from these declarations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, get_type_hints


class Key(NamedTuple):
    """What is known of a setting: its meaning, its limits (of each number), its choices.

    `rising`: of a pair, the lower number comes first. `step`: a multiple of it. `means`: of a
    choice, the other settings of its section that it stands for, where they are not given.
    `later`: it came when studies had caches already, whose keys do not hold its default.
    `counts`: how many values a list may have.
    """

    meaning: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    rising: bool = False
    step: int = 1
    means: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    later: bool = False
    counts: tuple[int, ...] = ()


def key(default: Any, *declared: Any, **more: Any) -> Any:
    """Declare a setting: its default, then the fields of `Key`."""
    made = {"default_factory": dict} if isinstance(default, dict) else {"default": default}
    return field(**made, metadata={"key": Key(*declared, **more)})


def key_of(kind: type, name: str) -> Key:
    """Return what is declared of a setting of a section."""
    return kind.__dataclass_fields__[name].metadata["key"]


def sections() -> dict[str, type]:
    """Return the sections of study.toml by name, in their order; "" holds the keys above them."""
    hints = get_type_hints(Settings)
    return {"": Settings} | {n: kind for n, kind in hints.items() if dataclasses.is_dataclass(kind)}


def keys(kind: type) -> list[str]:
    """Return the names of a section's own settings, in their order."""
    return [f.name for f in dataclasses.fields(kind) if "key" in f.metadata]


PARTS = CLINICAL, RADIOMICS, NETWORK = "clinical", "radiomics", "network"  # of a study


@dataclass(frozen=True)
class Label:
    """What is predicted: a column of cohort.csv, and which of its values count as 1."""

    column: str = key("label", "column of cohort.csv")
    positive: tuple[str, ...] = key(
        ("1",), "values that count as 1, such as mutant; empty: all but `negative` and `missing`"
    )
    negative: tuple[str, ...] = key((), "values that count as 0; empty: the column's one other")
    missing: tuple[str, ...] = key(
        ("unknown", "not known", "not collected", "not tested", "na", "n/a", "nan", "?"),
        "values that say that nothing is known",
    )
    name: str = key("EGFR mutant", "1 in words")
    negative_name: str = key("EGFR wild-type", "0 in words")

    def of(self, value: int) -> str:
        """Return a label in words: of 1 the positive name, of 0 the negative one."""
        return self.name if int(value) == 1 else self.negative_name


CODES = {
    "sex": ("female", "male"),
    "smoking": ("never", "former", "current"),
    "cea": ("normal", "high"),
    "lobe": ("RUL", "RML", "RLL", "LUL", "LLL"),
    "stage": ("I", "II", "III", "IV"),
}


@dataclass(frozen=True)
class Codes:
    """How your cohort.csv writes what data/README.md codes, such as sex = ["Frau = female"]."""

    sex: tuple[str, ...] = key((), "your words for female, male")
    smoking: tuple[str, ...] = key((), "your words for never, former, current")
    cea: tuple[str, ...] = key((), "your words for normal, high")
    lobe: tuple[str, ...] = key((), "your words for RUL, RML, RLL, LUL, LLL")
    stage: tuple[str, ...] = key((), "your words for I, II, III, IV")
    cea_high_from: float = key(5.0, "a number in column cea is high from here on, ng/mL", 0, 1000)


@dataclass(frozen=True)
class Cohorts:
    """The split of the study by the values of a column; ranges such as 2022-01-01.. may be.

    Every further key is a test cohort of its own, named by the key: internal validation where it
    begins with internal, else external. An earlier [hospitals] is read as this section.
    """

    column: str = key("hospital", "column of cohort.csv that decides")
    train: tuple[str, ...] = key(("A",), "values that train")
    test: tuple[str, ...] = key(("B",), "values that test")
    others: dict[str, tuple[str, ...]] = field(default_factory=dict, metadata={"others": True})

    @property
    def sides(self) -> dict[str, tuple[str, ...]]:
        """The values of every cohort by its name, training first."""
        test = {"test": self.test} if self.test else {}
        return {"train": self.train, **test, **self.others}


@dataclass(frozen=True)
class Eligibility:
    """Who may take part (the paper's rules)."""

    min_age: float = key(18.0, "youngest age, years", 0, 120)
    max_interval_days: float = key(14.0, "longest time from CT to biopsy or surgery", 0, 10_000)
    required: tuple[str, ...] = key(
        ("sex", "age", "smoking", "cea"), "columns that must be known: remove what you lack"
    )
    histology: tuple[str, ...] = key((), "values of column histology that take part; empty: any")


@dataclass(frozen=True)
class Clinical:
    """The clinical model."""

    predictors: tuple[str, ...] = key(("sex", "smoking"), "columns of cohort.csv")


@dataclass(frozen=True)
class Images:
    """How images are read."""

    prefer_kernel: tuple[str, ...] = key(
        (), "reconstruction kernels to take first among the series of a DICOM folder"
    )
    unknown_orientation: str = key(
        "note", "of a NIfTI whose header does not say how it lies", choices=("note", "refuse")
    )
    time_limit_s: float = key(600.0, "longest time to read a patient's images, seconds", 1, 86_400)


@dataclass(frozen=True)
class Preprocessing:
    """The image steps that give the network's input."""

    spacing_mm: float = key(1.0, "voxel edge after resampling, mm", 0.2, 5)
    window_hu: tuple[float, float] = key(
        (-1000.0, 400.0), "HU that become 0 and 1", -32_768, 32_767, rising=True
    )
    outside_hu: float = key(-1000.0, "HU outside the scan and the lesion", -32_768, 32_767)
    shape: tuple[int, int, int] = key((32, 64, 64), "voxels in z, y, x", 16, 512, step=16)
    background: str = key(
        "lesion", "lesion alone, or the tissue around it too", choices=("lesion", "box")
    )
    margin_mm: float = key(
        0.0, "how far around its outline the lesion reaches for the network, mm", 0, 30, later=True
    )


IMAGE_TYPES = (
    "Original", "Wavelet", "Square", "SquareRoot", "Logarithm", "Exponential", "Gradient", "LoG",
)  # fmt: skip
FEATURE_CLASSES = ("shape", "firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm")


@dataclass(frozen=True)
class Radiomics:
    """PyRadiomics, and the limits of the signature's four steps of selection.

    As a study is loaded, `parameter_file` becomes what that file holds (JSON): these settings then
    say all that a feature's value depends on.
    """

    parameter_file: str = key(
        "", "a PyRadiomics parameter file (YAML) in the study folder, which then says all of how "
        "features are measured; empty: the settings below", later=True,
    )  # fmt: skip
    radiomics_spacing_mm: tuple[float, ...] = key(
        (1.0,), "voxel edge after resampling, mm; or three, along x, y and z", 0.2, 5, counts=(1, 3)
    )
    bin_width: float = key(25.0, "width of a grey-level bin, HU", 1, 500)
    bin_count: int = key(
        0, "grey-level bins in each image's range, instead of bin_width; 0: bin_width", 0, 1000,
        later=True,
    )  # fmt: skip
    image_types: tuple[str, ...] = key(
        IMAGE_TYPES, "PyRadiomics' images that features are measured in", choices=IMAGE_TYPES,
        counts=tuple(range(1, len(IMAGE_TYPES) + 1)), later=True,
    )  # fmt: skip
    feature_classes: tuple[str, ...] = key(
        FEATURE_CLASSES, "PyRadiomics' classes of features", choices=FEATURE_CLASSES,
        counts=tuple(range(1, len(FEATURE_CLASSES) + 1)), later=True,
    )  # fmt: skip
    grid: str = key(
        "patient", "points of the resampled CT: fixed in the patient, or as PyRadiomics lays them",
        choices=("patient", "pyradiomics"),
    )  # fmt: skip
    engine: str = key(
        "fast", "the same values to 0.0001% in a fifth of the time, or PyRadiomics' own code",
        choices=("fast", "pyradiomics"),
    )  # fmt: skip
    pad_mm: float = key(16.0, "margin around the lesion before filtering, mm", 0, 200)
    log_sigma_mm: tuple[float, ...] = key(
        (1.0, 2.0, 3.0, 4.0), "widths of the Laplacian of Gaussian, mm", 0.1, 20
    )
    mann_whitney_p: float = key(0.05, "step 1: highest p of the Mann-Whitney U test", 0, 1)
    spearman_rho: float = key(0.9, "step 2: highest correlation of two features kept", 0, 1)
    lasso_folds: int = key(10, "step 3: folds that choose the LASSO's penalty", 3, 20)
    univariate_p: float = key(0.05, "step 4: highest p of univariate logistic regression", 0, 1)
    reader_icc: float = key(
        0.0, "lowest agreement (ICC) of two readers, 0.75 is usual; 0, as the paper: any", 0, 1
    )
    perturbation_icc: float = key(
        0.0, "lowest agreement (ICC) of a feature with itself after small errors; 0: any", 0, 1
    )
    stability: int = key(100, "resamples that judge the selection's stability", 0, 1000)

    @property
    def edges_mm(self) -> float | tuple[float, ...]:
        """The voxel edge after resampling, or the three of them."""
        edges = self.radiomics_spacing_mm
        return edges[0] if len(edges) == 1 else edges


@dataclass(frozen=True)
class Models:
    """Further classifiers on the signature, beside LR, SVM and Bayes: docs/classifiers.md.

    Each key is a model's name, such as forest = "sklearn.ensemble.RandomForestClassifier". One with
    parameters is a section of its own, [models.forest], in which `class` names it and every other
    key is a parameter of it.
    """

    others: dict[str, dict[str, Any]] = field(default_factory=dict, metadata={"others": True})


@dataclass(frozen=True)
class Features:
    """Features made elsewhere, such as a foundation model's embeddings: docs/embeddings.md.

    They are selected as the radiomic features are, and are a model of their own.
    """

    table: str = key(
        "", "file in the study folder, CSV or parquet: column patient, then numbers; empty: none"
    )
    model_name: str = key("Embeddings", "the model's name in every table and figure")
    made_by: str = key("", "what they are and what made them, for the methods")
    penalty: str = key(
        "none", "of the logistic regression: none, as LR, or ridge (C = 1)",
        choices=("none", "ridge"),
    )  # fmt: skip


AS_THE_PAPER = {
    "augmentation": (), "class_weights": "none", "schedule": "constant", "networks": 1,
    "attempts": 1, "warm_up": 0, "statistics": "moving",
}  # fmt: skip


@dataclass(frozen=True)
class CNN:
    """The network and its training."""

    protocol: str = key(
        "workbook", "paper: no augmentation, no restart, moving statistics, where not given below",
        choices=("workbook", "paper"), means=MappingProxyType({"paper": AS_THE_PAPER}),
    )  # fmt: skip
    network: str = key(
        "paper", "the paper's, or your own: FILE.py:FUNCTION, a file of the study folder "
        "(docs/another_network.md)",
    )  # fmt: skip
    epochs: int = key(16, "most passes over the training patients", 1, 1000)
    patience: int = key(6, "epochs without a lower validation loss before it stops", 1, 1000)
    warm_up: int = key(4, "epochs before patience counts", 0, 1000)
    attempts: int = key(
        3, "trainings at most, with other weights, until one beats the labels' entropy", 1, 10
    )
    networks: int = key(1, "networks whose logits are averaged, in every fold too", 1, 20)
    learning_rate: float = key(1e-3, "of Adam", 1e-8, 1)
    schedule: str = key(
        "constant", "of the learning rate: constant, or falling to 0 as a cosine",
        choices=("constant", "cosine"),
    )  # fmt: skip
    class_weights: str = key(
        "none", "balanced: both labels count alike; scores are corrected for it",
        choices=("none", "balanced"),
    )  # fmt: skip
    batch: int = key(8, "patients per step", 1, 256)
    dropout: float = key(0.3, "the paper's: share of units dropped before the output", 0, 0.95)
    batch_norm_momentum: float = key(0.9, "the paper's: of the moving statistics", 0, 0.9999)
    statistics: str = key(
        "fresh", "of batch norm after an epoch: of one more pass over the fitted, or the moving",
        choices=("fresh", "moving"),
    )  # fmt: skip
    validation: float = key(0.2, "share of training patients that choose the epoch", 0.05, 0.5)
    augmentation: tuple[str, ...] = key(
        (), "changes at random: flips (x, z), shifts, rotations (axial plane), intensity (factor "
        "and offset of HU), noise",
        choices=("none", "flips", "shifts", "rotations", "intensity", "noise"),
    )  # fmt: skip
    device: str = key("auto", "gpu stops where there is none", choices=("auto", "cpu", "gpu"))
    precision: str = key(
        "float32", "of training; bfloat16 is slow and may fail on a CPU without its instructions",
        choices=("float32", "bfloat16", "mixed_float16"),
    )  # fmt: skip
    deterministic: bool = key(False, "the same digits again on one GPU, which is slower")


@dataclass(frozen=True)
class Evaluation:
    """Cross-validation, intervals and thresholds."""

    folds: int = key(3, "folds of the cross-validation in training", 2, 20)
    folds_by: str = key(
        "patient", "of what folds are made; hospital: each hospital is one, and `folds` counts not",
        choices=("patient", "hospital"),
    )  # fmt: skip
    repeats: int = key(
        10, "cross-validations that judge the models where there is no test cohort", 1, 100
    )
    confidence: float = key(0.95, "level of every interval", 0.5, 0.999)
    bootstrap: int = key(2000, "bootstrap samples", 100, 100_000)
    checks: str = key(
        "quick", "full also trains the CNN without each hospital, on permuted labels and changed "
        "images", choices=("quick", "full"),
    )  # fmt: skip
    permutations: int = key(200, "permutations of the training labels; 0: none", 0, 10_000)
    fixed_sensitivity: float = key(0.9, "sensitivity of a third threshold; 0: none", 0, 1)


@dataclass(frozen=True)
class Plan:
    """What was declared before the test cohorts were looked at; 0 and empty: not declared."""

    primary: str = key("", "the model that is judged; empty: CNN, or the first, not declared")
    reference: str = key("", "the model it is judged against; empty: Clinical, not declared")
    measure: str = key(
        "auc", "the measure of which the two are compared, without a correction",
        choices=("auc", "sensitivity", "specificity", "net_benefit", "brier"),
    )  # fmt: skip
    cutoffs: dict[str, float] = key(
        {}, "a table: of each model the score from which on it says 1; others: 0.5"
    )
    margin: float = key(0.0, "by how much of AUC the primary model may be worse", 0, 0.5)
    prevalence: float = key(0.0, "of label 1 where the model is to be used", 0, 0.99)
    expected_auc: float = key(0.0, "of the primary model, for the sample size", 0, 0.999)
    auc_width: float = key(0.1, "of the AUC's interval, for the sample size", 0.01, 0.5)
    expected_r2: float = key(
        0.0, "Cox-Snell's R2 for the sample size; 0: that of expected_auc", 0, 0.75
    )
    parameters: int = key(
        0, "candidate parameters of the primary model, for the sample size", 0, 10**9
    )
    decision_range: tuple[float, float] = key(
        (0.05, 0.95), "clinically relevant threshold probabilities", 0, 1, rising=True
    )
    subgroups: tuple[str, ...] = key(
        ("sex", "age", "smoking_history", "stage", "lobe", "hospital", "scanner", "thickness_mm"),
        "columns that make subgroups",
    )


@dataclass(frozen=True)
class Lesions:
    """Several lesions a patient (column lesion), all of one label."""

    rule: str = key(
        "mean", "of a table of scores, which is the patient's: of the first lesion, of the largest "
        "(volume_mm3), of the row that is named union, the mean or the highest; of cohort.csv, "
        "which lesion is read: index, largest, or union (all as one); or, without the network, "
        "the mean or max of each feature",
        choices=("index", "largest", "union", "mean", "max"),
    )  # fmt: skip
    in_mask: str = key(
        "one", "what a mask of cohort.csv holds: one lesion, one a label, one a connected part",
        choices=("one", "labels", "components"),
    )  # fmt: skip


@dataclass(frozen=True)
class GradCAM:
    """Grad-CAM."""

    layer: str = key(
        "", "a layer whose output is a grid (z, y, x); empty: conv3d_3 of the paper's network, of "
        "another the last one before its grid is pooled or flattened",
    )  # fmt: skip
    shown: int = key(8, "patients shown", 1, 8)


@dataclass(frozen=True)
class Author:
    """What only a person knows: one sentence each, empty means not stated.

    Quoted in the reports and the checklists; the availabilities count in METRICS where they hold a
    link or DOI.
    """

    ethics: str = key("", "approval, consent")
    readers: str = key("", "who drew the outlines, how experienced")
    reference_standard: str = key("", "how and by whom the label was found")
    segmentation: str = key("", "how outlines were drawn, with which software")
    segmentation_kind: str = key(
        "", "manual, semi-automatic or automatic",
        choices=("", "manual", "semi-automatic", "automatic"),
    )  # fmt: skip
    test_outlines: str = key("", "who drew the test outlines, if one reader or tool drew all")
    design: str = key("", "retrospective or prospective, consecutive or not")
    source: str = key("", "where the data come from, public or not")
    dates: str = key("", "first and last patient")
    setting: str = key("", "kind, number and place of the hospitals")
    population: str = key("", "who could take part, for whom they stand")
    treatment: str = key("", "before the CT")
    imaging: str = key("", "CT protocol, contrast phase, the guideline it follows")
    interval: str = key("", "from CT to the sample for the label")
    blinding: str = key("", "of readers to the label, of the label to the images")
    overlap: str = key("", "earlier publications on these patients")
    sample_size: str = key("", "how it was arrived at")
    fairness: str = key("", "known inequalities, what was done about them")
    usage: str = key("", "who is to use the models, on whom, with which input; what if it is poor")
    limitations: str = key("", "limitations of the study")
    guideline: str = key("", "the reporting guideline that the manuscript follows")
    study_protocol: str = key("", "where the study protocol is")
    registration: str = key("", "where the study is registered")
    funding: str = key("", "who paid")
    conflicts: str = key("", "conflicts of interest")
    involvement: str = key("", "of patients and the public")
    data_availability: str = key("", "link or DOI of the data")
    code_availability: str = key("", "link or DOI of the code")
    model_availability: str = key("", "link or DOI of the models")


@dataclass(frozen=True)
class Privacy:
    """Whether the column patient may equal the DICOM PatientID."""

    patient_is_pseudonym: bool = key(False, "true only where the PatientID is a pseudonym")


@dataclass(frozen=True)
class Paper:
    """The paper that results are compared with.

    Its file names its label; a study of another label, or with an empty name, is compared with no
    paper. The file is looked for in the study folder, then beside it, then among the shipped ones.
    """

    file: str = key("paper.toml", "file of the paper's facts")
    published: str = key(
        "published.csv", "table of AUCs that others published, drawn beside this run's; empty: none"
    )


@dataclass(frozen=True)
class Settings:
    """The study as a whole; every setting has a name of its own, so that `-p` can change it."""

    title: str = key("", "title of the reports; empty: the label in words")
    synthetic: bool = key(False, "true marks every table and figure as simulated")
    seed: int = key(2024, "of every random step", 0, 2**32 - 1)
    workers: int = key(
        0, "processes for work over patients; 0: one per core, if memory allows", 0, 256
    )
    parts: tuple[str, ...] = key(
        PARTS, "what is run: clinical, radiomics (with its models), network; one or more",
        choices=PARTS, counts=(1, 2, 3),
    )  # fmt: skip
    label: Label = field(default_factory=Label)
    codes: Codes = field(default_factory=Codes)
    cohorts: Cohorts = field(default_factory=Cohorts)
    eligibility: Eligibility = field(default_factory=Eligibility)
    clinical: Clinical = field(default_factory=Clinical)
    images: Images = field(default_factory=Images)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    radiomics: Radiomics = field(default_factory=Radiomics)
    models: Models = field(default_factory=Models)
    features: Features = field(default_factory=Features)
    cnn: CNN = field(default_factory=CNN)
    plan: Plan = field(default_factory=Plan)
    evaluation: Evaluation = field(default_factory=Evaluation)
    lesions: Lesions = field(default_factory=Lesions)
    gradcam: GradCAM = field(default_factory=GradCAM)
    author: Author = field(default_factory=Author)
    privacy: Privacy = field(default_factory=Privacy)
    paper: Paper = field(default_factory=Paper)

    @property
    def heading(self) -> str:
        """The title of the reports."""
        return self.title or f"{self.label.name} or {self.label.negative_name} {self.source}"

    @property
    def source(self) -> str:
        """What the label is told from."""
        return "from clinical data" if self.parts == (CLINICAL,) else "from chest CT"


MOVED = {  # where a setting was in earlier study.toml files or is looked for, and where it is
    ("evaluation", "decision_range"): ("plan", "decision_range"),
    ("evaluation", "subgroups"): ("plan", "subgroups"),
    ("author", "protocol"): ("author", "study_protocol"),
    ("radiomics", "parameters"): ("radiomics", "parameter_file"),
}
