"""The folders of a run: held by one run at a time, kept apart, and what their faults mean."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pandas as pd

from radiogenomics.cohort.reading import IMAGES
from radiogenomics.study.cells import read_cells
from radiogenomics.study.errors import StudyError, UsageError
from radiogenomics.study.files import sweep
from radiogenomics.study.study import Study

if os.name == "posix":
    import fcntl
    import resource
else:
    import msvcrt

LOCK = "run.lock"
OPEN_FILES = 1024  # that a kernel, workers and a browser may have open at once
FEWEST = 256


def storage_fault(fault: OSError) -> str:
    """Return what a full disk or a folder without permission means to a user."""
    remedy = {
        errno.ENOSPC: "The disk is full. Free space and run again: finished work is kept.",
        errno.EFBIG: "Files of this size are not allowed here. Name another folder with --reports.",
        errno.EDQUOT: "The quota is used up. Free space and run again: finished work is kept.",
        errno.EACCES: "No permission. To read it, ask its owner. To write it, run as a user who "
        "may, copy the study, or name another folder for reports with --reports.",
        errno.EMFILE: "Raise the limit of open files (ulimit -n 1024), or set workers = 1 in "
        "study.toml.",
        errno.EROFS: "That folder is read-only. Copy the study to one that can be written.",
    }.get(fault.errno, "")
    return f"{fault.strerror or fault}: {fault.filename or 'no file named'}. {remedy}".strip()


def allow_open_files() -> None:
    """Raise this process' limit of open files, which those that it starts inherit, where it is low.

    Raises:
        StudyError: the system allows too few.
    """
    if os.name != "posix":
        return
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = resource.RLIM_INFINITY
    if soft != endless and soft < OPEN_FILES:
        soft = OPEN_FILES if most == endless else min(OPEN_FILES, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
    if soft != endless and soft < FEWEST:
        raise StudyError(
            f"this terminal lets a program open {soft} files at once. Expected: {FEWEST} or more. "
            "Open a new terminal, or ask whoever runs this machine to raise the limit (ulimit -n)."
        )


@contextmanager
def alone(study: Study) -> Iterator[None]:
    """Keep a second run away from a study while this one lasts; a killed run leaves no lock.

    Raises:
        StudyError: another run holds the study.
    """
    study.derived.mkdir(parents=True, exist_ok=True)
    with (study.derived / LOCK).open("a+") as stream:
        if not _locked(stream):
            raise StudyError(
                f"another run is using {study.folder.name}. Expected: one at a time. Wait for "
                "it, or stop it."
            )
        for folder in (study.derived, study.reports):
            sweep(folder)
        yield


def _locked(stream: TextIO) -> bool:
    try:
        if os.name == "posix":
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def refuse_raw_data(study: Study) -> None:
    """Keep reports out of the folders that hold the study's table and images.

    Raises:
        UsageError: they would lie there.
    """
    table = read_cells(study.cohort_csv) if study.cohort_csv.exists() else pd.DataFrame()
    named = [study.folder / p for c in IMAGES if c in table for p in table[c] if p]
    raw = {place for path in named for place in (path, *path.parents)}
    below = {place for place in raw if study.folder in place.parents}
    if study.reports == study.folder or below & {study.reports, *study.reports.parents}:
        raise UsageError(
            f"--reports {study.reports.name} is a folder of the study's own data. Expected: a "
            "folder for reports alone. Name another."
        )


def refuse_another_study(study: Study) -> None:
    """Keep a study from writing into the reports of another one whose folder has the same name.

    Raises:
        StudyError: they are another study's.
    """
    if study.manifest().get("study", study.whereabouts) != study.whereabouts:
        raise StudyError(
            f"{study.reports.name} holds the reports of another study. Expected: a folder for this "
            "study alone. Name one with --reports. If they are this study's reports and the study "
            "was moved, delete their manifest.json."
        )
