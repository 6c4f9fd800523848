"""manifest.json: what made a report folder, versions, settings, hashes, times."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.cohort import seal
from radiogenomics.images.formats import content_hash
from radiogenomics.report.pages import notebooks, title_of
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import (
    CHECKOUT,
    PART,
    SHIPPED,
    files_below,
    read_json,
    sha256,
    write_json,
)
from radiogenomics.study.study import LAB, Study

if os.name == "posix":
    import resource

KEPT = (  # of each notebook
    "state", "message", "seconds", "overrides", "settings", "made_from", "files", "results",
)  # fmt: skip


def earlier_states(study: Study) -> dict[str, dict[str, Any]]:
    """Return every notebook's state in this report folder: name, title, state, seconds, ..."""
    states = {
        path.stem: {"name": path.stem, "title": title_of(path), "state": "not run", "seconds": 0.0}
        for path in notebooks()
    }
    for name, old in study.manifest().get("notebooks", {}).items():
        if name in states:
            states[name] |= {k: old[k] for k in KEPT if k in old}
    return states


def write_manifest(
    study: Study, states: dict[str, dict], overrides: dict[str, Any], inputs: list[Path]
) -> None:
    """Write manifest.json: versions, code, settings, hashes of lock and inputs, times.

    `settings` are study.toml's; each notebook has those that it ran with, of which `-p` may have
    changed some (`Study.ran_with`).
    """
    commit = _commit()
    old = study.manifest()
    lock = SHIPPED / "uv.lock"
    listed = study.included_csv
    scans = pd.read_csv(listed, dtype={"patient": str}) if listed.exists() else pd.DataFrame()
    hashes = (
        scans.set_index("patient")[["ct_hash", "mask_hash"]].to_dict("index") if len(scans) else {}
    )
    content = old | {
        "title": study.settings.heading,
        "study": study.whereabouts,
        "synthetic": study.settings.synthetic,
        "seed": study.settings.seed,
        "settings": dataclasses.asdict(study.settings),
        "overrides": overrides,
        "versions": versions(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.exists() else None,
        "commit": commit,
        "code": _code(commit),
        "inputs": {path.name: content_hash(path) for path in inputs} | {"scans": hashes},
        "test_set": seal.openings(study),
        "notebooks": {
            name: {k: state[k] for k in KEPT if k in state} for name, state in states.items()
        },
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "peak_memory_mb": _peak_memory_mb(),
    }
    write_json(study.manifest_json, content)


UNSEALED = ("manifest.json", f"{LAB}/")  # of a report folder: written or changed afterwards


def outputs(reports: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a report folder, by its path in it."""
    found = {}
    for path in files_below(reports):
        name = path.relative_to(reports).as_posix()
        if not name.startswith(UNSEALED) and not path.name.startswith(PART):
            found[name] = sha256(path)
    return found


def seal_outputs(study: Study) -> None:
    """List the hashes of all files of the reports in manifest.json, once they are finished."""
    manifest = study.manifest()
    write_json(study.manifest_json, manifest | {"outputs": outputs(study.reports)})


def changed_since(reports: Path) -> dict[str, list[str]]:
    """Return the files of a report folder that are not as the run wrote them: how, names.

    Raises:
        StudyError: there is no manifest, it cannot be read, or it lists no files.
    """
    try:
        listed = dict(read_json(reports / "manifest.json")["outputs"])
    except (OSError, ValueError, KeyError, TypeError):
        raise StudyError(
            f"manifest.json of {reports.name} is not there, is damaged, or lists no files. "
            "Expected: the folder of a run that ended. Run the study again."
        ) from None
    there = outputs(reports)
    return {
        "changed": [name for name in listed if name in there and there[name] != listed[name]],
        "missing": [name for name in listed if name not in there],
        "new": [name for name in there if name not in listed],
    }


def _peak_memory_mb() -> int | None:
    """Return the peak memory of this run's largest process; None where it is not known."""
    if os.name != "posix":
        return None
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return round(most / (1024 if sys.platform != "darwin" else 1024**2))


def _code(commit: str | None) -> str:
    """Return which code ran: its version, and where it is from."""
    without = "a folder without git" if CHECKOUT else "an installed package, commit not known"
    source = f"git commit {commit}" if commit else without
    return f"radiogenomics {_version('radiogenomics')}, {source}"


def _commit() -> str | None:
    """Return the workbook's git commit, `+` behind it when files were changed; None without git.

    Of an installed package it is known where pip was given the repository's address.
    """
    if CHECKOUT is None:
        text = importlib.metadata.distribution("radiogenomics").read_text("direct_url.json")
        return json.loads(text or "{}").get("vcs_info", {}).get("commit_id")
    if not (CHECKOUT / ".git").exists():  # as it came, perhaps inside another repository
        return None
    try:
        asked = ["git", "-C", str(CHECKOUT)]
        head = subprocess.run([*asked, "rev-parse", "HEAD"], capture_output=True, text=True)
        state = subprocess.run([*asked, "status", "--porcelain"], capture_output=True, text=True)
    except OSError:
        return None
    return head.stdout.strip() + ("+" if state.stdout else "") if head.returncode == 0 else None


PACKAGES = (
    "radiogenomics", "tensorflow", "keras", "pyradiomics-bhklab", "simpleitk", "scikit-learn",
    "statsmodels", "numpy", "scipy", "pandas", "plotly", "papermill", "nbconvert",
)  # fmt: skip
FURTHER = ("xgboost", "lightgbm")  # whose classifiers [models] may name, where they are installed


def versions() -> dict[str, str | None]:
    """Return the version of each package; None where it is not installed."""
    further = [name for name in FURTHER if _version(name)]
    return {name: _version(name) for name in (*PACKAGES, *further)}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def made_with() -> str:
    """Return the versions as a sentence."""
    packages = [f"{name} {version}" for name, version in versions().items() if version]
    return f"Made with Python {platform.python_version()}, {', '.join(packages)}."
