"""What the parts agree on: the notebooks, the models, the kinds of scores, the form of a table.

Every table is declared once in `tables`; a table that is written or read is named by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

TRAIN = "train"  # the cohort that models are fitted to; every other one is a test cohort
PLATT_FOLDS = 5  # that calibrate the SVM, within the patients that it is fitted on
KINDS = ("external", "in_sample", "out_of_fold")  # of scores


def kind_of(cohort: str) -> str:
    """Return what scores of a test cohort are: `internal` where its name begins so.

    >>> kind_of("internal_2023"), kind_of("test")
    ('internal', 'external')
    """
    return "internal" if cohort.startswith("internal") else "external"


def in_words(cohort: str) -> str:
    """Return a cohort as figures and sentences name it.

    >>> in_words("test"), in_words("internal"), in_words("hospital_C")
    ('external test cohort', 'internal validation cohort', 'external test cohort hospital_C')
    """
    if cohort == TRAIN:
        return "training cohort"
    if kind_of(cohort) == "internal":
        name = cohort.removeprefix("internal").strip("_-")
        return f"internal validation cohort {name}".strip()
    return "external test cohort" + (f" {cohort}" if cohort != "test" else "")


COLUMNS = ["patient", "cohort", "label", "model", "score", "fold"]  # of predictions.csv
METRICS = {  # of metrics.csv (statistics.measures computes them), as tables for people name them
    "auc": "AUC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "lr_plus": "Positive likelihood ratio",
    "lr_minus": "Negative likelihood ratio",
    "calibration_slope": "Slope",
    "calibration_intercept": "Intercept",
    "calibration_in_the_large": "In the large",
    "o_over_e": "O/E",
    "brier": "Brier",
    "brier_scaled": "Brier, scaled",
}
AUC_INTERVALS = ("delong-logit-t", "exact", "none")  # ci_method of the rows that are quoted
SYNTHETIC = "synthetic"  # the column that ends each table of simulated patients


class Model(NamedTuple):
    """A model of the study: its name, its colour in every figure, what it is (for the methods).

    One that is fitted on the signature names what makes it: a class, or a function of the seed,
    with its parameters. `trusted` are types, other than scikit-learn's own, that its file may hold.
    """

    name: str
    colour: str
    what: str
    estimator: str = ""
    parameters: dict[str, Any] = {}
    trusted: tuple[str, ...] = ()


IN_SAMPLE = "Com_in_sample"  # the stack that explains the paper's combined model, never the best
MODELS = (  # colours: Okabe & Ito's colour-blind-safe palette
    Model("Clinical", "#999999", "logistic regression on the clinical predictors"),
    Model("LR", "#E69F00", "unpenalised logistic regression on the selected features",
          "radiogenomics.models.classical.unpenalised"),
    Model("SVM", "#56B4E9", "support vector machine, radial kernel, C = 1, Platt scaling",
          "radiogenomics.models.classical.support_vectors"),
    Model("Bayes", "#009E73", "Gaussian naive Bayes", "sklearn.naive_bayes.GaussianNB"),
    Model("CNN", "#D55E00", "3D convolutional network on the lesion's volume"),
    Model("Com", "#0072B2", "logistic stack of the out-of-fold logits of CNN and SVM"),
    Model(IN_SAMPLE, "#CC79A7", "the same stack on in-sample logits, to explain the paper's"),
)  # fmt: skip
ON_SIGNATURE = tuple(model for model in MODELS if model.estimator)


class Notebook(NamedTuple):
    """A notebook in its order: its number, the file's word, the question that it answers."""

    number: int
    word: str
    question: str

    @property
    def name(self) -> str:
        """The file's stem, `05_comparison`."""
        return f"{self.digits}_{self.word}"

    @property
    def digits(self) -> str:
        """The number as the command takes it, `05`."""
        return f"{self.number:02d}"

    @property
    def run_only(self) -> str:
        """The command that runs this notebook alone."""
        return f"workbook run --only {self.digits}"

    @property
    def run_from(self) -> str:
        """The command that runs this notebook and those after it."""
        return f"workbook run --from {self.digits}"


COHORT = Notebook(1, "cohort", "Who is included or excluded and why; patients' characteristics")
PREPROCESSING = Notebook(2, "preprocessing", "What the network sees of a CT")
SELECTION = Notebook(3, "radiomics", "Which features predict the label; radiomics, clinical models")
TRAINING = Notebook(4, "cnn", "Whether the 3D CNN learns the label")
COMPARISON = Notebook(5, "comparison", "Which model predicts the label best in another hospital")
MAPS = Notebook(6, "gradcam", "Where the network looks, and whether its maps are reliable")
NEW_PATIENT = Notebook(7, "new_patient", "What the saved models say about one new patient")
PAPER_AUDIT = Notebook(8, "paper_audit", "Which of a paper's printed numbers are consistent")
INTERNAL = Notebook(9, "internal", "How well such models predict the label, without a test cohort")
NOTEBOOKS = (
    COHORT, PREPROCESSING, SELECTION, TRAINING, COMPARISON, MAPS, NEW_PATIENT, PAPER_AUDIT,
    INTERNAL,
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table that a notebook writes: its file below `tables/`, its rows, its columns.

    `columns` gives each column's meaning; `optional` ones need not be there; `more` says which
    further columns the data decide, empty where there are none. `of_patients` is False where no row
    says anything of the study's patients: such a table carries no mark of simulated patients.
    """

    file: str
    notebook: Notebook | None  # None: written by the command itself
    row: str
    columns: dict[str, str]
    optional: frozenset[str] = frozenset()
    more: str = ""
    of_patients: bool = True

    def needed(self) -> list[str]:
        """Return the columns that are always there."""
        return [name for name in self.columns if name not in self.optional]

    def frame(self, rows: Sequence = ()) -> pd.DataFrame:
        """Return rows (values in the declared order, or by column) as a data frame of this form."""
        import pandas as pd  # of no use to `workbook --help`

        return pd.DataFrame(rows, columns=list(self.columns))

    def ordered(self, given: Iterable[str]) -> list[str]:
        """Return a table's columns in the declared order, further ones behind.

        Raises:
            ValueError: names the columns that are missing, and those that are not declared.
        """
        names = [name for name in map(str, given) if name != SYNTHETIC]
        missing = sorted(set(self.needed()) - set(names))
        further = [name for name in names if name not in self.columns]
        strange = [] if self.more else further
        if missing or strange:
            raise ValueError(
                f"{self.file}: columns missing: {missing}, not declared: {strange}. Expected: the "
                "columns of radiogenomics.study.tables. Declare them there."
            )
        return [*(name for name in self.columns if name in names), *further]


COMMON = {
    "patient": "pseudonym of cohort.csv",
    "cohort": "train, or the test cohort's name",
    "label": "1 where the label is positive, else 0",
    "scores": "kind of scores: in_sample, out_of_fold, internal or external",
    "model": "name of the model",
    "n": "patients",
    "events": "patients with label 1",
    "ci_low": "lower end of the interval",
    "ci_high": "upper end of the interval",
    "ci_method": "method of the interval",
    "reason": "why there is no value, empty where there is one",
    "synthetic": "True: simulated patients",
}


def declared(
    notebook: Notebook | None, file: str, row: str, columns: str, of_patients: bool = True
) -> Table:
    """Return the table that a few lines of text declare.

    Each line of `columns` names columns and, after a colon, says what they mean; columns of
    `COMMON` need no meaning. A name that ends in `?` is optional; the name `...` stands for
    further columns.
    """
    meanings, optional = {}, set()
    for line in columns.strip().splitlines():
        names, _, meaning = line.strip().partition(": ")
        for name in (word.strip() for word in names.split(",")):
            bare = name.removesuffix("?")
            meanings[bare] = meaning or COMMON[bare]
            optional |= {bare} if name.endswith("?") else set()
    more = meanings.pop("...", "")
    return Table(file, notebook, row, meanings, frozenset(optional), more, of_patients)
