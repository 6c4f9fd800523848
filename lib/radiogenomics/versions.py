"""What the workbook ran with: each notebook says it, and the manifest keeps it."""

from __future__ import annotations

import importlib.metadata
import platform

PACKAGES = (
    "radiogenomics", "tensorflow", "keras", "pyradiomics-bhklab", "simpleitk", "scikit-learn",
    "statsmodels", "numpy", "scipy", "pandas", "plotly", "papermill", "nbconvert",
)  # fmt: skip


def versions() -> dict[str, str | None]:
    """Return the version of each package; None where it is not installed."""
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def made_with() -> str:
    """Return the versions as a sentence."""
    found = [f"{name} {version}" for name, version in versions().items() if version]
    return f"Made with Python {platform.python_version()}, {', '.join(found)}."
