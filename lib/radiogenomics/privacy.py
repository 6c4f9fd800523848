"""Nothing that identifies a patient leaves the study folder: redaction, and a scan of reports."""

from __future__ import annotations

import functools
import html
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pydicom

from radiogenomics.dicom import read_header
from radiogenomics.study.files import ROOT, StudyError
from radiogenomics.study.study import Study

UID = re.compile(r"(?<![\d.])(?:2\.25\.\d{10,}|[0-2](?:\.(?:0|[1-9]\d*)){6,})(?!\d)")
TAGS = [
    "PatientName", "PatientID", "OtherPatientIDs", "PatientBirthDate", "PatientAddress",
    "PatientTelephoneNumbers", "AccessionNumber", "StudyID", "InstitutionName",
    "InstitutionAddress", "StationName", "ReferringPhysicianName", "PerformingPhysicianName",
    "OperatorsName", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate",
    "AcquisitionDateTime", "OtherPatientNames", "PatientBirthName", "RequestingPhysician",
]  # fmt: skip
PERSONS = [
    "PatientName", "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName",
    "OtherPatientNames", "PatientBirthName", "RequestingPhysician",
]  # fmt: skip
NUMBERS = ["PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID"]
JOINED = (" ", "", "_", "^", ", ", ",", ".", "-")  # how the parts of a name are put together
LATIN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
SHORTEST, SHORTEST_NUMBER = 4, 6  # a shorter word or number is in any report by chance
TEXT = (".html", ".csv", ".json", ".ipynb", ".toml", ".md", ".svg")
TABLE = ".parquet"
BASE64 = re.compile(r"([A-Za-z0-9+/]{1000,})")  # an image or array in a notebook
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")  # a letter as JSON may write it


def redacted(text: str) -> str:
    """Return a message with the UIDs that DICOM file names often are taken out."""
    return UID.sub("[uid]", text)


def anonymous(text: str, images: Iterable[str]) -> str:
    """Return a message without what the headers of a patient's images say of patient and hospital.

    A folder of slices is often named by the PatientID, a file by the patient's name.
    """
    pattern = _words_of(identifiers(Path(p) for p in images if p and Path(p).exists()))
    return pattern.sub("[DICOM header]", text) if pattern else text


def _words_of(found: set[str]) -> re.Pattern | None:
    """Return what finds these values of headers as whole words, but for words of our own texts."""
    own = _own_words()
    words = sorted(w for w in found if w.casefold() not in own)
    any_of = "|".join(map(re.escape, words))
    return re.compile(rf"(?<![^\W_])(?:{any_of})(?![^\W_])", re.I) if words else None


def reason(fault: Exception, images: Iterable[str] = ()) -> str:
    """Return why a patient's files could not be used, without paths of this machine and UIDs.

    Nor with anything that the headers of `images` say of the patient (`anonymous`).
    """
    text = str(fault)
    if isinstance(fault, OSError) and fault.filename:
        text = f"{Path(fault.filename).name}: {fault.strerror}. Expected: a file that can be read."
    elif not isinstance(fault, (StudyError, RuntimeError, ValueError, LookupError)):
        text = f"{type(fault).__name__}: {text}. Expected: files that other programs open too."
    return anonymous(redacted(text), images)


def identifiers(scans: Iterable[Path]) -> set[str]:
    """Return what the DICOM headers of these files and folders say of patient and hospital.

    Every file is read: a date or an operator may change within a series. Names are given in
    each order, dates in the usual ways of writing them.
    """
    found: set[tuple[str, str]] = set()
    for path in scans:
        for file in [path] if path.is_file() else (p for p in path.rglob("*") if p.is_file()):
            if _is_dicom(file):
                found |= _values(file)
    words = {form for value in found for form in _forms(*value)}
    return {w for w in words if _long(w) >= (SHORTEST_NUMBER if w.isdigit() else SHORTEST)}


def _long(word: str) -> int:
    """Return a word's length; a Chinese, Japanese or Korean letter counts as two."""
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in word)


def _values(file: Path) -> set[tuple[str, str]]:
    header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=TAGS, force=True)
    return {(tag, str(header.get(tag, "")).strip()) for tag in TAGS}


def _forms(tag: str, value: str) -> list[str]:
    """Return a header's value as it may be written.

    A name's parts, in both orders, however joined, a number without what separates its digits, a
    date's usual ways.
    """
    forms = [value]
    for spelled in value.split("=") if tag in PERSONS else ():
        parts = [part for part in re.split(r"[\^\s]+", spelled) if part]
        both = (parts, parts[::-1])
        forms += [*parts, *(sign.join(order) for sign in JOINED for order in both)]
        forms += [form.translate(LATIN) for form in forms]
    if tag in NUMBERS:
        forms.append(re.sub(r"[\s./_-]", "", value))
    if re.fullmatch(r"(19|20)\d{6}(\d{2,6}(\.\d+)?)?", value):
        year, month, day = value[:4], value[4:6], value[6:8]
        forms.append(value[:8])
        forms += [f"{year}-{month}-{day}", f"{day}.{month}.{year}", f"{month}/{day}/{year}"]
        forms += [f"{day}/{month}/{year}"]
    return forms


def _is_dicom(path: Path) -> bool:
    try:
        return read_header(path) is not None
    except StudyError:
        return False


def scan_reports(study: Study, scans: Iterable[Path], allowed: Iterable[str] = ()) -> pd.DataFrame:
    """Look through every file of the finished reports for what must not be there (`scan_folder`).

    Args:
        study: its reports are looked through.
        scans: files and folders of the patients' images.
        allowed: words that may be there, such as hospitals of cohort.csv.
    """
    places = _places(str(study.folder), str(study.reports))
    return scan_folder(study.reports, scans, list(places), allowed)


def scan_folder(
    folder: Path, scans: Iterable[Path], places: list[str], allowed: Iterable[str] = ()
) -> pd.DataFrame:
    """Look through every file of a folder for what must not be mailed.

    Looked for, as whole words: the headers' names, numbers and dates (`identifiers`), DICOM
    UIDs, and `places`, folders of this machine. Words of the workbook's own texts and `allowed`
    ones are passed over.

    Returns:
        file, kind (`header`, `uid`, `path`) and n of what was found; never the value itself.
    """
    header = _words_of(identifiers(scans) - set(allowed))
    kinds = {"header": header} if header else {}
    long = [p for p in places if len(Path(p).parts) > 2 or p.endswith("/")]  # /app is a word
    kinds |= {"uid": UID}
    kinds |= {"path": re.compile("|".join(map(re.escape, long)))} if long else {}
    rows = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (*TEXT, TABLE)):
        text = _visible(path)
        counts = {kind: len(pattern.findall(text)) for kind, pattern in kinds.items()}
        name = path.relative_to(folder).as_posix()
        rows += [(name, kind, n) for kind, n in counts.items() if n]
    return pd.DataFrame(rows, columns=["file", "kind", "n"])


def refuse(found: pd.DataFrame) -> None:
    """Stop where a scan found something.

    Raises:
        StudyError: names the files and what kind of thing stands there.
    """
    if len(found):
        told = "; ".join(f"{r.file} ({r.kind}, {r.n} times)" for r in found.itertuples())
        raise StudyError(
            f"the reports hold what must not be mailed: {told}. Expected: no name, number, date or "
            "UID of the DICOM headers and no path. Do not mail them; look at these files."
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
    text = ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"[A-Za-z0-9+/]{200,}={0,2}", "", text)  # images and arrays in base64


@functools.cache
def _own_words() -> set[str]:
    here = Path(__file__).parent
    texts = [*(ROOT / "notebooks").glob("*.ipynb"), *here.rglob("*.py"), *here.rglob("*.toml"),
             *here.rglob("*.j2")]  # fmt: skip
    words = (re.findall(r"\w+", p.read_text(encoding="utf-8").casefold()) for p in texts)
    return {word for some in words for word in some}


def _places(study_folder: str, reports: str) -> dict[str, str]:
    """Return the folders of this machine that no report may name, and what stands for each."""
    short = {
        reports: f"reports/{Path(reports).name}",
        study_folder: f"data/{Path(study_folder).name}",
        str(ROOT): ".",
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
    places = _places(study_folder, reports)
    paths = [(str(v), f"[{k}]") for k, v in (given or {}).items() if _is_path(v)]
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
