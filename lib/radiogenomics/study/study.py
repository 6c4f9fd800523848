"""One study: its folder, its report folder, its tables."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.study.files import StudyError, read_json, whole_file, write_json
from radiogenomics.study.settings import Settings, build, overridden

FITTED = "fitted.json"  # in `models`: settings that they were fitted with


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
        return build(Settings, one["settings"], notebook) if "settings" in one else self.settings

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
        fitted = build(Settings, kept, FITTED)
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
    settings = overridden(build(Settings, raw, str(path)), override)
    beside = folder.parent.parent if folder.parent.name == "data" else Path.cwd()
    reports = Path(reports) if reports else beside / "reports" / folder.name
    return Study(folder, reports.resolve(), settings)
