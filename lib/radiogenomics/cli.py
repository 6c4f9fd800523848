"""The `workbook` command; what one command alone needs is imported when it is called."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
from pathlib import Path
from typing import Any

from radiogenomics.cohort import eligibility, reading, roles
from radiogenomics.report import run as report
from radiogenomics.report import single
from radiogenomics.report.execution import NotebookFailed
from radiogenomics.study import tables
from radiogenomics.study.errors import StudyError, UsageError
from radiogenomics.study.progress import progress
from radiogenomics.study.settings import Lesions, key_of
from radiogenomics.study.study import found_study, load_study
from radiogenomics.study.values import did_you_mean
from radiogenomics.study.words import say

DONE, FAULTS, USAGE = 0, 1, 2
BUILT_IN = Path("data") / "phantom"
EXAMPLES = {  # of every command, below its --help
    "run": ("workbook run", "workbook run data/mystudy --from 03 -p folds 5"),
    "phantom": ("workbook phantom data/null --signal none --patients 240",),
    "fetch": ("workbook fetch nsclc-radiogenomics data/nsclc --dry-run",),
    "new": ("workbook new data/mystudy",),
    "check": ("workbook check data/mystudy",),
    "predict": (
        "workbook predict ct.nii.gz mask.nii.gz --study data/mystudy --out result --sex female",
    ),
    "compare": (
        "workbook compare scores.csv out --cohort cohort.csv --subgroups vendor,sex",
        "workbook compare hospital_b.csv hospital_c.csv out --threshold 4 --json",
    ),
    "audit": ("workbook audit data/paper.toml audit",),
    "lab": ("workbook lab data/mystudy --port 8889",),
}
MENDABLE = ("table", "files", "images")  # steps of exclusion that a user can do something about


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 faults found or failed, 2 wrong usage; alone it prints help."""
    parser, words = _parser(), sys.argv[1:] if arguments is None else arguments
    if not words:
        parser.print_help(sys.stderr)
        return USAGE
    if not words[0].startswith("-") and words[0] not in EXAMPLES:
        parser.error(f"there is no command {words[0]}. {did_you_mean(words[0], EXAMPLES)}")
    given, further = parser.parse_known_args(words)
    if further and given.run is not _lab:
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    given.further = further
    try:
        return given.run(given)
    except StudyError as fault:
        print(f"\nworkbook: {fault}", file=sys.stderr)
        return USAGE if isinstance(fault, UsageError) else FAULTS
    except OSError as fault:
        print(f"\nworkbook: {report.storage_fault(fault)}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nworkbook: stopped; the next run goes on from here", file=sys.stderr)
    return FAULTS


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
        "--force", action="store_true", help="forget cached volumes, features, networks"
    )
    run.set_defaults(run=_run)

    made = commands.add_parser("phantom", help="make a built-in cohort of simulated patients")
    made.add_argument("folder", type=Path, help="new, such as data/null")
    made.add_argument("--patients", type=int, default=120, help="24 to 660 (default 120)")
    made.add_argument("--seed", type=int, default=2024, help="default 2024")
    made.add_argument(
        "--signal", choices=("paper", "none"), default="paper",
        help="paper: labels act on images and clinical data (default); none: on nothing",
    )  # fmt: skip
    made.add_argument("--faults", type=int, default=0, help="faulty patients on top (default 0)")
    made.set_defaults(run=_phantom)

    fetch = commands.add_parser("fetch", help="make a study of a public collection (network)")
    fetch.add_argument("collection", help="such as nsclc-radiogenomics (data/collections)")
    fetch.add_argument("folder", type=Path, help="new, such as data/nsclc")
    fetch.add_argument("--dry-run", action="store_true", help="list patients, series, gigabytes")
    fetch.set_defaults(run=_fetch)

    begin = commands.add_parser("new", help="begin a study of your own in a folder")
    begin.add_argument("folder", type=Path, help="with one subfolder per patient")
    begin.set_defaults(run=_new)

    check = commands.add_parser("check", help="audit a study's table and images")
    check.add_argument("study", type=Path, help="folder with study.toml and cohort.csv")
    check.set_defaults(run=_check)

    new = commands.add_parser("predict", help="score a new patient with the saved models")
    new.add_argument("ct", type=Path, help="CT: image file or DICOM folder")
    new.add_argument("mask", type=Path, help="the lesion: image file, DICOM SEG or RTSTRUCT")
    new.add_argument("--study", type=Path, default=BUILT_IN, help="default: the built-in cohort")
    new.add_argument("--reports", type=Path, help="the study's reports (default reports/STUDY)")
    new.add_argument("--out", type=Path, required=True, help="folder of the result")
    new.add_argument("--mask-label", default="", help="the lesion's value, segment or ROI")
    for name in ("sex", "smoking"):
        codes = reading.CODES[name]
        new.add_argument(f"--{name}", default="", choices=("", *codes), metavar="CODE",
                         help=f"{', '.join(codes)}; for the clinical model")  # fmt: skip
    new.add_argument(
        "--clinical", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="another clinical predictor of the study, such as age 61",
    )  # fmt: skip
    new.set_defaults(run=_predict)

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
    compare.set_defaults(run=_compare)

    audit = commands.add_parser("audit", help="check a paper's printed numbers, without a study")
    audit.add_argument("paper", type=Path, help="TOML in the form of data/paper.toml")
    audit.add_argument("out", type=Path, help="folder of the report")
    audit.set_defaults(run=_audit)

    about = "explore copies of the notebooks in JupyterLab, which takes further options"
    lab = commands.add_parser("lab", help=about, description=about)
    lab.add_argument("study", nargs="?", type=Path, help="study folder (default: built-in cohort)")
    lab.add_argument("--reports", type=Path, help="the study's reports (default reports/STUDY)")
    lab.add_argument("--port", default="8888", help="of the address (default 8888)")
    lab.set_defaults(run=_lab)

    for name, command in commands.choices.items():
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.epilog = "\n  ".join(["example:", *EXAMPLES[name]])
    return parser


def _run(given: argparse.Namespace) -> int:
    folder = given.study or BUILT_IN
    overrides = {name: _value(text) for name, text in given.set}
    report.check_request(given.only, given.start, overrides)
    if given.study is None:
        _make_built_in(folder)
    study = load_study(folder, given.reports)
    print("\n".join([f"{study.settings.heading}: {folder} -> {study.reports}", *study.notes]))
    with report.alone(study):
        try:
            states = report.run_study(study, given.only, given.start, overrides, given.force)
        except NotebookFailed as fault:
            try:  # what was written before may be mailed too
                print(report.check_privacy(study))
            except StudyError as more:
                raise StudyError(f"{fault}\nAnd {more}") from None
            raise
        print(report.check_privacy(study))
    print(f"Open {study.reports / 'index.html'}")
    return DONE if all(state["state"] == "done" for state in states) else FAULTS


def _make_built_in(folder: Path) -> None:
    if (found_study(folder) / "study.toml").exists():
        return
    print(f"Making the built-in cohort of simulated patients in {folder}")
    from radiogenomics.cohort.sources import phantom

    bar = progress("patients made")
    phantom.make_phantom(folder, workers=os.cpu_count() or 1, progress=bar)


def _value(text: str) -> Any:
    """Read a parameter as JSON where it is JSON (5, 0.1, true, [1, 2]), else as text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _phantom(given: argparse.Namespace) -> int:
    from radiogenomics.cohort.sources import phantom

    bar = progress("patients made")
    phantom.make_phantom(
        given.folder, given.patients, given.seed, given.signal, given.faults,
        workers=os.cpu_count() or 1, progress=bar,
    )  # fmt: skip
    print(f"Made {given.patients} simulated patients in {given.folder}")
    return DONE


def _fetch(given: argparse.Namespace) -> int:
    from radiogenomics.cohort.sources import public

    if given.dry_run:
        mapping, _, chosen = public.plan(given.collection, public.client())
        print(public.listing(chosen, mapping).to_csv(index=False))
        table = public.summary(chosen, mapping)
        print(table.to_string(index=False))
        print(f"{table.patients.sum()} patients, {table.series.sum()} series, "
              f"{table.gigabytes.sum():.1f} GB. {mapping['split']}")  # fmt: skip
        return DONE
    rows = public.fetch(given.collection, given.folder)
    print(f"{len(rows)} patients in {given.folder}; look at them with: workbook check")
    return DONE


def _new(given: argparse.Namespace) -> int:
    from radiogenomics.cohort.sources import own

    table, lines = own.begin(given.folder)
    print("\n".join([*lines, *own.left_to_do(given.folder, table)]))
    return DONE


def _check(given: argparse.Namespace) -> int:
    from radiogenomics.images import description, inspection

    study = load_study(given.study)
    read = reading.read_table(study)
    table = read.table[~read.table.patient.duplicated()]
    inspection.refuse_patient_ids(study, table)
    left = eligibility.with_images(study, table)
    masks, acquisition, failures, twins = inspection.inspect_cohort(
        study, left, progress("scans read")
    )
    left, out, _ = eligibility.exclude(study, table, failures, complete=False)
    study.save_table(inspection.check_table(table, out, masks, acquisition), tables.CHECK)
    for line in study.notes:
        print(line)
    for line in read.folded():
        print(f"cohort.csv: {line}")
    without = (table.unread != "") & ~table.patient.isin(out.patient)
    if without.any():
        print(f"{without.sum()} patients take part without a value that could not be read")
    for row in out[out.step != "table"].itertuples():
        print(f"{row.patient}: {row.step}: {row.reason}")
    for patient, reason in eligibility.further(out, failures):
        print(f"{patient}: images: {reason}")
    for line in description.worth_a_look(masks):
        print(line)
    print(f"{len(table)} patients: {len(left)} can be used, {len(out)} are excluded")
    print(f"One row per patient: {study.tables / 'check.csv'}")
    if columns := roles.separating(study.settings, table):
        print(f"cohort.csv: {say('cohort', 'separating', columns=columns)}")
    faults = [*read.faults, *eligibility.cannot_run(study, left)]
    for line in faults:
        print(f"cohort.csv: {line}")
    eligibility.require_both(left, out, twins)
    return FAULTS if faults or out.step.isin(MENDABLE).any() else DONE


def _predict(given: argparse.Namespace) -> int:
    study = load_study(given.study, given.reports)
    patient = {
        "ct": str(given.ct.resolve()),
        "mask": str(given.mask.resolve()),
        "mask_label": given.mask_label,
        "sex": given.sex,
        "smoking": given.smoking,
        "clinical": dict(given.clinical),
        "out": str(given.out.resolve()),
    }
    html = single.run_prediction(study, patient, given.out)
    print((given.out / "prediction.json").read_text(encoding="utf-8"))
    print(f"Open {html}")
    return DONE


def _compare(given: argparse.Namespace) -> int:
    from radiogenomics.report import comparing

    options = {
        "": {"seed": given.seed},
        "label": {"positive": given.positive},
        "plan": {"primary": given.primary, "reference": given.reference,
                 "decision_range": given.decision_range,
                 "subgroups": given.subgroups and given.subgroups.split(",")},
        "lesions": {"rule": given.lesions},
        "evaluation": {"confidence": given.confidence, "bootstrap": given.bootstrap},
    }  # fmt: skip
    chosen = {
        section: {n: v for n, v in values.items() if v is not None}
        for section, values in options.items()
    }
    asked = comparing.Asked(
        tuple(given.scores), given.out, given.cohort, given.plan,
        {section: values for section, values in chosen.items() if values}, given.threshold,
    )  # fmt: skip
    html, told = comparing.compare(asked)
    print("\n".join([*told, f"Open {html}"]), file=sys.stderr if given.json else sys.stdout)
    if given.json:
        print(json.dumps(comparing.headline(load_study(given.out, given.out)), indent=1))
    return DONE


def _audit(given: argparse.Namespace) -> int:
    print(f"Open {single.run_audit(given.paper, given.out)}")
    return DONE


def _lab(given: argparse.Namespace) -> int:
    from radiogenomics.report import lab

    options = [f"--port={given.port}", *given.further]
    if os.name == "posix" and os.geteuid() == 0 and "--allow-root" not in options:
        raise UsageError(
            "JupyterLab does not start as root, who may change every file. Expected: another "
            "user. Where there is none, as in a container: workbook lab --allow-root"
        )
    folder = given.study or BUILT_IN
    if given.study is None and not (found_study(folder) / "study.toml").exists():
        _offer_built_in(folder)
    return lab.serve(lab.prepare(load_study(folder, given.reports)), options)


def _offer_built_in(folder: Path) -> None:
    """Ask whether the built-in cohort is to be made; where nobody can answer, stop.

    Raises:
        UsageError: no answer, or no.
    """
    asked = "There is no study here. Make the built-in cohort of 120 simulated patients? [y/N] "
    if not (sys.stdin.isatty() and input(asked).strip().lower().startswith("y")):
        raise UsageError(
            f"no study is named, and {folder} is not there. Expected: workbook lab STUDY, or first "
            f"workbook phantom {folder}"
        )
    _make_built_in(folder)


if __name__ == "__main__":
    sys.exit(main())
