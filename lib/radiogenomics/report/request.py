"""What a run is asked for: which notebooks, which settings, and what is told before it begins."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from radiogenomics.report import acting
from radiogenomics.report.execution import declared
from radiogenomics.report.pages import notebooks
from radiogenomics.study import contract, design
from radiogenomics.study.errors import UsageError
from radiogenomics.study.own_code import own_code, place_of, read, with_digest
from radiogenomics.study.parameters import with_parameters
from radiogenomics.study.settings import NETWORK, Settings
from radiogenomics.study.study import Study
from radiogenomics.study.values import did_you_mean, is_a, overridden, section_of

OTHERWISE = {  # parameters that are not given with -p
    "folder": "as workbook run FOLDER", "reports": "with --reports",
    "further": "each setting with a -p of its own",
}  # fmt: skip


def with_overrides(study: Study, overrides: dict[str, Any]) -> Study:
    """Return the study with the settings that these parameters change."""
    changed = {name: value for name, value in overrides.items() if name in section_of()}
    settings = with_digest(overridden(study.settings, changed), study.folder)
    settings = with_parameters(study.folder, settings)
    return dataclasses.replace(study, settings=settings)


def check_request(only: list[str] | None, start: str | None, overrides: dict[str, Any]) -> None:
    """Check the notebooks and parameters that a run is asked for; needs no study.

    Raises:
        UsageError: no such notebook or parameter, or a value of another type or beyond its limits.
    """
    chosen_notebooks(only, start)
    kinds = {name: kind for path in notebooks() for name, kind in declared(path).items()}
    settings = section_of()
    for name, value in overrides.items():
        if name in OTHERWISE:
            raise UsageError(f"-p {name}: not given with -p. Expected: {OTHERWISE[name]}.")
        if name not in kinds and name not in settings:
            hint = did_you_mean(name, (set(kinds) - set(OTHERWISE)) | set(settings))
            raise UsageError(f"-p {name}: no such setting or parameter. {hint}")
        if name not in settings and value is not None and not is_a(value, kinds[name]):
            kind = kinds[name].__name__
            raise UsageError(f"-p {name} {value!r}: wrong type. Expected: {kind}.")
    overridden(Settings(), {k: v for k, v in overrides.items() if k in settings})


def idle(only: list[str] | None, start: str | None, overrides: dict[str, Any]) -> list[str]:
    """Return a line for each setting that none of the chosen notebooks reads."""
    chosen = [path.name[:2] for path in chosen_notebooks(only, start)]
    return acting.idle(chosen, overrides, tuple(notebooks()))


def looked_at(study: Study) -> list[str]:
    """Return a line for the network's file of a study, which is read and not run.

    Raises:
        StudyError: the file cannot be used.
    """
    if (own := own_code(study.settings.cnn.network)) is None:
        return []
    read(own, study.folder)
    return [f"[cnn] network: {own.file} was read, not run. Notebook 04 builds it and checks it."]


def executed(
    study: Study, only: list[str] | None, start: str | None, overrides: dict[str, Any]
) -> list[str]:
    """Return a line for the file of the study folder whose code these notebooks may execute.

    Raises:
        StudyError: the file cannot be used.
    """
    used = with_overrides(study, overrides).settings
    code = own_code(used.cnn.network) if NETWORK in design.parts(used) else None
    numbers = {n.digits for n in (contract.TRAINING, contract.COMPARISON, contract.MAPS)}
    if code is None or not numbers & {path.name[:2] for path in chosen_notebooks(only, start)}:
        return []
    read(code, study.folder)
    return [
        f"The network is built by code of this study, which is run: {place_of(code, study.folder)}"
    ]


def chosen_notebooks(only: list[str] | None, start: str | None) -> list[Path]:
    """Return the notebooks that a run is asked for: these numbers, those from one on, or all.

    Raises:
        UsageError: there is no such notebook, or none is left.
    """
    paths = notebooks()
    numbers = [path.name[:2] for path in paths]
    for number in [*(only or []), *([start] if start else [])]:
        if number not in numbers:
            raise UsageError(f"there is no notebook {number}. Expected: {', '.join(numbers)}.")
    chosen = [
        path
        for path in paths
        if (not only or path.name[:2] in only) and (not start or path.name[:2] >= start)
    ]
    if not chosen:
        raise UsageError(f"--only and --from {start} leave no notebook. Expected: one of the two.")
    return chosen
