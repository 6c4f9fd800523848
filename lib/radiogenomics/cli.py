"""The `workbook` command: its arguments and help, and what it says of a fault."""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from radiogenomics.study.errors import (
    FAULTS,
    ONE_OR_SEVERAL,
    STOPPED,
    USAGE,
    StudyError,
    UsageError,
)
from radiogenomics.study.settings import CODES, Lesions, key_of
from radiogenomics.study.values import did_you_mean

EXAMPLES = {  # of every command, below its --help
    "run": (
        "workbook run",
        "workbook run data/mystudy --from 03 -p folds 5",
        "workbook run data/mystudy --dask tcp://node1:8786",
    ),
    "phantom": ("workbook phantom data/null --signal none --patients 240",),
    "fetch": (
        "workbook fetch nsclc-radiogenomics data/nsclc --dry-run",
        "workbook fetch egfr-public data/egfr --genotypes alterations_across_samples.tsv",
    ),
    "new": ("workbook new data/mystudy",),
    "check": ("workbook check data/mystudy",),
    "predict": (
        "workbook predict ct.nii.gz mask.nii.gz --study data/mystudy --out result --sex female",
        "workbook predict --cohort new.csv --study data/mystudy --out results",
        "workbook predict --cohort patients --study their_package --out results",
    ),
    "outline": ("workbook outline data/mystudy", "workbook outline data/mystudy --grow"),
    "package": ("workbook package data/mystudy mystudy_models --without-svm",),
    "compare": (
        "workbook compare scores.csv out --cohort cohort.csv --subgroups vendor,sex",
        "workbook compare hospital_b.csv hospital_c.csv out --threshold 4 --json",
    ),
    "audit": ("workbook audit data/paper.toml audit",),
    "verify": ("workbook verify reports/mystudy",),
    "lab": ("workbook lab data/mystudy --port 8889",),
}


WHY_STOPPED = "workbook: stopped; the next run goes on from here"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 faults or failed, 2 wrong usage, 130 stopped; alone: help."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may not know every letter
            stream.reconfigure(errors="replace")
    parser, words = _parser(), sys.argv[1:] if arguments is None else arguments
    if not words:
        parser.print_help(sys.stderr)
        return USAGE
    if not words[0].startswith("-") and words[0] not in EXAMPLES:
        parser.error(f"there is no command {words[0]}. {did_you_mean(words[0], EXAMPLES)}")
    given, further = parser.parse_known_args(words)
    if further and given.command not in ("lab", "outline"):
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    given.further = further
    try:
        if given.command == "predict":
            _refuse_nobody(given)
        from radiogenomics import commands  # takes a second or two, which --help need not
        from radiogenomics.report.folders import allow_open_files

        allow_open_files()
        with _stopped_by_signals(given.command):
            return getattr(commands, given.command)(given)
    except StudyError as fault:
        print(f"\nworkbook: {fault}", file=sys.stderr)
        return USAGE if isinstance(fault, UsageError) else FAULTS
    except OSError as fault:
        from radiogenomics.report.folders import storage_fault

        print(f"\nworkbook: {storage_fault(fault)}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"\n{WHY_STOPPED}", file=sys.stderr)
        return STOPPED
    return FAULTS


def _refuse_nobody(given: argparse.Namespace) -> None:
    """Refuse a prediction for nobody; a study without images needs no CT, but clinical data."""
    person = given.sex or given.smoking or given.clinical
    if not given.cohort and (not given.mask if given.ct else not person):
        raise UsageError(ONE_OR_SEVERAL)


@contextmanager
def _stopped_by_signals(command: str) -> Iterator[None]:
    """End at Ctrl-C, and at SIGTERM as of a cluster's queue, with one sentence.

    JupyterLab answers Ctrl-C itself.
    """
    ours = command != "lab" and threading.current_thread() is threading.main_thread()
    before = {s: signal.signal(s, _stop) for s in (signal.SIGINT, signal.SIGTERM) if ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(*_: object) -> None:
    """End this process and those that it started; what each has finished is in whole files.

    To let them end by themselves would print the traceback of every one.
    """
    import psutil

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "resource_tracker" not in " ".join(child.cmdline()):  # it tidies up, and ends
                child.kill()
    os.write(2, f"\n{WHY_STOPPED}\n".encode())
    os._exit(STOPPED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("workbook", description="The EGFR-CT study workbook.")
    version = f"workbook {importlib.metadata.version('radiogenomics')}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the notebooks and export the reports")
    run.add_argument("study", nargs="?", type=Path, help="study folder (default: built-in cohort)")
    run.add_argument("--only", nargs="+", metavar="NN", help="these notebooks, such as 03 05")
    run.add_argument("--from", dest="start", metavar="NN", help="this notebook and those after it")
    run.add_argument(
        "-p", dest="set", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="a setting for this run, such as -p epochs 30; again for another",
    )  # fmt: skip
    run.add_argument("--reports", type=Path, help="where reports go (default reports/STUDY)")
    run.add_argument(
        "--dask", metavar="ADDRESS", help="a Dask scheduler that does the work (docs/cluster.md)"
    )
    run.add_argument(
        "--force", action="store_true",
        help="forget what these notebooks keep (volumes, features, networks), and run them all",
    )  # fmt: skip
    run.set_defaults(command="run")

    made = commands.add_parser("phantom", help="make a built-in cohort of simulated patients")
    made.add_argument("folder", type=Path, help="new, such as data/null")
    made.add_argument("--patients", type=int, default=120, help="24 to 660 (default 120)")
    made.add_argument("--seed", type=int, default=2024, help="default 2024")
    made.add_argument(
        "--signal", choices=("paper", "volume", "scanner", "none"), default="paper",
        help="paper: labels act on images and clinical data (default); volume, scanner: on the "
        "lesions' size, the choice of the scanner alone; none: on nothing",
    )  # fmt: skip
    made.add_argument("--faults", type=int, default=0, help="faulty patients on top (default 0)")
    made.set_defaults(command="phantom")

    fetch = commands.add_parser("fetch", help="make a study of public collections (network)")
    fetch.add_argument("collection", help="such as nsclc-radiogenomics (docs/public.md)")
    fetch.add_argument("folder", type=Path, help="new, such as data/nsclc")
    fetch.add_argument("--dry-run", action="store_true", help="list patients, series, gigabytes")
    fetch.add_argument(
        "--genotypes", type=Path, metavar="TABLE",
        help="mutations by sample from cBioPortal, where the collection has none (docs/public.md)",
    )  # fmt: skip
    fetch.set_defaults(command="fetch")

    begin = commands.add_parser("new", help="begin a study of your own in a folder")
    begin.add_argument("folder", type=Path, help="with one subfolder per patient")
    begin.set_defaults(command="new")

    check = commands.add_parser("check", help="audit a study's table and images")
    check.add_argument("study", type=Path, help="folder with study.toml and cohort.csv")
    check.set_defaults(command="check")

    new = commands.add_parser("predict", help="score new patients with the saved models")
    new.add_argument("ct", nargs="?", type=Path, help="CT: image file or DICOM folder")
    new.add_argument(
        "mask", nargs="?", type=Path, help="the lesion: image file, DICOM SEG or RTSTRUCT"
    )
    new.add_argument(
        "--cohort", type=Path,
        help="several instead: a CSV (patient, ct, mask, as in cohort.csv), or a folder with one "
        "subfolder a patient",
    )  # fmt: skip
    new.add_argument(
        "--study", type=Path, help="a study, or a package of models (default: the built-in cohort)"
    )
    new.add_argument("--reports", type=Path, help="the study's reports (default reports/STUDY)")
    new.add_argument("--out", type=Path, required=True, help="folder of the result")
    new.add_argument(
        "--dicom", type=Path, metavar="FOLDER",
        help="also write outline, map and numbers as DICOM (SEG, parametric map, SR); these files "
        "identify the patient",
    )  # fmt: skip
    new.add_argument("--mask-label", default="", help="the lesion's value, segment or ROI")
    for name in ("sex", "smoking"):
        codes = CODES[name]
        new.add_argument(f"--{name}", default="", metavar="CODE",
                         help=f"{', '.join(codes)}; for the clinical model")  # fmt: skip
    new.add_argument(
        "--clinical", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="another clinical predictor of the study, such as age 61",
    )  # fmt: skip
    new.set_defaults(command="predict")

    about = "make the outlines that a study lacks: in JupyterLab, or from points or boxes"
    drawn = commands.add_parser("outline", help=about, description=about)
    drawn.add_argument("study", type=Path, help="study folder")
    drawn.add_argument(
        "--grow", action="store_true",
        help="grow them from point_x_mm, point_y_mm, point_z_mm or the box of cohort.csv",
    )  # fmt: skip
    drawn.add_argument(
        "--opening", type=float, metavar="MM", help="cut off what is thinner than twice this"
    )
    drawn.add_argument("--border", type=float, metavar="HU", help="denser is tissue")
    drawn.add_argument("--port", default="8888", help="of the address (default 8888)")
    drawn.set_defaults(command="outline")

    about = "write a study's models into a folder that another hospital can use"
    packed = commands.add_parser("package", help=about, description=about)
    packed.add_argument("study", type=Path, help="study folder")
    packed.add_argument("out", type=Path, help="new, such as mystudy_models")
    packed.add_argument("--reports", type=Path, help="the study's reports (default reports/STUDY)")
    packed.add_argument(
        "--without-svm", action="store_true",
        help="leave out the SVM, which holds patients' feature rows, and the combined model",
    )  # fmt: skip
    packed.set_defaults(command="package")

    compare = commands.add_parser("compare", help="evaluate a table of scores of any software")
    compare.add_argument(
        "scores", type=Path, nargs="+",
        help="CSV: patient, label, model, score (or a column a model); cohort, fold, parameters "
        "where known; several tables are several cohorts",
    )  # fmt: skip
    compare.add_argument("out", type=Path, help="folder of the report")
    compare.add_argument("--cohort", type=Path, help="CSV: the patients' columns, for subgroups")
    compare.add_argument(
        "--plan", type=Path, help="a study.toml: its [plan], [evaluation], [label]"
    )
    compare.add_argument("--positive", help="the label that counts as 1")
    compare.add_argument("--threshold", type=float, help="every model's cut-off, such as 4")
    compare.add_argument(
        "--lesions", choices=key_of(Lesions, "rule").choices,
        help="which score of several lesions is the patient's (default mean)",
    )  # fmt: skip
    compare.add_argument("--primary", help="the model that is judged")
    compare.add_argument("--reference", help="the model it is judged against")
    compare.add_argument("--confidence", type=float, help="level of every interval")
    compare.add_argument("--seed", type=int, help="of the bootstrap")
    compare.add_argument("--bootstrap", type=int, help="bootstrap samples")
    compare.add_argument(
        "--decision-range", type=float, nargs=2, metavar=("FROM", "TO"),
        help="clinically relevant threshold probabilities",
    )  # fmt: skip
    compare.add_argument("--subgroups", help="columns of --cohort, such as vendor,ethnicity")
    compare.add_argument("--json", action="store_true", help="print the headline numbers as JSON")
    compare.set_defaults(command="compare")

    audit = commands.add_parser("audit", help="check a paper's printed numbers, without a study")
    audit.add_argument("paper", type=Path, help="TOML in the form of data/paper.toml")
    audit.add_argument("out", type=Path, help="folder of the report")
    audit.set_defaults(command="audit")

    about = "say which files of a report folder are as the run wrote them"
    verify = commands.add_parser("verify", help=about, description=about)
    verify.add_argument("reports", type=Path, help="folder of the reports")
    verify.set_defaults(command="verify")

    about = "explore copies of the notebooks in JupyterLab, which takes further options"
    lab = commands.add_parser("lab", help=about, description=about)
    lab.add_argument("study", nargs="?", type=Path, help="study folder (default: built-in cohort)")
    lab.add_argument("--reports", type=Path, help="the study's reports (default reports/STUDY)")
    lab.add_argument("--port", default="8888", help="of the address (default 8888)")
    lab.set_defaults(command="lab")

    for name, command in commands.choices.items():
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.epilog = "\n  ".join(["example:", *EXAMPLES[name]])
    return parser


if __name__ == "__main__":
    sys.exit(main())
