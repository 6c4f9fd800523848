"""In which notebook a setting acts: what changes nothing is told."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from radiogenomics.report.execution import declared
from radiogenomics.study import contract
from radiogenomics.study.settings import Settings, keys, sections
from radiogenomics.study.study import Study
from radiogenomics.study.values import section_of
from radiogenomics.study.words import listed

FIRST_READ = {  # the notebook in which a section's settings act, where none declares them
    "label": "01", "codes": "01", "cohorts": "01", "eligibility": "01", "images": "01",
    "lesions": "01", "preprocessing": "02", "radiomics": "03", "clinical": "03",
    "models": "03", "features": "03", "cnn": "04", "evaluation": "05",
    "plan": "05", "gradcam": "06",
}  # fmt: skip


@lru_cache
def _parameters(files: tuple[Path, ...]) -> dict[str, frozenset[str]]:
    """Return the parameters of each notebook by its number; each file is read once."""
    return {path.name[:2]: frozenset(declared(path)) for path in files}


def declaring(name: str, files: tuple[Path, ...]) -> frozenset[str]:
    """Return the numbers of the notebooks that declare a parameter."""
    return frozenset(number for number, names in _parameters(files).items() if name in names)


def _acts(name: str, files: tuple[Path, ...]) -> frozenset[str]:
    """Return the numbers of the notebooks in which a setting acts, none where that is unknown."""
    first = FIRST_READ.get(section_of().get(name, name))
    return declaring(name, files) or frozenset([first] if first else [])


def idle(chosen: Iterable[str], overrides: Iterable[str], files: tuple[Path, ...]) -> list[str]:
    """Return a line for each setting of a run that none of its notebooks reads.

    Args:
        chosen: numbers of the notebooks that are run.
        overrides: names of settings.
        files: all notebooks.
    """
    acts, chosen = {name: _acts(name, files) for name in overrides}, set(chosen)
    return [
        f"-p {name} acts in notebook {listed(sorted(where))}, which is not run: it changes "
        "nothing here." for name, where in acts.items() if where and not where & chosen
    ]  # fmt: skip


def outdated(study: Study, files: tuple[Path, ...]) -> list[str]:
    """Return a line for each setting of study.toml with which its notebook has not run.

    One that was given with -p for the run is no such setting.
    """
    states = study.manifest().get("notebooks", {})
    ran = {n.digits: (study.ran_with(n), states[n.name].get("overrides", {}))
           for n in contract.NOTEBOOKS if "settings" in states.get(n.name, {})}  # fmt: skip
    lines = []
    for section, kind in sections().items():
        for name in keys(kind) or [section]:  # [models] has the classifiers' own names
            now, said = _value(study.settings, section, name), _named(section, name)
            for number in sorted(_acts(name, files) & set(ran)):
                then, given = ran[number]
                if name not in given and _value(then, section, name) != now:
                    lines.append(
                        f"study.toml has {said} = {_said(now)} now; notebook {number} "
                        f"ran with {_said(_value(then, section, name))}, and so do the results "
                        f"here. Run again: workbook run --from {number}"
                    )
                    break
    return lines


def _value(settings: Settings, section: str, name: str) -> Any:
    if name == section:
        return getattr(settings, section).others
    return getattr(getattr(settings, section) if section else settings, name)


def _named(section: str, name: str) -> str:
    return f"[{section}] {name}" if name != section else f"[{section}]"


def _said(value: Any) -> str:
    return str(list(value) if isinstance(value, tuple) else value)
