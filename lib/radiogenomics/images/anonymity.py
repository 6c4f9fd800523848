"""What DICOM headers say of a patient, and messages without it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from itertools import chain, repeat
from pathlib import Path

import pydicom

from radiogenomics.images.dicom.headers import read_header
from radiogenomics.study.contract import NOTEBOOKS
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import SHIPPED, files_below, read_json, there

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
OWN = (".py", ".toml", ".j2", ".md")  # files of texts that are the library's own
SHORTEST, SHORTEST_NUMBER = 4, 6  # a shorter word or number is in any report by chance
ROLES = ("the CT", "the mask")  # of a patient's images, which are named by them
TOKEN = re.compile(r"[^\W_]+")


def redacted(text: str) -> str:
    """Return a message with the UIDs that DICOM file names often are taken out."""
    return UID.sub("[uid]", text)


def anonymous(text: str, images: Iterable[str], patient: str = "") -> str:
    """Return a message without what a patient's images tell of patient and hospital.

    That is what their headers say, and their names, where these hold more than the workbook's
    own words and the patient's pseudonym: a file may be named after the patient.

    Args:
        text: the message.
        images: paths of the CT, of the mask, and of those of further lesions, "" for none.
        patient: the pseudonym.
    """
    images = list(images)
    pattern = words_of(identifiers(Path(p) for p in images if p and there(p)))
    text = pattern.sub("[DICOM header]", text) if pattern else text
    for role, path in zip(chain(ROLES, repeat(ROLES[-1])), images, strict=False):
        for name in _names_of(path) if path else ():
            if name in text and private_tokens(name, [patient]):
                text = text.replace(name, role)
    return text


def _names_of(path: str) -> list[str]:
    """Return how a message may name an image or a file in its folder, the longest first."""
    parts = Path(path).parts
    ends = ["/".join(parts[i:]) for i in range(len(parts))]
    folder = there(path) and Path(path).is_dir()
    slices = [file.name for file in files_below(Path(path))] if folder else []
    return [path, *ends, *sorted(slices, key=len, reverse=True), *parts[:-1]]


def private_tokens(text: str, known: Iterable[str] = ()) -> set[str]:
    """Return the words of a text, in small letters, that may identify somebody.

    Passed over are words of the library's own texts and of the `known` ones, and what is so
    short that it stands in any report by chance.
    """
    tokens = set(TOKEN.findall(text.casefold()))
    tokens -= {word for one in known for word in TOKEN.findall(one.casefold())}
    tokens = {w for w in tokens if _long(w) >= (SHORTEST_NUMBER if w.isdigit() else SHORTEST)}
    return tokens - _own_tokens() if tokens else tokens


def words_of(values: set[str]) -> re.Pattern | None:
    """Return what finds these values of headers as whole words, but for words of our own texts."""
    own = _own_words()
    words = sorted(w for w in values if w.casefold() not in own)
    any_of = "|".join(map(re.escape, words))
    return re.compile(rf"(?<![^\W_])(?:{any_of})(?![^\W_])", re.I) if words else None


def reason(fault: Exception, images: Iterable[str] = (), patient: str = "") -> str:
    """Return why a patient's files could not be used, without paths of this machine and UIDs.

    Nor with anything that `images` tell of the patient (`anonymous`).
    """
    text = str(fault)
    if isinstance(fault, OSError) and fault.filename:
        text = f"{Path(fault.filename).name}: {fault.strerror}. Expected: a file that can be read."
    elif not isinstance(fault, StudyError):
        text = f"{type(fault).__name__}: {text}. Expected: files that other programs open too."
    return anonymous(redacted(text), images, patient)


def identifiers(scans: Iterable[Path]) -> set[str]:
    """Return what the DICOM headers of these files and folders say of patient and hospital.

    Every file is read: a date or an operator may change within a series. Names are given in
    each order, dates in the usual ways of writing them.
    """
    values: set[tuple[str, str]] = set()
    for path in scans:
        for file in [path] if path.is_file() else files_below(path):
            if _is_dicom(file):
                values |= _values(file)
    words = {form for value in values for form in _forms(*value)}
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


@functools.cache
def _own_words() -> set[str]:
    """Return the words of the library's own texts and of its notebooks.

    Copies of notebooks that lie beside these, and outputs that a notebook was saved with, may
    hold a patient's name; so may a paper's facts its author's.
    """
    here = Path(__file__).parents[1]
    files = (
        p for p in here.rglob("*") if p.suffix in OWN and "shipped" not in p.relative_to(here).parts
    )
    texts = [p.read_text(encoding="utf-8") for p in files]
    for notebook in NOTEBOOKS:
        cells = read_json(SHIPPED / "notebooks" / f"{notebook.name}.ipynb")["cells"]
        texts += ["".join(cell["source"]) for cell in cells]
    return {word for text in texts for word in re.findall(r"\w+", text.casefold())}


@functools.cache
def _own_tokens() -> set[str]:
    """Return the words of the library's own texts, taken apart at underscores."""
    return {token for word in _own_words() for token in TOKEN.findall(word)}
