"""Notebook 02: a patient's CT and outline, read onto one grid, and their description."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["grids", "inspection", "scans", "volumes"]
)
