"""Notebook 07, and what is handed on: the saved models, one new patient, a package of models."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["applicability", "package", "prediction", "training"],
    submod_attrs={
        "package": ["open_models"],
        "prediction": [
            "EXAMPLE",
            "Prediction",
            "clinical_score",
            "elsewhere",
            "grid_of",
            "predict",
            "read_images",
            "reading",
            "save",
            "save_map",
            "table",
        ],
        "training": ["known"],
    },
)
