"""Notebook 05: which model reads the label best in patients of another hospital, and how sure."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["confounders", "evidence", "figures", "hospitals", "paper", "readings", "results"],
)
