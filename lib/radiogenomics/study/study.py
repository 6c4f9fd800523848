"""One study: its folder, its report folder, its tables."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.study import tables
from radiogenomics.study.cells import read_written, write_cells
from radiogenomics.study.contract import NOTEBOOKS, SELECTION, SYNTHETIC, Notebook, Table
from radiogenomics.study.errors import MissingFile
from radiogenomics.study.files import damaged, digest, read_json, read_toml, write_json
from radiogenomics.study.own_code import with_digest
from radiogenomics.study.parallel import workers_that_fit
from radiogenomics.study.parameters import with_parameters
from radiogenomics.study.settings import Settings
from radiogenomics.study.values import build, in_place, overridden

LAB = "lab"  # folder in the reports for exploring by hand
FITTED = "fitted.json"  # in `models`: settings that they were fitted with


@dataclass(frozen=True)
class Study:
    """One study: its folder (raw data, never changed), its report folder and its settings.

    `notes` say which settings study.toml has at an earlier place.
    """

    folder: Path
    reports: Path
    settings: Settings
    notes: tuple[str, ...] = ()

    @property
    def cohort_csv(self) -> Path:
        """The table of patients."""
        return self.folder / "cohort.csv"

    @property
    def derived(self) -> Path:
        """Caches, which may be deleted at any time."""
        return self.folder / "derived"

    @property
    def whereabouts(self) -> str:
        """A digest of the study's path relative to its reports, which hides the path."""
        try:
            return digest(os.path.relpath(self.folder, self.reports))
        except ValueError:  # on another drive
            return digest(self.folder.name)

    @property
    def included_csv(self) -> Path:
        """Who takes part, as this report folder's notebook 01 found; it holds paths."""
        return self.derived / "included" / f"{self.whereabouts}.csv"

    @property
    def openings_jsonl(self) -> Path:
        """Every time that test labels were opened, in any report folder: lines are only added."""
        return self.folder / "test_set.jsonl"

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
        """Processes for work over patients (`workers = 0`: one per core, if memory allows)."""
        return workers_that_fit(self.settings.workers)

    def manifest(self) -> dict[str, Any]:
        """Return what manifest.json holds; nothing before the first run.

        Raises:
            DamagedFile: it is not as a run wrote it.
        """
        if not self.manifest_json.exists():
            return {}
        held = read_json(self.manifest_json)
        states = held.get("notebooks", {}) if isinstance(held, dict) else None
        if not isinstance(states, dict) or not all(isinstance(s, dict) for s in states.values()):
            raise damaged(self.manifest_json, "other contents than a run writes")
        return held

    def ran_with(self, notebook: Notebook) -> Settings:
        """Return the settings that a notebook last ran with; study.toml's where it has not run."""
        state = self.manifest().get("notebooks", {}).get(notebook.name, {})
        if "settings" not in state:
            return self.settings
        return build(Settings, in_place(state["settings"])[0], notebook.name)

    def keep_fitted(self, *sections: str) -> None:
        """Keep, beside the saved models, the seed and the settings that they were fitted with."""
        path = self.models / FITTED
        earlier = read_json(path) if path.exists() else {}
        now = {name: dataclasses.asdict(getattr(self.settings, name)) for name in sections}
        write_json(path, earlier | now | {"seed": self.settings.seed})

    def fitted_with(self) -> dict[str, Any]:
        """Return what `keep_fitted` kept: seed, and settings by section.

        Raises:
            StudyError: no model is saved.
        """
        path = self.models / FITTED
        if not path.exists():
            raise self.not_yet(f"models/{FITTED}", SELECTION)
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

    def path(self, table: Table) -> Path:
        """Return the path of a table."""
        return self.tables / table.file

    def has(self, table: Table) -> bool:
        """Return whether a table is there."""
        return self.path(table).exists()

    def save_table(self, rows: pd.DataFrame, table: Table) -> Path:
        """Write a table (CSV) whole or not at all; a synthetic study's carries the mark.

        Raises:
            ValueError: other columns than the table's declared ones.
        """
        rows = rows.rename(columns=str)
        rows = rows[table.ordered(rows.columns)]
        if self.settings.synthetic and table.of_patients:
            rows = rows.assign(**{SYNTHETIC: True})
        write_cells(self.path(table), rows)
        return self.path(table)

    def keep(self, **rows: pd.DataFrame) -> None:
        """Write tables by the stem of their file: `keep(flow=...)` writes tables/flow.csv."""
        by_stem = {table.file.removesuffix(".csv"): table for table in tables.EVERY}
        for stem, frame in rows.items():
            self.save_table(frame, by_stem[stem])

    def table(self, table: Table) -> pd.DataFrame:
        """Read a table.

        Raises:
            StudyError: it is not there yet; names the first notebook that is to be run.
        """
        if not self.has(table):
            raise self.not_yet(f"tables/{table.file}", table.notebook)
        kinds = {"dtype": {"patient": str}, "keep_default_na": False, "na_values": [""]}
        return read_written(self.path(table), table.needed(), **kinds)

    def not_yet(self, file: str, notebook: Notebook) -> MissingFile:
        """Return the error of a file that a notebook has still to write.

        It names the first notebook whose tables are missing, from which a run must begin.
        """
        written = {table.notebook for table in tables.EVERY if self.has(table)}
        waiting = [n for n in NOTEBOOKS if n.number <= notebook.number and n not in written]
        first = waiting[0] if waiting else notebook
        return MissingFile(
            f"{file} is not there: notebook {notebook.digits} writes it. The first that has "
            f"not run is {first.digits}. Run: {first.run_from}"
        )


def found_study(folder: Path) -> Path:
    """Return the study's folder: a relative one is sought here, then upwards.

    Upwards up to the first folder that holds `data/`, so that notebooks run from any folder of a
    project.
    """
    if not folder.is_absolute() and not (folder / "study.toml").is_file():
        here = Path.cwd()
        above = next((p for p in (here, *here.parents) if (p / "data").is_dir()), here)
        folder = above / folder
    return folder.resolve()


def load_study(
    folder: str | Path, reports: str | Path | None = None, further: dict[str, Any] | None = None,
    **override: Any,
) -> Study:  # fmt: skip
    """Read `folder/study.toml` and check it.

    Args:
        folder: the study folder.
        reports: where reports go; default `reports/<name of folder>`, beside `data` if it is there.
        further: settings by name, as `override`.
        override: settings by their own name (`folds=5`); None leaves study.toml's value.

    Raises:
        StudyError: no folder or study.toml, an unknown key, a value of the wrong kind.
    """
    folder = found_study(Path(folder))
    path = folder / "study.toml"
    if not path.is_file():
        raise MissingFile(
            f"{path} is not there. Expected: a study folder with study.toml and cohort.csv. "
            "Make the built-in one with: workbook phantom DIR"
        )
    raw, notes = in_place(read_toml(path))
    settings = overridden(build(Settings, raw, str(path)), further or {})
    beside = folder.parent.parent if folder.parent.name == "data" else Path.cwd()
    reports = Path(reports) if reports else beside / "reports" / folder.name
    settings = with_digest(overridden(settings, override), folder)
    settings = with_parameters(folder, settings)
    return Study(folder, reports.resolve(), settings, tuple(notes))
