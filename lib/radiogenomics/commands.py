"""What each `workbook` command does; what one command alone needs is imported when it is called."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

from radiogenomics.report import duration, folders, request, single
from radiogenomics.report import run as report
from radiogenomics.report.pages import NOT_NEEDED
from radiogenomics.study import parallel, tables
from radiogenomics.study.errors import DONE, FAULTS, DamagedFile, StudyError, UsageError
from radiogenomics.study.progress import progress
from radiogenomics.study.study import Study, found_study, load_study
from radiogenomics.study.values import plain
from radiogenomics.study.words import say

BUILT_IN = Path("data") / "phantom"
MENDABLE = ("table", "files", "images")  # steps of exclusion that a user can do something about


def run(given: argparse.Namespace) -> int:
    """Run the notebooks and export the reports."""
    folder = given.study or BUILT_IN
    overrides = {plain(name): _value(text) for name, text in given.set}
    request.check_request(given.only, given.start, overrides)
    told = request.idle(given.only, given.start, overrides)
    if given.dask:
        parallel.connected(given.dask)
        os.environ[parallel.DASK] = given.dask
    if given.study is None:
        make_built_in(folder)
    study = load_study(folder, given.reports)
    told += request.executed(study, given.only, given.start, overrides)
    print(
        "\n".join([f"{study.settings.heading}: {folder} -> {study.reports}", *study.notes, *told])
    )
    whole = not given.only and not given.start
    if whole and (given.force or not study.manifest_json.exists()):
        print(duration.told(request.with_overrides(study, overrides)), flush=True)
    with folders.alone(study):
        try:
            states = report.run_study(study, given.only, given.start, overrides, given.force)
        except (StudyError, OSError) as fault:
            _scan_what_is_there(study, fault)
            raise
        print(report.check_privacy(study, states), flush=True)
        report.finish(study, states)
    print(f"Open {study.reports / 'index.html'}")
    well = ("done", NOT_NEEDED)
    return DONE if all(state["state"] in well for state in states) else FAULTS


def _scan_what_is_there(study: Study, fault: Exception) -> None:
    """Look through what a run that ended early has written: it may be mailed too."""
    told = isinstance(fault, (UsageError, DamagedFile))
    if told or not study.manifest_json.exists():
        return
    try:
        print(report.check_privacy(study))
    except StudyError as more:
        raise StudyError(f"{fault}\nAnd {more}") from None


def make_built_in(folder: Path) -> None:
    """Make the built-in cohort, unless it is there."""
    if (found_study(folder) / "study.toml").exists():
        return
    print(f"Making the built-in cohort of simulated patients in {folder}")
    from radiogenomics.cohort.sources.phantom import make_phantom

    bar = progress("patients made")
    make_phantom(folder, workers=os.cpu_count() or 1, progress=bar)


def _value(text: str) -> Any:
    """Read a parameter as JSON or TOML where it is such (5, true, null, [1, 2]), else as text."""
    for read in (json.loads, lambda given: tomllib.loads(f"value = {given}")["value"]):
        with suppress(ValueError):  # which both readers' faults are
            return read(text)
    return text


def phantom(given: argparse.Namespace) -> int:
    """Make a cohort of simulated patients."""
    from radiogenomics.cohort.sources.phantom import make_phantom

    bar = progress("patients made")
    make_phantom(
        given.folder, given.patients, given.seed, given.signal, given.faults,
        workers=os.cpu_count() or 1, progress=bar,
    )  # fmt: skip
    print(f"Made {given.patients} simulated patients in {given.folder}")
    return DONE


def fetch(given: argparse.Namespace) -> int:
    """Make a study of a public collection, or list what it would take."""
    from radiogenomics.cohort.sources import public

    if given.dry_run:
        mapping, _, chosen = public.plan(given.collection, public.client().index)
        print(public.listing(chosen, mapping).to_csv(index=False))
        table = public.summary(chosen, mapping)
        print(table.to_string(index=False))
        found = chosen[chosen.reason == ""].drop_duplicates(["seg", "ct"])
        series = len({*found.seg, *found.ct})
        print(f"{chosen.patient.nunique()} patients, {series} series, {found.mb.sum() / 1000:.1f} "
              f"GB. {mapping['split']}")  # fmt: skip
        return DONE
    rows = public.fetch(given.collection, given.folder, given.genotypes)
    if "measurement" in rows:
        print(f"{len(rows)} measurements of {rows.patient.nunique()} patients in {given.folder}: "
              "docs/public.md says how they give the ICC of each feature")  # fmt: skip
        return DONE
    print(f"{len(rows)} patients in {given.folder}; look at them with: workbook check")
    return DONE


def new(given: argparse.Namespace) -> int:
    """Begin a study in a folder."""
    from radiogenomics.cohort.sources import own

    table, lines = own.begin(given.folder)
    print("\n".join([*lines, *own.left_to_do(given.folder, table)]))
    return DONE


def check(given: argparse.Namespace) -> int:
    """Tell which patients can be used, and why others cannot."""
    from radiogenomics.cohort import eligibility, reading, roles
    from radiogenomics.images import description, inspection
    from radiogenomics.models import classifiers
    from radiogenomics.radiomics import embeddings

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
    if outside := eligibility.led_outside(study, left):
        print(say("cohort", "outside", patients=outside))
    print(f"{len(table)} patients: {len(left)} can be used, {len(out)} are excluded")
    print(f"One row per patient: {study.tables / 'check.csv'}")
    if columns := roles.separating(study.settings, table):
        print(f"cohort.csv: {say('cohort', 'separating', columns=columns)}")
    faults = [*read.faults, *eligibility.cannot_run(study, left)]
    for line in faults:
        print(f"cohort.csv: {line}")
    for line in request.looked_at(study):
        print(line)
    further = [*classifiers.faults(study.settings), *embeddings.faults(study, left)]
    for line in further:
        print(line)
    faults += further
    eligibility.require_both(study, left, out, twins)
    return FAULTS if faults or out.step.isin(MENDABLE).any() else DONE


def verify(given: argparse.Namespace) -> int:
    """Say which files of a report folder are not as the run wrote them."""
    from radiogenomics.report.manifest import changed_since

    found = changed_since(given.reports)
    for how, names in found.items():
        for name in names:
            print(f"{how}: {name}")
    faults = len(found["changed"]) + len(found["missing"])
    print(say("report", "verified", faults=faults, new=len(found["new"])))
    return FAULTS if faults else DONE


def predict(given: argparse.Namespace) -> int:
    """Score new patients with the saved models."""
    from radiogenomics.new_patient import asked

    return asked.predict(given, found_study(given.study or BUILT_IN))


def outline(given: argparse.Namespace) -> int:
    """Grow outlines from points or boxes, or open JupyterLab to make and correct them."""
    from radiogenomics.cohort import outlines
    from radiogenomics.report import lab

    study = load_study(given.study)
    if not given.grow:
        _refuse_root(given.further, "workbook outline STUDY")
        return lab.serve_outlines(study, [f"--port={given.port}", *given.further])
    grown = outlines.grow_cohort(study, given.opening, given.border, progress("lesions grown"))
    for row in grown.astype(object).fillna("").itertuples():
        size = row.reason or f"{row.volume_mm3:.0f} mm³, opening {row.opening_mm:g} mm"
        print(f"{row.patient}: {size}" + (f": look at it: {row.doubts}" if row.doubts else ""))
    failed, doubts = ((grown[name].fillna("") != "").sum() for name in ("reason", "doubts"))
    print(say("cohort", "grown", grown=len(grown) - failed, failed=failed, doubts=doubts))
    return FAULTS if failed else DONE


def package(given: argparse.Namespace) -> int:
    """Write a study's models as a package that another hospital can use."""
    from radiogenomics.new_patient import asked

    return asked.package(given, load_study(given.study, given.reports))


def compare(given: argparse.Namespace) -> int:
    """Evaluate tables of scores."""
    from radiogenomics.report import comparing

    options = {
        "": {"seed": given.seed},
        "label": {"positive": given.positive and [given.positive]},
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


def audit(given: argparse.Namespace) -> int:
    """Check a paper's printed numbers."""
    print(f"Open {single.run_audit(given.paper, given.out)}")
    return DONE


def lab(given: argparse.Namespace) -> int:
    """Open copies of the notebooks in JupyterLab."""
    from radiogenomics.report.lab import prepare, serve

    options = [f"--port={given.port}", *given.further]
    _refuse_root(options, "workbook lab")
    folder = given.study or BUILT_IN
    if given.study is None and not (found_study(folder) / "study.toml").exists():
        _offer_built_in(folder)
    return serve(prepare(load_study(folder, given.reports)), options)


def _refuse_root(options: list[str], command: str) -> None:
    if os.name == "posix" and os.geteuid() == 0 and "--allow-root" not in options:
        raise UsageError(
            "JupyterLab does not start as root, who may change every file. Expected: another "
            f"user. Where there is none, as in a container: {command} --allow-root"
        )


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
    make_built_in(folder)
