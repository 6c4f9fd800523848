"""Nothing that identifies a patient leaves the study folder: redaction, and a scan of reports."""

from __future__ import annotations

import html
import json
import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from radiogenomics.cohort import seal
from radiogenomics.cohort.private import DATE, private_words
from radiogenomics.cohort.reading import IMAGES
from radiogenomics.images.anonymity import TOKEN, UID, identifiers, words_of
from radiogenomics.study.cells import read_cells
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import SHIPPED
from radiogenomics.study.study import LAB, Study

TEXT = (".html", ".csv", ".json", ".jsonl", ".ipynb", ".toml", ".md", ".svg")
TABLE = ".parquet"
BASE64 = re.compile(r"([A-Za-z0-9+/]{1000,})")  # an image or array in a notebook
WORD = re.compile(f"{DATE.pattern}|{TOKEN.pattern}")
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")  # a letter as JSON may write it


def scan_reports(
    study: Study, scans: Iterable[Path], allowed: Iterable[str] = (),
    private: Mapping[str, set[str]] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Look through every file of the finished reports for what must not be there (`scan_folder`).

    But for the lab folder, which holds what its user writes and is not for others.

    Args:
        study: its reports are looked through.
        scans: files and folders of the patients' images.
        allowed: words that may be there, such as hospitals of cohort.csv.
        private: words that may not, by the column of cohort.csv that holds them.
    """
    places = folders_here(str(study.folder), str(study.reports))
    table = scan_folder(study.reports, scans, list(places), allowed, private)
    return table[~table.file.str.startswith(f"{LAB}/")]


def scan_of_study(study: Study, folder: Path | None = None) -> pd.DataFrame:
    """Look through a study's reports, or another folder, for what its patients' files tell.

    Args:
        study: its cohort.csv names the images, and holds words that no report may.
        folder: instead of its reports.
    """
    table = read_cells(study.cohort_csv)
    images = [study.folder / p for c in IMAGES if c in table for p in table[c] if p]
    # the dates in the reports: of the first evaluation (`seal.evaluated`), of the split
    allowed = {record["time"][:10] for record in seal.evaluations(study)}
    allowed |= set(table.get("hospital", ())).union(*study.settings.cohorts.sides.values())
    if study.settings.privacy.patient_is_pseudonym:
        allowed |= set(table.patient)
    scans = [p for p in images if p.exists()]
    if folder is None:
        return scan_reports(study, scans, allowed, private_words(study, table))
    places = list(folders_here(str(study.folder), str(study.reports)))
    return scan_folder(folder, scans, places, allowed, private_words(study, table))


def scan_folder(
    folder: Path, scans: Iterable[Path], places: list[str], allowed: Iterable[str] = (),
    private: Mapping[str, set[str]] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Look through every file of a folder for what must not be mailed.

    Looked for, as whole words: the headers' names, numbers and dates (`identifiers`), DICOM
    UIDs, `places`, folders of this machine, and `private` words of columns. Words of the
    workbook's own texts and `allowed` ones are passed over.

    Returns:
        file, kind (`header`, `uid`, `path`, `column NAME`) and n of what was found; never the
        value itself.
    """
    header = words_of(identifiers(scans) - set(allowed))
    kinds = {"header": header} if header else {}
    long = [p for p in places if len(Path(p).parts) > 2 or p.endswith("/")]  # /app is a word
    kinds |= {"uid": UID}
    kinds |= {"path": re.compile("|".join(map(re.escape, long)))} if long else {}
    rows = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (*TEXT, TABLE)):
        text = _visible(path)
        counts = {kind: len(pattern.findall(text)) for kind, pattern in kinds.items()}
        words = Counter(WORD.findall(text.casefold())) if private else Counter()
        for column, secret in (private or {}).items():
            counts[f"column {column}"] = sum(words[word] for word in secret - set(allowed))
        name = path.relative_to(folder).as_posix()
        rows += [(name, kind, n) for kind, n in counts.items() if n]
    return pd.DataFrame(rows, columns=["file", "kind", "n"])


def refuse(findings: pd.DataFrame) -> None:
    """Stop where a scan found something.

    Raises:
        StudyError: names the files and what kind of identifier each holds.
    """
    if len(findings):
        files = "; ".join(f"{r.file} ({r.kind}, {r.n} times)" for r in findings.itertuples())
        raise StudyError(
            f"the reports hold identifiers or paths: {files}. Expected: no name, number, date or "
            "UID of the DICOM headers, no path, no word of a file's name or of a column of "
            "cohort.csv that is not used. Do not share them; check these files."
        )


def _visible(path: Path) -> str:
    """Return a file's text without what the workbook itself puts into every page."""
    if path.suffix == TABLE:
        table = pd.read_parquet(path)
        words = table.select_dtypes(["object", "string", "category"]).astype(str)
        return "\n".join([*map(str, table.columns), *words.to_numpy().ravel()])
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".html":
        text = re.sub(r"<style.*?</style>", "", text, flags=re.S)
        text = re.sub(r"<script(?![^>]*application/json).*?</script>", "", text, flags=re.S)
        text = html.unescape(text)
    text = ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    return re.sub(r"[A-Za-z0-9+/]{200,}={0,2}", "", text)  # images and arrays in base64


def folders_here(study_folder: str, reports: str) -> dict[str, str]:
    """Return the folders of this machine that no report may name, and what replaces each."""
    short = {
        reports: f"reports/{Path(reports).name}",
        study_folder: f"data/{Path(study_folder).name}",
        str(SHIPPED): ".",
        sysconfig.get_path("purelib"): "site-packages",
    }
    if Path.home().parts[1:]:  # not / itself, as in some containers
        short[f"{Path.home()}/"] = "~/"
    return {place: short[place] for place in sorted(short, key=len, reverse=True)}


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute() and len(Path(value).parts) > 2


def without_paths(
    text: str, study_folder: str, reports: str, given: dict[str, Any] | None = None
) -> str:
    """Return the text of an executed notebook with this machine's folders taken out.

    Of other paths among the parameters `given`, such as a new patient's, the parameter's name
    alone is left: a folder may be called after a patient.
    """
    places = folders_here(study_folder, reports)
    every = [(v, f"[{k}]") for k, held in (given or {}).items()
             for v in (held if isinstance(held, list) else [held])]  # fmt: skip
    paths = [(str(v), short) for v, short in every if _is_path(v)]
    for place, short in sorted(paths, key=lambda p: -len(p[0])):
        if place not in places:
            text = _replaced(text, place, short)
    for place, short in places.items():
        text = _replaced(text, place, short)
    return text


def _replaced(text: str, place: str, short: str) -> str:
    """Return the text without a place, however JSON may have written its letters."""
    for ascii_only in (True, False):
        written = json.dumps(place, ensure_ascii=ascii_only)[1:-1]
        parts = BASE64.split(text)  # whose letters may look like a short folder
        text = "".join(p if i % 2 else p.replace(written, short) for i, p in enumerate(parts))
    return text
