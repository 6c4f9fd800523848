"""Clinical values in the codes of data/README.md, whatever usual words a table has for them."""

from __future__ import annotations

import re

import pandas as pd

from radiogenomics.study.errors import SettingsFault
from radiogenomics.study.settings import CODES, Codes

OPTIONAL = ("lobe", "stage")  # a value that cannot be read is a missing one
WORDS = {  # what is usual besides the codes themselves
    "sex": {
        "female": "f w woman weiblich frau femme femmina mujer 女 女性",
        "male": "m man männlich mann homme maschio hombre 男 男性",
    },
    "smoking": {
        "never": "never-smoker never_smoker non-smoker nonsmoker nie jamais mai nunca",
        "former": "former-smoker former_smoker ex-smoker ex_smoker exsmoker ex quit",
        "current": "current-smoker current_smoker active",
    },
    "cea": {"normal": "low", "high": "elevated raised"},
    "lobe": {},
    "stage": {},
}
STAGE = re.compile(r"(?:stage\s*)?(iv|i{1,3})[abc]?[1-3]?", re.I)  # TNM, 8th edition


def coded(column: str, cells: pd.Series, codes: Codes) -> pd.Series:
    """Return a column's cells in the codes of data/README.md; what is not understood stays.

    Raises:
        SettingsFault: an entry of study.toml, [codes] that names no code.
    """
    words = {code.casefold(): code for code in CODES[column]}
    for code, usual in WORDS[column].items():
        words |= dict.fromkeys(usual.split(), code)
    words |= _own(column, codes)
    return cells.map(lambda cell: _code(column, cell, words, codes.cea_high_from))


def _code(column: str, cell: str, words: dict[str, str], high_from: float) -> str:
    key = cell.strip().casefold()
    if key in words:
        return words[key]
    stage = STAGE.fullmatch(key) if column == "stage" else None
    if stage:
        return stage[1].upper()
    if column == "cea" and re.fullmatch(r"\d+([.,]\d+)?", key):
        return "high" if float(key.replace(",", ".")) >= high_from else "normal"
    return cell


def _own(column: str, codes: Codes) -> dict[str, str]:
    """Return the words that study.toml gives."""
    own = {}
    for entry in getattr(codes, column):
        word, _, code = (part.strip() for part in entry.partition("="))
        if code not in CODES[column]:
            raise SettingsFault(
                f"study.toml [codes]: {column} = {entry!r}. Expected: your word = one of "
                f"{', '.join(CODES[column])}."
            )
        own[word.casefold()] = code
    return own
