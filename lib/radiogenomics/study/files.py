"""Files written whole or not at all, and where the shipped ones lie."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import itertools
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from radiogenomics.study.errors import DamagedFile, SettingsFault

_PACKED = Path(__file__).parents[1] / "shipped"  # what a wheel carries; a checkout has none
CHECKOUT = None if _PACKED.is_dir() else Path(__file__).parents[3]
SHIPPED = CHECKOUT or _PACKED  # notebooks/, data/ and docs/ lie below it
SEAL = ".sha256"  # how the name of a sealed file's digest ends
PART = ".part-"  # how the name of a file begins that is not whole yet


def shipped(name: str) -> str:
    """Return how a message names a shipped file: as it is in a checkout, else with its folder."""
    return name if CHECKOUT else str(SHIPPED / name)


def with_extra(extra: str, command: str) -> str:
    """Return what to type so that `workbook COMMAND` has the packages of an extra."""
    if CHECKOUT:
        return f"uv run --extra {extra} workbook {command}"
    version = importlib.metadata.version("radiogenomics")
    return f"pip install 'radiogenomics-{version}-py3-none-any.whl[{extra}]'"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


UMASK = _umask()  # read once: to read it is to set it, for every thread


@contextmanager
def whole_file(path: Path, sealed: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block ends well.

    A sealed file has its SHA-256 in a file beside it, by which `sound` notices damage.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=PART, suffix="".join(path.suffixes))
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.chmod(0o666 & ~UMASK)
        made = sha256(part) if sealed else ""
        part.replace(path)
        if sealed:
            _seal_of(path).write_text(made, encoding="utf-8")
    finally:
        part.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}{SEAL}")


def sound(path: Path) -> bool:
    """Return whether a sealed file is there as it was written."""
    try:
        return _seal_of(path).read_text(encoding="utf-8") == sha256(path)
    except (OSError, UnicodeDecodeError):
        return False


def there(path: str | Path) -> bool:
    """Return whether a path is a file or a folder; one that no system takes is neither."""
    try:
        return Path(path).is_file() or Path(path).is_dir()
    except OSError:
        return False


def filled(path: Path) -> bool:
    """Return whether a file is there and, if it is a table, has a row."""
    if path.suffix != ".csv" or not path.is_file():
        return path.is_file()
    with path.open(encoding="utf-8") as lines:
        return len(list(itertools.islice(lines, 2))) == 2


def files_below(folder: Path) -> list[Path]:
    """Return the files in a folder and below it in name order; links to folders are followed."""
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link back up
            folders.clear()
            continue
        seen.add(real)
        found += [path for path in (Path(place) / name for name in names) if path.is_file()]
    return sorted(found)


def sweep(folder: Path) -> None:
    """Delete the parts of files that a killed run left behind."""
    for part in folder.rglob(f"{PART}*"):
        part.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all."""
    with whole_file(path) as part:
        part.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file that the workbook wrote.

    Raises:
        DamagedFile: it holds something else.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as fault:
        raise damaged(path, fault) from None


def damaged(path: Path, fault: Exception | str) -> DamagedFile:
    """Return the error of a file that is not as the workbook wrote it."""
    return DamagedFile(
        f"{path.name} is damaged ({fault}). Expected: the file as the workbook wrote it. Delete it "
        "and run the study again: what is kept is not computed anew."
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file that a user wrote, with or without a byte order mark.

    Raises:
        SettingsFault: it is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise SettingsFault(f"{path} is not valid TOML: {fault}. Correct that line.") from None


def digest(*parts: Any) -> str:
    """Return a short SHA-256 of JSON-able parts: the name of a cache entry."""
    text = json.dumps(parts, sort_keys=True, default=_keyed)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _keyed(part: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, without settings that came later and have their default."""
    later = {f.name: f.default for f in dataclasses.fields(part)
             if getattr(f.metadata.get("key"), "later", False)}  # fmt: skip
    values = {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    return {n: value for n, value in values.items() if n not in later or value != later[n]}
